"""Addresses and the secrets that may be in them: who is asked, with which login, what is shown.

Nothing here asks the network.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from buildlib.outside.web.credentials import basic


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
    user, password = parts.username, parts.password
    login = "" if user is None else basic(unquote(user), unquote(password or ""))
    return Address(urlunsplit(_bare(parts)._replace(fragment="")), origin, login)


def shown(url: str) -> str:
    """An address as a message may show it: without user, password, query and fragment."""
    try:
        return urlunsplit(_bare(urlsplit(url))._replace(query="", fragment=""))
    except ValueError:
        return "(an address that cannot be read)"


def _bare(parts: SplitResult) -> SplitResult:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2])
