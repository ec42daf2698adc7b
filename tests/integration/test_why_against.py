"""`why --against`: which part of a key differs from what a registry has; whole texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from tests.fakes.sharing import Shelf
from tests.support.golden import check_golden

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
TOP = "//images/top"


@pytest.fixture
def shelf() -> Shelf:
    """The registry."""
    return Shelf()


@pytest.fixture
def shop(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A machine that has built and published a base and an image on it."""
    monkeypatch.setenv("CI", "true")
    shop = Workshop(tmp_path)
    shop.shelf = shelf
    shop.setting("registry", "registry.test:5000")
    shop.file("images/base/motd", "welcome")
    shop.image("images/base", 'srcs=["motd"]', "FROM scratch\nCOPY motd /\n")
    shop.file("images/top/a", "a")
    shop.image("images/top", 'parent="//images/base", srcs=["a"]', CHILD + "COPY a /\n")
    publish(shop)
    return shop


def publish(shop: Workshop) -> None:
    """Build, and publish what was built."""
    shop.build_targets("//...").publish()


def test_the_same_key(shop: Workshop, verb: Verbs) -> None:
    check_golden("against/same-key", verb("why", "top", "--against").out)


def test_a_changed_file_below(shop: Workshop, verb: Verbs) -> None:
    shop.file("images/base/motd", "hello")
    check_golden("against/changed-below", verb("why", "top", "--against", "registry").out)


def test_the_nearest_of_several(shop: Workshop, shelf: Shelf, verb: Verbs) -> None:
    """The one that differs in the fewest parts, though another is younger."""
    shelf.now += 3600
    shop.file("images/base/motd", "hello")
    shop.image("images/top", 'parent="//images/base", srcs=["a"]', CHILD + "COPY a /b\n")
    publish(shop)
    shop.file("images/base/motd", "welcome")
    shop.image("images/top", 'parent="//images/base", srcs=["a"]', CHILD + "COPY a /\n")
    shop.file("images/top/a", "A")
    check_golden("against/nearest", verb("why", "top", "--against=registry.test:5000").out)


def test_of_equally_near_ones_the_youngest(shop: Workshop, shelf: Shelf, verb: Verbs) -> None:
    shelf.now += 3600
    shop.file("images/top/a", "b")
    publish(shop)
    shop.file("images/top/a", "c")
    (told,) = json.loads(verb("why", "top", "--against", "--json").out)
    assert told["records"] == 2
    assert told["nearest"]["published"] == "2023-11-14T23:13:20Z"
    assert told["nearest"]["key"] == shelf.keys_of(TOP)[-1]


def test_no_record(shop: Workshop, shelf: Shelf, verb: Verbs) -> None:
    shelf.entries.clear()
    told = verb("why", "top", "--against")
    assert told.out == "//images/top: registry.test:5000 has no record of it\n"


def test_a_key_whose_content_is_gone(shop: Workshop, shelf: Shelf, verb: Verbs) -> None:
    shelf.invalid.add(TOP)
    check_golden("against/unusable", verb("why", "top", "--against").out)


def test_what_is_told_to_programs(shop: Workshop, shelf: Shelf, verb: Verbs) -> None:
    was = shop.key(TOP)
    shop.file("images/base/motd", "hello")
    (told,) = json.loads(verb("why", "top", "--against", "--json").out)
    (change,) = told.pop("changes")
    assert told == {
        "label": TOP,
        "registry": "registry.test:5000",
        "key": shop.key(TOP),
        "has_key": False,
        "usable": False,
        "records": 1,
        "nearest": {"key": was, "published": "2023-11-14T22:13:20Z"},
    }
    assert change["part"] == "file motd"
    assert change["path"] == [TOP, "//images/base"]
    assert change["old"] != change["new"]


def test_nothing_of_theirs_is_kept(shop: Workshop, verb: Verbs) -> None:
    """A question changes nothing."""
    shop.file("images/base/motd", "hello")
    before = sorted(path for path in shop.store.rglob("*") if path.is_file())
    assert verb("why", "top", "--against").code == 0
    assert sorted(path for path in shop.store.rglob("*") if path.is_file()) == before


def test_a_registry_that_does_not_answer_is_an_error(
    shop: Workshop, shelf: Shelf, verb: Verbs
) -> None:
    shelf.down = True
    told = verb("why", "top", "--against")
    assert told.code == 1
    assert told.err.startswith("error: registry.test:5000 does not answer\n  fix: ")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("top", "--against", "https://x/"), "'https://x/' is not a host name"),
        (("top", "--against="), "--against needs a value"),
        (("--against", "top"), "why needs a target"),
    ],
)
def test_what_makes_no_sense_is_wrong_input(
    shop: Workshop, verb: Verbs, words: tuple[str, ...], what: str
) -> None:
    told = verb("why", *words)
    assert told.code == 3
    assert what in told.err
    assert "fix: " in told.err


def test_without_a_registry_there_is_nothing_to_compare_with(shop: Workshop, verb: Verbs) -> None:
    shop.setting("registry", "")
    told = verb("why", "top", "--against")
    assert told.code == 3
    assert "needs a registry, and none is set" in told.err


def test_a_variable_behind_it_is_no_registry(shop: Workshop, verb: Verbs) -> None:
    told = verb("why", "top", "--against", "ORGANIZATION=elyra")
    assert told.code == 0, told.err
    check_golden("against/same-key", told.out)
    told = verb("why", "top", "--against", "REGISTRY=other.test", "--json")
    assert json.loads(told.out)[0]["registry"] == "other.test"
