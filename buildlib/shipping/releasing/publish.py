"""Making a release visible: a claim, then all its tags at once.

A registry has no transaction over several repositories, and no compare-and-set. What can be had is
had so:

- Everything is there by digest before the first tag is put; putting a tag is one small request.
- A *claim*, a tag that nobody pulls, names the whole release by one digest. Of two machines that
  release the same version with different contents, one finds the other's claim and stops.
- The tags are put by a process of its own (`tagging`), which is handed all of them and then ends on
  its own: what stops a release cannot stop it between two tags.
- What refers to other images (the gateway's server) comes after them, and the release's index last.

It knows manifests and tags, nothing of graphs and engines.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence

from buildlib.core.store.content import sha256_of
from buildlib.errors import ActionError
from buildlib.outside.registry import artifact
from buildlib.outside.registry.protocol import OCI_MANIFEST, Descriptor, Manifest, Registry
from buildlib.parallel import map_threads
from buildlib.shipping.releasing.model import Tag
from buildlib.shipping.releasing.tagging import run_apart

INDEX_TYPE = "application/vnd.buildlib.release.v1+json"
CLAIM_TYPE = "application/vnd.buildlib.claim.v1+json"
FILE_TYPE = "application/octet-stream"
_OF = "buildlib.release.index"
_BY = "buildlib.release.claim"
SETTLE = 2.0
"""Seconds between putting a claim and relying on it: by then, others have put theirs."""
_AT_ONCE = 8
"""Questions for tags at a time."""
STALE = 600.0
"""Seconds after which a claim that led to no tag is taken over: whoever made it is gone."""


def put_index(registry: Registry, repository: str, folder: str, names: Sequence[str]) -> Manifest:
    """Upload a release's files, and by digest the index that lists them.

    The index is an OCI artifact whose layers are the files, `images.json` first: any OCI client
    can fetch a release (`oras pull`).

    Args:
        names: Their names in it, with forward slashes.

    Returns:
        The index; the same bytes for the same files.
    """
    layers = []
    for name in names:
        path = f"{folder}/{name}"
        digest = f"sha256:{sha256_of(path)}"
        registry.put_file(repository, path, digest)
        blob = Descriptor(FILE_TYPE, digest, os.path.getsize(path))
        layers.append({**artifact.descriptor(blob), "annotations": {artifact.TITLE: name}})
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

    A registry gives no compare-and-set, so this is a protocol of time: look, put, wait, look again.
    The later of two claims wins, and whoever finds another's claim stops. A claim that was put
    too long after the look before it is not relied on.

    Args:
        index: The release, whole.
        claimant: Who releases; what it claimed before, it may claim anew at once.
        clock: Seconds since 1970.
    """
    tag = f"claim-{version}"
    while True:
        looked = clock()
        _refuse_other(registry, repository, version, index)
        other = registry.manifest(repository, tag)
        if other is not None and _claimed(other) == index.digest:
            return  # ours, from a run that was stopped, or of somebody who releases the very same
        if other is not None and artifact.annotations_of(other).get(_BY) != claimant:
            age = looked - (artifact.created(other) or 0.0)
            if age < STALE:
                raise _taken(version, other)
            say(f"a claim of {version} that led to nothing in {age / 60:.0f} minutes is taken over")
        mine = _artifact(
            registry,
            repository,
            CLAIM_TYPE,
            [],
            {_OF: index.digest, _BY: claimant, artifact.CREATED: artifact.stamp(clock())},
        )
        registry.put_manifest(repository, tag, mine)
        if clock() - looked >= SETTLE / 2:  # too slow to know that nobody came between
            continue
        wait(SETTLE)
        now = registry.manifest(repository, tag)
        if now is not None and _claimed(now) == index.digest:
            _refuse_other(registry, repository, version, index)
            return
        raise _taken(version, now)


def free_or_right(registry: Registry, tags: Sequence[Tag]) -> list[Tag]:
    """The tags that are yet to be put."""
    missing = []
    for tag, there in zip(tags, _stands_for(registry, tags), strict=True):
        if there == tag.manifest.digest:
            continue
        if there is not None and not tag.moves:
            raise ActionError(
                f"{registry.host}/{tag.repository}:{tag.tag} is there and is another image"
                f" ({there[:19]}…); a release tag is never moved",
                fix="release under the next version",
            )
        missing.append(tag)
    return missing


def put_tags(registry: Registry, tags: Sequence[Tag]) -> int:
    """Put all tags of a release at once, by a process that ends on its own; then look at them.

    Args:
        tags: All of them, those that are there too.

    Returns:
        How many were put.
    """
    missing = free_or_right(registry, tags)
    if missing:
        run_apart(registry.host, missing)
    for tag, there in zip(tags, _stands_for(registry, tags), strict=True):
        if there != tag.manifest.digest:
            raise ActionError(
                f"{registry.host}/{tag.repository}:{tag.tag} is not what was just put",
                fix="run the release again",
            )
    return len(missing)


def _stands_for(registry: Registry, tags: Sequence[Tag]) -> list[str | None]:
    """The digest that each tag is on now; None where it is not there."""
    return map_threads(lambda tag: registry.head(tag.repository, tag.tag), tags, threads=_AT_ONCE)


def _refuse_other(registry: Registry, repository: str, version: str, index: Manifest) -> None:
    there = registry.head(repository, version)
    if there is not None and there != index.digest:
        raise ActionError(
            f"{version} is released at {registry.host}/{repository}, with another content"
            f" ({there[:19]}…); a release is never changed",
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
    """An artifact whose layers were uploaded; its configuration is now."""
    registry.put_blob(repository, artifact.EMPTY)
    plain = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": artifact.empty(),
        "layers": list(layers) or [artifact.empty()],
        "annotations": dict(annotations),
    }
    return Manifest(OCI_MANIFEST, json.dumps(plain, sort_keys=True).encode())


def _claimed(manifest: Manifest) -> str:
    return str(artifact.annotations_of(manifest).get(_OF, ""))
