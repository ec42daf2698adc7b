"""Which keys the working tree and git's history still need, and why.

It loads the last commits of HEAD, the heads of all branches (local ones, and remote ones as last
fetched) and the tags of releases as it loads the working tree: declarations, lock and settings of
that commit, by the rules of today. The keys of a commit never change, so a memo holds them. If a
commit cannot be loaded, that is reported, and images that may be its own are kept.

This module reads git; it knows neither engines nor registries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from buildlib.build.workspace import Workspace
from buildlib.core import fingerprint
from buildlib.core.keys.compute import Keys
from buildlib.core.model.label import Reference
from buildlib.core.model.settings import FILE as SETTINGS_FILE
from buildlib.core.model.settings import FLAVOURS
from buildlib.core.model.target import image_name
from buildlib.core.model.version import before
from buildlib.core.store.memo import Memo
from buildlib.core.store.names import key_digits
from buildlib.core.trees.gitrun import NoGit, git
from buildlib.core.view import View, view_of_commit
from buildlib.errors import BuildError, InputError

_WORKSPACE = ("dodo.py", "VERSION", SETTINGS_FILE)
"""A commit that lacks one of these is not of a workspace, so it has no images."""
_NO_VERSION = "0.0.0"
_MEMO = "references"
_MAKES_KEYS = (
    "core/dockerfile", "core/dsl", "core/graph", "core/keys", "core/model", "core/rules",
    "core/store/names.py", "core/trees", "core/view.py", "shipping/pruning",
)  # fmt: skip
"""The code that computes the keys of a commit."""
_SHORT = 9


class KeptCommit(NamedTuple):
    """A commit that must not lose its images.

    Attributes:
        id: 40 hex digits.
        name: For people: `HEAD~2`, `origin/main`, `v2.5.0`.
        seconds: When it was committed, since 1970.
        is_release: Only the tag of a release refers to it; its images have that tag.
    """

    id: str
    name: str
    seconds: float
    is_release: bool


class BrokenCommit(NamedTuple):
    """A commit that cannot be loaded.

    Attributes:
        why: The error, in one line.
    """

    commit: KeptCommit
    why: str


class References(NamedTuple):
    """What the working tree and the history need.

    Attributes:
        keys: The first 32 digits of a key -> why it is needed.
        images: Names of all images that any of the commits declares, without organisation.
        unknown: Commits that could not be loaded in whole.
    """

    keys: dict[str, str]
    images: frozenset[str]
    unknown: tuple[BrokenCommit, ...]


def references(workspace: Workspace, count: int, say: Callable[[str], None]) -> References:
    """What the working tree and the history of a workspace need.

    Args:
        count: How many commits of HEAD, itself included.
    """
    keys = dict.fromkeys(present_keys(workspace), "the working tree needs it")
    images = _images(workspace.view)
    unknown = []
    memo = Memo(workspace.state.path(_MEMO), fingerprint.digest(*_MAKES_KEYS))
    parsed: dict[Any, Any] = {}
    kept_commits = commits(workspace.root, count)
    announced = False
    for commit in kept_commits:
        memo_key = (commit.id, tuple(sorted(workspace.overrides.items())))
        loaded = memo.get(memo_key)
        if loaded is None:
            if not announced:
                say("reading what the history refers to")
                announced = True
            *loaded, failures = _load(workspace, commit.id, parsed)
            if failures:
                unknown.append(BrokenCommit(commit, failures[0]))
            else:
                memo[memo_key] = tuple(loaded)
        commit_keys, commit_images = loaded
        for key in commit_keys:
            keys.setdefault(key, f"{commit.name} ({commit.id[:_SHORT]}) needs it")
        images.update(commit_images)
    memo.save()
    return References(keys, frozenset(images), tuple(unknown))


def present_keys(workspace: Workspace) -> list[str]:
    """The first 32 digits of the keys that the working tree has now.

    Targets without a key, because the lock lacks an entry, are left out: nothing can build them.
    """
    return list(_keys_of(workspace.view, workspace.keys, []))


def commits(root: str, count: int) -> list[KeptCommit]:
    """The commits that must not lose their images, each once; none without git.

    Args:
        count: How many commits of HEAD, itself included.
    """
    by_id: dict[str, KeptCommit] = {}
    if count:
        rows = _git(root, "log", f"--max-count={count}", "--format=%H %ct", "HEAD")
        for number, row in enumerate(rows):
            commit, seconds = row.split()
            name = f"HEAD~{number}" if number else "HEAD"
            by_id.setdefault(commit, KeptCommit(commit, name, float(seconds), is_release=False))
    form = "%(objectname) %(*objectname) %(committerdate:unix) %(*committerdate:unix) %(refname)"
    form = form.replace(" ", "%00")
    for line in _git(root, "for-each-ref", f"--format={form}", *_KINDS):
        own, peeled, when, peeled_when, reference = line.split("\0")
        if not (when or peeled_when):
            continue  # a tag on a file, say
        is_release = reference.startswith("refs/tags/")
        name = reference.removeprefix("refs/").split("/", 1)[1]
        head = KeptCommit(peeled or own, name, float(peeled_when or when), is_release)
        other = by_id.get(head.id)
        if other is None or (other.is_release and not is_release):
            by_id[head.id] = head
    return list(by_id.values())


_KINDS = ("refs/heads", "refs/remotes", "refs/tags/v*")


def is_whole(root: str) -> bool:
    """Whether this is a git clone with its whole history, not a shallow one."""
    return _git(root, "rev-parse", "--is-shallow-repository") == ["false"]


def _git(root: str, *words: str) -> list[str]:
    """Output of git as lines; none if git fails or is not installed."""
    try:
        answer = git(root, *words)
    except NoGit:
        return []
    return [] if answer.code else answer.out.splitlines()


def _load(
    workspace: Workspace, commit: str, memo: Any
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Keys, images and errors of one commit, under its own settings and under those of this run."""
    keys: set[str] = set()
    images: set[str] = set()
    failures: list[str] = []
    with _collected(failures), view_of_commit(workspace.root, commit, memo=memo) as own:
        if not all(own.tree.exists(name) for name in _WORKSPACE):
            return (), (), []
        given = View(own.tree, workspace.overrides, memo=memo)
        for view in (own,) if own.settings == given.settings else (own, given):
            flavour = view.settings.flavour
            for other in dict.fromkeys((flavour, *FLAVOURS)):
                # Errors in other flavours are ignored.
                errors = failures if other == flavour else []
                with _collected(errors):
                    in_flavour = view.in_flavour(other)
                    for version in _versions(in_flavour):
                        keys.update(_keys_of(in_flavour, in_flavour.keys_under(version), errors))
                    images |= _images(in_flavour)
    return tuple(sorted(keys)), tuple(sorted(images)), failures


_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What old declarations may raise under the rules of today."""


@contextmanager
def _collected(errors: list[str]) -> Iterator[None]:
    """Collect an error of a commit, and go on."""
    try:
        yield
    except BuildError as error:
        errors.append(_line(error))
    except _BROKEN as error:
        errors.append(f"{type(error).__name__}: {error}")


def _versions(view: View) -> list[str]:
    """The versions under which targets of a commit were built: development, and the release."""
    try:
        return [*dict.fromkeys((before(view.version), view.version))]
    except InputError:  # no version at all: nothing but `dev` was ever made of it
        return [before(_NO_VERSION)]


def _keys_of(view: View, keys: Keys, errors: list[str]) -> Iterator[str]:
    """The first 32 digits of the keys of all targets that have one; other errors are collected."""
    for label in view.graph.order:
        try:
            yield key_digits(keys.key(Reference(label)))
        except InputError as error:
            if label not in view.left_out:
                errors.append(_line(error))


def _images(view: View) -> set[str]:
    targets = view.graph.targets.values()
    return {image_name(target) for target in targets if target.rule.is_image}


def _line(error: BuildError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
