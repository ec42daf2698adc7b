"""Credentials: from netrc, and from Docker's configuration and credential helpers.

docker-py reads Docker's (`config.json` in `$DOCKER_CONFIG` or ~/.docker, credsStore, credHelpers).
No message may quote any of it, nor the output of a credential helper.
"""

from __future__ import annotations

import os
from base64 import b64encode
from contextlib import suppress
from typing import NamedTuple

from buildlib.errors import ActionError


class Login(NamedTuple):
    """Credentials, which `repr` hides.

    Attributes:
        token: An identity token, to be exchanged for others; then user and password are empty.
    """

    user: str
    password: str
    token: str = ""

    def __repr__(self) -> str:
        return "Login(…)"

    @property
    def basic(self) -> str:
        return basic(self.user, self.password)


def basic(user: str, password: str) -> str:
    """Value of an Authorization or Proxy-Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def netrc_login(host: str) -> Login | None:
    """The login that `$NETRC` or ~/.netrc has for a host; an unreadable file counts as empty."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    if not os.path.exists(path):
        return None
    from netrc import NetrcParseError, netrc

    with suppress(NetrcParseError, OSError, UnicodeDecodeError):  # pip and uv ignore it, too
        entry = netrc(path).authenticators(host)
        if entry:
            return Login(entry[0], entry[2] or "")
    return None


def docker_login(host: str) -> Login | None:
    """The credentials that `docker login` stored for a registry (`docker.io` for Docker Hub)."""
    import warnings

    from docker import auth, errors

    helper = ""
    try:
        with warnings.catch_warnings():  # a missing helper is reported below
            warnings.simplefilter("ignore")
            config = auth.load_config()
            helper = config.get_credential_store(host) or ""
            stored = config.resolve_authconfig(host) or {}
    except (errors.DockerException, ValueError, KeyError, TypeError, AttributeError):
        whose = f"docker-credential-{helper} does" if helper else "its configuration does"
        raise ActionError(
            f"Docker's credentials for {host} cannot be read: {whose} not tell them",
            fix="docker login" if host == "docker.io" else f"docker login {host}",
        ) from None
    entry = {key.lower(): value for key, value in stored.items() if value}
    if token := entry.get("identitytoken"):
        return Login("", "", str(token))
    if entry.get("username"):
        return Login(str(entry["username"]), str(entry.get("password", "")))
    return None
