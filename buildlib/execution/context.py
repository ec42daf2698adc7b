"""What an action is given: its inputs, the store and the builder, and nothing beside them.

A rule reaches the world through a `Context` only. Inputs come out of it as the key saw them:
sources are checked against their stamps, downloads and the files of other targets against their
digests.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from buildlib.errors import ActionError, InputError
from buildlib.execution.downloads import FETCHED_SECTIONS, Fetched, download
from buildlib.execution.stage import InputMovedError, Source, Stage
from buildlib.keys.compute import pinned
from buildlib.model.label import Label, Reference
from buildlib.model.output import FileOutput, Output
from buildlib.model.target import File, Target, image_name
from buildlib.store import names
from buildlib.store.content import EPOCH
from buildlib.store.state import flat, report_path

if TYPE_CHECKING:
    from buildlib.engine.protocol import Builder, BuildRequest, Engine
    from buildlib.graph.graph import Graph
    from buildlib.model.lock import Item
    from buildlib.pack.tar import Member
    from buildlib.store.content import ContentStore
    from buildlib.workspace import Workspace

Log = Callable[[str], None]
_TIDYING = 60.0
"""Seconds that a proof may take to remove what it started, a swarm included."""
_CHUNK = 1 << 20
"""Bytes read at a time."""
_SHOWN = ("COLUMNS", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "TERM")
"""Variables that say how a child's output looks; no others of the user's reach a proof."""
_TAIL = 40
"""Lines of a child's output that an error shows."""


