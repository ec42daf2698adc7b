"""Asks an HTTP server for JSON, within limits of time and size; shows the token to nobody else."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from kernel_image_puller.errors import FetchFailed

TIMEOUT = 60.0  # seconds for the whole answer
_LARGEST = 64 << 20  # bytes; a thousand kernelspecs have 2 MB


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: it would take the token along, to whatever host it names."""

    def redirect_request(self, *_: Any) -> None:
        return None


def get_json(
    address: str,
    *,
    token: str = "",
    tls: ssl.SSLContext | None = None,
    timeout: float = TIMEOUT,
    clock: Callable[[], float] = time.monotonic,
) -> Any:
    """The JSON that a server answers with.

    Args:
        address: Begins with http:// or https://.
        token: What stands in the `Authorization` header, such as `Bearer abc`.
        tls: How certificates are checked; by default against the system's authorities.
        timeout: Seconds until the last byte.
        clock: Seconds, for tests.

    Raises:
        FetchFailed: In a sentence what came instead.
    """
    request = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310
    if token:
        request.add_unredirected_header("Authorization", token)
    opener = urllib.request.build_opener(_Nowhere, urllib.request.HTTPSHandler(context=tls))
    end = clock() + timeout
    body = bytearray()
    try:
        with opener.open(request, timeout=timeout) as answer:
            while chunk := answer.read1(65536):
                body += chunk
                if clock() > end:
                    raise FetchFailed(f"{address} took longer than {timeout:.0f} seconds to answer")
                if len(body) > _LARGEST:
                    raise FetchFailed(f"{address} answers with more than {_LARGEST >> 20} MB")
    except urllib.error.HTTPError as error:
        with error:
            raise FetchFailed(f"{address} answers {error.code} {error.reason}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        # urllib wraps what happens before the answer, and not what happens while it is read.
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            reason = f"no answer within {timeout:.0f} seconds"
        raise FetchFailed(f"{address} does not answer: {reason}") from None
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise FetchFailed(f"{address} answers with something that is no JSON") from None
