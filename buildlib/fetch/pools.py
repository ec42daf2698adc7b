"""Connections that stay open, direct or through the site's proxy; one pool for each way out.

Proxies come from the environment as for `urllib.request`. The module knows no request.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from buildlib.errors import InputError
from buildlib.fetch import address


class Pools:
    """The connections of one client; safe to use from many threads.

    Args:
        proxies: Scheme -> proxy; those of the environment if None.
        **options: Of every `urllib3.PoolManager` made, such as `ssl_context` and `timeout`.
    """

    def __init__(self, proxies: Mapping[str, str] | None = None, **options: Any) -> None:
        self._proxies = getproxies() if proxies is None else proxies
        self._options = options
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.PoolManager] = {}

    def pool(self, origin: address.Origin) -> urllib3.PoolManager:
        """The connections for this origin: direct ones, or those of its proxy.

        Raises:
            InputError: The proxy is of a kind we do not speak.
        """
        proxy = self._proxies.get(origin.scheme) or self._proxies.get("all", "")
        if proxy and (proxy_bypass(origin.host) or proxy_bypass(f"{origin.host}:{origin.port}")):
            proxy = ""
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._connections(proxy)
            return self._pools[proxy]

    def _connections(self, proxy: str) -> urllib3.PoolManager:
        if not proxy:
            return urllib3.PoolManager(**self._options)
        url = proxy if "://" in proxy else f"http://{proxy}"
        try:
            clean, _, login = address.read(url)
        except ValueError:
            raise InputError(
                f"cannot fetch through a proxy of the kind {urlsplit(url).scheme!r}",
                fix="export http_proxy=http://proxy:port https_proxy=http://proxy:port",
            ) from None
        headers = {"Proxy-Authorization": login} if login else None
        return urllib3.ProxyManager(clean, proxy_headers=headers, **self._options)
