"""A workspace with a fake engine and builder, and the verbs of the front door run in-process.

    shop = Workshop(tmp_path)                     # or the fixture `shop`
    shop.image("images/a")
    shop.build_targets("//images/a")              # a session, as `./doitw build` drives it
    shop.verb("release", "VERSION=2.5.0").code    # a whole command line

Each question opens the workspace anew, as a new run does; engine, builder and store stay.
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.lock.debian import OFFICIAL
from buildlib.build.workspace import Outside, Workspace
from buildlib.core.model.label import Label, Reference, parse_label
from buildlib.core.model.lock import Entry, Item, Lock
from buildlib.core.model.target import image_name
from buildlib.core.plan.plan import Plan, Step
from buildlib.core.store import names
from buildlib.core.store.content import ContentStore
from buildlib.core.store.records import Record
from buildlib.core.store.state import flat
from buildlib.outside.debian.apt import MINIMAL, Archive, system_script
from tests.fakes.engine import FakeBuilder, FakeEngine
from tests.fakes.registry import FakeRegistry
from tests.fakes.sharing import FakeLine, FakeShared, Shelf
from tests.fakes.transport import FakeTransport
from tests.support.workspace import WorkspaceBuilder, digest

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- All of it.\n"


class Told(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def fixes(self) -> list[str]:
        """The lines to paste, of both streams."""
        lines = (self.out + "\n" + self.err).splitlines()
        return [line.strip()[len("fix: ") :] for line in lines if line.strip().startswith("fix: ")]


class FakeOutside(Outside):
    """What stands for engine and registries: the fakes that a workshop has now."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self.transport = shop.transport

    def ensure_engine(self) -> None:
        """There is one."""

    def engine(self) -> FakeEngine:
        return self._shop.engine

    def builder(self, notes: str) -> FakeBuilder:
        return self._shop.builder

    def registry(self, host: str, *, quick: bool) -> FakeRegistry | FakeLine:
        return FakeLine(self._shop.shelf, host) if self._shop.shelf else self._shop.registry


