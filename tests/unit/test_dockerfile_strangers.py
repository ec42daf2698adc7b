"""Dockerfiles that were not written for us: what Docker builds is built, and errors tell why."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildlib.core.dockerfile.bases import with_present_names
from buildlib.core.dockerfile.lines import read_lines
from buildlib.core.dockerfile.parse import parse
from tests.support.strangers import BROKEN_STAGES, COMMENTS, UNREADABLE_STAGES
from tests.support.workspace import WorkspaceBuilder

NBSP, ZERO_WIDTH = "\u00a0", "\u200b"


def declared(folder: Path, text: str, arguments: str = 'srcs=["a"]') -> WorkspaceBuilder:
    """An image with the file `a`, and an image `//base` that it may build on."""
    made = WorkspaceBuilder(folder).image("base").file("x/a", "")
    return made.image("x", arguments, text)


# -- stages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", BROKEN_STAGES)
def test_only_stages_that_are_built_are_checked(tmp_path: Path, stage: str) -> None:
    assert declared(tmp_path, f"{stage}FROM scratch\nCOPY a /a\n").keys()


@pytest.mark.parametrize("stage", BROKEN_STAGES)
@pytest.mark.parametrize("use", ["FROM test", "FROM scratch\nCOPY --from=test /a /a"])
def test_a_stage_that_is_needed_is_checked(tmp_path: Path, stage: str, use: str) -> None:
    assert declared(tmp_path, f"{stage}{use}\nCOPY a /a\n").error().startswith("x/Dockerfile:")


@pytest.mark.parametrize("stage", UNREADABLE_STAGES)
def test_what_builders_cannot_read_is_refused_in_any_stage(tmp_path: Path, stage: str) -> None:
    message = declared(tmp_path, f"{stage}FROM scratch\nCOPY a /a\n").error()
    assert message.startswith("x/Dockerfile:")


def test_mounts_and_numbers_reach_stages_too() -> None:
    text = "FROM a\nFROM b AS b\nFROM c AS c\nFROM scratch\nCOPY --from=0 /x /x\n"
    text += "RUN --mount=type=bind,from=c,target=/c true\n"
    assert [stage.image for stage in parse(text, "Dockerfile").reached] == ["a", "c", "scratch"]


def test_a_parent_of_a_stage_that_is_not_built_is_of_no_use(tmp_path: Path) -> None:
    text = "ARG BASE=base\nFROM ${BASE} AS test\nFROM scratch\nCOPY a /a\n"
    message = declared(tmp_path, text, 'srcs=["a"], bases={"BASE": "//base"}').error()
    assert "only the stage test uses that, which is not built" in message
    assert 'fix: target = "test"' in message


def test_builders_want_a_name_in_each_from(tmp_path: Path) -> None:
    text = "ARG BASE\nFROM ${BASE} AS test\nFROM scratch\nCOPY a /a\n"
    assert "has no value" in declared(tmp_path, text).error()
    assert declared(tmp_path, text, 'srcs=["a"], build_args={"BASE": "scratch"}').keys()


STAGES = "FROM scratch AS Dev\nCOPY a /a\nFROM scratch AS prod\nCOPY missing /m\n"


@pytest.mark.parametrize("name", ["dev", "DEV"])
def test_target_names_the_stage_that_is_built(tmp_path: Path, name: str) -> None:
    made = declared(tmp_path, STAGES, f'srcs=["a"], target="{name}"')
    assert made.keys()
    (target,) = [each for each in made.graph().targets.values() if each.label.name == "x"]
    request = target.rule.request(target)
    assert request is not None
    assert request.target == name


def test_another_target_is_another_key_and_none_is_as_before(tmp_path: Path) -> None:
    text = "FROM scratch AS one\nCOPY a /a\nFROM scratch AS two\n"
    made = declared(tmp_path, text)
    without = made.keys()["//x"]
    assert not any("target" in part for part, _ in made.open().view.keys.record(_x(made)).parts)
    keys = {without}
    for name in ("one", "two"):
        made.build("x", f'docker_image(name="x", srcs=["a"], target="{name}")')
        keys.add(made.keys()["//x"])
    assert len(keys) == 3


def _x(made: WorkspaceBuilder):
    from buildlib.core.model.label import Reference, parse_label

    return Reference(parse_label("//x"))


@pytest.mark.parametrize(("name", "fix"), [("deb", "dev"), ("0", "prod"), ("zzz", "prod")])
def test_an_unknown_stage_is_told_at_the_declaration(tmp_path: Path, name: str, fix: str) -> None:
    message = declared(tmp_path, STAGES, f'srcs=["a"], target="{name}"').error()
    assert message.startswith(f"x/BUILD.py:2: error: target is '{name}', but no FROM names")
    assert message.endswith(f'fix: target = "{fix}"')


# -- bases by name ---------------------------------------------------------------------------------

STRANGER = (
    "ARG NAMESPACE=quay.io/x\nARG VERSION=1\nFROM ${NAMESPACE}/base:${VERSION} AS one\nCOPY a /a\n"
)


@pytest.mark.parametrize("key", ["quay.io/x/base", "quay.io/*", "*/base"])
def test_a_base_is_declared_by_the_name_that_a_dockerfile_has(tmp_path: Path, key: str) -> None:
    made = declared(tmp_path, STRANGER, f'srcs=["a"], bases={{"{key}": "//base"}}')
    before = made.keys()
    made.file("base/Dockerfile", "FROM scratch\nENV A=1\n")
    after = made.keys()
    assert before["//x"] != after["//x"], "what is built on is in the key"


@pytest.mark.parametrize(
    "line",
    [
        "COPY --from=quay.io/x/tools:1 /t /t",
        "RUN --mount=type=bind,from=quay.io/x/tools,target=/t true",
    ],
)
def test_what_is_copied_from_is_declared_by_name(tmp_path: Path, line: str) -> None:
    text = f"FROM scratch\nCOPY a /a\n{line}\n"
    assert declared(tmp_path, text, 'srcs=["a"], bases={"quay.io/x/tools": "//base"}').keys()


def test_an_exact_name_stands_before_a_pattern(tmp_path: Path) -> None:
    text = "FROM q.io/a:1 AS a\nFROM q.io/b:1\nCOPY --from=a /x /x\n"
    images = {"q.io/*": "other:now", "q.io/b": "exact:now"}
    assert with_present_names(text, "Dockerfile", {}, images) == (
        "FROM other:now AS a\nFROM exact:now\nCOPY --from=a /x /x\n"
    )


def test_a_parent_may_be_called_by_its_name_in_the_dockerfile(tmp_path: Path) -> None:
    arguments = 'srcs=["a"], parent="//base", bases={"quay.io/x/base": "//base"}'
    assert declared(tmp_path, STRANGER, arguments).keys()


def test_the_fix_for_a_second_base_declares_it(tmp_path: Path) -> None:
    text = "ARG BASE_CONTAINER=base\nFROM ${BASE_CONTAINER}\nCOPY --from=q.io/x/base:2 /a /b\n"
    message = declared(tmp_path, text, 'srcs=["a"], parent="//base"').error()
    assert message.startswith("x/Dockerfile:3: error: COPY takes from q.io/x/base:2")
    assert 'fix: bases = {..., "q.io/x/base": "//base"}' in message
    text = "ARG BASE_CONTAINER=base\nFROM q.io/debian:12 AS d\nFROM ${BASE_CONTAINER}\n"
    text += "COPY --from=d /a /b\n"
    message = declared(tmp_path, text, 'srcs=["a"], parent="//base"').error()
    assert message.endswith(
        'fix: external_image(name="debian", image="q.io/debian:12")'
        ' and bases = {..., "q.io/debian": ":debian"}'
    )


@pytest.mark.parametrize("given", ['parent="//base"', 'bases={"BASE": "//base"}'])
def test_a_from_of_a_stranger_is_declared_in_the_place_of_an_argument(
    tmp_path: Path, given: str
) -> None:
    made = declared(tmp_path, "FROM node:20-slim as base\nCOPY a /a\n", f'srcs=["a"], {given}')
    fix, _, place = made.error().rpartition("fix: ")[2].partition("  # in the place of ")
    assert fix == 'bases = {"node": "//base"}'
    assert place == ("BASE" if "BASE" in given else "parent")
    made.replace("x/BUILD.py", given, fix)
    assert made.keys()


def test_the_fix_of_a_from_keeps_the_name_of_the_stage(tmp_path: Path) -> None:
    text = "ARG BASE_CONTAINER=base\nFROM node:20 AS one\nCOPY a /a\n"
    message = declared(tmp_path, text, 'srcs=["a"], parent="//base"').error()
    assert message.endswith("fix: FROM ${BASE_CONTAINER} AS one")


@pytest.mark.parametrize("base", ["python", "q.io/python"])
def test_no_fix_takes_a_name_of_an_image_for_an_argument(tmp_path: Path, base: str) -> None:
    arguments = f'srcs=["a"], bases={{"{base}": "//base"}}'
    message = declared(tmp_path, "FROM node:20\nCOPY a /a\n", arguments).error()
    assert message.endswith(
        'fix: external_image(name="node", image="node:20") and bases = {..., "node": ":node"}'
    )
    message = declared(tmp_path, "FROM scratch\nCOPY a /a\n", arguments).error()
    assert message.endswith(f"fix: remove {base} from bases")


def test_another_default_may_stay_where_the_image_is_declared_by_name(tmp_path: Path) -> None:
    text = "ARG BASE=quay.io/x/other:1\nFROM ${BASE}\nCOPY a /a\n"
    made = declared(tmp_path, text, 'srcs=["a"], bases={"BASE": "//base"}')
    fix = 'fix: ARG BASE=quay.io/x/base:1  # or "quay.io/x/other" in bases'
    assert made.error().endswith(fix)
    made.replace("x/BUILD.py", '"BASE"', '"quay.io/x/other"')
    assert made.keys()


def test_a_name_that_no_from_has_is_told_with_the_nearest(tmp_path: Path) -> None:
    arguments = 'srcs=["a"], bases={"quay.io/x/base": "//base", "quay.io/x/bse": "//x2"}'
    made = declared(tmp_path, STRANGER, arguments).image("x2")
    message = made.error()
    assert "bases has quay.io/x/bse, but no image is called so here" in message
    assert "did you mean quay.io/x/base?" in message


@pytest.mark.parametrize(
    ("key", "fix"),
    [("quay.io/x/base:1", "quay.io/x/base"), ("a@sha256:0", "a"), ("${BASE}", "BASE")],
)
def test_a_key_with_a_tag_is_refused(tmp_path: Path, key: str, fix: str) -> None:
    message = declared(tmp_path, STRANGER, f'srcs=["a"], bases={{"{key}": "//base"}}').error()
    assert f'fix: bases = {{"{fix}": "//…"}}' in message


def test_present_names_leave_each_line_where_it_is() -> None:
    text = (
        "ARG V=1\n"
        "FROM --platform=linux/amd64 \\\n"
        "  # the stranger's\n"
        "  q.io/base:${V} AS one\n"
        'COPY --chown="1000:100" --from=q.io/tools \\\n'
        "  /a \\\n"
        "  /b\n"
        "RUN --mount=type=bind,from=q.io/tools,target=/t --mount=type=tmpfs,target='/x y' \\\n"
        "  cat q.io/tools && true\n"
        "USER 1000\n"
        "FROM ${BASE}\n"
    )
    images = {"q.io/base": "elyra/base:key-1", "q.io/tools": "elyra/tools:key-2", "BASE": "b:c"}
    changed = with_present_names("ARG BASE\n" + text, "Dockerfile", {}, images).split("\n")[1:]
    assert changed == [
        "ARG V=1",
        "FROM --platform=linux/amd64 elyra/base:key-1 AS one",
        "",
        "",
        "COPY --chown=1000:100 --from=elyra/tools:key-2 /a   /b",
        "",
        "",
        (
            "RUN --mount=type=bind,from=elyra/tools:key-2,target=/t"
            " --mount='type=tmpfs,target=/x y' cat q.io/tools && true"
        ),
        "",
        "USER 1000",
        "FROM ${BASE}",
        "",
    ]
    before = read_lines("ARG BASE\n" + text, "Dockerfile").instructions
    after = read_lines("ARG BASE\n" + "\n".join(changed), "Dockerfile").instructions
    assert [each.line for each in before] == [each.line for each in after]


@pytest.mark.parametrize("stage", BROKEN_STAGES)
def test_what_is_wrong_in_a_stage_behind_the_target_stops_no_build(stage: str) -> None:
    text = f"FROM q.io/base AS dev\n{stage}"
    handed = with_present_names(text, "Dockerfile", {}, {"q.io/base": "base:now"}, "dev")
    assert handed == f"FROM base:now AS dev\n{stage}"


def test_a_dockerfile_without_such_names_is_handed_over_as_it_is() -> None:
    text = "ARG BASE=a\r\nFROM  $BASE\n\n"
    assert with_present_names(text, "Dockerfile", {}, {"BASE": "b", "q.io/*": "c"}) == text


# -- what nobody sees ------------------------------------------------------------------------------


def test_a_no_break_space_is_part_of_a_word_as_for_docker(tmp_path: Path) -> None:
    name = f"a{NBSP}b"
    made = declared(tmp_path, f"FROM scratch\nCOPY {name} /a\n", f'srcs=["{name}"]')
    assert made.file(f"x/{name}").keys()


@pytest.mark.parametrize(
    ("line", "name", "column"),
    [
        (f"COPY a{NBSP}b /a", "NO-BREAK SPACE (U+00A0)", 7),
        (f"COPY{NBSP}a /a", "NO-BREAK SPACE (U+00A0)", 5),
        (f"COPY a{ZERO_WIDTH} /a", "ZERO WIDTH SPACE (U+200B)", 7),
        ("\ufeffCOPY a /a", "ZERO WIDTH NO-BREAK SPACE (U+FEFF)", 1),
        (f"USER ro{ZERO_WIDTH}ot", "ZERO WIDTH SPACE (U+200B)", 8),
        (f"ENV A=1{NBSP}B", "NO-BREAK SPACE (U+00A0)", 8),
        ("COPY a \\\n  b\u2003 /a", "EM SPACE (U+2003)", 4),
        ("FROM scratch\u00a0AS b", "NO-BREAK SPACE (U+00A0)", 13),
    ],
)
def test_an_invisible_character_is_named(tmp_path: Path, line: str, name: str, column: int) -> None:
    made = declared(tmp_path, f"FROM scratch\n{line}\n")
    message = made.error()
    place = 1 + len(line.splitlines())
    assert message.startswith("x/Dockerfile:2: error: ")
    assert f"an invisible character, {name}, in line {place}, column {column}" in message


def test_the_command_that_removes_it_works(tmp_path: Path) -> None:
    import subprocess

    made = declared(tmp_path, f"FROM scratch\nCOPY{NBSP}a{ZERO_WIDTH} /a\n")
    for _ in range(2):
        fix = made.error().rpartition("fix: ")[2]
        subprocess.run(fix, shell=True, cwd=made.root, check=True)
    assert made.keys()


# -- comments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "fix"), COMMENTS)
def test_a_comment_behind_an_instruction_is_none(tmp_path: Path, line: str, fix: str) -> None:
    message = declared(tmp_path, f"FROM scratch\n{line}\n").error()
    assert message.startswith("x/Dockerfile:2: error: ")
    assert "# begins a comment at the beginning of a line only" in message
    assert message.endswith(f"fix: {fix}")


@pytest.mark.parametrize(
    "line",
    [
        "RUN echo a # b",
        "CMD echo a # b",
        'CMD [ -e "x" ] || y # b',
        "ENV A b # c",
        'ENV A="b # c" D=#e',
        'WORKDIR "/a # b"',
        "USER a#b",
        "ENV A=1 \\\n  # a comment\n  B=2",
        "HEALTHCHECK CMD a # b",
        "ARG A=1 # b",
        'COPY ["a", "#b"]',
    ],
)
def test_what_is_a_comment_or_meant_so_is_let_through(tmp_path: Path, line: str) -> None:
    assert declared(tmp_path, f"FROM scratch\n{line}\n").keys()


def test_a_word_without_a_value_is_told_before_the_builder_does(tmp_path: Path) -> None:
    message = declared(tmp_path, "FROM scratch\nENV A=1 B=hello world\n").error()
    assert "ENV has world, which is no NAME=VALUE" in message
    assert message.endswith('fix: ENV A=1 B="hello world"')


# -- what builders refuse, and where they say so without a line ------------------------------------

REFUSED = [
    ("LABEL a", "LABEL a=VALUE"),
    ("ENV a", "ENV a=VALUE"),
    ("EXPOSE x", "EXPOSE 8080  # or 8080/udp, or 8080-8090"),
    ("EXPOSE 80 90/tdp", "EXPOSE 8080  # or 8080/udp, or 8080-8090"),
    ("STOPSIGNAL foo", "STOPSIGNAL SIGTERM"),
    ("STOPSIGNAL SIGQUITT", "STOPSIGNAL SIGQUIT"),
    ("HEALTHCHECK foo -a", "HEALTHCHECK CMD foo -a"),
    ("HEALTHCHECK NONE foo", "HEALTHCHECK NONE"),
    ("HEALTHCHECK CMD", "HEALTHCHECK CMD COMMAND"),
    ("SHELL bash", 'SHELL ["bash", "-c"]'),
    ("SHELL /bin/bash -e -c", 'SHELL ["/bin/bash", "-e", "-c"]'),
    ("WORKDIR", "WORKDIR /FOLDER"),
    ("CMD ['a', 'b']", 'CMD ["a", "b"]'),
    ('CMD ["a", "b"', 'CMD ["a", "b"]'),
    ('ENTRYPOINT ["a" "b"]', 'ENTRYPOINT ["a", "b"]'),
    ("RUN [ 'a', 'b' ]", 'RUN [ "a", "b" ]'),
    ("COPY ['a', '/a']", 'COPY ["a", "/a"]'),
    ("HEALTHCHECK CMD ['a']", 'HEALTHCHECK CMD ["a"]'),
]
"""A line, and the fix of its error."""


@pytest.mark.parametrize(("line", "fix"), REFUSED)
def test_what_a_builder_would_refuse_is_told_with_its_line(
    tmp_path: Path, line: str, fix: str
) -> None:
    made = declared(tmp_path, f"FROM scratch\n{line}\n")
    message = made.error()
    assert message.startswith("x/Dockerfile:2: error: ")
    assert "\n  declared at x/BUILD.py:2\n" in message
    assert message.endswith(f"fix: {fix}")
    made.file("x/Dockerfile", f"FROM scratch\n{fix.partition('  #')[0]}\n")
    assert made.keys()


@pytest.mark.parametrize(
    "line",
    [
        "LABEL a b",
        "EXPOSE 80 90/UDP 100-110/tcp $PORT ${A:-1}/tcp 127.0.0.1:80:80",
        'EXPOSE "80"',
        "STOPSIGNAL 9",
        "STOPSIGNAL term",
        "STOPSIGNAL SIGRTMIN+3",
        "STOPSIGNAL ${SIGNAL}",
        "HEALTHCHECK none",
        "HEALTHCHECK --interval=1s CMD a b",
        "RUN [ 'a' = 'b' ] || true",
        "RUN [ -e /a ]",
        'CMD ["a", "b"]',
        "VOLUME /a /b",
    ],
)
def test_what_builders_take_is_let_through(tmp_path: Path, line: str) -> None:
    assert declared(tmp_path, f"FROM scratch\n{line}\n").keys()
