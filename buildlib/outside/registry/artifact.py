"""What our OCI artifacts have in common (image-spec 1.1, "Guidelines for Artifact Usage").

Records, releases and claims are artifacts: a manifest with a type, blobs and annotations.
"""

from __future__ import annotations

import calendar
import time
from contextlib import suppress
from typing import Any

from buildlib.errors import BuildError
from buildlib.outside.registry.protocol import OCI_EMPTY, Descriptor, Manifest

EMPTY = b"{}"
"""The configuration of an artifact ("empty descriptor"); it must be uploaded, too."""
CREATED = "org.opencontainers.image.created"
TITLE = "org.opencontainers.image.title"
"""Annotation of a layer: its file name."""
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def descriptor(blob: Descriptor) -> dict[str, Any]:
    """A descriptor as JSON."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def empty() -> dict[str, Any]:
    """The descriptor of `EMPTY`."""
    return descriptor(Descriptor(OCI_EMPTY, Manifest("", EMPTY).digest, len(EMPTY)))


def annotations_of(manifest: Manifest) -> dict[str, Any]:
    """The annotations of a manifest; none if it cannot be read."""
    annotations = None
    with suppress(BuildError):
        annotations = manifest.plain.get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def stamp(seconds: float) -> str:
    """Seconds since 1970 as text for an annotation."""
    return time.strftime(_TIME, time.gmtime(seconds))


def created(manifest: Manifest) -> float | None:
    """The creation time in a manifest's annotations, in seconds since 1970."""
    with suppress(ValueError):
        text = str(annotations_of(manifest).get(CREATED, ""))
        return float(calendar.timegm(time.strptime(text, _TIME)))
    return None
