"""Build Dockerfiles with BuildKit, through a docker client.

One `docker build` for each request, in a session of its own. The result's id comes from a file and
is looked up in the engine before it counts, so the engine has what is returned. Nothing is tagged.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from buildlib.core.dockerfile import IGNORE_FILE
from buildlib.core.dockerfile.invisible import invisible_in
from buildlib.core.dockerfile.parse import PROXY_ARGS
from buildlib.core.model.secret import Secret
from buildlib.engine import process
from buildlib.engine.buildkit_output import Event, Status
from buildlib.engine.client import Client, client_environ, client_for, sets_proxies
from buildlib.engine.failure import FailureFinder
from buildlib.engine.find import Endpoint, unavailable
from buildlib.engine.protocol import BuildRequest, Built, Engine, Log, StepFailed, first_image
from buildlib.engine.secrets import lend, masker, path_of, value_of
from buildlib.errors import ActionError, InputError, Location

_BUILDX_ENVIRON = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""No provenance: its times and host names would give each build another digest."""

_LOAD = "type=docker,compression=gzip,compression-level=1"
"""As `--load`, but the containerd store compresses in a third of the time; engines with graph
drivers, which pull these layers as well, do not compress what they keep."""
EXPORTED = re.compile(r"exporting config (sha256:[0-9a-f]{64})\b")
"""BuildKit's line for an image that goes into the containerd store: the configuration's digest."""
_LENT = "BUILDLIB_SECRET_"
"""How the variables begin in which a client finds the values of secrets."""
_BINFMT = "/proc/sys/fs/binfmt_misc"
_EMULATORS = {
    "linux/arm64": "qemu-aarch64",
    "linux/amd64": "qemu-x86_64",
    "linux/arm/v7": "qemu-arm",
    "linux/arm/v6": "qemu-arm",
    "linux/ppc64le": "qemu-ppc64le",
    "linux/s390x": "qemu-s390x",
    "linux/riscv64": "qemu-riscv64",
}


