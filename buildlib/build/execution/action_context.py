"""The context of one action: its inputs, the store and the builder, and nothing else.

Inputs come out as the key saw them: sources are checked against their stamps, downloads and files
of other targets against their digests. `buildlib.core.rules.context` documents each method.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Protocol

from buildlib.build.execution.downloads import pinned_files
from buildlib.build.execution.stage import InputMovedError, Stage, dockerfile_for
from buildlib.core.keys.compute import pinned
from buildlib.core.model.inputs import Fetched, Source
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import File, Target, image_name
from buildlib.core.store import names
from buildlib.core.store.content import EPOCH
from buildlib.core.store.state import flat, report_path
from buildlib.errors import ActionError, InputError

if TYPE_CHECKING:
    from buildlib.core.model.lock import Item
    from buildlib.core.model.target import Request, Targets
    from buildlib.core.pack.tar import Member
    from buildlib.core.rules.context import Stage as Staged
    from buildlib.core.store.content import ContentStore
    from buildlib.core.store.records import Records
    from buildlib.core.store.state import State
    from buildlib.core.view import View
    from buildlib.engine.protocol import Builder, BuildRequest, Engine, Grant
    from buildlib.outside.fetch.progress import Observer
    from buildlib.outside.fetch.source import Download

Log = Callable[[str], None]
_PROOF_GRACE = 60.0
"""Seconds that a stopped proof has to remove what it started, a swarm included."""
_CHUNK = 1 << 20
_TERMINAL = ("COLUMNS", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "TERM")
"""Variables that say how a child's output looks."""
_CLUSTER = ("KUBECONFIG", "VERIFY_CONTEXT")
"""Variables that say which cluster a proof is made on; no others of the user's reach a proof."""
_DOES = ">> "
"""How a line of a child begins that only says what it does at present."""
_TAIL = 40
"""Lines of a child's output that an error shows."""


class Fetch(Protocol):
    """Fetches files into the content store, as `Workspace.fetch` does."""

    def __call__(
        self, downloads: Sequence[Download], log: Log, /, *, observer: Observer
    ) -> None: ...


