"""One workspace, opened: a view of its files, and all that has effects, each made when asked for.

The only place where view, stores, engine and registry are put together. Opening reads a few small
files; the engine is not asked before something has to know what is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from buildlib.core import fingerprint
from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import Keys
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.lock import Lock
from buildlib.core.model.output import DIST, Export
from buildlib.core.model.settings import OFF, Settings
from buildlib.core.model.target import Target
from buildlib.core.model.version import DEV
from buildlib.core.model.version import FILE as VERSION_FILE
from buildlib.core.plan.explain import Explainer
from buildlib.core.plan.plan import Plan, Planner, Presence, Shared, Step
from buildlib.core.store.content import ContentStore, default_root
from buildlib.core.store.memo import Memo
from buildlib.core.store.records import Record, Records
from buildlib.core.store.state import State
from buildlib.core.trees.working import WorkingTree
from buildlib.core.view import View
from buildlib.errors import EngineUnavailable, InputError

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared import SharedStore
    from buildlib.engine.protocol import Builder, Engine, Grant, ImageInfo
    from buildlib.engine.transfer import ImageTransport
    from buildlib.outside.fetch.progress import Observer
    from buildlib.outside.fetch.source import Download
    from buildlib.outside.registry.protocol import Registry

_ASKED = "asked"
"""What the first plan of a run asked the engine for."""
_PARSERS = ("core/dockerfile", "core/dsl", "core/graph", "core/model")
"""The code that makes what is remembered of declarations, Dockerfiles, settings and lock."""
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


class Outside:
    """How a workspace reaches what is outside of it: engines and registries.

    Attributes:
        transport: Moves images between the two; `buildlib.engine.transfer` where it is None.
    """

    transport: ImageTransport | None = None

    def ensure_engine(self) -> None:
        """Make an engine where there is none.

        Raises:
            EngineUnavailable: None may be made; `fix` says how to make one.
            ActionError: It could not be made.
        """
        from buildlib.engine.install import ensure_engine

        ensure_engine()

    def engine(self) -> Engine:
        """The engine that is configured or found; nothing is asked of it yet."""
        from buildlib.engine import connect

        return connect()

    def builder(self, notes: str) -> Builder:
        """What builds Dockerfiles on the engine.

        Args:
            notes: File that keeps which docker client was found.
        """
        from buildlib.engine import builder

        return builder(notes=notes)

    def registry(self, host: str, *, quick: bool) -> Registry:
        """A registry; nothing is asked of it yet.

        Args:
            host: With its port, where it has one.
            quick: Give up soon when it does not answer.
        """
        from buildlib.outside.registry.client import connect
        from buildlib.outside.web.retry import PATIENT, QUICK

        return connect(host, retry=QUICK if quick else PATIENT)


class Workspace:
    """The workspace at a root.

    Args:
        root: Absolute path.
        store_root: Where built files, downloads and records are kept; by default the one all
            workspaces of the machine share.
        overrides: Settings given for this run (`organization`, `registry`, `flavour`).
        version: The version that it is seen under, for a release; by default that of VERSION.
        outside: How engines and registries are reached.
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
        self.answers: dict[str, Entry | None] = {}
        """What the registry has or lacks, by key: nothing is asked twice in a run."""
        self.asks_registry = True
        """Whether it is asked while building: no more, once it did not answer or refused."""
        self._memo = Memo(self.state.path("memo"), fingerprint.stamp(*_PARSERS))
        self._asked: list[str] = []

    # -- what is declared ------------------------------------------------------------------------

    @cached_property
    def tree(self) -> WorkingTree:
        """The files."""
        return WorkingTree(self.root, self.state.path("index"))

    @cached_property
    def view(self) -> View:
        """What the files declare."""
        return View(self.tree, self.overrides, self._version, memo=self._memo, checked=True)

    @property
    def settings(self) -> Settings:
        """`[tool.buildlib]`, with what this run overrides."""
        return self.view.settings

    @property
    def version(self) -> str:
        """The version that is seen: the one under development, or that of a release."""
        return self.view.version

    @property
    def channel(self) -> str:
        """The tag that people use for what is built here."""
        return self.view.channel

    @property
    def lock(self) -> Lock:
        """The pins."""
        return self.view.lock

    @property
    def graph(self) -> Graph:
        """All targets, checked as far as declarations and Dockerfiles tell."""
        return self.view.graph

    @property
    def keys(self) -> Keys:
        """The keys of the targets."""
        return self.view.keys

    @property
    def left_out(self) -> Mapping[Label, str]:
        """Targets that do not exist in this flavour, each with the reason."""
        return self.view.left_out

    def resolve(
        self, words: Sequence[str], *, folder: str = "", verb: str = "", left_out: bool = False
    ) -> list[Label]:
        """Targets that a person names; see `View.resolve`."""
        return self.view.resolve(words, folder=folder, verb=verb, left_out=left_out)

    @cached_property
    def explainer(self) -> Explainer:
        """Says why a key is not what it was."""
        return Explainer(self.graph, self.keys, self.records, self.state)

    def renew(self) -> None:
        """Forget what was read, after a file of the workspace was written."""
        for name in ("view", "explainer", "planner", "registry", "shared", "sharing"):
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
        return self.outside.engine()

    @cached_property
    def builder(self) -> Builder:
        """What builds Dockerfiles on the engine."""
        return self.outside.builder(self.state.path("client"))

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
        return self.outside.registry(registry.partition("/")[0], quick=quick)

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
        from buildlib.build.sharing.shared import SharedStore

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
        """What a build with a network is lent: the CA bundle and the mirrors, as secrets."""
        from buildlib.engine.secrets import grants_for

        suite = SUITE if self.settings.flavour == "debian" else ""
        return grants_for(self.settings.network, suite=suite)

    @cached_property
    def planner(self) -> Planner:
        """Makes plans of this workspace."""
        return Planner(
            self.view,
            self.records,
            self.store,
            self.state,
            exports=self.export,
            explain=self.explainer.reason,
        )

    def plan(
        self, roots: Iterable[Label], *, force: bool = False, shared: Shared | None = None
    ) -> Plan:
        """What a build of some targets would do; `shared` is asked as `Planner.plan` says."""
        presence = self.presence if self._asked else self._first_presence()
        return self.planner.plan(roots, presence, force=force, shared=shared)

    def step(self, label: Label, *, force: bool = False) -> Step:
        """What a build would do with one target now."""
        return self.planner.step(label, self.presence, force=force)

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
        from buildlib.outside.fetch.fetcher import missing

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
        from buildlib.outside.fetch.fetcher import Fetcher
        from buildlib.outside.fetch.progress import progress_for

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
