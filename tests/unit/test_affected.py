"""What differs between two trees: exactly what planning both of them would say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from buildlib.core.plan.affected import Affected, affected
from buildlib.core.plan.explain import Leaf, describe
from buildlib.core.plan.rule_versions import changed_rules
from buildlib.core.trees.git import GitTree
from buildlib.core.view import View, view_of_commit
from tests.support.family import family
from tests.support.random_family import RandomFamily
from tests.support.workspace import WorkspaceBuilder

EDITS = int(os.environ.get("BUILDLIB_EDITS", "40"))
"""How many random edits; 300 were made when this was written."""
TOGETHER = 10
"""Edits of one family, one after the other."""


@contextmanager
def both(made: WorkspaceBuilder, since: str) -> Iterator[tuple[View, View]]:
    """A commit, and the working tree."""
    with view_of_commit(str(made.root), since) as old:
        yield old, made.open().view


def ask(made: WorkspaceBuilder, since: str) -> list[Affected]:
    """What differs in the working tree."""
    with both(made, since) as (old, new):
        return affected(old, new, [x for x in new.graph.order if x not in new.left_out])


def told(made: WorkspaceBuilder, since: str) -> dict[str, str]:
    """What differs, and why in a line."""
    return {
        str(found.label): ", ".join(describe(Leaf(found.path, change)) for change in found.changes)
        for found in ask(made, since)
    }


@pytest.mark.parametrize("seed", range(max(1, EDITS // TOGETHER)))
def test_random_edits_are_what_planning_both_sides_says(tmp_path: Path, seed: int) -> None:
    made = WorkspaceBuilder(tmp_path)
    product = RandomFamily(made, Random(seed))
    product.write()
    keys = made.keys()
    commit = made.commit()
    for _ in range(TOGETHER):
        done = product.edit()
        now = made.keys()  # of the working tree, each time read anew
        differ = [label for label, key in now.items() if keys.get(label) != key]
        found = ask(made, commit)
        assert sorted(str(each.label) for each in found) == sorted(differ), done
        after = made.commit()
        with (
            view_of_commit(str(made.root), commit) as old,
            view_of_commit(str(made.root), after) as new,
        ):
            labels = [label for label in new.graph.order if label not in new.left_out]
            assert affected(old, new, labels) == found, done
        for each in found:
            assert each.path[0].label == each.label
            assert len(set(each.path)) == len(each.path)
        keys, commit = now, after


def test_the_nearest_cause_is_told(tmp_path: Path) -> None:
    made = family(tmp_path)
    since = made.commit()
    assert told(made, since) == {}
    made.file("images/os/files/etc/motd", "edited\n")
    found = {str(each.label): each for each in ask(made, since)}
    assert [str(ref) for ref in found["//images/os"].path] == ["//images/os"]
    far = max(found.values(), key=lambda each: len(each.path))
    assert str(far.path[-1]) == "//images/os"
    assert {change.name for change in far.changes} == {"file files/etc/motd"}


def test_what_is_new_is_affected_and_what_is_gone_is_not(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).image("a").image("b")
    since = made.commit()
    made.remove("b").image("c")
    assert told(made, since) == {"//c": ""}


def test_a_new_part_is_new_and_the_others_are_not(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("p/a").file("p/b")
    made.build("p", 'tarball(name="p", archive="p", parts={"a": {"a": "a"}})')
    made.image("i", 'srcs=["//p[a]"]', "FROM scratch\nADD p.tar /\n")
    since = made.commit()
    made.build("p", 'tarball(name="p", archive="p", parts={"a": {"a": "a"}, "b": {"b": "b"}})')
    assert list(told(made, since)) == ["//p"]


def test_pins_that_were_not_there_before_are_told(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    made.build("d", 'download(name="d", urls=["https://example.org/d"])')
    since = made.commit()  # without its pin
    made.lock_all()
    assert told(made, since) == {"//d": "pin download item added, download was locked"}


def test_another_version_of_a_rule_is_a_change(tmp_path: Path) -> None:
    rule = "class _Image(Rule):\n    version = {}\n"
    made = WorkspaceBuilder(tmp_path).image("a").file("g/x")
    made.build("g", 'filegroup(name="g", srcs=["x"])')
    made.file("buildlib/core/keys/record.py", 'SCHEMA = "1"\n')
    made.file("buildlib/core/rules/docker_image.py", rule.format(2))
    since = made.commit()
    made.file("buildlib/core/rules/docker_image.py", rule.format(3))
    with both(made, since) as (old, new):
        rules = changed_rules(old.tree, new.tree, ["docker_image", "filegroup"])
        (found,) = affected(old, new, new.graph.order, rules)
    assert str(found.label) == "//a"
    assert found.changes == (("rule", "docker_image 2", "docker_image 3"),)


def test_another_form_of_keys_changes_all(tmp_path: Path) -> None:
    made = (
        WorkspaceBuilder(tmp_path).image("a").file("buildlib/core/keys/record.py", 'SCHEMA = "1"\n')
    )
    first = made.commit()
    made.file("buildlib/core/keys/record.py", 'SCHEMA = "2"\n')
    second = made.commit()
    trees = [GitTree(str(made.root), commit) for commit in (first, second)]
    assert changed_rules(*trees, ["docker_image"]) == {"docker_image": ("schema", "1", "2")}
    for tree in trees:
        tree.close()


def test_a_tree_without_a_build_system_says_nothing_of_it(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).image("a")
    tree = GitTree(str(made.root), made.commit())
    assert changed_rules(tree, tree, ["docker_image"]) == {}
    tree.close()


def test_a_target_of_another_rule_is_told_by_its_rule(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/x")
    made.build("a", 'filegroup(name="a", srcs=["x"])')
    since = made.commit()
    made.image("a", 'srcs=["x"]')
    assert told(made, since) == {"//a": "rule changed"}
