"""Finds the URLs of a download under the mirrors of this site.

Debian files lie below the root of the apt mirror. The URL of a Python file cannot be computed; the
project's page in the package index has it. A jar lies in the Maven repository where its coordinates
say.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from buildlib.core.model.maven import MAVEN, jar_path
from buildlib.core.model.settings import Network
from buildlib.outside.fetch import source
from buildlib.outside.package_index import ACCEPT, files_of, index_url, project_page
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.http import HttpClient


class Locator:
    """Finds URLs; caches the pages of the package index."""

    def __init__(self, network: Network, client: HttpClient) -> None:
        self._mirror = network.apt
        self._repository = network.maven
        self._index = index_url(network.pypi)
        self._client = client
        self._pages: dict[str, dict[str, str]] = {}

    def find(self, addresses: Iterable[str]) -> list[str]:
        """URLs to try, best first; they may hold credentials.

        Files that the index does not list are left out if another address remains.

        Raises:
            HttpError: The index cannot be read, or does not have the file (kind "absent").
        """
        urls: list[str] = []
        failures: list[HttpError] = []
        for address in addresses:
            try:
                urls.append(self._located(address))
            except HttpError as error:
                failures.append(error)
        if not urls:
            raise failures[0] if failures else HttpError("no address is given for it", "absent")
        return urls

    def _located(self, address: str) -> str:
        scheme, _, rest = address.partition(":")
        match f"{scheme}:":
            case source.DEBIAN:
                # Some mirrors are object stores, which take a plain + for a space.
                return f"{self._mirror}/{quote(rest, safe='/~')}"
            case source.PYPI:
                return self._in_index(*rest.split("/", 1))
            case _ if address.startswith(MAVEN):
                return f"{self._repository}/{quote(jar_path(rest), safe='/~')}"
            case _:
                return address

    def _in_index(self, project: str, filename: str) -> str:
        page = project_page(self._index, project)
        if page not in self._pages:
            final, answer = self._client.page(page, ACCEPT)
            kind = answer.headers.get("Content-Type", "")
            try:
                files = files_of(answer.data.decode(), kind, final)
            except ValueError:
                raise HttpError("is not a page of a simple index", "broken", url=page) from None
            self._pages[page] = {file.name: file.url for file in files}
        url = self._pages[page].get(filename)
        if url is None:
            raise HttpError(f"does not list {filename}", "absent", url=page)
        return url
