"""What a registry that says 401 asks for: `WWW-Authenticate`, read (RFC 9110, 11.6.1).

Pure functions on texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_SCHEME = re.compile(r"(?:^|,)\s*(Bearer|Basic)(?:\s+|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Challenge(NamedTuple):
    """How to show who we are.

    Attributes:
        scheme: `basic` or `bearer`.
        realm: Of bearer: the address that gives tokens.
        service: Whom the token shall be for.
        scope: What it shall allow: `repository:elyra/kernel-py:pull,push`.
    """

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def read(headers: Iterable[str]) -> Challenge | None:
    """The challenge to answer; a token's before that of a password. None where there is none.

    Args:
        headers: Values of `WWW-Authenticate`.
    """
    found: dict[str, Challenge] = {}
    for header in headers:
        starts = list(_SCHEME.finditer(header))
        ends = [start.start() for start in starts[1:]] + [len(header)]
        for start, end in zip(starts, ends, strict=False):  # there may be no start
            scheme = start[1].lower()
            values = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for name, quoted, plain in _PARAMETER.findall(header[start.end() : end])
            }
            found[scheme] = Challenge(
                scheme,
                values.get("realm", ""),
                values.get("service", ""),
                values.get("scope", ""),
            )
    return found.get("bearer") or found.get("basic")
