"""Versions: two spellings, one order; what is none is told with what would be right."""

from __future__ import annotations

import itertools
import re
import string
import subprocess
import sys

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from buildlib.core.model.version import (
    after,
    before,
    channel_of,
    check_file,
    check_release,
    is_development,
    is_greater,
    is_prerelease,
    is_version,
    newest,
    next_development,
)
from buildlib.errors import InputError

RISING = [
    ["2.4.9"],
    ["2.5.0.dev0", "2.5.0-dev.0", "2.5.0-dev0"],
    ["2.5.0.dev1", "2.5.0-dev.1"],
    ["2.5.0-alpha"],
    ["2.5.0a1.dev1"],
    ["2.5.0a1", "2.5.0-alpha.1", "2.5.0-a1"],
    ["2.5.0a2"],
    ["2.5.0a10"],
    ["2.5.0-beta"],
    ["2.5.0b1", "2.5.0-beta.1", "2.5.0-beta1"],
    ["2.5.0-nightly"],
    ["2.5.0rc1.dev7"],
    ["2.5.0rc1", "2.5.0-rc.1", "2.5.0-rc1", "2.5.0-pre.1"],
    ["2.5.0-rc.1.fix"],
    ["2.5.0rc2", "2.5.0-rc.2"],
    ["2.5.0rc10", "2.5.0-rc.10", "2.5.0-rc10"],
    ["2.5.0"],
    ["2.5.1.dev0"],
    ["2.5.1"],
    ["2.10.0"],
    ["10.0.0"],
]
"""Each row is greater than the one above; in a row, all are equal."""


def test_versions_of_both_spellings_have_one_order() -> None:
    for (i, row), (j, other) in itertools.product(enumerate(RISING), repeat=2):
        for version, against in itertools.product(row, other):
            assert is_greater(version, against) == (i > j), f"{version} > {against}"
    texts = [version for row in RISING for version in row]
    assert newest(texts) == "10.0.0"
    assert newest([]) == ""


_small = st.integers(0, 12)
_numbers = st.tuples(_small, _small, _small).map(lambda n: ".".join(map(str, n)))
_pre = st.builds("{}{}".format, st.sampled_from(["a", "b", "rc"]), _small)
_dev = st.builds(".dev{}".format, _small)
_nothing = st.just("")
pep440 = st.builds("{}{}{}".format, _numbers, _pre | _nothing, _dev | _nothing)
_word = st.text(string.ascii_lowercase + "-", min_size=1, max_size=4).filter(
    # what PEP 440 orders in its own way
    lambda word: word not in ("a", "b", "c", "pre") and not word.startswith("dev")
)
_pieces = st.lists(_word | _small.map(str), min_size=1, max_size=4).map(".".join)
semantic = st.builds("{}-{}".format, _numbers, _pieces) | _numbers
any_version = pep440 | semantic


@given(pep440, pep440)
def test_of_pep_440_the_order_is_that_of_packaging(one: str, other: str) -> None:
    assert is_greater(one, other) == (Version(one) > Version(other))
    assert is_prerelease(one) == Version(one).is_prerelease
    assert is_development(one) == Version(one).is_devrelease


@given(semantic, semantic)
def test_of_semver_the_order_is_that_of_semver(one: str, other: str) -> None:
    assert is_greater(one, other) == (semver.Version.parse(one) > semver.Version.parse(other))
    assert is_prerelease(one) == bool(semver.Version.parse(one).prerelease)


@given(any_version, any_version, any_version)
def test_of_both_there_is_one_order(one: str, other: str, third: str) -> None:
    assert not (is_greater(one, other) and is_greater(other, one))
    if is_greater(one, other) and is_greater(other, third):
        assert is_greater(one, third)


@given(any_version)
def test_what_goes_on_is_greater_and_before_what_may_come(version: str) -> None:
    assert is_version(version)
    following = next_development(version)
    assert is_development(following)
    assert is_greater(following, version)
    assert check_file(following) == following
    assert is_greater(after(version), version)
    assert not is_prerelease(after(version))
    assert is_greater(version, before(version)) or is_development(version)


