"""Which contents are removed: pure functions, the same for an engine and for a registry.

A content is removed only if no rule keeps it; the first rule that does gives the reason.
This module knows neither engines nor registries nor git: its callers pass in what those hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Content(NamedTuple):
    """A tag of one content, which could be removed.

    Attributes:
        name: The reference, as people write it: `elyra/kernel-py:key-0123…`.
        repository: The part of it that all contents of one target share.
        key: The first 32 hex digits of the key.
        digest: What stands behind the name: an image's ID, or the digest of a manifest.
        group: Names of one group in one repository stay or go together.
        size: Bytes, with layers that others use as well.
        made: When it was made, in seconds since 1970; None where no record says that we made it.
    """

    name: str
    repository: str
    key: str
    digest: str
    group: str
    size: int
    made: float | None


Keep = Callable[[Content], str]
"""A rule: the reason why a content is kept; empty if this rule does not keep it."""


class Decision(NamedTuple):
    """Whether a content stays.

    Attributes:
        reason: Why it is kept; empty where it goes.
    """

    content: Content
    reason: str


NO_RECORD = "no record says that a build of ours made it"


def recorded(content: Content) -> str:
    """Keeps a content of which no record says that we made it."""
    return NO_RECORD if content.made is None else ""


def keys(reasons: Mapping[str, str]) -> Keep:
    """Keeps contents by the first 32 digits of their keys."""
    return lambda content: reasons.get(content.key, "")


def digests(reasons: Mapping[tuple[str, str], str]) -> Keep:
    """Keeps contents by (repository, digest); an empty repository stands for all."""
    return lambda content: (
        reasons.get((content.repository, content.digest), "")
        or reasons.get(("", content.digest), "")
    )


def made_since(seconds: float, reason: str) -> Keep:
    """Keeps what was made at a time or later."""
    return lambda content: reason if content.made is not None and content.made >= seconds else ""


def newest(contents: Sequence[Content], count: int) -> Keep:
    """Keeps the newest few of each repository."""
    newest_names: set[str] = set()
    by_repository: dict[str, list[Content]] = {}
    for content in contents:
        if content.made is not None:
            by_repository.setdefault(content.repository, []).append(content)
    for rivals in by_repository.values():
        rivals.sort(key=lambda content: content.made or 0.0, reverse=True)
        newest_names.update(content.name for content in rivals[:count])
    reason = f"one of the newest {count} of its target"
    return lambda content: reason if content.name in newest_names else ""


def decide(contents: Sequence[Content], rules: Sequence[Keep]) -> list[Decision]:
    """Decide for each content whether it stays.

    Args:
        contents: All of them, since those of one group stay or go together.
        rules: One is enough to keep a content; the first that does gives the reason.

    Returns:
        A decision for each, in the same order.
    """
    reasons = [next(filter(None, (rule(each) for rule in rules)), "") for each in contents]
    kept_groups: dict[tuple[str, str], str] = {}
    for content, reason in zip(contents, reasons, strict=True):
        if reason:
            kept_groups.setdefault((content.repository, content.group), content.name)
    decisions = []
    for content, reason in zip(contents, reasons, strict=True):
        other = kept_groups.get((content.repository, content.group), "")
        shared = f"goes only together with {other.rpartition(':')[2]}, which stays" if other else ""
        decisions.append(Decision(content, reason or shared))
    return decisions
