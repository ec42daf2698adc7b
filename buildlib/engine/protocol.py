"""The interface to an engine: what the build system asks, and what comes back.

Pure types and pure functions. Code that plans or tests builds imports this module only; it must not
know how an engine is reached, nor import anything that costs start-up time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from buildlib.core.model.secret import Secret
from buildlib.errors import ActionError

Log = Callable[[str], None]
"""Takes one line of a build's output, without its newline. May be called from another thread."""

SECRETS = "/run/secrets"
"""Folder where BuildKit mounts secrets by default; the image keeps it as an empty folder."""


class ImageInfo(NamedTuple):
    """What an engine says of an image it has.

    Attributes:
        id: `sha256:…`; two images with one id are one image. With graph drivers it is the digest
            of the image's configuration, with the containerd store that of its manifest.
        tags: Its references (`name:tag`), sorted.
        size: Bytes of its file system, all layers.
        platform: `linux/amd64`; with the variant where one matters (`linux/arm/v7`).
        triggers: Its `ONBUILD` instructions, which run in each build on the image.
    """

    id: str
    tags: tuple[str, ...]
    size: int
    platform: str
    triggers: tuple[str, ...] = ()


class StepFailed(ActionError):
    """A step of a Dockerfile failed; `refused` says whether it found no network."""

    refused = False


class Built(NamedTuple):
    """An image that was built.

    Attributes:
        image: The engine's id of it.
        identity: The digest of its configuration, by which every engine and registry knows the
            same image; empty where that is the engine's id. With the containerd store the engine's
            id is the digest of the manifest.
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
        """Its path in a RUN."""
        return self.at or f"{SECRETS}/{self.id}"


class BuildRequest(NamedTuple):
    """One build of one Dockerfile.

    Attributes:
        context: Folder handed to the builder; its `.dockerignore` counts, as Docker says.
        dockerfile: Path of the Dockerfile, absolute or relative to the process, not the context.
        platform: `linux/arm64`, or None for the engine's own.
        network: What a RUN may reach: `none` or `default`.
        grants: Files lent to every RUN (see `engine.secrets`).
        shown_as: The Dockerfile's path in the workspace, for messages.
        no_cache: Run every step, whatever the builder's cache holds.
        target: The stage that is built; the last one if empty.
        secrets: What steps may mount; their values are in no line of the output.
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
    target: str = ""
    secrets: tuple[Secret, ...] = ()


class Engine(Protocol):
    """Keeps images, and runs containers.

    Every method raises `EngineUnavailable` when no engine answers and `ActionError` when it
    refuses. An image is named by its id or by any of its references.
    """

    def ping(self) -> None:
        """Return if the engine answers."""

    def start_inspect(self, refs: Sequence[str]) -> Callable[[], dict[str, ImageInfo | None]]:
        """Ask for images now; the returned function (to be called once) reads the answers.

        The engine works on the answers while the caller does something else.
        """

    def inspect(self, refs: Sequence[str]) -> dict[str, ImageInfo | None]:
        """Return what the engine has under each name; None where it has nothing."""

    def tags(self, pattern: str) -> dict[str, str]:
        """Return the references that match a pattern (see `matches`), each with its image's id."""

    def tag(self, image: str, ref: str) -> None:
        """Give an image one more reference; a reference in use is moved."""

    def untag(self, ref: str) -> bool:
        """Remove one reference; False if there was none.

        The image stays while it has another. With its last reference it goes, as with
        `docker rmi`, but for layers that other images use.
        """

    def in_use(self) -> dict[str, str]:
        """Return the ids of images with containers (also stopped ones), each with one's name."""

    def platform(self) -> str:
        """Return what the engine runs by itself, such as `linux/amd64`."""

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
            image: The engine must have it; nothing is pulled.
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
        """Build an image, and hand each line of output to `log` as it comes.

        The image gets no reference: the caller tags it, so a build that is stopped leaves nothing
        half done.

        Raises:
            ActionError: A step failed; `where` is its line in the Dockerfile.
            InputError: The builder cannot build the platform.
            Stopped: The process was told to stop.
        """

    def ready(self) -> None:
        """Find a docker client that builds, so that a machine without one fails before any work."""

    def build_tar(self, request: BuildRequest, dest: str, log: Log) -> None:
        """Build and write the result's file system as a tar to `dest`, whole or not at all.

        The builder chooses the order and times of the entries: sort and clamp them before hashing.
        """

    def command(self, request: BuildRequest) -> list[str]:
        """Return the docker command to type by hand for this build, for `shlex.join`.

        It starts with the environment variables it needs (`NAME=value`). Grants are left out.
        """


def first_image(engine: Engine, *names: str) -> ImageInfo | None:
    """Return the image that an engine has under one of its names (identity, manifest's digest)."""
    images = engine.inspect([name for name in names if name])
    return next((image for image in images.values() if image is not None), None)


def split_ref(ref: str) -> tuple[str, str]:
    """Split a reference into name and tag (default `latest`): `localhost:5000/a:b` has tag `b`."""
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
    ref_name, ref_tag = split_ref(ref)
    return bool(_glob(name).fullmatch(ref_name) and _glob(tag).fullmatch(ref_tag))


def _glob(pattern: str) -> re.Pattern[str]:
    parts = (
        {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character) for character in pattern
    )
    return re.compile("".join(parts))


def platform_of(system: str, machine: str, variant: str = "") -> str:
    """Return `linux/arm64` for what engines answer; without `v8`, which every arm64 is."""
    if machine == "arm64" and variant == "v8":
        variant = ""
    return f"{system}/{machine}/{variant}" if variant else f"{system}/{machine}"
