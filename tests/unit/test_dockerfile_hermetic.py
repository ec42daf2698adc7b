"""A Dockerfile may reach a result only by what its key holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.workspace import WorkspaceBuilder

FETCHING = "FROM scratch\nADD https://example.com/x.tgz /\n"
REMEMBERING = "FROM scratch\nRUN --mount=type=cache,target=/c true\n"


def declared(folder: Path, dockerfile: str, attributes: str = "") -> WorkspaceBuilder:
    made = WorkspaceBuilder(folder).file("a/Dockerfile", dockerfile)
    made.build("a", f'docker_image(name="a"{attributes})')
    return made


@pytest.mark.parametrize(
    ("dockerfile", "told"),
    [(FETCHING, "which no pin holds"), (REMEMBERING, "from one build to the next")],
)
def test_what_reaches_past_the_key_is_refused(tmp_path: Path, dockerfile: str, told: str) -> None:
    message = declared(tmp_path, dockerfile).error()
    assert message.startswith("a/Dockerfile:2: error: ")
    assert told in message
    assert "\n  fix: " in message


@pytest.mark.parametrize("dockerfile", [FETCHING, REMEMBERING])
def test_a_target_with_a_network_may(tmp_path: Path, dockerfile: str) -> None:
    assert declared(tmp_path, dockerfile, ", network=True").keys()


def test_a_check_that_passed_with_a_network_is_made_again_without(tmp_path: Path) -> None:
    made = declared(tmp_path, FETCHING, ", network=True")
    workspace = made.open()
    assert workspace.graph
    workspace.save()
    made.replace("a/BUILD.py", ", network=True", "")
    assert "which no pin holds" in made.error()
