"""What the registry keeps for a key: the format of the record beside an image.

Pure: bytes in, an `Entry` or a message out. It knows the formats of manifests, and not how a
registry is asked. It doubts whatever comes from a registry: anybody who may write there may have
written anything. `checks` compares a record with the image it describes.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from buildlib.core.keys.record import KeyRecord, make_record
from buildlib.core.model.output import FileOutput
from buildlib.errors import BuildError
from buildlib.outside.registry import artifact
from buildlib.outside.registry.protocol import OCI_MANIFEST, Descriptor, Manifest, digest_of

ARTIFACT = "application/vnd.buildlib.record.v1+json"
"""The artifact's type: `artifactType` in the OCI image specification 1.1."""
LAYER = "application/vnd.buildlib.record.v1+json+gzip"
"""The type of its first layer, the record; further layers are the files of the target."""
LARGEST = 16 << 20
"""Limit, in bytes, for a compressed record or a configuration; no real one is near it."""
_LARGEST_PLAIN = 128 << 20
_SCHEMA = 1
LABEL = "org.buildlib.label"
_KEY = "org.buildlib.key"
_HEX = re.compile(r"[0-9a-f]{64}\Z")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Invalid(Exception):
    """An entry that cannot be used; the text says what is wrong."""


class Entry(NamedTuple):
    """What a registry has for a key.

    Attributes:
        label: The target, as text.
        key: 64 hex digits.
        image_id: The image's identity, the digest of its configuration; empty for a target with
            files.
        digest: Of the image's manifest, by which engines with the containerd store call it; of
            the record's own for a target with files.
        size: Bytes to transfer at most: all blobs of the image, or all files.
        files: By name.
        pushed: When it was published, in seconds since 1970.
        seconds: How long the target took to build.
        platform: Such as `linux/amd64`; empty for a target with files.
        repository: As `names.repository` gives it (with the registry's host).
        records: Its key record and those of all below it, by key, for `why --against`.
    """

    label: str
    key: str
    image_id: str
    digest: str
    size: int
    files: Mapping[str, FileOutput]
    pushed: int
    seconds: float = 0.0
    platform: str = ""
    repository: str = ""
    records: Mapping[str, KeyRecord] = {}


# -- writing -----------------------------------------------------------------------------------


def encode(entry: Entry, subject: Descriptor | None) -> tuple[Manifest, bytes]:
    """Return an entry's artifact: its manifest, and its first layer.

    `subject` is the image's manifest; None for a target with files. Equal entries give equal bytes.
    """
    plain = {
        "schema": _SCHEMA,
        "label": entry.label,
        "key": entry.key,
        "image": entry.image_id,
        "digest": entry.digest if entry.image_id else "",
        "platform": entry.platform,
        "size": entry.size,
        "pushed": entry.pushed,  # so that another blob replaces a record that is damaged there
        "seconds": round(entry.seconds, 3),
        "files": {name: list(file) for name, file in sorted(entry.files.items())},
        "records": {key: entry.records[key].parts for key in sorted(entry.records)},
    }
    data = gzip.compress(json.dumps(plain).encode(), mtime=0)
    layers = [artifact.descriptor(Descriptor(LAYER, digest_of(data), len(data)))]
    layers += [
        artifact.file_layer(name, f"sha256:{file.sha256}", file.size)
        for name, file in sorted(entry.files.items())
    ]
    created = artifact.stamp(entry.pushed)
    annotations = {artifact.CREATED: created, LABEL: entry.label, _KEY: entry.key}
    manifest = artifact.manifest(ARTIFACT, layers, annotations)
    if subject is not None:
        manifest["subject"] = artifact.descriptor(subject)
    return Manifest(OCI_MANIFEST, json.dumps(manifest, indent=1).encode()), data


# -- reading -----------------------------------------------------------------------------------


