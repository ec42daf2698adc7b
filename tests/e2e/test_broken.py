"""Workspaces that something is wrong with: told in words, with a place, and never a traceback.

No engine is here; what needs none works, what needs one says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from e2e_process import Done, Family
from e2e_sample import pyproject


@pytest.fixture(params=["doitw", "doit"])
def build(request: pytest.FixtureRequest, offline: Family) -> Callable[..., Done]:
    """Both front doors."""
    return offline.run if request.param == "doitw" else offline.doit


BROKEN = [
    ("pyproject.toml", "[tool.buildlib\n", r"pyproject\.toml:\d+: error: .*not valid TOML"),
    ("pyproject.toml", "[tool]\nbuildlib = 3\n", r"pyproject\.toml:\d+: error: "),
    ("pyproject.toml", '[tool.buildlib]\norganisation = ""\n', r"pyproject\.toml:2: .*organiz"),
    ("pyproject.toml", '[tool.buildlib]\norganization = "No"\n', r"pyproject\.toml:2: error: "),
    ("pyproject.toml", '[tool.buildlib]\nflavour = "debain"\n', r"pyproject\.toml:2: .*debian"),
    ("pyproject.toml", "[tool.buildlib]\nstrict = 1\n", r"pyproject\.toml:2: error: "),
    ("pyproject.toml", b"\xff\xfe", r"pyproject\.toml(:\d+)?: error: "),
    ("images.lock", "schema = 1\n[download\n", r"images\.lock:\d+: error: .*not valid TOML"),
    ("images.lock", "schema = 99\n", r"images\.lock:1: error: .*schema 99"),
    ("images.lock", "schema = 1\ndownload = 3\n", r"images\.lock:\d+: error: "),
    ("images.lock", 'schema = 1\n[download]\n"//data:fetched" = 3\n', r"images\.lock:3: error: "),
    ("images.lock", b"\xff\xfe", r"images\.lock(:\d+)?: error: "),
    ("images/left/BUILD.py", "docker_image(\n", r"images/left/BUILD\.py:\d+: error: "),
    ("images/left/BUILD.py", "import os\n", r"images/left/BUILD\.py:1: error: "),
    (
        "images/left/BUILD.py",
        "from buildlib.rules import docker_imge\n",
        r"images/left/BUILD\.py:1: error: .*docker_image",
    ),
    ("images/left/BUILD.py", "x = 1\ny = x / 0\n", r"images/left/BUILD\.py:2: error: "),
    ("images/left/BUILD.py", "open('x')\n", r"images/left/BUILD\.py:1: error: "),
    ("images/left/BUILD.py", "x = nothing\n", r"images/left/BUILD\.py:1: error: "),
    ("images/left/BUILD.py", b"\xff\xfe\n", r"images/left/BUILD\.py:1: error: "),
    ("images/left/BUILD.py", "\0", r"images/left/BUILD\.py:\d+: error: "),
    (
        "images/left/Dockerfile",
        "FROM scratch\nCOPY nothing /\n",
        r"images/left/\w+(\.py)?:\d+: error: ",
    ),
    ("images/left/Dockerfile", "FORM scratch\n", r"images/left/\w+(\.py)?:\d+: error: "),
    ("images/left/Dockerfile", "", r"images/left/\w+(\.py)?:\d+: error: "),
    ("images/left/.dockerignore", "[\n", r"images/left/\.dockerignore:1: error: "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content", "told"),
    BROKEN,
    ids=[f"{file}-{number}" for number, (file, *_) in enumerate(BROKEN)],
)
def test_a_broken_file_is_wrong_input_with_its_place(
    offline: Family, file: str, content: str | bytes, told: str
) -> None:
    offline.path(file).write_bytes(content.encode() if isinstance(content, str) else content)
    done = offline.run("build")
    assert done.code == 3, done.text
    assert re.search(told, done.err), done.err
    assert "fix: " in done.err


def test_a_lock_without_an_entry_stops_a_build_and_no_question(offline: Family) -> None:
    offline.path("images.lock").write_text("schema = 1\n")
    done = offline.run("build")
    assert done.code == 3, done.text
    assert re.search(r"data/BUILD\.py:3: .*no download entry for //data:fetched", done.err), (
        done.err
    )
    assert offline.run("plan").code == 0


@pytest.mark.parametrize("file", ["images/left/BUILD.py", "images.lock"])
def test_plain_doit_shows_no_traceback_either(offline: Family, file: str) -> None:
    """A broken pyproject.toml is doit's own to tell: it reads that before any code of ours runs."""
    offline.write(file, "[[[\n")
    done = offline.doit("build")
    assert done.code == 3, done.text
    assert f"{file}:1: error: " in done.err


