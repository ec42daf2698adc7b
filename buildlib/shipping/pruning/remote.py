"""Content and records in the registry: listing and deleting them.

A registry deletes a digest with all its tags. So a digest stays if it has any tag that is not ours
to remove: of a release, of a channel, of a person. The organisation's `releases` are never read.
Content without a valid record stays: nothing says what it is (a push may be under way).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from buildlib.build.sharing.entry import ARTIFACT
from buildlib.build.sharing.entry_reader import STORE
from buildlib.build.workspace import Workspace
from buildlib.core.model.settings import Settings
from buildlib.core.store import names
from buildlib.errors import BuildError, InputError
from buildlib.outside.registry.artifact import created
from buildlib.outside.registry.protocol import Manifest, Registry
from buildlib.parallel import map_threads
from buildlib.shipping.pruning.policy import Content, Keep, digests, recorded

_OURS = re.compile(r"(key|record)-([0-9a-f]{32})\Z")
_AT_ONCE = 8
GONE = "it was gone already"


def check(workspace: Workspace) -> None:
    """Refuse to prune without a registry, or from a clone that lacks history others may need."""
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


def look(
    registry: Registry, settings: Settings, images: Iterable[str]
) -> tuple[list[Content], list[Keep]]:
    """All content and records of our images, and the rules that apply to each of them.

    Args:
        images: Names of all images of any commit, without organisation.
    """
    contents: list[Content] = []
    reasons: dict[tuple[str, str], str] = {}
    for name in sorted({*images, STORE}):
        repository = repository_of(settings, name)
        tags = registry.tags(repository)
        manifests = map_threads(partial(registry.manifest, repository), tags, threads=_AT_ONCE)
        tagged = [
            (tag, manifest)
            for tag, manifest in zip(tags, manifests, strict=True)
            if manifest is not None  # None: deleted just now
        ]
        contents += _contents(registry.host, repository, tagged)
        reasons |= _user_tagged(repository, tagged)
    return contents, [recorded, digests(reasons)]


def _user_tagged(
    repository: str, tagged: Sequence[tuple[str, Manifest]]
) -> dict[tuple[str, str], str]:
    """Digests under tags that are not ours, and digests in an index under such a tag."""
    reasons: dict[tuple[str, str], str] = {}
    for tag, manifest in tagged:
        if _OURS.match(tag):
            continue
        why = f"it is {repository}:{tag}"
        reasons[repository, manifest.digest] = why
        for inner in _list(manifest.plain.get("manifests")):
            reasons.setdefault((repository, str(inner.get("digest", ""))), f"{why} for a platform")
    return reasons


def _contents(host: str, repository: str, tagged: Sequence[tuple[str, Manifest]]) -> list[Content]:
    """The content and records of a repository, with what each record says."""
    records = {
        tag.partition("-")[2]: manifest
        for tag, manifest in tagged
        if tag.startswith("record-") and manifest.plain.get("artifactType") == ARTIFACT
    }
    contents = []
    for tag, manifest in tagged:
        match = _OURS.match(tag)
        if match is None:
            continue
        kind, key = match.groups()
        record = records.get(key)
        # An image and its record go together, and a digest with all its tags.
        group, pushed_at = manifest.digest, None
        if record is not None:
            subject = _subject(record)
            if kind == "record":
                group, pushed_at = subject or record.digest, created(record)
            elif subject == manifest.digest:
                pushed_at = created(record)
        name = f"{host}/{repository}:{tag}"
        size = _size(manifest)
        contents.append(Content(name, repository, key, manifest.digest, group, size, pushed_at))
    return contents


def _subject(record: Manifest) -> str:
    """The digest of the image that a record is about; empty for a record of files."""
    subject = record.plain.get("subject")
    return str(subject.get("digest", "")) if isinstance(subject, dict) else ""


def _size(manifest: Manifest) -> int:
    """Bytes of its blobs; 0 if it is no image."""
    with suppress(BuildError):
        return manifest.size
    return 0


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def remove(registry: Registry, going: Sequence[Content]) -> dict[Content, str]:
    """Delete manifests, images before their records, after a second look at each repository.

    Args:
        going: Whole groups.

    Returns:
        Why, for each that could not be deleted.
    """
    failed: dict[Content, str] = {}
    for repository in dict.fromkeys(content.repository for content in going):
        in_repository = [content for content in going if content.repository == repository]
        failed |= _remove_from(registry, repository, in_repository)
    return failed


def _remove_from(
    registry: Registry, repository: str, going: Sequence[Content]
) -> dict[Content, str]:
    try:
        group_failures = _tagged_meanwhile(registry, repository, going)
    except BuildError as error:
        return dict.fromkeys(going, _in_one_line(error))
    failed: dict[Content, str] = {}
    outcomes: dict[str, str] = {}
    # Without its record, an image could not be told to be ours; so the record goes last.
    for content in sorted(going, key=lambda each: (":key-" not in each.name, each.name)):
        why = group_failures.get(content.group, "")
        if not why and content.digest not in outcomes:
            try:
                existed = registry.delete(repository, content.digest)
                outcomes[content.digest] = "" if existed else GONE
            except BuildError as error:
                outcomes[content.digest] = _in_one_line(error)
        why = why or outcomes[content.digest]
        if why:
            failed[content] = why
        if why and why != GONE:
            group_failures.setdefault(content.group, f"its image stays: {why}")
    return failed


def _tagged_meanwhile(
    registry: Registry, repository: str, going: Sequence[Content]
) -> dict[str, str]:
    """Groups of which a digest got another tag since it was listed: group -> why it stays."""
    expected = {content.name.rpartition(":")[2] for content in going}
    groups = {content.digest: content.group for content in going}
    others = [tag for tag in registry.tags(repository) if tag not in expected]
    heads = map_threads(partial(registry.head, repository), others, threads=_AT_ONCE)
    return {
        groups[digest]: f"it became {repository}:{tag} meanwhile"
        for tag, digest in zip(others, heads, strict=True)
        if digest in groups
    }


def _in_one_line(error: BuildError) -> str:
    parts = [error.what, error.detail or "", f"fix: {error.fix}" if error.fix else ""]
    return "; ".join(part.strip() for part in parts if part)
