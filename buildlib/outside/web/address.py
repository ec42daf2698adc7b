"""URLs and the secrets in them: parsing, and redacting for messages. Sends no request."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from buildlib.outside.web.credentials import basic


class Origin(NamedTuple):
    """A server; a login for one origin is never sent to another."""

    scheme: str
    host: str
    port: int


class Address(NamedTuple):
    """A parsed URL.

    Attributes:
        url: Without credentials and fragment.
        login: Value of an Authorization header if the URL held credentials, else "".
    """

    url: str
    origin: Origin
    login: str


def parse_url(url: str) -> Address:
    """Parse an http or https URL; ValueError for any other text."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme not in ("http", "https") or not host:
        raise ValueError("not an http or https address")
    origin = Origin(scheme, host, parts.port or (443 if scheme == "https" else 80))
    user, password = parts.username, parts.password
    login = "" if user is None else basic(unquote(user), unquote(password or ""))
    return Address(urlunsplit(_bare(parts)._replace(fragment="")), origin, login)


def redacted(url: str) -> str:
    """A URL as a message may show it: without user, password, query and fragment."""
    try:
        return urlunsplit(_bare(urlsplit(url))._replace(query="", fragment=""))
    except ValueError:
        return "(an address that cannot be read)"


def _bare(parts: SplitResult) -> SplitResult:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2])
