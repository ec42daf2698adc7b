"""Which keys the history of the workspace still stands for, and why.

The last commits of HEAD, the heads of all branches (local ones, and those of remotes as they were
last fetched) and the tags of releases are loaded as the working tree is: declarations, lock and
settings of that commit, by the rules of today. What a commit stands for never changes, so it is
remembered. A commit that cannot be loaded is told, and what may be its own is kept.

Reads git; knows nothing of engines and registries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

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

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace

_WORKSPACE = ("dodo.py", "VERSION", SETTINGS_FILE)
"""Without one of these, a commit is none of a workspace and has no images."""
_NO_VERSION = "0.0.0"
_MEMO = "references"
_MAKES_KEYS = (
    "core/dockerfile", "core/dsl", "core/graph", "core/keys", "core/model", "core/rules",
    "core/store/names.py", "core/trees", "core/view.py", "shipping/pruning",
)  # fmt: skip
"""The code that gives a commit its keys."""
_SHORT = 9


class Commit(NamedTuple):
    """A commit that must not lose its images.

    Attributes:
        id: 40 hex digits.
        name: What stands for it, for people: `HEAD~2`, `origin/main`, `v2.5.0`.
        seconds: When it was committed, since 1970.
        is_release: Whether it is kept for the tag of a release only; its images have that tag.
    """

    id: str
    name: str
    seconds: float
    is_release: bool


class Unknown(NamedTuple):
    """A commit that cannot be loaded.

    Attributes:
        commit: The commit.
        why: What is wrong with it, in one line.
    """

    commit: Commit
    why: str


class References(NamedTuple):
    """What the history stands for.

    Attributes:
        keys: The first 32 digits of a key -> what refers to it.
        images: Names of all images that any of the commits declares, without organisation.
        unknown: Commits that could not be loaded, or not all of it.
    """

    keys: dict[str, str]
    images: frozenset[str]
    unknown: tuple[Unknown, ...]


class _Loaded(NamedTuple):
    keys: frozenset[str]
    images: frozenset[str]
    failure: str


def references(workspace: Workspace, count: int, say: Callable[[str], None]) -> References:
    """What the working tree and the history of a workspace refer to.

    Args:
        workspace: The workspace.
        count: How many commits of HEAD, itself included.
        say: Told that there is much to load.

    Raises:
        InputError: The declarations of the working tree are wrong.
    """
    keys = dict.fromkeys(present_keys(workspace), "the working tree needs it")
    images = _images(workspace.view)
    unknown = []
    memo = Memo(workspace.state.path(_MEMO), fingerprint.digest(*_MAKES_KEYS))
    parsed: dict[Any, Any] = {}
    wanted = commits(workspace.root, count)
    told = False
    for commit in wanted:
        kept = (commit.id, tuple(sorted(workspace.overrides.items())))
        known = memo.get(kept)
        if known is not None:
            loaded = _Loaded(frozenset(known[0]), frozenset(known[1]), "")
        else:
            if not told:
                say("reading what the history refers to")
                told = True
            loaded = _load(workspace, commit.id, parsed)
            if not loaded.failure:
                memo[kept] = (tuple(sorted(loaded.keys)), tuple(sorted(loaded.images)))
        if loaded.failure:
            unknown.append(Unknown(commit, loaded.failure))
        for key in loaded.keys:
            keys.setdefault(key, f"{commit.name} ({commit.id[:_SHORT]}) needs it")
        images |= loaded.images
    memo.save()
    return References(keys, frozenset(images), tuple(unknown))


def present_keys(workspace: Workspace) -> list[str]:
    """The first 32 digits of the keys that the working tree has now.

    A target whose key cannot be told, since the lock lacks something, cannot be built either.
    """
    return list(_keys_of(workspace.view, workspace.keys, []))


def commits(root: str, count: int) -> list[Commit]:
    """The commits that must not lose their images, each once; none where there is no git.

    Args:
        root: The workspace.
        count: How many of HEAD.
    """
    found: dict[str, Commit] = {}
    if count:
        rows = _git(root, "log", f"--max-count={count}", "--format=%H %ct", "HEAD")
        for number, row in enumerate(rows):
            commit, seconds = row.split()
            name = f"HEAD~{number}" if number else "HEAD"
            found.setdefault(commit, Commit(commit, name, float(seconds), is_release=False))
    form = "%(objectname) %(*objectname) %(committerdate:unix) %(*committerdate:unix) %(refname)"
    form = form.replace(" ", "%00")
    for line in _git(root, "for-each-ref", f"--format={form}", *_KINDS):
        own, peeled, when, peeled_when, reference = line.split("\0")
        if not (when or peeled_when):
            continue  # a tag on a file, say
        is_release = reference.startswith("refs/tags/")
        name = reference.removeprefix("refs/").split("/", 1)[1]
        head = Commit(peeled or own, name, float(peeled_when or when), is_release)
        other = found.get(head.id)
        if other is None or (other.is_release and not is_release):
            found[head.id] = head
    return list(found.values())


_KINDS = ("refs/heads", "refs/remotes", "refs/tags/v*")


def is_whole(root: str) -> bool:
    """Whether the clone has all of its history: it is none, or a shallow one, otherwise."""
    return _git(root, "rev-parse", "--is-shallow-repository") == ["false"]


def _git(root: str, *words: str) -> list[str]:
    """The lines that git answers; none where it refuses, or is not installed."""
    try:
        answer = git(root, *words)
    except NoGit:
        return []
    return [] if answer.code else answer.out.splitlines()


def _load(workspace: Workspace, commit: str, memo: Any) -> _Loaded:
    """The keys of one commit, for its own settings and for those given for this run."""
    keys: set[str] = set()
    images: set[str] = set()
    failures: list[str] = []
    with _noted(failures), view_of_commit(workspace.root, commit, memo=memo) as own:
        if not all(own.tree.exists(name) for name in _WORKSPACE):
            return _Loaded(frozenset(), frozenset(), "")
        given = View(own.tree, workspace.overrides, memo=memo)
        for view in (own,) if own.settings == given.settings else (own, given):
            flavour = view.settings.flavour
            for other in dict.fromkeys((flavour, *FLAVOURS)):
                wrong = failures if other == flavour else []  # of other flavours it is no failure
                with _noted(wrong):
                    seen = view.in_flavour(other)
                    for version in _versions(seen):
                        keys.update(_keys_of(seen, seen.keys_under(version), wrong))
                    images |= _images(seen)
    return _Loaded(frozenset(keys), frozenset(images), failures[0] if failures else "")


_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What old declarations may raise under the rules of today."""


@contextmanager
def _noted(wrong: list[str]) -> Iterator[None]:
    """Note what is wrong with a commit, and go on."""
    try:
        yield
    except BuildError as error:
        wrong.append(_line(error))
    except _BROKEN as error:
        wrong.append(f"{type(error).__name__}: {error}")


def _versions(view: View) -> list[str]:
    """What the targets of a commit were made as: under development, and as the release it is."""
    try:
        return [*dict.fromkeys((before(view.version), view.version))]
    except InputError:  # no version at all: nothing but `dev` was ever made of it
        return [before(_NO_VERSION)]


def _keys_of(view: View, keys: Keys, wrong: list[str]) -> Iterator[str]:
    """The first 32 digits of the keys of all targets whose key can be told."""
    for label in view.graph.order:
        try:
            yield key_digits(keys.key(Reference(label)))
        except InputError as error:
            if label not in view.left_out:
                wrong.append(_line(error))


def _images(view: View) -> set[str]:
    """Names of all images that a view declares."""
    targets = view.graph.targets.values()
    return {image_name(target) for target in targets if target.rule.is_image}


def _line(error: BuildError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
