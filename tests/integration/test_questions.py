"""Verbs that ask and do nothing: `affected`, `query`, `show`, `why --since`, `build --check`."""

from __future__ import annotations

import json
import re

import pytest
from workshop import Verbs, Workshop

from buildlib.core.model.lock import Item
from tests.support.golden import check_golden


@pytest.fixture
def asked(shop: Workshop) -> Workshop:
    """base <- py, r; py takes a part of an archive; a kernelspec names py. All committed."""
    shop.file("images/base/data", "one\n").file("pack/run.py", "1\n").file("pack/run.R", "1\n")
    shop.image("images/base", 'srcs=["data"], doc="The base"', "FROM scratch\nCOPY data /\n")
    child = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
    shop.image(
        "images/py",
        'parent="//images/base", srcs=["//pack:files[python]"]',
        f"{child}ADD files.tar /\n",
    )
    shop.image("images/r", 'parent="//images/base"', child)
    shop.build(
        "pack",
        """
        tarball(
            name="files", archive="files",
            parts={"python": {"run.py": "run.py"}, "r": {"run.R": "run.R"}},
        )
        """,
        """
        kernelspec(
            name="spec", display_name="Python", language="python",
            process_proxy="k8s.KubernetesProcessProxy", argv=["python"], image="//images/py",
        )
        """,
    )
    shop.file("checks/BUILD.py", CHECK)
    shop.start_git()
    shop.engine.down = True  # nothing here asks it
    return shop


CHECK = """\
from buildlib.rules import kernel_check
kernel_check(name="py", image="//images/py", srcs=[])
"""


def test_nothing_is_affected_where_nothing_changed(asked: Workshop, verb: Verbs) -> None:
    told = verb("affected", "--since", "HEAD")
    assert (told.code, told.out, told.err) == (0, "", "")


def test_what_an_edit_affects(asked: Workshop, verb: Verbs) -> None:
    asked.file("pack/run.py", "2\n")
    told = verb("affected", "--since", "HEAD")
    assert told.out.splitlines() == ["//pack:files", "//images/py"]
    told = verb("affected", "--since", "HEAD", "--verify")
    assert told.out.splitlines() == ["//pack:files", "//images/py", "//checks:py"]
    told = verb("affected", "--since", "HEAD", "--kind", "docker_image")
    assert told.out.splitlines() == ["//images/py"]
    told = verb("affected", "--since", "HEAD", "//images/...")
    assert told.out.splitlines() == ["//images/py"]


def test_two_commits_are_compared_without_a_checkout(asked: Workshop, verb: Verbs) -> None:
    asked.file("images/base/data", "two\n").commit_all()
    asked.file("images/base/data", "three\n")  # what is not committed does not count
    told = verb("affected", "--since", "HEAD~1", "--to", "HEAD", "//images/...")
    assert told.out.splitlines() == ["//images/base", "//images/py", "//images/r"]
    assert verb("affected", "--since", "HEAD", "--to", "HEAD").out == ""


@pytest.mark.parametrize("form", ["lines", "github", "markdown"])
def test_forms(asked: Workshop, verb: Verbs, form: str) -> None:
    asked.file("images/base/data", "two\n").image("images/new").remove("images/r")
    told = verb("affected", "--since", "HEAD", "--why", "--format", form)
    assert told.code == 0, told.err
    check_golden(f"affected/{form}", told.out.rstrip())


def test_a_program_is_told_all(asked: Workshop, verb: Verbs) -> None:
    asked.file("images/base/data", "two\n").remove("images/r")
    told = json.loads(verb("affected", "--since", "HEAD", "--json").out)
    assert (told["since"], told["to"], told["removed"]) == ("HEAD", None, ["//images/r"])
    base, py = told["affected"]
    assert (base["label"], base["rule"], base["path"]) == (
        "//images/base",
        "docker_image",
        ["//images/base"],
    )
    assert py["path"] == ["//images/py", "//images/base"]
    assert [change["part"] for change in py["changes"]] == ["file data"]
    assert (
        verb("affected", "--since", "HEAD", "--format", "json").out
        == verb("affected", "--since", "HEAD", "--json").out
    )


