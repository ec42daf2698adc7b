"""Through which proxy a host is reached; proxies are those that `urllib.request` finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from buildlib.errors import InputError
from buildlib.outside.web import address


class Proxy(NamedTuple):
    """A proxy.

    Attributes:
        url: Without credentials.
        login: Value of a Proxy-Authorization header, or "".
    """

    url: str
    login: str


def proxy_for(origin: address.Origin, proxies: Mapping[str, str]) -> Proxy | None:
    """The proxy for whom to ask; None for the direct way.

    Args:
        origin: Whom.
        proxies: Scheme -> proxy, as `urllib.request.getproxies` gives them.

    Raises:
        InputError: The proxy is of a kind we do not speak.
    """
    proxy = proxies.get(origin.scheme) or proxies.get("all", "")
    if not proxy or proxy_bypass(origin.host) or proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        found = address.read(url)
    except ValueError:
        raise InputError(
            f"cannot fetch through a proxy of the kind {urlsplit(url).scheme!r}",
            fix="export http_proxy=http://proxy:port https_proxy=http://proxy:port",
        ) from None
    return Proxy(found.url, found.login)
