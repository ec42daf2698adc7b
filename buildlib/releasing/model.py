"""What a release is, as data: the same for those who check, write, sign and publish it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from buildlib.model.label import Label


class ReleasedImage(NamedTuple):
    """One image of a release.

    Attributes:
        label: Its target.
        repository: `registry/organisation/name`, without the registry where none is set.
        tags: The release's tag, then those that are moved to it (`latest`, a version of Spark).
        digest: Of its manifest, `sha256:…`; empty where that is not known: an engine with graph
            drivers makes the manifest when the image is published.
        image_id: Its identity, `sha256:…`: the digest of its configuration.
        size: Bytes of its file system, all layers, as the engine says.
        key: Its key, 64 hex digits.
        base: The image it was built on, as `repository` without registry and organisation; empty
            for none.
        platform: Such as `linux/amd64`.
        stamped: Whether it carries the version, so that it was built for this release.
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

    @property
    def names(self) -> set[str]:
        """By what it is known: engines call it by the one or the other."""
        return {self.image_id, self.digest} - {""}


class Proof(NamedTuple):
    """The report of one proof of a release's images.

    Attributes:
        label: The proof's target.
        image: Target of the image that it proves.
        key: The proof's key.
        report: What `python -m verify --json` wrote (docs/verify.md): `image_id`, `cases`, ….
    """

    label: Label
    image: Label
    key: str
    report: Mapping[str, Any]


class Release(NamedTuple):
    """A release.

    Attributes:
        version: As typed: `2.5.0`.
        organization: First part of its images' names.
        registry: Where it is published; empty where it is local.
        commit: The git commit that it was made from, 40 hex digits.
        epoch: Seconds since 1970 of that commit: the only time that release files hold.
        images: In the order of the graph.
        proofs: What the images passed.
    """

    version: str
    organization: str
    registry: str
    commit: str
    epoch: int
    images: tuple[ReleasedImage, ...]
    proofs: tuple[Proof, ...]
