"""Signatures of images as cosign keeps them: where they lie in a registry, and in what form.

The signatures of the image `sha256:abc…` are the layers of an OCI artifact in its repository, under
the tag `sha256-abc….sig`. A layer is what was signed, a small JSON text that names the digest; the
signature itself is an annotation of the layer. The form is that of cosign's SIGNATURE_SPEC.md, and
the bytes are those that cosign 2.4 writes. It must not know keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any, NamedTuple

from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest, Registry

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_NO_TIME = "0001-01-01T00:00:00Z"
_LONGEST = 1 << 20
"""Bytes of a payload that are read: whoever may write to a repository can put anything there."""


class Signature(NamedTuple):
    """One signature of an image.

    Attributes:
        signature: In DER, for ECDSA.
    """

    payload: bytes
    signature: bytes


def payload(reference: str, digest: str) -> bytes:
    """What is signed for an image.

    Args:
        reference: The image's name, with its registry, without tag or digest.
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


def digest_in(payload: bytes) -> str:
    """The digest that a payload speaks of; empty where it is no payload of an image."""
    try:
        critical = json.loads(payload)["critical"]
        if critical["type"] != "cosign container image signature":
            return ""
        return str(critical["image"]["docker-manifest-digest"])
    except (KeyError, TypeError, ValueError):
        return ""


def tag(digest: str) -> str:
    """The tag under which the signatures of an image lie, in its own repository."""
    return digest.replace(":", "-") + ".sig"


def signatures(registry: Registry, repository: str, digest: str) -> list[Signature]:
    """All signatures that lie beside an image, whoever made them; none of them is checked."""
    manifest = registry.manifest(repository, tag(digest))
    found = []
    for layer in _layers(manifest) if manifest else ():
        try:
            text = layer["annotations"][ANNOTATION]
            if layer["mediaType"] != PAYLOAD or int(layer["size"]) > _LONGEST:
                continue
            signature = base64.b64decode(text, validate=True)
            blob = str(layer["digest"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue
        found.append(Signature(b"".join(registry.read_blob(repository, blob)), signature))
    return found


def add(registry: Registry, repository: str, digest: str, signed: Signature) -> None:
    """Put a signature beside an image, behind those that lie there."""
    present = registry.manifest(repository, tag(digest))
    layers = _layers(present) if present else []
    layer = {
        "mediaType": PAYLOAD,
        "size": len(signed.payload),
        "digest": registry.put_blob(repository, signed.payload),
        "annotations": {ANNOTATION: base64.b64encode(signed.signature).decode()},
    }
    layers = [*layers, layer]
    config = _json(
        {
            "architecture": "",
            "created": _NO_TIME,
            "history": [{"created": _NO_TIME} for _ in layers],
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
                "digest": "sha256:" + hashlib.sha256(config).hexdigest(),
            },
            "layers": layers,
        }
    )
    registry.put_manifest(repository, tag(digest), Manifest(OCI_MANIFEST, manifest))


def _layers(manifest: Manifest) -> list[dict[str, Any]]:
    """The layers of an artifact of signatures, as they are written there."""
    layers = manifest.plain.get("layers")
    if not isinstance(layers, list) or not all(
        isinstance(layer, dict) and isinstance(layer.get("digest"), str) for layer in layers
    ):
        raise ActionError(f"manifest {manifest.digest} holds no signatures, but has their tag")
    return layers


def _json(value: object) -> bytes:
    """As Go writes it: no blanks, and in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
