"""Signing releases with a cosign key.

Images are signed by digest, before they have a release tag; files have their signature beside them.
Without a key nothing is signed, and the release says so. This module must not know the steps of a
release, nor who trusts which key. docs/signing.md says how to verify, with cosign and without.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from buildlib.core.model.settings import Settings
from buildlib.errors import InputError
from buildlib.outside.registry.protocol import Registry
from buildlib.shipping.releasing import cosign_image
from buildlib.shipping.releasing.cosign_image import Signature
from buildlib.shipping.releasing.cosign_key import ASK, MAKE_KEY, PrivateKey, open_key

STATEMENT = "application/vnd.in-toto+json"
_SETTING = "key in [tool.buildlib.signing]"


class Signer(NamedTuple):
    """Signs with one key.

    Attributes:
        path: File of the key, for messages.
    """

    key: PrivateKey
    path: str

    def describe(self) -> str:
        """What a release says of its signatures; holds no secret."""
        return f"signed with {self.path}, public key sha256:{self.key.public.fingerprint}"

    def sign_image(self, registry: Registry, repository: str, digest: str, reference: str) -> bool:
        """Add a signature to an image, unless it has one by this key; others stay.

        Registries have no compare-and-set for tags: if two sign an image at the same moment, only
        the later signature may stay. Signing again mends that.

        Args:
            repository: Without the registry's host.
            reference: Name with the registry, without tag or digest. cosign calls it the identity,
                and does not compare it with the place of the image.

        Returns:
            Whether a signature was put.
        """
        payload = cosign_image.payload(reference, digest)
        for present in cosign_image.signatures(registry, repository, digest):
            if present.payload == payload and self.key.public.verifies(*present):
                return False
        signature = Signature(payload, self.key.sign(payload))
        cosign_image.add(registry, repository, digest, signature)
        return True

    def sign_file(self, path: str) -> str:
        """Write the signature of a file beside it, as base64 in `FILE.sig`; returns that path."""
        with open(path, "rb") as file:
            signature = self.key.sign(file.read())
        beside = f"{path}.sig"
        with open(f"{beside}.new", "wb") as out:
            out.write(base64.b64encode(signature) + b"\n")
        os.replace(f"{beside}.new", beside)
        return beside

    def envelope(self, statement: bytes) -> bytes:
        """A DSSE envelope of an in-toto statement, whose bytes it keeps: one line."""
        signature = self.key.sign(pre_authentication(STATEMENT, statement))
        envelope = {
            "payloadType": STATEMENT,
            "payload": base64.b64encode(statement).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        }
        return json.dumps(envelope).encode() + b"\n"


def signer(settings: Settings, environ: Mapping[str, str], root: str) -> Signer | None:
    """The configured signer, or None; opens its key at once, so that a wrong one fails early.

    Args:
        settings: `signing.key` names the file of the key, relative to `root`.
        environ: `COSIGN_KEY` names another file; `COSIGN_PASSWORD` is the passphrase, maybe empty.
    """
    path, named_by = environ.get("COSIGN_KEY", ""), "COSIGN_KEY"
    if not path:
        path, named_by = os.path.join(root, os.path.expanduser(settings.signing.key)), _SETTING
        if not settings.signing.key:
            return None
    if "-----BEGIN" in path:  # some CI services put the key itself there; it must not be shown
        raise InputError(
            f"{named_by} holds a key, and should name the file of one",
            fix="COSIGN_KEY=/path/of/cosign.key",
        )
    name = f"{path} ({named_by})"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError as error:
        raise InputError(
            f"the signing key {name} cannot be read: {error.strerror}",
            fix=f"{MAKE_KEY}  # and keep cosign.key outside of the checkout",
        ) from None
    if "COSIGN_PASSWORD" not in environ:
        raise InputError(
            f"COSIGN_PASSWORD is not set: the signing key {name} has a passphrase",
            fix=ASK,
        )
    passphrase = environ["COSIGN_PASSWORD"].encode("utf-8", "surrogateescape")
    return Signer(open_key(text, passphrase, name), path)


def pre_authentication(kind: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding: type and payload, each with its length (DSSE 1.0.2)."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
