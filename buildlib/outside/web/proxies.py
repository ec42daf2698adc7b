"""Which proxy a request goes through; `urllib.request` finds the proxies of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from buildlib.errors import InputError
from buildlib.outside.web.address import Origin, parse_url


class Proxy(NamedTuple):
    """A proxy.

    Attributes:
        url: Without credentials.
        login: Value of a Proxy-Authorization header, or "".
    """

    url: str
    login: str


def proxy_for(origin: Origin, proxies: Mapping[str, str]) -> Proxy | None:
    """The proxy for requests to a server; None for a direct connection.

    Args:
        origin: The server.
        proxies: Scheme -> proxy, as `urllib.request.getproxies` returns them.
    """
    proxy = proxies.get(origin.scheme) or proxies.get("all", "")
    if not proxy or proxy_bypass(origin.host) or proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        address = parse_url(url)
    except ValueError:
        raise InputError(
            f"cannot fetch through a proxy of the kind {urlsplit(url).scheme!r}",
            fix="export http_proxy=http://proxy:port https_proxy=http://proxy:port",
        ) from None
    return Proxy(address.url, address.login)
