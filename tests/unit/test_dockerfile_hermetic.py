"""A Dockerfile may reach a result only by what its key holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.workspace import WorkspaceBuilder

FETCHING = "ADD https://example.com/x.tgz /"
REMEMBERING = "RUN --mount=type=cache,target=/c true"

UNPINNED = "which no pin holds"
KEPT = "from one build to the next"
OF_A_CHILD = "of whatever builds on this image"
OF_THE_MACHINE = "as the machine and its user are"
NOT_ABOVE = "nothing above it sets"
OTHER_IMAGE = "neither a stage above it nor a declared base"

PAST_THE_KEY = [
    (FETCHING, UNPINNED),
    ("add a http://example.com/x /", UNPINNED),
    ("ADD HTTPS://example.com/x.git /", UNPINNED),  # newer frontends clone it
    ("ADD git@example.com:x.git /", UNPINNED),
    ("ADD someone@example.com:x.git /", UNPINNED),
    ("ADD ssh://example.com/x.git /", UNPINNED),
    ('ADD ["http://example.com/x", "/"]', UNPINNED),
    ('ADD "http://example.com/x" /', UNPINNED),
    ("ARG HOST=http://example.com\nADD ${HOST}/x /", UNPINNED),
    ("ADD ${SET_BY_THE_BASE:-a} /", NOT_ABOVE),
    ("ENV URL=$SET_BY_THE_BASE\nADD $URL /", NOT_ABOVE),
    ("ENV b=x a=${b}foo\nADD ${a} /", NOT_ABOVE),  # that b is the base's, as in Docker
    (REMEMBERING, KEPT),
    ("RUN --mount=TYPE=cache,target=/c true", KEPT),
    ("run --mount=target=/c,Type=Cache true", KEPT),
    ('RUN --mount="type=cache",target=/c true', KEPT),
    ("""RUN --mount='"type=cache","id=x,type=bind"',target=/c true""", KEPT),
    ("COPY --from=example.com/tools /x /", OTHER_IMAGE),
    ("RUN --mount=type=bind,FROM=example.com/tools,target=/t true", OTHER_IMAGE),
    ("""RUN --mount='"from=example.com/tools"',target=/t true""", OTHER_IMAGE),
    ("RUN --mount=type=bind,target=/t,From=example.com/tools true", OTHER_IMAGE),
    ("ARG HTTP_PROXY", OF_THE_MACHINE),
    ('ARG A=1 "no_proxy"=x', OF_THE_MACHINE),
    ("ARG BUILDARCH", OF_THE_MACHINE),
]
BELOW_ONBUILD = [
    ("ADD http://example.com/x /", UNPINNED),
    ("aDd git@example.com:x.git /", UNPINNED),
    ("ADD $SET_BY_THE_CHILD /", UNPINNED),
    ("RUN --mount=type=cache,target=/c true", KEPT),
    ("run --mount=TYPE=Cache,target=/c true", KEPT),
    ("COPY --from=example.com/tools /x /", OF_A_CHILD),
    ("COPY --from=0 /x /", OF_A_CHILD),  # the child need not build that stage otherwise
    ("RUN --mount=from=0,target=/t true", OF_A_CHILD),
    ("ARG https_proxy", OF_THE_MACHINE),
]


def declared(folder: Path, text: str, attributes: str = "") -> WorkspaceBuilder:
    """An image with a file `a`, and some lines below `FROM scratch`."""
    made = WorkspaceBuilder(folder).file("a/a", "").file("a/Dockerfile", f"FROM scratch\n{text}\n")
    made.build("a", f'docker_image(name="a", srcs=["a"]{attributes})')
    return made


@pytest.mark.parametrize(("line", "told"), PAST_THE_KEY)
def test_what_reaches_past_the_key_is_refused(tmp_path: Path, line: str, told: str) -> None:
    made = declared(tmp_path, line)
    message = made.error()
    number = 1 + len(line.splitlines())
    assert f"a/Dockerfile:{number}" in message.partition("\n  fix: ")[0]
    assert told in message
    assert "\n  fix: " in message


@pytest.mark.parametrize(("line", "told"), BELOW_ONBUILD)
@pytest.mark.parametrize("word", ["ONBUILD ", "onbuild\t"])
@pytest.mark.parametrize("attributes", ["", ", network=True"])
def test_below_onbuild_too_for_a_child_need_not_have_a_network(
    tmp_path: Path, line: str, told: str, word: str, attributes: str
) -> None:
    message = declared(tmp_path, word + line, attributes).error()
    assert message.startswith("a/Dockerfile:2: error: ")
    assert told in message


@pytest.mark.parametrize(
    "line",
    [
        "ONBUILD COPY of.the.child /",  # its context is the child's, and so is its key
        "ONBUILD RUN --mount=type=bind,source=of.the.child,target=/t true",
        "ONBUILD ADD of-the-child.tar /",
        "ONBUILD ENV A=http://example.com",
        "RUN echo ADD http://example.com --mount=type=cache",
        "RUN --mount=type=secret,id=x --mount=type=ssh true",  # nothing is lent
        "ADD a /x@example.com:y",
        "ARG TARGETARCH\nRUN echo $TARGETARCH",
        "ENV HTTP_PROXY=x",
    ],
)
def test_what_a_key_holds_may_be_read(tmp_path: Path, line: str) -> None:
    assert declared(tmp_path, line).keys()


def test_a_variable_of_the_builder_may_be_declared(tmp_path: Path) -> None:
    line = 'ARG HTTP_PROXY=\nARG BUILDARCH\nRUN echo "$HTTP_PROXY"'
    assert declared(tmp_path, line, ', build_args={"HTTP_PROXY": "x", "BUILDARCH": "y"}').keys()


@pytest.mark.parametrize(
    "text",
    [
        "FROM --platform=$BUILDPLATFORM scratch AS b\nFROM b",
        "ARG X=$BUILDOS\nFROM scratch",
        "ARG ALL_PROXY\nFROM scratch",
    ],
)
def test_the_builder_is_no_part_of_what_stages_begin_with(tmp_path: Path, text: str) -> None:
    made = WorkspaceBuilder(tmp_path).image("a", "", f"{text}\n")
    assert OF_THE_MACHINE in made.error()


@pytest.mark.parametrize("argument", ["BUILDKIT_SYNTAX", "BUILDKIT_DISABLE_FILEOP"])
def test_no_build_argument_makes_the_builder_fetch_an_image(tmp_path: Path, argument: str) -> None:
    attributes = f', network=True, build_args={{"{argument}": "example.com/frontend"}}'
    message = declared(tmp_path, "", attributes).error()
    assert message.startswith("a/BUILD.py:2: error: ")
    assert f"remove {argument} from build_args" in message


@pytest.mark.parametrize("line", [FETCHING, REMEMBERING, "ARG HTTP_PROXY", "ARG BUILDARCH"])
def test_a_target_with_a_network_may(tmp_path: Path, line: str) -> None:
    assert declared(tmp_path, line, ", network=True").keys()


def test_a_check_that_passed_with_a_network_is_made_again_without(tmp_path: Path) -> None:
    made = declared(tmp_path, FETCHING, ", network=True")
    workspace = made.open()
    assert workspace.graph
    workspace.save()
    made.replace("a/BUILD.py", ", network=True", "")
    assert UNPINNED in made.error()
