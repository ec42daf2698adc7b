"""What a Dockerfile says: stages, sources, references, and errors that name the line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.dockerfile.lines import read_lines
from buildlib.core.dockerfile.parse import parse
from buildlib.errors import InputError


def reads(text, **args):
    """All context paths of a Dockerfile whose first line is `FROM scratch`."""
    found = parse("FROM scratch\n" + text, "Dockerfile", args)
    return [source.path for stage in found.stages for source in stage.reads]


def failure(text):
    with pytest.raises(InputError) as caught:
        parse(text, "images/x/Dockerfile")
    assert caught.value.fix, "every refusal comes with a fix"
    assert caught.value.where.file == "images/x/Dockerfile"
    return caught.value


def test_stages_with_names_bases_platforms_and_lines():
    found = parse(
        "ARG TAG=dev\n"
        "ARG BASE=elyra/scipy-notebook:${TAG}\n"
        "\n"
        "FROM --platform=$BUILDPLATFORM golang:1.22 AS Build\n"
        "USER 1000\n"
        "FROM build AS second\n"
        "from $BASE\n"
        "USER root\n"
        "USER $NB_UID\n",
        "Dockerfile",
    )
    build, second, last = found.stages
    assert (build.name, build.image, build.line) == ("build", "golang:1.22", 4)
    assert build.platform == "$BUILDPLATFORM"
    assert (second.name, second.parent) == ("second", 0)
    assert (last.base, last.image, last.line) == ("$BASE", "elyra/scipy-notebook:dev", 7)
    assert last.variables == ("BASE",)
    assert last.parent is None
    assert [stage.user for stage in found.stages] == ["1000", "", "$NB_UID"]
    assert [(arg.name, arg.default, arg.line) for arg in found.args] == [
        ("TAG", "dev", 1),
        ("BASE", "elyra/scipy-notebook:dev", 2),
    ]


def test_given_arguments_replace_defaults_but_not_what_is_reported_as_default():
    found = parse("ARG A=one\nARG B=x/$A\nFROM $B\n", "Dockerfile", {"A": "two"})
    assert found.stages[0].image == "x/two"
    assert found.args[1].default == "x/one"


def test_a_base_without_a_value_is_empty_until_it_is_given():
    assert parse("ARG BASE\nFROM $BASE\n", "Dockerfile").stages[0].image == ""
    assert parse("ARG BASE\nFROM $BASE\n", "Dockerfile", {"BASE": "a"}).stages[0].image == "a"


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("COPY a b/c.py /target/", ["a", "b/c.py"]),
        ("copy ./a/../b/ /x", ["b"]),
        ("COPY /abs/path /x", ["abs/path"]),
        ("COPY . /x", ["."]),
        ('COPY ["with space", "b", "/x"]', ["with space", "b"]),
        ('COPY "quoted" /x', ["quoted"]),
        ("COPY --chown=1000:100 --chmod=755 a /x", ["a"]),
        ("COPY [a] b /x", ["[a]", "b"]),
        ("COPY --from=scratch a /x", []),
        ("COPY *.py conf?.d/[ab]* /x", ["*.py", "conf?.d/[ab]*"]),
        ("ADD part.tar https://example.org/x.tgz /x", ["part.tar"]),
        ("ADD a.tar \\\n  # a comment inside\n\n  b.tar /", ["a.tar", "b.tar"]),
        ("RUN --mount=type=bind,source=debs,target=/debs dpkg -i /debs/*", ["debs"]),
        ("RUN --mount=target=/ctx true", ["."]),
        ("RUN --mount=type=bind,src=wheels,dst=/w --mount=type=cache,target=/c true", ["wheels"]),
        ("RUN --mount=type=secret,id=ca,target=/ca --mount=type=tmpfs,target=/t true", []),
        ("RUN echo COPY a /b", []),
        ("RUN if true; then \\\nCOPY a b; fi", []),
        ("ONBUILD COPY later /x", []),
    ],
)
def test_context_paths_that_an_instruction_reads(line, paths):
    assert reads(line + "\n") == paths


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("ARG X=a\nCOPY $X /t", "a"),
        ("ARG X=a\nCOPY ${X}b/${X} /t", "ab/a"),
        ("ENV X=a Y=$X\nCOPY z$Y /t", "z"),
        ("ENV X=a\nENV Y=${X}1\nCOPY $Y /t", "a1"),
        ("ENV X two words\nCOPY ${X:+yes} /t", "yes"),
        ("ARG X\nCOPY ${X:-default} /t", "default"),
        ("ARG X=\nCOPY ${X:-${Y:-inner}} /t", "inner"),
        ("ARG X=a\nCOPY '$X' /t", "$X"),
        ("ARG X=a\nCOPY \\$X /t", "$X"),
        ('ARG X="a"\nCOPY "$X" /t', "a"),
        ("ARG X=a\nCOPY ${X:?no} /t", "a"),
    ],
)
def test_variables_in_sources(text, path):
    assert reads(text + "\n")[-1] == path


def test_given_arguments_reach_stages_that_declare_them():
    assert reads("ARG X=a\nCOPY $X /t\n", X="b") == ["b"]
    assert reads("ARG TARGETARCH\nCOPY bin-$TARGETARCH /t\n", TARGETARCH="arm64") == ["bin-arm64"]
    text = "ARG X=global\nFROM scratch\nARG X\nCOPY $X /t\n"
    assert parse(text, "Dockerfile").stages[0].reads[0].path == "global"


def test_a_stage_inherits_the_variables_of_the_stage_it_continues():
    text = "FROM scratch AS a\nENV X=1\nFROM a AS b\nENV Y=${X}2\nFROM b\nCOPY $X-$Y /t\n"
    assert parse(text, "Dockerfile").stages[2].reads[0].path == "1-12"


def test_references_are_resolved_to_stages_above():
    found = parse(
        "FROM scratch AS one\n"
        "FROM scratch AS two\n"
        "COPY --from=ONE a /a\n"
        "COPY --from=0 a /b\n"
        "COPY --from=elyra/spark:dev /opt /opt\n"
        "RUN --mount=type=bind,from=one,source=x,target=/x true\n"
        "ADD http://example.org/f /f\n",
        "Dockerfile",
    )
    stage = found.stages[1]
    assert [(ref.name, ref.stage, ref.by) for ref in stage.references] == [
        ("ONE", 0, "COPY"),
        ("0", 0, "COPY"),
        ("elyra/spark:dev", None, "COPY"),
        ("one", 0, "RUN"),
    ]
    assert stage.reads == ()
    assert [(what.name, what.line) for what in found.outside] == [("http://example.org/f", 7)]


def test_from_compares_stage_names_as_written():
    assert parse("FROM scratch AS b\nFROM B\n", "Dockerfile").stages[1].parent is None


def test_directives_at_the_top_only():
    found = parse("# syntax = docker/dockerfile:1\n# escape=`\nFROM a\nRUN x `\n y\n", "Dockerfile")
    assert (found.syntax, found.syntax_line) == ("docker/dockerfile:1", 1)
    assert found.stages[0].instructions[0].rest == "x  y"
    later = parse("# a comment\n# syntax=docker/dockerfile:1\nFROM a\n", "Dockerfile")
    assert later.syntax == ""


def test_a_byte_order_mark_and_windows_line_ends():
    found = parse("\ufeff# escape=\\\r\nFROM a \\\r\n AS b\r\nCOPY x /\r\n", "Dockerfile")
    assert (found.stages[0].name, found.stages[0].reads[0].path) == ("b", "x")


def test_heredocs_are_recognised_and_their_bodies_are_no_instructions():
    found = parse(
        "FROM a\n"
        "RUN <<EOF bash\nCOPY not this\nEOF\n"
        "COPY <<-'ONE' <<TWO x /t/\nNONSENSE\n\tONE\nBODY\nTWO\n"
        "RUN echo '<<no' && cat <<<here\n",
        "Dockerfile",
    )
    run, copy, plain = found.stages[0].instructions
    assert (run.heredocs, copy.heredocs, plain.heredocs) == (("EOF",), ("ONE", "TWO"), ())
    assert [source.path for source in found.stages[0].reads] == ["x"]
    assert plain.line == 10


def test_a_syntax_image_counts_where_any_frontend_sees_it():
    """Engine 20.10 looks on below directives that it does not know; newer ones below `#!`."""
    for above in ("# what=ever\n", "#!/usr/bin/env x\n", "# check=skip=all\n", "# empty=\n"):
        found = parse(f"{above}# Syntax=docker/dockerfile:1 x\nFROM a\n", "Dockerfile")
        assert (found.syntax, found.syntax_line) == ("docker/dockerfile:1", 2)
    below = parse("# what=ever\n# escape=`\nFROM a\nRUN x `\nUSER y\n", "Dockerfile")
    assert len(below.stages[0].instructions) == 2, "an unknown one ends the others"


def test_what_stands_behind_onbuild_is_an_instruction():
    text = "FROM a\nOnBuild\tcopy --from=0 \\\n  x /y\nONBUILD RUN <<EOF\nUSER no\nEOF\nUSER b\n"
    copy, run, user = parse(text, "Dockerfile").stages[0].instructions
    assert copy.trigger is not None
    assert (copy.trigger.name, copy.trigger.flags) == ("COPY", (("from", "0"),))
    assert (copy.trigger.rest.split(), copy.trigger.line) == (["x", "/y"], 2)
    assert (run.heredocs, user.name, user.trigger) == (("EOF",), "USER", None)


@pytest.mark.parametrize(
    "flag",
    [
        "--mount='type=bind','from=one'",
        '--mount="type=bind,from=one"',
        """--mount='"type=bind","from=one"'""",
        """--mount='type=bind,"from=one"'""",
        "--mount=TYPE=Bind,FROM=one",
        """--mount='"from=one","source=a,from=no"'""",
    ],
)
def test_fields_of_a_mount_are_csv_in_any_case_of_letters(flag):
    text = f"FROM scratch AS one\nFROM scratch\nRUN {flag} x\n"
    found = parse(text, "Dockerfile")
    assert [ref.name for ref in found.stages[1].references] == ["one"]


def test_an_escaped_escape_character_ends_no_line():
    assert len(parse("FROM a\nRUN x \\\\\nUSER b\n", "Dockerfile").stages[0].instructions) == 2


@pytest.mark.parametrize(
    ("text", "line", "what", "fix"),
    [
        ("FROM a\nCOPPY a b\n", 2, "did you mean COPY", "COPY a b"),
        ("FROM a\n\nRUN x && \\\n", 3, "no line follows", "remove the \\"),
        ("# only a comment\n", 1, "there is no FROM", "FROM IMAGE"),
        ("", 1, "there is no FROM", "FROM IMAGE"),
        ("RUN x\nFROM a\n", 1, "RUN stands before FROM", "FROM IMAGE"),
        ("FROM a b\n", 1, "optional name", "FROM IMAGE AS NAME"),
        ("FROM a AS 1st\n", 1, "named 1st", "FROM a AS st"),
        ("ARG BASE=a\nFROM ${BASF}\n", 2, "did you mean BASE", "ARG BASF="),
        ("FROM a\nCOPY --form=b c /d\n", 2, "did you mean --from", "COPY --from=b"),
        ("FROM a\nCOPY --from b /d\n", 2, "has no value", "--from=VALUE"),
        ("FROM a\nCOPY --chown=1 --chown=2 b /d\n", 2, "twice", "remove one"),
        ("FROM a\nUSER --x=1 b\n", 2, "no flag --x", "has no flags"),
        ("FROM a\nCOPY a\n", 2, "a source and a destination", "COPY SOURCE /TARGET"),
        ("FROM a\nCOPY ../a /b\n", 2, "outside the folder", "COPY a"),
        ("FROM a\nCOPY a/../../b /b\n", 2, "outside the folder", "COPY b"),
        ("FROM a\nCOPY --from=7 a /b\n", 2, "no stage above", "--from=NAME"),
        ("FROM a\nCOPY --from=$X a /b\n", 2, "not replaced", "FROM $X AS NAME"),
        ("FROM a\nCOPY $NOPE/a /b\n", 2, "nothing above it sets NOPE", "ARG NOPE"),
        ("FROM a\nARG PART=x\nCOPY $PARD/a /b\n", 3, "did you mean PART", "ARG PARD"),
        ("FROM a\nARG X=1\nCOPY ${X-y} /b\n", 3, "engine 20.10 does not know", "${X:-default}"),
        ("FROM a\nARG X=1\nCOPY ${X /b\n", 3, "no closing }", "${X}"),
        ('FROM a\nCOPY "a b /c\n', 2, 'no closing "', 'close it with "'),
        ("FROM a\nRUN --mount=type=bond,source=x true\n", 2, "did you mean bind", "type="),
        ("FROM a\nRUN --mount=type=bind,sorce=x true\n", 2, "did you mean source", "source="),
        ("FROM a\nRUN --mount=type=bind,source=$X true\n", 2, "replaces no variables", "source="),
        ("# escape=x\nFROM a\n", 1, "escape character is x", "# escape=`"),
        ("FROM a\nRUN <<EOF\nx\n", 2, "EOF is not closed", "just EOF"),
        ("FROM a\nCOPY [1, 2]\n", 2, "no text", '["SOURCE", "/TARGET"]'),
        ("FROM a\nONBUILD ONBUILD RUN x\n", 2, "ONBUILD cannot stand behind", "ONBUILD RUN"),
        ("FROM a\nonbuild\tfrom\tb\n", 2, "FROM cannot stand behind", "remove line 2"),
        ("FROM a\nONBUILD\n", 2, "nothing cannot stand behind", "ONBUILD RUN"),
        ("FROM a\nONBUILD COPPY a b\n", 2, "did you mean COPY", "COPY a b"),
        ("FROM a\nONBUILD COPY --form=b c /d\n", 2, "did you mean --from", "COPY --from=b"),
        ("FROM a\nRUN --mount=type=bind,source true\n", 2, "source of --mount has no", "source="),
        ("FROM a\nRUN --mount='\"a\"b' true\n", 2, "no list of fields", "type=bind"),
        (
            "FROM a\nCOPY --chown=a\\b c /d\n",
            2,
            "not all builders take for an escape",
            "COPY --FLAG",
        ),
        ("FROM a\nCOPY --from=\u00b2 c /d\nCOPY\n", 3, "a source and", "COPY"),
        ("FROM a\nRUN a\\\x0c\nADD b /\n", 2, "control character '\\x0c'", "sed -i"),
        ("# check=skip=all\n# escape=`\nFROM a\n", 2, "takes # escape for a comment", "line 1"),
    ],
)
def test_errors_name_the_line_and_the_fix(text, line, what, fix):
    error = failure(text)
    assert error.where.line == line
    assert what in error.what
    assert fix in error.fix


def test_what_all_builders_read_alike_is_no_error():
    parse("FROM a\nRUN printf '\x1b[1m\x07'\n", "images/x/Dockerfile")


words = st.lists(st.sampled_from(["a", "b.c", "&&", "x=1", "/opt/y", "#no", "-q"]), min_size=1)


@given(words, st.data())
def test_where_lines_are_broken_changes_nothing(parts, data):
    whole = read_lines("FROM a\nRUN " + " ".join(parts) + "\nUSER b\n", "Dockerfile")
    breaks = st.sampled_from([" ", " \\\n", " \\  \n", " \\\n  # note\n", " \\\n\n", " \\\r\n"])
    text = "RUN"
    for part in parts:
        gap = data.draw(breaks)
        # A word that begins with # at the beginning of a line is a comment to Docker as well.
        text += (gap if part[0] != "#" else " ") + part
    broken = read_lines(f"FROM a\n{text}\nUSER b\n", "Dockerfile")
    assert [(found.name, found.rest) for found in broken.instructions] == [
        (found.name, found.rest) for found in whole.instructions
    ]
    assert broken.instructions[2].line == 3 + text.count("\n")


letters = st.text(alphabet="FROM COPYRUN ARG\n\\$\"'{}:-=<#`/.a1[],", max_size=80)


@given(st.sampled_from(["", "ONBUILD ", "RUN --mount="]), letters)
def test_any_text_is_understood_or_refused_with_a_line(start, letters):
    refusal = None
    text = start + letters
    try:
        parse("FROM a\n" + text, "Dockerfile")
    except InputError as error:
        refusal = error
    assert refusal is None or refusal.fix
    assert refusal is None or 1 <= refusal.where.line <= text.count("\n") + 2


def test_sixty_lines_are_read_in_a_fraction_of_a_millisecond():
    text = (
        "ARG BASE=elyra/scipy-notebook:dev\nFROM $BASE\nUSER root\n"
        + (
            "RUN --mount=type=bind,source=debs,target=/debs \\\n    dpkg -i /debs/*.deb \\\n"
            "    && fix-permissions /opt\n\nCOPY --chown=1000:100 a.py b.py /usr/local/\n\n"
        )
        * 10
    )
    parse(text, "Dockerfile")
    best = float("inf")
    for _ in range(50):
        start = time.process_time()
        parse(text, "Dockerfile")
        best = min(best, time.process_time() - start)
    assert best < 0.001
