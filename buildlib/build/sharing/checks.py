"""Whether a record matches the image it describes: pure comparisons, each with its message.

The messages end a line such as `//images/a in registry.test is not used: its image is gone`.
"""

from __future__ import annotations

import json

from buildlib.build.sharing.entry import Entry, Invalid
from buildlib.engine.protocol import platform_of
from buildlib.errors import BuildError
from buildlib.outside.registry.protocol import DOCKER_MANIFEST, OCI_MANIFEST, Manifest


def check_image(entry: Entry, tagged: str | None, image: Manifest | None, config: bytes) -> None:
    """Compare the record of an image with the image itself; raise `Invalid` if they differ.

    Args:
        entry: What the record says.
        tagged: The digest that the key's own tag names.
        image: The manifest that the record names.
        config: The image's configuration, which matches its digest; empty where it cannot be had.
    """
    if tagged is None:
        raise Invalid("the tag of its key is gone")
    if tagged != entry.digest:
        raise Invalid(f"the tag of its key names {tagged[:19]}, and its record {entry.digest[:19]}")
    if image is None:
        raise Invalid("its image is gone")
    if image.media_type not in (OCI_MANIFEST, DOCKER_MANIFEST):
        raise Invalid(f"what its record names is no image, but {image.media_type}")
    try:
        image_id, layers = image.config.digest, image.blobs[1:]
    except BuildError as error:
        raise Invalid(f"its {error.what}") from None
    if image_id != entry.image_id:
        raise Invalid(f"its image is {image_id[:19]}, and its record says {entry.image_id[:19]}")
    try:
        plain = json.loads(config)
        platform = platform_of(plain["os"], plain["architecture"], plain.get("variant") or "")
        unpacked = len(plain["rootfs"]["diff_ids"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("its image has no configuration that can be read") from None
    if platform != entry.platform:
        raise Invalid(f"its image is for {platform}, and its record says {entry.platform}")
    if unpacked != len(layers):
        raise Invalid(f"its image has {len(layers)} layers, and its configuration {unpacked}")
