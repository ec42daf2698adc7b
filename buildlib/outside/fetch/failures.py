"""Errors of fetching, as a user reads them: one error names every file that failed."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from buildlib.core.model.maven import MAVEN
from buildlib.errors import ActionError
from buildlib.outside.fetch.source import DEBIAN, PYPI, Download
from buildlib.outside.web.errors import HttpError

_MOST = 20  # files named in one message; all are in `FetchFailed.failures`


class Failure(NamedTuple):
    """Why one download failed; `errors` has one for each URL, in the order of the attempts."""

    download: Download
    errors: tuple[HttpError, ...]

    @property
    def not_served(self) -> bool:
        """Whether every URL is a 404."""
        return all(error.kind == "absent" for error in self.errors)

    @property
    def worst(self) -> HttpError:
        """The error to act on: wrong content first, a plain 404 last."""
        return min(self.errors, key=lambda error: _RANK.index(error.kind))


_RANK = ("content", "certificate", "plain", "refused", "unavailable", "broken", "silent", "absent")


class FetchFailed(ActionError):
    """Some downloads failed; the others are in the store."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        self.failures = tuple(failures)
        self.downloads = tuple(failure.download for failure in failures)
        self.download = self.downloads[0]
        if len(failures) == 1:
            error = failures[0].worst
            what = f"cannot fetch {self.download.filename}: {error}"
            others = [str(other) for other in failures[0].errors if other is not error]
            detail = "\n".join(others) or None
        else:
            what = f"cannot fetch {len(failures)} files"
            detail = _listed([f"{f.download.filename}: {f.worst}" for f in failures])
        super().__init__(what, detail=detail, fix=_fix(failures))


class NotServed(FetchFailed):
    """No URL has the files any more: all errors are a 404."""


class NotInStore(ActionError):
    """Offline, and the store lacks these downloads."""

    def __init__(self, downloads: Sequence[Download]) -> None:
        self.downloads = tuple(downloads)
        count = len(downloads)
        names = [f"{download.filename}  sha256 {download.sha256}" for download in downloads]
        super().__init__(
            f"offline, and {count} file{'s are' if count > 1 else ' is'} not in the content store",
            detail=_listed(names),
            fix="./doitw fetch  # with a network; or there: ./doitw fetch --to DIR, "
            "and here: export BUILDLIB_STORE=DIR",
        )


def fetch_error(failures: Sequence[Failure]) -> FetchFailed:
    """The error for one or more failures."""
    if all(failure.not_served for failure in failures):
        return NotServed(failures)
    return FetchFailed(failures)


def _listed(lines: Sequence[str]) -> str:
    rest = len(lines) - _MOST
    return "\n".join([*lines[:_MOST], *([f"... and {rest} more"] if rest > 0 else [])])


def _fix(failures: Sequence[Failure]) -> str:
    """The fix for the worst failure."""
    first = min(failures, key=lambda failure: _RANK.index(failure.worst.kind))
    match first.worst.kind:
        case "content":
            return "./doitw lock --check  # shows what moved; ./doitw lock accepts what it is now"
        case "certificate":
            return "export SSL_CERT_FILE=/path/to/ca-bundle.pem  # the authorities of your network"
        case "refused" | "plain":
            return _permission(first.worst)
        case "absent" if first.download.is_of(DEBIAN) or first.download.is_of(PYPI):
            return "./doitw lock  # resolves anew what is no longer served"
        case "absent" if not first.download.is_of(MAVEN):  # another repository may have the jar
            return "name another address of it in urls, where it is declared, and lock that"
        case _:
            return _another_way(first.download)


def _permission(error: HttpError) -> str:
    """The fix for a request that the server or proxy refused."""
    if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "export https_proxy=http://NAME:PASSWORD@PROXY:PORT"
    host = urlsplit(error.url).hostname
    if host and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"echo 'machine {host} login NAME password WORD' >> ~/.netrc"
    return "correct that address (in [tool.buildlib.network], or where the file is declared)"


def _another_way(download: Download) -> str:
    """The fix for a host that cannot be reached or does not work."""
    if download.is_of(DEBIAN):
        where = 'set apt = "http://MIRROR" in [tool.buildlib.network] of pyproject.toml'
    elif download.is_of(PYPI):
        where = 'set pypi = "https://INDEX/simple" in [tool.buildlib.network] of pyproject.toml'
    elif download.is_of(MAVEN):
        where = 'set maven = "https://REPOSITORY" in [tool.buildlib.network] of pyproject.toml'
    else:
        where = "export https_proxy=http://PROXY:PORT if your network has one"
    return f"try again (what has arrived is kept), or {where}"
