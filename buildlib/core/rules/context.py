"""What an action is given: its inputs, tools for them, and a place for what it makes.

Rules are written against this; a build makes one for each action (`build.execution.context`).
Nothing else leads out of an action, so what a target did not declare, its action cannot see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import IO

    from buildlib.core.model.inputs import Fetched, Source
    from buildlib.core.model.label import Label, Reference
    from buildlib.core.model.lock import Item
    from buildlib.core.model.output import FileOutput, Output
    from buildlib.core.model.target import File, Request, Target, Targets
    from buildlib.core.pack.tar import Member
    from buildlib.core.store.content import ContentStore


class Stage(Protocol):
    """The folder that becomes the build context of a target.

    Attributes:
        folder: Its absolute path.
    """

    folder: str

    def add_source(self, name: str, source: Source) -> None:
        """Lay a source file at a path in the folder.

        Raises:
            InputMovedError: It is no longer what its key says.
        """

    def add_stored(self, name: str, sha256: str, *, executable: bool = False) -> None:
        """Lay a file of the content store at a path in the folder."""

    def finish(self) -> None:
        """Nothing more is laid: what is left of the last time goes."""


class Context(Protocol):
    """The inputs and tools of one action.

    Attributes:
        store: Where files that are built or fetched are.
    """

    targets: Targets
    store: ContentStore

    # -- inputs ------------------------------------------------------------------------------

    def source(self, file: File) -> Source:
        """A source file, with the stamp that the key holds."""

    def keep_source(self, file: File) -> FileOutput:
        """Put a source file into the content store.

        Raises:
            InputMovedError: It is not what its key says.
        """

    def output(self, ref: Reference, /) -> Output:
        """What another target came out as, or parts of it."""

    def pins(self, target: Target) -> list[tuple[str, Item]]:
        """The lock's items for a target, by name."""

    def fetch(self, target: Target) -> list[Fetched]:
        """All files that the lock pins for a target, fetched where the store lacks them."""

    @property
    def file_version(self) -> str:
        """The version as names of files hold it; keys of those hold the same."""

    # -- results -----------------------------------------------------------------------------

    def keep_bytes(self, data: bytes) -> FileOutput:
        """Put a file into the content store."""

    def keep_stream(self, stream: IO[bytes]) -> FileOutput:
        """Put what a stream holds into the content store, piece by piece."""

    def keep_tar(self, members: Sequence[Member]) -> FileOutput:
        """Write a deterministic tar into the content store."""

    def write_rootfs(
        self, packages: Iterable[Fetched], extra: Iterable[tuple[str, FileOutput]]
    ) -> FileOutput:
        """Write the root file system of some Debian packages as a tar into the content store.

        Args:
            extra: Further files of the content store, each with its path in the system.
        """

    def scratch(self) -> AbstractContextManager[str]:
        """A folder for the time of one action; it is removed with what is in it."""

    # -- images ------------------------------------------------------------------------------

    def stage(self, target: Target) -> Stage:
        """The folder that becomes the build context of a target, to be filled."""

    def build_image(
        self, target: Target, request: Request, stage: Stage, *, labels: Mapping[str, str]
    ) -> Output:
        """Build a staged Dockerfile; the image gets its tags later."""

    def build_tar(self, target: Target, request: Request, stage: Stage) -> str:
        """Build a staged Dockerfile and export its last stage.

        Returns:
            Path of a tar; the caller removes it.
        """

    def pull(self, reference: str, platform: str) -> str:
        """Bring an image of a registry into the engine.

        Returns:
            What the engine calls it.
        """

    def image_reference(self, label: Label) -> str:
        """The content tag of another target's image, at the key it has now."""

    def channel_tag(self, label: Label) -> str:
        """The name that people use for another target's image, with its tag."""

    def identities(self, label: Label) -> Mapping[str, str]:
        """What engines call another target's image -> its identity, where those differ."""

    # -- children ----------------------------------------------------------------------------

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

    def tail(self) -> str:
        """The last lines that a child wrote."""
