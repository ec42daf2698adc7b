"""The table at the end of `./doitw verify`: what reports say, whatever their columns mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildlib.build.workspace import Workspace
from buildlib.cli.commands.verify import details, table
from buildlib.errors import UnknownTarget

ROOT = Path(__file__).resolve().parents[2]


def report(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"columns": ["idle", "task", "interrupt", "spark"], "rows": list(rows), "cases": []}


def row(name: str, times: dict[str, float], *, cases: int = 3, failed: int = 0) -> dict[str, Any]:
    return {"name": name, "cases": cases, "failed": failed, "seconds": 12.34, "times": times}


def test_a_row_for_each_proof_and_each_kernelspec_in_one_order_of_columns() -> None:
    lines = table(
        {
            "kernel-py": report(row("", {"idle": 0.904, "interrupt": 0.02})),
            "kernel-py:gateway": report(
                row("", {}), row("python_docker", {"idle": 1.25, "task": 10.0}, failed=2)
            ),
            "kernel-r": None,
        }
    )
    assert [line.split() for line in lines] == [
        ["seconds", "idle", "task", "interrupt", "all", "cases"],
        ["kernel-py", "0.90", "0.02", "12.3", "3", "well"],
        ["kernel-py:gateway", "12.3", "3", "well"],
        ["kernel-py:gateway", "python_docker", "1.2", "10.0", "12.3", "2", "of", "3", "FAILED"],
        ["kernel-r", "not", "proved"],
    ]
    end = lines[0].index("interrupt") + len("interrupt")
    assert lines[1][:end].endswith("0.02")


def test_each_case_has_a_line_where_they_are_asked_for() -> None:
    cases = [
        {"name": "a", "ok": True, "seconds": 1, "message": "fine", "tried": True},
        {"name": "b", "ok": False, "seconds": 2, "message": "seen", "tried": True},
        {"name": "c", "ok": False, "seconds": 0, "message": "no kernel", "tried": False},
    ]
    lines = details({"kernel-py": {"cases": cases}, "kernel-r": None})
    assert [" ".join(line.split()) for line in lines] == [
        "kernel-py a ok 1.00 s fine",
        "kernel-py b FAILED 2.00 s seen",
        "kernel-py c not tried 0.00 s no kernel",
    ]


def test_every_kernelspec_for_docker_and_every_kernel_image_is_proved() -> None:
    graph = Workspace(str(ROOT)).graph
    proofs: dict[str, dict[str, list[str]]] = {}
    for label in graph.of_verb("verify"):
        target = graph[label]
        image = next(str(dep.ref.label) for dep in target.deps if dep.kind == "image")
        started = [dep.ref.label.name for dep in target.deps if dep.kind == "name"]
        proofs.setdefault(image, {})[label.name] = started
    named = [
        target
        for target in graph.targets
        if graph[target].rule.kind == "kernelspec"
        and graph[target].attrs["process_proxy"].endswith(".DockerProcessProxy")
        and "_gpu_" not in target.name  # its image is of another flavour, and wants a GPU
    ]
    assert named
    for label in named:
        image = next(str(d.ref.label) for d in graph[label].deps if d.kind == "image_name")
        assert label.name in proofs[image]["gateway"], f"{label} is in no proof of {image}"
        assert "verify" in proofs[image], f"{image} has no proof of its contract"


def test_an_edit_of_a_kernel_image_concerns_its_own_proofs_only() -> None:
    graph = Workspace(str(ROOT)).graph
    proofs = [label for label in graph.of_verb("verify") if label.package.startswith("images/")]
    assert proofs
    for label in proofs:
        below = {str(found) for found in graph.closure([label])}
        kernels = {name for name in below if name.startswith("//images/kernel-")}
        own = 0 if label.package.endswith("-demo") else 1  # kernels of the demo are in it
        assert len([name for name in kernels if ":" not in name]) == own, label


def test_a_proof_is_named_without_its_group_after_verify() -> None:
    workspace = Workspace(str(ROOT))
    both = workspace.resolve(["kernel-py"], verb="verify")
    one = workspace.resolve(["kernel-py:gateway"], verb="verify")
    assert [str(label) for label in (*both, *one)] == [
        "//images/kernel-py",
        "//images/kernel-py:gateway",
    ]
    with pytest.raises(UnknownTarget):
        workspace.resolve(["kernel-py:gateway"], verb="build")