def record_layer(manifest: Manifest) -> Descriptor:
    """Return the layer of an artifact that holds the record.

    Raises:
        Invalid: The manifest is not that of a record.
    """
    try:
        kind = manifest.plain.get("artifactType")
        layers = manifest.blobs[1:]
    except BuildError as error:
        raise Invalid(f"its {error.what}") from None
    if kind != ARTIFACT:
        raise Invalid(f"what its record's tag names is of the type {kind}, not {ARTIFACT}")
    if not layers or layers[0].media_type != LAYER:
        raise Invalid("its artifact holds no record")
    if layers[0].size > LARGEST:
        raise Invalid(f"its record has {layers[0].size} bytes, which no real one has")
    return layers[0]


def decode(manifest: Manifest, data: bytes, repository: str) -> Entry:
    """Read a record, and check it by itself: the parts of each key must give that key.

    Args:
        manifest: The artifact's.
        data: Its first layer.
        repository: Where it was found.

    Raises:
        Invalid: It is not what we would have written.
    """
    plain = _plain(_unpacked(data))
    try:
        if plain["schema"] != _SCHEMA:
            raise Invalid(f"its record is of schema {plain['schema']}, and {_SCHEMA} is understood")
        records = {
            str(key): make_record([(str(name), str(value)) for name, value in parts])
            for key, parts in plain["records"].items()
        }
        entry = Entry(
            label=_text(plain["label"]),
            key=_text(plain["key"]),
            image_id=_text(plain["image"]),
            digest=_text(plain["digest"]) or manifest.digest,
            size=int(plain["size"]),
            files={_text(name): _file(file) for name, file in plain["files"].items()},
            pushed=int(plain["pushed"]),
            seconds=float(plain["seconds"]),
            platform=_text(plain["platform"]),
            repository=repository,
            records=records,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise Invalid("its record lacks what it should say") from None
    _check_keys(entry)
    for name, value in ((LABEL, entry.label), (_KEY, entry.key)):
        annotation = artifact.annotations_of(manifest).get(name)
        if annotation != value:
            raise Invalid(f"its artifact says {annotation}, and its record {value}")
    numbers = (entry.seconds, entry.size, entry.pushed)
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise Invalid("its record tells a time or a size that cannot be")
    if bool(entry.image_id) == bool(entry.files):
        raise Invalid("its record names neither an image nor files, or both")
    if entry.image_id and not (DIGEST.match(entry.image_id) and DIGEST.match(entry.digest)):
        raise Invalid("its record names no image")
    _check_files(entry, manifest)
    return entry


def _unpacked(data: bytes) -> bytes:
    try:
        opened = zlib.decompressobj(wbits=31)
        plain = opened.decompress(data, _LARGEST_PLAIN)
    except zlib.error:
        raise Invalid("its record is not packed with gzip") from None
    if not opened.eof:
        raise Invalid("its record is cut off")
    return plain


def _plain(text: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise Invalid("its record is not a JSON object")
    return plain


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _file(plain: Any) -> FileOutput:
    sha256, size, executable = plain
    if not (_HEX.match(sha256) and isinstance(size, int) and isinstance(executable, bool)):
        raise TypeError
    return FileOutput(sha256, size, executable)


def _check_keys(entry: Entry) -> None:
    """The parts of each key must give that key, so that nobody can invent them."""
    for key, record in entry.records.items():
        if record.key != key:
            raise Invalid(f"the parts of key {key[:12]} in its record do not give that key")
    if entry.key not in entry.records:
        raise Invalid("its record lacks the parts of its own key")


def _check_files(entry: Entry, manifest: Manifest) -> None:
    """Each name must stay inside its folder, and each file have a layer, so that it is kept."""
    layers = {(layer.digest, layer.size) for layer in manifest.blobs[2:]}
    for name, file in entry.files.items():
        if not name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
            raise Invalid(f"its record has a file with the name {name!r}")
        if (f"sha256:{file.sha256}", file.size) not in layers:
            raise Invalid(f"its artifact lacks the file {name}")
