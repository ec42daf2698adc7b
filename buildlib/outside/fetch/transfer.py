"""Downloads one URL into its partial file, and resumes it where possible.

A partial file is resumed with Range, and with If-Range where it began at the same URL. A server
that ignores either sends the whole file, and the download starts over. Another mirror may resume
it: the sha256 at the end decides, and parts that do not fit together are fetched again as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildlib.outside.fetch.part import PartFile
from buildlib.outside.fetch.source import Download
from buildlib.outside.web.address import redacted
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.http import HttpClient, OpenResponse

_PARTIAL = 206
_OK = 200
_BEYOND_THE_END = 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def transfer(client: HttpClient, url: str, part: PartFile, download: Download) -> None:
    """Complete `part`, and check its size and sha256.

    Raises:
        HttpError: When transient, the bytes that arrived are kept for the next call. Of kind
            "content" when the server's bytes are not those of the lock; they are not kept.
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
        size = _whole_size(url, opened, part)
        if None not in (size, download.size) and size != download.size:
            raise _content_error(url, opened, part, f"is {size} bytes", f"{download.size}")
        part.expected = size or 0
        part.remember(redacted(url), _validator(opened.response.headers))
        for chunk in client.chunks(opened):
            part.write(chunk)
            if download.size is not None and part.size > download.size:
                raise _content_error(url, opened, part, "is longer", f"{download.size} bytes")
    finally:
        opened.response.close()
    if download.size is not None and part.size < download.size:
        raise HttpError("ended early", "broken", url=url, transient=True)
    if part.digest() != download.sha256:
        if part.resumed:
            part.restart()
            raise HttpError("sent pieces that do not fit", "broken", url=url, transient=True)
        raise _content_error(
            url, opened, part, f"has sha256 {part.digest()}", f"sha256 {download.sha256}"
        )


def _request(url: str, part: PartFile) -> dict[str, str]:
    headers: dict[str, str] = {}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if validator := part.validator(redacted(url)):
            headers["If-Range"] = validator
    return headers


def _whole_size(url: str, opened: OpenResponse, part: PartFile) -> int | None:
    """The whole size by the headers; empties `part` unless the body continues it."""
    status, headers = opened.response.status, opened.response.headers
    if status == _PARTIAL:
        content_range = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
        if not content_range or int(content_range[1]) != part.size:
            part.restart()
            raise HttpError("sent another range than asked for", "broken", url=url, transient=True)
        part.resumed = part.size > 0
        return None if content_range[2] == "*" else int(content_range[2])
    part.restart()
    if status != _OK:
        raise HttpError(f"answers {status}, which is no file", "refused", url=url)
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _validator(headers: Mapping[str, str]) -> str:
    """The value for If-Range: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _content_error(
    url: str, opened: OpenResponse, part: PartFile, actual: str, locked: str
) -> HttpError:
    part.restart()
    page = "html" in opened.response.headers.get("Content-Type", "")
    hint = " (it is a web page: of a proxy that wants a login?)" if page else ""
    return HttpError(f"{actual}, the lock says {locked}{hint}", "content", url=url)
