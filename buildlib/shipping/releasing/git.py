"""The end of a release in git: a commit and its tag, then a commit to go on with.

A release that was stopped anywhere is found again by what is there, edits of ours, a commit or a
tag, and goes on from it. It knows nothing of targets, and how git is called is another module's
(`repository`).
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
from buildlib.shipping.releasing.repository import Repository

CHANGELOG = "CHANGELOG.md"
_DAY = r"\d{4}-\d{2}-\d{2}"
_SHOWN = 10


class Commits(NamedTuple):
    """What a release left in git.

    Attributes:
        release: The commit with the version, a whole hash; the tag is on it.
        tag: `v2.5.0`.
        following: The version that is under development now.
    """

    release: str
    tag: str
    following: str


def commit_release(root: str, version: str, following: str = "", *, date: str) -> Commits:
    """Commit the version and the changelog, tag that, and go on to the next development version.

    Run again after it was stopped anywhere, it does what is left; run again after its end, nothing.

    Args:
        root: The workspace. Nothing else of it may be edited.
        following: The version to go on with; empty for the usual (`next_development`).
        date: The day of the release, for the changelog: `2026-11-23`.
    """
    git = Repository(root)
    following = next_development(version, following)
    refuse_taken(git, version)
    refuse_edits(git, version)
    tag, made = f"v{version}", release_commit(git, version)
    if not (made and git.commit(f"refs/tags/{tag}") and git.commit("HEAD") != made):
        git.check_identity()
    if not made:
        made = _commit_version(git, version, date)
    if not git.commit(f"refs/tags/{tag}"):
        git.add_tag(tag, made, f"Release {version}")
    if git.commit("HEAD") == made:
        git.write(FILE, f"{following}\n")
        git.add_commit(f"Start {following}", [FILE])
    return Commits(made, tag, version_at(git, "HEAD"))


def _commit_version(git: Repository, version: str, date: str) -> str:
    """The commit of a release. VERSION is written first: by that, what was begun is known."""
    names = [FILE]
    changelog = changelog_of(git, version, date)
    git.write(FILE, f"{version}\n")
    if changelog is not None:
        names.append(CHANGELOG)
        git.write(CHANGELOG, changelog)
    made = git.add_commit(f"Release {version}", names)
    if release_commit(git, version) != made:
        raise ActionError(
            f"the commit of {version} holds more or less than {' and '.join(names)}:"
            " a hook has changed it",
            fix="git reset --hard HEAD^  # then correct the hook, and release again",
        )
    return made


def release_commit(git: Repository, version: str) -> str:
    """The commit of a release that was stopped, or that was the last; empty for none.

    It is HEAD, or the one before where HEAD went on to a development version. Its content tells,
    not its message, which hooks may change.
    """
    if _gives(git, "HEAD", version):
        return git.commit("HEAD")
    if _goes_on(version_at(git, "HEAD"), version) and git.changed("HEAD") == {FILE}:
        return git.commit("HEAD^") if _gives(git, "HEAD^", version) else ""
    return ""


def changelog_of(git: Repository, version: str, date: str) -> str | None:
    """The changelog as the release's commit will have it; None where there is none."""
    text = git.text("HEAD", CHANGELOG)
    return None if text is None else _roll(text, version, date)


def version_at(git: Repository, revision: str) -> str:
    """What a commit has in VERSION; empty for nothing."""
    return (git.text(revision, FILE) or "").strip()


def releases(git: Repository) -> dict[str, str]:
    """Released versions by the tags `v…`, each with its commit; all other tags are passed over."""
    return {
        tag[1:]: commit
        for tag, commit in git.tags("v*").items()
        if is_version(tag[1:]) and not is_development(tag[1:])
    }


def refuse_taken(git: Repository, version: str) -> None:
    """Refuse a version that git has already, but for the release's own commit and tag."""
    tagged, made = git.commit(f"refs/tags/v{version}"), release_commit(git, version)
    if tagged and tagged != made:
        raise ActionError(
            f"git has a tag v{version} already, on commit {tagged[:12]}; a release is never moved",
            fix="release under the next version",
        )
    if version_at(git, "HEAD") == version and not made:
        raise ActionError(
            f"{FILE} says {version} in the last commit, and no release has made that",
            fix=f"echo {before(version)} > {FILE} && git commit -m 'Go back to development' {FILE}",
        )


def refuse_edits(git: Repository, version: str) -> None:
    """Refuse a workspace that is not as its last commit has it, but for what a release wrote."""
    dirty = git.unclean()
    ours = _unfinished(git, version, dirty)
    edited = [path for path in dirty if path not in ours]
    if edited:
        count = f"{len(edited)} files are" if len(edited) > 1 else "1 file is"
        more = [f"and {len(edited) - _SHOWN} more"] if len(edited) > _SHOWN else []
        raise InputError(
            f"{count} not as in the last commit, and a release is made of a commit",
            detail="\n".join([*edited[:_SHOWN], *more]),
            fix="git stash --include-untracked  # or commit them",
        )


def _unfinished(git: Repository, version: str, dirty: list[str]) -> list[str]:
    """The files among edited ones that a stopped release has written and not committed."""
    if FILE not in dirty:
        return []
    written = git.written(FILE).strip()
    if release_commit(git, version) == git.commit("HEAD"):
        return [FILE] if _goes_on(written, version) else []
    if written != version:
        return []
    if CHANGELOG not in dirty:
        return [FILE]
    now = git.written(CHANGELOG)
    days = set(re.findall(_DAY, now))  # it may have been stopped before midnight
    rolled = any(changelog_of(git, version, day) == now for day in days)
    return [FILE, CHANGELOG] if rolled else [FILE]


def _gives(git: Repository, revision: str, version: str) -> bool:
    """Whether a commit does nothing but to give the workspace a version."""
    return (
        version_at(git, revision) == version
        and version_at(git, f"{revision}^") != version
        and git.changed(revision) in ({FILE}, {FILE, CHANGELOG})
    )


def _goes_on(text: str, version: str) -> bool:
    """Whether a text is a version to go on with after a release."""
    return is_version(text) and is_development(text) and is_greater(text, version)


def _roll(text: str, version: str, date: str) -> str:
    from buildlib.shipping.releasing.notes import roll

    return roll(text, version, date)
