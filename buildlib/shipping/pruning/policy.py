"""What goes and what stays: pure, the same for an engine and for a registry.

A thing goes only where no rule keeps it; every kept thing has the reason of the first rule that
keeps it. Knows neither engines nor registries nor git: those who ask them hand in what they found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Content(NamedTuple):
    """A name for one content, which could be removed.

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
"""A rule: why a content is kept, or an empty text where this rule does not keep it."""


class Decision(NamedTuple):
    """What becomes of a content.

    Attributes:
        content: The content.
        reason: Why it is kept; empty where it goes.
    """

    content: Content
    reason: str


NO_RECORD = "no record says that a build of ours made it"


def recorded(content: Content) -> str:
    """Keeps what is not known to be ours."""
    return NO_RECORD if content.made is None else ""


def keys(reasons: Mapping[str, str]) -> Keep:
    """Keeps contents by the first 32 digits of their keys."""
    return lambda content: reasons.get(content.key, "")


def digests(reasons: Mapping[tuple[str, str], str]) -> Keep:
    """Keeps contents by repository and digest; a rule for all repositories has an empty one."""
    return lambda content: (
        reasons.get((content.repository, content.digest), "")
        or reasons.get(("", content.digest), "")
    )


def made_since(seconds: float, reason: str) -> Keep:
    """Keeps what was made at a time or later."""
    return lambda content: reason if content.made is not None and content.made >= seconds else ""


def newest(contents: Sequence[Content], count: int) -> Keep:
    """Keeps the newest few of each repository."""
    kept: set[str] = set()
    by_repository: dict[str, list[Content]] = {}
    for content in contents:
        if content.made is not None:
            by_repository.setdefault(content.repository, []).append(content)
    for rivals in by_repository.values():
        rivals.sort(key=lambda content: content.made or 0.0, reverse=True)
        kept.update(content.name for content in rivals[:count])
    reason = f"one of the newest {count} of its target"
    return lambda content: reason if content.name in kept else ""


def decide(contents: Sequence[Content], rules: Sequence[Keep]) -> list[Decision]:
    """What becomes of each content.

    Args:
        contents: All of them: what is left out here is neither kept nor removed.
        rules: Any of them keeps; the first that does gives the reason.

    Returns:
        A decision for each, in the same order. Where a content is kept, all of its group are.
    """
    reasons = [
        next((why for why in (rule(content) for rule in rules) if why), "") for content in contents
    ]
    staying: dict[tuple[str, str], str] = {}
    for content, reason in zip(contents, reasons, strict=True):
        if reason:
            staying.setdefault((content.repository, content.group), content.name)
    decisions = []
    for content, reason in zip(contents, reasons, strict=True):
        other = staying.get((content.repository, content.group), "")
        shared = f"goes only together with {other.rpartition(':')[2]}, which stays" if other else ""
        decisions.append(Decision(content, reason or shared))
    return decisions
