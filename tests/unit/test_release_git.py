"""The end of a release in git: two commits and a tag, whatever stops it; and what it needs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from buildlib.errors import ActionError, BuildError, InputError
from buildlib.shipping.releasing.git_repository import GitRepository
from buildlib.shipping.releasing.notes import roll
from buildlib.shipping.releasing.preconditions import SourceCommit, check_git
from buildlib.shipping.releasing.release_commits import commit_release, releases
from tests.support.workspace import WorkspaceBuilder

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- new\n\n## [2.4.0] - 2026-01-01\n\n- old\n"
DAY = "2026-11-23"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git as it is for somebody with a name and no other settings."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    made = WorkspaceBuilder(tmp_path).file("CHANGELOG.md", CHANGELOG).image("images/a")
    made.commit()
    made.git("config", "user.name", "Ada")
    made.git("config", "user.email", "ada@example.org")
    return made


def release(made: WorkspaceBuilder, version: str = "2.5.0", following: str = "") -> object:
    return commit_release(str(made.root), version, following, date=DAY)


def check(made: WorkspaceBuilder, version: str = "2.5.0", **more: object) -> SourceCommit:
    return check_git(str(made.root), version, **more)  # type: ignore[arg-type]


def history(made: WorkspaceBuilder) -> list[str]:
    return made.git("log", "--format=%s", "--reverse").split("\n")


def refused(act: Callable[[], object], kind: type[BuildError] = InputError) -> BuildError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.fix, "an error says what would mend it"
    return caught.value


# -- what it leaves --------------------------------------------------------------------------------


def test_a_release_is_a_commit_a_tag_and_a_commit_to_go_on(made: WorkspaceBuilder) -> None:
    start = made.git("rev-parse", "HEAD")
    done = commit_release(str(made.root), "2.5.0", date=DAY)
    assert history(made) == ["x", "Release 2.5.0", "Start 2.5.1.dev0"]
    assert done == (made.git("rev-parse", "HEAD^"), "v2.5.0", "2.5.1.dev0")
    assert made.git("rev-parse", "HEAD~2") == start
    assert made.git("rev-parse", "v2.5.0^{commit}") == done.release
    assert made.git("cat-file", "-t", "v2.5.0") == "tag", "annotated"
    assert made.git("show", "v2.5.0:VERSION") == "2.5.0"
    assert made.git("show", "v2.5.0:CHANGELOG.md") == roll(CHANGELOG, "2.5.0", DAY).strip()
    assert made.git("diff", "--name-only", "v2.5.0^", "v2.5.0").split() == [
        "CHANGELOG.md",
        "VERSION",
    ]
    assert made.git("diff", "--name-only", "HEAD^", "HEAD") == "VERSION"
    assert (made.root / "VERSION").read_text() == "2.5.1.dev0\n"
    assert made.git("status", "--porcelain") == ""
    assert made.git("log", "-1", "--format=%an <%ae>") == "Ada <ada@example.org>"


def test_a_person_says_what_to_go_on_with(made: WorkspaceBuilder) -> None:
    release(made, "2.5.0", "3.0.0.dev0")
    assert (made.root / "VERSION").read_text() == "3.0.0.dev0\n"


def test_run_again_it_does_nothing(made: WorkspaceBuilder) -> None:
    first = release(made)
    before = made.git("rev-parse", "HEAD")
    assert release(made) == first
    assert check(made).commit == made.git("rev-parse", "v2.5.0^{commit}^")
    assert made.git("rev-parse", "HEAD") == before


def test_without_a_changelog_there_is_the_version_alone(made: WorkspaceBuilder) -> None:
    made.remove("CHANGELOG.md").commit()
    release(made)
    assert made.git("diff", "--name-only", "v2.5.0^", "v2.5.0") == "VERSION"


def test_line_ends_and_permissions_stay(made: WorkspaceBuilder) -> None:
    text = CHANGELOG.replace("\n", "\r\n").replace("## [Unreleased]\r\n", "## [Unreleased]\n")
    made.file("CHANGELOG.md", text.encode(), mode=0o755)
    made.commit()
    release(made)
    assert (made.root / "CHANGELOG.md").read_bytes() == roll(text, "2.5.0", DAY).encode()
    assert (made.root / "CHANGELOG.md").stat().st_mode & 0o777 == 0o755


def test_a_workspace_may_be_a_folder_of_a_repository(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path, "above/ws").file("CHANGELOG.md", CHANGELOG)
    above = WorkspaceBuilder(tmp_path, "above")
    above.commit()
    above.git("config", "user.name", "Ada")
    above.git("config", "user.email", "ada@example.org")
    release(made)
    assert above.git("diff", "--name-only", "v2.5.0^", "v2.5.0").split() == [
        "ws/CHANGELOG.md",
        "ws/VERSION",
    ]
    made.file("notes")
    assert refused(lambda: check(made, "2.6.0")).detail == "notes"


def test_several_releases_follow_each_other(made: WorkspaceBuilder) -> None:
    for version in ("2.5.0rc1", "2.5.0-rc.2", "2.5.0", "2.5.1"):
        check(made, version)
        release(made, version)
    assert list(releases(GitRepository(str(made.root)))) == [
        "2.5.0",
        "2.5.0-rc.2",
        "2.5.0rc1",
        "2.5.1",
    ]
    assert (made.root / "VERSION").read_text() == "2.5.2.dev0\n"


# -- stopped ---------------------------------------------------------------------------------------

EFFECTS = ("write", "add_commit", "add_tag")


class Stopped(BaseException):
    """As if the process were killed."""


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Stop before the effect that follows `count` others."""
    left = [count]
    for name in EFFECTS:
        plain = getattr(GitRepository, name)

        def counted(self, *words, plain=plain):
            if not left[0]:
                raise Stopped
            left[0] -= 1
            return plain(self, *words)

        monkeypatch.setattr(GitRepository, name, counted)


