"""The data of a release, for all who check, write, sign and publish it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from buildlib.core.model.label import Label
from buildlib.outside.registry.protocol import Manifest


class Identified(Protocol):
    """An image with two digests, either of which may be empty."""

    @property
    def image_id(self) -> str:
        """Digest of its configuration."""

    @property
    def digest(self) -> str:
        """Digest of its manifest."""


def names_of(image: Identified) -> set[str]:
    """The IDs that engines give an image: builds that share one are the same image."""
    return {image.image_id, image.digest} - {""}


class ReleasedImage(NamedTuple):
    """One image of a release; `images.json` has the attributes, by these names and in this order.

    Attributes:
        repository: `registry/organisation/name`, or `organisation/name` without a registry.
        tags: The release's tag, then those that are moved to it (`latest`, a version of Spark).
        digest: Of its manifest, `sha256:…`; empty if unknown: engines with graph drivers make the
            manifest when they push the image.
        image_id: `sha256:…`, the digest of its configuration.
        size: Bytes of its file system, all layers, as the engine says.
        key: Its key, 64 hex digits.
        base: The image it was built on, as `repository` without registry and organisation; empty
            for none.
        platform: Such as `linux/amd64`.
        stamped: Whether it carries the version, so it was built for this release.
    """

    label: Label
    repository: str
    tags: tuple[str, ...]
    digest: str
    image_id: str
    size: int
    key: str
    base: str
    platform: str
    stamped: bool


class Proof(NamedTuple):
    """The report of one proof of a release's images.

    Attributes:
        image: Target of the image that it proves.
        report: What `python -m verify --json` wrote (docs/verify.md): `image_id`, `cases`, ….
    """

    label: Label
    image: Label
    key: str
    report: Mapping[str, Any]


class Release(NamedTuple):
    """A release.

    Attributes:
        organization: First part of its images' names.
        registry: Where it is published; empty for a local release.
        commit: The git commit that it was made from, 40 hex digits.
        epoch: Seconds since 1970 of that commit: the only time that release files hold.
        images: In the order of the graph.
    """

    version: str
    organization: str
    registry: str
    commit: str
    epoch: int
    images: tuple[ReleasedImage, ...]
    proofs: tuple[Proof, ...]


class Tag(NamedTuple):
    """One tag of a release.

    Attributes:
        repository: Without the registry's host.
        manifest: The target of the tag; it is in the repository by digest already.
        moves: Whether the tag may be on something else now (`latest`). A version never moves.
        rank: Tags of a higher rank are put after all of a lower one.
    """

    repository: str
    tag: str
    manifest: Manifest
    moves: bool
    rank: int