class Workshop(WorkspaceBuilder):
    """A workspace of a test, with fakes; see the module."""

    def __init__(self, folder: Path, name: str = "ws") -> None:
        super().__init__(folder, name)
        self.engine = FakeEngine()
        self.builder = FakeBuilder(self.engine)
        self.registry = FakeRegistry()
        self.transport = FakeTransport(self.engine, self.registry)
        self.said: list[str] = []
        self.real = False
        self.shelf: Shelf | None = None
        """A shared store; none stands in for the registry of the settings when None."""

    # -- asking ------------------------------------------------------------------------------

    def open(self, **how: Any) -> Workspace:
        """The workspace, as a new run sees it; `how` is as `Workspace` takes it."""
        return self.lend(str(self.root), **{"store_root": str(self.store), **how})

    def lend(self, root: str, **how: Any) -> Workspace:
        """A workspace that has the fakes."""
        if self.real:
            return Workspace(root, **how)
        workspace = Workspace(root, **how, outside=FakeOutside(self))
        shelf = self.shelf
        if shelf is not None:
            warn = self.said.append
            workspace.shared_store_of = lambda name: FakeShared(shelf, workspace, name, warn)
        return workspace

    def plan(self, *labels: str) -> Plan:
        """What a build would do now."""
        workspace = self.open()
        return workspace.plan(workspace.resolve(labels))

    def action(self, label: str) -> str:
        """What a build would do with a target now."""
        return self.step(label).action

    def step(self, label: str) -> Step:
        """A target's step, fresh or not."""
        plan = self.plan(label)
        return next(s for s in (*plan.steps, *plan.fresh) if s.label == parse_label(label))

    def key(self, label: str) -> str:
        """The key of a target now."""
        return self.open().keys.key(Reference(parse_label(label)))

    def record(self, label: str, key: str = "") -> Record | None:
        """What was recorded for a target, at the key it has now or another."""
        return self.open().records.get(key or self.key(label))

    def tag(self, label: str, tag: str = "dev") -> str | None:
        """The image behind a target's name, or None."""
        workspace = self.open()
        name = image_name(workspace.graph[parse_label(label)])
        return self.engine.resolve(names.channel_tag(workspace.settings, name, tag))

    def content_tag(self, label: str, key: str = "") -> str:
        """The content tag of a target, at the key it has now or another."""
        workspace = self.open()
        name = image_name(workspace.graph[parse_label(label)])
        return names.content_tag(workspace.settings, name, key or self.key(label))

    def made(self, label: str, name: str) -> Path:
        """A file that was built."""
        record = self.record(label)
        assert record is not None, f"{label} has no record"
        return Path(ContentStore(str(self.store)).path(record.files[name].sha256))

    def staged(self, label: str) -> Path:
        """The build context of a target, as it was last filled."""
        (folder,) = (self.root / ".buildlib/stage" / flat(parse_label(label))).glob("context-*")
        return folder

    def members(self, label: str, name: str) -> dict[str, tarfile.TarInfo]:
        """The entries of a tar that was built."""
        with tarfile.open(self.made(label, name)) as tar:
            return {entry.name: entry for entry in tar}

    # -- another machine ---------------------------------------------------------------------

    def new_machine(self, *, containerd: bool = False) -> None:
        """Go on with an empty engine and an empty store; the registry stays as it is.

        Args:
            containerd: Whether the engine calls images by the digests of their manifests.
        """
        self.new_engine(containerd=containerd)
        self.store = self.store.with_name(f"{self.store.name}+")

    def new_engine(self, *, containerd: bool = False) -> None:
        """Go on with an empty engine; what this machine has recorded stays."""
        self.engine = FakeEngine(containerd=containerd)
        self.builder = FakeBuilder(self.engine)
        self.transport = FakeTransport(self.engine, self.registry)

    # -- doing -------------------------------------------------------------------------------

    def session(
        self,
        workspace: Workspace | None = None,
        *,
        force: bool = False,
        relock: Callable[[str, Label], None] | None = None,
    ) -> Session:
        """A session that notes what it says in `said`."""
        workspace = workspace or self.open()
        return Session(workspace, say=self.said.append, force=force, relock=relock)

    def build_targets(self, *labels: str, force: bool = False) -> Session:
        """Build as `./doitw build` does, one target after the other."""
        session = self.session(force=force)
        session.start(session.workspace.resolve(labels))
        build_in_order(session)
        session.workspace.save()
        return session

    def stored(self, data: bytes) -> str:
        """Put a file into the content store, as if it had been fetched."""
        return ContentStore(str(self.store)).add_bytes(data)

    def pin(self, section: str, label: str, items: Mapping[str, Item]) -> None:
        """Write one entry of the lock, for what the declaration asks for."""
        lock = self._lock()
        target = self.open().graph[parse_label(label)]
        asked = next(pin.asked for pin in target.pins if pin.section == section)
        lock.setdefault(section, {})[str(target.label)] = Entry(asked, items)
        self.lock(lock)

    def _lock(self) -> dict[str, dict[str, Entry]]:
        return self.read_lock() if (self.root / "images.lock").exists() else {}

    def network(self, *, apt: str = "", pypi: str = "", maven: str = "") -> None:
        """Set the mirrors."""
        text = (self.root / "pyproject.toml").read_text().partition("[tool.buildlib.network]")[0]
        given = {"apt": apt, "pypi": pypi, "maven": maven}
        rows = [f'{name} = "{url}"' for name, url in given.items() if url]
        table = "\n".join(["[tool.buildlib.network]", *rows])
        self.file("pyproject.toml", f"{text}{table}\n")

    def offer(
        self,
        versions: Mapping[str, str],
        *,
        paths: Mapping[str, str] | None = None,
        expired: tuple[str, ...] = (),
        earlier: bool = True,
    ) -> None:
        """Let apt know these packages, beside a minimal system's, for each declared `rootfs`.

        Args:
            versions: By package; what each holds is its name and version.
            paths: Where a package lies in the archive, if not at `debian/pool/NAME.deb`.
            expired: Suites whose time is over.
            earlier: Whether the engine has the root file systems from before, whose apt is asked;
                else it has Debian's image only.
        """
        workspace = self.open()
        settings = workspace.settings
        known = {**dict.fromkeys(MINIMAL, "1"), **versions}
        self.engine.add(OFFICIAL)
        for target in workspace.graph.targets.values():
            if target.rule.kind != "rootfs":
                continue
            if earlier:
                self.engine.add(names.channel_tag(settings, image_name(target), "earlier"))
            asked = target.pins[0].asked
            arch = target.platform.split("/")[1]
            wanted = sorted({*MINIMAL, *asked})
            lines = [f"expired {suite}" for suite in expired]
            unknown = [name for name in wanted if name not in known]
            if unknown:
                lines += [f"unknown {name}" for name in unknown]
                lines += [f"known {name}" for name in sorted(known)]
            else:
                lines += [
                    f"'{settings.network.apt}/{(paths or {}).get(name, f'debian/pool/{name}.deb')}'"
                    f" {name}_{known[name]}_{arch}.deb {len(f'{name} {known[name]}')}"
                    f" SHA256:{digest(f'{name} {known[name]}')}"
                    for name in wanted
                ]
            self.engine.teach(
                system_script(asked, Archive(settings.network.apt), arch=arch),
                stdout="\n".join([*lines, "end of answer", ""]),
            )

    def strict(self) -> None:
        """Set `strict`, as CI does."""
        path = self.root / "pyproject.toml"
        path.write_text(
            path.read_text().replace("[tool.buildlib]\n", "[tool.buildlib]\nstrict = true\n")
        )

    def start_git(self) -> None:
        """Commit what is there as a developer would, so that it can be released."""
        self.file("CHANGELOG.md", CHANGELOG).file(".gitignore", "/.buildlib/\n/dist/\n")
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.commit_all()

    def commit_all(self) -> None:
        """Commit all there is, but for what git ignores."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "Change something")

    def snapshot(self) -> dict[str, bytes]:
        """The files of the workspace, but for its state."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".buildlib" not in path.parts
        }


