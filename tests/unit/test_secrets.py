"""A user's own secrets: declared by id, read when a build begins, and in no key and no line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.secret import Secret
from buildlib.engine.secrets import masker, value_of
from buildlib.errors import InputError
from tests.support.workspace import WorkspaceBuilder

STEP = "FROM scratch\nRUN --mount=type=secret,id=token cat /run/secrets/token\n"


def image(made: WorkspaceBuilder, origin: str, dockerfile: str = STEP) -> WorkspaceBuilder:
    secrets = f'secrets={{"token": "{origin}"}}' if origin else ""
    return made.image("a", secrets, dockerfile)


def key(made: WorkspaceBuilder) -> str:
    return made.keys()["//a"]


def record(workspace: Workspace) -> dict[str, str]:
    return dict(workspace.keys.record(Reference(parse_label("//a"))).parts)


def test_the_key_holds_the_id_and_not_where_the_value_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = image(WorkspaceBuilder(tmp_path), "env:TOKEN")
    before = key(made)
    monkeypatch.setenv("TOKEN", "s3cr3t")
    assert key(made) == before
    assert key(image(made, "file:~/token")) == before
    assert key(image(made, "file:/etc/token")) == before
    parts = record(made.open())
    assert parts["attribute secrets"] == "('token',)"
    assert "/etc/token" not in json.dumps(parts)
    assert key(image(made, "")) != before
    assert "attribute secrets" not in record(made.open()), "other images have the key they had"


def test_a_plan_says_that_secrets_are_in_no_key(tmp_path: Path) -> None:
    workspace = image(WorkspaceBuilder(tmp_path), "env:TOKEN").open()
    target = workspace.graph[parse_label("//a")]
    request = target.rule.request(target)
    assert request is not None
    assert request.impurity == "secrets"
    assert request._replace(network=True).impurity == "network=True and secrets"
    assert request._replace(secrets=()).impurity == ""


@pytest.mark.parametrize(
    "step",
    [
        "RUN --mount=type=secret,id=token x",
        "RUN --mount=type=secret,source=token,target=/t x",
        "RUN --mount=type=secret,src=token,id=other,target=/t x",
        "RUN --mount=type=secret,target=/run/secrets/token,required=true x",
        "RUN --mount=type=secret,dst=/t/token,required x",
        "RUN --mount=type=tmpfs,target=/t --mount=id=token,type=secret,mode=0400 x",
        "ARG T=token\nRUN --mount=type=secret,id=${T} x",
    ],
)
def test_a_step_mounts_it_in_each_form_that_docker_knows(tmp_path: Path, step: str) -> None:
    assert image(WorkspaceBuilder(tmp_path), "env:TOKEN", f"FROM scratch\n{step}\n").told() == ""


def test_what_is_mounted_and_neither_required_nor_declared_is_empty(tmp_path: Path) -> None:
    assert image(WorkspaceBuilder(tmp_path), "").told() == ""


def test_a_value_is_read_from_a_variable_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine x\n")
    assert value_of(Secret("a", variable="TOKEN"), {"TOKEN": "s3cr3t"}) == "s3cr3t"
    assert value_of(Secret("a", file="~/.netrc"), {}) == "machine x\n"
    assert value_of(Secret("a", file=f"{tmp_path}/.netrc"), {}) == "machine x\n"


@pytest.mark.parametrize(
    ("secret", "what", "fix"),
    [
        (Secret("a", variable="NO"), "is the variable NO, which is not set", "export NO=…"),
        (Secret("a", variable="EMPTY"), "is the variable EMPTY, which is not", "export EMPTY=…"),
        (Secret("a", file="/no/file"), "cannot be read: No such file", "write it to /no/file"),
        (Secret("a", file="/"), "cannot be read: Is a directory", 'secrets = {"a": "file:/NAME"}'),
    ],
)
def test_a_value_that_is_not_there(secret: Secret, what: str, fix: str) -> None:
    with pytest.raises(InputError) as error:
        value_of(secret, {"EMPTY": ""})
    assert what in error.value.what
    assert error.value.fix == fix


def test_values_are_masked_in_lines() -> None:
    mask = masker(["s3cr3t", "machine x\n  password hunter2\n\n}\n", "s3cr3t+more"])
    assert mask("#7 0.1 token s3cr3t, twice s3cr3t") == "#7 0.1 token ***, twice ***"
    assert mask("s3cr3t+more") == "***"
    assert mask("#7 password hunter2") == "#7 ***"
    assert mask("{ } password") == "{ } password"
    assert masker([])("line") == "line"
    assert masker(["", "\n", "abc"])("abc") == "abc", "so short a word would mask half a log"
