"""Signatures of images in a registry, in the format of cosign.

The signatures of the image `sha256:abc…` are the layers of an OCI artifact in its repository, under
the tag `sha256-abc….sig`. A layer is the signed payload, a small JSON text that names the digest;
an annotation of the layer holds the signature. The format is that of cosign's SIGNATURE_SPEC.md,
the bytes are those of cosign 2.4. This module must not know keys.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest, Registry, digest_of

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_ZERO_TIME = "0001-01-01T00:00:00Z"
_MAX_BYTES = 1 << 20
"""A larger payload is not read: anyone who can write to the repository may have put it there."""


class Signature(NamedTuple):
    """One signature of an image.

    Attributes:
        signature: In DER, for ECDSA.
    """

    payload: bytes
    signature: bytes


def payload(reference: str, digest: str) -> bytes:
    """The payload that is signed for an image.

    Args:
        reference: Name of the image, with registry, without tag or digest.
    """
    first, slash, _ = reference.partition("/")
    if not slash or (not set(".:") & set(first) and first != "localhost"):
        reference = f"docker.io/{reference}"
    if reference.startswith("docker.io/"):
        reference = f"index.{reference}"  # as cosign calls it
    return _json(
        {
            "critical": {
                "identity": {"docker-reference": reference},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )


def tag(digest: str) -> str:
    """The tag of an image's signatures, in its own repository."""
    return digest.replace(":", "-") + ".sig"


def signatures(registry: Registry, repository: str, digest: str) -> list[Signature]:
    """All signatures of an image, by any key; none of them is verified."""
    result = []
    for layer in _layers(registry, repository, digest):
        try:
            text = layer["annotations"][ANNOTATION]
            if layer["mediaType"] != PAYLOAD or int(layer["size"]) > _MAX_BYTES:
                continue
            signature = base64.b64decode(text, validate=True)
            blob = str(layer["digest"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue
        result.append(Signature(b"".join(registry.read_blob(repository, blob)), signature))
    return result


def add(registry: Registry, repository: str, digest: str, signed: Signature) -> None:
    """Add a signature to those of an image."""
    layer = {
        "mediaType": PAYLOAD,
        "size": len(signed.payload),
        "digest": registry.put_blob(repository, signed.payload),
        "annotations": {ANNOTATION: base64.b64encode(signed.signature).decode()},
    }
    layers = [*_layers(registry, repository, digest), layer]
    config = _json(
        {
            "architecture": "",
            "created": _ZERO_TIME,
            "history": [{"created": _ZERO_TIME} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
            "config": {},
        }
    )
    registry.put_blob(repository, config)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": _CONFIG,
                "size": len(config),
                "digest": digest_of(config),
            },
            "layers": layers,
        }
    )
    registry.put_manifest(repository, tag(digest), Manifest(OCI_MANIFEST, manifest))


def _layers(registry: Registry, repository: str, digest: str) -> list[dict[str, Any]]:
    """The layers of an image's signatures; none if it has none."""
    manifest = registry.manifest(repository, tag(digest))
    if manifest is None:
        return []
    layers = manifest.plain.get("layers")
    if not isinstance(layers, list) or not all(
        isinstance(layer, dict) and isinstance(layer.get("digest"), str) for layer in layers
    ):
        raise ActionError(f"manifest {manifest.digest} holds no signatures, but has their tag")
    return layers


def _json(value: object) -> bytes:
    """JSON as Go writes it: without blanks, in the given order."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
