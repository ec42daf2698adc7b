"""What is told of a build: causes and times before it, failures after it; in words and as JSON."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from workshop import Verbs, Workshop, lock_of

from buildlib.core.model.lock import Item
from buildlib.engine.protocol import BuildRequest, StepFailed
from buildlib.errors import BuildError, InputError, Location
from buildlib.text import LINE
from tests.support.workspace import digest

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"


@pytest.fixture
def family(shop: Workshop) -> Workshop:
    """base <- a <- b, and c that needs none of them; a fails."""
    shop.file("images/base/data", "one\n")
    shop.image("images/base", 'srcs=["data"]', "FROM scratch\nCOPY data /\n")
    shop.image("images/a", 'parent="//images/base"', CHILD)
    shop.image("images/b", 'parent="//images/a"', CHILD)
    shop.image("images/c", 'description="c"')
    return shop


def fails(shop: Workshop, *names: str, refused: bool = False) -> None:
    """Let these images fail in a step."""

    def during(request: BuildRequest) -> None:
        if request.shown_as.split("/")[1] in names:
            where = Location(request.shown_as, 2)
            error = StepFailed("the build failed at RUN x", where=where, detail="x: exit code 3")
            error.refused = refused
            raise error

    shop.builder.during = during


def rows(out: str) -> list[str]:
    """The lines after the one that counts what failed, and that one."""
    lines = out.splitlines()
    first = next(number for number, line in enumerate(lines) if " failed, " in line)
    return lines[first:]


# -- After a failure ------------------------------------------------------------------------------


def test_a_failure_is_told_again_at_the_end_with_what_was_not_begun(
    family: Workshop, verb: Verbs
) -> None:
    fails(family, "a")
    told = verb("build", "-n", "1", "a", "b")
    assert told.code == 1
    assert told.err.count("images/a/Dockerfile:2: error: the build failed at RUN x\n") == 1
    count, left, failed, log = rows(told.out)
    assert count.startswith("1 failed, 1 done, 1 not begun in ")
    assert left == "not begun: b"
    assert failed == "failed: a: images/a/Dockerfile:2: error: the build failed at RUN x"
    assert log.startswith("  log: .buildlib/logs/")
    assert (family.root / log.removeprefix("  log: ")).is_file()


def test_keep_going_builds_what_does_not_need_it(family: Workshop, verb: Verbs) -> None:
    fails(family, "a")
    told = verb("build", "-k", "-n", "2")
    assert told.code == 1, "and not 2, as doit says of what it passed over"
    assert rows(told.out)[0].startswith("1 failed, 2 done, 1 not begun in ")
    assert family.action("//images/c") == "fresh"
    assert "b failed" not in told.err


def test_every_failure_is_told_at_the_end(family: Workshop, verb: Verbs) -> None:
    fails(family, "a", "c")
    told = verb("build", "--keep-going", "-n", "2")
    assert rows(told.out)[0].startswith("2 failed, 1 done, 1 not begun in ")
    assert {line.split(":")[1] for line in rows(told.out) if line[:7] == "failed:"} == {" a", " c"}


@pytest.mark.parametrize(
    ("roots", "chain", "fan"),
    [
        (["b"], ["base", "a"], ["b"]),
        (["base", "c"], [], ["base", "c"]),
        (["a", "a2"], ["base"], ["a", "a2"]),
        (["b", "a2"], None, None),  # b needs a, and a2 could be built beside it
        (["a", "c"], None, None),
    ],
    ids=str,
)
def test_what_leaves_doit_nothing_to_schedule(
    family: Workshop, roots: list[str], chain: list[str] | None, fan: list[str] | None
) -> None:
    family.image("images/a2", 'parent="//images/base"', CHILD)
    session = family.session()
    session.start(session.workspace.resolve(roots))
    found = session.chain_and_fan()
    assert (found is None) == (chain is None)
    if found:
        assert [label.name for label in found[0]] == chain
        assert sorted(label.name for label in found[1]) == fan


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["-n", "1"], "1 failed, 1 done, 2 not begun in "),
        (["-k", "-n", "2"], "1 failed, 3 done in "),
    ],
    ids=str,
)
def test_a_failure_among_images_of_one_base(
    shop: Workshop, verb: Verbs, options: list[str], count: str
) -> None:
    shop.image("images/base", "", "FROM scratch\nLABEL x=1\n")
    for name in "abc":
        shop.image(f"images/{name}", 'parent="//images/base"', CHILD)
    fails(shop, "a")
    told = verb("build", *options)
    assert told.code == 1
    assert rows(told.out)[0].startswith(count)
    assert told.err.count("error: the build failed at RUN x") == 1


def test_what_is_stopped_is_named(family: Workshop) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def during(_: BuildRequest) -> None:
        begun.set()
        assert go_on.wait(60)

    family.builder.during = during
    session = family.session()
    session.start(session.workspace.resolve(["base"]))
    (label,) = session.labels()
    worker = threading.Thread(target=session.run, args=(label,))
    worker.start()
    assert begun.wait(60)
    assert session.running() == ["base"]
    go_on.set()
    worker.join()
    assert session.running() == []


# -- A step that fails -----------------------------------------------------------------------------


def test_a_step_that_fails_has_the_command_to_try(family: Workshop, verb: Verbs) -> None:
    fails(family, "base")
    told = verb("build", "base")
    assert "  declared at images/base/BUILD.py:2\n" in told.err
    (fix,) = told.fixes
    assert fix.startswith("docker build --file ")
    context = fix.split()[-1]
    assert (family.root / context / "data").read_text() == "one\n", "it is still there"


def test_a_step_that_wants_the_network_is_told_the_two_ways(family: Workshop, verb: Verbs) -> None:
    fails(family, "base", refused=True)
    told = verb("build", "base")
    assert "error: the build failed at RUN x: steps have no network\n" in told.err
    (fix,) = told.fixes
    assert "requirements.in" in fix
    assert "./doitw lock //images/base" in fix
    assert "network=True" in fix


def test_a_step_with_a_network_is_not_told_that_it_has_none(family: Workshop, verb: Verbs) -> None:
    family.image("images/base", "network=True")
    fails(family, "base", refused=True)
    told = verb("build", "base")
    assert "no network" not in told.err
    assert told.fixes[0].startswith("docker build ")


# -- Causes and times ------------------------------------------------------------------------------


def test_what_makes_several_targets_stale_is_told_once(family: Workshop, verb: Verbs) -> None:
    verb("build")
    family.file("images/base/data", "two\n")
    family.image("images/c", 'description="another"')
    told = verb("plan").out.splitlines()
    assert "images/base/data changed: 3 targets" in told
    (own,) = [line for line in told if line.startswith("build    c")]
    assert "attribute description changed" in own
    assert all("data" not in line for line in told if line.startswith("build "))
    whole = verb("plan", "-v", "2").out
    assert whole.count("file data changed") == 3
    assert ": 3 targets" not in whole


def test_pins_are_told_by_the_file_that_holds_them(shop: Workshop, verb: Verbs) -> None:
    shop.file("images/py/requirements.in", "six\n")
    shop.image("images/py", 'python="requirements.in"')
    shop.image("images/more", 'parent="//images/py"', CHILD)

    def lock(version: str) -> None:
        names = [f"six-{version}.whl", f"more-{version}.whl"]
        asked = shop.open().graph.resolve(["//images/py"])
        pin = shop.open().graph[asked[0]].pins[0]
        items = {name: Item(version, digest(name), len(name), "six") for name in names}
        for name in names:
            shop.stored(name.encode())
        shop.lock(lock_of("python", pin.name, pin.asked, items))

    lock("1")
    shop.build_targets("//images/more")
    lock("2")
    told = verb("plan").out.splitlines()
    assert "images/py/requirements.lock changed: 2 targets" in told


def test_no_line_is_longer_than_a_screen(shop: Workshop, verb: Verbs) -> None:
    deep = "/".join(["a-folder-of-a-long-name"] * 5)
    for name in "abc":
        shop.file(f"images/{name}/{deep}/{name}", "1\n").file(f"images/{name}/{deep}/x", "1\n")
        shop.image(
            f"images/{name}",
            f'srcs=glob(["**"], exclude=["Dockerfile"]), description="{name}"',
            "FROM scratch\nCOPY a-folder-of-a-long-name /x\n",
        )
    verb("build")
    for name in "abc":
        shop.file(f"images/{name}/{deep}/{name}", "2\n").file(f"images/{name}/{deep}/x", "2\n")
    told = verb("plan")
    assert max(map(len, told.out.splitlines())) <= LINE
    assert max(map(len, verb("why", "a").out.splitlines()[:1])) <= LINE
    assert max(map(len, verb("plan", "-v", "2").out.splitlines())) > LINE
    assert max(map(len, verb("build").out.splitlines())) <= LINE


def test_an_unknown_time_is_not_counted_as_nothing(family: Workshop, verb: Verbs) -> None:
    assert " by the last times" not in verb("plan").out
    family.builder.delay = 0.1
    verb("build", "base")
    family.file("images/base/data", "two\n")
    assert ", about 0." in verb("plan", "base").out
    assert ", at least 0." in verb("plan", "a").out


# -- For programs ----------------------------------------------------------------------------------


def error_of(told: Any) -> dict[str, Any]:
    answer = json.loads(told.out)
    assert set(answer) == {"error"}
    error: dict[str, Any] = answer["error"]
    return error


def test_an_error_has_a_json_form(family: Workshop, verb: Verbs) -> None:
    family.build("images/d", 'filegroup(name="d", srcs=["gone"])')
    for words in (("plan",), ("build",), ("list",), ("show", "d"), ("fetch",), ("clean",)):
        told = verb(*words, "--json")
        error = error_of(told)
        assert error["file"] == "images/d/BUILD.py", words
        assert error["line"] == 2
        assert error["exit_code"] == told.code == 3
        assert error["what"] in told.err
        assert error["fix"] == told.fixes[0]
        assert set(error) == {"what", "file", "line", "declared", "detail", "fix", "exit_code"}


def test_a_word_that_is_wrong_has_a_json_form(family: Workshop, verb: Verbs) -> None:
    assert error_of(verb("plan", "--json", "--jsno"))["fix"] == "./doitw plan --json"
    assert error_of(verb("biuld", "--json"))["fix"] == "./doitw help"
    assert error_of(verb("help", "biuld", "--json"))["exit_code"] == 3


def test_a_fault_of_ours_has_a_json_form(
    family: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildlib.cli.plans.as_json", lambda *_: 1 // 0)
    told = verb("plan", "--json")
    assert error_of(told)["exit_code"] == told.code == 2


def test_a_failed_build_names_the_target_and_its_log(family: Workshop, verb: Verbs) -> None:
    fails(family, "a")
    told = verb("build", "--json", "-n", "1", "b")
    answer = json.loads(told.out)
    (failed,) = answer["failed"]
    assert failed["label"] == "//images/a"
    assert (family.root / failed["log"]).is_file()
    assert failed["error"]["file"] == "images/a/Dockerfile"
    assert answer["not_begun"] == ["//images/b"]
    assert answer["exit_code"] == told.code == 1
    family.builder.during = None
    answer = json.loads(verb("build", "--json", "b").out)
    assert (answer["failed"], answer["not_begun"], answer["exit_code"]) == ([], [], 0)


def test_clean_and_forget_say_what_they_did(family: Workshop, verb: Verbs) -> None:
    verb("build", "base")
    dry = json.loads(verb("clean", "--dry-run", "--json", "base").out)
    assert "elyra/base:dev" in dry["tags"]
    assert dry["files"] == []
    assert json.loads(verb("clean", "--json", "base").out) == dry
    assert json.loads(verb("clean", "--json", "base").out)["tags"] == []
    assert json.loads(verb("forget", "--json", "base").out)["targets"] == ["//images/base"]


def test_fetch_says_what_is_in_the_store(shop: Workshop, verb: Verbs) -> None:
    shop.build("tools", 'download(name="f", urls=["https://example.org/f"])')
    shop.image("images/a", 'srcs=["//tools:f"]', "FROM scratch\nCOPY f /\n")
    shop.pin("download", "//tools:f", {"f": Item("-", digest("f"), 1, "x")})
    shop.stored(b"f")
    answer = json.loads(verb("fetch", "--json").out)
    row = {"name": "f", "sha256": digest("f"), "size": 1, "fetched": False}
    assert answer == {"schema": 1, "files": [row], "folder": None}
    shop.pin("download", "//tools:f", {"f": Item("-", digest("g"), 1, "x")})
    assert digest("g") in error_of(verb("fetch", "--offline", "--json"))["detail"]


def test_help_says_what_a_verb_takes(verb: Verbs) -> None:
    (one,) = json.loads(verb("help", "build", "--json").out)["verbs"]
    assert json.loads(verb("build", "--help", "--json").out)["verbs"] == [one]
    assert {"name": "--jobs", "help": "build N targets at a time", "takes": "N", "short": "-n"} in (
        one["options"]
    )
    named = [each["name"] for each in json.loads(verb("help", "--json").out)["verbs"]]
    assert "build" in named
    assert "forget" in named


def test_list_has_the_targets_that_each_needs(family: Workshop, verb: Verbs) -> None:
    answer = json.loads(verb("list", "--json").out)
    deps = {row["label"]: row["deps"] for row in answer}
    assert deps["//images/b"] == ["//images/a"]
    assert deps["//images/c"] == []


# -- The form itself -------------------------------------------------------------------------------


def test_an_error_is_told_with_both_its_places() -> None:
    error = InputError(
        "it is wrong",
        where=Location("defs.py", 3),
        declared=Location("a/BUILD.py", 7),
        detail="more",
        fix="mend it",
    )
    assert error.render() == (
        "defs.py:3: error: it is wrong\n  more\n  declared at a/BUILD.py:7\n  fix: mend it"
    )
    assert error.plain()["declared"] == "a/BUILD.py:7"
    assert BuildError("x").plain()["file"] is None
