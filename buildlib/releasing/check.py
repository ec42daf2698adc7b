"""What must hold before a release: of git, of the version, of the proofs.

Every check looks and changes nothing. What is found is told with what would mend it; whether it
stops the release is decided by who asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from buildlib.errors import InputError
from buildlib.model.label import Label, Reference
from buildlib.model.version import after, check_release, is_greater, next_development
from buildlib.model.version import newest as newest_of
from buildlib.releasing.git import refuse_edits, refuse_taken, release_commit, releases
from buildlib.releasing.repository import Repository
from buildlib.rules.kernel_check import REPORT

if TYPE_CHECKING:
    from buildlib.workspace import Workspace


class Origin(NamedTuple):
    """What a release is made of.

    Attributes:
        commit: The commit it is made from, a whole hash; it holds the version under development.
        epoch: Seconds since 1970 of that commit.
        newest: The newest release before, by order of versions; empty for none.
        committed: The release's own commit, where a run before this one made it; else empty.
    """

    commit: str
    epoch: int
    newest: str
    committed: str


def check_git(
    root: str, version: str, *, following: str = "", warn: Callable[[str], None] | None = None
) -> Origin:
    """Refuse a release that git could not hold, or that could not be made again from it.

    A release of the same version that was stopped goes on: what it has written, committed and
    tagged is no edit, and no earlier release.

    Args:
        root: The workspace.
        version: What is to be released.
        following: The version to go on with; empty for the usual.
        warn: Takes a line on what is odd, and stops nothing.

    Raises:
        InputError: There is no commit or no branch, files are edited, the version is not greater
            than the newest release, only the last commits are here, nobody is known to commit by.
        ActionError: The version's tag is on another commit.
    """
    check_release(version)
    next_development(version, following)
    git = Repository(root)
    refuse_taken(git, version)
    made = release_commit(git, version)
    newest = newest_of([other for other in releases(git) if other != version])
    if not made:
        _refuse_unknown_past(git, newest)
        if newest and not is_greater(version, newest):
            raise InputError(
                f"version {version} is not greater than the newest release, {newest}",
                fix=f"./doitw release VERSION={after(newest)}",
            )
        if not newest and warn is not None:
            warn(f"git has no tag of a release (v1.2.3): {version} is the first")
    refuse_edits(git, version)
    if not git.branch():
        raise InputError(
            "HEAD is on no branch, so the commits of a release would be lost",
            fix=f"git switch -c release-{version}",
        )
    git.check_identity()
    commit = git.commit(f"{made}^") if made else git.commit("HEAD")
    return Origin(commit, git.epoch(commit), newest, made)


def _refuse_unknown_past(git: Repository, newest: str) -> None:
    if git.is_shallow() and not newest:
        raise InputError(
            "only the last commits are here, and no tags: what was released is not known",
            fix="git fetch --tags --unshallow",
        )


def unverified(workspace: Workspace) -> list[tuple[Label, Label]]:
    """Images that a declared proof has not proved as they are now: pairs of image and proof.

    A proof counts where there is a record of its present key, and where its report is of an
    image that is recorded for the image's present key. Proofs that run only when asked for by
    name, and what is left out in this flavour, do not count.
    """
    return [
        (image, proof)
        for image, proof in _proofs(workspace)
        if not _is_proved(workspace, image, proof)
    ]


def unproved(workspace: Workspace) -> list[Label]:
    """Images that no proof names directly: bases, and what is made for others only."""
    proved = {image for image, _ in _proofs(workspace)}
    graph = workspace.graph
    return [
        label
        for label in graph.order
        if graph[label].rule.product == "image"
        and graph[label].rule.kind != "external_image"
        and label not in workspace.left_out
        and label not in proved
    ]


def _proofs(workspace: Workspace) -> list[tuple[Label, Label]]:
    graph = workspace.graph
    return [
        (dep.ref.label, label)
        for label in graph.order
        if graph[label].rule.kind == "kernel_check"
        and not graph[label].manual
        and label not in workspace.left_out
        for dep in graph[label].deps
        if dep.role == "image"
    ]


def _is_proved(workspace: Workspace, image: Label, proof: Label) -> bool:
    record = workspace.records.get(workspace.keys.key(Reference(proof)))
    built = workspace.records.get(workspace.keys.key(Reference(image)))
    if record is None or built is None or REPORT not in record.files:
        return False
    try:
        with open(workspace.store.path(record.files[REPORT].sha256), "rb") as file:
            report = json.load(file)
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and report.get("image_id") in built.images
