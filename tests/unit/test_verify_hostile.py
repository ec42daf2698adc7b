"""Variables that a client sends to have them run: the check sees it, and the fix stops it.

The commands are built by the very lines that the gateway's image replaces, and run by real shells.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import textwrap
from pathlib import Path

import pytest

from verify.hostile import MARK, faults, hostile

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "images" / "enterprise-gateway" / "apply_backports.py"
SHELLS = ["sh", "bash"]


@pytest.fixture(scope="module")
def lines():
    """What exports the client's variables, in the released file and in the mended one."""
    spec = importlib.util.spec_from_file_location("apply_backports", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    [found] = [
        change
        for fix in module.BACKPORTS
        for change in fix.changes
        if fix.upstream == "83f54a88" and "export" in change[0]
    ]
    return dict(zip(("released", "mended"), map(textwrap.dedent, found), strict=True))


def launched(code, env, shell):
    """The environment of a kernel whose host's shell has read the command."""
    scope = {"json": json, "shlex": shlex, "env_dict": env, "cmd": ""}
    exec(code, scope)
    done = subprocess.run(
        [shell, "-c", scope["cmd"] + "env -0"],
        check=False, capture_output=True, stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere"},
    )  # fmt: skip
    return dict(entry.partition("=")[::2] for entry in done.stdout.decode().split("\0") if entry)


def told(code, folder, shell):
    sent = hostile(str(folder))
    seen = launched(code, {**sent.values, **dict.fromkeys(sent.names, "1")}, shell)
    return faults(sent.values, seen, os.listdir(folder))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_released_server_is_found_out(lines, tmp_path, shell):
    run, changed = told(lines["released"], tmp_path, shell)
    for name in ("substitution", "backquotes", "name"):
        assert name in run
    for name in ("KERNEL_SUBSTITUTION", "KERNEL_SINGLE", "KERNEL_LINES", "KERNEL_REFERENCES"):
        assert name in changed


@pytest.mark.parametrize("shell", SHELLS)
def test_with_the_fix_all_arrives_and_nothing_is_run(lines, tmp_path, shell):
    assert told(lines["mended"], tmp_path, shell) == []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", hostile("/nowhere").names)
def test_a_name_alone_is_no_harm(lines, tmp_path, shell, name):
    seen = launched(lines["mended"], {name: "1", "KERNEL_ID": "an id"}, shell)
    assert seen["KERNEL_ID"] == "an id"
    assert not [key for key in seen if key.startswith("KERNEL") and key != "KERNEL_ID"]


@pytest.mark.parametrize("name", hostile("/nowhere").values)
def test_one_value_that_is_changed_is_named(name):
    sent = hostile("/nowhere").values
    assert faults(sent, sent, ["kernel-1.log"]) == []
    for seen in ({**sent, name: sent[name] + "?"}, {k: v for k, v in sent.items() if k != name}):
        assert faults(sent, seen, []) == [f"what does not arrive as it was sent: {name}"]


def test_a_mark_is_named_even_where_all_arrives():
    sent = hostile("/nowhere").values
    assert faults(sent, sent, [f"{MARK}lines"]) == ["what was run: lines"]