def test_a_commit_has_its_own_settings(asked: Workshop, verb: Verbs) -> None:
    asked.setting("organization", "acme")
    assert verb("affected", "--since", "HEAD").out.splitlines() == ["//pack:spec"]
    asked.commit_all()
    assert verb("affected", "--since", "HEAD~1").out.splitlines() == ["//pack:spec"]
    assert verb("affected", "--since", "HEAD~1", "ORGANIZATION=else").out == "", "the same in both"


def test_what_is_removed_existed_in_the_flavour(asked: Workshop, verb: Verbs) -> None:
    asked.image("images/gpu", 'flavours=["docker-stacks"]').image("images/late", "")
    asked.commit_all()
    asked.remove("images/gpu").image("images/late", 'flavours=["docker-stacks"]')
    told = json.loads(verb("affected", "--since", "HEAD", "--json").out)
    assert told["removed"] == ["//images/late"]


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        ((), "affected needs a commit", "./doitw affected --since HEAD"),
        (("--since", "nowhere"), "git has no commit 'nowhere'", "git log --oneline"),
        (("--since", "HEAD", "--kind", "docker_imag"), "mean docker_image?", "--kind docker_image"),
        (("--since", "HEAD", "--format", "gihub"), "did you mean github?", "--format github"),
        (("--since", "HEAD", "pyy"), "no target pyy", "./doitw affected --since HEAD py"),
    ],
)
def test_what_is_asked_wrongly(
    asked: Workshop, verb: Verbs, words: tuple[str, ...], what: str, fix: str
) -> None:
    told = verb("affected", *words)
    assert told.code == 3
    assert what in told.err
    assert told.fixes == [fix]


def test_why_since_a_commit(asked: Workshop, verb: Verbs) -> None:
    asked.file("images/base/data", "two\n").file("pack/run.py", "2\n").image("images/new")
    told = verb("why", "py", "r", "new", "--since", "HEAD")
    assert told.code == 0, told.err
    check_golden("why/since", told.out.rstrip())
    plain = json.loads(verb("why", "py", "new", "--since", "HEAD", "--json").out)
    assert [leaf["part"] for leaf in plain[0]["changes"]] == ["file data", "file python: run.py"]
    assert plain[1]["changes"] is None


def test_a_query(asked: Workshop, verb: Verbs) -> None:
    told = verb("query", "kind(docker_image, rdeps(//images/base))")
    assert told.out.splitlines() == ["//images/base", "//images/py", "//images/r"]
    told = verb("query", "somepath(py,", "base)", "--json")
    assert [row["task"] for row in json.loads(told.out)] == ["build:py", "build:base"]
    told = verb("query", "deps(py")
    assert told.code == 3
    assert "')' is expected" in told.err


def test_all_that_is_known_of_a_target(asked: Workshop, verb: Verbs) -> None:
    asked.engine.down = False
    assert verb("build").code == 0
    asked.engine.down = True
    told = verb("show", "py", "//pack:spec")
    assert told.code == 0, told.err
    same_each_time = re.sub(r"(?<=built       )in .*", "in 1 s", told.out)
    check_golden("show/targets", same_each_time.rstrip())
    (plain,) = json.loads(verb("show", "py", "--json").out)
    assert plain["needed_by"] == ["//checks:py", "//pack:spec"]
    assert plain["built"]["images"] == [asked.tag("//images/py")]


def test_a_check_builds_nothing_and_fails_where_something_is_stale(
    asked: Workshop, verb: Verbs
) -> None:
    asked.engine.down = False
    told = verb("build", "--check")
    assert told.code == 1
    assert asked.builder.requests == []
    assert verb("build", "--dry-run").code == 0
    assert verb("build").code == 0
    assert verb("build", "--check").code == 0
    asked.file("pack/run.R", "2\n")
    assert verb("build", "--check", "//images/...").code == 0
    assert verb("build", "--check", "--json").code == 1


