"""Addresses and the secrets that may be in them: who is asked, with which login, what is shown.

Nothing here asks the network.
"""

from __future__ import annotations

import os
from base64 import b64encode
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit


class Origin(NamedTuple):
    """Whom a login is for: it is sent to no other scheme, host or port."""

    scheme: str
    host: str
    port: int


class Address(NamedTuple):
    """An address taken apart.

    Attributes:
        url: What to ask for: without credentials and fragment.
        origin: Whom to ask.
        login: Value of an Authorization header if the address held credentials, else "".
    """

    url: str
    origin: Origin
    login: str


def read(url: str) -> Address:
    """Take an address apart.

    Raises:
        ValueError: It is no http or https address.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme not in ("http", "https") or not host:
        raise ValueError("not an http or https address")
    origin = Origin(scheme, host, parts.port or (443 if scheme == "https" else 80))
    login = "" if parts.username is None else basic(parts.username, parts.password)
    return Address(urlunsplit(_bare(parts)._replace(fragment="")), origin, login)


def shown(url: str) -> str:
    """An address as a message may show it: without user, password, query and fragment."""
    try:
        return urlunsplit(_bare(urlsplit(url))._replace(query="", fragment=""))
    except ValueError:
        return "(an address that cannot be read)"


def basic(user: str, password: str | None) -> str:
    """Authorization (or Proxy-Authorization) for parts of an address, which are percent-encoded."""
    return _basic(unquote(user), unquote(password or ""))


def login_from_netrc(host: str) -> str:
    """What `$NETRC` or ~/.netrc has for a host, as an Authorization; "" for nothing."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    if not os.path.exists(path):
        return ""
    from netrc import NetrcParseError, netrc

    with suppress(NetrcParseError, OSError, UnicodeDecodeError):  # pip and uv ignore it, too
        found = netrc(path).authenticators(host)
        if found:
            return _basic(found[0], found[2] or "")
    return ""


def _bare(parts: SplitResult) -> SplitResult:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2])


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
