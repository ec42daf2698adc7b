"""Content and records in the registry: which there are, which of them go, and their deletion.

A registry deletes by digest, and all tags of that digest go with it. So a digest with any tag that
is not ours to remove stays: releases, channels, whatever people tagged. The organisation's
`releases` are never looked at. Content without a valid record beside it stays: nobody says what it
is (a push may be under way).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from buildlib.build.sharing.entry import ARTIFACT
from buildlib.build.sharing.reader import STORE
from buildlib.core.store import names
from buildlib.errors import BuildError, InputError
from buildlib.outside.registry.artifact import created
from buildlib.parallel import map_threads
from buildlib.shipping.pruning.policy import Content, Keep, digests, recorded

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.model.settings import Settings
    from buildlib.outside.registry.protocol import Manifest, Registry

_OURS = re.compile(r"(key|record)-([0-9a-f]{32})\Z")
_AT_ONCE = 8
GONE = "it was gone already"


def check(workspace: Workspace) -> None:
    """Refuse to judge a registry from a workspace that cannot know what others need.

    Raises:
        InputError: No registry is configured, or the clone has no history.
    """
    from buildlib.shipping.pruning.references import is_whole

    if not workspace.settings.registry:
        raise InputError(
            "no registry is configured, so there is none to prune",
            fix="./doitw prune --remote REGISTRY=registry.example.com:5000",
        )
    if not is_whole(workspace.root):
        raise InputError(
            "this is no whole clone, so what branches and commits need is not known",
            fix="git fetch --unshallow --tags",
        )


def host_of(settings: Settings) -> str:
    """The host of the registry, with its port and without a path."""
    return settings.registry.partition("/")[0]


def repository_of(settings: Settings, name: str) -> str:
    """A repository as the registry knows it: without its host."""
    return names.without_host(names.repository(settings, name), host_of(settings))


class _Tagged(NamedTuple):
    tag: str
    manifest: Manifest


def look(
    registry: Registry, settings: Settings, images: Iterable[str]
) -> tuple[list[Content], list[Keep]]:
    """All content and records of our images, and the rules that hold for every one of them.

    Args:
        registry: The registry.
        settings: Names of images.
        images: The images' names, without organisation: all that any commit has.

    Raises:
        RegistryUnavailable: It does not answer.
        ActionError: It refuses, or holds what cannot be read.
    """
    found: list[Content] = []
    kept: dict[tuple[str, str], str] = {}
    for name in sorted({*images, STORE}):
        repository = repository_of(settings, name)
        tags = registry.tags(repository)
        manifests = map_threads(partial(registry.manifest, repository), tags, threads=_AT_ONCE)
        tagged = [
            _Tagged(tag, manifest)
            for tag, manifest in zip(tags, manifests, strict=True)
            if manifest is not None  # it went in this moment
        ]
        found += _contents(registry.host, repository, tagged)
        kept |= _people(repository, tagged)
    return found, [recorded, digests(kept)]


def _people(repository: str, tagged: Iterable[_Tagged]) -> dict[tuple[str, str], str]:
    """Digests that have tags which are not of the store, and those that an index of them names."""
    kept: dict[tuple[str, str], str] = {}
    for tag, manifest in tagged:
        if _OURS.match(tag):
            continue
        why = f"it is {repository}:{tag}"
        kept[repository, manifest.digest] = why
        for inner in _list(manifest.plain.get("manifests")):
            kept.setdefault((repository, str(inner.get("digest", ""))), f"{why} for a platform")
    return kept


def _contents(host: str, repository: str, tagged: Sequence[_Tagged]) -> list[Content]:
    """What of a repository is content or a record, with what its record says."""
    records = {
        tag.partition("-")[2]: manifest
        for tag, manifest in tagged
        if tag.startswith("record-") and _is_record(manifest)
    }
    found = []
    for tag, manifest in tagged:
        ours = _OURS.match(tag)
        if ours is None:
            continue
        kind, key = ours.groups()
        record = records.get(key)
        # An image and its record go together, and a digest with all its tags.
        group, made = manifest.digest, None
        if record is not None:
            subject = _subject(record)
            if kind == "record":
                group, made = subject or record.digest, created(record)
            elif subject == manifest.digest:
                made = created(record)
        name = f"{host}/{repository}:{tag}"
        size = _size(manifest)
        found.append(Content(name, repository, key, manifest.digest, group, size, made))
    return found


def _is_record(manifest: Manifest) -> bool:
    return manifest.plain.get("artifactType") == ARTIFACT


def _subject(record: Manifest) -> str:
    """The digest of the image that a record is about; empty where it is about files."""
    subject = record.plain.get("subject")
    return str(subject.get("digest", "")) if isinstance(subject, dict) else ""


def _size(manifest: Manifest) -> int:
    """Bytes of its blobs; 0 where it is not that of an image."""
    with suppress(BuildError):
        return manifest.size
    return 0


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def remove(registry: Registry, going: Sequence[Content]) -> dict[Content, str]:
    """Delete manifests, images before their records; each repository is looked at once more.

    Args:
        registry: The registry.
        going: What is to go: whole groups.

    Returns:
        Why, for each that was not deleted; the rest is gone.
    """
    failed: dict[Content, str] = {}
    for repository in dict.fromkeys(content.repository for content in going):
        mine = [content for content in going if content.repository == repository]
        failed |= _remove_from(registry, repository, mine)
    return failed


def _remove_from(
    registry: Registry, repository: str, going: Sequence[Content]
) -> dict[Content, str]:
    try:
        late = _tagged_meanwhile(registry, repository, going)
    except BuildError as error:
        return dict.fromkeys(going, _told(error))
    failed: dict[Content, str] = {}
    ended: dict[str, str] = {}
    # What an image's record says is true as long as the record is there; so it goes last.
    for content in sorted(going, key=lambda each: (":key-" not in each.name, each.name)):
        why = late.get(content.group, "")
        if not why and content.digest not in ended:
            try:
                there = registry.delete(repository, content.digest)
                ended[content.digest] = "" if there else GONE
            except BuildError as error:
                ended[content.digest] = _told(error)
        why = why or ended[content.digest]
        if why:
            failed[content] = why
        if why and why != GONE:
            late.setdefault(content.group, f"its image stays: {why}")
    return failed


def _tagged_meanwhile(
    registry: Registry, repository: str, going: Sequence[Content]
) -> dict[str, str]:
    """Groups of which a digest has got another tag since it was looked at."""
    known = {content.name.rpartition(":")[2] for content in going}
    groups = {content.digest: content.group for content in going}
    others = [tag for tag in registry.tags(repository) if tag not in known]
    heads = map_threads(partial(registry.head, repository), others, threads=_AT_ONCE)
    return {
        groups[digest]: f"it became {repository}:{tag} meanwhile"
        for tag, digest in zip(others, heads, strict=True)
        if digest in groups
    }


def _told(error: BuildError) -> str:
    parts = [error.what, error.detail or "", f"fix: {error.fix}" if error.fix else ""]
    return "; ".join(part.strip() for part in parts if part)
