"""Key pairs of cosign: opening a private key, signing and verifying.

cosign makes ECDSA keys on P-256. It keeps the private key in a PEM that holds JSON: PKCS8 in a NaCl
secretbox, under a key that scrypt derives from the passphrase. This module must not know what is
signed, nor where file and passphrase come from.

Signatures follow RFC 6979, without random numbers: one text has one signature, and a repeated
release has the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import DSS

from buildlib.errors import InputError

_CURVE = "NIST P-256"
_NAMES = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)
_MEMORY = 1 << 30
"""Bytes that scrypt may take; cosign's own parameters ask for 64 MiB."""
MAKE_KEY = "cosign generate-key-pair"
ASK = "read -rs COSIGN_PASSWORD && export COSIGN_PASSWORD"


class PublicKey:
    """A public key, which verifies signatures.

    Args:
        key: On P-256; of a private key, the public half is used.
    """

    def __init__(self, key: ECC.EccKey) -> None:
        self._key = key.public_key()

    @classmethod
    def read(cls, pem: str) -> PublicKey:
        return cls(_imported(pem.strip(), "the public key"))

    @property
    def fingerprint(self) -> str:
        """The sha256 of its DER form, 64 hex digits."""
        return hashlib.sha256(self._key.export_key(format="DER")).hexdigest()

    def verifies(self, data: bytes, signature: bytes) -> bool:
        """Whether a signature (DER) of exactly these bytes is by this key."""
        try:
            DSS.new(self._key, "fips-186-3", encoding="der").verify(SHA256.new(data), signature)
        except ValueError:
            return False
        return True


class PrivateKey:
    """A private key, on P-256, which signs. Nothing of it is ever shown."""

    def __init__(self, key: ECC.EccKey) -> None:
        self._key = key
        self.public = PublicKey(key)

    def sign(self, data: bytes) -> bytes:
        """The signature (DER) of the sha256 of some bytes; deterministic."""
        signature = DSS.new(self._key, "deterministic-rfc6979", encoding="der").sign(
            SHA256.new(data)
        )
        return bytes(signature)


def open_key(text: str, passphrase: bytes, name: str) -> PrivateKey:
    """Open a private key that `cosign generate-key-pair` or `import-key-pair` wrote.

    Args:
        name: Name of the file in errors.
    """
    try:
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox
    except ImportError:  # plain doit, where ./doitw has not been asked for a release before
        raise InputError(
            f"PyNaCl is not installed, to open {name}", fix="./doitw release"
        ) from None

    box = _box(text, name)
    try:
        parameters = box["kdf"]["params"]
        cost, block, parallel = (int(parameters[word]) for word in ("N", "r", "p"))
        secret = hashlib.scrypt(
            passphrase,
            salt=_bytes(box["kdf"]["salt"]),
            n=cost,
            r=block,
            p=parallel,
            maxmem=_MEMORY,
            dklen=SecretBox.KEY_SIZE,
        )
        nonce, ciphertext = _bytes(box["cipher"]["nonce"]), _bytes(box["ciphertext"])
        opened = SecretBox(secret).decrypt(ciphertext, nonce)
    except CryptoError:
        raise InputError(
            f"the passphrase in COSIGN_PASSWORD does not open {name}",
            fix=f"{ASK}  # or, if the file is damaged, its back-up",
        ) from None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _damaged(name) from None
    return PrivateKey(_imported(opened, name))


def _box(text: str, name: str) -> dict[str, Any]:
    """The JSON in a PEM of a private key of cosign."""
    match = _PEM.search(text)
    kind = match.group(1) if match else ""
    if not match or kind not in _NAMES:
        if kind == "PUBLIC KEY":
            what, fix = "the public half of a key pair", "name cosign.key, not cosign.pub"
        elif kind.endswith("PRIVATE KEY"):
            what, fix = "a private key, but not cosign's", "cosign import-key-pair --key FILE"
        else:
            what, fix = "not a private key", MAKE_KEY
        raise InputError(f"{name} is {what}", fix=fix)
    try:
        box = json.loads(_bytes("".join(match.group(2).split())))
        kinds = box["kdf"]["name"], box["cipher"]["name"]
    except (KeyError, TypeError, ValueError):
        raise _damaged(name) from None
    if kinds != ("scrypt", "nacl/secretbox"):
        raise InputError(
            f"{name} is encrypted in a way that is not known here: {kinds[0]} and {kinds[1]}",
            fix=MAKE_KEY,
        )
    return dict(box)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _imported(key: str | bytes, name: str) -> ECC.EccKey:
    """Parse a key on P-256, in PEM or DER."""
    try:
        imported = ECC.import_key(key)
    except (ValueError, binascii.Error):
        imported = None
    if imported is None or imported.curve != _CURVE:
        raise InputError(f"{name} is not an ECDSA key on P-256, as cosign makes them", fix=MAKE_KEY)
    return imported


def _damaged(name: str) -> InputError:
    return InputError(f"{name} is damaged: it is not what cosign writes", fix="restore it")
