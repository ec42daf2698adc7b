"""One open workspace: a view of its files, and all that has effects, each made when first used.

The only place that puts view, stores, engine and registry together. Opening a workspace reads a few
small files; the engine is not asked before something has to know what it has.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from buildlib.build import noop_cache
from buildlib.core import fingerprint
from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import Keys
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.lock import Lock
from buildlib.core.model.output import DIST, Export
from buildlib.core.model.settings import OFF, Settings
from buildlib.core.model.target import Target
from buildlib.core.model.version import DEV
from buildlib.core.plan.explain import Explainer
from buildlib.core.plan.plan import Plan, Planner, Presence, Shared, Step
from buildlib.core.store.content import ContentStore, default_root
from buildlib.core.store.memo import Memo
from buildlib.core.store.records import Record, Records
from buildlib.core.store.state import State
from buildlib.core.trees.working import WorkingTree
from buildlib.core.view import View
from buildlib.errors import EngineUnavailable, InputError, Location

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.engine.protocol import Builder, Engine, Grant, ImageInfo
    from buildlib.engine.transfer import ImageTransport
    from buildlib.outside.fetch.progress import Observer
    from buildlib.outside.fetch.source import Download
    from buildlib.outside.registry.protocol import Registry

_INSPECTED = "asked"
"""State file: the images that the first plan of the last run inspected."""
_PARSERS = ("core/dockerfile", "core/dsl", "core/graph", "core/model")
"""The code that makes what the memo holds: parsed declarations, Dockerfiles, settings, lock."""
SUITE = "bookworm"
"""Debian suite of the images of flavour `debian`."""


def find_root(start: str) -> str:
    """Return the nearest folder, from `start` upwards, with a `dodo.py` and a `VERSION`.

    Raises:
        InputError: There is none.
    """
    found = noop_cache.find_root(start)
    if found is None:
        raise _no_root(os.path.realpath(start))
    return found


def _no_root(start: str) -> InputError:
    """The error for a folder that is in no workspace, or in one that lost one of the two files."""
    from shlex import quote

    names = (noop_cache.MARKER, noop_cache.VERSION_FILE)
    folder = start
    while folder != os.path.dirname(folder):
        there = [os.path.exists(f"{folder}/{name}") for name in names]
        if any(there) and os.path.exists(f"{folder}/.git"):
            name = names[there.index(False)]
            return InputError(
                f"the workspace {folder} has no {name}",
                where=Location(name, 0),
                fix=f"git -C {quote(folder)} checkout -- {name}",
            )
        folder = os.path.dirname(folder)
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return InputError(
        f"{start} is in no workspace (no {' and '.join(names)} above it)", fix=f"cd {quote(home)}"
    )


class Outside:
    """How a workspace reaches engines and registries.

    Attributes:
        transport: Moves images between the two; `buildlib.engine.transfer` where it is None.
    """

    transport: ImageTransport | None = None

    def ensure_engine(self) -> None:
        """Start or install an engine if none answers.

        Raises:
            EngineUnavailable: None may be made; `fix` says how to make one.
            ActionError: It could not be made.
        """
        from buildlib.engine.install import ensure_engine

        ensure_engine()

    def engine(self) -> Engine:
        """Return the engine that is configured or found; nothing is asked of it yet."""
        from buildlib.engine import connect

        return connect()

    def builder(self, notes: str) -> Builder:
        """Return what builds Dockerfiles; the file `notes` caches which docker client was found."""
        from buildlib.engine import builder

        return builder(notes=notes)

    def registry(self, host: str, *, quick: bool) -> Registry:
        """Return a registry (`host`, or `host:port`); nothing is asked of it yet.

        With `quick` it gives up soon when the registry does not answer.
        """
        from buildlib.outside.registry.client import connect
        from buildlib.outside.web.retry import PATIENT, QUICK

        return connect(host, retry=QUICK if quick else PATIENT, tell=_warn)


class Workspace:
    """The workspace at a root.

    Args:
        root: Absolute path.
        store_root: Folder of built files, downloads and records; by default the one that all
            workspaces of the machine share.
        overrides: Settings given for this run (`organization`, `registry`, `flavour`).
        version: The version to see it under, for a release; by default that of VERSION.
    """

    def __init__(
        self,
        root: str,
        *,
        store_root: str = "",
        overrides: Mapping[str, str] | None = None,
        version: str = "",
        outside: Outside | None = None,
    ) -> None:
        self.root = root
        self.overrides = dict(overrides or {})
        self.outside = outside or Outside()
        self._version = version
        self.state = State(root)
        self.store = ContentStore(store_root or default_root(), warn=_warn)
        self.records = Records(f"{store_root or default_root()}/records")
        self.offline = False
        self.registry_answers: dict[str, Entry | None] = {}
        """What the registry has or lacks, by key: a run asks for no key twice."""
        self.asks_registry = True
        """Whether builds ask the registry; False once it refused or did not answer."""
        self._memo = Memo(self.state.path("memo"), fingerprint.stamp(*_PARSERS))
        self._inspected: list[str] = []
        self._began = time.time_ns()

    # -- what is declared ------------------------------------------------------------------------

    @cached_property
    def tree(self) -> WorkingTree:
        return WorkingTree(self.root, noop_cache.index_of(self.root))

    @cached_property
    def view(self) -> View:
        return View(self.tree, self.overrides, self._version, memo=self._memo, checked=True)

    @property
    def settings(self) -> Settings:
        """`[tool.buildlib]`, with the overrides of this run."""
        return self.view.settings

    @property
    def version(self) -> str:
        """The version under development, or that of a release."""
        return self.view.version

    @property
    def channel(self) -> str:
        """The tag that people use for what is built here."""
        return self.view.channel

    @property
    def lock(self) -> Lock:
        return self.view.lock

    @property
    def graph(self) -> Graph:
        return self.view.graph

    @property
    def keys(self) -> Keys:
        return self.view.keys

    @property
    def left_out(self) -> Mapping[Label, str]:
        """Targets that do not exist in this flavour, each with the reason."""
        return self.view.left_out

    def resolve(
        self, words: Sequence[str], *, folder: str = "", verb: str = "", left_out: bool = False
    ) -> list[Label]:
        return self.view.resolve(words, folder=folder, verb=verb, left_out=left_out)

    @cached_property
    def explainer(self) -> Explainer:
        return Explainer(self.graph, self.keys, self.records, self.state)

    def renew(self) -> None:
        """Forget what was read, after a file of the workspace was written."""
        partial = self.view.partial
        for name in (
            "view",
            "explainer",
            "planner",
            "registry",
            "shared_for_builds",
            "shared_store",
        ):
            self.__dict__.pop(name, None)
        self.view.partial = partial

    def save(self) -> None:
        """Save what makes the next run faster."""
        if "tree" in self.__dict__:
            self.tree.index.save()
        if self._inspected:
            self.state.set_lines(_INSPECTED, self._inspected)
        self.state.save()
        self.store.save()
        self._memo.save()

    def cache_noop(self, words: Sequence[str], plan: Plan, said: Sequence[str]) -> None:
        """Let the same words say the same at once, as long as nothing is to be done.

        Args:
            words: The command line, as `noop_cache.repeat` takes it; none for what is not cached.
            said: The lines of its answer.
        """
        if not plan.is_done or self.graph.errors:
            noop_cache.remove(self.root, words)
            return
        engine = self.__dict__.get("engine")
        socket, from_engine, answers = "", [], {}
        if engine is not None:
            from buildlib.engine import find
            from buildlib.engine.api import EngineClient

            if not isinstance(engine, EngineClient) or engine.endpoint.scheme != "unix":
                return
            socket, answers = engine.endpoint.path, engine.said
            from_engine = find.looked_at(engine.endpoint)
        index = self.tree.index
        index.save()
        others = index.others(self.tree.stamped)
        if words and plan.engine_asked and others is not None:
            here = [f"{self.root}/{path}" for path in (noop_cache.MARKER, *self.tree.looked_at)]
            noop_cache.put(
                self.root,
                words,
                "".join(f"{line}\n" for line in said),
                began=self._began,
                files=[*here, *self.records.looked_at, *self.state.looked_at, *from_engine],
                index=index.token,
                others=others,
                sizes=self.store.found,
                socket=socket,
                answers=answers,
            )

    # -- engine, registry, plans -----------------------------------------------------------------

    @cached_property
    def engine(self) -> Engine:
        """The engine that is configured or found.

        Raises:
            EngineUnavailable: None answers.
        """
        return self.outside.engine()

    @cached_property
    def builder(self) -> Builder:
        return self.outside.builder(self.state.path("client"))

    def presence(self, references: list[str]) -> Mapping[str, ImageInfo | None] | None:
        """Return what the engine has of these references; None where no engine answers."""
        try:
            return self.engine.inspect(references)
        except EngineUnavailable:
            return None

    @cached_property
    def registry(self) -> Registry | None:
        """The registry of the settings; None where none is set. Nothing is asked of it yet."""
        return self.connect(self.settings.registry) if self.settings.registry else None

    def connect(self, registry: str, *, quick: bool = False) -> Registry:
        """Return any registry, by host (with or without a path); nothing is asked of it yet.

        With `quick` it gives up soon when the registry does not answer: for what a build can do
        without.
        """
        return self.outside.registry(registry.partition("/")[0], quick=quick)

    @property
    def role(self) -> str:
        """What builds use the registry for: `off` where none is set, or offline."""
        if not self.settings.registry or self.offline:
            return OFF
        share = self.settings.share
        return share.ci if in_ci() else share.default

    @cached_property
    def shared_for_builds(self) -> SharedStore | None:
        """The registry as a store for builds; None where the role is `off`."""
        return None if self.role == OFF else self.shared_store

    @cached_property
    def shared_store(self) -> SharedStore | None:
        """The registry as a store, whatever the role; None where no registry is set."""
        return self.shared_store_of(self.settings.registry) if self.settings.registry else None

    def shared_store_of(self, registry: str) -> SharedStore:
        """Return any registry as a store, by host and path; keys stay those of the settings."""
        from buildlib.build.sharing.shared_store import SharedStore

        return SharedStore(
            self.connect(registry),
            self.settings._replace(registry=registry),
            self.records,
            self.store,
            platform=self.settings.platform,
            warn=_warn,
            transport=self.outside.transport,
            quick=self.connect(registry, quick=True),
        )

    def grants(self) -> tuple[Grant, ...]:
        """Return what a build with a network is lent: the CA bundle and the mirrors, as secrets."""
        from buildlib.engine.secrets import grants_for

        suite = SUITE if self.settings.flavour == "debian" else ""
        return grants_for(self.settings.network, suite=suite)

    def refuse_missing_secrets(self, target: Target) -> None:
        """Refuse to build a target if one of its secrets is not there."""
        if target.secrets:
            from buildlib.engine.secrets import value_of

            try:
                for secret in target.secrets:
                    value_of(secret, os.environ)
            except InputError as error:
                error.where = target.where
                raise

    @cached_property
    def planner(self) -> Planner:
        return Planner(
            self.view,
            self.records,
            self.store,
            self.state,
            exports=self.export,
            explain=self.explainer.reason,
        )

    def plan(
        self,
        roots: Iterable[Label],
        *,
        force: bool = False,
        shared: Shared | None = None,
        drafts: bool = False,
    ) -> Plan:
        """Return what a build of some targets would do; `Planner.plan` tells of the arguments."""
        presence = self.presence if self._inspected else self._first_presence()
        return self.planner.plan(roots, presence, force=force, shared=shared, drafts=drafts)

    def step(self, label: Label, *, force: bool = False) -> Step:
        """Return what a build would do with one target now."""
        return self.planner.step(label, self.presence, force=force)

    def _first_presence(self) -> Presence:
        """Return a `presence` for the first plan of a run, which asks the engine early.

        It sends the questions of the last run at once: the engine answers while we look at files.
        They are a guess; what they miss is asked when it is needed.
        """
        guess = self.state.lines(_INSPECTED)
        early = None
        if guess:
            with suppress(EngineUnavailable, InputError):
                early = self.engine.start_inspect(guess)

        def presence(references: list[str]) -> Mapping[str, ImageInfo | None] | None:
            nonlocal early
            answers: Mapping[str, ImageInfo | None] = {}
            self._inspected = self._inspected or references
            if early:
                with suppress(EngineUnavailable):
                    answers = early()
                early = None
            rest = [name for name in references if name not in answers]
            images = self.presence(rest) if rest else {}
            return None if images is None else {**answers, **images}

        return presence

    def export(self, target: Target) -> Export | None:
        """Return the file of a target that is written to the workspace, too; its path is absolute.

        Release files lie in a folder of their version; those of a development version do not.
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
        return f"{self.root}/{DIST}/{self.version}"

    def damaged(self, record: Record, ref: Reference) -> bool:
        """Whether a file of a record is missing from the content store, or damaged.

        `ref` is what the record belongs to, for messages.
        """
        intact = [  # of all files, so that each damaged one is reported
            self.store.check(file.sha256, file.size, what=f"{name} of {ref}")
            for name, file in record.files.items()
        ]
        return not all(intact)

    def missing(self, downloads: Iterable[Download]) -> list[Download]:
        """Return the downloads that the content store lacks, each digest once."""
        from buildlib.outside.fetch.source import missing

        return missing(self.store, downloads)

    def fetch(
        self,
        downloads: Sequence[Download],
        log: Callable[[str], None] | None = None,
        *,
        observer: Observer | None = None,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        """Fetch files into the content store; by default, progress is shown on standard error.

        Args:
            log: Takes a line about how much is fetched.
            observer: Takes the progress instead.
            tell: Takes a line about each server that makes us wait instead.

        Raises:
            ActionError: A file cannot be had, or is not what the lock says.
        """
        missing = self.missing(downloads)
        if not missing:
            return
        from buildlib.outside.fetch.fetcher import Fetcher
        from buildlib.outside.fetch.progress import progress_for

        if log is not None:
            log(f"fetching {len(missing)} files")
        network = self.settings.network
        with progress_for(sys.stderr) as progress:
            Fetcher(
                self.store,
                network,
                observer=observer or progress,
                offline=self.offline,
                tell=tell or progress.tell,
            ).fetch(missing)


def in_ci() -> bool:
    """Whether this is a run of CI, as the variable `CI` says."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def _warn(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
