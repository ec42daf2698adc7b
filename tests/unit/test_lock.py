"""`images.lock`: what is written is read again, and damage is told with its line."""

from __future__ import annotations

import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.model.lock import (
    Entry,
    Item,
    dump_lock,
    from_plain,
    parse_lock,
    to_plain,
)
from buildlib.errors import InputError
from tests.support.workspace import digest as sha

PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\")
"""What names, versions and addresses are made of; `toml` damages a backslash before an x."""
WORDS = st.text(PRINTABLE, min_size=1, max_size=8)
TEXTS = st.text(PRINTABLE | st.just(" "), max_size=12)
ITEMS = st.builds(Item, WORDS, st.integers(0, 9).map(lambda n: sha(str(n))), st.integers(0, 10**12),
                  TEXTS)  # fmt: skip
ENTRIES = st.builds(
    Entry,
    st.lists(TEXTS, max_size=3).map(tuple),
    st.dictionaries(WORDS, ITEMS, max_size=3),
    st.dictionaries(st.sampled_from(["debian", "docker-stacks"]), st.just(sha("on")[:32])),
)
NAMES = st.sampled_from(["//a", "//images/bases/os:x", "//a.b:c+d", "//g++"])
LOCKS = st.dictionaries(
    st.sampled_from(["apt", "python", "rootfs", "download", "image", "maven"]),
    st.dictionaries(NAMES, ENTRIES, min_size=1, max_size=2),
)


@given(LOCKS)
def test_a_lock_is_read_as_it_was_written(lock: dict[str, dict[str, Entry]]) -> None:
    text = dump_lock(lock)
    assert parse_lock(text) == lock
    assert dump_lock(parse_lock(text)) == text
    assert text.splitlines()[1] == "schema = 1"


@given(LOCKS)
def test_a_lock_survives_the_memo(lock: dict[str, dict[str, Entry]]) -> None:
    assert from_plain(marshal.loads(marshal.dumps(to_plain(lock)))) == lock


def test_the_order_in_which_pins_were_found_does_not_show() -> None:
    one, other = Item("1", sha("a"), 1, "x"), Item("2", sha("b"), 2, "y")
    first = {"apt": {"//a": Entry((), {"a": one, "b": other}), "//b": Entry((), {})}, "rootfs": {}}
    second = {"rootfs": {}, "apt": {"//b": Entry((), {}), "//a": Entry((), {"b": other, "a": one})}}
    assert dump_lock(first) == dump_lock(second)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("schema = 2\n", 1),
        ("schema = '1'\n", 1),
        ("schema = true\n", 1),
        ("schema = 1\n\nx = = 1\n", 3),
        ("schema = 1\napt = 3\n", 2),
        ("schema = 1\n[apt]\nx = 3\n", 3),
        ('schema = 1\n[apt."//a"]\nasked = "curl"\n', 2),
        ('schema = 1\n[apt."//a"]\nasked = [1]\n', 2),
        ('schema = 1\n[apt."//a"]\nasked = []\non = ["debian"]\n', 2),
        ('schema = 1\n[apt."//a"]\nasked = []\non = "debian 0a"\n', 2),
        ('schema = 1\n[apt."//a"]\nitems = 3\n', 2),
        ('schema = 1\n[apt."//a".items]\ncurl = 3\n', 3),
        ('schema = 1\n[apt."//a".items]\ncurl = "1"\n', 3),
        (f'schema = 1\n[apt."//a".items]\ncurl = "1 {sha("x")} x where"\n', 3),
        (f'schema = 1\n[apt."//a".items]\ncurl = "1 {sha("x").upper()} 1 where"\n', 3),
        (f'schema = 1\n[apt."//a".items]\ncurl = "1 {sha("x")} \u00b2 where"\n', 3),
    ],
)
def test_damage_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(InputError) as refused:
        parse_lock(text)
    assert str(refused.value.where) == f"images.lock:{line}"
    assert refused.value.fix
