"""Secrets of a build: those that a declaration names, and what a build with a network is lent.

A user's own secret (`core.model.secret`) is read here and nowhere else. BuildKit gets it for the
steps that mount it, and its value is masked in what the builder prints.

Lent are the host's CA bundle and mirrors, to every RUN of a Dockerfile that may use the network.
They are BuildKit secrets in /run/secrets. `ARG`s point tools to them: RUN sees an `ARG` as
environment, and the image does not keep it. Only apt's sources are mounted over a file. So nothing
of the site gets into a layer, the history (it holds constant paths only) or a key.

The bundle is not mounted over the image's own: /etc/ssl/certs/ca-certificates.crt would then be
busy, and the installation of the Debian package ca-certificates, which many images need, fails at
its `mv`. `build` hands the files over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from buildlib.core.dockerfile.lines import Instruction, fields, read_lines
from buildlib.core.model.secret import Secret
from buildlib.core.model.settings import Network
from buildlib.engine.protocol import Grant
from buildlib.errors import InputError
from buildlib.outside.web.trust import find_ca

CA = "buildlib-ca"

_CA_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, Python's ssl, uv, Go, Ruby
    "REQUESTS_CA_BUNDLE",  # requests, conda
    "PIP_CERT",
    "CURL_CA_BUNDLE",  # curl, R
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
)
_SOURCES = "/etc/apt/sources.list.d/debian.sources"
_LEAST_MASKED = 4
"""Characters of a line of a secret that is masked; what is shorter is no secret."""
_DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def grants_for(
    network: Network,
    environ: Mapping[str, str] | None = None,
    *,
    suite: str = "",
) -> tuple[Grant, ...]:
    """Return what a build with a network is lent: the CA bundle, and mirrors that are not public.

    Args:
        network: The mirrors of the workspace.
        environ: May name a CA bundle and an index; the process's environment when None.
        suite: Debian suite (`bookworm`) of the image; without it, apt keeps its own sources.
    """
    from buildlib.outside import package_index

    env = os.environ if environ is None else environ
    public = Network()
    bundle = find_ca(env)
    grants = []
    if bundle:
        grants += [
            Grant(CA, _CA_VARIABLES, path=bundle),
            # wget of Debian knows no variable for the bundle, but one for its settings.
            Grant("buildlib-wgetrc", ("WGETRC",), text=f"ca_certificate = {_at(CA)}\n"),
        ]
        apt = f'Acquire::https::CaInfo "{_at(CA)}";\n'
        grants.append(Grant("buildlib-apt.conf", ("APT_CONFIG",), text=apt))
    if suite and network.apt != public.apt:
        # Mounted over the image's own: by a variable, apt can add sources, but not leave one out.
        sources = _debian_sources(network.apt, suite)
        grants.append(Grant("buildlib-apt.sources", (), text=sources, at=_SOURCES))
    index = package_index.index_url(network.pypi, env)
    if index != package_index.PUBLIC:
        uv = f'[[index]]\nurl = "{index}"\ndefault = true\n'
        grants += [
            Grant("buildlib-pip.conf", ("PIP_CONFIG_FILE",), text=_pip_conf(index)),
            Grant("buildlib-uv.toml", ("UV_CONFIG_FILE",), text=uv),
        ]
    return tuple(grants)


def value_of(secret: Secret, environ: Mapping[str, str]) -> str:
    """Read the value of a secret.

    Raises:
        InputError: The variable is not set, or the file cannot be read.
    """
    if secret.variable:
        if value := environ.get(secret.variable):
            return value
        raise InputError(
            f"the secret {secret.id} is the variable {secret.variable}, which is not set",
            fix=f"export {secret.variable}=…",
        )
    try:
        with open(path_of(secret), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        fix = f"write it to {secret.file}"
        if isinstance(error, IsADirectoryError):
            fix = f'secrets = {{"{secret.id}": "file:{secret.file.rstrip("/")}/NAME"}}'
        elif isinstance(error, PermissionError):
            fix = f"chmod u+r {secret.file}"
        raise InputError(
            f"the secret {secret.id} is the file {secret.file}, which cannot be read:"
            f" {error.strerror}",
            fix=fix,
        ) from None


def path_of(secret: Secret) -> str:
    """Return the absolute path of a secret in a file."""
    return os.path.expanduser(secret.file)


def masker(values: Iterable[str]) -> Callable[[str], str]:
    """Return a function that masks secrets in a line: each line of each of them."""
    words = {line.strip() for value in values for line in value.splitlines()}
    words = {word for word in words if len(word) >= _LEAST_MASKED}
    if not words:
        return lambda line: line
    # The longest first: one may be a piece of another.
    any_of = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
    return lambda line: any_of.sub("***", line)


def lend(text: str, grants: Sequence[Grant], file: str = "Dockerfile") -> str:
    """Return the text of a Dockerfile in which every RUN is given the grants.

    A RUN that mounts something at the same place keeps its own. ONBUILD instructions stay as they
    are: they run in builds of others, which know nothing of these files. `file` is for messages.

    Raises:
        InputError: The text is no Dockerfile.
    """
    if not grants:
        return text
    lines = text.split("\n")
    variables = [f"{name}={grant.target}" for grant in grants for name in grant.variables]
    changed: list[str] = []
    done = 0
    for instruction in read_lines(text, file).instructions:
        changed += lines[done : instruction.line - 1]
        body = lines[instruction.line - 1 : instruction.end]
        if instruction.name == "RUN":
            _add_flags(body, "".join(_mounts(instruction, grants)))
        changed += body
        if instruction.name == "FROM" and variables:
            changed.append("ARG " + " ".join(variables))
        done = instruction.end
    return "\n".join([*changed, *lines[done:]])


def _mounts(run: Instruction, grants: Sequence[Grant]) -> Iterable[str]:
    mounts = [fields(value) for key, value in run.flags if key == "mount"]
    own = {field.partition("=")[2] for mount in mounts for field in mount if _is_target(field)}
    for grant in grants:
        if grant.target not in own:
            # 0444: by default only root could read it, and RUN may be another user.
            yield f" --mount=type=secret,id={grant.id},target={grant.target},mode=0444"


def _is_target(field: str) -> bool:
    return field.partition("=")[0].lower() in {"target", "dst", "destination"}


def _add_flags(body: list[str], flags: str) -> None:
    """Put flags after the keyword of a RUN given as its lines; the keyword itself may be broken."""
    left = "RUN"
    for number, line in enumerate(body):
        at = len(line) - len(line.lstrip()) if left == "RUN" else 0
        while left and line[at : at + 1].upper() == left[0]:
            at, left = at + 1, left[1:]
        if not left:
            rest = line[at:]
            space = "" if not rest or rest[0].isspace() else " "  # it may be the escape character
            body[number] = line[:at] + flags + space + rest
            return


def _at(name: str) -> str:
    return Grant(name, ()).target


def _debian_sources(mirror: str, suite: str) -> str:
    def stanza(folder: str, suites: str) -> str:
        return (
            f"Types: deb\nURIs: {mirror}/{folder}\nSuites: {suites}\n"
            f"Components: main\nSigned-By: {_DEBIAN_KEYS}\n"
        )

    main = stanza("debian", f"{suite} {suite}-updates")
    return main + "\n" + stanza("debian-security", f"{suite}-security")


def _pip_conf(index: str) -> str:
    text = f"[global]\nindex-url = {index}\n"
    if index.startswith("http://"):  # pip refuses an index without TLS that is not named
        host = index.removeprefix("http://").partition("/")[0].rpartition("@")[2].partition(":")[0]
        text += f"trusted-host = {host}\n"
    return text
