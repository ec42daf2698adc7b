"""From what a download is to the addresses it may have at this site.

Debian files lie below the apt mirror's root. Files of Python projects have no address one could
compute: the project's page in the package index names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from buildlib.fetch.source import INDEX_SCHEME, DebianPath, PyPIFile, Urls
from buildlib.fetch.trouble import WebError
from buildlib.pypi import ACCEPT, files_of, index_url, project_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildlib.fetch.source import Source
    from buildlib.fetch.web import Web
    from buildlib.model.settings import Network


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
        self._index = index_url(network.pypi)
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
        page = project_page(self._index, project)
        if page not in self._pages:
            final, kind, data = self._web.page(page, ACCEPT)
            try:
                files = files_of(data.decode(), kind, final)
            except ValueError:
                raise WebError(page, "is not a page of a simple index", "broken") from None
            self._pages[page] = {file.name: file.url for file in files}
        found = self._pages[page].get(filename)
        if found is None:
            raise WebError(page, f"does not list {filename}", "absent")
        return found
