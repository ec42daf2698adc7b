"""Which keys the history of the workspace still stands for, and why.

The last commits of HEAD, the heads of all branches (local ones, and those of remotes as they were
last fetched) and the tags of releases are loaded as the working tree is: declarations, lock and
settings of that commit, by the rules of today. What a commit stands for never changes, so it is
remembered. A commit that cannot be loaded is told, and what may be its own is kept.

Reads git; knows nothing of engines and registries.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from buildlib.errors import BuildError, InputError
from buildlib.keys.compute import Keys, Stamp
from buildlib.model.label import Label, Reference
from buildlib.model.settings import FILE as SETTINGS_FILE
from buildlib.model.settings import FLAVOURS, Settings, settings_from, table_of
from buildlib.model.target import image_name
from buildlib.store.memo import Memo
from buildlib.store.names import DEV, file_version, key_digits
from buildlib.trees.git import git_environ

if TYPE_CHECKING:
    from buildlib.graph.graph import Graph
    from buildlib.trees.git import GitTree
    from buildlib.workspace import Workspace

_WORKSPACE = ("dodo.py", "VERSION", SETTINGS_FILE)
"""Without one of these, a commit is none of a workspace and has no images."""
_MEMO = "references"
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
    images = {
        image_name(target)
        for target in workspace.graph.targets.values()
        if target.rule.product == "image"
    }
    unknown = []
    memo = Memo(workspace.state.path(_MEMO))
    by_what = _fingerprint()
    wanted = commits(workspace.root, count)
    told = False
    for commit in wanted:
        kept = (commit.id, by_what, tuple(sorted(workspace.overrides.items())))
        known = memo.get(kept)
        if known is not None:
            loaded = _Loaded(frozenset(known[0]), frozenset(known[1]), "")
        else:
            if not told:
                say("reading what the history refers to")
                told = True
            loaded = _load(workspace, commit.id)
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
    return list(_keys_of(workspace.graph, workspace.keys, []))


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
        done = subprocess.run(
            ["git", "-C", root, *words], capture_output=True, check=False, env=git_environ()
        )
    except FileNotFoundError:
        return []
    return done.stdout.decode(errors="surrogateescape").splitlines() if not done.returncode else []


def _load(workspace: Workspace, commit: str) -> _Loaded:
    """The keys of one commit, for its own settings and for those given for this run."""
    from buildlib.trees.git import GitTree

    keys: set[str] = set()
    images: set[str] = set()
    failures: list[str] = []
    try:
        tree = GitTree(workspace.root, commit)
        try:
            if not all(tree.exists(name) for name in _WORKSPACE):
                return _Loaded(frozenset(), frozenset(), "")
            table = table_of(tree.read(SETTINGS_FILE).decode())
            own = settings_from(table)
            given = settings_from({**table, **workspace.overrides})
            for settings in (own,) if own == given else (own, given):
                for flavour in dict.fromkeys((settings.flavour, *FLAVOURS)):
                    wrong: list[str] = []
                    keys |= _load_flavour(tree, settings._replace(flavour=flavour), images, wrong)
                    if flavour == settings.flavour:  # the others are as good as they are
                        failures += wrong
        finally:
            tree.close()
    except BuildError as error:
        failures.append(_line(error))
    except _BROKEN as error:
        failures.append(f"{type(error).__name__}: {error}")
    return _Loaded(frozenset(keys), frozenset(images), failures[0] if failures else "")


_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What old declarations may raise under the rules of today."""


def _load_flavour(
    tree: GitTree, settings: Settings, images: set[str], wrong: list[str]
) -> set[str]:
    """The keys of a commit in one flavour.

    Args:
        tree: The commit.
        settings: Its settings, with the flavour.
        images: Takes the names of images.
        wrong: Takes what is wrong.
    """
    from buildlib.dsl.loader import Loader
    from buildlib.graph.graph import Graph
    from buildlib.model.lock import FILE as LOCK_FILE
    from buildlib.model.lock import parse_lock

    found: set[str] = set()
    try:
        text = tree.read(LOCK_FILE).decode() if tree.exists(LOCK_FILE) else "schema = 1\n"
        graph = Graph(Loader(tree, settings).load())
        for channel in dict.fromkeys((DEV, _channel(tree))):
            version = file_version(tree.read("VERSION").decode().strip())
            stamp = Stamp(settings.organization, settings.registry, channel, version)
            left_out = _left_out(graph, settings.flavour)
            whole = Keys(graph, tree, parse_lock(text), stamp)
            found.update(_keys_of(graph, whole, wrong, left_out))
    except BuildError as error:
        wrong.append(_line(error))
        return found
    except _BROKEN as error:
        wrong.append(f"{type(error).__name__}: {error}")
        return found
    images |= {
        image_name(target) for target in graph.targets.values() if target.rule.product == "image"
    }
    return found


def _keys_of(
    graph: Graph, keys: Keys, wrong: list[str], left_out: Iterable[Label] = ()
) -> Iterator[str]:
    """Keys of all targets whose key can be told."""
    for label in graph.order:
        try:
            yield key_digits(keys.key(Reference(label)))
        except InputError as error:
            if label not in left_out:
                wrong.append(_line(error))


def _left_out(graph: Graph, flavour: str) -> set[Label]:
    """Targets that a flavour does not have, by themselves or for what they need."""
    found: set[Label] = set()
    for label in graph.order:
        target = graph[label]
        needed = {dep.ref.label for dep in target.deps if not dep.by_name}
        if (target.flavours and flavour not in target.flavours) or needed & found:
            found.add(label)
    return found


def _channel(tree: GitTree) -> str:
    """The channel that a commit's VERSION says: `dev`, or that of the release it is."""
    from buildlib.model.version import channel_of

    try:
        return channel_of(tree.read("VERSION").decode().strip())
    except InputError:  # no version at all: nothing but `dev` was ever made of it
        return DEV


def _line(error: BuildError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what


def _fingerprint() -> str:
    """Of the code that makes keys: another build system may give a commit other ones."""
    import os
    from hashlib import sha256

    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    known = sha256()
    for package in ("dsl", "graph", "keys", "model", "pruning", "rules", "trees"):
        for name in sorted(os.listdir(f"{top}/{package}")):
            if name.endswith(".py"):
                with open(f"{top}/{package}/{name}", "rb") as file:
                    known.update(f"{package}/{name}\0".encode() + file.read())
    return known.hexdigest()
