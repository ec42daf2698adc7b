"""Debian's order of versions, against dpkg's documented examples and as a property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.debian import version

ASCENDING = [
    ("1.0~~", "1.0~~a"),
    ("1.0~~a", "1.0~"),
    ("1.0~rc1", "1.0"),
    ("1.0", "1.0a"),
    ("1.0a", "1.0b"),
    ("1.0a", "1.0+b1"),
    ("1.9", "1.10"),
    ("1.0-1", "1.0-1+b1"),
    ("1.0-1~deb12u1", "1.0-1"),
    ("1.0-1", "1.0-1+deb12u1"),
    ("9.9", "1:0.1"),
    ("1.0-9", "1.0.1-1"),
    ("1.2.13.dfsg-1", "1.3"),
    ("2.36-9+deb12u9", "2.36-9+deb12u14"),
    ("1.0", "1.0-1"),
    ("1-1-1", "1-2-0"),
]
PART = st.text("019a~+.", max_size=6)
VERSIONS = st.builds(
    lambda epoch, head, tail, revision: f"{epoch}{head}{tail}{revision}",
    st.sampled_from(["", "0:", "1:"]),
    st.sampled_from(["0", "1", "10"]),
    PART,
    st.one_of(st.just(""), st.builds("-{}".format, PART)),
)


@pytest.mark.parametrize(("low", "high"), ASCENDING)
def test_order(low: str, high: str) -> None:
    assert version.key(low) < version.key(high)


@pytest.mark.parametrize(("one", "other"), [("0:1.0", "1.0"), ("1.0", "1.00"), ("1.0-0", "1.0")])
def test_equal_though_spelt_differently(one: str, other: str) -> None:
    assert version.key(one) == version.key(other)


@given(VERSIONS, VERSIONS)
def test_a_relation_and_its_opposite_exclude_each_other(one: str, other: str) -> None:
    earlier = version.satisfies(one, "<<", other)
    equal = version.satisfies(one, "=", other)
    later = version.satisfies(one, ">>", other)
    assert [earlier, equal, later].count(True) == 1
    assert version.satisfies(one, "<=", other) == (earlier or equal)
    assert version.satisfies(one, ">=", other) == (later or equal)
    assert version.satisfies(other, ">>", one) == earlier


@given(VERSIONS)
def test_a_tilde_comes_before_and_a_suffix_after(one: str) -> None:
    assert version.key(one + "~") < version.key(one) < version.key(one + "+b1")
