"""The checks of whoever receives a release: the files of a folder, and an image in a registry.

They say what cosign and openssl would say (docs/signing.md). It must not know private keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Iterator

from buildlib.errors import ActionError, Location
from buildlib.registry.protocol import Registry
from buildlib.releasing import cosign_image
from buildlib.releasing.cosign_key import PublicKey
from buildlib.releasing.sign import STATEMENT, pre_authentication

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)\Z")
_PIECE = 1 << 20
_ENVELOPE, _STATEMENT = ".dsse.json", ".intoto.json"


def check_folder(folder: str, public_key: str) -> list[str]:
    """Check that a folder holds a release as its publisher signed it, and nothing else.

    `SHA256SUMS` has to be signed, each of its lines has to be true, each file has to have a line,
    and each envelope (`NAME.dsse.json`) has to be signed, and to hold the statement beside it
    (`NAME.intoto.json`). In files that end in `jsonl` each line is one.

    Args:
        folder: The release's folder.
        public_key: The text of a `cosign.pub` that is trusted.

    Returns:
        Names of the files that are as they were signed, sorted.

    Raises:
        ActionError: Something is not as it was signed.
        InputError: The public key is none.
    """
    key = PublicKey.read(public_key)
    sums = _read(folder, SUMS)
    if not key.signed(sums, _signature(_read(folder, f"{SUMS}.sig"), f"{SUMS}.sig")):
        raise _wrong(f"{SUMS}.sig", f"is not a signature of {SUMS} by this key")
    listed = dict(_lines(sums.decode("utf-8", "replace")))
    present = set(_files(folder)) - {SUMS, f"{SUMS}.sig"}
    for name in sorted(present - listed.keys()):
        raise _wrong(name, f"has no line in {SUMS}")
    for name, wanted in listed.items():
        if name not in present:
            raise _wrong(name, f"is not there, but has a line in {SUMS}")
        if _sha256(f"{folder}/{name}") != wanted:
            raise _wrong(name, f"is not what {SUMS} says")
        if name.endswith((_ENVELOPE, f"{_ENVELOPE}l")):
            _check_envelopes(folder, name, key)
    return sorted([*listed, SUMS])


def check_image(registry: Registry, repository: str, digest: str, public_key: str) -> None:
    """Check that an image was signed with a key.

    Args:
        registry: Where it is.
        repository: Its name there, without the registry's host.
        digest: Of its manifest.
        public_key: The text of a `cosign.pub` that is trusted.

    Raises:
        ActionError: No signature beside it is of this key and this image, or the registry refuses.
        RegistryUnavailable: It does not answer.
        InputError: The public key is none.
    """
    key = PublicKey.read(public_key)
    for there in cosign_image.signatures(registry, repository, digest):
        if key.signed(*there) and cosign_image.digest_in(there.payload) == digest:
            return
    raise ActionError(f"{registry.host}/{repository}@{digest} is not signed with this key")


def _check_envelopes(folder: str, name: str, key: PublicKey) -> None:
    """Check a file of DSSE envelopes.

    Raises:
        ActionError: One is none, or not signed with the key, or of another statement.
    """
    envelopes = _read(folder, name)
    beside = name.replace(_ENVELOPE, _STATEMENT)
    statements = _read(folder, beside)
    if name.endswith("l"):
        found = [_opened(line, name, key) for line in envelopes.splitlines()]
        wanted = statements.splitlines()
    else:
        found, wanted = [_opened(envelopes, name, key)], [statements]
    if found != wanted:
        raise _wrong(name, f"does not hold what {beside} says")


def _opened(envelope: bytes, name: str, key: PublicKey) -> bytes:
    """The statement in an envelope.

    Raises:
        ActionError: It is no envelope, or not signed with the key.
    """
    try:
        plain = json.loads(envelope)
        kind, text = str(plain["payloadType"]), str(plain["payload"])
        payload = base64.b64decode(text, validate=True)
        by = [base64.b64decode(it["sig"], validate=True) for it in plain["signatures"]]
    except (KeyError, TypeError, ValueError):
        raise _wrong(name, "is not a DSSE envelope") from None
    message = pre_authentication(kind, payload)
    if kind != STATEMENT or not any(key.signed(message, signature) for signature in by):
        raise _wrong(name, "is not signed by this key")
    return payload


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Names and sums of a text in the form of `sha256sum`.

    Raises:
        ActionError: A line is of another form, or leads out of the folder.
    """
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        name = found.group(2) if found else ""
        if not found or os.path.isabs(name) or ".." in name.split("/"):
            raise ActionError(f"{SUMS} is not what sha256sum writes", where=Location(SUMS, number))
        yield name.removeprefix("./"), found.group(1)


def _files(folder: str) -> Iterator[str]:
    for where, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(where, name), folder).replace(os.sep, "/")


def _signature(text: bytes, name: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise _wrong(name, "is not base64") from None


def _read(folder: str, name: str) -> bytes:
    try:
        with open(f"{folder}/{name}", "rb") as file:
            return file.read()
    except OSError as error:
        raise _wrong(name, f"cannot be read: {error.strerror}") from None


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _wrong(name: str, what: str) -> ActionError:
    return ActionError(f"{name} {what}", fix="do not use these files; fetch the release again")