@pytest.mark.parametrize("count", range(6))
@pytest.mark.parametrize("day", [DAY, "2026-11-24"])
def test_stopped_between_any_two_steps_it_is_completed_by_the_next_run(
    made: WorkspaceBuilder, count: int, day: str
) -> None:
    start = made.git("rev-parse", "HEAD")
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, count)
        with pytest.raises(Stopped):
            release(made)
    origin = check(made)
    assert (origin.commit, origin.epoch) == (
        start,
        int(made.git("show", "-s", "--format=%ct", start)),
    )
    commit_release(str(made.root), "2.5.0", date=day)
    assert history(made) == ["x", "Release 2.5.0", "Start 2.5.1.dev0"]
    assert made.git("status", "--porcelain") == ""
    assert made.git("rev-parse", "v2.5.0^{commit}") == made.git("rev-parse", "HEAD^")
    text = made.git("show", "v2.5.0:CHANGELOG.md")
    assert text.count("[2.5.0]") == 1
    assert check(made).commit == start


def test_there_are_no_more_effects_than_were_stopped_at(
    made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(monkeypatch, 6)
    release(made)


def test_edits_are_not_taken_for_those_of_a_stopped_release(made: WorkspaceBuilder) -> None:
    made.file("VERSION", "2.5.0\n")
    check(made)
    made.file("CHANGELOG.md", roll(CHANGELOG, "2.5.0", DAY) + "- mine\n")
    assert refused(lambda: release(made)).detail == "CHANGELOG.md"
    made.file("CHANGELOG.md", CHANGELOG).file("VERSION", "2.6.0\n")
    assert refused(lambda: release(made)).detail == "VERSION"


def test_a_stopped_release_may_go_on_with_another_version(
    made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 5)
        with pytest.raises(Stopped):
            release(made)
    release(made, "2.5.0", "2.6.0.dev0")
    assert history(made)[-1] == "Start 2.6.0.dev0"


# -- refused ---------------------------------------------------------------------------------------


def test_edited_new_removed_and_staged_files_are_listed(made: WorkspaceBuilder) -> None:
    made.file("images/a/Dockerfile", "FROM other\n").file("images/b/new").remove("dodo.py")
    made.file("staged")
    made.git("add", "staged")
    made.file(".buildlib/x").file("a/__pycache__/b.pyc")
    before = made.git("rev-parse", "HEAD")
    for act in (check, release):
        error = refused(lambda act=act: act(made))
        assert error.detail is not None
        assert error.detail.split("\n") == [
            "dodo.py", "images/a/Dockerfile", "staged", "images/b/new",
        ]  # fmt: skip
    assert made.git("rev-parse", "HEAD") == before


def test_of_many_edited_files_some_are_told(made: WorkspaceBuilder) -> None:
    for number in range(30):
        made.file(f"f/{number}")
    made.git("config", "status.showUntrackedFiles", "no")
    error = refused(lambda: check(made))
    assert "30 files" in error.what
    assert error.detail is not None
    assert error.detail.endswith("\nand 20 more")


@pytest.mark.parametrize("version", ["2.4.9", "2.5.0-rc.1", "2.5.0", "2.5.0rc9"])
def test_a_version_that_is_not_greater_than_the_newest_is_refused(
    made: WorkspaceBuilder, version: str
) -> None:
    for tag in ("v2.4.0", "v2.5.1.dev0", "v9", "version9.0.0", "v3.0", "vv9.0.0", "9.9.9"):
        made.git("tag", tag)
    assert check(made, version).newest == "2.4.0"
    made.git("tag", "-a", "-m", "x", "v2.5.1")
    error = refused(lambda: check(made, version))
    assert error.fix == "./doitw release VERSION=2.5.2"
    assert "2.5.1" in error.what
    assert check(made, "2.5.2rc1").newest == "2.5.1"


def test_an_equal_version_in_the_other_spelling_is_refused(made: WorkspaceBuilder) -> None:
    made.git("tag", "v2.5.0-rc.1")
    assert refused(lambda: check(made, "2.5.0rc1")).fix == "./doitw release VERSION=2.5.0"


def test_a_tag_on_another_commit_is_refused(made: WorkspaceBuilder) -> None:
    made.git("tag", "v2.5.0")
    for act in (check, release):
        error = refused(lambda act=act: act(made), ActionError)
        assert "v2.5.0" in error.what
    assert history(made) == ["x"]


def test_a_release_that_is_behind_is_not_made_again(made: WorkspaceBuilder) -> None:
    release(made)
    made.file("more").commit()
    refused(lambda: release(made), ActionError)
    refused(lambda: check(made), ActionError)
    check(made, "2.5.1")


def test_a_version_that_somebody_committed_by_hand_is_no_release(made: WorkspaceBuilder) -> None:
    made.file("VERSION", "2.5.0\n").file("more").commit()
    error = refused(lambda: check(made), ActionError)
    assert error.fix is not None
    assert "echo 2.5.0.dev0 > VERSION" in error.fix


def test_nobody_to_commit_by(made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    made.git("config", "--unset", "user.name")
    made.git("config", "--unset", "user.email")
    made.git("config", "user.useConfigOnly", "true")
    for act in (check, release):
        error = refused(lambda act=act: act(made))
        assert error.fix is not None
        assert "git config user.name" in error.fix
    assert history(made) == ["x"]
    assert made.git("status", "--porcelain") == ""


def test_head_on_no_branch(made: WorkspaceBuilder) -> None:
    made.git("checkout", "-q", "--detach")
    assert refused(lambda: check(made)).fix == "git switch -c release-2.5.0"


def test_no_repository_no_commit_no_git(
    tmp_path: Path, made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = WorkspaceBuilder(tmp_path / "other")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert "in no git repository" in refused(lambda: check(bare)).what
    bare.git("init", "-q")
    assert "no commit" in refused(lambda: check(bare)).what
    monkeypatch.setenv("PATH", "")
    assert "no git" in refused(lambda: check(made)).what


def test_a_shallow_clone_without_tags_is_refused(tmp_path: Path, made: WorkspaceBuilder) -> None:
    made.git("tag", "v2.4.0")
    made.file("more").commit()
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", "--no-tags", made.root.as_uri(), str(clone)], check=True
    )
    for name, value in (("user.name", "Ada"), ("user.email", "a@example.org")):
        subprocess.run(["git", "-C", str(clone), "config", name, value], check=True)
    error = refused(lambda: check_git(str(clone), "2.5.0"))
    assert error.fix == "git fetch --tags --unshallow"
    subprocess.run(
        ["git", "-C", str(clone), *error.fix.split()[1:]], check=True, capture_output=True
    )
    assert check_git(str(clone), "2.5.0").newest == "2.4.0"


def test_the_first_release_is_remarked(made: WorkspaceBuilder) -> None:
    said: list[str] = []
    check(made, warn=said.append)
    assert len(said) == 1
    made.git("tag", "v2.4.0")
    check(made, warn=said.append)
    assert len(said) == 1


# -- hooks -----------------------------------------------------------------------------------------


def hook(made: WorkspaceBuilder, name: str, script: str) -> None:
    made.file(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n", mode=0o755)


def test_hooks_run_and_may_refuse(made: WorkspaceBuilder) -> None:
    hook(made, "pre-commit", "echo no releases on mondays >&2; exit 1")
    error = refused(lambda: release(made), ActionError)
    assert error.detail == "no releases on mondays"
    assert history(made) == ["x"]
    hook(made, "pre-commit", "git diff --cached --name-only > .git/seen")
    check(made)
    release(made)
    assert history(made) == ["x", "Release 2.5.0", "Start 2.5.1.dev0"]


def test_a_hook_may_change_the_message(made: WorkspaceBuilder) -> None:
    hook(made, "commit-msg", 'sed -i "1s/^/chore: /" "$1"')
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(Stopped):
            release(made)
    release(made)
    assert history(made) == ["x", "chore: Release 2.5.0", "chore: Start 2.5.1.dev0"]


def test_a_hook_may_not_change_the_commit(made: WorkspaceBuilder) -> None:
    hook(made, "pre-commit", "echo more > more; git add more")
    error = refused(lambda: release(made), ActionError)
    assert "a hook has changed it" in error.what
    assert made.git("tag") == ""


def test_a_release_from_within_a_hook_finds_its_own_repository(
    made: WorkspaceBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = WorkspaceBuilder(tmp_path / "other")
    other.commit()
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.root / ".git/index"))
    release(made)
    assert history(made)[-1] == "Start 2.5.1.dev0"
    assert history(other) == ["x"]


# -- the changelog ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["# Changelog\n", f"{CHANGELOG}\n## [2.5.0] - 2026-02-02\n"],
    ids=["no section", "twice"],
)
def test_a_changelog_that_cannot_be_closed_is_told_before_anything_is_done(
    made: WorkspaceBuilder, text: str
) -> None:
    made.file("CHANGELOG.md", text).commit()
    for act in (check, release):
        assert "CHANGELOG.md" in refused(lambda act=act: act(made)).what
    assert made.git("status", "--porcelain") == ""
    assert (made.root / "VERSION").read_text() == "2.5.0.dev0\n"


def test_the_changelogs_section_is_closed_once_wherever_it_stops(
    made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in range(6):
        with pytest.MonkeyPatch.context() as patch:
            stop_after(patch, count)
            with pytest.raises(Stopped):
                release(made, f"2.5.{count}")
        check(made, f"2.5.{count}")
        release(made, f"2.5.{count}")
    headings = [
        line for line in made.git("show", "HEAD:CHANGELOG.md").split("\n") if "## [" in line
    ]
    rows = [f"## [2.5.{count}] - {DAY}" for count in reversed(range(6))]
    assert headings == ["## [Unreleased]", *rows, "## [2.4.0] - 2026-01-01"]
