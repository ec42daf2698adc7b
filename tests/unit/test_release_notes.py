"""The changelog: a section for the notes of a release, and a section closed by one."""

from __future__ import annotations

import pytest

from buildlib.errors import InputError
from buildlib.shipping.releasing.notes import NOTHING, release_notes, roll, section

TEXT = """\
# Changelog

The form is that of Keep a Changelog.

## [Unreleased]

### Added

- A thing, see [its page][thing].

## [2.4.0] - 2026-01-02

- An older thing.

[thing]: https://example.org/thing
[2.4.0]: https://example.org/2.4.0
"""


def test_the_notes_are_what_was_not_released_yet_before_and_after_the_release() -> None:
    before = release_notes(TEXT, "2.5.0")
    assert before == "# 2.5.0\n\n### Added\n\n- A thing, see [its page][thing].\n"
    assert release_notes(roll(TEXT, "2.5.0", "2026-11-23"), "2.5.0") == before
    assert section(TEXT, "2.4.0") == "- An older thing."


def test_a_version_is_not_taken_for_another_one_that_begins_like_it() -> None:
    text = TEXT.replace("[2.4.0] -", "[2.4.0rc1] -")
    assert "A thing" in section(text, "2.4.0")
    assert section(text, "2.4.0rc1") == "- An older thing."


def test_the_new_section_is_empty_and_all_else_stays() -> None:
    rolled = roll(TEXT, "2.5.0", "2026-11-23")
    above, _, below = rolled.partition("## [2.5.0] - 2026-11-23\n")
    assert above == TEXT.partition("## [Unreleased]\n")[0] + "## [Unreleased]\n\n"
    assert below == TEXT.partition("## [Unreleased]\n")[2]
    assert section(rolled, "2.6.0") == ""


@pytest.mark.parametrize("text", ["", "# Changelog\n", "## [Unreleased]\n", "## [Unreleased]"])
def test_nothing_noted_is_said(text: str) -> None:
    assert release_notes(text, "2.5.0") == f"# 2.5.0\n\n{NOTHING}\n"


def test_an_empty_section_is_rolled_too() -> None:
    assert roll("## [Unreleased]", "1.0.0", "2026-11-23") == (
        "## [Unreleased]\n\n## [1.0.0] - 2026-11-23"
    )


def test_a_release_is_noted_once() -> None:
    with pytest.raises(InputError, match=r"CHANGELOG.md:11: error: CHANGELOG.md has a section"):
        roll(TEXT, "2.4.0", "2026-11-23")


def test_without_a_place_for_it_nothing_is_rolled() -> None:
    with pytest.raises(InputError, match=r"no section \[Unreleased\]") as caught:
        roll("# Changelog\n", "2.5.0", "2026-11-23")
    assert caught.value.fix