@pytest.mark.parametrize(
    "file", ["VERSION", "pyproject.toml", "images/left/Dockerfile", "images/base/motd"]
)
def test_a_missing_file_is_named(offline: Family, file: str) -> None:
    offline.path(file).unlink()
    done = offline.run("plan")
    assert done.code == 3, done.text
    assert file.rpartition("/")[2] in done.err


@pytest.mark.parametrize("name", ["BUILD.py", "Dockerfile"])
def test_a_folder_where_a_file_should_be_is_no_traceback(offline: Family, name: str) -> None:
    path = offline.path(f"images/left/{name}")
    path.unlink()
    path.mkdir()
    done = offline.run("plan", "left")
    assert done.code == 3, done.text
    assert "fix: " in done.err


def test_a_circle_is_shown_whole(offline: Family) -> None:
    offline.replace(
        "images/base/BUILD.py", 'srcs=["motd"]', 'parent="//images/left", srcs=["motd"]'
    )
    done = offline.run("plan")
    assert done.code == 3
    assert re.search(r"//images/(base|left) -> //images/\w+ -> //images/\w+", done.err), done.err


def test_two_images_of_one_name_are_refused(offline: Family) -> None:
    """They would take the tag from each other at every build."""
    offline.replace("images/other-base/BUILD.py", 'repository="base-two"', 'repository="base"')
    done = offline.run("plan")
    assert done.code == 3, done.text
    assert "images/base/BUILD.py" in done.err
    assert "images/other-base/BUILD.py" in done.err


def test_a_parent_that_is_not_declared_is_told_with_the_nearest(offline: Family) -> None:
    offline.replace("images/left/BUILD.py", '"//images/base"', '"//images/bsae"')
    done = offline.run("plan")
    assert done.code == 3
    assert re.search(r"^images/left/BUILD\.py:3: error: .*//images/base", done.err, re.MULTILINE)


# -- without an engine ------------------------------------------------------------


def test_what_needs_no_engine_is_built_without_one(
    offline: Family, build: Callable[..., Done]
) -> None:
    done = build("build:specs:left_spec")
    assert done.code == 0, done.text
    done = build("build:launchers:scripts")
    assert done.code == 0, done.text
    (archive,) = (offline.root / "dist").iterdir()
    assert archive.name == "sample_scripts-1.0.0.dev0.tar.gz"
    assert offline.plan("//specs:left_spec", "//launchers:scripts") == {}


def test_what_needs_an_engine_says_that_none_answers(
    offline: Family, build: Callable[..., Done]
) -> None:
    done = build("build:left")
    assert done.code == 1, done.text
    assert "/nonexistent/docker.sock" in done.err
    assert "fix: " in done.err


def test_presence_is_said_to_be_unknown_where_it_matters(offline: Family) -> None:
    """The record is there; whether the image is, nobody can tell."""
    import json

    keys = offline.keys()
    key = keys["//images/base"]
    record = offline.store / "records" / key[:2] / f"{key[2:]}.json"
    record.parent.mkdir(parents=True)
    record.write_text(
        json.dumps(
            {
                "label": "//images/base",
                "key": key,
                "images": ["sha256:" + "1" * 64],
                "files": {},
                "seconds": 1.0,
            }
        )
    )
    assert offline.plan("base") == {"//images/base": "unknown"}
    answer = offline.run("plan", "base", "--json").json
    assert answer["engine_asked"] is False
    for verb in ("plan", "why"):
        done = offline.run(verb, "base")
        assert done.code == 0
        assert "no engine answers" in done.out
        assert "not known" in done.out


def test_the_platform_is_part_of_a_plan_that_nobody_could_build(offline: Family) -> None:
    before = offline.keys()
    offline.write("pyproject.toml", pyproject(offline.organization, platform="linux/s390x"))
    after = offline.keys()
    same = {label for label, key in after.items() if before[label] == key}
    assert same == {"//launchers:scripts", "//specs:left_spec"}


def test_debug_shows_where_an_error_comes_from(offline: Family) -> None:
    import subprocess

    from e2e_process import BUILDLIB

    done = subprocess.run(
        [*BUILDLIB, "plan", "lfet", "--debug"],
        cwd=offline.root, env=offline.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" in done.stderr


def test_a_reader_that_went_away_is_no_traceback(offline: Family) -> None:
    import subprocess

    from e2e_process import BUILDLIB

    words = " ".join(f"'{word}'" for word in (*BUILDLIB, "list"))
    done = subprocess.run(
        ["sh", "-c", f"{words} | true"],
        cwd=offline.root, env=offline.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
