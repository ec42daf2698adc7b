"""Labels, references, patterns and task names: what is written is what is meant, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.model.label import (
    Label,
    Reference,
    is_label,
    is_pattern,
    match_pattern,
    parse_label,
    parse_reference,
    task_names,
)
from buildlib.core.store.state import flat
from buildlib.errors import InputError

WORDS = st.text("ab.+-_1", min_size=1, max_size=3).filter(lambda text: not set(text) <= {"."})
FOLDERS = st.one_of(
    st.lists(WORDS, max_size=3).map("/".join),
    st.sampled_from(["images", "images/a", "images/images/a", "a", "build"]),
).filter(lambda folder: ".." not in folder)
LABELS = st.builds(Label, FOLDERS, WORDS | st.just("verify")) | FOLDERS.filter(bool).map(
    lambda folder: Label(folder, folder.rsplit("/", 1)[-1])
)


@given(LABELS)
def test_a_label_is_read_as_it_is_written(label: Label) -> None:
    assert is_label(str(label))
    assert parse_label(str(label)) == label
    assert parse_label(f"//{label.package}:{label.name}") == label
    assert parse_label(f":{label.name}", package=label.package) == label


@given(LABELS, st.lists(WORDS, max_size=3))
def test_a_reference_is_read_as_it_is_written(label: Label, parts: list[str]) -> None:
    reference = Reference(label, tuple(sorted(set(parts))))
    assert parse_reference(str(reference)) == reference
    if parts:
        loose = f"{label}[ {' ,'.join(reversed(parts))} ]"
        assert parse_reference(loose) == reference


@pytest.mark.parametrize(
    "text",
    ["", "/", "//", "//:", ":", "///", "images/a", "//a:", "//a//b", "//a/", "//../a", "//a/../b",
     "//a b", "//a:b c", "//a:b:c", "//a:b/c", "//a\n", "//a:b\n", "a:b", "//a[b]", "//\u00e4"],
)  # fmt: skip
def test_what_is_no_label_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(InputError, match="is not a label") as refused:
        parse_label(text)
    assert refused.value.fix
    assert "//" in refused.value.fix


@pytest.mark.parametrize("text", ["//a:.", "//a:..", "//a:...", "//./a", "//a/./b", "//.", "//..."])
def test_a_name_that_a_file_system_or_a_pattern_takes_is_no_label(text: str) -> None:
    with pytest.raises(InputError):
        parse_label(text)


@pytest.mark.parametrize("text", ["//a[]", "//a[,]", "//a[b,]", "//a[b c]", "//a[b/c]", "//a[*]"])
def test_what_names_no_parts_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no parts"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["//a[b", "//a]b[", "//a[b]c", "//a[[b]]"])
def test_brackets_that_are_not_closed_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_reference(text)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("//...", "//a //a:x //a/b //ab //images/a"),
        ("//a/...", "//a //a:x //a/b"),
        ("//a:all", "//a //a:x"),
        ("//images/...", "//images/a"),
        ("//none/...", ""),
        ("//none:all", ""),
    ],
)
def test_patterns(pattern: str, expected: str) -> None:
    labels = [parse_label(text) for text in ("//a", "//a:x", "//a/b", "//ab", "//images/a")]
    assert is_pattern(pattern)
    assert " ".join(str(label) for label in match_pattern(pattern, labels)) == expected


@pytest.mark.parametrize("text", ["//a", "//a:b", "a/...", "...", "//a:allx", "//a..."])
def test_what_is_no_pattern(text: str) -> None:
    assert not is_pattern(text)


@given(st.lists(LABELS, max_size=8, unique=True))
def test_every_label_has_a_task_name_of_its_own(labels: list[Label]) -> None:
    names = task_names(labels)
    assert list(names) == labels
    assert len(set(names.values())) == len(labels)


def test_a_task_name_leaves_the_folder_of_images_out_where_it_may() -> None:
    def named(*texts: str) -> dict[str, str]:
        return {str(x): name for x, name in task_names(map(parse_label, texts)).items()}

    assert named("//images/kernel-py", "//images/bases/os", "//launchers:files") == {
        "//images/kernel-py": "kernel-py",
        "//images/bases/os": "bases/os",
        "//launchers:files": "launchers:files",
    }
    assert named("//images/tools", "//tools") == {
        "//images/tools": "images/tools",
        "//tools": "tools",
    }


@pytest.mark.parametrize("folder", ["a", "images/a"])
def test_a_target_named_verify_leaves_its_folders_name_to_the_folders_own(folder: str) -> None:
    names = task_names([Label(folder, "a"), Label(folder, "verify")])
    assert len(set(names.values())) == 2


@given(LABELS, LABELS)
def test_no_two_labels_share_a_file_name(one: Label, other: Label) -> None:
    """`flat` names a target's folder, log and lock: two targets must never meet in one."""
    assert (flat(one) == flat(other)) == (one == other)
    assert "/" not in flat(one)


def test_names_with_plus_do_not_meet() -> None:
    assert flat(parse_label("//a+b:c")) != flat(parse_label("//a/b:c"))
