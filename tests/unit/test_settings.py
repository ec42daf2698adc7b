"""`[tool.buildlib]`: what is wrong is told with its line, and nothing is ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.model.settings import Network, Settings, Share
from buildlib.errors import InputError
from tests.support.settings import parse_settings
from tests.support.workspace import WorkspaceBuilder


def line_of(text: str) -> str:
    with pytest.raises(InputError) as refused:
        parse_settings(text)
    assert refused.value.where is not None
    assert refused.value.fix, refused.value.what
    return str(refused.value.where)


def test_what_is_not_said_has_a_default() -> None:
    assert parse_settings("") == parse_settings("[tool]\n") == Settings()
    assert parse_settings("[tool.buildlib]\n") == Settings()


def test_what_is_said_is_taken() -> None:
    text = """
        [tool.buildlib]
        organization = "acme"
        registry = "example.org:5000/team"
        flavour = "docker-stacks"
        platform = "linux/arm64"
        strict = true
        keep_images = 0
        [tool.buildlib.network]
        apt = "http://mirror.example.org/"
        pypi = "https://pypi.example.org/simple/"
    """
    assert parse_settings(text) == Settings(
        "acme",
        "example.org:5000/team",
        "docker-stacks",
        "linux/arm64",
        strict=True,
        keep_images=0,
        network=Network("http://mirror.example.org", "https://pypi.example.org/simple"),
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[tool.buildlib]\nx = = 1\n", "pyproject.toml:2"),
        ("[tool.buildlib\n", "pyproject.toml:1"),
        ("[tool.buildlib]\nflavour = 'debian\n", "pyproject.toml:2"),
        ("\n\n[tool]\nbuildlib = 3\n", "pyproject.toml:4"),
        ("[tool.buildlib]\nnetwork = 'x'\n", "pyproject.toml:2"),
        ("[tool.buildlib]\n\n# c\nregistry = 5\n", "pyproject.toml:4"),
        ("[tool.buildlib]\norganization = ''\n", "pyproject.toml:2"),
        ("[tool.buildlib.network]\napt = true\n", "pyproject.toml:2"),
        ("[tool.buildlib.network]\nnpm = 'x'\n", "pyproject.toml:2"),
        ("[project]\nversion = '1'\n[tool.buildlib]\nversion = '2'\n", "pyproject.toml:4"),
        ("[tool.mypy]\nstrict = true\n[tool.buildlib]\nstrict = 1\n", "pyproject.toml:4"),
        ("[tool.buildlib]\nstrict = 1\n[tool.mypy]\nstrict = true\n", "pyproject.toml:2"),
        ("# flavour = 'x'\n[tool.buildlib]\n'flavour' = 'x'\n", "pyproject.toml:3"),
        ("[tool.buildlib]\nplatform = 'amd64'\n", "pyproject.toml:2"),
        ("[tool.buildlib]\nkeep_images = -1\n", "pyproject.toml:2"),
        ("[tool.buildlib]\nkeep_images = true\n", "pyproject.toml:2"),
        ("[tool.buildlib]\nkeep_images = '5'\n", "pyproject.toml:2"),
        ("[tool.buildlib.network]\napt = 'deb.debian.org'\n", "pyproject.toml:2"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, where: str) -> None:
    assert line_of(text) == where


@pytest.mark.parametrize("name", ["a", "a-b", "a.b_c", "acme2", "a--b"])
def test_organizations_that_docker_takes(name: str) -> None:
    assert parse_settings(f"[tool.buildlib]\norganization = '{name}'\n").organization == name


@pytest.mark.parametrize("name", ["A", "a b", "-a", "a-", "a/b", ".a", "a:b", "\u00e4", "a\\n"])
def test_organizations_that_it_does_not(name: str) -> None:
    line_of(f'[tool.buildlib]\norganization = "{name}"\n')


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_ports_that_cannot_be(port: str) -> None:
    line_of(f'[tool.buildlib]\nregistry = "example.org:{port}"\n')
    parse_settings('[tool.buildlib]\nregistry = "example.org:65535"\n')


@given(st.text(max_size=40))
def test_no_text_is_a_traceback(text: str) -> None:
    try:
        parse_settings(text)
        parse_settings(f"[tool.buildlib]\n{text}")
    except InputError as error:
        assert error.where is not None  # noqa: PT017


def test_roles_are_read_and_have_defaults() -> None:
    assert parse_settings("").share == Share("read", "write")
    text = '[tool.buildlib.share]\ndefault = "off"\nci = "read"\n'
    assert parse_settings(text).share == Share("off", "read")
    assert parse_settings('[tool.buildlib]\nshare.ci = "off"\n').share == Share("read", "off")


@pytest.mark.parametrize(
    ("registry", "ci", "offline", "role"),
    [
        ("", "true", False, "off"),
        ("r.test", "", False, "read"),
        ("r.test", "true", False, "write"),
        ("r.test", "0", False, "read"),
        ("r.test", "true", True, "off"),
    ],
)
def test_the_role_is_that_of_the_machine(
    registry: str,
    ci: str,
    offline: bool,
    role: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", ci)
    workspace = WorkspaceBuilder(tmp_path).setting("registry", registry).open()
    workspace.offline = offline
    assert workspace.role == role
    assert (workspace.shared_for_builds is None) == (role == "off")
    assert (workspace.shared_store is None) == (registry == "")
