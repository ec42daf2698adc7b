"""images.lock as text: sorted, one line for each pin, read back as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.model.lock import Entry, Item, dump_lock, from_plain, parse_lock, to_plain
from buildlib.errors import InputError
from tests.support.workspace import digest

# Names of packages, files and targets, and addresses: none has a backslash, which `toml` writes
# in a way of its own where an x follows.
PRINTABLE = st.characters(
    categories=("L", "N", "P", "S"), max_codepoint=0x2FF, exclude_characters="\\"
)
WORD = st.text(PRINTABLE, min_size=1)
TEXT = st.text(PRINTABLE | st.just(" "))
ITEM = st.builds(
    Item,
    WORD,
    st.integers(0, 1 << 40).map(lambda number: digest(str(number))),
    st.integers(0, 1 << 40),
    TEXT,
)
ENTRY = st.builds(
    Entry,
    st.lists(TEXT).map(tuple),
    st.dictionaries(WORD, ITEM, max_size=4),
    st.dictionaries(st.sampled_from(["debian", "docker-stacks"]), st.just(digest("on")[:32])),
)
LOCK = st.dictionaries(
    st.sampled_from(["apt", "download", "image", "maven", "python", "rootfs"]),
    st.dictionaries(WORD, ENTRY, min_size=1, max_size=3),
)


@given(LOCK)
def test_what_is_written_is_read_back(lock: dict[str, dict[str, Entry]]) -> None:
    assert parse_lock(dump_lock(lock)) == lock


@given(LOCK)
def test_the_memo_keeps_a_lock_as_it_is(lock: dict[str, dict[str, Entry]]) -> None:
    assert from_plain(to_plain(lock)) == lock


@given(LOCK, st.randoms())
def test_the_text_does_not_depend_on_the_order(lock, random) -> None:
    def shuffled(table):
        pairs = list(table.items())
        random.shuffle(pairs)
        return dict(pairs)

    other = {
        section: shuffled({n: e._replace(items=shuffled(e.items)) for n, e in entries.items()})
        for section, entries in shuffled(lock).items()
    }
    assert dump_lock(other) == dump_lock(lock)


def example() -> dict[str, dict[str, Entry]]:
    def item(name: str) -> Item:
        return Item("1.0", digest(name), 7, f"debian/pool/{name}.deb")

    entry = Entry(("wget", "curl"), {name: item(name) for name in ("wget", "curl", "libc++1")})
    return {"rootfs": {"//images/os:os": entry}, "apt": {"//b:b": entry, "//a:a": entry}}


def test_the_schema_comes_first_then_everything_sorted_one_line_for_each_pin() -> None:
    rows = [row for row in dump_lock(example()).splitlines() if row and not row.startswith("#")]
    assert rows[0] == "schema = 1"
    tables = [row for row in rows if row.endswith(".items]")]
    assert tables == [
        '[apt."//a:a".items]', '[apt."//b:b".items]', '[rootfs."//images/os:os".items]'
    ]  # fmt: skip
    for name in ("curl", "libc++1", "wget"):
        line = f'"1.0 {digest(name)} 7 debian/pool/{name}.deb"'
        assert sum(row.endswith(line) for row in rows) == 3
    pins = [row.partition(" = ")[0].strip('"') for row in rows if ".deb" in row]
    assert pins == ["curl", "libc++1", "wget"] * 3


def test_the_order_of_what_was_asked_is_kept() -> None:
    assert parse_lock(dump_lock(example()))["apt"]["//a:a"].asked == ("wget", "curl")


def test_an_empty_lock_is_one() -> None:
    assert parse_lock(dump_lock({})) == {}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("schema = 1", "schema = 2", 1),
        (digest("wget"), digest("wget")[1:], 0),
        (" 7 ", " seven ", 0),
        ("schema = 1", "schema = = 1", 2),
    ],
)
def test_a_damaged_lock_is_an_error_at_its_line(old: str, new: str, line: int) -> None:
    with pytest.raises(InputError) as caught:
        parse_lock(dump_lock(example()).replace(old, new))
    where = caught.value.where
    assert where is not None
    assert where.file == "images.lock"
    assert where.line == line or (not line and where.line > 1)
    assert caught.value.fix


@pytest.mark.parametrize(
    "text",
    ["schema = 1\napt = 3\n", "schema = 1\n[apt]\nx = 1\n", "schema = 1\n[apt.x]\nasked = 1\n"],
)
def test_a_lock_of_another_form_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(InputError):
        parse_lock(text)
