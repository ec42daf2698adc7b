"""The closure of a minimal system: complete, smallest, and the same whatever the order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.debian.archive import Candidate
from buildlib.debian.package import DebPackage
from buildlib.debian.resolve import MINIMAL, minimal_system, parse_relations
from buildlib.errors import InputError


def candidate(name: str, version: str = "1", priority: str = "optional", **fields: str):
    package = DebPackage(name, version, "amd64", "ab" * 32, 1, f"debian/pool/{name}.deb")
    known = {"pre_depends": "", "depends": "", "conflicts": "", "breaks": "", "provides": ""}
    return Candidate(package, priority, essential=False, **{**known, **fields})


def world(*more: Candidate) -> dict[str, Candidate]:
    found = [candidate(name) for name in MINIMAL] + list(more)
    return {one.package.name: one for one in found}


def names(candidates: dict[str, Candidate], *wanted: str) -> list[str]:
    return [p.name for p in minimal_system(candidates, wanted) if p.name not in MINIMAL]


def test_required_packages_and_all_they_depend_on() -> None:
    found = world(
        candidate("base", priority="required", depends="lib (>= 1)", pre_depends="early"),
        candidate("lib", depends="deep:any"),
        candidate("deep"),
        candidate("early"),
        candidate("unrelated"),
    )
    assert names(found) == ["base", "deep", "early", "lib"]


def test_dependency_loops_end() -> None:
    found = world(candidate("a", depends="b"), candidate("b", depends="a"))
    assert names(found, "a") == ["a", "b"]


def test_of_alternatives_the_first_that_can_be_had() -> None:
    found = world(candidate("a", depends="missing | old (>= 2) | new"), candidate("new"))
    found |= {"old": candidate("old", "1")}
    assert names(found, "a") == ["a", "new"]


def test_an_alternative_chosen_for_another_reason_is_enough() -> None:
    found = world(
        candidate("a", depends="first | second"),
        candidate("b", depends="second"),
        candidate("first"),
        candidate("second"),
    )
    assert names(found, "a", "b") == ["a", "b", "second"]


def test_a_virtual_package_is_met_by_the_provider_of_highest_priority() -> None:
    found = world(
        candidate("a", depends="awk"),
        candidate("gawk", provides="awk"),
        candidate("mawk", priority="required", provides="awk"),
        candidate("original-awk", provides="awk"),
    )
    assert names(found, "a") == ["a", "mawk"]


def test_a_bound_on_a_virtual_package_needs_a_versioned_provides() -> None:
    found = world(
        candidate("a", depends="api (>= 2)"),
        candidate("one", provides="api"),
        candidate("two", provides="api (= 2.1)"),
    )
    assert names(found, "a") == ["a", "two"]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no package 'tinni'.*did you mean tini"):
        minimal_system(world(candidate("tini")), ["tinni"])


def test_a_dependency_that_cannot_be_met_names_both_sides() -> None:
    with pytest.raises(InputError, match=r"package a depends on b \(>= 2\) \| c, which"):
        minimal_system(world(candidate("a", depends="b (>= 2) | c"), candidate("b")), ["a"])


@pytest.mark.parametrize("field", ["conflicts", "breaks"])
def test_packages_that_exclude_each_other_are_refused(field: str) -> None:
    found = world(candidate("a", **{field: "b (<< 2)"}), candidate("b", "1"))
    with pytest.raises(InputError, match="a and b cannot be installed together"):
        minimal_system(found, ["a", "b"])
    found["b"] = candidate("b", "2")
    assert names(found, "a", "b") == ["a", "b"]


def test_a_package_may_conflict_with_the_name_it_provides() -> None:
    found = world(candidate("a", conflicts="agent", provides="agent"))
    assert names(found, "a") == ["a"]


@pytest.mark.parametrize("text", ["a b", "a (1)", "a (>= )", "| a"])
def test_what_is_no_relation_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot read the package relation"):
        parse_relations(text)


LETTERS = "abcdefgh"


@given(
    st.dictionaries(
        st.sampled_from(LETTERS),
        st.lists(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=3), max_size=3),
    ),
    st.sets(st.sampled_from(LETTERS), min_size=1),
    st.randoms(use_true_random=False),
)
def test_closed_and_independent_of_order(
    depends: dict[str, list[list[str]]], wanted: set[str], rng: random.Random
) -> None:
    found = [
        candidate(name * 2, depends=", ".join(" | ".join(n * 2 for n in g) for g in groups))
        for name in LETTERS
        for groups in [depends.get(name, [])]
    ]
    wanted_names = [name * 2 for name in wanted]
    chosen = names(world(*found), *wanted_names)
    for name in chosen:
        for group in parse_relations(world(*found)[name].depends):
            assert any(relation.name in chosen for relation in group)
    rng.shuffle(found)
    rng.shuffle(wanted_names)
    assert names(world(*found), *wanted_names) == chosen
