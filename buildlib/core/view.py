"""A view: the settings, targets, pins and keys of one tree, computed from its files alone.

The working tree, a commit, and the same files in another flavour or under another version are each
a `View` and answer the same questions. A view has no effects, and reads a file when it needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from buildlib.core.dsl.loader import Loader
from buildlib.core.graph.graph import BUILD, VERIFY, Graph
from buildlib.core.keys.compute import Keys, Stamp
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.lock import FILE as LOCK_FILE
from buildlib.core.model.lock import NO_PINS, Lock, from_plain, parse_lock, to_plain
from buildlib.core.model.settings import FILE as SETTINGS_FILE
from buildlib.core.model.settings import Settings, WrongSetting, settings_from
from buildlib.core.model.tree import Tree
from buildlib.core.model.version import FILE as VERSION_FILE
from buildlib.core.model.version import channel_of, check_file
from buildlib.core.store.names import file_version
from buildlib.errors import InputError, Location, UnknownTarget, raise_all


class View:
    """One tree, seen with some settings and under some version.

    Args:
        overrides: Settings given for this run (`organization`, `registry`, `flavour`); all others
            come from the tree's own pyproject.toml.
        version: By default that of the tree's own VERSION.
        memo: A cache of parsed files, by content: anything with `get` and `__setitem__`.
        checked: Compare the declarations with their Dockerfiles too, as a build needs it.
    """

    def __init__(
        self,
        tree: Tree,
        overrides: Mapping[str, str] | None = None,
        version: str = "",
        *,
        memo: Any = None,
        checked: bool = False,
    ) -> None:
        self.tree = tree
        self.overrides = dict(overrides or {})
        self._version = version
        self.memo: Any = {} if memo is None else memo
        self._checked = checked
        self.partial = False
        """Whether targets were named, so that what is wrong elsewhere does not matter."""

    def in_flavour(self, flavour: str) -> View:
        overrides = {**self.overrides, "flavour": flavour}
        return View(self.tree, overrides, self._version, memo=self.memo)

    # -- what the files say ----------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """`[tool.buildlib]`, with this run's overrides."""
        text = self._text(SETTINGS_FILE)
        table = self.memo.get(("settings", text))
        if table is None:
            from buildlib.core.model.settings import table_of

            table = table_of(text)
            self.memo["settings", text] = table
        settings = settings_from(table, text)
        if self.overrides:
            try:
                settings = settings_from({**table, **self.overrides})
            except WrongSetting as error:  # said on the command line, so no file is to blame
                raise InputError(error.what, fix=error.on_the_command_line()) from None
        return settings

    @cached_property
    def version(self) -> str:
        """The version under development; at a release's own commit, that of the release."""
        return self._version or check_file(self._text(VERSION_FILE))

    @property
    def channel(self) -> str:
        """The tag that people use for images of this version: `dev`, or the version of a release.

        It follows from the version, so a build of a release's commit has the keys of the release.
        Only a release sets the tags themselves.
        """
        return channel_of(self.version)

    @cached_property
    def lock(self) -> Lock:
        """The pins; an absent file is an empty lock."""
        text = self._text(LOCK_FILE, missing=NO_PINS)
        plain = self.memo.get(("lock", text))
        if plain is not None:
            return from_plain(plain)
        lock = parse_lock(text)
        self.memo["lock", text] = to_plain(lock)
        return lock

    def _text(self, name: str, missing: str | None = None) -> str:
        try:
            return self.tree.read(name).decode()
        except FileNotFoundError:
            if missing is not None:
                return missing
            raise InputError(
                f"the workspace has no {name}",
                where=Location(name, 0),
                fix=f"git checkout -- {name}",
            ) from None
        except UnicodeDecodeError:
            raise InputError(
                f"{name} is not UTF-8 text", where=Location(name, 1), fix=f"git checkout -- {name}"
            ) from None

    # -- what is declared ------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The graph: of all that is declared, or of what can be used once targets were resolved.

        Raises:
            InputError: Something is wrong with a declaration, and no targets were named.
        """
        if not self.partial:
            self.refuse_broken()
        return self._graph

    def refuse_broken(self) -> None:
        """Raise an error if something is wrong with any declaration."""
        raise_all(self._graph.errors.values())

    @cached_property
    def _graph(self) -> Graph:
        loader = Loader(self.tree, self.settings, self.memo)
        graph = Graph(loader.load(), loader.unread)
        if self._checked:
            from buildlib.core.graph.validate import validate

            graph.errors.update(validate(graph, self.tree, self.memo))
        return graph

    @cached_property
    def left_out(self) -> dict[Label, str]:
        """Targets that do not exist in this flavour, each with the reason."""
        flavour = self.settings.flavour
        reasons: dict[Label, str] = {}
        if not any(target.flavours for target in self.graph.targets.values()):
            return reasons
        for label in self.graph.order:
            target = self.graph[label]
            needed = (ref.label for ref in self.graph.needs(Reference(label)))
            missing = next((other for other in needed if other in reasons), None)
            if target.flavours and flavour not in target.flavours:
                reasons[label] = f"it exists in the flavour {' and '.join(target.flavours)} only"
            elif missing is not None:
                reasons[label] = f"it needs {missing}"
        return reasons

    # -- keys ------------------------------------------------------------------------------------

    @cached_property
    def keys(self) -> Keys:
        return self.keys_under(self.version)

    def keys_under(self, version: str) -> Keys:
        organization, registry = self.settings.organization, self.settings.registry
        stamp = Stamp(organization, registry, channel_of(version), file_version(version))
        return Keys(self.graph, self.tree, self.lock, stamp)

    def key_of_each(self) -> dict[Label, str]:
        """The key of each target that exists in this flavour, dependencies first."""
        labels = (label for label in self.graph.order if label not in self.left_out)
        return {label: self.keys.key(Reference(label)) for label in labels}

    # -- names that a person types ---------------------------------------------------------------

    def resolve(
        self, words: Sequence[str], *, folder: str = "", verb: str = "", left_out: bool = False
    ) -> list[Label]:
        """The targets that a person names, in the forms of `Graph.resolve`.

        What is wrong elsewhere does not matter from then on (`partial`).

        Args:
            words: As typed; none for all targets.
            folder: The person's folder, which relative names start from.
            verb: Where a word stands for several targets, take those that this verb makes.
            left_out: Include targets that do not exist in this flavour; they have no key.

        Raises:
            InputError: A word names nothing; something is wrong with what is named or needed.
        """
        if not words:
            self.refuse_broken()
            of_verb = set(self.graph.of_verb(verb)) if verb else set(self.graph.targets)
            everything = [label for label in self.graph.order if label in of_verb]
            return everything if left_out else self._default_targets(everything, verb)
        self.partial = True
        named: dict[Label, None] = {}
        for word in words:
            labels = self._resolve(word, folder, verb, left_out=left_out)
            if not labels:
                raise InputError(f"{word} names nothing that {verb} makes", fix="./doitw list")
            named.update(dict.fromkeys(labels))
        self.graph.refuse_broken(named)
        return list(named)

    def _resolve(self, word: str, folder: str, verb: str, *, left_out: bool) -> list[Label]:
        if word in (BUILD, VERIFY):  # the name of a group of tasks stands for all of it
            return self.resolve((), verb=word, left_out=left_out)
        try:
            labels = self.graph.resolve([word], package=folder)
        except UnknownTarget:
            # A task of this verb may be named without its group: verify kernel-py:gateway.
            names = self.graph.task_names
            labels = [label for label in self.graph.of_verb(verb) if names[label] == word]
            if not labels:
                raise
        if left_out:
            return labels
        if len(labels) > 1:  # a pattern, or a folder
            return self._default_targets(labels, verb)
        self.refuse_left_out(labels)
        return labels

    def _default_targets(self, labels: Iterable[Label], verb: str) -> list[Label]:
        """The targets to take where a word stands for several: no manual ones."""
        existing = [label for label in labels if label not in self.left_out]
        if not verb:
            return existing
        of_verb = [label for label in existing if self.graph[label].rule.verb == verb]
        return [label for label in of_verb if not self.graph[label].manual]

    def refuse_left_out(self, labels: Iterable[Label]) -> None:
        """Raise an error, with the reason, if a target does not exist in this flavour."""
        for label in labels:
            if label in self.left_out:
                raise InputError(
                    f"{label} is left out: {self.left_out[label]}",
                    where=self.graph[label].where,
                    fix=f'FLAVOUR={self._flavour_of(label)}  # or flavour = "…" in {SETTINGS_FILE}',
                )

    def _flavour_of(self, label: Label) -> str:
        """A flavour in which a left-out target may exist: its own, or that of a dependency."""
        for other in reversed(self.graph.closure([label])):
            flavours = self.graph[other].flavours if other in self.left_out else ()
            if flavours:
                return flavours[0]
        return self.settings.flavour


@contextmanager
def view_of_commit(
    root: str,
    revision: str,
    overrides: Mapping[str, str] | None = None,
    version: str = "",
    *,
    memo: Any = None,
) -> Iterator[View]:
    """A view of a commit: its own files, settings and lock, with today's rules.

    Its files can be read until the context ends.
    """
    from buildlib.core.trees.git import GitTree  # with subprocess

    tree = GitTree(root, revision)
    try:
        yield View(tree, overrides, version, memo=memo)
    finally:
        tree.close()
