"""One workspace, opened: everything a verb needs, each part made when first asked for.

The only place where trees, graph, keys, stores and engine are put together. Opening reads a few
small files; the engine is not asked before something has to know what is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from buildlib.dsl.loader import Loader
from buildlib.errors import EngineUnavailable, InputError, Location, UnknownTarget
from buildlib.graph.graph import BUILD, VERIFY, Graph
from buildlib.keys.compute import Keys, Stamp
from buildlib.model.label import Label, Reference
from buildlib.model.lock import FILE as LOCK_FILE
from buildlib.model.lock import Lock, from_plain, parse_lock, to_plain
from buildlib.model.output import DIST, Export
from buildlib.model.settings import FILE as SETTINGS_FILE
from buildlib.model.settings import OFF, Settings, settings_from
from buildlib.model.target import Target
from buildlib.model.version import DEV, channel_of, check_file
from buildlib.model.version import FILE as VERSION_FILE
from buildlib.plan.explain import Explainer
from buildlib.plan.plan import Plan, Planner, Presence, Shared
from buildlib.store import names
from buildlib.store.content import ContentStore, default_root
from buildlib.store.memo import Memo
from buildlib.store.records import Record, Records
from buildlib.store.state import State
from buildlib.trees.working import WorkingTree

if TYPE_CHECKING:
    from buildlib.engine.protocol import Builder, Engine, Grant, ImageInfo
    from buildlib.engine.transfer import Carrier
    from buildlib.fetch.progress import Observer
    from buildlib.fetch.source import Download
    from buildlib.registry.protocol import Registry
    from buildlib.sharing.entry import Entry
    from buildlib.sharing.shared import SharedStore

_ASKED = "asked"
"""What the first plan of a run asked the engine for."""
MARKER = "dodo.py"
SUITE = "bookworm"
"""Debian suite of the images of flavour `debian`."""


def find_root(start: str) -> str:
    """The workspace that a folder is in: the nearest one above with a `dodo.py` and a `VERSION`.

    Raises:
        InputError: There is none.
    """
    folder = os.path.realpath(start)
    while True:
        if all(os.path.exists(f"{folder}/{name}") for name in (MARKER, VERSION_FILE)):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            raise InputError(
                f"{start} is in no workspace (no {MARKER} and {VERSION_FILE} above it)",
                fix="cd to the checkout",
            )
        folder = above


class Workspace:
    """The workspace at a root.

    Args:
        root: Absolute path.
        store_root: Where built files, downloads and records are kept; by default the one all
            workspaces of the machine share.
        overrides: Settings given for this run (`organization`, `registry`, `flavour`).
    """

    def __init__(
        self,
        root: str,
        *,
        store_root: str = "",
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.overrides = dict(overrides or {})
        self.state = State(root)
        self.store = ContentStore(store_root or default_root(), warn=_warn)
        self.records = Records(f"{store_root or default_root()}/records")
        self.offline = False
        self.engine_factory: Callable[[], Engine] | None = None
        self.builder_factory: Callable[[], Builder] | None = None
        self.registry_factory: Callable[[str], Registry] | None = None
        self.carrier: Carrier | None = None
        self.answers: dict[str, Entry | None] = {}
        """What the registry has or lacks, by key: nothing is asked twice in a run."""
        self.asks_registry = True
        """Whether it is asked while building: no more, once it did not answer or refused."""
        self._memo = Memo(self.state.path("memo"))
        self._asked: list[str] = []

    # -- what is declared ----------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """`[tool.buildlib]`, with what this run overrides."""
        text = self._text(SETTINGS_FILE)
        plain = self._memo.get(("settings", text))
        if plain is None:
            from buildlib.model.settings import table_of

            plain = table_of(text)
            self._memo["settings", text] = plain
        settings = settings_from(plain, text)
        if self.overrides:
            try:
                settings = settings_from({**plain, **self.overrides})
            except InputError as error:  # said on the command line, so no file is to blame
                raise InputError(error.what, fix=error.fix) from None
        return settings

    @cached_property
    def version(self) -> str:
        """The version under development; at a release's own commit, that of the release.

        A release sets it before anything else is asked for.

        Raises:
            InputError: The file VERSION holds none.
        """
        return check_file(self._text(VERSION_FILE))

    @cached_property
    def channel(self) -> str:
        """The tag that people use for what is built here: `dev`, or the version of a release.

        It follows from the version, so that what is built from a release's commit has the keys
        of the release. The tags themselves are put by a release alone.
        """
        return channel_of(self.version)

    @cached_property
    def tree(self) -> WorkingTree:
        """The files."""
        return WorkingTree(self.root, self.state.path("index"))

    @cached_property
    def lock(self) -> Lock:
        """The pins; an absent file is an empty lock."""
        text = self._text(LOCK_FILE, missing="schema = 1\n")
        plain = self._memo.get(("lock", text))
        if plain is not None:
            return from_plain(plain)
        lock = parse_lock(text)
        self._memo["lock", text] = to_plain(lock)
        return lock

    @cached_property
    def graph(self) -> Graph:
        """All targets, checked as far as declarations and Dockerfiles tell."""
        from buildlib.graph.validate import validate

        graph = Graph(Loader(self.tree, self.settings, _CodeCache(self._memo)).load())
        validate(graph, self.tree, self._memo)
        return graph

    def graph_in(self, flavour: str) -> Graph:
        """The targets as they are declared for another flavour.

        Raises:
            InputError: The declarations do not make a graph in it.
        """
        settings = self.settings._replace(flavour=flavour)
        return Graph(Loader(self.tree, settings, _CodeCache(self._memo)).load())

    @cached_property
    def keys(self) -> Keys:
        """The keys of the targets."""
        settings = self.settings
        version = names.file_version(self.version)
        stamp = Stamp(settings.organization, settings.registry, self.channel, version)
        return Keys(self.graph, self.tree, self.lock, stamp)

    @cached_property
    def explainer(self) -> Explainer:
        """Says why a key is not what it was."""
        return Explainer(self.graph, self.keys, self.records, self.state)

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

    def renew(self) -> None:
        """Forget what was read, after a file of the workspace was written."""
        for name in (
            "settings", "lock", "graph", "left_out", "keys", "explainer", "planner", "registry",
            "shared", "sharing",
        ):  # fmt: skip
            self.__dict__.pop(name, None)

    def save(self) -> None:
        """Keep what saves time in the next run."""
        if "tree" in self.__dict__:
            self.tree.index.save()
        if self._asked:
            self.state.set_lines(_ASKED, self._asked)
        self.state.save()
        self.store.save()
        self._memo.save()

    # -- what is there ---------------------------------------------------------------------------

    @cached_property
    def engine(self) -> Engine:
        """The engine that is configured or found.

        Raises:
            EngineUnavailable: None answers.
        """
        if self.engine_factory is not None:
            return self.engine_factory()
        from buildlib.engine import connect

        return connect()

    @cached_property
    def builder(self) -> Builder:
        """What builds Dockerfiles on the engine."""
        if self.builder_factory is not None:
            return self.builder_factory()
        from buildlib.engine import builder

        return builder(notes=self.state.path("client"))

    def presence(self, references: list[str]) -> Mapping[str, ImageInfo | None] | None:
        """What the engine has of these references; None where no engine answers."""
        try:
            return self.engine.inspect(references)
        except EngineUnavailable:
            return None

    @cached_property
    def registry(self) -> Registry | None:
        """The registry of the settings; None where none is set. Nothing is asked of it yet."""
        return self.connect(self.settings.registry) if self.settings.registry else None

    def connect(self, registry: str, *, quick: bool = False) -> Registry:
        """Any registry; nothing is asked of it yet.

        Args:
            registry: Its host, which may have a path behind it.
            quick: Give up soon when it does not answer: for what can be done without it.
        """
        host = registry.partition("/")[0]
        if self.registry_factory is not None:
            return self.registry_factory(host)
        from buildlib.registry.client import connect
        from buildlib.web.retry import PATIENT, QUICK

        return connect(host, retry=QUICK if quick else PATIENT)

    @property
    def role(self) -> str:
        """What the registry is used for while building: `off` where none is set, or offline."""
        if not self.settings.registry or self.offline:
            return OFF
        share = self.settings.share
        return share.ci if in_ci() else share.default

    @cached_property
    def shared(self) -> SharedStore | None:
        """The registry as a store to build from; None where the role is `off`."""
        return None if self.role == OFF else self.sharing

    @cached_property
    def sharing(self) -> SharedStore | None:
        """The registry as a store, whatever the role; None where no registry is set."""
        return self.sharing_of(self.settings.registry) if self.settings.registry else None

    def sharing_of(self, registry: str) -> SharedStore:
        """Any registry as a store; keys are still those of the settings.

        Args:
            registry: Its host, which may have a path behind it.
        """
        from buildlib.sharing.shared import SharedStore

        return SharedStore(
            self.connect(registry),
            self.settings._replace(registry=registry),
            self.records,
            self.store,
            platform=self.settings.platform,
            warn=_warn,
            carrier=self.carrier,
            quick=self.connect(registry, quick=True),
        )

    def grants(self) -> tuple[Grant, ...]:
        """What a build with a network is lent: the CA bundle and the mirrors, as secrets."""
        from buildlib.engine.secrets import grants_for

        suite = SUITE if self.settings.flavour == "debian" else ""
        return grants_for(self.settings.network, suite=suite)

    @cached_property
    def planner(self) -> Planner:
        """Makes plans of this workspace."""
        return Planner(
            self.graph,
            self.keys,
            self.records,
            self.store,
            self.state,
            self.settings,
            channel=self.channel if self.channel == DEV else "",
            exports=self.export,
            explain=self.explainer.reason,
        )

    def plan(
        self, roots: Iterable[Label], *, force: bool = False, shared: Shared | None = None
    ) -> Plan:
        """What a build of some targets would do; `shared` is asked as `Planner.plan` says."""
        presence = self.presence if self._asked else self._first_presence()
        return self.planner.plan(roots, presence, force=force, shared=shared)

    def _first_presence(self) -> Presence:
        """As `presence`, for the first plan of a run.

        What the last run asked for is asked right now: the engine answers while files are looked
        at. It is a guess; what it misses is asked for when it is known.
        """
        foreseen = self.state.lines(_ASKED)
        early = None
        if foreseen:
            with suppress(EngineUnavailable, InputError):
                early = self.engine.start_inspect(foreseen)

        def presence(references: list[str]) -> Mapping[str, ImageInfo | None] | None:
            nonlocal early
            answers: Mapping[str, ImageInfo | None] = {}
            self._asked = self._asked or references
            if early:
                with suppress(EngineUnavailable):
                    answers = early()
                early = None
            rest = [name for name in references if name not in answers]
            found = self.presence(rest) if rest else {}
            return None if found is None else {**answers, **found}

        return presence

    def export(self, target: Target) -> Export | None:
        """The file of a target that is written into the workspace too, with its absolute path.

        Files of a release lie in a folder of its version; those of a development version do not.
        """
        export = target.rule.export(target, self.version)
        if export is None:
            return None
        folder, _, name = export.path.partition("/")
        if folder == DIST and self.channel != DEV:
            return export._replace(path=f"{self.release_folder}/{name}")
        return export._replace(path=f"{self.root}/{export.path}")

    @property
    def release_folder(self) -> str:
        """Where the files of a release are written."""
        return f"{self.root}/{DIST}/{self.version}"

    def resolve(
        self, words: Sequence[str], *, folder: str = "", verb: str = "", left_out: bool = False
    ) -> list[Label]:
        """Targets that a person names; see `Graph.resolve`.

        Args:
            words: As typed; none for all targets.
            folder: Where the person stands.
            verb: Take those that this verb makes where a word stands for several.
            left_out: Also take what does not exist in this flavour: it has no key.

        Raises:
            InputError: A word names nothing, or one target that is left out.
        """
        if not words:
            wanted = set(self.graph.of_verb(verb)) if verb else set(self.graph.targets)
            everything = [label for label in self.graph.order if label in wanted]
            return everything if left_out else self._meant(everything, verb)
        found: dict[Label, None] = {}
        for word in words:
            labels = self._resolve(word, folder, verb, left_out=left_out)
            if not labels:
                raise InputError(f"{word} names nothing that {verb} makes", fix="./doitw list")
            found.update(dict.fromkeys(labels))
        return list(found)

    def _resolve(self, word: str, folder: str, verb: str, *, left_out: bool) -> list[Label]:
        """What one word stands for; see `resolve`."""
        if word in (BUILD, VERIFY):  # the name of a group of tasks stands for all of it
            return self.resolve((), verb=word, left_out=left_out)
        try:
            labels = self.graph.resolve([word], package=folder)
        except UnknownTarget:
            # A task of this verb, whose group need not be said twice: verify kernel-py:gateway.
            names = self.graph.task_names
            labels = [label for label in self.graph.of_verb(verb) if names[label] == word]
            if not labels:
                raise
        if left_out:
            return labels
        if len(labels) > 1:  # a pattern, or a folder
            return self._meant(labels, verb)
        self.refuse_left_out(labels)
        return labels

    def _meant(self, labels: Iterable[Label], verb: str) -> list[Label]:
        """Those of several that are meant though none was named alone."""
        there = [label for label in labels if label not in self.left_out]
        if not verb:
            return there
        ours = [label for label in there if self.graph[label].rule.verb == verb]
        return [label for label in ours if not self.graph[label].manual]

    def refuse_left_out(self, labels: Iterable[Label]) -> None:
        """Refuse to make what does not exist in this flavour.

        Raises:
            InputError: One of the targets is left out; with the reason.
        """
        for label in labels:
            if label in self.left_out:
                raise InputError(
                    f"{label} is left out: {self.left_out[label]}",
                    where=self.graph[label].where,
                    fix=f'FLAVOUR={self._flavour_of(label)}  # or flavour = "…" in {SETTINGS_FILE}',
                )

    def _flavour_of(self, label: Label) -> str:
        """A flavour in which what is left out may exist: its own, or that of what it needs."""
        for other in reversed(self.graph.closure([label])):
            flavours = self.graph[other].flavours if other in self.left_out else ()
            if flavours:
                return flavours[0]
        return self.settings.flavour

    @cached_property
    def left_out(self) -> dict[Label, str]:
        """Targets that do not exist in this flavour, each with the reason."""
        flavour = self.settings.flavour
        found: dict[Label, str] = {}
        if not any(target.flavours for target in self.graph.targets.values()):
            return found
        for label in self.graph.order:
            target = self.graph[label]
            needed = (dep.ref.label for dep in target.deps if not dep.by_name)
            missing = next((other for other in needed if other in found), None)
            if target.flavours and flavour not in target.flavours:
                found[label] = f"it exists in the flavour {' and '.join(target.flavours)} only"
            elif missing is not None:
                found[label] = f"it needs {missing}"
        return found

    def damaged(self, record: Record, ref: Reference) -> bool:
        """Whether a file that a record names is not in the content store, or not as it was made.

        Args:
            record: What was made.
            ref: What it was made for, to be named in a message.
        """
        whole = [
            self.store.check(made.sha256, made.size, what=f"{name} of {ref}")
            for name, made in record.files.items()
        ]
        return not all(whole)

    def missing(self, downloads: Iterable[Download]) -> list[Download]:
        """Those that the content store does not have whole, each digest once."""
        from buildlib.fetch.fetcher import missing

        return missing(self.store, downloads)

    def fetch(
        self,
        downloads: Sequence[Download],
        log: Callable[[str], None] | None = None,
        *,
        observer: Observer | None = None,
    ) -> None:
        """Bring files into the content store.

        Args:
            downloads: The files.
            log: Told that there is something to fetch.
            observer: Told how far it is; by default that is drawn on standard error.

        Raises:
            ActionError: A file cannot be had, or is not what the lock says.
        """
        missing = self.missing(downloads)
        if not missing:
            return
        from buildlib.fetch.fetcher import Fetcher
        from buildlib.fetch.progress import progress_for

        if log is not None:
            log(f"fetching {len(missing)} files")
        network = self.settings.network
        with nullcontext(observer) if observer else progress_for(sys.stderr) as progress:
            Fetcher(self.store, network, observer=progress, offline=self.offline).fetch(missing)


def in_ci() -> bool:
    """Whether this is a run of CI, as its environment says."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def _warn(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class _CodeCache:
    """The memo, as the loader's cache of compiled declarations."""

    def __init__(self, memo: Memo) -> None:
        self._memo = memo

    def get(self, key: Any) -> Any:
        return self._memo.get(("code", *key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._memo[("code", *key)] = value
