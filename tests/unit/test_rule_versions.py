"""No rule changes unseen: without a raised version, wrong results would be up to date."""

from __future__ import annotations

import json

import pytest

from tests.support.rule_code import FILE, RENEW, Code, complaints, digest, read_code

CODE = Code(
    {"download": 1, "rootfs": 2},
    {"rules/rootfs.py": "new", "rules/base.py": "same"},
    {"download": ["rules/base.py"], "rootfs": ["rules/base.py", "rules/rootfs.py"]},
)


def test_no_rule_has_other_code_than_when_its_version_was_last_looked_at() -> None:
    told = complaints(json.loads(FILE.read_text()), read_code())
    assert not told, "\n" + "\n".join(told)


def test_what_decides_what_a_rule_makes_is_found() -> None:
    uses = read_code().uses
    assert "buildlib/core/pack/tar.py" in uses["tarball"]
    assert "buildlib/outside/debian/deb.py" in uses["rootfs"]
    assert "buildlib/core/rules/docker_image.py" in uses["container_files"]
    assert "buildlib/engine/build.py" in uses["docker_image"]
    assert "buildlib/engine/build.py" not in uses["zip_file"]
    assert all("buildlib/build/execution/stage.py" in paths for paths in uses.values())


@pytest.mark.parametrize(("version", "is_raised"), [(2, False), (1, True)])
def test_a_change_names_the_module_its_rules_and_what_to_do(version: int, is_raised: bool) -> None:
    kept = {
        "versions": {"download": 1, "rootfs": version},
        "modules": {"rules/rootfs.py": "old", "rules/base.py": "same"},
    }
    told = "\n".join(complaints(kept, CODE))
    assert "the code of rules/rootfs.py changed" in told
    assert ("not raised: the version of rootfs" in told) == (not is_raised)
    assert "download" not in told
    assert told.endswith(f"fix: {RENEW}")


def test_what_is_as_it_was_is_no_complaint() -> None:
    assert complaints({"versions": CODE.versions, "modules": CODE.modules}, CODE) == []


BARE = """\
x = 1
def f():
    return '#'
"""
TOLD = '''\
"""What."""

# why
x = 1  # one


def f():
    """Say

    it."""
    return '#'
'''


def test_comments_docstrings_and_blank_lines_are_no_code() -> None:
    assert digest(BARE) == digest(TOLD)
    assert digest(BARE) != digest(BARE.replace("'#'", "'!'"))
