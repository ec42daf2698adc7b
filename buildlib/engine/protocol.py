"""The words between the build system and an engine: what is asked, and what comes back.

Pure types and pure functions. Whoever plans or tests a build imports this module only; it must
not know how an engine is reached, nor import anything that costs start-up time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Log = Callable[[str], None]
"""Takes one line of a build's output, without its newline. May be called from another thread."""

SECRETS = "/run/secrets"
"""Folder in which BuildKit mounts secrets by default; it stays behind as an empty folder."""


class ImageInfo(NamedTuple):
    """What an engine says of an image it has.

    Attributes:
        id: `sha256:…`; two images with one id are one image. With graph drivers it is the digest
            of the image's configuration, with the containerd store that of its manifest.
        tags: Its references (`name:tag`), sorted.
        size: Bytes of its file system, all layers.
        platform: `linux/amd64`; with the variant where one matters (`linux/arm/v7`).
        triggers: What stands behind `ONBUILD`: it runs in each build on the image.
    """

    id: str
    tags: tuple[str, ...]
    size: int
    platform: str
    triggers: tuple[str, ...] = ()


class Built(NamedTuple):
    """An image that was built.

    Attributes:
        image: What the engine calls it.
        identity: The digest of its configuration, by which every engine and registry knows the
            same image; empty where that is what the engine calls it. With the containerd store
            the engine calls it by the digest of its manifest.
    """

    image: str
    identity: str = ""


class Grant(NamedTuple):
    """A file of the host lent to every RUN of a build, and the variables that point tools to it.

    It is mounted as a BuildKit secret, so it reaches no layer.

    Attributes:
        id: Name of the secret.
        variables: Environment variables set to its path during RUN.
        path: File of the host that is lent.
        text: Its content, where there is no such file.
        at: Where it is mounted; in `/run/secrets` under its id when empty.
    """

    id: str
    variables: tuple[str, ...]
    path: str = ""
    text: str = ""
    at: str = ""

    @property
    def target(self) -> str:
        """Where a RUN finds it."""
        return self.at or f"{SECRETS}/{self.id}"


class BuildRequest(NamedTuple):
    """One build of one Dockerfile.

    Attributes:
        context: Folder handed to the builder; its `.dockerignore` counts, as Docker says.
        dockerfile: Path of the Dockerfile, absolute or relative to the process, not the context.
        args: Build arguments, in order.
        platform: `linux/arm64`, or None for the engine's own.
        network: What a RUN may reach: `none` or `default`.
        labels: Labels to set on the image.
        grants: Files lent to every RUN (see `engine.secrets`).
        shown_as: The Dockerfile's path in the workspace, for messages.
        no_cache: Run every step, whatever the builder remembers.
    """

    context: str
    dockerfile: str
    args: tuple[tuple[str, str], ...] = ()
    platform: str | None = None
    network: str = "none"
    labels: tuple[tuple[str, str], ...] = ()
    grants: tuple[Grant, ...] = ()
    shown_as: str = ""
    no_cache: bool = False


class Engine(Protocol):
    """Keeps images, and runs containers.

    Every method raises `EngineUnavailable` when no engine answers and `ActionError` when it
    refuses. An image is named by its id or by any of its references.
    """

    def ping(self) -> None:
        """Return if the engine answers."""

    def start_inspect(self, refs: Sequence[str]) -> Callable[[], dict[str, ImageInfo | None]]:
        """Ask for images now, read the answers when the returned function is called (once).

        The engine works on the answers while the caller does something else.
        """

    def inspect(self, refs: Sequence[str]) -> dict[str, ImageInfo | None]:
        """What the engine has under each name; None where it has nothing."""

    def tags(self, pattern: str) -> dict[str, str]:
        """References that match a pattern (see `matches`), each with the id of its image."""

    def tag(self, image: str, ref: str) -> None:
        """Give an image one more reference; a reference in use is moved."""

    def untag(self, ref: str) -> bool:
        """Remove one reference; False if there was none.

        The image stays while it has another. With its last reference it goes, as with
        `docker rmi`, but for layers that other images use.
        """

    def in_use(self) -> dict[str, str]:
        """IDs of the images that containers stand on, running or not, each with one's name."""

    def platform(self) -> str:
        """What the engine runs by itself, such as `linux/amd64`."""

    def run(
        self,
        image: str,
        script: str,
        *,
        network: str = "none",
        files: Sequence[tuple[str, bytes]] = (),
        user: str = "",
    ) -> str:
        """Run `sh -c script` in a throw-away container and return what it wrote to stdout.

        The container is removed whatever happens, also when the process is told to stop.

        Args:
            image: Image to start; it must be in the engine, nothing is pulled.
            script: Text for `/bin/sh -c`.
            network: `none` or `default`.
            files: (absolute path, content) of files put into the container before it starts.
            user: `user`, `uid` or `uid:gid`; that of the image when empty.

        Raises:
            ActionError: The script ended with another code than 0; its last lines are in detail.
        """


class Builder(Protocol):
    """Builds Dockerfiles. Builds may run in several threads at once."""

    def build(self, request: BuildRequest, log: Log) -> Built:
        """Build an image.

        The image gets no reference: tagging it is the caller's business, so a build that is
        stopped leaves nothing half done.

        Args:
            request: What to build.
            log: Takes each line of output as it comes.

        Raises:
            ActionError: A step failed; `where` is its line in the Dockerfile.
            InputError: The builder cannot build the platform.
            Stopped: The process was told to stop.
        """

    def ready(self) -> None:
        """Find what builds, so that a machine without it is told before any work.

        Raises:
            ActionError: No client on this machine can build with this engine.
        """

    def build_tar(self, request: BuildRequest, dest: str, log: Log) -> None:
        """Build and write the result's file system as a tar to `dest`, whole or not at all.

        The builder's entries and times are not ours: sort and clamp before hashing it.
        """

    def command(self, request: BuildRequest) -> list[str]:
        """The docker command one could type by hand for this build, for `shlex.join`.

        It starts with the environment variables it needs (`NAME=value`). Grants are left out.
        """


def first_image(engine: Engine, *names: str) -> ImageInfo | None:
    """The image that an engine has under one of its names, identity or digest of its manifest."""
    there = engine.inspect([name for name in names if name])
    return next((found for found in there.values() if found is not None), None)


def split_ref(ref: str) -> tuple[str, str]:
    """A reference's name and tag (`latest` if it has none): `localhost:5000/a:b` has tag `b`."""
    name, colon, tag = ref.rpartition(":")
    if not colon or "/" in tag:
        return ref, "latest"
    return name, tag


def matches(pattern: str, ref: str) -> bool:
    """Whether a reference matches a pattern such as `elyra/*:key-*`.

    `*` and `?` stand for anything but `/`, as in the engine's own filter. A pattern without a tag
    matches every tag.
    """
    name, colon, tag = pattern.rpartition(":")
    if not colon or "/" in tag:
        name, tag = pattern, "*"
    found_name, found_tag = split_ref(ref)
    return bool(_glob(name).fullmatch(found_name) and _glob(tag).fullmatch(found_tag))


def _glob(pattern: str) -> re.Pattern[str]:
    parts = (
        {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character) for character in pattern
    )
    return re.compile("".join(parts))


def platform_of(system: str, machine: str, variant: str = "") -> str:
    """`linux/arm64` for what engines answer; `v8` is all an arm64 can be, so it is left out."""
    if machine == "arm64" and variant == "v8":
        variant = ""
    return f"{system}/{machine}/{variant}" if variant else f"{system}/{machine}"