class Verbs:
    """The front door of a workshop.

    Args:
        shop: The workshop.
        monkeypatch: Undoes what is changed of the process.
        capsys: Takes what is printed.
    """

    def __init__(
        self,
        shop: Workshop,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self._shop = shop
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(shop.root)
        # A signal handler of ours would end the tests.
        monkeypatch.setattr("buildlib.build.execution.signals.install", lambda *_: None)
        monkeypatch.setattr("buildlib.cli.common.Workspace", shop.lend)

    def __call__(self, *words: str) -> Told:
        """Run one command line."""
        from doit import cmd_run

        from buildlib.cli.main import main

        # doit has taken the stdout that was there when it was first imported: an earlier test's.
        self._monkeypatch.setitem(cmd_run.opt_outfile, "default", sys.stdout)
        self._monkeypatch.setenv("BUILDLIB_STORE", str(self._shop.store))
        self._capsys.readouterr()
        code = main(words)
        return Told(code, *self._capsys.readouterr())


def deb(name: str, version: str) -> tuple[str, bytes, Item]:
    """Path in an archive, content and pin of something that is called a package."""
    path = f"debian/pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb"
    data = f"{name} {version}".encode()
    return path, data, Item(version, digest(data.decode()), len(data), path)


def lock_of(section: str, name: str, asked: tuple[str, ...], items: Mapping[str, Item]) -> Lock:
    """A lock of one entry."""
    return {section: {name: Entry(asked, items)}}
