"""A Dockerfile against its declaration: sources, parents, and what engine 20.10 can build."""

from __future__ import annotations

import pytest

from buildlib.core.dockerfile.bases import check_parent, repository
from buildlib.core.dockerfile.check import check_sources
from buildlib.core.dockerfile.ignore import IgnoreRules
from buildlib.core.dockerfile.limits import check_engine_limits
from buildlib.core.dockerfile.parse import parse
from buildlib.errors import InputError, Location

WHERE = Location("images/x/BUILD.py", 4)


def dockerfile(text):
    return parse(text, "images/x/Dockerfile")


def sources(line, provided, on_disk=(), **options):
    found = dockerfile(f"FROM scratch\n{line}\n")
    why = {path: ("is not in srcs", f'srcs = [..., "{path}"]') for path in on_disk}
    check_sources(found, provided, why.get, WHERE, **options)


def parents(text, bases):
    labels = {"spark": "//images/spark"}
    check_parent(dockerfile(text), bases, WHERE, lambda name: labels.get(name, ""))


def refused(check, *args, **options):
    with pytest.raises(InputError) as caught:
        check(*args, **options)
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize(
    ("line", "provided"),
    [
        ("COPY a.py /", ["a.py"]),
        ("COPY ./conf/a /", ["conf/a"]),
        ("COPY conf /", ["conf/deep/a"]),
        ("COPY conf/ /", ["conf"]),
        ("COPY conf/deep/a /", ["conf"]),
        ("COPY . /", ["a"]),
        ("COPY *.py /", ["a.py"]),
        ("COPY c*/a /", ["conf/a"]),
        ("COPY c* /", ["conf/deep/a"]),
        ("COPY [a-c]?[^x].py /", ["a1y.py"]),
        ("RUN --mount=source=debs,target=/debs true", ["debs/a.deb"]),
        ("COPY --from=other anything /", []),
        ("ADD https://example.org/a /", []),
    ],
)
def test_sources_that_are_declared(line, provided):
    sources(line, provided)
    sources(line, frozenset(provided))


def test_a_source_that_exists_but_is_not_declared():
    error = refused(sources, "COPY a.py b.py /", ["a.py"], {"a.py", "b.py"})
    assert error.what == "COPY reads b.py, which is not in srcs"
    assert (error.where, error.declared) == (Location("images/x/Dockerfile", 2), WHERE)
    assert error.fix == 'srcs = [..., "b.py"]'


def test_a_source_that_does_not_exist():
    error = refused(sources, "COPY lancher.py /", ["launcher.py"])
    assert "lancher.py, which does not exist" in error.what
    assert error.what.endswith("did you mean launcher.py?")
    assert error.fix == "COPY launcher.py"
    assert "create nothing.like.it" in refused(sources, "COPY nothing.like.it /", ["a"]).fix


@pytest.mark.parametrize(
    ("line", "provided"),
    [
        ("COPY *.py /", ["a.txt", "deep/a.py"]),  # * stops at a slash
        ("COPY conf?a /", ["conf/a"]),
        ("COPY a*z /", ["a/b/z"]),
        ("COPY [!a].py /", ["b.py"]),  # Go negates with ^; ! is a character
    ],
)
def test_wildcards_are_those_of_go(line, provided):
    error = refused(sources, line, provided, set(provided))
    assert "matches nothing in srcs" in error.what


def test_a_folder_is_no_prefix_of_a_name():
    refused(sources, "COPY conf /", ["config/a", "conf.d"])


def test_the_whole_folder_needs_at_least_one_source():
    assert "srcs is empty" in refused(sources, "COPY . /", []).what


def test_a_malformed_wildcard_is_an_error_of_the_dockerfile():
    assert refused(sources, "COPY [a /x", ["a"]).where == Location("images/x/Dockerfile", 2)


def test_a_source_that_the_ignore_file_leaves_out():
    ignored = IgnoreRules.parse("*.log\n").excludes
    sources("COPY a.py /", ["a.py"], ignored=ignored)
    error = refused(sources, "COPY b.log /", ["a.py"], {"b.log"}, ignored=ignored)
    assert "b.log, which the ignore file leaves out" in error.what
    assert error.fix == "printf '\\n!b.log\\n' >> the ignore file"


BASE = {"BASE_CONTAINER": "scipy-notebook"}
DEFAULT = "ARG BASE_CONTAINER=scipy-notebook\n"


@pytest.mark.parametrize(
    "text",
    [
        "ARG BASE_CONTAINER=elyra/scipy-notebook:dev\nFROM ${BASE_CONTAINER}\n",
        "ARG BASE_CONTAINER\nFROM $BASE_CONTAINER\n",
        'ARG BASE_CONTAINER\nFROM "${BASE_CONTAINER:-elyra/scipy-notebook}"\n',
        "ARG BASE_CONTAINER=localhost:5000/a/scipy-notebook@sha256:00\nFROM $BASE_CONTAINER\n",
        "ARG ORG=elyra\nARG BASE_CONTAINER=$ORG/scipy-notebook\nFROM $BASE_CONTAINER\n",
        (
            f"{DEFAULT}FROM scratch AS a\nFROM a\nFROM $BASE_CONTAINER AS b\nFROM b\n"
            "COPY --from=b /x /y\nCOPY --from=0 /x /y\n"
        ),
    ],
)
def test_parents_that_agree(text):
    parents(text, BASE)