# -- pins that would be locked anew ----------------------------------------------------------------


@pytest.fixture
def edited(shop: Workshop) -> Workshop:
    """base <- py, and r beside them: built and committed, then base wants another package."""
    shop.file("images/base/requirements.in", "six\n")
    shop.file("images/base/requirements.lock", "six==1\n")
    shop.image("images/base", 'python="requirements.in"', "FROM scratch\nCOPY wheels /w\n")
    shop.image("images/py", 'parent="//images/base"', CHILD)
    shop.image("images/r")
    wheel = Item("1", shop.stored(b"six"), 3, "six")
    shop.pin("python", "//images/base", {"six-1-py3-none-any.whl": wheel})
    shop.build_targets()
    shop.start_git()
    shop.engine.down = True
    return shop.file("images/base/requirements.in", "six\nseven\n")


CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
LOCK = "./doitw lock python //images/base"
CAUSE = "python would be locked anew: images/base/requirements.in changed"


def test_a_plan_tells_what_would_be_locked_anew(edited: Workshop, verb: Verbs) -> None:
    told = verb("plan")
    assert told.code == 0, told.err
    cause = CAUSE.replace("python", "python of //images/base", 1)
    assert f"{cause}: 2 targets" in " ".join(told.out.split()), told.out
    assert told.fixes == [LOCK]
    each = verb("plan", "-v", "2").out
    assert f"build    base  {CAUSE}  " in each
    assert f"build    py    {CAUSE}, in //images/base  " in each
    assert verb("plan", "py").fixes == [LOCK]
    assert verb("plan", "r").fixes == [], "it does not need what changed"
    plan = json.loads(verb("plan", "--json").out)
    assert plan["lock_first"] == [LOCK]
    assert [(step["task"], step["action"]) for step in plan["steps"]][:2] == [
        ("build:base", "build"),
        ("build:py", "build"),
    ]
    assert [step["key"] for step in plan["steps"] if step["task"] != "build:r"] == ["", ""]
    assert verb("build", "--check").code == 1


def test_why_tells_what_would_be_locked_anew(edited: Workshop, verb: Verbs) -> None:
    told = verb("why", "py")
    assert told.code == 0, told.err
    assert f"//images/py would be built: {CAUSE}" in told.out
    assert f"  {CAUSE}" in told.out, "whole, below"
    assert "path: //images/py <- //images/base" in told.out
    assert told.fixes == [LOCK]
    (facts,) = json.loads(verb("why", "py", "--json").out)
    assert facts["key"] == ""
    assert CAUSE in [leaf["part"] for leaf in facts["changes"]]
    (facts,) = json.loads(verb("why", "py", "--since", "HEAD", "--json").out)
    assert facts["key"] == ""
    assert [leaf["part"] for leaf in facts["changes"]] == [CAUSE]


def test_a_new_target_without_pins_is_planned(edited: Workshop, verb: Verbs) -> None:
    edited.image("images/new", 'parent="//images/r", apt=["curl"]', CHILD)
    told = verb("plan", "new")
    reason = "not built yet; apt of //images/new would be locked anew: images.lock has no entry"
    assert reason in told.out
    assert told.fixes == ["./doitw lock apt //images/new"]


def test_pins_of_what_is_only_fetched_are_something_to_do(shop: Workshop, verb: Verbs) -> None:
    shop.build("tools", 'download(name="f", urls=["https://example.org/f"])')
    told = verb("plan", "//tools:f")
    assert "nothing to build" not in told.out
    assert told.fixes == ["./doitw lock download //tools:f"]
    assert verb("build", "--check", "//tools:f").code == 1, "as a build would be refused"


