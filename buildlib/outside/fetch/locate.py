"""Finds the URLs of a download under the mirrors of this site.

Debian files lie below the root of the apt mirror. The URL of a Python file cannot be computed; the
project's page in the package index has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from buildlib.outside.fetch.source import INDEX_SCHEME, DebianPath, PyPIFile, Urls
from buildlib.outside.package_index import ACCEPT, files_of, index_url, project_page
from buildlib.outside.web.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildlib.core.model.settings import Network
    from buildlib.outside.fetch.source import Source
    from buildlib.outside.web.http import HttpClient


class Locator:
    """Finds URLs; caches the pages of the package index."""

    def __init__(self, network: Network, client: HttpClient) -> None:
        self._mirror = network.apt
        self._index = index_url(network.pypi)
        self._client = client
        self._pages: dict[str, dict[str, str]] = {}

    def find(self, source: Source) -> list[str]:
        """URLs to try, best first; they may hold credentials.

        Raises:
            HttpError: The index cannot be read, or does not have the file (kind "absent").
        """
        match source:
            case DebianPath(path):
                # Some mirrors are object stores, which take a plain + for a space.
                return [f"{self._mirror}/{quote(path, safe='/~')}"]
            case PyPIFile(project, filename):
                return [self._in_index(project, filename)]
            case Urls(()):
                raise HttpError("no address is given for it", "absent")
            case Urls(urls):
                return self._addresses(urls)

    def _addresses(self, urls: Sequence[str]) -> list[str]:
        """The given URLs; those that the index does not list are left out if others remain."""
        addresses: list[str] = []
        unknown: HttpError | None = None
        for url in urls:
            if not url.startswith(INDEX_SCHEME):
                addresses.append(url)
                continue
            project, _, filename = url.removeprefix(INDEX_SCHEME).partition("/")
            try:
                addresses.append(self._in_index(project, filename))
            except HttpError as error:
                unknown = unknown or error
        if unknown is not None and not addresses:
            raise unknown
        return addresses

    def _in_index(self, project: str, filename: str) -> str:
        page = project_page(self._index, project)
        if page not in self._pages:
            final, kind, data = self._client.page(page, ACCEPT)
            try:
                files = files_of(data.decode(), kind, final)
            except ValueError:
                raise HttpError("is not a page of a simple index", "broken", url=page) from None
            self._pages[page] = {file.name: file.url for file in files}
        url = self._pages[page].get(filename)
        if url is None:
            raise HttpError(f"does not list {filename}", "absent", url=page)
        return url
