"""Which registry is asked for an image."""

from __future__ import annotations

import pytest

from buildlib.engine.mirror import mirrored
from buildlib.errors import InputError
from tests.support.settings import parse_settings

MIRRORS = {
    "quay.io": "registry.example.com/quay",
    "docker.io": "127.0.0.1:5000",
    "localhost:5000": "other.example.com",
}
DIGEST = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("declared", "asked"),
    [
        ("quay.io/jupyter/r-notebook:1", "registry.example.com/quay/jupyter/r-notebook:1"),
        (
            f"quay.io/jupyter/r-notebook{DIGEST}",
            f"registry.example.com/quay/jupyter/r-notebook{DIGEST}",
        ),
        ("debian:12", "127.0.0.1:5000/library/debian:12"),
        (f"debian{DIGEST}", f"127.0.0.1:5000/library/debian{DIGEST}"),
        ("docker.io/debian:12", "127.0.0.1:5000/library/debian:12"),
        ("tensorflow/tensorflow:2", "127.0.0.1:5000/tensorflow/tensorflow:2"),
        ("docker.io/tensorflow/tensorflow:2", "127.0.0.1:5000/tensorflow/tensorflow:2"),
        ("localhost:5000/a:1", "other.example.com/a:1"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("localhost/a:1", "localhost/a:1"),
    ],
)
def test_the_mirror_of_its_registry_is_asked(declared: str, asked: str) -> None:
    assert mirrored(declared, MIRRORS) == asked


def test_without_mirrors_names_stay_as_they_were_declared() -> None:
    assert mirrored("debian:12", {}) == "debian:12"


def test_mirrors_are_read_from_the_settings() -> None:
    text = '[tool.buildlib.network.images]\n"quay.io" = "127.0.0.1:5000/quay"\n'
    assert parse_settings(text).network.images == {"quay.io": "127.0.0.1:5000/quay"}
    assert parse_settings("[tool.buildlib]\n").network.images == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[tool.buildlib.network]\nimages = "127.0.0.1:5000"\n', 2),
        ('[tool.buildlib.network.images]\n"quay.io" = "https://127.0.0.1:5000"\n', 2),
        ('[tool.buildlib.network.images]\n"quay.io" = 5000\n', 2),
    ],
)
def test_what_is_no_registry_is_refused_where_it_stands(text: str, line: int) -> None:
    with pytest.raises(InputError) as refused:
        parse_settings(text)
    assert refused.value.where is not None
    assert refused.value.where.line == line
    assert "[tool.buildlib.network.images]" in str(refused.value.fix)
