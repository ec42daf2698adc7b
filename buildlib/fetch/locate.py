"""From what a download is to the addresses it may have at this site.

Debian files lie below the apt mirror's root. Files of Python projects have no address one could
compute: the project's page in the simple index names it (JSON, PEP 691, or HTML, PEP 503). That a
file was yanked (PEP 592) does not matter to who has locked it.
"""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit

from buildlib.fetch.source import INDEX_SCHEME, DebianPath, PyPIFile, Urls
from buildlib.fetch.trouble import WebError
from buildlib.model.settings import Network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildlib.fetch.source import Source
    from buildlib.fetch.web import Web

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)
_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")


def index_url(network: Network, environ: Mapping[str, str] = os.environ) -> str:
    """The simple index to ask: the settings', unless they say nothing and uv or pip are told.

    A machine whose uv or pip has been pointed to an index needs no second setting.
    """
    if network.pypi == Network().pypi:
        for name in _INDEX_VARIABLES:
            value = environ.get(name, "").strip()
            if value:
                named = re.match(r"[A-Za-z0-9._-]+=(?=https?://)", value)  # uv: NAME=URL
                return value[named.end() if named else 0 :].rstrip("/")
    return network.pypi


class Locator:
    """Finds addresses; keeps the pages it has read.

    Args:
        network: Mirrors of this site.
        web: How pages are read.
        apt_mirrors: More roots to try for Debian files after the first, for example one that
            keeps what the archive no longer has.
    """

    def __init__(self, network: Network, web: Web, apt_mirrors: Sequence[str] = ()) -> None:
        self._roots = (network.apt, *(root.rstrip("/") for root in apt_mirrors))
        self._index = index_url(network)
        self._web = web
        self._pages: dict[str, dict[str, str]] = {}

    def find(self, source: Source) -> list[str]:
        """Addresses to try, best first; they may hold credentials.

        Raises:
            WebError: The index could not be read, or does not have the file (kind "absent").
        """
        match source:
            case DebianPath(path):
                # Some mirrors stand on object stores, which read a plain + as a space.
                return [f"{root}/{quote(path, safe='/~')}" for root in self._roots]
            case PyPIFile(project, filename):
                return [self._in_index(project, filename)]
            case Urls(()):
                raise WebError("no address", "is given for it", "absent")
            case Urls(urls):
                return self._addresses(urls)

    def _addresses(self, urls: Sequence[str]) -> list[str]:
        """Addresses of a file with its own; one that no index knows is passed over for the next."""
        found: list[str] = []
        unknown: WebError | None = None
        for url in urls:
            if not url.startswith(INDEX_SCHEME):
                found.append(url)
                continue
            project, _, filename = url.removeprefix(INDEX_SCHEME).partition("/")
            try:
                found.append(self._in_index(project, filename))
            except WebError as error:
                unknown = unknown or error
        if unknown is not None and not found:
            raise unknown
        return found

    def _in_index(self, project: str, filename: str) -> str:
        name = re.sub(r"[-_.]+", "-", project).lower()  # PEP 503, "Normalized Names"
        page = f"{self._index}/{name}/"
        if name not in self._pages:
            final, kind, data = self._web.page(page, _ACCEPT)
            self._pages[name] = _files_of_page(page, final, kind, data)
        found = self._pages[name].get(filename)
        if found is None:
            raise WebError(page, f"does not list {filename}", "absent")
        return found


def _files_of_page(page: str, final: str, kind: str, data: bytes) -> dict[str, str]:
    """Addresses by file name. Those in the page are relative to where it came from (`final`)."""
    try:
        if "json" in kind:
            files = json.loads(data)["files"]
            return {str(file["filename"]): urljoin(final, str(file["url"])) for file in files}
        parser = _Links(final)
        parser.feed(data.decode())
    except (ValueError, KeyError, TypeError):
        raise WebError(page, "is not a page of a simple index", "broken") from None
    return parser.files


class _Links(HTMLParser):
    """The files that the anchors of a page lead to."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base
        self.files: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if not address:
            return
        url = urljoin(self._base, address)
        if tag == "base":
            self._base = url
        elif tag == "a":
            self.files[unquote(urlsplit(url).path.rpartition("/")[2])] = url