def test_all_other_questions_are_answered_too(edited: Workshop, verb: Verbs) -> None:
    told = verb("affected", "--since", "HEAD", "--why")
    assert told.code == 0, told.err
    assert told.out.splitlines()[:2] == ["//images/base", f"  {CAUSE}"]
    assert "//images/py" in told.out
    assert "//images/r" not in told.out
    shown = verb("show", "py")
    assert shown.code == 0, shown.err
    assert "not known before ./doitw lock" in shown.out
    assert json.loads(verb("show", "py", "--json").out)[0]["key"] == ""
    assert verb("query", "rdeps(base)").out.splitlines() == ["//images/base", "//images/py"]
    assert verb("list").code == 0


def test_another_edit_of_what_is_not_locked_is_a_difference(edited: Workshop, verb: Verbs) -> None:
    edited.commit_all()
    assert verb("affected", "--since", "HEAD").out == ""
    edited.file("images/base/requirements.in", "six\neight\n")
    assert verb("affected", "--since", "HEAD").out.splitlines() == ["//images/base", "//images/py"]


@pytest.mark.parametrize("verb_of_a_build", ["build", "push", "clean"])
def test_what_needs_a_key_stops(edited: Workshop, verb: Verbs, verb_of_a_build: str) -> None:
    edited.engine.down = False
    edited.setting("registry", "registry.example.com")
    told = verb(verb_of_a_build, "py")
    assert told.code == 3, told.out
    assert "images/base/BUILD.py:2: error: images/base/requirements.in changed" in told.err
    assert told.fixes == [LOCK]
    assert len(edited.builder.requests) == len(("base", "py", "r")), "and nothing since"
    assert verb("build", "r").code == 0, "it does not need what changed"


# -- one wrong declaration -------------------------------------------------------------------------


def test_what_does_not_need_a_wrong_declaration_is_answered_and_built(
    asked: Workshop, verb: Verbs
) -> None:
    asked.engine.down = False
    asked.file("images/r/BUILD.py", "docker_image(\n")
    for words in (("build", "py"), ("plan", "py"), ("why", "py"), ("show", "py"), ("list", "py")):
        told = verb(*words)
        assert told.code == 0, told.err
    for words in (
        ("plan",),
        ("build",),
        ("build", "r"),
        ("build", "py", "//images/..."),
        ("list",),
        ("query", "deps(py)"),
        ("affected", "--since", "HEAD"),
        ("verify", "--dry-run"),
        ("lock",),
        ("clean",),
        ("prune",),
    ):
        told = verb(*words)
        assert told.code == 3, words
        assert "images/r/BUILD.py:1: error: not valid Python" in told.err


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("plan", "FLAVOUR=debain"), "./doitw plan FLAVOUR=debian  # or docker-stacks"),
        (("list", "registry=Foo:99999"), "./doitw list REGISTRY=Foo:5000"),
        (("query", "deps(pyy)", "FLAVOUR=debian"), "./doitw query 'deps(py)' FLAVOUR=debian"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_mended_there(
    asked: Workshop, verb: Verbs, words: tuple[str, ...], fix: str
) -> None:
    assert verb(*words).fixes == [fix]


def test_verify_of_a_target_stops_at_nothing_that_it_does_not_need(
    asked: Workshop, verb: Verbs
) -> None:
    asked.file("images/r/BUILD.py", "docker_image(\n")
    assert verb("verify", "--dry-run", "//images/py").code == 0
    for words in (("//images/r",), ()):
        told = verb("verify", "--dry-run", *words)
        assert told.code == 3
        assert "images/r/BUILD.py:1: error: not valid Python" in told.err
    asked.file("images/r/BUILD.py", "").file("checks/BUILD.py", "docker_image(\n")
    told = verb("verify", "--dry-run", "//images/py")
    assert "checks/BUILD.py:1: error: not valid Python" in told.err, "where its proof may stand"
