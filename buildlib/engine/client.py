"""Find a docker client that can build with BuildKit: the engine cannot take a Dockerfile itself.

A client with the buildx plugin builds with any engine. Without it, clients up to 22 have BuildKit
built in; later ones only have the legacy builder, which knows neither secrets nor mounts. A
machine may have several clients, and the first on PATH need not be one that can build.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from buildlib.dockerfile.parse import PROXY_ARGS
from buildlib.engine import process
from buildlib.engine.find import config_folder
from buildlib.errors import ActionError

_BUILT_IN = ((19, 3), (22, 255))
"""First and last (major, minor) of docker clients with BuildKit and `--output` built in."""

_VERSION = re.compile(r"Docker version (\d+)\.(\d+)")
_USUAL = ("/usr/bin/docker", "/usr/local/bin/docker")
_PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
"""Where a client looks for plugins beside the user's own folder (docker/cli, cli-plugins)."""

_HANDED_ON = frozenset(
    (
        # Programs, the user (and who is behind sudo, for the owner of what buildx keeps), folders.
        *("HOME", "LOGNAME", "PATH", "SUDO_COMMAND", "SUDO_GID", "SUDO_UID", "TMPDIR", "USER"),
        "XDG_RUNTIME_DIR",
        # The engine, or a builder that was chosen by name, and the way to it.
        *("BUILDX_BUILDER", "BUILDX_CONFIG", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_TLS"),
        *("DOCKER_TLS_VERIFY", "KRB5CCNAME", "KUBECONFIG", "SSH_AUTH_SOCK"),
        # Logins at registries, and what programs that keep them need.
        *("DBUS_SESSION_BUS_ADDRESS", "DOCKER_AUTH_CONFIG", "GNUPGHOME", "PASSWORD_STORE_DIR"),
        # The client's own connections.
        *("SSL_CERT_DIR", "SSL_CERT_FILE", *PROXY_ARGS),
    )
)
_HANDED_ON_AS = ("AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "WSL")
"""Beginnings of the variables by which clouds know their users, and WSL runs Windows programs."""

Probe = Callable[[Sequence[str], Mapping[str, str]], tuple[int, str]]
"""Runs a command and returns its exit code and its output."""

_found: dict[tuple[str, str], Client] = {}


class Client(NamedTuple):
    """A docker client that can build.

    Attributes:
        path: Of the program.
        buildx: Whether it builds through the plugin, or with its own BuildKit.
    """

    path: str
    buildx: bool


def client_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that a docker client needs to reach an engine and to log in.

    All else would be a hidden input: `BUILDX_GIT_LABELS` puts labels on images,
    `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY` exchanges what is copied, `SOURCE_DATE_EPOCH` and
    `DOCKER_DEFAULT_PLATFORM` are defaults of the builder's, and each release knows more of them.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in _HANDED_ON or name.startswith(_HANDED_ON_AS)
    }


def sets_proxies(environ: Mapping[str, str]) -> bool:
    """Whether the client's config.json has proxies: the client gives them to every step."""
    try:
        with open(os.path.join(config_folder(environ), "config.json"), "rb") as file:
            return b"proxies" in file.read().lower()  # the client reads names in any case, too
    except OSError:
        return False


def find_client(
    environ: Mapping[str, str], probe: Probe | None = None, *, notes: str = ""
) -> Client:
    """The client to build with: the first with buildx, else the first that can do without.

    Args:
        environ: Environment of the client: PATH, DOCKER_CONFIG and HOME say where it is sought.
        probe: Runs the programs; the real one, with its answers kept, when None.
        notes: File that keeps the answer for the next process; none is kept when empty. Asking
            takes half as long as a small build.

    Raises:
        ActionError: No client on this machine can build.
    """
    if probe is not None:
        return _search(environ, probe)
    key = (environ.get("PATH", ""), environ.get("DOCKER_CONFIG", "") or environ.get("HOME", ""))
    if key not in _found:
        witness = _witness(environ)
        client = _recall(notes, witness)
        if client is None:
            client = _search(environ, lambda argv, env: process.capture(argv, environ=env))
            _note(notes, witness, client)
        _found[key] = client
    return _found[key]


def _witness(environ: Mapping[str, str]) -> tuple[object, ...]:
    """All that an answer depends on: the programs, the plugins and the client's configuration."""
    config = config_folder(environ)
    files = [
        *candidates(environ.get("PATH", "")),
        *(f"{folder}/docker-buildx" for folder in (f"{config}/cli-plugins", *_PLUGINS)),
        f"{config}/config.json",  # may name further folders of plugins
    ]
    return tuple((file, *_seen(file)) for file in files)


def _seen(file: str) -> tuple[int, ...]:
    try:
        info = os.stat(file)
    except OSError:
        return ()
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)


def _recall(notes: str, witness: tuple[object, ...]) -> Client | None:
    """The answer of an earlier process, where nothing it depends on has moved."""
    if not notes:
        return None
    try:
        with open(notes, encoding="utf-8") as file:
            seen, path, buildx = file.read().split("\n")
    except (OSError, ValueError):
        return None
    return Client(path, buildx == "buildx") if seen == repr(witness) else None


def _note(notes: str, witness: tuple[object, ...], client: Client) -> None:
    if not notes:
        return
    with suppress(OSError):
        os.makedirs(os.path.dirname(notes), exist_ok=True)
        with open(f"{notes}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write("\n".join([repr(witness), client.path, "buildx" if client.buildx else ""]))
        os.replace(f"{notes}.{os.getpid()}", notes)


def _search(environ: Mapping[str, str], probe: Probe) -> Client:
    built_in: Client | None = None
    refused = []
    for path in candidates(environ.get("PATH", "")):
        if process.stopping():
            raise process.Stopped
        code, text = probe([path, "--version"], environ)
        version = _VERSION.search(text)
        if code or not version:
            refused.append(f"{path}: is no docker client")  # podman answers to the name as well
            continue
        number = (int(version[1]), int(version[2]))
        code, _ = probe([path, "buildx", "version"], environ)
        if code == 0:
            return Client(path, buildx=True)
        if _BUILT_IN[0] <= number <= _BUILT_IN[1]:
            built_in = built_in or Client(path, buildx=False)
        else:
            refused.append(f"{path}: {version[0]} has no buildx plugin")
    if built_in:
        return built_in
    raise ActionError(
        "no docker client on this machine can build images",
        detail="\n".join(refused) or "there is no docker on PATH",
        fix="sudo apt-get install -y docker-buildx  # elsewhere: https://docs.docker.com/go/buildx/"
        if refused
        else "sudo apt-get install -y docker.io  # elsewhere: https://docs.docker.com/engine/install/",
    )


def candidates(path: str) -> list[str]:
    """Every docker client on a PATH and in the usual places, each program once."""
    found: dict[str, str] = {}
    in_path = [os.path.join(folder, "docker") for folder in path.split(os.pathsep) if folder]
    for program in (*in_path, *_USUAL):
        if os.path.isfile(program) and os.access(program, os.X_OK):
            found.setdefault(os.path.realpath(program), program)
    return list(found.values())
