"""Find a docker client that can build with BuildKit: the engine itself takes no Dockerfile.

A client builds with the buildx plugin; those up to 22 also without it, since they have BuildKit
built in. Later ones without it only have the legacy builder, which knows neither secrets nor
mounts. A machine may have several clients, and the first on PATH may not be able to build. Each
client is asked whether it fits the engine: an engine may refuse an old client, and buildx may have
its builder elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from buildlib.core.dockerfile.parse import PROXY_ARGS
from buildlib.engine import process
from buildlib.engine.about import About, about, refuse_foreign
from buildlib.engine.find import INSTALL, Endpoint, config_folder
from buildlib.errors import ActionError, EngineUnavailable

_BUILT_IN = ((19, 3), (22, 255))
"""First and last (major, minor) of docker clients with BuildKit and `--output` built in."""

_ERROR = re.compile(r"^(?:(?:Error|ERROR):? +)+(?:response from daemon: )?(.+)", re.MULTILINE)
_DRIVER = re.compile(r"^Driver: *(\S+)", re.MULTILINE)
_OWN_DRIVER = "docker"
"""buildx's name for the driver of the engine's own builder."""
_VERSION = re.compile(r"Docker version (\d+)\.(\d+)")
_FOREIGN = "not the engine's own"
_PACKAGES = ("docker-buildx", "docker-buildx-plugin")
"""The plugin's packages: of Debian 13 and Ubuntu, of Docker's own archive. Debian 12 has none."""
_RELEASE = "https://github.com/docker/buildx/releases/download/v0.38.2/buildx-v0.38.2"
_USUAL = ("/usr/bin/docker", "/usr/local/bin/docker")
_PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
"""Where a client looks for plugins after the user's own folder (docker/cli, cli-plugins)."""

