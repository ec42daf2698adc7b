"""Find the engine, and explain why it does not answer.

The order is that of the docker client itself, so that we ask the engine that `docker` builds on:
DOCKER_HOST, then DOCKER_CONTEXT or the context chosen with `docker context use`, then the usual
sockets. No SDK and no HTTP here: looking costs a few file look-ups.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from buildlib.errors import EngineUnavailable, InputError
from buildlib.suggest import did_you_mean

DEFAULT_SOCKET = "/var/run/docker.sock"
_SCHEMES = ("unix", "tcp", "http", "https", "ssh")
_PLAIN_PORT, _TLS_PORT = 2375, 2376


class Tls(NamedTuple):
    """Files for a TLS connection.

    Attributes:
        folder: Of the three files, as DOCKER_CERT_PATH names it.
        verify: Whether the engine's certificate is checked.
    """

    folder: str
    verify: bool = True

    def file(self, name: str) -> str | None:
        """Return the path of `ca.pem`, `cert.pem` or `key.pem`; None if it does not exist."""
        path = os.path.join(self.folder, name)
        return path if os.path.exists(path) else None


class Endpoint(NamedTuple):
    """Where an engine is.

    Attributes:
        url: `unix:///…`, `tcp://host:port`, `ssh://user@host`.
        origin: What chose it, in words for a message: `DOCKER_HOST`, `docker context work`; empty
            for a default socket.
        context: Name of the docker context, if one chose it.
    """

    url: str
    origin: str = ""
    context: str = ""
    tls: Tls | None = None

    @property
    def scheme(self) -> str:
        """The transport: `unix`, `tcp`, `ssh`."""
        return self.url.partition("://")[0]

    @property
    def path(self) -> str:
        """Path of the socket, for a unix endpoint."""
        return self.url.partition("://")[2]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for a tcp endpoint."""
        rest = self.url.partition("://")[2].split("/", 1)[0]
        host, colon, port = rest.rpartition(":")
        default = _TLS_PORT if self.tls else _PLAIN_PORT
        if not colon or not port.isdigit():
            return rest.strip("[]"), default
        return host.strip("[]"), int(port)

    def client_environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return `environ`, changed so that a docker client uses this endpoint and no other."""
        changed = {key: value for key, value in environ.items() if key != "DOCKER_CONTEXT"}
        if self.context:
            changed.pop("DOCKER_HOST", None)
            changed["DOCKER_CONTEXT"] = self.context
        else:
            changed["DOCKER_HOST"] = self.url
        return changed


def find_engine(environ: Mapping[str, str] | None = None) -> Endpoint:
    """Return the endpoint that a docker client would use; whether it answers is not checked.

    Raises:
        InputError: DOCKER_HOST is no address, or the docker context does not exist.
    """
    env = os.environ if environ is None else environ
    host = env.get("DOCKER_HOST", "")
    if host:
        return _from_host(host, env)
    config = config_folder(env)
    context = env.get("DOCKER_CONTEXT", "") or _current_context(config)
    if context and context != "default":
        origin = "DOCKER_CONTEXT" if env.get("DOCKER_CONTEXT") else "docker context use"
        return _from_context(context, config, origin)
    return Endpoint("unix://" + _default_socket(env))


def looked_at(endpoint: Endpoint, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the files that led to an endpoint, beside the environment; also those not there."""
    env = os.environ if environ is None else environ
    config = config_folder(env)
    meta = [_meta(config, endpoint.context)] if endpoint.context else []
    return [os.path.join(config, "config.json"), *meta, *_sockets(env)]


def _from_host(host: str, env: Mapping[str, str]) -> Endpoint:
    url = host if "://" in host else f"tcp://{host}"  # the client takes a bare host:port as well
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES or not url.partition("://")[2]:
        raise InputError(
            f"DOCKER_HOST is {host!r}, which is no address of a Docker Engine"
            + did_you_mean(scheme, _SCHEMES),
            fix=f"export DOCKER_HOST=unix://{DEFAULT_SOCKET}",
        )
    tls = None
    if scheme == "https" or (scheme == "tcp" and env.get("DOCKER_TLS_VERIFY")):
        tls = Tls(env.get("DOCKER_CERT_PATH") or config_folder(env))
    return Endpoint(url, "DOCKER_HOST", tls=tls)


def config_folder(env: Mapping[str, str]) -> str:
    """Return the folder of the docker client's configuration."""
    return env.get("DOCKER_CONFIG") or os.path.join(_home(env), ".docker")


def _home(env: Mapping[str, str]) -> str:
    return env.get("HOME") or os.path.expanduser("~")


def _current_context(config: str) -> str:
    """Return the context chosen in config.json; docker, too, takes a broken file for none."""
    document = _read_json(os.path.join(config, "config.json"))
    name = document.get("currentContext", "")
    return name if isinstance(name, str) else ""


def _meta(config: str, context: str) -> str:
    """Return the file that describes a docker context."""
    from hashlib import sha256

    # Folder names are the digest of the context's name (docker/cli, context store).
    folder = sha256(context.encode()).hexdigest()
    return os.path.join(config, "contexts", "meta", folder, "meta.json")


