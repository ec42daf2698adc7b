"""What our OCI artifacts have in common (image-spec 1.1, "Guidelines for Artifact Usage").

Records, releases and claims are artifacts: a manifest with a type, blobs and annotations.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from buildlib.errors import BuildError
from buildlib.outside.registry.protocol import (
    OCI_EMPTY,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    digest_of,
)

EMPTY = b"{}"
"""The configuration of an artifact ("empty descriptor"); it must be uploaded, too."""
CREATED = "org.opencontainers.image.created"
FILE = "application/octet-stream"
TITLE = "org.opencontainers.image.title"
"""Annotation of a layer: its file name."""
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def descriptor(blob: Descriptor) -> dict[str, Any]:
    """A descriptor as JSON."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def empty() -> dict[str, Any]:
    """The descriptor of `EMPTY`."""
    return descriptor(Descriptor(OCI_EMPTY, digest_of(EMPTY), len(EMPTY)))


def file_layer(name: str, digest: str, size: int) -> dict[str, Any]:
    """The descriptor of a blob that is a file with a name."""
    return {**descriptor(Descriptor(FILE, digest, size)), "annotations": {TITLE: name}}


def manifest(
    kind: str, layers: Iterable[Mapping[str, Any]], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """The manifest of an artifact, as JSON; without layers, it has the empty blob as the only one.

    Args:
        kind: The type of the artifact, which is a media type.
    """
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty(),
        "layers": list(layers) or [empty()],
        "annotations": annotations,
    }


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
