"""The demo's scripts: what they start, and with which settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "images/enterprise-gateway-demo"
# Stands in for the programs of the image: says how it was called.
SPY = f"""#!{sys.executable}
import json, os, sys
print(json.dumps({{"argv": sys.argv, "env": dict(os.environ)}}))
sys.exit(int(os.environ.get("FAILS", 0)))
"""
SERVER = ["start-enterprise-gateway.sh"]


class Demo(SimpleNamespace):
    """The scripts, among programs that stand in for the image's."""

    programs: Path

    def run(self, script: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.run(
            [FOLDER / script, *words], env={"PATH": path, **env}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def starts(self, *words: str, **env: str) -> tuple[list[str], dict[str, str]]:
        """What the bootstrap script becomes: words and environment."""
        done = self.run("bootstrap-enterprise-gateway.sh", *words, **env)
        assert done.returncode == 0, done.stderr
        found: Any = json.loads(done.stdout)
        return [Path(found["argv"][0]).name, *found["argv"][1:]], found["env"]


@pytest.fixture
def demo(tmp_path):
    names = ("bootstrap-yarn-spark.sh", "check-hadoop.sh", "check-enterprise-gateway.sh", "program")
    for name in names:
        (tmp_path / name).write_text(SPY)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "hostname").write_text("#!/bin/sh\necho here\n")
    (tmp_path / "hostname").chmod(0o755)
    return Demo(programs=tmp_path)


@pytest.mark.parametrize("word", ["--gateway", "--elyra"])
def test_the_gateway_starts_behind_the_cluster_and_asks_this_host(demo, word):
    words, env = demo.starts(word, "--more")
    assert words == ["bootstrap-yarn-spark.sh", *SERVER, "--more"]
    assert env["EG_YARN_ENDPOINT"] == "http://here:8088"
    assert env["EG_REMOTE_HOSTS"] == "localhost"
    assert env["EG_KERNEL_LOG_DIR"] == "/var/log/enterprise-gateway"
    assert "EG_AUTHORIZED_USERS" not in env


def test_another_cluster_is_asked_where_it_is(demo):
    _, env = demo.starts("--gateway", YARN_HOST="master")
    assert env["EG_YARN_ENDPOINT"] == "http://master:8088"
    _, env = demo.starts("--gateway", EG_YARN_ENDPOINT="https://rm:8090/ws/v1/cluster")
    assert env["EG_YARN_ENDPOINT"] == "https://rm:8090"


def test_who_may_be_all_others_starts_no_kernel_under_impersonation(demo):
    _, env = demo.starts("--gateway", EG_IMPERSONATION_ENABLED="True")
    assert env["EG_UNAUTHORIZED_USERS"] == "root,jovyan"
    assert env["EG_AUTHORIZED_USERS"] == "elyra,bob,alice"
    _, env = demo.starts(
        "--gateway", EG_IMPERSONATION_ENABLED="True", EG_AUTHORIZED_USERS="carol"
    )  # fmt: skip
    assert env["EG_AUTHORIZED_USERS"] == "carol"


def test_kernels_inherit_where_things_are_and_no_secret(demo):
    _, env = demo.starts("--gateway", EG_INHERITED_ENVS="MINE", EG_AUTH_TOKEN="secret")
    names = env["EG_INHERITED_ENVS"].split(",")
    assert {"MINE", "SPARK_HOME", "HADOOP_CONF_DIR", "JAVA_HOME", "HOME"} <= set(names)
    assert not [name for name in names if "TOKEN" in name]


def test_the_cluster_alone(demo):
    assert demo.starts("--yarn")[0] == ["bootstrap-yarn-spark.sh", "--yarn"]
    done = demo.run("bootstrap-enterprise-gateway.sh", "--yarn", YARN_HOST="master")
    assert (done.returncode, done.stdout) == (64, "")
    assert "fix: leave out one of the two" in done.stderr


def test_another_command_runs_and_starts_nothing(demo):
    assert demo.starts("program", "--help")[0] == ["program", "--help"]


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_help_says_what_there_is(demo, words):
    done = demo.run("bootstrap-enterprise-gateway.sh", *words)
    assert done.returncode == 0
    for text in ("--gateway", "--yarn", "8888", "8088", "8042", "/tmp/byok"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("tini -- bootstrap-enterprise-gateway.sh --gateway", 2),
        ("tini -- bootstrap-enterprise-gateway.sh --elyra --x", 2),
        ("tini -- bootstrap-enterprise-gateway.sh --yarn", 1),
        ("tini -- bootstrap-enterprise-gateway.sh bash", 1),
    ],
)
def test_health_is_of_what_was_started(demo, tmp_path, command, asked):
    file = tmp_path / "cmdline"
    file.write_text(command.replace(" ", "\0") + "\0")
    done = demo.run("check-demo.sh", CHECK_COMMAND=str(file))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == asked
    assert demo.run("check-demo.sh", CHECK_COMMAND=str(file), FAILS="1").returncode == 1