class ActionContext:
    """The inputs and tools of one action, as `buildlib.core.rules.context.Context` says.

    Args:
        view: What is declared, with its keys.
        root: The workspace's folder.
        state: Holds build contexts and reports.
        engine: Returns the engine; called only by an action that needs one.
        builder: Returns the builder; the same.
        grants: Returns what a build with a network is lent.
        output_of: Returns the output of another target, or of parts of one.
        log: Takes the lines that a builder prints.
        waited: Takes the seconds that a fetch took.
        no_cache: Ignore the builder's cache, and build from the sources.
        doing: Takes what a child says that it does at present.
    """

    def __init__(
        self,
        view: View,
        *,
        root: str,
        store: ContentStore,
        records: Records,
        state: State,
        engine: Callable[[], Engine],
        builder: Callable[[], Builder],
        grants: Callable[[], tuple[Grant, ...]],
        fetch: Fetch,
        output_of: Callable[[Reference], Output],
        log: Log,
        waited: Callable[[float], None] = lambda _: None,
        no_cache: bool = False,
        doing: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._view = view
        self._root = root
        self._records = records
        self._state = state
        self._engine = engine
        self._builder = builder
        self._grants = grants
        self._fetch = fetch
        self._log = log
        self._waited = waited
        self._no_cache = no_cache
        self._doing = doing
        self._tail: list[str] = []
        self.targets: Targets = view.graph.targets
        self.store = store
        self.output = output_of

    # -- inputs ------------------------------------------------------------------------------

    def source(self, file: File) -> Source:
        return Source(f"{self._root}/{file.path}", self._view.keys.stamp_of(file.path))

    def keep_source(self, file: File) -> FileOutput:
        source = self.source(file)
        if source.stamp.startswith("link "):
            raise InputError(
                f"{file.path} is a symlink, and only files can be taken here",
                fix="name the file it leads to",
            )
        kept = self.store.add_file(source.path)
        if kept != source.stamp.partition(" ")[2]:
            raise InputMovedError(
                f"{file.path} changed while it was being read", fix="./doitw build"
            )
        size = os.path.getsize(self.store.path(kept))
        return FileOutput(kept, size, source.stamp.startswith("755 "))

    def pins(self, target: Target) -> list[tuple[str, Item]]:
        return [
            item
            for pin in target.pins
            for item in pinned(self._view.lock, pin, target).items.items()
        ]

    def fetch(self, target: Target) -> list[Fetched]:
        files = list(pinned_files(self._view.lock, target))
        started = time.monotonic()
        # The reporter shows the progress: one terminal has room for one status line.
        self._fetch([download for _, download in files], self._log, observer=_unobserved)
        self._waited(time.monotonic() - started)
        return [
            Fetched(
                f"{section.folder}/{download.filename}" if section.folder else download.filename,
                download.sha256,
                os.path.getsize(self.store.path(download.sha256)),
            )
            for section, download in files
        ]

    @property
    def file_version(self) -> str:
        return names.file_version(self._view.version)

    # -- results -----------------------------------------------------------------------------

    def keep_bytes(self, data: bytes) -> FileOutput:
        return FileOutput(self.store.add_bytes(data), len(data))

    def keep_stream(self, stream: IO[bytes]) -> FileOutput:
        with self.store.writer() as out:
            while chunk := stream.read(_CHUNK):
                out.write(chunk)
            return FileOutput(*out.commit())

    @contextlib.contextmanager
    def scratch(self) -> Iterator[str]:
        import tempfile

        above = self._state.path("stage")
        os.makedirs(above, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="scratch.", dir=above) as folder:
            yield folder

    def keep_tar(self, members: Sequence[Member]) -> FileOutput:
        from buildlib.core.pack.tar import write_tar

        with self.store.writer() as out:
            write_tar(members, out, epoch=EPOCH)
            return FileOutput(*out.commit())

    def write_rootfs(
        self, packages: Iterable[Fetched], extra: Iterable[tuple[str, FileOutput]]
    ) -> FileOutput:
        from pathlib import Path

        from buildlib.outside.debian.rootfs import ExtraFile, write_rootfs

        debs = [Path(self.store.path(package.sha256)) for package in packages]
        files = [
            ExtraFile(path, Path(self.store.path(kept.sha256)).read_bytes(), kept.executable)
            for path, kept in extra
        ]
        with self.store.writer() as out:
            write_rootfs(debs, out, epoch=EPOCH, extra=files)
            return FileOutput(*out.commit())

    # -- images ------------------------------------------------------------------------------

    def stage(self, target: Target) -> Stage:
        return Stage(self._state.path(f"stage/{flat(target.label)}"), self.store)

    def image_reference(self, label: Label) -> str:
        key = self._view.keys.key(Reference(label))
        return names.content_tag(self._view.settings, image_name(self.targets[label]), key)

    def identities(self, label: Label) -> Mapping[str, str]:
        record = self._records.get(self._view.keys.key(Reference(label)))
        return record.identities if record else {}

    def channel_tag(self, label: Label) -> str:
        name = image_name(self.targets[label])
        return names.channel_tag(self._view.settings, name, self._view.channel)

    def build_image(
        self, target: Target, request: Request, stage: Staged, *, labels: Mapping[str, str]
    ) -> Output:
        build, builder = self._build_request(target, request, stage, labels), self._builder()
        with self._explained(target, request, builder.command(build)):
            built = builder.build(build, self._log)
        return Output(built.image, identity=built.identity)

    def build_tar(self, target: Target, request: Request, stage: Staged) -> str:
        destination = self._state.path(f"stage/{flat(target.label)}.tar")
        build, builder = self._build_request(target, request, stage, {}), self._builder()
        with self._explained(target, request, builder.command(build)):
            builder.build_tar(build, destination, self._log)
        return destination

    @contextlib.contextmanager
    def _explained(
        self, target: Target, request: Request, command: Sequence[str]
    ) -> Iterator[None]:
        """Show a command, and say what to do where a step of the Dockerfile fails."""
        from buildlib.engine.protocol import StepFailed

        self._log("$ " + _shell(command))
        try:
            yield
        except StepFailed as error:
            error.declared = target.where
            error.fix = _shell(command)
            if error.refused and not request.network:
                error.what += ": steps have no network"
                error.fix = (
                    "list what it fetches in requirements.in (or apt=[…]) and"
                    f" ./doitw lock {target.label}; or declare network=True"
                )
            raise

    def _build_request(
        self, target: Target, request: Request, stage: Staged, labels: Mapping[str, str]
    ) -> BuildRequest:
        """Make the builder's request, with the present names of the base images."""
        from buildlib.core.dockerfile.bases import with_present_names
        from buildlib.engine.protocol import BuildRequest

        bases = {key: self.image_reference(label) for key, label in request.bases.items()}
        args = {key: image for key, image in bases.items() if key.isidentifier()}
        shown = target.label.path(request.dockerfile)

        def present(text: str) -> str:
            if not bases:
                return text
            return with_present_names(text, shown, request.known_args, bases, request.target)

        return BuildRequest(
            context=stage.folder,
            dockerfile=dockerfile_for(stage.folder, request.dockerfile, present),
            args=tuple(sorted({**request.args, **args}.items())),
            platform=request.platform,
            network="default" if request.network else "none",
            labels=tuple(sorted(labels.items())),
            grants=self._grants() if request.network else (),
            shown_as=shown,
            no_cache=self._no_cache,
            target=request.target,
            secrets=request.secrets,
        )

    def run_module(
        self, target: Target, module: str, arguments: Sequence[str]
    ) -> tuple[int, bytes]:
        import sys

        from buildlib.engine.client import client_environ
        from buildlib.engine.find import find_engine
        from buildlib.engine.process import stream

        report = report_path(self._state, target.label)
        os.makedirs(os.path.dirname(report), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(report)
        command = [sys.executable, "-m", module, *arguments, "--progress", "--json", report]
        self._log("$ " + _shell(command))

        def on_line(line: str) -> None:
            if line.startswith(_DOES):
                self._doing(line.removeprefix(_DOES))
                return
            self._tail.append(line)
            self._log(line)

        own = {name: os.environ[name] for name in (*_TERMINAL, *_CLUSTER) if name in os.environ}
        own |= {**client_environ(os.environ), "PYTHONPATH": self._root}
        environ = find_engine().client_environ(own)
        code = stream(command, on_line, environ=environ, cwd=self._root, grace=_PROOF_GRACE)
        try:
            with open(report, "rb") as file:
                return code, file.read()
        except FileNotFoundError:
            return code or 1, b""

    def tail(self) -> str:
        return "\n".join(list(self._tail)[-_TAIL:])

    def pull(self, reference: str, platform: str) -> str:
        from buildlib.engine import transfer
        from buildlib.engine.mirror import mirrored

        reference = mirrored(reference, self._view.settings.network.images)
        self._log(f"$ docker pull --platform {platform} {reference}")
        transfer.pull(reference, platform=platform)
        image = self._engine().inspect([reference])[reference]
        if image is None:
            raise ActionError(f"{reference} was pulled and is not there", fix="./doitw build")
        if image.triggers:
            raise ActionError(
                f"{reference} has ONBUILD triggers, which run in builds on it and are in no key",
                detail="\n".join(f"ONBUILD {trigger}" for trigger in image.triggers),
                fix="name an image without triggers, such as the one that it is made of",
            )
        return image.id


def _unobserved(done: int, total: int, files: int, all_files: int) -> None:
    """Ignore the progress of a fetch."""


def _shell(command: Sequence[str]) -> str:
    import shlex

    return shlex.join(command)
