"""HTTP with the standard library, the host's own trust, and errors a user can act on.

Only for what set-up needs before any package is there; the build's downloads have a fetcher of
their own. Must not know what is fetched.
"""

from __future__ import annotations

import base64
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
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from buildlib.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Result = TypeVar("Result")

OTHER_INDEX = "UV_DEFAULT_INDEX=https://mirror.example.com/simple ./doitw build"
TRIES = 3
TIMEOUT = 30  # seconds without a byte
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Page(NamedTuple):
    """A page, its media type, and the address it came from in the end."""

    text: str
    content_type: str
    address: str


def without_credentials(address: str) -> tuple[str, str]:
    """Split `https://user:word@host/x` into `https://host/x` and `user:word` (empty if none)."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=host).geturl(), unquote(user) if at else ""


def shown(address: str) -> str:
    """An address as it may be printed: without user and password."""
    return without_credentials(address)[0]


def page(address: str, accept: str) -> Page:
    """Fetch a text.

    Raises:
        ActionError: The server is not reached, not trusted, or has no such page.
    """

    def read(answer: Any) -> Page:
        text = answer.read().decode("utf-8", "replace")
        return Page(text, answer.headers.get("Content-Type", ""), answer.geturl())

    return _retried(address, {"Accept": accept}, address, read)


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

    def read(answer: Any) -> str:
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

    return _retried(address, {}, credentials_of, read)


def _retried(
    address: str,
    headers: Mapping[str, str],
    credentials_of: str,
    read: Callable[[Any], Result],
) -> Result:
    """Open an address and read its answer, three times if need be."""
    plain, _ = without_credentials(address)
    request = Request(plain, headers={"User-Agent": "buildlib-setup", **headers})  # noqa: S310
    login = _login_for(plain, address) or _login_for(plain, credentials_of)
    if login:
        # Unredirected: another host does not get to see them.
        request.add_unredirected_header("Authorization", login)
    context = trust() if plain.startswith("https:") else None
    for left in reversed(range(TRIES)):
        try:
            with urlopen(request, timeout=TIMEOUT, context=context) as answer:  # noqa: S310
                return read(answer)
        except HTTPError as error:
            if error.code < 500 or not left:  # noqa: PLR2004
                raise _refused(plain, error.code) from None
        except (URLError, HTTPException, ssl.SSLError, ConnectionError, TimeoutError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise _untrusted(plain, reason) from None
            if not left:
                raise _unreachable(plain, reason) from None
        time.sleep(0.5)
    raise AssertionError  # the last turn of the loop returned or raised


def _login_for(address: str, holder: str) -> str:
    """The Authorization header for an address, if `holder` has credentials for the same host."""
    bare, credentials = without_credentials(holder)
    if not credentials or urlsplit(bare).netloc != urlsplit(address).netloc:
        return ""
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def _refused(address: str, code: int) -> ActionError:
    what = {401: "asks for a user and password", 403: "refuses access", 404: "has no such page"}
    return ActionError(
        f"{address} {what.get(code, 'does not answer properly')} (HTTP {code})", fix=OTHER_INDEX
    )


def _unreachable(address: str, reason: object) -> ActionError:
    return ActionError(
        f"cannot reach {urlsplit(address).netloc}: {reason}",
        detail="Is this machine online? Behind a proxy, set https_proxy; with a mirror, name it:",
        fix=OTHER_INDEX,
    )


def _untrusted(address: str, reason: ssl.SSLCertVerificationError) -> ActionError:
    return ActionError(
        f"this machine does not trust the certificate of {urlsplit(address).netloc}: "
        f"{reason.verify_message}",
        detail="Behind a proxy that inspects TLS, name the bundle that holds its certificate:",
        fix="SSL_CERT_FILE=/path/to/ca-bundle.pem ./doitw build",
    )


def trust() -> ssl.SSLContext:
    """What this host trusts; where that is nothing at all, its `ca-certificates` are installed.

    Raises:
        ActionError: There are no certificates, and this is not root on a Debian or Ubuntu.
    """
    context = _host_context()
    if context is None and _may_install():
        _install_certificates()
        context = _host_context()
    if context is None:
        named = os.environ.get("SSL_CERT_FILE")
        raise ActionError(
            f"SSL_CERT_FILE names {named}, which holds no certificate"
            if named
            else "this machine has no CA certificates, so nothing can be fetched over https",
            fix="sudo apt-get update && sudo apt-get install -y ca-certificates",
        )
    return context


def _host_context() -> ssl.SSLContext | None:
    context = ssl.create_default_context()
    folder = ssl.get_default_verify_paths().capath
    if context.cert_store_stats()["x509_ca"] or (folder and _has_certificates(folder)):
        return context
    if not os.environ.get("SSL_CERT_FILE"):
        # A Python built elsewhere may look for the bundle where this host has none.
        for bundle in _BUNDLES:
            if os.path.exists(bundle):
                context.load_verify_locations(bundle)
                return context
    return None


def _has_certificates(folder: str) -> bool:
    """Whether a folder holds certificates under the hashed names that OpenSSL looks for."""
    return any(name.endswith(".0") for name in os.listdir(folder))


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