class Context:
    """The inputs and tools of one action.

    Args:
        workspace: Where everything is.
        engine: Asked for and given images.
        builder: Builds Dockerfiles.
        log: Takes the lines that a builder prints.
        output_of: What another target (or parts of one) came out as.
        waited: Told how many seconds a fetch took.
        no_cache: Build from the sources, whatever the builder remembers.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        engine: Callable[[], Engine],
        builder: Callable[[], Builder],
        log: Log,
        output_of: Callable[[Reference], Output],
        waited: Callable[[float], None] = lambda _: None,
        no_cache: bool = False,
    ) -> None:
        self._workspace = workspace
        self._no_cache = no_cache
        self._engine = engine
        self._builder = builder
        self._log = log
        self._tail: list[str] = []
        self._waited = waited
        self.output = output_of
        self.graph: Graph = workspace.graph
        self.store: ContentStore = workspace.store

    def reference(self, target: Target, parts: tuple[str, ...]) -> Reference:
        """The target, or the parts of it that are being made."""
        return Reference(target.label, parts)

    @property
    def file_version(self) -> str:
        """The version as names of files hold it; keys of those hold the same."""
        return names.file_version(self._workspace.version)

    def repository(self, label: Label) -> str:
        """The name of a target's image, without organisation and tag."""
        return image_name(self.graph[label])

    # -- inputs ------------------------------------------------------------------------------

    def source(self, file: File) -> Source:
        """A source file, with the stamp that the key holds."""
        return Source(f"{self._workspace.root}/{file.path}", self._workspace.keys.seen(file.path))

    def keep_source(self, file: File) -> FileOutput:
        """Put a source file into the content store.

        Raises:
            InputMovedError: It is not what its key says.
        """
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
        """The lock's items for a target."""
        return [
            item
            for pin in target.pins
            for item in pinned(self._workspace.lock, pin, target).items.items()
        ]

    def fetch(self, target: Target) -> list[Fetched]:
        """All files that the lock pins for a target, fetched where the store lacks them."""
        wanted = []
        for pin in target.pins:
            if pin.section in FETCHED_SECTIONS:
                entry = pinned(self._workspace.lock, pin, target)
                wanted += [
                    (pin.section, item.version, download(pin, name, item))
                    for name, item in sorted(entry.items.items())
                ]
        started = time.monotonic()
        # How far it is, is told elsewhere: two lines that stay in place do not fit one terminal.
        entries = [entry for _, _, entry in wanted]
        self._workspace.fetch(entries, self._log, observer=_unobserved)
        self._waited(time.monotonic() - started)
        return [
            Fetched(
                section,
                entry.filename,
                entry.sha256,
                os.path.getsize(self.store.path(entry.sha256)),
            )
            for section, _, entry in wanted
        ]

    # -- results -----------------------------------------------------------------------------

    def keep_bytes(self, data: bytes) -> FileOutput:
        """Put a file into the content store."""
        return FileOutput(self.store.add_bytes(data), len(data))

    def keep_stream(self, stream: IO[bytes]) -> FileOutput:
        """Put what a stream holds into the content store, piece by piece."""
        with self.store.writer() as out:
            while chunk := stream.read(_CHUNK):
                out.write(chunk)
            return FileOutput(*out.commit())

    @contextlib.contextmanager
    def scratch(self) -> Iterator[str]:
        """A folder for the time of one action; it is removed with what is in it."""
        import tempfile

        above = self._workspace.state.path("stage")
        os.makedirs(above, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="scratch.", dir=above) as folder:
            yield folder

    def keep_tar(self, members: Sequence[Member]) -> FileOutput:
        """Write a deterministic tar into the content store."""
        from buildlib.pack.tar import write_tar

        with self.store.writer() as out:
            write_tar(members, out, epoch=EPOCH)
            sha256, size = out.commit()
        return FileOutput(sha256, size)

    # -- images ------------------------------------------------------------------------------

    def stage(self, target: Target) -> Stage:
        """The folder that becomes the build context of a target."""
        return Stage(self._workspace.state.path(f"stage/{flat(target.label)}"), self.store)

    def request(
        self, target: Target, stage: Stage, labels: Mapping[str, str] | None = None
    ) -> BuildRequest:
        """The build of a staged target, as the builder takes it."""
        from buildlib.engine.protocol import BuildRequest

        args = dict(target.attrs["build_args"])
        for dep in target.deps:
            if dep.role.startswith("base "):
                args[dep.role[len("base ") :]] = self.image_reference(dep.ref.label)
        network = bool(target.attrs["network"])
        package = f"{target.label.package}/" if target.label.package else ""
        return BuildRequest(
            context=stage.folder,
            dockerfile=f"{stage.folder}/{target.attrs['dockerfile']}",
            args=tuple(sorted(args.items())),
            platform=target.attrs["platform"],
            network="default" if network else "none",
            labels=tuple(sorted((labels or {}).items())),
            grants=self._workspace.grants() if network else (),
            shown_as=package + target.attrs["dockerfile"],
            no_cache=self._no_cache,
        )

    def image_reference(self, label: Label) -> str:
        """The content tag of another target's image, at the key it has now."""
        key = self._workspace.keys.key(Reference(label))
        return names.content_tag(self._workspace.settings, self.repository(label), key)

    def identities(self, label: Label) -> Mapping[str, str]:
        """What engines call another target's image -> its identity, where those differ."""
        record = self._workspace.records.get(self._workspace.keys.key(Reference(label)))
        return record.identities if record else {}

    def channel_tag(self, label: Label) -> str:
        """The name that people use for another target's image, with its tag."""
        return names.channel_tag(
            self._workspace.settings, self.repository(label), self._workspace.channel
        )

    def build_image(self, target: Target, stage: Stage, *, labels: Mapping[str, str]) -> Output:
        """Build a staged Dockerfile; the image gets its tags later."""
        builder = self._builder()
        request = self.request(target, stage, labels)
        self._log("$ " + _shell(builder.command(request)))
        built = builder.build(request, self._log)
        return Output(built.image, identity=built.identity)

    def build_tar(self, target: Target, stage: Stage) -> str:
        """Build a staged Dockerfile and export its last stage.

        Returns:
            Path of a tar; the caller removes it.
        """
        destination = self._workspace.state.path(f"stage/{flat(target.label)}.tar")
        request = self.request(target, stage)
        builder = self._builder()
        self._log("$ " + _shell(builder.command(request)))
        builder.build_tar(request, destination, self._log)
        return destination

    def run_module(
        self, target: Target, module: str, arguments: Sequence[str]
    ) -> tuple[int, bytes]:
        """Run a Python module of the workspace as a child, in our own environment.

        Args:
            target: On whose behalf; for the name of the report.
            module: Name of a package at the workspace's root.
            arguments: Its arguments; `--json FILE` is added.

        Returns:
            Its exit code, and the report it wrote.
        """
        import sys

        from buildlib.engine.client import client_environ
        from buildlib.engine.find import find_engine
        from buildlib.engine.process import stream

        report = report_path(self._workspace.state, target.label)
        os.makedirs(os.path.dirname(report), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(report)
        command = [sys.executable, "-m", module, *arguments, "--json", report]
        self._log("$ " + _shell(command))

        def on_line(line: str) -> None:
            self._tail.append(line)
            self._log(line)

        kept = {name: os.environ[name] for name in _SHOWN if name in os.environ}
        kept |= {**client_environ(os.environ), "PYTHONPATH": self._workspace.root}
        environ = find_engine().client_environ(kept)
        code = stream(command, on_line, environ=environ, cwd=self._workspace.root, grace=_TIDYING)
        try:
            with open(report, "rb") as file:
                return code, file.read()
        except FileNotFoundError:
            return code or 1, b""

    def tail(self) -> str:
        """The last lines that a child wrote."""
        return "\n".join(list(self._tail)[-_TAIL:])

    def pull(self, reference: str, platform: str) -> str:
        """Bring an image of a registry into the engine.

        Returns:
            The image's ID.
        """
        from buildlib.engine import transfer
        from buildlib.engine.mirror import mirrored

        reference = mirrored(reference, self._workspace.settings.network.images)
        self._log(f"$ docker pull --platform {platform} {reference}")
        transfer.pull(reference, platform=platform)
        found = self._engine().inspect([reference])[reference]
        if found is None:
            raise ActionError(f"{reference} was pulled and is not there", fix="./doitw build")
        if found.triggers:
            raise ActionError(
                f"{reference} has ONBUILD triggers, which run in builds on it and are in no key",
                detail="\n".join(f"ONBUILD {trigger}" for trigger in found.triggers),
                fix="name an image without triggers, such as the one that it is made of",
            )
        return found.id


def _unobserved(done: int, total: int, files: int, all_files: int) -> None:
    """An observer of a fetch that tells nobody."""


def _shell(command: Sequence[str]) -> str:
    import shlex

    return shlex.join(command)
