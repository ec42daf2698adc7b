"""What `limits` and `expand` say of engine 20.10, asked of an engine."""

from __future__ import annotations

import json

import pytest
from plain_docker import build, built_files, docker, engine_major

from buildlib.core.dockerfile.expand import expand
from buildlib.core.dockerfile.limits import check_engine_limits
from buildlib.core.dockerfile.parse import parse
from buildlib.errors import InputError, Location
from tests.support.strangers import BROKEN_STAGES, COMMENTS, UNREADABLE_STAGES

pytestmark = pytest.mark.engine

TAKEN = [
    "COPY a /b",
    "COPY --chown=1000:100 --chmod=0755 a /b",
    "ADD --chmod=700 a /b",
    'COPY ["a", "/b c"]',
    "COPY *.txt a /to/",
    "ARG X=a\nCOPY ${X:-b}${Y:+c} /b",
    "ENV X=a\nCOPY $X /b",
    "COPY a \\\n\n# a comment\n  /b",
    "LABEL a=1 b=${c:-d}\nUSER 1000\nHEALTHCHECK --interval=5s CMD x",
]
REFUSED = [
    "COPY <<EOF /b\ntext\nEOF",
    "ADD <<EOF /b\ntext\nEOF",
    "COPY --link a /b",
    "COPY --link=false a /b",
    "COPY --parents a /b",
    "COPY --exclude=x a /b",
    "ADD --link a /b",
    "ADD --checksum=sha256:00 a /b",
    "ADD --keep-git-dir=true a /b",
    'RUN --network=none ["/a"]',
    'RUN --security=insecure ["/a"]',
    'RUN --mount=type=tmpfs,target=/t,size=1m ["/a"]',
    'RUN --mount=type=secret,id=x,env=X ["/a"]',
    "HEALTHCHECK --start-interval=5s CMD x",
    "ENV X=${Y-z}",
    "LABEL x=${Y#z}",
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "x.txt").write_text("x")
    return tmp_path


def test_what_is_let_through_is_built(folder):
    text = "FROM scratch\n" + "\n".join(TAKEN) + "\nCOPY x.txt /last\n"
    check_engine_limits(parse(text, "Dockerfile"))
    (folder / "Dockerfile").write_text(text)
    assert set(built_files(folder)) == {"b", "b c", "to/a", "to/x.txt", "last"}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_engine_20_refuses_too(folder, text):
    text = f"FROM scratch\nCOPY a /a\n{text}\n"
    with pytest.raises(InputError) as caught:
        check_engine_limits(parse(text, "Dockerfile"))
    assert caught.value.where == Location("Dockerfile", 3)
    if engine_major() < 23:
        (folder / "Dockerfile").write_text(text)
        done = build(folder)
        assert done.returncode != 0
        error = done.stderr.decode()
        assert "parse error" in error or "missing ':'" in error


