"""`prune` and the bound on old images, on a fake engine: what goes, what stays, what is told."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.build.execution.session import build_in_order
from buildlib.cli.building import new_session
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.store.names import key_digits
from buildlib.shipping.pruning.after_build import after_build
from buildlib.shipping.pruning.references import commits

DAY = 86400
SPEC = """
kernelspec(
    name="s", display_name="S", language="python",
    process_proxy="k8s.KubernetesProcessProxy", argv=["python"], image="//images/a",
)
"""
FOREIGN = "elyra/a:key-" + "0" * 32


def git(shop: Workshop, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(shop.root), *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def edit(shop: Workshop, number: int, package: str = "images/a") -> str:
    """Change an image and build it; its key."""
    shop.file(f"{package}/Dockerfile", f"FROM scratch\n# {number}\nLABEL number={number}\n")
    shop.build_targets(f"//{package}")
    return shop.key(f"//{package}")


def age(shop: Workshop, key: str, days: float) -> None:
    """Let the record of a key be so old."""
    path = shop.store / "records" / key[:2] / f"{key[2:]}.json"
    then = path.stat().st_mtime - days * DAY
    os.utime(path, (then, then))


def contents(shop: Workshop) -> set[str]:
    """The content tags that the engine has."""
    return set(shop.engine.tags("elyra/*:key-*"))


def report(shop: Workshop) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = json.loads(
        (shop.root / ".buildlib" / "reports" / "prune.json").read_text()
    )
    return found


@pytest.fixture
def edited(shop: Workshop) -> Workshop:
    """An image, in a repository of git."""
    shop.file(".gitignore", ".buildlib/\n")
    shop.image("images/a")
    git(shop, "init", "-q", "-b", "main")
    return shop


def test_a_dry_run_shows_what_would_go_and_touches_nothing(edited: Workshop, verb: Verbs) -> None:
    old, new = edit(edited, 1), edit(edited, 2)
    for key in (old, new):
        age(edited, key, 30)
    before = contents(edited)
    told = verb("prune")
    assert told.code == 0
    assert f"remove  elyra/a:key-{key_digits(old)}" in told.out
    assert f"keep    elyra/a:key-{key_digits(new)}" in told.out
    assert "it is elyra/a:dev" in told.out
    assert "add --yes" in told.out
    assert contents(edited) == before
    assert [row["name"] for row in report(edited)["would_delete"]] == [
        edited.content_tag("//images/a", old)
    ]
    assert report(edited)["deleted"] == []


def test_yes_removes_the_tag_and_with_it_the_image(edited: Workshop, verb: Verbs) -> None:
    old, new = edit(edited, 1), edit(edited, 2)
    for key in (old, new):
        age(edited, key, 30)
    told = verb("prune", "--yes", "--json")
    assert told.code == 0
    plain = json.loads(told.out)
    assert [row["key"] for row in plain["deleted"]] == [key_digits(old)]
    assert plain == report(edited)
    assert contents(edited) == {edited.content_tag("//images/a", new)}
    assert len(edited.engine.images()) == 1
    assert edited.action("//images/a") == "fresh"
    assert json.loads(verb("prune", "--yes", "--json").out)["deleted"] == []


def test_what_is_young_stays(edited: Workshop, verb: Verbs) -> None:
    old, _ = edit(edited, 1), edit(edited, 2)
    age(edited, old, 3)
    assert "younger than 7 days" in verb("prune").out
    assert "1 to remove" in verb("prune", "--younger-than", "2").out


def test_a_foreign_image_of_the_same_form_is_never_touched(edited: Workshop, verb: Verbs) -> None:
    """Neither one without a record, nor another image under the tag of a record."""
    old, _ = edit(edited, 1), edit(edited, 2)
    age(edited, old, 30)
    image = edited.engine.add(FOREIGN, content="somebody's")
    taken = edited.content_tag("//images/a", old)
    edited.engine.tag(image, taken)
    told = verb("prune", "--yes", "--younger-than", "0")
    assert told.out.count("no record says that a build of ours made it") == 2
    assert {FOREIGN, taken} <= contents(edited)
    assert image in edited.engine.images()


def test_what_a_container_stands_on_stays(edited: Workshop, verb: Verbs) -> None:
    old, _ = edit(edited, 1), edit(edited, 2)
    age(edited, old, 30)
    image = edited.engine.resolve(edited.content_tag("//images/a", old))
    assert image
    edited.engine.standing[image] = "my-notebook"
    told = verb("prune", "--yes")
    assert "the container my-notebook stands on it" in told.out
    assert image in edited.engine.images()


def test_a_release_stays(edited: Workshop, verb: Verbs) -> None:
    old = edit(edited, 1)
    image = edited.engine.resolve(edited.content_tag("//images/a", old))
    assert image
    edited.engine.tag(image, "elyra/a:2.5.0")
    edit(edited, 2)
    age(edited, old, 30)
    assert "it is elyra/a:2.5.0" in verb("prune", "--yes").out
    assert edited.content_tag("//images/a", old) in contents(edited)


def test_what_commits_branches_and_release_tags_need_stays(edited: Workshop, verb: Verbs) -> None:
    made = {}
    for number, name in enumerate(("tagged", "branched", "remote", "old", "before", "head"), 1):
        made[name] = edit(edited, number)
        git(edited, "add", "-A")
        git(edited, "commit", "-q", "-m", name)
        if name == "tagged":
            git(edited, "tag", "-a", "-m", "x", "v1.0.0")
        if name == "branched":
            git(edited, "branch", "side")
        if name == "remote":
            git(edited, "update-ref", "refs/remotes/origin/theirs", "HEAD")
    made["now"] = edit(edited, 7)
    for key in made.values():
        age(edited, key, 30)
    for again in range(2):  # read from git, then as it was remembered
        plain = json.loads(verb("prune", "--keep-commits", "2", "--json").out)
        assert [row["key"] for row in plain["would_delete"]] == [key_digits(made["old"])], again
    reasons = {row["key"]: row["reason"] for row in plain["kept"]}
    for name, reason in (
        ("tagged", "v1.0.0 ("),
        ("branched", "side ("),
        ("remote", "origin/theirs ("),
        ("before", "HEAD~1 ("),
        ("head", "HEAD ("),
    ):
        assert reasons[key_digits(made[name])].startswith(reason), name
    many = json.loads(verb("prune", "--keep-commits", "9", "--json").out)
    assert many["would_delete"] == []
    git(edited, "branch", "-D", "side")
    fewer = json.loads(verb("prune", "--keep-commits", "0", "--json").out)
    # `main` is a branch, too, so the commit of HEAD is kept whatever is counted.
    assert {row["key"] for row in fewer["would_delete"]} == {
        key_digits(made[name]) for name in ("branched", "old", "before")
    }


def test_another_flavour_of_a_commit_is_kept_too(edited: Workshop, verb: Verbs) -> None:
    edited.build(
        "images/a",
        'docker_image(name="a", build_args={"X": select({"debian": "1", "docker-stacks": "2"})})',
    )
    edited.file("images/a/Dockerfile", "FROM scratch\nARG X\nLABEL x=$X\n")
    edited.setting("flavour", "docker-stacks")
    edited.build_targets("//images/a")
    stacks = edited.key("//images/a")
    edited.setting("flavour", "debian")
    git(edited, "add", "-A")
    git(edited, "commit", "-q", "-m", "x")
    edit(edited, 2)
    age(edited, stacks, 30)
    plain = json.loads(verb("prune", "--json").out)
    assert plain["would_delete"] == []
    assert {row["key"]: row["reason"] for row in plain["kept"]}[key_digits(stacks)].startswith(
        "HEAD"
    )


def test_a_branch_that_cannot_be_loaded_keeps_what_may_be_its_own(
    edited: Workshop, verb: Verbs
) -> None:
    """It is told; what was made before it, and for nobody else, goes nevertheless."""
    made = [edit(edited, number) for number in (1, 2, 3)]
    ancient, recent, _ = made
    git(edited, "add", "-A")
    git(edited, "commit", "-q", "-m", "x")
    git(edited, "checkout", "-q", "-b", "broken")
    edited.file("images/a/BUILD.py", "no_such_rule()\n")
    git(edited, "commit", "-q", "-a", "-m", "broken")
    git(edited, "checkout", "-q", "main")
    age(edited, ancient, 30)
    age(edited, recent, 3)
    told = verb("prune", "--younger-than", "5")
    assert "warning: broken (" in told.out
    assert "cannot be loaded: images/a/BUILD.py:1:" in told.out
    plain = json.loads(verb("prune", "--younger-than", "0", "--json").out)
    assert {each["name"] for each in plain["not_loaded"]} == {"broken"}
    assert {row["key"] for row in plain["would_delete"]} == {
        key_digits(ancient),
        key_digits(recent),
    }
    wide = json.loads(verb("prune", "--younger-than", "4", "--json").out)
    assert [row["key"] for row in wide["would_delete"]] == [key_digits(ancient)]


def test_a_release_that_cannot_be_loaded_is_told_and_keeps_no_more(
    edited: Workshop, verb: Verbs
) -> None:
    """Its images have its tag, so it must not stop all pruning for ever."""
    old, _ = edit(edited, 1), edit(edited, 2)
    git(edited, "add", "-A")
    git(edited, "commit", "-q", "-m", "x")
    git(edited, "checkout", "-q", "--detach")
    edited.file("images/a/BUILD.py", "no_such_rule()\n")
    git(edited, "commit", "-q", "-a", "-m", "broken")
    git(edited, "tag", "v1.0.0")
    git(edited, "checkout", "-q", "main")
    age(edited, old, 1)
    plain = json.loads(verb("prune", "--younger-than", "0", "--json").out)
    assert [each["name"] for each in plain["not_loaded"]] == ["v1.0.0"]
    assert [row["key"] for row in plain["would_delete"]] == [key_digits(old)]
    age(edited, old, -2)  # younger than the broken commit
    plain = json.loads(verb("prune", "--younger-than", "0", "--json").out)
    reasons = {row["key"]: row["reason"] for row in plain["kept"]}
    assert reasons[key_digits(old)] == "it is younger than 0 days"  # its file is of tomorrow


def test_a_commit_is_kept_under_all_names_it_may_be_built_for(edited: Workshop) -> None:
    """Its own organisation and that of this run; `dev`, and the version of a release."""
    from buildlib.shipping.pruning.references import references

    edited.build("specs", SPEC).file("VERSION", "2.5.0\n")
    expected = []
    for version in ("2.5.0.dev0", "2.5.0"):
        for overrides in ({}, {"organization": "acme"}):
            workspace = edited.open(overrides=overrides, version=version)
            expected.append(key_digits(workspace.keys.key(Reference(parse_label("//specs:s")))))
    assert len(set(expected)) == 4
    git(edited, "add", "-A")
    git(edited, "commit", "-q", "-m", "2.5.0")
    edited.file("VERSION", "2.5.1.dev0\n").file("specs/BUILD.py", "")
    workspace = edited.open(overrides={"organization": "acme"})
    assert set(expected) <= set(references(workspace, 1, edited.said.append).keys)


def test_a_commit_of_no_workspace_needs_nothing(edited: Workshop, verb: Verbs) -> None:
    git(edited, "checkout", "-q", "--orphan", "pages")
    edited.remove("dodo.py").file("images/a/BUILD.py", "no_such_rule()\n")
    git(edited, "add", "-A")
    git(edited, "commit", "-q", "-m", "pages")
    edited.file("dodo.py", "").image("images/a")
    assert json.loads(verb("prune", "--json").out)["not_loaded"] == []


def test_a_tag_that_the_engine_will_not_remove_is_told(
    edited: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buildlib.errors import ActionError

    old, older = edit(edited, 1), edit(edited, 2)
    edit(edited, 3)
    for key in (old, older):
        age(edited, key, 30)
    untag = edited.engine.untag

    def refuse(ref: str) -> bool:
        if ref == edited.content_tag("//images/a", old):
            raise ActionError("the engine refused", detail="conflict")
        return untag(ref)

    monkeypatch.setattr(edited.engine, "untag", refuse)
    told = verb("prune", "--yes")
    assert told.code == 1
    assert "the engine refused: conflict" in told.out
    assert [row["key"] for row in report(edited)["deleted"]] == [key_digits(older)]
    assert [row["why"] for row in report(edited)["failed"]] == ["the engine refused: conflict"]


def test_an_image_that_is_released_meanwhile_stays(
    edited: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = edit(edited, 1), edit(edited, 2)
    age(edited, old, 30)
    ref = edited.content_tag("//images/a", old)
    image = edited.engine.resolve(ref)
    assert image
    in_use = edited.engine.in_use

    def then_released() -> dict[str, str]:
        edited.engine.tag(image, "elyra/a:9.9.9")
        return in_use()

    monkeypatch.setattr(edited.engine, "in_use", then_released)
    told = verb("prune", "--yes")
    assert "it became elyra/a:9.9.9 meanwhile" in told.out
    assert edited.engine.resolve(ref) == image


def test_words_and_numbers_that_cannot_be_are_refused(edited: Workshop, verb: Verbs) -> None:
    assert verb("prune", "a").code == 3
    assert verb("prune", "--keep-commits", "x").code == 3
    assert verb("prune", "--remote").fixes == [
        "./doitw prune --remote REGISTRY=registry.example.com:5000"
    ]


# the bound


def built(shop: Workshop, verb: Verbs, number: int, package: str = "images/a") -> str:
    """Edit, build with a whole command line; what was said."""
    shop.file(f"{package}/Dockerfile", f"FROM scratch\nLABEL number={number}\n")
    told = verb("build", package)
    assert told.code == 0, told.err
    return told.out


def test_a_month_of_edits_leaves_the_newest_few(edited: Workshop, verb: Verbs) -> None:
    keys: list[str] = []
    for _ in range(41):
        before = len(contents(edited))
        said = built(edited, verb, len(keys))
        keys.append(edited.key("//images/a"))
        assert ("removed 6 old images" in said) == (before == 10)
        left = len(contents(edited))
        assert left == (5 if before == 10 else before + 1)
        assert contents(edited) == {edited.content_tag("//images/a", key) for key in keys[-left:]}
    assert len(edited.engine.images()) == 5


def test_plain_doit_keeps_the_bound_too(edited: Workshop) -> None:
    """Both doors end with the reporter."""
    from buildlib.build.doit_adapter.reporter import Reporter

    edited.setting("keep_images", "")
    text = (edited.root / "pyproject.toml").read_text()
    edited.file("pyproject.toml", text.replace('keep_images = ""', "keep_images = 1"))
    edit(edited, 1)
    edit(edited, 2)
    edited.file("images/a/Dockerfile", "FROM scratch\n")
    session = new_session(edited.open(), edited.said.append, force=False)
    session.start(session.workspace.resolve(("//images/a",)))
    build_in_order(session)
    assert len(contents(edited)) == 3
    reporter = Reporter(open(os.devnull, "w"), {})  # noqa: SIM115
    reporter.session = session
    reporter.complete_run()
    assert contents(edited) == {edited.content_tag("//images/a")}


def test_a_build_with_nothing_new_asks_nothing(edited: Workshop, verb: Verbs) -> None:
    for number in range(7):
        built(edited, verb, number)
    edited.engine.asked.clear()
    assert verb("build").code == 0
    assert not [question for question in edited.engine.asked if question.startswith("tags")]


def test_no_bound_where_it_is_zero(edited: Workshop, verb: Verbs) -> None:
    text = (edited.root / "pyproject.toml").read_text()
    edited.file("pyproject.toml", text + "keep_images = 0\n")
    for number in range(12):
        built(edited, verb, number)
    assert len(contents(edited)) == 12


def test_the_bound_leaves_what_is_used_tagged_foreign_or_needed(
    edited: Workshop, verb: Verbs
) -> None:
    edited.image("images/b")
    built(edited, verb, 0, "images/b")
    running, released = edit(edited, 101), edit(edited, 102)
    used = edited.engine.resolve(edited.content_tag("//images/a", running))
    image = edited.engine.resolve(edited.content_tag("//images/a", released))
    assert used
    assert image
    edited.engine.standing[used] = "kernel-1"
    edited.engine.tag(image, "elyra/a:2.5.0")
    edited.engine.add(FOREIGN, content="somebody's")
    for number in range(8):
        built(edited, verb, number)
    # What others made is not counted until the next look at the engine.
    edited.open().state.set_lines("prune-wait", [])
    built(edited, verb, 8)
    assert len(contents(edited)) == 1 + 2 + 1 + 5
    assert {FOREIGN, edited.content_tag("//images/b")} <= contents(edited)
    # What the working tree needs stays, however old.
    edited.file("images/a/Dockerfile", "FROM scratch\n# 101\nLABEL number=101\n")
    edited.engine.standing.clear()
    after_build(edited.open(), edited.said.append)
    assert edited.content_tag("//images/a", running) in contents(edited)


def test_a_failing_engine_fails_no_build(edited: Workshop) -> None:
    edited.engine.down = True
    after_build(edited.open(), edited.said.append)
    assert edited.said[-1].startswith("warning: old images were not looked for: ")


def test_references_of_head_are_the_keys_of_the_working_tree(edited: Workshop) -> None:
    from buildlib.shipping.pruning.references import present_keys, references

    edited.image("images/b", 'srcs=["x"]', "FROM scratch\nCOPY x /x\n").file("images/b/x", "1")
    git(edited, "add", "-A")
    git(edited, "commit", "-q", "-m", "x")
    present = set(present_keys(edited.open()))
    edited.file("images/b/x", "2").file("images/a/Dockerfile", "FROM scratch\nLABEL a=1\n")
    said: list[str] = []
    found = references(edited.open(), 1, said.append)
    assert present <= set(found.keys)
    assert not present & set(present_keys(edited.open()))
    assert found.images == {"a", "b"}
    assert said == ["reading what the history refers to"]
    references(edited.open(), 1, said.append)
    assert len(said) == 1  # remembered


def test_a_hook_that_calls_us_does_not_lead_to_the_commits_of_another_repository(
    edited: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they need is kept: of another repository's, nothing of ours would be."""
    git(edited, "add", "-A")
    git(edited, "commit", "-q", "-m", "x")
    wanted = commits(str(edited.root), 5)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert wanted
    assert commits(str(edited.root), 5) == wanted
