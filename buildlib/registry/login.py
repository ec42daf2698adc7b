"""Who we are to a registry: what Docker's own configuration and its helpers have for it.

docker-py reads them (`config.json` in `$DOCKER_CONFIG` or ~/.docker, credsStore, credHelpers).
Nothing that they hold may get into a message: not even a helper's own words.
"""

from __future__ import annotations

from base64 import b64encode
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
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


def login_of(host: str) -> Login | None:
    """The credentials for a registry; None where there are none.

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