NOBODY = "127.0.0.1:1"
OUTSIDE = [
    f"ADD http://{NOBODY}/x /b",
    f'ADD "http://{NOBODY}/x" /b',
    f"ENV X=http://{NOBODY}/x\nADD ${{X:-a}} /b",
    f"RUN --mount=TYPE=Bind,FROM={NOBODY}/x,target=/t true",
    f"""RUN --mount='"from={NOBODY}/x"',target=/t true""",
    f"COPY --from={NOBODY}/x a /b",
    f"ONBUILD ADD http://{NOBODY}/x /b\nFROM first",
    f"onbuild\tadd http://{NOBODY}/x /b\nFROM first",
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_what_counts_as_outside_is_asked_for_by_steps_without_a_network(folder, text):
    text = f"FROM scratch AS first\n{text}\n"
    found = parse(text, "Dockerfile")
    assert found.outside or [ref for ref in found.stages[0].references if ref.stage is None]
    (folder / "Dockerfile").write_text(text)
    done = build(folder, "--network=none")
    assert done.returncode != 0
    assert f"dial tcp {NOBODY}" in done.stderr.decode()


@pytest.mark.parametrize("above", ["# what=ever\n", ""])
def test_another_frontend_is_asked_for_below_unknown_directives(folder, above):
    text = f"{above}# syntax={NOBODY}/x\nFROM scratch\nCOPY a /a\n"
    with pytest.raises(InputError, match="syntax"):
        check_engine_limits(parse(text, "Dockerfile"))
    if engine_major() < 23 or not above:
        (folder / "Dockerfile").write_text(text)
        assert f"dial tcp {NOBODY}" in build(folder).stderr.decode()


def test_another_frontend_is_asked_for_by_a_build_argument(folder):
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY a /a\n")
    done = build(folder, "--build-arg", f"BUILDKIT_SYNTAX={NOBODY}/x")
    assert f"dial tcp {NOBODY}" in done.stderr.decode()


@pytest.mark.parametrize("trigger", ["ONBUILD COPY a /b", "FROM scratch"])
def test_what_cannot_stand_behind_onbuild(folder, trigger):
    text = f"FROM scratch\nCOPY a /a\nONBUILD {trigger}\n"
    with pytest.raises(InputError, match="cannot stand behind ONBUILD"):
        parse(text, "Dockerfile")
    (folder / "Dockerfile").write_text(text)
    assert "ONBUILD" in build(folder).stderr.decode().rpartition("failed")[2]


def test_what_stands_behind_onbuild_runs_in_the_build_of_a_child(folder):
    text = "FROM scratch AS first\nONBUILD COPY a /b\nFROM first\n"
    assert parse(text, "Dockerfile").stages[0].reads == ()
    (folder / "Dockerfile").write_text(text)
    assert set(built_files(folder)) == {"b"}


@pytest.mark.parametrize("mode", ["u+x", "$M"])
def test_other_modes_than_numbers_do_nothing_on_engine_20(folder, mode):
    text = f"FROM scratch\nARG M=700\nCOPY --chmod={mode} a /b\n"
    with pytest.raises(InputError, match="does nothing"):
        check_engine_limits(parse(text, "Dockerfile"))
    if engine_major() < 23:
        (folder / "Dockerfile").write_text(text)
        (folder / "a").chmod(0o640)
        assert built_files(folder)["b"].mode == 0o640


WORDS = [
    "plain",
    "$A-${A}-$NONE-${NONE}.",
    "${A:-x}${NONE:-y}${EMPTY:-z}",
    "${A:+x}${NONE:+y}${EMPTY:+z}",
    "${NONE:-$A}${NONE:-${A}b}${A:+'$A'}",
    '\'$A\'"$A""\\$A"',
    '\\$A\\\\\\"',
    '"a b ${A} \' \\x \\\\ \\""',
    "a'b \"c'd",
    "$",
    "a$-b",
    "${A?no}${A:?no}${EMPTY?no}",
    "$A_$AB",
    "${NONE:-}",
    "x=$A=y",
    "${NONE:-a\\}b}",
    '"${NONE:-a b}"',
]


def test_words_are_expanded_as_the_engine_does(folder):
    """All words as values of labels of one image, read back from its configuration."""
    labels = "".join(f"LABEL k{index}={word}\n" for index, word in enumerate(WORDS))
    (folder / "Dockerfile").write_text(f"FROM scratch\nENV A=value EMPTY=\n{labels}COPY a /\n")
    done = build(folder, "--quiet")
    assert done.returncode == 0, done.stderr.decode()
    image = done.stdout.decode().strip()
    found = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]["Labels"]
    docker("image", "rm", image)
    env = {"A": "value", "EMPTY": "", "PATH": "/bin"}
    assert [expand(word, env) for word in WORDS] == [
        found[f"k{index}"] for index in range(len(WORDS))
    ]


def test_stages_that_are_not_built_are_left_alone(folder):
    stages = [stage.replace("test", f"test{at}") for at, stage in enumerate(BROKEN_STAGES)]
    text = "".join([*stages, "FROM scratch\nCOPY a /b\n"])
    check_engine_limits(parse(text, "Dockerfile"))
    (folder / "Dockerfile").write_text(text)
    assert set(built_files(folder, "--network=none")) == {"b"}


@pytest.mark.parametrize("stage", UNREADABLE_STAGES)
def test_what_builders_cannot_read_stops_them_in_any_stage(folder, stage):
    (folder / "Dockerfile").write_text(f"{stage}FROM scratch\nCOPY a /b\n")
    if engine_major() < 23 or ("--link" not in stage and "size=" not in stage):
        assert build(folder, "--network=none").returncode


@pytest.mark.parametrize("name", ["Dev", "dev", "0"])
def test_a_target_is_a_name_in_any_case_of_letters_and_no_number(folder, name):
    text = "FROM scratch AS Dev\nCOPY a /b\nFROM scratch\nCOPY missing /m\n"
    (folder / "Dockerfile").write_text(text)
    if name != "0":
        assert set(built_files(folder, f"--target={name}")) == {"b"}
        assert parse(text, "Dockerfile", target=name).reached[-1].name == "dev"
        return
    assert "could not be found" in build(folder, f"--target={name}").stderr.decode()
    with pytest.raises(InputError, match="no FROM names a stage so"):
        parse(text, "Dockerfile", target=name)


def test_a_no_break_space_is_part_of_a_path(folder):
    (folder / "a\u00a0b").write_text("odd")
    text = "FROM scratch\nCOPY a\u00a0b /b\n"
    (folder / "Dockerfile").write_text(text)
    assert set(built_files(folder)) == {"b"}
    assert [each.path for each in parse(text, "Dockerfile").stages[0].reads] == ["a\u00a0b"]


@pytest.mark.parametrize("line", [line for line, _ in COMMENTS if "[" not in line])
def test_a_comment_behind_an_instruction_is_part_of_it(folder, line):
    """The builder stops, or the image is another one. Lists are read in two ways."""
    texts = [f"FROM scratch\nCOPY a /a\n{each}\n" for each in (line, line.partition("#")[0])]
    found = []
    for text in texts:
        (folder / "Dockerfile").write_text(text)
        done = build(folder, "--quiet", "--network=none")
        image = done.stdout.decode().strip()
        config = docker("inspect", "--format", "{{json .Config}}", image) if image else done
        found.append((done.returncode, config.stdout))
    assert found[0] != found[1]
