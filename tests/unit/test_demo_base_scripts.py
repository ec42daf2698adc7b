"""The demo's scripts: what Hadoop's commands become, and what the start script refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "images/demo-base"
HOST = os.uname().nodename


@pytest.fixture
def hadoop(tmp_path):
    """Run one of Hadoop's commands with a Java that tells how it was called."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "bin/java").chmod(0o755)
    for name in ("hadoop", "hdfs", "yarn"):
        (tmp_path / name).symlink_to(FOLDER / "hadoop.sh")

    def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(tmp_path / words[0]), *words[1:]],
            env={"PATH": os.environ["PATH"], "JAVA_HOME": str(tmp_path), **env},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    ("words", "becomes"),
    [
        ("hdfs dfs -ls /", "org.apache.hadoop.fs.FsShell -ls /"),
        ("hadoop fs -cat /a\\ b", "org.apache.hadoop.fs.FsShell -cat /a\\ b"),
        ("hdfs dfsadmin -report", "org.apache.hadoop.hdfs.tools.DFSAdmin -report"),
        ("hdfs namenode -format", "org.apache.hadoop.hdfs.server.namenode.NameNode -format"),
        ("yarn app -list", "org.apache.hadoop.yarn.client.cli.ApplicationCLI application -list"),
        ("yarn container -x", "org.apache.hadoop.yarn.client.cli.ApplicationCLI container -x"),
        ("yarn node -list", "org.apache.hadoop.yarn.client.cli.NodeCLI -list"),
        ("yarn org.apache.hadoop.X -y", "org.apache.hadoop.X -y"),
    ],
)  # fmt: skip
def test_a_command_becomes_its_class(hadoop, words, becomes):
    said = hadoop(*words.split(" ")).stdout.splitlines()
    assert said[said.index("-cp") + 2 :] == becomes.split(" ")
    assert said[said.index("-cp") + 1] == "/opt/hadoop/etc/hadoop:/opt/hadoop/lib/*"


def test_daemons_have_a_heap_and_options_of_their_own_and_commands_have_not(hadoop):
    settings = {"HADOOP_NAMENODE_OPTS": "-Da=b -Dc=d", "HADOOP_HEAPSIZE_MAX": "99m"}
    daemon = hadoop("hdfs", "namenode", **settings).stdout.splitlines()
    assert {"-Da=b", "-Dc=d", "-Xmx99m"} <= set(daemon)
    command = hadoop("hdfs", "dfs", **settings).stdout.splitlines()
    assert not {"-Da=b", "-Dc=d", "-Xmx99m"} & set(command)


@pytest.mark.parametrize("words", [["hdfs", "fs"], ["yarn", "dfs"], ["hadoop", "nonsense"]])
def test_a_command_that_there_is_not_has_a_fix(hadoop, words):
    done = hadoop(*words)
    assert done.returncode == 64
    assert f'there is no command "{words[1]}"' in done.stderr
    assert f"fix: {words[0]} --help" in done.stderr


def test_the_fix_for_a_wrong_command_works(hadoop):
    assert "dfsadmin" in hadoop("hdfs", "--help").stdout
    assert hadoop("hdfs").returncode == 64


# --- The start script -----------------------------------------------------------------------------


def start(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    settings = {"PATH": os.environ["PATH"], "SPARK_HOME": "/nonexistent", **env}
    return subprocess.run(
        ["sh", str(FOLDER / "bootstrap-yarn-spark.sh"), *words],
        env=settings, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_has_the_commands_and_the_pages(words):
    done = start(*words, YARN_HOST="master")
    assert done.returncode == 0
    for word in ("--yarn", "--nodemanager", "http://master:8088", f"http://{HOST}:8042",
                 "http://master:9870", "http://master:18080"):  # fmt: skip
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "env", "told"),
    [
        (["--yarn"], {"YARN_HOST": "other"}, "YARN_HOST=other is another host"),
        (["--yarn", "more"], {}, "--yarn takes no further arguments"),
        (["--nodemanager"], {}, "--nodemanager joins the cluster of another host"),
        (["--nodemanager"], {"YARN_HOST": HOST}, "--nodemanager joins the cluster of another host"),
        (["--gateway"], {}, "there is no option --gateway"),
    ],
)
def test_what_makes_no_sense_is_told_with_a_fix(words, env, told):
    done = start(*words, **env)
    assert done.returncode == 64
    assert told in done.stderr
    assert "bootstrap-yarn-spark: fix: " in done.stderr


def test_a_host_without_an_address_is_told_with_a_fix(tmp_path):
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/name-user.sh").touch()
    done = start("true", YARN_HOST="no-such-host.invalid", SPARK_HOME=str(tmp_path))
    assert done.returncode == 68
    assert "the host no-such-host.invalid has no address here" in done.stderr
    assert "--add-host no-such-host.invalid:127.0.0.1" in done.stderr


def test_a_check_without_daemons_is_well_and_one_of_dead_ones_names_them(tmp_path):
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(FOLDER / "check-hadoop.sh")],
            env={"PATH": os.environ["PATH"], "HADOOP_CONF_DIR": str(tmp_path),
                 "YARN_HOST": "no-such-host.invalid"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert check().returncode == 0
    (tmp_path / "supervisord.conf").write_text(
        "[group:hadoop]\n[program:namenode]\n[program:resourcemanager]\n"
    )
    done = check()
    assert done.returncode == 1
    assert done.stdout.startswith("not serving: namenode resourcemanager;")
