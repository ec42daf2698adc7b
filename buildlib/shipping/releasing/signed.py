"""The check of whoever receives a release: the files of a folder, offline (`release check DIR`).

It says what sha256sum, openssl and cosign would say (docs/signing.md). It must not know private
keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator

from buildlib.core.store.content import sha256_of
from buildlib.errors import ActionError, Location
from buildlib.shipping.releasing.cosign_key import PublicKey
from buildlib.shipping.releasing.sign import STATEMENT, pre_authentication

SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.sig"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)\Z")
_ENVELOPE, _STATEMENT = ".dsse.json", ".intoto.json"


def check_folder(folder: str, public_key: str = "") -> list[str]:
    """Check that a folder holds a release as it was published, and nothing else.

    Each line of `SHA256SUMS` has to be true, and each file has to have a line. With a key,
    `SHA256SUMS` has to be signed, and each envelope (`NAME.dsse.json`) has to be signed and to
    hold the statement beside it (`NAME.intoto.json`). Of files that end in `jsonl`, each line.

    Args:
        public_key: The text of a `cosign.pub` that is trusted; where it is empty, files are held
            against their sums alone.

    Returns:
        Names of the files that are as they were published, sorted.
    """
    key = PublicKey.read(public_key) if public_key else None
    sums = _read(folder, SUMS)
    if key is not None and not key.signed(sums, _signature(_read(folder, SIGNATURE), SIGNATURE)):
        raise _wrong(SIGNATURE, f"is not a signature of {SUMS} by this key")
    listed = dict(_lines(sums.decode("utf-8", "replace")))
    present = set(_files(folder)) - {SUMS, SIGNATURE}
    for name in sorted(present - listed.keys()):
        raise _wrong(name, f"has no line in {SUMS}")
    for name, wanted in listed.items():
        if name not in present:
            raise _wrong(name, f"is not there, but has a line in {SUMS}")
        if sha256_of(f"{folder}/{name}") != wanted:
            raise _wrong(name, f"is not what {SUMS} says")
        if key is not None and name.endswith((_ENVELOPE, f"{_ENVELOPE}l")):
            _check_envelopes(folder, name, key)
    return sorted([*listed, SUMS])


def _check_envelopes(folder: str, name: str, key: PublicKey) -> None:
    """Check a file of DSSE envelopes."""
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
    """The statement in an envelope."""
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
    """Names and sums of a text in the form of `sha256sum`."""
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


def _wrong(name: str, what: str) -> ActionError:
    return ActionError(f"{name} {what}", fix="do not use these files; fetch the release again")
