"""Publishing a release in a registry: a claim, then all its tags at once.

A registry has neither a transaction over several repositories nor compare-and-set. So:

- All content is uploaded by digest before the first tag is put; putting a tag is one small request.
- A *claim*, a tag that nobody pulls, names the whole release by one digest. If two machines release
  the same version with different contents, one of them finds the other's claim and stops.
- A detached process (`detached_tags`) puts the tags: what stops a release does not stop it midway.
- Images that refer to others (the gateway's server) get their tags after those, and the release's
  index comes last.

This module knows manifests and tags, neither graphs nor engines.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence

from buildlib.core.keys.index import file_sha256
from buildlib.errors import ActionError
from buildlib.outside.registry import artifact
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest, Registry
from buildlib.parallel import map_threads
from buildlib.shipping.releasing.detached_tags import put_detached
from buildlib.shipping.releasing.model import Tag

INDEX_TYPE = "application/vnd.buildlib.release.v1+json"
CLAIM_TYPE = "application/vnd.buildlib.claim.v1+json"
_INDEX = "buildlib.release.index"
_CLAIMANT = "buildlib.release.claim"
SETTLE = 2.0
"""Seconds to wait after putting a claim, so that others have put theirs."""
_AT_ONCE = 8
"""Requests for tags at a time."""
STALE = 600.0
"""Seconds after which a claim without a release may be taken over: its claimant is gone."""


def put_index(registry: Registry, repository: str, folder: str, names: Sequence[str]) -> Manifest:
    """Upload the files of a release, and the index that lists them, by digest.

    The index is an OCI artifact whose layers are the files, `images.json` first: any OCI client
    can fetch a release (`oras pull`).

    Args:
        names: Names in the folder, with forward slashes.

    Returns:
        The index; the same bytes for the same files.
    """
    layers = []
    for name in names:
        path = f"{folder}/{name}"
        digest = f"sha256:{file_sha256(path)}"
        registry.put_file(repository, path, digest)
        layers.append(artifact.file_layer(name, digest, os.path.getsize(path)))
    index = _artifact(registry, repository, INDEX_TYPE, layers, {})
    registry.put_manifest(repository, index.digest, index)
    return index


def claim(
    registry: Registry,
    repository: str,
    version: str,
    index: Manifest,
    *,
    claimant: str,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Make sure that nobody else releases the same version with another content.

    Without compare-and-set, the protocol relies on time: read, put our claim, wait, read again.
    The later of two claims wins, and who finds the other's claim stops. If putting a claim took too
    long after reading, it starts again.

    Args:
        index: The index of the whole release.
        claimant: Who releases; it may replace its own claim at once.
        clock: Seconds since 1970.
    """
    tag = f"claim-{version}"
    while True:
        looked = clock()
        _refuse_other_content(registry, repository, version, index)
        other = registry.manifest(repository, tag)
        if other is not None and _claimed_index(other) == index.digest:
            return  # by a stopped run of ours, or for the very same content
        if other is not None and artifact.annotations_of(other).get(_CLAIMANT) != claimant:
            age = looked - (artifact.created(other) or 0.0)
            if age < STALE:
                raise _taken(version, other)
            say(f"a claim of {version} that led to nothing in {age / 60:.0f} minutes is taken over")
        own = _artifact(
            registry,
            repository,
            CLAIM_TYPE,
            [],
            {_INDEX: index.digest, _CLAIMANT: claimant, artifact.CREATED: artifact.stamp(clock())},
        )
        registry.put_manifest(repository, tag, own)
        if clock() - looked >= SETTLE / 2:  # too slow to rule out another claim in between
            continue
        wait(SETTLE)
        now = registry.manifest(repository, tag)
        if now is not None and _claimed_index(now) == index.digest:
            _refuse_other_content(registry, repository, version, index)
            return
        raise _taken(version, now)


def missing_tags(registry: Registry, tags: Sequence[Tag]) -> list[Tag]:
    """The tags that are yet to be put; refuses if a tag that never moves is on something else."""
    missing = []
    for tag, digest in zip(tags, _digests_of(registry, tags), strict=True):
        if digest == tag.manifest.digest:
            continue
        if digest is not None and not tag.moves:
            raise ActionError(
                f"{registry.host}/{tag.repository}:{tag.tag} is there and is another image"
                f" ({digest[:19]}…); a release tag is never moved",
                fix="release under the next version",
            )
        missing.append(tag)
    return missing


def put_tags(registry: Registry, tags: Sequence[Tag]) -> int:
    """Put all tags of a release in a detached process, then check them; returns how many were put.

    Args:
        tags: All of them, also those that exist.
    """
    missing = missing_tags(registry, tags)
    if missing:
        put_detached(registry.host, missing)
    for tag, digest in zip(tags, _digests_of(registry, tags), strict=True):
        if digest != tag.manifest.digest:
            raise ActionError(
                f"{registry.host}/{tag.repository}:{tag.tag} is not what was just put",
                fix="run the release again",
            )
    return len(missing)


def _digests_of(registry: Registry, tags: Sequence[Tag]) -> list[str | None]:
    """The digest that each tag is on now; None if it does not exist."""
    return map_threads(lambda tag: registry.head(tag.repository, tag.tag), tags, threads=_AT_ONCE)


def _refuse_other_content(
    registry: Registry, repository: str, version: str, index: Manifest
) -> None:
    digest = registry.head(repository, version)
    if digest is not None and digest != index.digest:
        raise ActionError(
            f"{version} is released at {registry.host}/{repository}, with another content"
            f" ({digest[:19]}…); a release is never changed",
            fix="release under the next version",
        )


def _taken(version: str, other: Manifest | None) -> ActionError:
    since = f" since {artifact.annotations_of(other).get(artifact.CREATED)}" if other else ""
    return ActionError(
        f"another release of {version} is under way{since}, with another content",
        fix=f"./doitw release VERSION={version}  # when that one has ended, one way or the other",
    )


def _artifact(
    registry: Registry,
    repository: str,
    kind: str,
    layers: Sequence[Mapping[str, object]],
    annotations: Mapping[str, str],
) -> Manifest:
    """The manifest of an artifact whose layers were uploaded; uploads its empty configuration."""
    registry.put_blob(repository, artifact.EMPTY)
    plain = artifact.manifest(kind, layers, annotations)
    return Manifest(OCI_MANIFEST, json.dumps(plain, sort_keys=True).encode())


def _claimed_index(manifest: Manifest) -> str:
    return str(artifact.annotations_of(manifest).get(_INDEX, ""))
