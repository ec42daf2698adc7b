"""Signing of releases with a cosign key: which key, and what is signed with it.

Images are signed by digest, so before they have a release tag; files have their signature beside
them. Nothing is signed without a key, and the release says so. It must not know steps of a release
nor who may trust which key. How to check, with cosign and without: docs/signing.md.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping

from buildlib.core.model.settings import Settings
from buildlib.errors import InputError
from buildlib.outside.registry.protocol import Registry
from buildlib.shipping.releasing import cosign_image
from buildlib.shipping.releasing.cosign_image import Signature
from buildlib.shipping.releasing.cosign_key import ASK, MAKE_KEY, PrivateKey, open_key

STATEMENT = "application/vnd.in-toto+json"
_SETTING = "key in [tool.buildlib.signing]"


class Signer:
    """Signs with one key.

    Args:
        path: Its file, to be named to people.
    """

    def __init__(self, key: PrivateKey, path: str) -> None:
        self._key = key
        self._path = path

    def __repr__(self) -> str:
        return f"Signer({self._path!r})"

    @property
    def public_key(self) -> str:
        """The text of the `cosign.pub` that checks what is signed here."""
        return self._key.public.pem

    def describe(self) -> str:
        """What a release says of its signatures, without its secrets."""
        return f"signed with {self._path}, public key sha256:{self._key.public.fingerprint}"

    def sign_image(self, registry: Registry, repository: str, digest: str, reference: str) -> bool:
        """Put a signature beside an image, unless one of this key is there; others' stay.

        No registry changes a tag only if it is still what was read: of two that sign one image in
        the same moment, only the later one's signature may stay. Signing again mends it.

        Args:
            repository: Its name there, without the registry's host.
            reference: Its name for people, with the registry, without tag or digest. cosign calls
                it the identity, and does not compare it with where the image is found.

        Returns:
            Whether a signature was put.
        """
        payload = cosign_image.payload(reference, digest)
        for there in cosign_image.signatures(registry, repository, digest):
            if there.payload == payload and self._key.public.signed(*there):
                return False
        signature = Signature(payload, self._key.sign(payload))
        cosign_image.add(registry, repository, digest, signature)
        return True

    def sign_file(self, path: str) -> str:
        """Write the signature of a file beside it, as base64: `SHA256SUMS.sig`.

        Returns:
            Path of the signature.
        """
        with open(path, "rb") as file:
            signature = self._key.sign(file.read())
        beside = f"{path}.sig"
        with open(f"{beside}.new", "wb") as out:
            out.write(base64.b64encode(signature) + b"\n")
        os.replace(f"{beside}.new", beside)
        return beside

    def envelope(self, statement: bytes) -> bytes:
        """A DSSE envelope of an in-toto statement, whose bytes it keeps: one line."""
        signature = self._key.sign(pre_authentication(STATEMENT, statement))
        envelope = {
            "payloadType": STATEMENT,
            "payload": base64.b64encode(statement).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        }
        return json.dumps(envelope).encode() + b"\n"


def signer(settings: Settings, environ: Mapping[str, str], root: str) -> Signer | None:
    """The signer that is configured; its key is opened at once, so that a wrong one is known early.

    Args:
        settings: `signing.key` names the key, below `root` where it is relative.
        environ: `COSIGN_KEY` names another; `COSIGN_PASSWORD` is the passphrase, maybe empty.

    Returns:
        None where no key is configured.
    """
    path, named_by = environ.get("COSIGN_KEY", ""), "COSIGN_KEY"
    if not path:
        path, named_by = os.path.join(root, os.path.expanduser(settings.signing.key)), _SETTING
        if not settings.signing.key:
            return None
    if "-----BEGIN" in path:  # some services hand keys over so; the text must not be shown
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
    """What is signed for a DSSE envelope: type and payload, each with its length (DSSE 1.0.2)."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