class CliBuilder:
    """A `Builder` that runs a docker client."""

    def __init__(
        self,
        endpoint: Endpoint,
        engine: Engine,
        environ: Mapping[str, str] | None = None,
        *,
        notes: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._engine = engine
        self._environ = os.environ if environ is None else environ
        self._notes = notes

    # the protocol

    def build(self, request: BuildRequest, log: Log) -> Built:
        import tempfile  # with shutil and random: not for images that are made without a builder

        with tempfile.TemporaryDirectory(prefix="buildlib-") as scratch:
            iid = os.path.join(scratch, "iid")
            metadata = os.path.join(scratch, "metadata")
            output = ["--iidfile", iid]
            if self._client().buildx:
                output += ["--metadata-file", metadata, "--output", _LOAD]
            exported: list[str] = []

            def on_event(event: Event | None) -> None:
                if isinstance(event, Status) and (match := EXPORTED.match(event.text)):
                    exported.append(match[1])

            self._run(request, output, scratch, log, on_event)
            names = result_names(iid, metadata)
        image = first_image(self._engine, *names)
        if image is None:
            raise ActionError(
                f"{_shown(request)} was built, but the engine does not have the result",
                detail=f"the builder named it {' and '.join(names) or 'nothing'}",
                fix="unset BUILDX_BUILDER  # the engine's own builder keeps what it builds",
            )
        return Built(image.id, "".join(exported[-1:]))

    def build_tar(self, request: BuildRequest, dest: str, log: Log) -> None:
        import tempfile

        part = f"{dest}.{os.getpid()}.part"
        try:
            with tempfile.TemporaryDirectory(prefix="buildlib-") as scratch:
                output = ["--output", _csv("type=tar", f"dest={part}")]
                self._run(request, output, scratch, log)
            os.replace(part, dest)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part)

    def command(self, request: BuildRequest) -> list[str]:
        client = self._client()
        changed = self._extra_environ(client)
        if self._endpoint.context:
            changed["DOCKER_CONTEXT"] = self._endpoint.context
        elif self._endpoint.origin:
            changed["DOCKER_HOST"] = self._endpoint.url
        plain = self._without_proxies(request._replace(grants=()))
        assignments = [f"{name}={value}" for name, value in changed.items()]
        output = ["--output", _LOAD] if client.buildx else []
        output += _secret_options(request, lambda secret: secret.variable)
        return assignments + self._argv(client, plain, plain.dockerfile, output)

    def ready(self) -> None:
        self._client()

    # how

    def _run(
        self,
        request: BuildRequest,
        output: Sequence[str],
        scratch: str,
        log: Log,
        on_event: Callable[[Event | None], None] = lambda _: None,
    ) -> None:
        self._check_platform(request)
        with open(request.dockerfile, encoding="utf-8-sig") as file:
            text = file.read()
        dockerfile = request.dockerfile
        secrets: list[str] = []
        if request.grants:
            lent = lend(text, request.grants, _shown(request))
            dockerfile = _write(os.path.join(scratch, "Dockerfile"), lent)
            _copy_ignore(request.dockerfile, dockerfile)
            for grant in request.grants:
                path = grant.path or _write(os.path.join(scratch, grant.id), grant.text)
                secrets += ["--secret", _csv(f"id={grant.id}", f"src={path}")]
        client = self._client()
        closed = self._without_proxies(request)
        values = {secret: value_of(secret, self._environ) for secret in request.secrets}
        # Under names that mean nothing to the client.
        names = {secret: f"{_LENT}{number}" for number, secret in enumerate(values)}
        variables = {names[it]: value for it, value in values.items() if it.variable}
        secrets += _secret_options(request, names.__getitem__)
        argv = self._argv(client, closed, dockerfile, [*secrets, *output])
        finder = FailureFinder()
        mask = masker(values.values())

        def on_line(line: str) -> None:
            line = mask(line)
            on_event(finder.feed(line))
            log(line)

        environ = {**self._client_environ(), **variables, **self._extra_environ(client)}
        code = process.stream(argv, on_line, environ=environ)
        if code:
            raise self._error(request, finder, text)

    def _argv(
        self,
        client: Client,
        request: BuildRequest,
        dockerfile: str,
        extra: Sequence[str],
    ) -> list[str]:
        argv = [client.path]
        if client.buildx:
            argv += ["buildx", "build"]
            # The engine's own builder, unless the environment names one: the engine has the
            # parents of our images, and no other builder sees them.
            if not self._environ.get("BUILDX_BUILDER"):
                argv += ["--builder", self._endpoint.context or "default"]
        else:
            argv.append("build")
        argv += ["--progress=plain", f"--network={request.network}"]
        if request.no_cache:
            argv.append("--no-cache")
        if request.platform:
            argv.append(f"--platform={request.platform}")
        if request.target:
            argv.append(f"--target={request.target}")
        for name, value in request.args:
            argv += ["--build-arg", f"{name}={value}"]
        for name, value in request.labels:
            argv += ["--label", f"{name}={value}"]
        return [*argv, *extra, "--file", dockerfile, request.context]

    def _client(self) -> Client:
        return client_for(self._endpoint, self._client_environ(), notes=self._notes)

    def _client_environ(self) -> dict[str, str]:
        return self._endpoint.client_environ(client_environ(self._environ))

    def _without_proxies(self, request: BuildRequest) -> BuildRequest:
        """Keep the proxies of the client's configuration from steps that have no network.

        The client adds a proxy only where no build argument of its name is given, be it empty;
        BuildKit sets no empty ones, and takes the two spellings of a name for one.
        """
        if request.network != "none" or not sets_proxies(self._environ):
            return request
        given = dict(request.args)
        unset = {name: given.get(name.swapcase(), "") for name in PROXY_ARGS if name not in given}
        return request._replace(args=(*request.args, *unset.items()))

    @staticmethod
    def _extra_environ(client: Client) -> dict[str, str]:
        return dict(_BUILDX_ENVIRON) if client.buildx else {"DOCKER_BUILDKIT": "1"}

    def _check_platform(self, request: BuildRequest) -> None:
        """Refuse a platform whose RUN steps this engine cannot run.

        BuildKit itself would build the COPY steps and stop at the first RUN, or, given a local
        parent of another platform, build on that without a word.
        """
        if not request.platform or self._environ.get("BUILDX_BUILDER"):
            return
        own = self._engine.platform()
        emulator = _EMULATORS.get(request.platform)
        local = self._endpoint.scheme == "unix"
        if request.platform == own or (
            emulator and local and os.path.exists(os.path.join(_BINFMT, emulator))
        ):
            return
        raise InputError(
            f"the engine runs {own} and cannot build {request.platform}: it has no emulator",
            where=Location(_shown(request), 0),
            fix="sudo apt-get install -y qemu-user-static binfmt-support"
            if emulator
            else f'platform = "{own}"',
        )

    def _error(self, request: BuildRequest, finder: FailureFinder, text: str) -> ActionError:
        failure = finder.failure(text)
        if request.grants and not failure.step:
            failure = failure._replace(line=0)  # BuildKit counted lines in our copy
        if failure.engine_gone:
            return unavailable(self._endpoint, ConnectionError("it went away during the build"))
        step = f" at {failure.step[:160]}" if failure.step else ""
        detail = [*failure.tail, failure.reason]
        if failure.line and (found := invisible_in(text, failure.line)):
            detail.append(f"there is {found}")
        where = Location(_shown(request), failure.line) if failure.line else None
        what = f"the build of {_shown(request)} failed{step}"
        if not failure.step:
            return ActionError(what, where=where, detail="\n".join(detail))
        error = StepFailed(what, where=where, detail="\n".join(detail))
        error.refused = failure.refused
        return error


def result_names(iid: str, metadata: str) -> list[str]:
    """Return what a builder calls its result.

    Without attestations buildx up to 0.35 writes the digest of the configuration into the file of
    the image ID, by which the containerd store finds nothing (docker/buildx#3952).
    """
    names = [_read(iid).strip()]
    try:
        fields = json.loads(_read(metadata) or "{}")
    except ValueError:
        fields = {}
    names += [str(fields.get("containerimage.digest") or "")]
    return list(dict.fromkeys(name for name in names if name))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _shown(request: BuildRequest) -> str:
    return request.shown_as or request.dockerfile


def _secret_options(request: BuildRequest, variable: Callable[[Secret], str]) -> list[str]:
    """Return the options of a client that hand it secrets.

    Args:
        variable: Where it finds a value that is in a variable.
    """
    options = []
    for secret in request.secrets:
        source = f"env={variable(secret)}" if secret.variable else f"src={path_of(secret)}"
        options += ["--secret", _csv(f"id={secret.id}", source)]
    return options


def _csv(*fields: str) -> str:
    """Join the fields of a docker option, which is a line of CSV."""
    return ",".join(
        '"{}"'.format(field.replace('"', '""')) if set(field) & set('",') else field
        for field in fields
    )


def _write(path: str, text: str) -> str:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _copy_ignore(dockerfile: str, copy: str) -> None:
    """Copy a Dockerfile's own ignore file beside the Dockerfile's copy."""
    import shutil

    with suppress(FileNotFoundError):
        shutil.copyfile(dockerfile + IGNORE_FILE, copy + IGNORE_FILE)
