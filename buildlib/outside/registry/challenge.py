"""Parses `WWW-Authenticate`, with which a registry asks for credentials (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.request import parse_http_list

_SCHEME = re.compile(r"(\w+)(?:\s+(?=\w)|\Z)")


class Challenge(NamedTuple):
    """How to authenticate.

    Attributes:
        scheme: `basic` or `bearer`.
        realm: For bearer: the URL that issues tokens.
        service: The server that the token is for.
        scope: What the token has to allow: `repository:elyra/kernel-py:pull,push`.
    """

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenge(headers: Iterable[str]) -> Challenge | None:
    """The challenge to answer: bearer before basic; None if neither is there."""
    challenges: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for part in (part for header in headers for part in parse_http_list(header)):
        if scheme := _SCHEME.match(part):  # `Bearer realm="…"`; `service="…"` goes on with it
            values = challenges[scheme[1].lower()] = {}
        name, _, value = part[scheme.end() if scheme else 0 :].partition("=")
        values[name.strip().lower()] = value.strip().strip('"')
    for kind in ("bearer", "basic"):
        if kind in challenges:
            fields = Challenge._fields[1:]
            return Challenge(kind, *(challenges[kind].get(field, "") for field in fields))
    return None
