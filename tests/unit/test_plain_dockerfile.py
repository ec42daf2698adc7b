"""What a Dockerfile without RUN adds to its parent, and what is left to BuildKit."""

from __future__ import annotations

from typing import Any

import pytest

from buildlib.core.dockerfile.parse import parse
from buildlib.core.dockerfile.plain import (
    Addition,
    Copy,
    MakeFolder,
    NotPlainError,
    addition,
    parent_of,
)

PATH = "PATH=/usr/bin:/bin"


def added(
    text: str,
    parent: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    **args: str,
) -> Addition:
    parsed = parse(text, "Dockerfile", args)
    parent_of(parsed, text, args)
    return addition(parsed, parent, args, labels or {})


def on_parent(lines: str, **config: Any) -> Addition:
    return added(f"FROM a/b:c\n{lines}\n", {"Env": [PATH], **config})


def refused(lines: str, **config: Any) -> str:
    with pytest.raises(NotPlainError) as caught:
        on_parent(lines, **config)
    return str(caught.value)


def test_the_configuration_of_the_parent_is_kept_and_added_to():
    found = on_parent(
        'ENV A=1 PATH=/opt/bin:$PATH\nLABEL x="a b"\nEXPOSE 80 53/udp\nVOLUME /v\nUSER 1000:100',
        Labels={"old": "1", "x": "y"},
        Cmd=["bash"],
        ExposedPorts={"1/tcp": {}},
    )
    assert found.config == {
        "Env": ["PATH=/opt/bin:/usr/bin:/bin", "A=1"],
        "Labels": {"old": "1", "x": "a b"},
        "Cmd": ["bash"],
        "ExposedPorts": {"1/tcp": {}, "80/tcp": {}, "53/udp": {}},
        "Volumes": {"/v": {}},
        "User": "1000:100",
    }
    assert [step.created_by for step in found.steps] == [
        "ENV A=1 PATH=/opt/bin:/usr/bin:/bin",
        "LABEL x=a b",
        "EXPOSE map[53/udp:{} 80/tcp:{}]",
        "VOLUME [/v]",
        "USER 1000:100",
    ]


def test_the_parent_is_not_changed():
    parent = {"Env": [PATH], "Labels": {"a": "b"}}
    added("FROM x\nENV A=1\nLABEL a=c\n", parent, {"l": "m"})
    assert parent == {"Env": [PATH], "Labels": {"a": "b"}}


def test_an_entrypoint_drops_the_parents_arguments_but_not_its_own():
    assert on_parent('ENTRYPOINT ["x"]', Cmd=["bash"]).config["Cmd"] is None
    assert on_parent('CMD ["y"]\nENTRYPOINT ["x"]', Cmd=["bash"]).config["Cmd"] == ["y"]


def test_a_command_goes_through_the_shell_that_is_set():
    assert on_parent("CMD a $B").config["Cmd"] == ["/bin/sh", "-c", "a $B"]
    assert on_parent('SHELL ["/bin/bash", "-c"]\nCMD a').config["Cmd"] == ["/bin/bash", "-c", "a"]


def test_an_argument_is_known_to_what_follows_and_is_not_in_the_image():
    found = added("ARG TOP=t\nFROM scratch\nARG TOP\nARG A=1\nENV X=$TOP-$A\n", A="2")
    assert found.config["Env"][1:] == ["X=t-2"]


def test_labels_of_the_build_come_last():
    assert added("FROM scratch\nLABEL a=1\n", labels={"a": "2"}).config["Labels"] == {"a": "2"}


@pytest.mark.parametrize(
    ("lines", "step"),
    [
        ("COPY a /x", Copy(("a",), "/x")),
        ("COPY a b/ /x/", Copy(("a", "b"), "/x/")),
        ("COPY . .", Copy((".",), "/w/")),
        ("COPY /a rel", Copy(("a",), "/w/rel")),
        ("COPY --chown=7:8 a /", Copy(("a",), "/", (7, 8))),
        ('COPY ["a b", "/x y/"]', Copy(("a b",), "/x y/")),
        ("ADD a.tar /", Copy(("a.tar",), "/", unpack=True)),
        ("WORKDIR x/y", MakeFolder("/w/x/y", (5, 6))),
    ],
)
def test_paths_of_a_step(lines, step):
    found = on_parent(lines, WorkingDir="/w", User="5:6")
    assert [each.layer for each in found.steps] == [step]


def test_only_the_parent_knows_the_group_of_a_named_user():
    assert on_parent("WORKDIR /x", User="jovyan").steps[0].layer == MakeFolder("/x", None)


@pytest.mark.parametrize(
    "lines",
    [
        "RUN true",
        "ONBUILD COPY a /",
        "MAINTAINER x",
        "COPY --from=x a /",
        "COPY --chmod=0755 a /",
        "COPY --link a /",
        "COPY --chown=user a /",
        "COPY --chown=7 a /",
        "COPY *.txt /",
        "COPY a b /x",
        "COPY <<E /x\nE",
        "ADD a.tar /opt/",
        "ADD --chown=1:1 a.tar /",
        "ADD https://example.org/x /",
        "WORKDIR /a/",
        "EXPOSE 80-90",
        "EXPOSE 99999",
        "STOPSIGNAL 9",
        "ENV OLD form",
        "ARG TARGETARCH",
        "ARG PATH=x",
        "ARG A=1\nENV A=2",
        "CMD []",
        "CMD [1]",
        "CMD a \\\n b",
        "HEALTHCHECK --retries=9 CMD true",
        "HEALTHCHECK --interval=1.5s CMD true",
    ],
)
def test_what_is_not_understood_is_left_to_the_builder(lines):
    assert refused(lines)


def test_some_parents_are_left_to_the_builder():
    assert "ONBUILD" in refused("ENV A=1", OnBuild=["RUN x"])
    assert "PATH" in refused("ENV A=1", Env=["A=1"])


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("FROM a AS x\nFROM x\n", {}),
        ("# syntax=docker/dockerfile:1\nFROM a\n", {}),
        ("# escape=`\nFROM a\n", {}),
        ("FROM --platform=linux/arm64 a\n", {}),
        ("FROM a\n", {"BUILDKIT_INLINE_CACHE": "1"}),
        ("FROM a\n", {"SOURCE_DATE_EPOCH": "0"}),
    ],
)
def test_some_dockerfiles_are_left_to_the_builder_whatever_they_hold(text, args):
    with pytest.raises(NotPlainError):
        parent_of(parse(text, "Dockerfile", args), text, args)


def test_health_is_shown_as_go_shows_it():
    found = on_parent('HEALTHCHECK --interval=90s --start-period=1h --retries=3 CMD ["x", "y"]')
    assert found.config["Healthcheck"] == {
        "Test": ["CMD", "x", "y"],
        "Interval": 90 * 10**9,
        "StartPeriod": 3600 * 10**9,
        "Retries": 3,
    }
    shown = 'HEALTHCHECK &{["CMD" "x" "y"] "1m30s" "0s" "1h0m0s" \'\\x03\'}'
    assert found.steps[0].created_by == shown