_PASSED = frozenset(
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
_PASSED_PREFIXES = ("AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "WSL")
"""Prefixes of variables: credentials of clouds, and what WSL needs to run Windows programs."""

_clients: dict[tuple[str, ...], Client] = {}


class Client(NamedTuple):
    """A docker client that can build.

    Attributes:
        path: Of the program.
        buildx: Whether it builds through the plugin, or with its own BuildKit.
    """

    path: str
    buildx: bool


def client_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a docker client needs to reach an engine and to log in.

    All others would be hidden inputs: `BUILDX_GIT_LABELS` puts labels on images,
    `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY` replaces what is copied, `SOURCE_DATE_EPOCH` and
    `DOCKER_DEFAULT_PLATFORM` are defaults of the builder, and each release has more of them.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }


def sets_proxies(environ: Mapping[str, str]) -> bool:
    """Whether the client's config.json has proxies, which the client gives to every step."""
    try:
        with open(os.path.join(config_folder(environ), "config.json"), "rb") as file:
            return b"proxies" in file.read().lower()  # the client reads names in any case, too
    except OSError:
        return False


def client_for(endpoint: Endpoint, environ: Mapping[str, str], *, notes: str = "") -> Client:
    """Return the client for an engine and its own builder, unless the environment names another.

    The environment is the client's, and leads to the engine; `notes` is as in `find_client`.

    Raises:
        InputError: It is no Docker Engine.
        ActionError: No client on this machine can build on it.
    """
    # The engine has the parents of our images, and no other builder sees them.
    builder = "" if environ.get("BUILDX_BUILDER") else endpoint.context or "default"
    key = (*_search_paths(environ), endpoint.url, builder)
    if key not in _clients:
        engine = None
        with suppress(EngineUnavailable, ActionError):  # the build itself reports the error
            engine = about(endpoint)
        if engine is not None:
            refuse_foreign(endpoint, engine)
        _clients[key] = find_client(environ, notes=notes, engine=engine, builder=builder)
    return _clients[key]


def find_client(
    environ: Mapping[str, str],
    *,
    notes: str = "",
    engine: About | None = None,
    builder: str = "",
) -> Client:
    """Return the client to build with: the first with buildx, else the first with own BuildKit.

    Args:
        environ: Environment of the client: PATH, DOCKER_CONFIG and HOME say where to look for it.
        notes: File that caches the answer for the next process (none when empty): asking takes
            longer than a small build.
        engine: The engine that the environment leads to, which the client has to fit; None for any.
        builder: The name under which buildx must have the engine's own builder.

    Raises:
        ActionError: No client on this machine can build.
    """
    fingerprint = _fingerprint(environ, engine, builder)
    client = _read_notes(notes, fingerprint)
    if client is None:
        client = _search(environ, engine, builder)
        _write_notes(notes, fingerprint, client)
    return client


def _search_paths(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return where to look for programs, and for their plugins."""
    return environ.get("PATH", ""), config_folder(environ)


def _fingerprint(
    environ: Mapping[str, str], engine: About | None, builder: str
) -> tuple[object, ...]:
    """Return all that the answer depends on: the programs, their configuration, and the engine."""
    path, config = _search_paths(environ)
    builders = environ.get("BUILDX_CONFIG") or f"{config}/buildx"
    files = [
        *candidates(path),
        *(f"{folder}/docker-buildx" for folder in (f"{config}/cli-plugins", *_PLUGINS)),
        f"{config}/config.json",  # may name further folders of plugins
        f"{builders}/instances/{builder}",  # goes before the context of that name
    ]
    where = (environ.get("DOCKER_HOST", ""), environ.get("DOCKER_CONTEXT", ""))
    return (engine, builder, where, *((file, *_file_state(file)) for file in files))


def _file_state(file: str) -> tuple[int, ...]:
    try:
        info = os.stat(file)
    except OSError:
        return ()
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)


def _read_notes(notes: str, fingerprint: tuple[object, ...]) -> Client | None:
    """Return the answer of an earlier process, if nothing it depends on has changed."""
    if not notes:
        return None
    try:
        with open(notes, encoding="utf-8") as file:
            seen, path, buildx = file.read().split("\n")
    except (OSError, ValueError):
        return None
    return Client(path, buildx == "buildx") if seen == repr(fingerprint) else None


def _write_notes(notes: str, fingerprint: tuple[object, ...], client: Client) -> None:
    if not notes:
        return
    with suppress(OSError):
        os.makedirs(os.path.dirname(notes), exist_ok=True)
        with open(f"{notes}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write(
                "\n".join([repr(fingerprint), client.path, "buildx" if client.buildx else ""])
            )
        os.replace(f"{notes}.{os.getpid()}", notes)


def _search(environ: Mapping[str, str], engine: About | None, builder: str) -> Client:
    built_in: Client | None = None
    refused = []
    for path in candidates(environ.get("PATH", "")):
        if process.stopping():
            raise process.Stopped
        code, text = process.capture([path, "--version"], environ=environ)
        version = _VERSION.search(text)
        if code or not version:
            refused.append(f"{path}: is no docker client")  # podman answers to the name as well
            continue
        code, _ = process.capture([path, "buildx", "version"], environ=environ)
        if code == 0:
            reason = _foreign_builder(path, environ, builder) if engine and builder else ""
            if not reason:
                return Client(path, buildx=True)
            refused.append(f"{path} with buildx: {reason}")
        if _BUILT_IN[0] <= (int(version[1]), int(version[2])) <= _BUILT_IN[1]:
            reason = _refusal(path, environ) if engine and not built_in else ""
            if not reason:
                built_in = built_in or Client(path, buildx=False)
            else:
                refused.append(f"{path}: {reason}")
        elif code:
            refused.append(f"{path}: {version[0]} has no buildx plugin")
    if built_in:
        return built_in
    which = f" on {engine.product} {engine.version}" if engine else ""
    raise ActionError(
        f"no docker client on this machine can build images{which}",
        detail="\n".join(refused) or "there is no docker on PATH",
        fix=_fix(environ, refused, builder),
    )


def any_client(environ: Mapping[str, str]) -> str:
    """Return the path of a client for anything but builds: the first that fits the engine.

    Raises:
        ActionError: None on this machine fits.
    """
    refused = []
    for path in candidates(environ.get("PATH", "")):
        why = _refusal(path, environ)
        if not why:
            return path
        refused.append(f"{path}: {why}")
    what = "fits the engine" if refused else "is here"
    raise ActionError(f"no docker client {what}", detail="\n".join(refused), fix=INSTALL)


def _foreign_builder(path: str, environ: Mapping[str, str], builder: str) -> str:
    """Say why buildx would not build with the engine's own builder; empty where it does."""
    code, text = process.capture([path, "buildx", "inspect", builder], environ=environ)
    driver, error = _DRIVER.search(text), _ERROR.search(text)
    if driver and driver[1] != _OWN_DRIVER:
        return f"its builder {builder} is {_FOREIGN} ({driver[1]})"
    return _error_sentence(text) if code or error or not driver else ""


def _refusal(path: str, environ: Mapping[str, str]) -> str:
    """Say why a client cannot talk to the engine; empty where it can."""
    code, text = process.capture(
        [path, "version", "--format", "{{.Server.APIVersion}}"], environ=environ
    )
    return _error_sentence(text) if code else ""


def _error_sentence(text: str) -> str:
    """Return the sentence in which a client says what is wrong."""
    error = _ERROR.search(text)
    return error[1] if error else text.strip().rpartition("\n")[2] or "does not answer"


def _fix(environ: Mapping[str, str], refused: Sequence[str], builder: str) -> str:
    """Return the command that gives this machine a client that can build."""
    if not refused:
        return INSTALL
    if any(_FOREIGN in line for line in refused):
        if builder == "default":
            return "docker buildx inspect default  # is a proxy between it and the engine?"
        return f"docker buildx rm {builder}  # or choose it: export BUILDX_BUILDER={builder}"
    _, text = process.capture(["apt-cache", "policy", *_PACKAGES], environ=environ)
    packages = installable(text.splitlines(), _PACKAGES)
    if packages:
        return f"sudo apt-get install -y {packages[0]}"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    file = f"{config_folder(environ)}/cli-plugins/docker-buildx"
    return (
        f"mkdir -p {os.path.dirname(file)} && curl -fLo {file} {_RELEASE}.linux-{machine}"
        f" && chmod +x {file}  # https://docs.docker.com/go/buildx/"
    )


def installable(lines: Sequence[str], packages: Sequence[str]) -> list[str]:
    """Return the packages for which `lines`, from `apt-cache policy`, name a candidate."""
    names, current = [], ""
    for line in lines:
        if line and not line.startswith(" "):
            current = line.rstrip(":")
        elif line.startswith("  Candidate:") and "(none)" not in line and current in packages:
            names.append(current)
    return names


def candidates(path: str) -> list[str]:
    """Return each docker client on a PATH and in the usual places, every program once."""
    programs: dict[str, str] = {}
    in_path = [os.path.join(folder, "docker") for folder in path.split(os.pathsep) if folder]
    for program in (*in_path, *_USUAL):
        if os.path.isfile(program) and os.access(program, os.X_OK):
            programs.setdefault(os.path.realpath(program), program)
    return list(programs.values())
