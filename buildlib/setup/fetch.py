"""HTTP with the standard library, the host's own trust, and errors a user can act on.

Only for what set-up needs before any package is there; all else goes through `buildlib.web`, of
which this uses what needs no package. Must not know what is fetched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import time
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from buildlib.errors import ActionError
from buildlib.web.address import Address, read, shown
from buildlib.web.errors import HttpError, refusal
from buildlib.web.retry import Retry, retrying
from buildlib.web.trust import has_authorities, host_trust

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

OTHER_INDEX = "UV_DEFAULT_INDEX=https://mirror.example.com/simple ./doitw build"
RETRY = Retry(attempts=3, first_delay=0.5, longest_delay=2.0)


class Page(NamedTuple):
    """A page, its media type, and the address it came from in the end."""

    text: str
    media_type: str
    address: str


def page(address: str, accept: str) -> Page:
    """Fetch a text.

    Raises:
        ActionError: The server is not reached, not trusted, or has no such page.
    """

    def whole(answer: Any) -> Page:
        text = answer.read().decode("utf-8", "replace")
        return Page(text, answer.headers.get("Content-Type", ""), answer.geturl())

    return _fetched(address, accept, address, whole)


def download(address: str, target: IO[bytes], *, credentials_of: str = "") -> str:
    """Fetch a file into an open one.

    Args:
        address: Of the file.
        target: Written from its start.
        credentials_of: An address that may hold user and password, for files on its own host.

    Returns:
        The sha256 of what came.

    Raises:
        ActionError: As `page`.
    """

    def whole(answer: Any) -> str:
        target.seek(0)
        target.truncate()
        digest = hashlib.sha256()
        left = int(answer.headers.get("Content-Length") or -1)
        while block := answer.read(1 << 18):
            digest.update(block)
            target.write(block)
            left -= len(block)
        if left > 0:  # read(n) ends quietly when a server hangs up
            raise ConnectionError(f"the connection ended {left} bytes early")
        return digest.hexdigest()

    return _fetched(address, "*/*", credentials_of, whole)


def _fetched(url: str, accept: str, credentials_of: str, whole: Callable[[Any], T]) -> T:
    """What `whole` makes of the answer of an address, with retries."""
    address = _read(url)
    request = Request(  # noqa: S310
        address.url, headers={"User-Agent": "buildlib-setup", "Accept": accept}
    )
    login = address.login
    if not login and credentials_of:
        holder = _read(credentials_of)
        login = holder.login if holder.origin == address.origin else ""
    if login:
        # Unredirected: another host does not get to see them.
        request.add_unredirected_header("Authorization", login)
    context = trust() if address.origin.scheme == "https" else None
    try:
        return retrying(lambda: _once(request, context, whole), RETRY, time.sleep)
    except HttpError as error:
        raise _explained(error) from None


def _once(request: Request, context: ssl.SSLContext | None, whole: Callable[[Any], T]) -> T:
    url = request.full_url
    try:
        with urlopen(request, timeout=RETRY.read_timeout, context=context) as answer:  # noqa: S310
            return whole(answer)
    except HTTPError as error:
        raise refusal(error.code, error.reason, url=url) from None
    except (URLError, HTTPException, ssl.SSLError, ConnectionError, TimeoutError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise HttpError(reason.verify_message, "certificate", url=url) from None
        raise HttpError(str(reason), "broken", url=url, transient=True) from None


def _read(url: str) -> Address:
    try:
        return read(url)
    except ValueError:
        raise ActionError(
            f"{shown(url)} is not an http or https address", fix=OTHER_INDEX
        ) from None


def _explained(error: HttpError) -> ActionError:
    """The sentence for what went wrong last."""
    host = urlsplit(error.url).netloc
    if error.status:
        what = {401: "asks for a user and password", 403: "refuses access", 404: "has no such page"}
        said = what.get(error.status, "does not answer properly")
        return ActionError(f"{error.url} {said} (HTTP {error.status})", fix=OTHER_INDEX)
    if error.kind == "certificate":
        return ActionError(
            f"this machine does not trust the certificate of {host}: {error.reason}",
            detail="Behind a proxy that inspects TLS, name the bundle that holds its certificate:",
            fix="SSL_CERT_FILE=/path/to/ca-bundle.pem ./doitw build",
        )
    return ActionError(
        f"cannot reach {host}: {error.reason}",
        detail="Is this machine online? Behind a proxy, set https_proxy; with a mirror, name it:",
        fix=OTHER_INDEX,
    )


def trust() -> ssl.SSLContext:
    """What this host trusts; where that is nothing at all, its `ca-certificates` are installed.

    Raises:
        ActionError: There are no certificates, and this is not root on a Debian or Ubuntu.
    """
    context = host_trust()
    if not has_authorities(context) and _may_install():
        _install_certificates()
        context = host_trust()
    if not has_authorities(context):
        named = os.environ.get("SSL_CERT_FILE")
        raise ActionError(
            f"SSL_CERT_FILE names {named}, which holds no certificate"
            if named
            else "this machine has no CA certificates, so nothing can be fetched over https",
            fix="sudo apt-get update && sudo apt-get install -y ca-certificates",
        )
    return context


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install_certificates() -> None:
    """Install them by apt, which needs none itself: its archives are signed."""
    print("set-up: no CA certificates here: installing ca-certificates ...", file=sys.stderr)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "ca-certificates"]
    for command in (["apt-get", "update", "-qq"], install):
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
        )
        if result.returncode:
            raise ActionError(
                "ca-certificates could not be installed",
                detail="\n".join(result.stdout.decode(errors="replace").splitlines()[-10:]),
                fix="apt-get update && apt-get install -y ca-certificates",
            )
