"""Tells pytest which test files need not run, and keeps those that pass.

With pytest-xdist, what is left out is decided once and told to the workers; each tells in the end
what its tests took.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.kept.passes import Keys, Passed, Passes, read_tree
from tests.support.kept.watch import Watch


def pytest_addoption(parser: pytest.Parser) -> None:
    """Without one of them, the plugin does nothing."""
    group = parser.getgroup("kept results")
    group.addoption("--kept", action="store_true", help="leave out files that passed before")
    group.addoption("--keep", action="store_true", help="run all files, and keep those that pass")


def pytest_configure(config: pytest.Config) -> None:
    """Be there only where asked for."""
    asked = config.option.kept or config.option.keep
    if not asked or config.option.collectonly or _runs_parts(config):
        return
    worker = getattr(config, "workerinput", None)
    plugin = Kept(config, worker["left_out"] if worker is not None else None)
    config.pluginmanager.register(plugin, "kept results")


def _runs_parts(config: pytest.Config) -> bool:
    """Whether somebody chose tests within files: that those pass says nothing of their files."""
    chosen = ("keyword", "deselect", "lf", "stepwise")
    within = any("::" in word for word in config.args) or "PYTEST_ADDOPTS" in os.environ
    return within or any(getattr(config.option, name, None) for name in chosen)


class Kept:
    """The plugin, in the process that reports and in each that runs tests.

    Args:
        config: Of pytest.
        left_out: What the process that reports has decided, in a worker.
    """

    def __init__(self, config: pytest.Config, left_out: list[str] | None) -> None:
        self._config = config
        self._root = str(config.rootpath)
        self._mode: str = config.option.markexpr
        self._worker = left_out is not None
        self._watch = Watch(self._root)
        self._found: dict[str, dict[str, Any]] = {}
        self._outcomes: dict[str, dict[str, bool]] = defaultdict(dict)
        self._ended: dict[str, set[str]] = defaultdict(set)
        self._left_out: dict[str, Passed] = {}
        self._ignored = frozenset(left_out or ())
        if self._worker:
            self._watch.start()
            return
        tree = read_tree(self._root)
        self._keys = None if tree is None else Keys(self._root, tree, *_images(self._mode))
        self._passes = Passes(self._root)
        if config.option.kept and self._keys is not None:
            self._decide()
        if not getattr(config.option, "numprocesses", None):
            self._watch.start()

    def _decide(self) -> None:
        assert self._keys is not None
        for test in self._keys.tests():
            passed = self._passes.find(test, self._mode, self._keys)
            if passed is not None:
                self._left_out[test] = passed
        self._ignored = frozenset(self._left_out)

    def _name(self, path: os.PathLike[str]) -> str:
        return os.path.relpath(path, self._root)

    # -- collecting

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker."""
        node.workerinput["left_out"] = sorted(self._ignored)

    def pytest_ignore_collect(self, collection_path: Any) -> bool | None:
        """Leave out a file; it is not even imported."""
        return True if self._name(collection_path) in self._ignored else None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """What a module reads when it is imported is taken by it."""
        self._watch.current = (
            self._name(collector.path) if isinstance(collector, pytest.Module) else ""
        )
        try:
            return (yield)
        finally:
            self._watch.current = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """See which files have tests for an engine, before those are deselected."""
        for item in items:
            about = self._found.setdefault(self._name(item.path), {"tests": 0, "engine": False})
            about["engine"] |= item.get_closest_marker("engine") is not None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what will run."""
        for name, count in Counter(self._name(item.path) for item in session.items).items():
            self._found[name]["tests"] = count

    # -- running

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Whatever is taken meanwhile is taken by this file."""
        self._watch.current = self._name(item.path)
        try:
            return (yield)
        finally:
            self._watch.current = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of a test."""
        expected = hasattr(report, "wasxfail") or "needs" in report.keywords
        fine = report.passed or (report.skipped and expected)
        name = report.nodeid.split("::", 1)[0]
        rows = self._outcomes[name]
        rows[report.nodeid] = rows.get(report.nodeid, True) and fine
        if report.when == "teardown":
            self._ended[name].add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker tells; one that crashed tells nothing, and nothing of it is kept."""
        told = getattr(node, "workeroutput", {}).get("kept", {})
        for name, about in told.items():
            self._found.setdefault(name, {"tests": 0, "engine": False}).update(about["found"])
            self._watch.seen.setdefault(name, set()).update(about["seen"])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Keep what passed."""
        if self._worker:
            self._config.workeroutput["kept"] = {  # type: ignore[attr-defined]
                name: {"found": about, "seen": sorted(self._watch.seen.get(name, ()))}
                for name, about in self._found.items()
            }
            return
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._left_out:
            session.exitstatus = pytest.ExitCode.OK
        tree = read_tree(self._root)
        if self._keys is None or tree is None:
            return
        now = Keys(self._root, tree, *_images(self._mode))
        for test, rows in self._outcomes.items():
            if not all(rows.values()):
                self._passes.drop(test, self._mode, self._keys)
        for test, about in self._found.items():
            fine = all(self._outcomes.get(test, {}).values())
            if fine and len(self._ended[test]) == about["tests"]:
                self._keep(test, about["tests"], self._keys, now, engine=about["engine"])
        self._passes.save()
        now.save()

    def _keep(self, test: str, tests: int, then: Keys, now: Keys, *, engine: bool) -> None:
        """Keep a pass, unless what it took was edited meanwhile."""
        if not now.can_tell(engine=engine, mode=self._mode):
            return
        seen = tuple(sorted(self._watch.seen.get(test, ())))
        key = then.key(test, self._mode, seen, engine=engine)
        if key == now.key(test, self._mode, seen, engine=engine):
            self._passes.add(test, Passed(self._mode, key, seen, tests, engine))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was left out."""
        if not self._left_out:
            return
        tests = sum(one.tests for one in self._left_out.values())
        folders = Counter(os.path.dirname(name) for name in self._left_out)
        where = ", ".join(f"{count} in {folder}" for folder, count in sorted(folders.items()))
        terminalreporter.write_line(
            f"left out: {len(self._left_out)} files, {tests} tests: passed before with the same "
            f"inputs (./doitw test -a runs them)\n  {where}"
        )
        if self._config.option.verbose > 0:
            for name in sorted(self._left_out):
                terminalreporter.write_line(f"  {name}")


def _images(mode: str) -> tuple[dict[str, str] | None, str]:
    """The family's images in the engine, and which engine that is."""
    if mode or os.environ.get("TEST_IMAGES"):
        return None, ""
    import docker
    import docker.errors

    try:
        client = docker.from_env()
        about, images = client.info(), client.api.images()
        client.close()
    except docker.errors.DockerException:
        return None, ""
    names = {
        tag.rpartition(":")[0].rpartition("/")[2]: str(image["Id"])
        for image in images
        for tag in image["RepoTags"] or ()
        if tag.startswith("elyra/") and tag.endswith(":dev")
    }
    return names, f"{about.get('ID')} {about.get('ServerVersion')} {about.get('DriverStatus')}"
