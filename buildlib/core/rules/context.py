"""The context of an action: its inputs, its tools, and the store for its results.

Rules use this protocol; a build makes a context for each action (`execution.action_context`). An
action has no other access to the outside, so it cannot see what its target did not declare.
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
        """Put a source file at a path in the folder.

        Raises:
            InputMovedError: It changed after its key was computed.
        """

    def add_stored(self, name: str, sha256: str, *, executable: bool = False) -> None:
        """Put a file of the content store at a path in the folder."""

    def finish(self) -> None:
        """Remove leftovers of the last build: the folder is complete."""


class Context(Protocol):
    """The inputs and tools of one action.

    Attributes:
        store: Has the built and the fetched files.
    """

    targets: Targets
    store: ContentStore

    # -- inputs ------------------------------------------------------------------------------

    def source(self, file: File) -> Source:
        """A source file, with its stamp in the key."""

    def keep_source(self, file: File) -> FileOutput:
        """Put a source file into the content store.

        Raises:
            InputMovedError: It changed after its key was computed.
        """

    def output(self, ref: Reference, /) -> Output:
        """The output of a dependency, or of parts of it."""

    def pins(self, target: Target) -> list[tuple[str, Item]]:
        """The lock's items for a target, by name."""

    def fetch(self, target: Target) -> list[Fetched]:
        """All files that the lock pins for a target, fetched if the store lacks them."""

    @property
    def file_version(self) -> str:
        """The version in file names, as keys hold it."""

    # -- results -----------------------------------------------------------------------------

    def keep_bytes(self, data: bytes) -> FileOutput:
        """Put a content into the content store."""

    def keep_stream(self, stream: IO[bytes]) -> FileOutput:
        """Put the content of a stream into the content store, chunk by chunk."""

    def keep_tar(self, members: Sequence[Member]) -> FileOutput:
        """Write a deterministic tar into the content store."""

    def write_rootfs(
        self, packages: Iterable[Fetched], extra: Iterable[tuple[str, FileOutput]]
    ) -> FileOutput:
        """Write the root file system of some Debian packages as a tar into the content store.

        Args:
            packages: The `.deb` files.
            extra: Further files: path in the system, file of the content store.
        """

    def scratch(self) -> AbstractContextManager[str]:
        """A temporary folder for this action."""

    # -- images ------------------------------------------------------------------------------

    def stage(self, target: Target) -> Stage:
        """The folder that becomes the build context of a target, for the action to fill."""

    def build_image(
        self, target: Target, request: Request, stage: Stage, *, labels: Mapping[str, str]
    ) -> Output:
        """Build a staged Dockerfile; the caller tags the image."""

    def build_tar(self, target: Target, request: Request, stage: Stage) -> str:
        """Build a staged Dockerfile and export its last stage.

        Returns:
            Path of a tar; the caller removes it.
        """

    def pull(self, reference: str, platform: str) -> str:
        """Pull an image into the engine; returns its ID there."""

    def image_reference(self, label: Label) -> str:
        """The content tag of another target's image, at the key it has now."""

    def channel_tag(self, label: Label) -> str:
        """The reference that people use for another target's image."""

    def identities(self, label: Label) -> Mapping[str, str]:
        """ID of another target's image in engines -> its identity, if they differ."""

    # -- children ----------------------------------------------------------------------------

    def run_module(
        self, target: Target, module: str, arguments: Sequence[str]
    ) -> tuple[int, bytes]:
        """Run a Python package of the workspace as a child process, in our own environment.

        Args:
            target: Names the report.
            module: A package at the workspace's root.
            arguments: `--progress --json FILE` is added. A line that it prints and that begins with
                `>> ` says what it is doing; it is shown meanwhile, and in no log.

        Returns:
            Exit code and report.
        """

    def tail(self) -> str:
        """The last lines of a child's output."""
