"""Who we are to a server: logins of netrc, and those that Docker's configuration and helpers have.

docker-py reads Docker's (`config.json` in `$DOCKER_CONFIG` or ~/.docker, credsStore, credHelpers).
Nothing that they hold may get into a message: not even a helper's own words.
"""

from __future__ import annotations

import os
from base64 import b64encode
from contextlib import suppress
from typing import NamedTuple

from buildlib.errors import ActionError


class Login(NamedTuple):
    """Credentials, which no representation shows.

    Attributes:
        user: Name.
        password: Password, or what stands for it.
        token: An identity token, to be exchanged for others; then there is no password.
    """

    user: str
    password: str
    token: str = ""

    def __repr__(self) -> str:
        return "Login(…)"

    @property
    def basic(self) -> str:
        """The Authorization header of the user."""
        return basic(self.user, self.password)


def basic(user: str, password: str) -> str:
    """The value of an Authorization (or Proxy-Authorization) header (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def netrc_login(host: str) -> Login | None:
    """What `$NETRC` or ~/.netrc has for a host; a file that cannot be read has nothing."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    if not os.path.exists(path):
        return None
    from netrc import NetrcParseError, netrc

    with suppress(NetrcParseError, OSError, UnicodeDecodeError):  # pip and uv ignore it, too
        found = netrc(path).authenticators(host)
        if found:
            return Login(found[0], found[2] or "")
    return None


def docker_login(host: str) -> Login | None:
    """What `docker login` left for a registry; None where there is nothing.

    Args:
        host: The registry's name, `docker.io` for Docker Hub.

    Raises:
        ActionError: The configuration or its helper cannot be read.
    """
    import warnings

    from docker import auth, errors

    helper = ""
    try:
        with warnings.catch_warnings():  # a helper that is missing is told below
            warnings.simplefilter("ignore")
            config = auth.load_config()
            helper = config.get_credential_store(host) or ""
            found = config.resolve_authconfig(host) or {}
    except (errors.DockerException, ValueError, KeyError, TypeError, AttributeError):
        whose = f"docker-credential-{helper} does" if helper else "its configuration does"
        raise ActionError(
            f"Docker's credentials for {host} cannot be read: {whose} not tell them",
            fix="docker login" if host == "docker.io" else f"docker login {host}",
        ) from None
    entry = {key.lower(): value for key, value in found.items() if value}
    if token := entry.get("identitytoken"):
        return Login("", "", str(token))
    if entry.get("username"):
        return Login(str(entry["username"]), str(entry.get("password", "")))
    return None
