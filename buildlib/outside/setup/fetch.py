"""Downloads with the standard library, for set-up only, before urllib3 is installed.

It uses the modules of `outside.web` that need no package. Must not know what is fetched.
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
from typing import IO, Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from buildlib.errors import ActionError
from buildlib.outside.web.address import Address, parse_url, redacted
from buildlib.outside.web.errors import HttpError, status_error
from buildlib.outside.web.retry import Retry, retrying
from buildlib.outside.web.trust import has_authorities, host_trust

OTHER_INDEX = "UV_DEFAULT_INDEX=https://mirror.example.com/simple ./doitw build"
RETRY = Retry(attempts=3, first_delay=0.5, longest_delay=2.0)


class Fetched(NamedTuple):
    """What was fetched; `url` is the one after redirects."""

    sha256: str
    media_type: str
    url: str


def fetch(url: str, target: IO[bytes], *, accept: str = "*/*", credentials_of: str = "") -> Fetched:
    """Fetch a URL into an open file, which is overwritten.

    The user and password in the URL `credentials_of` are sent too, if its origin is the same.
    """
    address, holder = _address(url), _address(credentials_of or url)
    headers = {"User-Agent": "buildlib-setup", "Accept": accept}
    request = Request(address.url, headers=headers)  # noqa: S310
    login = address.login or (holder.login if holder.origin == address.origin else "")
    if login:
        # Unredirected, so that they are not sent to another host.
        request.add_unredirected_header("Authorization", login)
    context = trust() if address.origin.scheme == "https" else None
    try:
        return retrying(lambda: _fetch_once(request, context, target), RETRY, time.sleep)
    except HttpError as error:
        raise _explained(error) from None


def _fetch_once(request: Request, context: ssl.SSLContext | None, target: IO[bytes]) -> Fetched:
    url = request.full_url
    try:
        with urlopen(request, timeout=RETRY.read_timeout, context=context) as answer:  # noqa: S310
            return _copy(answer, target)
    except HTTPError as error:
        raise status_error(error.code, error.reason, url=url) from None
    except (URLError, HTTPException, ssl.SSLError, ConnectionError, TimeoutError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise HttpError(reason.verify_message, "certificate", url=url) from None
        raise HttpError(str(reason), "broken", url=url, transient=True) from None


def _copy(answer: Any, target: IO[bytes]) -> Fetched:
    target.seek(0)
    target.truncate()
    digest = hashlib.sha256()
    missing = int(answer.headers.get("Content-Length") or -1)
    while block := answer.read(1 << 18):
        digest.update(block)
        target.write(block)
        missing -= len(block)
    if missing > 0:  # read(n) raises nothing when a server hangs up
        raise ConnectionError(f"the connection ended {missing} bytes early")
    return Fetched(digest.hexdigest(), answer.headers.get("Content-Type", ""), answer.geturl())


def _address(url: str) -> Address:
    try:
        return parse_url(url)
    except ValueError:
        raise ActionError(
            f"{redacted(url)} is not an http or https address", fix=OTHER_INDEX
        ) from None


def _explained(error: HttpError) -> ActionError:
    host = urlsplit(error.url).netloc
    if error.status:
        what = {401: "asks for a user and password", 403: "refuses access", 404: "has no such page"}
        reason = what.get(error.status, "does not answer properly")
        return ActionError(f"{error.url} {reason} (HTTP {error.status})", fix=OTHER_INDEX)
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
    """What this host trusts. If it has no CA certificates, root installs them with apt."""
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
    """Install them with apt, which needs none, as its archives are signed."""
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
