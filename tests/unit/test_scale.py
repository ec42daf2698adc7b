"""Twice as many targets cost twice as much: counted in operations, not in time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from buildlib.build import noop_cache
from buildlib.build.execution.session import Session
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Output
from tests.support.workspace import WorkspaceBuilder

N = 40
OLD = 0.1
"""Seconds after which a change is old enough to be cached."""
MOST = 2.4
"""Times as much for twice as many; what looks at each target for each would take four times."""

# Shapes of a graph of N images, each with a shared group of files and a file of its own.
CHAIN = 'f":i{number - 1}" if number else ":base"'
STAR = '":base"'
TREE = 'f":i{(number - 1) // 2}" if number else ":base"'

_BUILD = """
group = [f"g{{number}}" for number in range(3)]
filegroup(name="inner", srcs=group)
filegroup(name="group", srcs=[":inner"])
docker_image(name="base", dockerfile="base.docker", srcs=["base.txt"])
for number in range({size}):
    docker_image(
        name=f"i{{number}}",
        parent={parent},
        dockerfile="image.docker",
        srcs=[":group", f"own{{number}}"],
    )
"""
_IMAGE = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nCOPY g* own* /\n"


class Present(NamedTuple):
    """What an engine says of an image."""

    id: str
    tags: tuple[str, ...]


def made(folder: Path, size: int, parent: str) -> WorkspaceBuilder:
    """A workspace of `size` images on one base."""
    made = WorkspaceBuilder(folder, f"ws{size}")
    for number in range(3):
        made.file(f"p/g{number}")
    for number in range(size):
        made.file(f"p/own{number}", str(number))
    made.file("p/base.docker", "FROM scratch\nCOPY base.txt /\n").file("p/base.txt", "1")
    made.file("p/image.docker", _IMAGE)
    return made.build("p", _BUILD.format(size=size, parent=parent))


def record_all(workspace: Workspace) -> None:
    """Note all targets as built, each as an image that is called like it."""
    for label in workspace.graph.of_verb("build"):
        if workspace.graph[label].rule.is_built:
            record = workspace.keys.record(Reference(label))
            workspace.records.put(record, Output(image=label.name), 1.0, label=str(label))
            workspace.state.set_last_key(label, record.key)
    for record in workspace.keys.closure(Reference(workspace.graph.order[-1])):
        workspace.records.put_parts(record)


def there(references: list[str]) -> Mapping[str, Present | None]:
    """An engine that has all images, each with all its names."""
    found: dict[str, Present | None] = {}
    for reference in references:
        name = reference.rpartition("/")[2].partition(":")[0]
        found[reference] = Present(name, (f"elyra/{name}:dev",))
    return found


def operations(work: Callable[[], Any]) -> int:
    """How many operations of the interpreter a piece of work takes."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def load(workspace: Workspace) -> None:
    assert workspace.graph.order


def keys(workspace: Workspace) -> None:
    assert workspace.view.key_of_each()


def nothing_built(workspace: Workspace) -> None:
    assert len(workspace.planner.plan(workspace.resolve(()), there).steps) > N


def all_built(workspace: Workspace) -> None:
    assert not workspace.planner.plan(workspace.resolve(()), there).steps


def base_changed(workspace: Workspace) -> None:
    plan = workspace.planner.plan(workspace.resolve(()), there)
    assert {step.reason for step in plan.steps} == {
        "file base.txt changed",
        "file base.txt changed in //p:base",
    }


def each_step(workspace: Workspace) -> None:
    """What a session asks while it runs its targets."""
    workspace.presence = there  # type: ignore[assignment,method-assign]
    session = Session(workspace, say=lambda _: None)
    session.make_plan(workspace.resolve(()))
    session.chain_and_fan()
    for label in session.labels():
        assert not session.is_fresh(label)
        workspace.step(label)


def cached(workspace: Workspace) -> None:
    """What a run with nothing to do leaves, and what the next one does with it."""
    plan = workspace.planner.plan(workspace.resolve(()), there)
    workspace.cache_noop(("doitw", "plan"), plan, ["nothing"])
    assert noop_cache.repeat(("doitw", "plan"))


def downloads(workspace: Workspace) -> None:
    workspace.presence = there  # type: ignore[assignment,method-assign]
    session = Session(workspace, say=lambda _: None)
    session.make_plan(workspace.resolve(()))
    assert session.downloads() == []


PHASES: dict[str, tuple[bool, Callable[[Workspace], None]]] = {
    "load": (False, load),
    "keys": (False, keys),
    "nothing built": (False, nothing_built),
    "all built": (True, all_built),
    "base changed": (True, base_changed),
    "each step": (False, each_step),
    "downloads": (False, downloads),
    "cached": (True, cached),
}


@pytest.mark.parametrize("shape", [CHAIN, STAR, TREE], ids=["chain", "star", "tree"])
@pytest.mark.parametrize("phase", PHASES)
def test_twice_as_many_targets_cost_twice_as_much(
    tmp_path: Path, phase: str, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, work = PHASES[phase]
    costs = []
    for size in (N, N, 2 * N):  # the first time, modules are imported
        ws = made(tmp_path, size, shape)
        if built:
            record_all(ws.open())
        if phase == "base changed":
            ws.file("p/base.txt", "2")
        if phase == "cached":
            monkeypatch.setattr(noop_cache.gc, "disable", lambda: None)
            monkeypatch.chdir(ws.root)
            time.sleep(OLD)
        workspace = ws.open()
        if phase != "load":
            assert workspace.graph
        if phase not in ("load", "keys"):
            assert workspace.keys.record(Reference(workspace.graph.order[-1]))
            assert workspace.view.key_of_each()
        costs.append(operations(lambda now=workspace: work(now)))
    assert costs[-1] <= MOST * costs[-2], f"{costs[-2]} operations, then {costs[-1]}"


def test_a_chain_of_any_length_is_explained(tmp_path: Path) -> None:
    """Not by functions that call themselves: those end at a depth of a thousand."""
    size = 1200
    ws = WorkspaceBuilder(tmp_path).file("p/base.txt", "1")
    ws.build(
        "p",
        f"""
        filegroup(name="i0", srcs=["base.txt"])
        for number in range(1, {size}):
            filegroup(name=f"i{{number}}", srcs=[f":i{{number - 1}}"])
        """,
    )
    first, last = Label("p", "i0"), Label("p", f"i{size - 1}")
    workspace = ws.open()
    for record in workspace.keys.closure(Reference(last)):
        workspace.records.put_parts(record)
    workspace.state.set_last_key(last, workspace.keys.key(Reference(last)))
    ws.file("p/base.txt", "2")
    explainer = ws.open().explainer
    assert explainer.reason(last) == f"file base.txt changed in {first}"
    (leaf,) = explainer.changes(last) or ()
    assert (len(leaf.path), leaf.path[-1]) == (size, Reference(first))
