"""What `python -m verify` says and how it ends, as far as that needs no engine."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import parse_label
from verify import __main__ as command
from verify import results, stopping
from verify.cases import NAMES, cases
from verify.checks import groups_of
from verify.gateway_cases import cases as gateway_cases
from verify.languages import LANGUAGES
from verify.results import FAULT, Board, Case, Result
from verify.rules import RULES, Broken, Late, NotTried
from verify.server import repository
from verify.tasks import task_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def signals_as_before():
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def breaks(rule, kind=Broken):
    def run():
        raise kind(rule, f"seen {rule}")

    return run


def run(*named):
    out = io.StringIO()
    found = results.run([Case(name, "", what) for name, what in named], Board(out))
    return found, out.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["an/image", "--case", "interupt"], "did you mean interrupt?"),
        (["an/image", "--case", "cook"], "there are report, execute"),
        (["--gateway", "an/image", "--case", "cullin"], "did you mean culling?"),
        (["--list", "--language", "pyton"], "did you mean python?"),
        (["an/image", "--swarm"], "--gateway IMAGE"),
        (["an/image", "another"], "name one image"),
        (["an/image", "--kernels-only"], "--gateway IMAGE"),
        ([], "name one image"),
        (["an/image", "--timeout", "0"], "--timeout is 0"),
        (["an/image", "--timeout", "soon"], "--timeout"),
    ],
)
def test_wrong_input_is_refused_at_once(words, said, capsys):
    assert command.main(words) == 3
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("words", [["--list"], ["--list", "--gateway", "x"]])
def test_cases_are_listed(words, capsys):
    assert command.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 10
    assert all(len(line.split()) > 3 for line in lines)


def test_no_engine_is_an_error_with_a_way_out():
    env = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(
        [sys.executable, "-m", "verify", "an/image"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no Docker Engine answers" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr


def test_each_case_has_a_row_and_a_broken_rule_is_named():
    found, text = run(("one", lambda: "a remark"), ("two", breaks("stop")), ("three", lambda: None))
    assert [(result.name, result.ok, result.rule) for result in found] == [
        ("one", True, ""),
        ("two", False, "stop"),
        ("three", True, ""),
    ]
    assert "\033" not in text
    assert "\r" not in text
    assert "docs/verify.md#stop" in text
    assert "a remark" in text
    assert results.exit_code(found) == 1


def test_a_program_that_asks_is_told_each_case_as_it_begins():
    out = io.StringIO()
    cases = [Case(name, "", lambda: None) for name in ("one", "two")]
    results.run(cases, Board(out, progress=True))
    lines = out.getvalue().splitlines()
    assert [line for line in lines if line.startswith(">> ")] == [
        ">> one, 1 of 2",
        ">> two, 2 of 2",
    ]


def test_a_fault_of_ours_is_no_broken_rule_and_does_not_end_the_run():
    found, _ = run(("one", lambda: 1 // 0), ("two", lambda: None))
    assert [result.rule for result in found] == [FAULT, ""]
    assert results.exit_code(found) == 2


def test_what_is_late_once_is_tried_again_and_late_twice_is_broken():
    times = iter([Late("stop", "late"), None, Late("stop", "late"), Late("stop", "later")])

    def sometimes():
        error = next(times)
        if error:
            raise error

    found, _ = run(("once", sometimes), ("twice", sometimes))
    assert [result.ok for result in found] == [True, False]


def test_what_is_not_tried_is_told_in_one_line_and_is_not_well():
    untried = breaks("start", NotTried)
    found, text = run(
        ("one", breaks("start")), ("two", untried), ("three", untried), ("four", lambda: None)
    )
    assert [(result.ok, result.tried) for result in found] == [
        (False, True),
        (False, False),
        (False, False),
        (True, True),
    ]
    lines = text.splitlines()
    assert "not tried, as seen start: two three" in lines
    assert lines.index("not tried, as seen start: two three") < len(lines) - 1
    assert sum("two" in line for line in lines) == 1


def test_a_stop_ends_the_run():
    stopping.install()
    with pytest.raises(stopping.Stopped):
        run(("one", lambda: signal.raise_signal(signal.SIGTERM)))


def test_a_signal_waits_while_something_is_made():
    stopping.install()
    made = []

    def make():
        with stopping.held():
            signal.raise_signal(signal.SIGTERM)
            made.append("whole")

    with pytest.raises(stopping.Stopped) as caught:
        make()
    assert made == ["whole"]
    assert caught.value.code == 143


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ([""], "works"),
        (["", "secret-in-log"], "works, with faults"),
        (["secret-in-log", "report-form"], "fails"),
        ([FAULT], "fails"),
    ],
)
def test_verdict(rules, verdict):
    assert results.verdict(Result("x", not rule, 0, rule) for rule in rules) == verdict


def test_json_is_what_it_is_documented_to_be(tmp_path):
    found = [
        Result("report", True, 1.5, times={"idle": 1.0004, "report": 0.5}),
        Result("x_docker/start", False, 0.5, "stop", "seen"),
        Result("x_docker/execute", False, 0.0, "stop", "no kernel starts", tried=False),
    ]
    target = tmp_path / "out.json"
    results.write_json(str(target), {"image": "i", "image_id": "sha256:1", "language": "l"}, found)
    assert json.loads(target.read_text()) == {
        "schema": 1,
        "image": "i",
        "image_id": "sha256:1",
        "language": "l",
        "verdict": "works, with faults",
        "columns": list(results.TIMES),
        "rows": [
            {
                "name": "", "cases": 1, "failed": 0, "slow": 0, "seconds": 1.5,
                "times": {"report": 0.5, "idle": 1.0},
            },
            {
                "name": "x_docker", "cases": 2, "failed": 2, "slow": 0, "seconds": 0.5,
                "times": {},
            },
        ],
        "cases": [
            {
                "name": "report", "ok": True, "seconds": 1.5, "rule": "", "message": "",
                "times": {"idle": 1.0, "report": 0.5}, "tried": True, "slow": [],
                "document": "",
            },
            {
                "name": "x_docker/start", "ok": False, "seconds": 0.5, "rule": "stop",
                "message": "seen", "times": {}, "tried": True, "slow": [],
                "document": "docs/verify.md#stop",
            },
            {
                "name": "x_docker/execute", "ok": False, "seconds": 0.0, "rule": "stop",
                "message": "no kernel starts", "times": {}, "tried": False,
                "slow": [],
                "document": "docs/verify.md#stop",
            },
        ],
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == [target]


def test_every_rule_and_case_is_documented_and_every_rule_can_be_broken():
    headings = set(re.findall(r"^#+ (\S+)$", PAGE, re.MULTILINE))
    assert set(RULES) <= headings, set(RULES) - headings
    names = ["spark_KERNELSPEC", "python_kubernetes", "spark_python_kubernetes"]
    every = gateway_cases(None, ["KERNELSPEC"]) + gateway_cases(None, names, cluster=True)
    on_yarn = ["spark_python_yarn_client", "spark_python_yarn_cluster"]
    every += gateway_cases(None, on_yarn, yarn=True)
    own = (
        case.name.replace(on_yarn[0], "KERNELSPEC")
        for case in every
        if not case.name.startswith((*names, on_yarn[1]))
    )
    listed = [*NAMES, *own]
    listed.append("KERNELSPEC/task")
    assert not [name for name in listed if f"`{name}`" not in PAGE]
    sources = "".join(path.read_text() for path in (ROOT / "verify").glob("*.py"))
    assert not [rule for rule in RULES if sources.count(f'"{rule}"') < 2]


def test_a_language_without_a_snippet_has_fewer_cases():
    language = LANGUAGES["python"]._replace(ask="", unfit="")
    names = [case.name for case in cases(language, None)]
    assert set(NAMES) - set(names) == {"stdin", "versions"}


@pytest.mark.parametrize("name", LANGUAGES)
def test_what_a_language_lacks_is_in_the_table_of_differences(name):
    table = PAGE.partition("### Differences between languages")[2].partition("\n#")[0]
    column = [line.split("|") for line in table.splitlines() if line.startswith("|")]
    place = [title.strip() for title in column[0]].index(name)
    told = {row[1].strip(" `") for row in column if "not run" in row[place]}
    names = {case.name for case in cases(LANGUAGES[name], None)}
    assert told == set(NAMES) - names


def test_an_image_without_spark_has_no_cases_of_spark():
    language = LANGUAGES["python"]
    names = {case.name for case in cases(language, None, spark=False)}
    assert set(NAMES) - names == {name for name in NAMES if name.startswith("spark-")}
    assert len(set(NAMES) - names) == 7


def test_kernels_only_leaves_out_what_is_the_same_for_each_kernelspec():
    every = {case.name for case in gateway_cases(None, ["a", "b"])}
    some = {case.name for case in gateway_cases(None, ["a", "b"], kernels_only=True)}
    alike = {"two-kernels", "connected-twice", "culling", "wrong-image", "hostile-values"}
    assert every - some == alike
    assert {"a/user", "b/user", "kernelspecs", "leftovers"} <= some
    in_a_swarm = {case.name for case in gateway_cases(None, ["a", "b"], swarm=True)}
    assert every - in_a_swarm == {"hostile-values"}


@pytest.mark.parametrize(
    ("kernelspec", "about"),
    [
        ("python_docker", "plot"),
        ("R_swarm", "plot"),
        ("python_tf_docker", "TensorFlow"),
        ("spark_r_docker", "Spark"),
    ],
)
def test_tasks_go_by_the_kernelspec_without_its_platform(kernelspec, about):
    task = task_of(kernelspec)
    assert task is not None
    assert about in task.about


def test_who_a_process_is():
    status = "Name:\tR\nUid:\t1\t2000\t3\t4\nGid:\t5\t100\t7\t8\nGroups:\t100 0 \n"
    assert groups_of(status) == ("2000", "100", {"100", "0"})
    assert groups_of("nothing of that") == ("", "", set())


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("elyra/kernel-py:dev", "elyra/kernel-py"),
        ("kernel-py", "kernel-py"),
        ("localhost:5000/a/kernel-py:key-1", "localhost:5000/a/kernel-py"),
        ("localhost:5000/a/kernel-py@sha256:12", "localhost:5000/a/kernel-py"),
    ],
)
def test_an_image_by_any_of_its_tags_is_of_one_repository(reference, name):
    assert repository(reference) == name


def test_of_the_build_system_it_knows_the_errors_only():
    code = (
        "import sys, pkgutil, importlib, verify\n"
        "for m in pkgutil.iter_modules(verify.__path__):\n"
        "    m.name.isupper() or importlib.import_module('verify.' + m.name)\n"
        "print(*sorted(m for m in sys.modules if m.startswith('buildlib.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["buildlib.errors"]


def loaded(*modules: str) -> set[str]:
    """What of deploy/ is loaded with some modules of verify."""
    code = f"import sys, {', '.join(modules)}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in done.stdout.split() if name.startswith("deploy.")}


def test_what_starts_a_gateway_is_in_the_keys_of_the_proofs_that_start_one():
    graph = Workspace(str(ROOT)).graph
    platforms = graph[parse_label("//deploy:platforms")]
    used = loaded("verify.__main__", "verify.gateway_cases", "verify.server")
    assert {f"deploy.{file.name.removesuffix('.py')}" for file in platforms.files} == used
    cluster = graph[parse_label("//deploy:cluster")]
    added = loaded("verify.cluster", "verify.cluster_cases") - used
    assert {f"deploy.{file.name.removesuffix('.py')}" for file in cluster.files} == added
    for label in graph.of_verb("verify"):
        target = graph[label]
        starts_one = "--gateway" in [
            *target.attrs["arguments"],
            *target.attrs["with_images"].values(),
        ]
        deps = [dep.ref.label for dep in target.deps]
        assert (platforms.label in deps) == starts_one, label


def test_proofs_of_an_image_alone_use_nothing_that_starts_a_gateway():
    assert loaded("verify.__main__", "verify.cases", "verify.engine", "verify.lab") == set()
