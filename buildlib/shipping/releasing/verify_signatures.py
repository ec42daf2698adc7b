"""Verifying the files of a received release, offline (`release check FOLDER`).

The result is that of sha256sum, openssl and cosign (docs/signing.md). This module must not know
private keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator

from buildlib.core.keys.index import file_sha256
from buildlib.errors import ActionError, Location
from buildlib.shipping.releasing.artifacts import CHECKSUMS, files_below
from buildlib.shipping.releasing.cosign_key import PublicKey
from buildlib.shipping.releasing.sign import STATEMENT, pre_authentication

SIGNATURE = f"{CHECKSUMS}.sig"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)\Z")
_ENVELOPE, _STATEMENT = ".dsse.json", ".intoto.json"


def check_folder(folder: str, public_key: str = "") -> list[str]:
    """Check that a folder holds a release as it was published, and nothing else.

    Each line of `SHA256SUMS` must be right, and each file must have a line. With a key,
    `SHA256SUMS` must be signed, and each envelope (`NAME.dsse.json`) must be signed and hold the
    statement beside it (`NAME.intoto.json`); in files that end in `jsonl`, each line of them.

    Args:
        public_key: The text of a trusted `cosign.pub`; if empty, only sums are checked.

    Returns:
        Sorted names of the verified files.
    """
    key = PublicKey.read(public_key) if public_key else None
    sums = _read(folder, CHECKSUMS)
    if key is not None and not key.verifies(sums, _signature(_read(folder, SIGNATURE), SIGNATURE)):
        raise _error(SIGNATURE, f"is not a signature of {CHECKSUMS} by this key")
    listed = dict(_parse_sums(sums.decode("utf-8", "replace")))
    present = set(files_below(folder)) - {CHECKSUMS, SIGNATURE}
    for name in sorted(present - listed.keys()):
        raise _error(name, f"has no line in {CHECKSUMS}")
    for name, digest in listed.items():
        if name not in present:
            raise _error(name, f"is not there, but has a line in {CHECKSUMS}")
        if file_sha256(f"{folder}/{name}") != digest:
            raise _error(name, f"is not what {CHECKSUMS} says")
        if key is not None and name.endswith((_ENVELOPE, f"{_ENVELOPE}l")):
            _check_envelopes(folder, name, key)
    return sorted([*listed, CHECKSUMS])


def _check_envelopes(folder: str, name: str, key: PublicKey) -> None:
    """Check that a file of DSSE envelopes is signed and holds the statements beside it."""
    envelopes = _read(folder, name)
    beside = name.replace(_ENVELOPE, _STATEMENT)
    statements = _read(folder, beside)
    if name.endswith("l"):
        signed_statements = [_open_envelope(line, name, key) for line in envelopes.splitlines()]
        expected = statements.splitlines()
    else:
        signed_statements, expected = [_open_envelope(envelopes, name, key)], [statements]
    if signed_statements != expected:
        raise _error(name, f"does not hold what {beside} says")


def _open_envelope(envelope: bytes, name: str, key: PublicKey) -> bytes:
    """The statement in an envelope, which must be signed by the key."""
    try:
        plain = json.loads(envelope)
        kind, text = str(plain["payloadType"]), str(plain["payload"])
        payload = base64.b64decode(text, validate=True)
        signatures = [
            base64.b64decode(entry["sig"], validate=True) for entry in plain["signatures"]
        ]
    except (KeyError, TypeError, ValueError):
        raise _error(name, "is not a DSSE envelope") from None
    message = pre_authentication(kind, payload)
    if kind != STATEMENT or not any(key.verifies(message, signature) for signature in signatures):
        raise _error(name, "is not signed by this key")
    return payload


def _parse_sums(text: str) -> Iterator[tuple[str, str]]:
    """Names and sums in the format of `sha256sum`; refuses paths out of the folder."""
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.match(line)
        name = match.group(2) if match else ""
        if not match or os.path.isabs(name) or ".." in name.split("/"):
            raise ActionError(
                f"{CHECKSUMS} is not what sha256sum writes", where=Location(CHECKSUMS, number)
            )
        yield name.removeprefix("./"), match.group(1)


def _signature(text: bytes, name: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise _error(name, "is not base64") from None


def _read(folder: str, name: str) -> bytes:
    try:
        with open(f"{folder}/{name}", "rb") as file:
            return file.read()
    except OSError as error:
        raise _error(name, f"cannot be read: {error.strerror}") from None


def _error(name: str, what: str) -> ActionError:
    return ActionError(f"{name} {what}", fix="do not use these files; fetch the release again")
