"""The images of a release: listed by its index in a registry, and pulled by their digests.

The index is the artifact `ORGANIZATION/releases:VERSION`; its first layer is `images.json`
(docs/releases.md). It is doubted like any entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from buildlib.build.sharing.entry import DIGEST, LARGEST
from buildlib.build.sharing.shared_store import SharedStore
from buildlib.build.sharing.transfers import transfer
from buildlib.core.model.settings import Settings
from buildlib.core.store import names
from buildlib.engine.protocol import Engine
from buildlib.errors import ActionError, BuildError
from buildlib.outside.registry.protocol import Registry

RELEASES = "releases"
"""Repository, below the organisation, of the indexes."""
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_NAME = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*\Z")


class Image(NamedTuple):
    """An image of a release.

    Attributes:
        repository: Its place in this registry, as `names.repository` gives it.
        digest: Of its manifest.
        image_id: Its identity, the digest of its configuration.
    """

    repository: str
    tags: tuple[str, ...]
    digest: str
    image_id: str


def images_of(registry: Registry, settings: Settings, version: str) -> list[Image]:
    """Return the images of a release, whose version is as in `2.5.0`.

    Raises:
        RegistryUnavailable: The registry does not answer.
        ActionError: There is no such release, or its index cannot be used.
    """
    path = names.without_host(names.repository(settings, RELEASES), registry.host)
    index = registry.manifest(path, version)
    if index is None:
        raise ActionError(
            f"{registry.host} has no release {version} of {settings.organization}",
            fix=_others(registry, path),
        )
    where = f"the index of {version} in {registry.host}"
    try:
        first = index.blobs[1]
    except (BuildError, IndexError):
        raise _damaged(where, "it lists no files", version) from None
    if first.size > LARGEST:
        raise _damaged(where, f"its list of images has {first.size} bytes", version)
    try:
        plain = json.loads(b"".join(registry.read_blob(path, first.digest)))
        images = [_image(image, settings) for image in plain["images"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(where, "its list of images cannot be read", version) from None
    if not images:
        raise _damaged(where, "it lists no images", version)
    return images


def _image(plain: Any, settings: Settings) -> Image:
    # The index in a copy of a registry still names the host of the first one.
    name = plain["repository"].rpartition("/")[2]
    tags, digest, image_id = plain["tags"], plain["digest"], plain["image_id"]
    good = _NAME.match(name) and DIGEST.match(digest) and DIGEST.match(image_id)
    if not (good and tags and all(_TAG.match(tag) for tag in tags)):
        raise ValueError
    return Image(names.repository(settings, name), tuple(tags), digest, image_id)


def _others(registry: Registry, path: str) -> str:
    versions = [tag for tag in registry.tags(path) if not tag.startswith("claim-")]
    if not versions:
        return "./doitw pull  # the images of this checkout; nothing was released there yet"
    return f"./doitw pull VERSION={versions[-1]}  # there are: {', '.join(versions[-10:])}"


def _damaged(where: str, what: str, version: str) -> ActionError:
    return ActionError(
        f"{where} cannot be used: {what}", fix=f"./doitw release VERSION={version}  # completes it"
    )


def pull(
    registry: Registry, store: SharedStore, engine: Engine, images: Sequence[Image], version: str
) -> list[Image]:
    """Pull the images of a release into an engine, under the tags of the release.

    Of its further tags (`latest`), those are set that still belong to the release.

    Args:
        registry: Where they are.
        store: The same registry, as a store.
        engine: Where they go.
        images: As `images_of` lists them.
        version: The release.

    Returns:
        The images that the engine lacked.

    Raises:
        ActionError: The version's tag is on another image in the engine, so that nothing was
            pulled; or an image cannot be pulled, or is not the one that is listed.
    """
    tags = {f"{image.repository}:{version}": image for image in images}
    ids = [name for image in images for name in (image.image_id, image.digest)]
    answers = engine.inspect([*tags, *ids])  # one question for all of them
    for reference, image in tags.items():
        present = answers[reference]
        if present is not None and present.id not in (image.image_id, image.digest):
            raise ActionError(
                f"{reference} is another image here; a release tag is never moved",
                fix=f"docker rmi {reference}  # if it is nothing that you need",
            )
    infos = {image: answers[image.image_id] or answers[image.digest] for image in images}
    missing = [image for image, info in infos.items() if info is None]

    works = {
        image: partial(
            store.pull_image, f"{image.repository}@{image.digest}", image.image_id, engine
        )
        for image in missing
    }
    infos |= transfer("pull", works)
    for image, info in infos.items():
        assert info is not None  # noqa: S101 - the engine had it, or it was pulled
        path = names.without_host(image.repository, registry.host)
        for tag in image.tags:
            # `latest` may name a later release by now; it is not moved back.
            if tag == version or registry.head(path, tag) == image.digest:
                engine.tag(info.id, f"{image.repository}:{tag}")
    return missing
