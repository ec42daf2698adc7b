"""The commits of a release: one with the version, which is tagged, and one with the next version.

A release that was stopped is recognised by what it left, its edits, commit or tag, and goes on from
there. This module knows nothing of targets; `git_repository` runs git.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from buildlib.core.model.version import (
    FILE,
    before,
    is_development,
    is_greater,
    is_version,
    next_development,
)
from buildlib.errors import ActionError, InputError
from buildlib.shipping.releasing import notes
from buildlib.shipping.releasing.git_repository import GitRepository

CHANGELOG = notes.FILE
_DAY = r"\d{4}-\d{2}-\d{2}"
_SHOWN = 10


class Commits(NamedTuple):
    """The result of a release in git.

    Attributes:
        release: The commit with the version, a whole hash; the tag is on it.
        tag: `v2.5.0`.
        following: The version that is under development now.
    """

    release: str
    tag: str
    following: str


def commit_release(root: str, version: str, following: str = "", *, date: str) -> Commits:
    """Commit version and changelog, tag that commit, and commit the next development version.

    It is idempotent: after an interruption it does the rest, after its end nothing.

    Args:
        root: The workspace; no other file of it may be edited.
        following: The version to go on with; empty for the usual (`next_development`).
        date: The day of the release, for the changelog: `2026-11-23`.
    """
    git = GitRepository(root)
    following = next_development(version, following)
    refuse_taken(git, version)
    refuse_edits(git, version)
    tag, released = f"v{version}", release_commit(git, version)
    if not (released and git.commit(f"refs/tags/{tag}") and git.commit("HEAD") != released):
        git.check_identity()
    if not released:
        released = _commit_version(git, version, date)
    if not git.commit(f"refs/tags/{tag}"):
        git.add_tag(tag, released, f"Release {version}")
    if git.commit("HEAD") == released:
        git.write(FILE, f"{following}\n")
        git.add_commit(f"Start {following}", [FILE])
    return Commits(released, tag, version_at(git, "HEAD"))


def _commit_version(git: GitRepository, version: str, date: str) -> str:
    """Make the commit of a release. VERSION is written first: it shows that a release began."""
    names = [FILE]
    changelog = changelog_of(git, version, date)
    git.write(FILE, f"{version}\n")
    if changelog is not None:
        names.append(CHANGELOG)
        git.write(CHANGELOG, changelog)
    released = git.add_commit(f"Release {version}", names)
    if release_commit(git, version) != released:
        raise ActionError(
            f"the commit of {version} holds more or less than {' and '.join(names)}:"
            " a hook has changed it",
            fix="git reset --hard HEAD^  # then correct the hook, and release again",
        )
    return released


def release_commit(git: GitRepository, version: str) -> str:
    """The commit that an earlier run made for a release; empty for none.

    It is HEAD, or its parent if HEAD set the next development version. It is recognised by its
    content, since hooks may change its message.
    """
    if _sets_version(git, "HEAD", version):
        return git.commit("HEAD")
    if _is_following(version_at(git, "HEAD"), version) and git.changed_files("HEAD") == {FILE}:
        return git.commit("HEAD^") if _sets_version(git, "HEAD^", version) else ""
    return ""


def changelog_of(git: GitRepository, version: str, date: str) -> str | None:
    """The changelog as the release will commit it; None if there is no changelog."""
    text = git.file_at("HEAD", CHANGELOG)
    return None if text is None else notes.roll(text, version, date)


def version_at(git: GitRepository, revision: str) -> str:
    """The content of VERSION in a commit; empty if it is missing."""
    return (git.file_at(revision, FILE) or "").strip()


def releases(git: GitRepository) -> dict[str, str]:
    """Released versions, from tags `v…`, each with its commit; other tags are ignored."""
    return {
        tag[1:]: commit
        for tag, commit in git.tags("v*").items()
        if is_version(tag[1:]) and not is_development(tag[1:])
    }


def refuse_taken(git: GitRepository, version: str) -> None:
    """Refuse a version that git has already, except in the release's own commit and tag."""
    tagged, released = git.commit(f"refs/tags/v{version}"), release_commit(git, version)
    if tagged and tagged != released:
        raise ActionError(
            f"git has a tag v{version} already, on commit {tagged[:12]}; a release is never moved",
            fix="release under the next version",
        )
    if version_at(git, "HEAD") == version and not released:
        raise ActionError(
            f"{FILE} says {version} in the last commit, and no release has made that",
            fix=f"echo {before(version)} > {FILE} && git commit -m 'Go back to development' {FILE}",
        )


def refuse_edits(git: GitRepository, version: str) -> None:
    """Refuse edited files, and list them, except those that a stopped release wrote."""
    changed = git.edited_files()
    own = _left_by_stopped_run(git, version, changed)
    edited = [path for path in changed if path not in own]
    if edited:
        count = f"{len(edited)} files are" if len(edited) > 1 else "1 file is"
        more = [f"and {len(edited) - _SHOWN} more"] if len(edited) > _SHOWN else []
        raise InputError(
            f"{count} not as in the last commit, and a release is made of a commit",
            detail="\n".join([*edited[:_SHOWN], *more]),
            fix="git stash --include-untracked  # or commit them",
        )


def _left_by_stopped_run(git: GitRepository, version: str, changed: list[str]) -> list[str]:
    """Of the changed files, those that a stopped release wrote and did not commit."""
    if FILE not in changed:
        return []
    written = git.file_now(FILE).strip()
    if release_commit(git, version) == git.commit("HEAD"):
        return [FILE] if _is_following(written, version) else []
    if written != version:
        return []
    if CHANGELOG not in changed:
        return [FILE]
    text = git.file_now(CHANGELOG)
    days = set(re.findall(_DAY, text))  # it may have been stopped before midnight
    rolled = any(changelog_of(git, version, day) == text for day in days)
    return [FILE, CHANGELOG] if rolled else [FILE]


def _sets_version(git: GitRepository, revision: str, version: str) -> bool:
    """Whether a commit only sets the version, and perhaps the changelog."""
    return (
        version_at(git, revision) == version
        and version_at(git, f"{revision}^") != version
        and git.changed_files(revision) in ({FILE}, {FILE, CHANGELOG})
    )


def _is_following(text: str, version: str) -> bool:
    """Whether a text is a development version after a release."""
    return is_version(text) and is_development(text) and is_greater(text, version)