@pytest.mark.parametrize(
    ("version", "following"),
    [
        ("2.5.0", "2.5.1.dev0"),
        ("2.5.9", "2.5.10.dev0"),
        ("2.5.0rc1", "2.5.0rc2.dev0"),
        ("2.5.0-rc.1", "2.5.0rc2.dev0"),
        ("2.5.0-alpha.3", "2.5.0a4.dev0"),
        ("2.5.0-nightly.3", "2.5.1.dev0"),
    ],
)
def test_after_a_release_development_goes_on(version: str, following: str) -> None:
    assert next_development(version) == following


def test_a_person_says_what_goes_on() -> None:
    for given_text in ("2.6.0.dev0", "3.0.0-dev.1", "2.5.1a1.dev0"):
        assert next_development("2.5.0", given_text) == given_text


@pytest.mark.parametrize("text", ["2.6.0", "2.6.0rc1", "2.5.0.dev1", "2.6.dev0", "v2.6.0.dev0"])
def test_what_cannot_go_on_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        next_development("2.5.0", text)
    assert text in refused.value.what
    assert refused.value.fix == "./doitw release VERSION=2.5.0 NEXT=2.5.1.dev0"


@pytest.mark.parametrize(
    ("version", "channel"),
    [
        ("2.5.0.dev0", "dev"),
        ("2.5.0rc1.dev0", "dev"),
        ("2.5.0-dev.3", "dev"),
        ("2.5.0", "2.5.0"),
        ("2.5.0rc1", "2.5.0rc1"),
        ("2.5.0-rc.1", "2.5.0-rc.1"),
    ],
)
def test_the_channel_follows_from_the_version(version: str, channel: str) -> None:
    assert channel_of(version) == channel


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("v2.5.0", "2.5.0"),
        ("v2.5.0rc1", "2.5.0rc1"),
        ("2.5", "2.5.0"),
        ("2.5.0+x", "2.5.0"),
        ("02.5.0", "2.5.0"),
        ("2.5.0.1", "2.5.0"),
        ("2.5.0-rc_1", "2.5.0rc1"),
        ("2.5.0alpha1", "2.5.0a1"),
        ("2.5.0.post1", "2.5.0"),
        ("2.5.0-01", "2.5.0"),
        ("1!2.5.0", "2.5.0"),
        ("9" * 200, "2.5.0"),
    ],
)
def test_what_is_no_version_is_told_with_what_would_be(text: str, right: str) -> None:
    assert not is_version(text)
    with pytest.raises(InputError) as typed:
        check_release(text)
    with pytest.raises(InputError) as written:
        check_file(f"{text}\n")
    assert typed.value.what == written.value.what
    assert text in typed.value.what
    assert typed.value.fix == f"./doitw release VERSION={right}"
    assert written.value.fix == f"echo {right} > VERSION"


@pytest.mark.parametrize("text", ["2.5.0.dev0", "2.5.0-dev.1", "2.5.0rc1.dev2"])
def test_a_development_version_is_no_release(text: str) -> None:
    assert check_file(f"{text}\n") == text
    with pytest.raises(InputError, match="is a development version"):
        check_release(text)


@given(st.text(max_size=40) | st.text(string.digits + ".-+vdevrcab", max_size=20))
def test_no_text_is_too_odd_to_be_told_about(text: str) -> None:
    for check in (check_release, check_file):
        fix = None
        try:
            found = check(text)
        except InputError as error:
            fix = error.fix or "nothing"
            found = fix.split("VERSION=")[-1].removeprefix("echo ").split(" >")[0]
        assert is_version(found)
        assert fix or found == text.strip()


@given(any_version)
def test_what_is_taken_is_a_tag(version: str) -> None:
    assert check_file(version) == version
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", version)


def test_a_common_version_is_checked_without_libraries() -> None:
    """Every build checks the file VERSION."""
    code = (
        "import sys\nfrom buildlib.core.model.version import *\n"
        "channel_of(check_file('2.5.0.dev0\\n')), channel_of(check_file('2.5.0\\n'))\n"
        "print('packaging' in sys.modules, 'semver' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