def _from_context(name: str, config: str, origin: str) -> Endpoint:
    meta = _meta(config, name)
    docker = _read_json(meta).get("Endpoints", {}).get("docker", {})
    host = docker.get("Host")
    leave = "unset DOCKER_CONTEXT" if origin.isupper() else "docker context use default"
    if not host:
        raise InputError(
            f"docker context {name!r} (from {origin}) does not exist"
            + did_you_mean(name, _context_names(config)),
            fix=leave,
        )
    if host.partition("://")[0] not in _SCHEMES:
        raise InputError(
            f"docker context {name!r} (from {origin}) names {host}, which is reached from Windows",
            fix=leave,
        )
    folder = os.path.basename(os.path.dirname(meta))
    material = os.path.join(config, "contexts", "tls", folder, "docker")
    tls = None
    if host.startswith(("tcp://", "https://")) and (
        os.path.isdir(material) or host.startswith("https")
    ):
        tls = Tls(material, verify=not docker.get("SkipTLSVerify", False))
    return Endpoint(host, f"docker context {name}", name, tls)


def _context_names(config: str) -> list[str]:
    root = os.path.join(config, "contexts", "meta")
    folders = os.listdir(root) if os.path.isdir(root) else []
    names = (_read_json(os.path.join(root, folder, "meta.json")).get("Name") for folder in folders)
    return [name for name in names if name]


def _read_json(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return {}
    import json

    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _sockets(env: Mapping[str, str]) -> list[str]:
    """Return where an engine may listen, the usual place first."""
    home, runtime = _home(env), env.get("XDG_RUNTIME_DIR", "")
    candidates = [
        DEFAULT_SOCKET,
        os.path.join(runtime, "docker.sock") if runtime else "",  # rootless
        os.path.join(home, ".docker/run/docker.sock"),  # Docker Desktop, macOS
        os.path.join(home, ".docker/desktop/docker.sock"),  # Docker Desktop, Linux
        os.path.join(home, ".colima/default/docker.sock"),
        os.path.join(home, ".rd/docker.sock"),  # Rancher Desktop
        os.path.join(home, ".orbstack/run/docker.sock"),
    ]
    return [path for path in candidates if path]


def _default_socket(env: Mapping[str, str]) -> str:
    """Return the first socket that takes a connection, or the best to complain about."""
    present = [path for path in _sockets(env) if os.path.exists(path)]
    if len(present) > 1:  # with one there is nothing to choose, and a connection costs time
        for path in present:
            if probe(Endpoint("unix://" + path)) is None:
                return path
    return present[0] if present else DEFAULT_SOCKET


def probe(endpoint: Endpoint, timeout: float = 3.0) -> OSError | None:
    """Try to connect; return the error, or None. ssh is not tried: it takes long."""
    import socket

    if endpoint.scheme == "ssh":
        return None
    try:
        if endpoint.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout)
                connection.connect(endpoint.path)
        else:
            socket.create_connection(endpoint.address, timeout).close()
    except OSError as error:
        return error
    return None


def unavailable(endpoint: Endpoint, error: BaseException | None) -> EngineUnavailable:
    """Return the error for an endpoint that does not answer: what, who chose it, how to fix it.

    `error` is what connecting or asking ended with.
    """
    chosen = f" (from {endpoint.origin})" if endpoint.origin else ""
    place = endpoint.path if endpoint.scheme == "unix" else endpoint.url
    other = _undo_choice(endpoint)
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, PermissionError):  # by class: a TLS error has EPERM's number
        return EngineUnavailable(
            f"you may not use the Docker Engine at {place}{chosen}: permission denied",
            fix="sudo usermod -aG docker $USER && newgrp docker  # or run this with sudo",
        )
    if number in {errno.ENOENT, errno.ENOTDIR} and endpoint.scheme == "unix":
        return EngineUnavailable(
            f"no Docker Engine is here: {place} does not exist{chosen}",
            fix=other or START,
        )
    if number == errno.ECONNREFUSED:
        return EngineUnavailable(
            f"the Docker Engine at {place}{chosen} is not running: connection refused",
            fix=other or START,
        )
    if error is not None and type(error).__name__ == "gaierror":
        host = endpoint.address[0]
        return EngineUnavailable(
            f"no such host: {host}, where the Docker Engine should be{chosen}",
            fix=other or f"getent hosts {host}",
        )
    reason = _first_line(error)
    return EngineUnavailable(
        f"the Docker Engine at {place}{chosen} does not answer{reason}",
        fix=other or "docker version",
    )


INSTALL = "sudo apt-get install -y docker.io  # elsewhere: https://docs.docker.com/engine/install/"
START = "sudo systemctl start docker  # not installed yet? sudo apt-get install -y docker.io"


def _undo_choice(endpoint: Endpoint) -> str:
    """Return the command that undoes a choice of the user; empty for a default socket."""
    if endpoint.origin == "DOCKER_HOST":
        return "unset DOCKER_HOST  # or start the engine it names"
    if endpoint.context:
        return "docker context use default  # or start the engine of that context"
    return ""


def _first_line(error: BaseException | None) -> str:
    if isinstance(error, TimeoutError):
        return ": no answer in time"
    text = re.sub(r"\s+", " ", str(error or "")).strip()
    return f": {text[:200]}" if text else ""
