"""One blob on its way into a registry, in chunks, continued where the registry has got to.

A registry gives an address for an upload; how much has arrived there is asked after every
failure. Where the registry does not know the upload any more, it begins anew: `distribution`
forgets one whose chunk was cut in the middle, or when restarted without `http.secret`; others
continue in the middle of a chunk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, urljoin

from buildlib.outside.registry.http import RegistryHttp
from buildlib.outside.web.connections import Answer, Body, Request
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.retry import retrying

CHUNK = 16 << 20
"""Bytes that at most are sent again after a failure that the registry can continue from."""

_BINARY = "application/octet-stream"
_GONE = (400, 404, 416)
_OF_THE_UPLOAD = ("BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "RANGE_INVALID")
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)\Z")

Pieces = Callable[[int, int], Iterator[bytes]]
"""Reads from an offset so many bytes, in pieces."""


class Upload:
    """One blob.

    Args:
        http: The way to the registry.
        start: What begins an upload.
        scope: What a token for it has to allow.
        digest: Of the whole.
        size: Of the whole.
        pieces: Reads it.
        is_there: Whether the registry has the blob; asked where an answer may have been lost.
    """

    def __init__(
        self,
        http: RegistryHttp,
        start: Request,
        scope: str,
        digest: str,
        size: int,
        pieces: Pieces,
        is_there: Callable[[], bool],
    ) -> None:
        self._http = http
        self._start = start
        self._scope = scope
        self._digest = digest
        self._size = size
        self._pieces = pieces
        self._is_there = is_there
        self._location = ""
        self._offset = 0
        self._continued = False  # after a failure, so what has arrived may not fit together

    def run(self) -> None:
        """Upload it.

        Raises:
            HttpError: It does not succeed.
        """
        retrying(self._attempt, self._http.retry, self._http.wait, lambda: self._offset)

    def _attempt(self) -> None:
        if self._continued and self._is_done():
            return
        if not self._location:
            self._moved(self._ask(self._start))
        try:
            self._send_all()
        except HttpError as error:
            raise self._judged(error) from None

    def _is_done(self) -> bool:
        """Ask what has arrived; an upload that is not known any more may have been completed."""
        if self._location:
            try:
                answer = self._ask(Request("GET", self._location))
            except HttpError as error:
                if error.status not in _GONE:
                    raise
                self._forget()
            else:
                self._moved(answer)
                self._offset = min(_arrived(answer, otherwise=0), self._size)
                return False
        return self._is_there()

    def _send_all(self) -> None:
        while self._offset < self._size and (self._offset or self._size > CHUNK):
            self._send_chunk(min(CHUNK, self._size - self._offset))
        join = "&" if "?" in self._location else "?"
        url = f"{self._location}{join}digest={quote(self._digest)}"
        rest = self._part(self._size - self._offset)  # a small one comes along with this
        self._ask(Request("PUT", url, {"Content-Type": _BINARY}, rest))

    def _send_chunk(self, length: int) -> None:
        start, end = self._offset, self._offset + length
        headers = {"Content-Type": _BINARY, "Content-Range": f"{start}-{end - 1}"}
        answer = self._ask(Request("PATCH", self._location, headers, self._part(length)))
        self._moved(answer)
        arrived = min(_arrived(answer, otherwise=end), self._size)
        if arrived <= start:
            raise HttpError("takes nothing of an upload", "content", transient=True)
        self._offset = arrived

    def _ask(self, request: Request) -> Answer:
        return self._http.ask_once(request, self._scope)

    def _judged(self, error: HttpError) -> HttpError:
        """What a failure on the way means: one of the upload itself is no reason to give up."""
        misfit = "DIGEST_INVALID" in error.codes
        lost = error.status in _GONE and (
            not error.codes or any(code in _OF_THE_UPLOAD for code in error.codes)
        )
        if lost or misfit:
            self._forget()
        if lost or (misfit and self._continued):
            error.transient = True
        self._continued = True
        return error

    def _forget(self) -> None:
        self._location = ""
        self._offset = 0

    def _moved(self, answer: Answer) -> None:
        location = answer.headers.get("Location", "") or self._location
        if not location:
            raise HttpError("does not say where to upload", "content")
        self._location = urljoin(self._http.root, location)

    def _part(self, length: int) -> Body:
        start = self._offset
        return Body(length, lambda: self._pieces(start, length))


def _arrived(answer: Answer, *, otherwise: int) -> int:
    """How many bytes a registry has: `Range: 0-999` are 1000, but `0-0` is what none look like."""
    found = _RANGE.match(answer.headers.get("Range", ""))
    if not found:
        return otherwise
    return int(found[1]) + 1 if int(found[1]) else 0
