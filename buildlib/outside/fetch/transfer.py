"""One file from one address into its half file: only what is missing, and only what was asked for.

A half file is continued with Range, under If-Range where it began at the same address. A server
that ignores either sends the whole, and the file begins anew. Another mirror may continue it: the
sha256 at the end is the judge, and pieces that do not fit together are fetched again as a whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildlib.outside.web.address import shown
from buildlib.outside.web.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildlib.outside.fetch.part import PartFile
    from buildlib.outside.fetch.source import Download
    from buildlib.outside.web.http import HttpClient, Opened

_PARTIAL = 206
_OK = 200
_BEYOND_THE_END = 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def transfer(client: HttpClient, url: str, part: PartFile, download: Download) -> None:
    """Bring `part` to the whole of `download`, checked by size and sha256.

    Raises:
        HttpError: It did not succeed; when transient, what has arrived is kept for another call.
            Of kind "content" when the server has other bytes than the lock: they are not kept.
    """
    try:
        opened = client.get(url, _request(url, part))
    except HttpError as error:
        if part.size and error.status == _BEYOND_THE_END:
            part.restart()
            raise HttpError(
                "has less than came before", "broken", url=url, transient=True
            ) from None
        raise
    try:
        whole = _whole_size(url, opened, part)
        if None not in (whole, download.size) and whole != download.size:
            raise _wrong(url, opened, part, f"is {whole} bytes", f"{download.size}")
        part.expected = whole or 0
        part.remember(shown(url), _validator(opened.response.headers))
        for chunk in client.chunks(opened):
            part.write(chunk)
            if download.size is not None and part.size > download.size:
                raise _wrong(url, opened, part, "is longer", f"{download.size} bytes")
    finally:
        opened.response.close()
    if download.size is not None and part.size < download.size:
        raise HttpError("ended early", "broken", url=url, transient=True)
    if part.digest() != download.sha256:
        if part.pieced:
            part.restart()
            raise HttpError("sent pieces that do not fit", "broken", url=url, transient=True)
        raise _wrong(url, opened, part, f"has sha256 {part.digest()}", f"sha256 {download.sha256}")


def _request(url: str, part: PartFile) -> dict[str, str]:
    headers: dict[str, str] = {}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if validator := part.validator(shown(url)):
            headers["If-Range"] = validator
    return headers


def _whole_size(url: str, opened: Opened, part: PartFile) -> int | None:
    """The size of the whole file by the headers; `part` is made ready for the body."""
    status, headers = opened.response.status, opened.response.headers
    if status == _PARTIAL:
        found = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
        if not found or int(found[1]) != part.size:
            part.restart()
            raise HttpError("sent another range than asked for", "broken", url=url, transient=True)
        part.pieced = part.size > 0
        return None if found[2] == "*" else int(found[2])
    part.restart()
    if status != _OK:
        raise HttpError(f"answers {status}, which is no file", "refused", url=url)
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _validator(headers: Mapping[str, str]) -> str:
    """What If-Range may hold: a strong entity tag, else the date (RFC 9110, 13.1.5)."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _wrong(url: str, opened: Opened, part: PartFile, found: str, locked: str) -> HttpError:
    part.restart()
    page = "html" in opened.response.headers.get("Content-Type", "")
    hint = " (it is a web page: of a proxy that wants a login?)" if page else ""
    return HttpError(f"{found}, the lock says {locked}{hint}", "content", url=url)
