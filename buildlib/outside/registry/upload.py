"""Uploads one blob in chunks, and resumes after a failure.

A registry returns a URL for an upload; after a failure we ask it how many bytes have arrived. If
the registry no longer knows the upload, it starts over: `distribution` forgets an upload whose
chunk was cut off, or when restarted without `http.secret`. Other registries resume within a chunk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote, urljoin

from buildlib.outside.registry.http import RegistryHttp
from buildlib.outside.web.connections import Body, Request, Response
from buildlib.outside.web.errors import HttpError

CHUNK = 16 << 20
"""Bytes per chunk: the most that is sent again when the registry can resume."""

_BINARY = "application/octet-stream"
_GONE = (400, 404, 416)
_OF_THE_UPLOAD = ("BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "RANGE_INVALID")
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)\Z")

Pieces = Callable[[int, int], Iterator[bytes]]
"""Reads (offset, length) of the blob, in pieces."""


class Blob(NamedTuple):
    """A blob to be uploaded.

    Attributes:
        digest: Of the whole blob.
        size: Of the whole blob, in bytes.
        pieces: Reads the blob.
        start: The request that begins an upload.
        scope: As for `RegistryAuth.header`.
        exists: Whether the registry has the blob; called when a response may have been lost.
    """

    digest: str
    size: int
    pieces: Pieces
    start: Request
    scope: str
    exists: Callable[[], bool]


class Upload:
    """The upload of one blob."""

    def __init__(self, http: RegistryHttp, blob: Blob) -> None:
        self._http = http
        self._blob = blob
        self._location = ""
        self._offset = 0
        self._continued = False  # after a failure: the parts may not fit together

    def run(self) -> None:
        self._http.retrying(self._attempt, lambda: self._offset)

    def _attempt(self) -> None:
        if self._continued and self._is_complete():
            return
        if not self._location:
            self._keep_location(self._ask(self._blob.start))
        try:
            self._send_all()
        except HttpError as error:
            raise self._classified(error) from None

    def _is_complete(self) -> bool:
        """Ask how much has arrived; an upload that the registry forgot may be complete."""
        if self._location:
            try:
                response = self._ask(Request("GET", self._location))
            except HttpError as error:
                if error.status not in _GONE:
                    raise
                self._start_over()
            else:
                self._keep_location(response)
                self._offset = min(_received(response, otherwise=0), self._blob.size)
                return False
        return self._blob.exists()

    def _send_all(self) -> None:
        while self._offset < self._blob.size and (self._offset or self._blob.size > CHUNK):
            self._send_chunk(min(CHUNK, self._blob.size - self._offset))
        join = "&" if "?" in self._location else "?"
        url = f"{self._location}{join}digest={quote(self._blob.digest)}"
        rest = self._part(self._blob.size - self._offset)  # a small blob is sent with this request
        self._ask(Request("PUT", url, {"Content-Type": _BINARY}, rest))

    def _send_chunk(self, length: int) -> None:
        start, end = self._offset, self._offset + length
        headers = {"Content-Type": _BINARY, "Content-Range": f"{start}-{end - 1}"}
        response = self._ask(Request("PATCH", self._location, headers, self._part(length)))
        self._keep_location(response)
        arrived = min(_received(response, otherwise=end), self._blob.size)
        if arrived <= start:
            raise HttpError("takes nothing of an upload", "content", transient=True)
        self._offset = arrived

    def _ask(self, request: Request) -> Response:
        return self._http.ask_once(request, self._blob.scope)

    def _classified(self, error: HttpError) -> HttpError:
        """Mark the error transient if a new upload may succeed."""
        wrong_digest = "DIGEST_INVALID" in error.codes
        lost = error.status in _GONE and (
            not error.codes or any(code in _OF_THE_UPLOAD for code in error.codes)
        )
        if lost or wrong_digest:
            self._start_over()
        if lost or (wrong_digest and self._continued):
            error.transient = True
        self._continued = True
        return error

    def _start_over(self) -> None:
        self._location = ""
        self._offset = 0

    def _keep_location(self, response: Response) -> None:
        location = response.headers.get("Location", "") or self._location
        if not location:
            raise HttpError("does not say where to upload", "content")
        self._location = urljoin(self._http.root, location)

    def _part(self, length: int) -> Body:
        start = self._offset
        return Body(length, lambda: self._blob.pieces(start, length))


def _received(response: Response, *, otherwise: int) -> int:
    """Bytes that have arrived: `Range: 0-999` means 1000, but `0-0` means none."""
    received = _RANGE.match(response.headers.get("Range", ""))
    if not received:
        return otherwise
    return int(received[1]) + 1 if int(received[1]) else 0
