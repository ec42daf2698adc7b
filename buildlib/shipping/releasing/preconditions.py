"""Checks before a release: git, the version, the sources.

A check changes nothing. Its error says how to mend what is wrong; the caller decides whether that
stops the release.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from buildlib.build.workspace import Workspace
from buildlib.core.model.version import after, check_release, is_greater, next_development
from buildlib.core.model.version import newest as newest_of
from buildlib.core.view import view_of_commit
from buildlib.errors import InputError
from buildlib.shipping.releasing.git_repository import GitRepository
from buildlib.shipping.releasing.release_commits import (
    changelog_of,
    refuse_edits,
    refuse_taken,
    release_commit,
    releases,
)

_SHOWN = 10


class SourceCommit(NamedTuple):
    """The commit that a release is made from.

    Attributes:
        commit: A whole hash; it holds the version under development.
        epoch: Seconds since 1970 of that commit.
        newest: The greatest version released before; empty for none.
    """

    commit: str
    epoch: int
    newest: str


def check_git(
    root: str, version: str, *, following: str = "", warn: Callable[[str], None] | None = None
) -> SourceCommit:
    """Refuse a release that git could not hold, or that its commit could not reproduce.

    A stopped release of the same version goes on: its own files, commit and tag do not count as
    edits or as an earlier release.

    Args:
        following: The version to go on with; empty for the usual.
        warn: Takes a line about something odd that stops nothing.

    Raises:
        InputError: There is no commit or no branch, files are edited, the version is not greater
            than the newest release, only the last commits are here, nobody is known to commit by.
        ActionError: The version's tag is on another commit.
    """
    check_release(version)
    next_development(version, following)
    git = GitRepository(root)
    refuse_taken(git, version)
    released = release_commit(git, version)
    newest = newest_of([other for other in releases(git) if other != version])
    if not released:
        if git.is_shallow() and not newest:
            raise InputError(
                "only the last commits are here, and no tags: what was released is not known",
                fix="git fetch --tags --unshallow",
            )
        if newest and not is_greater(version, newest):
            raise InputError(
                f"version {version} is not greater than the newest release, {newest}",
                fix=f"./doitw release VERSION={after(newest)}",
            )
        if not newest and warn is not None:
            warn(f"git has no tag of a release (v1.2.3): {version} is the first")
    refuse_edits(git, version)
    if not released:
        changelog_of(git, version, "1970-01-01")  # fails now rather than at the end
    if not git.branch():
        raise InputError(
            "HEAD is on no branch, so the commits of a release would be lost",
            fix=f"git switch -c release-{version}",
        )
    git.check_identity()
    commit = git.commit(f"{released}^") if released else git.commit("HEAD")
    return SourceCommit(commit, git.epoch(commit), newest)


def refuse_other_keys(workspace: Workspace, revision: str) -> None:
    """Refuse a workspace whose keys are not those of its commit, though git finds it clean.

    A source may be a file that git ignores or was told not to look at. A build from the release's
    tag would lack it.
    """
    root, overrides, version = workspace.root, workspace.overrides, workspace.version
    with view_of_commit(root, revision, overrides, version) as commit:
        committed = commit.key_of_each()
    present = workspace.view.key_of_each()
    other = [label for label, key in present.items() if committed.get(label) != key]
    if other:
        raise InputError(
            f"{other[0]} is not what the commit {revision[:12]} makes of it: a source is not in git"
            " or was hidden from it",
            where=workspace.graph[other[0]].where,
            detail="\n".join(["also:", *map(str, other[1:_SHOWN])]) if other[1:] else None,
            fix="git status --ignored && git ls-files -v | grep '^[a-z]'",
        )