def test_a_parent_that_disagrees_with_the_default():
    text = "ARG BASE_CONTAINER=elyra/r-notebook:dev\nFROM $BASE_CONTAINER\n"
    error = refused(parents, text, BASE)
    assert (error.where, error.declared) == (Location("images/x/Dockerfile", 1), WHERE)
    assert error.what == (
        "the parent is scipy-notebook, but BASE_CONTAINER is elyra/r-notebook:dev here"
    )
    assert error.fix == "ARG BASE_CONTAINER=elyra/scipy-notebook:dev"


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        (
            "FROM debian:12\n",
            "builds on debian:12, which is not a declared base",
            'bases = {"debian": ',
        ),
        (
            "ARG BASE_CONTAINR=a\nFROM $BASE_CONTAINR\n",
            "did you mean BASE_CONTAINER",
            "FROM ${BASE_CONTAINER}",
        ),
        (
            f"{DEFAULT}FROM $BASE_CONTAINER\nFROM x\n",
            "builds on x",
            'external_image(name="x", image="x:latest") and bases = {..., "x": ":x"}',
        ),
        (
            f"ARG A=q.io/n:1\n{DEFAULT}FROM $A\nFROM $BASE_CONTAINER\nCOPY --from=0 a b\n",
            "builds on q.io/n:1 (FROM $A), which is not",
            'external_image(name="n", image="q.io/n:1") and bases = {..., "A": ":n"}',
        ),
        (
            f"ARG A\n{DEFAULT}FROM q.io/n:$A\nFROM $BASE_CONTAINER\n",
            "builds on q.io/n:$A, which has no value",
            'build_args = {"A": "…"}',
        ),
        (
            f"{DEFAULT}FROM $BASE_CONTAINER\nCOPY --from=elyra/spark:dev a b\n",
            "COPY takes from elyra/spark:dev",
            'bases = {..., "elyra/spark": "//images/spark"}',
        ),
        (
            "FROM tool AS one\nFROM one AS tool\n",
            "the stage tool, which stands below it",
            "move FROM",
        ),
        (
            "FROM scratch\n",
            "declared as BASE_CONTAINER, but no FROM uses",
            "FROM ${BASE_CONTAINER}",
        ),
        (f"{DEFAULT}FROM ${{BASE_CONTAINER}}-gpu\n", "more than the declared base", "FROM ${BASE"),
        (f"{DEFAULT}FROM a/$BASE_CONTAINER\n", "more than the declared base", "FROM ${BASE"),
        (f"{DEFAULT}FROM ${{BASE_CONTAINER:+a}}\n", "more than the declared base", "FROM ${BASE"),
        (f"{DEFAULT}FROM $BASE_CONTAINER:-a\n", "more than the declared base", "FROM ${BASE"),
        (f"{DEFAULT}ARG X=a\nFROM $X$BASE_CONTAINER\n", "more than the declared", "FROM ${BASE"),
    ],
)
def test_bases_that_are_not_declared_or_not_used(text, what, fix):
    error = refused(parents, text, BASE)
    assert what in error.what
    assert fix in error.fix
    assert error.where.file == "images/x/Dockerfile"
    assert error.where.line
    assert error.declared == WHERE


def test_a_base_without_any_declaration():
    assert refused(parents, "FROM elyra/spark:dev\n", {}).fix == (
        'bases = {"elyra/spark": "//images/spark"}'
    )
    text = "ARG BASE_CONTAINER=elyra/spark:dev\nFROM $BASE_CONTAINER\n"
    assert refused(parents, text, {}).fix == 'parent = "//images/spark"'


def test_repository_names():
    assert repository("localhost:5000/elyra/kernel-py:dev") == "kernel-py"
    assert repository("debian@sha256:00") == "debian"
    assert repository("kernel-py") == "kernel-py"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# syntax=docker/dockerfile:1\nFROM a\n", 1),
        ("FROM a\nRUN <<EOF\nx\nEOF\n", 2),
        ("FROM a\n\nCOPY --link a /b\n", 3),
        ("FROM a\nCOPY --chmod=u+x a /b\n", 2),
        ("FROM a\nRUN --mount=type=tmpfs,target=/t,size=1 true\n", 2),
        ("FROM a\nENV X=${Y#z}\n", 2),
        ("FROM a\nRUN --mount=TYPE=tmpfs,target=/t,SIZE=1 true\n", 2),
        ('FROM a\nRUN --mount=type=secret,id=x,"Env=X" true\n', 2),
        ("FROM a\n\nONBUILD COPY --link a /b\n", 3),
        ("FROM a\nonbuild RUN --network=host true\n", 2),
        ("FROM a\nONBUILD RUN --security=insecure true\n", 2),
        ("FROM a\nONBUILD COPY --chmod=u+x a /b\n", 2),
        ("FROM a\nONBUILD RUN <<EOF\nx\nEOF\n", 2),
        ("FROM a\nONBUILD ENV X=${Y#z}\n", 2),
    ],
)
def test_engine_limits_name_the_line(text, line):
    error = refused(check_engine_limits, dockerfile(text))
    assert error.where == Location("images/x/Dockerfile", line)


def test_what_engines_can_build_is_let_through():
    check_engine_limits(
        dockerfile(
            "FROM a\nCOPY --chmod=0755 --chown=1 a /b\nRUN --mount=type=cache,target=/c x ${Y#z}\n"
            "ENV X=${Y:-z} Z=${Y:+z}\nCMD echo ${X#a}\n"
        )
    )
