"""The entrypoint of images with Spark: what becomes of what Spark's Kubernetes scheduler passes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

SPARK = Path(__file__).parents[2] / "images/spark"
RECORD = """#!/usr/bin/env python3
import json, os, sys
print(json.dumps({"argv": sys.argv, "cwd": os.getcwd(), "user": os.environ.get("USER")}))
"""
EXECUTOR = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@driver:7078",
    "SPARK_EXECUTOR_ID": "7",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_MEMORY": "1g",
    "SPARK_APPLICATION_ID": "spark-app",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.7",
    "SPARK_EXECUTOR_POD_NAME": "pod-7",
    "SPARK_RESOURCE_PROFILE_ID": "0",
}


@pytest.fixture
def start(tmp_path):
    """Run the entrypoint with programs that tell how they were called."""
    for name in ("spark/bin/spark-submit", "java/bin/java"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(RECORD)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "spark/sbin").mkdir()
    (tmp_path / "spark/sbin/name-user.sh").write_text((SPARK / "name-user.sh").read_text())

    def start(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        known = {
            "PATH": os.environ["PATH"],
            "SPARK_HOME": str(tmp_path / "spark"),
            "JAVA_HOME": str(tmp_path / "java"),
        }
        return subprocess.run(
            ["bash", str(SPARK / "entrypoint.sh"), *words],
            env={**known, **env}, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return start


def argv(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)["argv"][1:]
    return found


def test_a_driver_submits_itself_in_client_mode_bound_to_its_pod(start):
    words = (
        "--properties-file",
        "/opt/spark/conf/spark.properties",
        "--class",
        "x y",
        "local:///a",
    )
    found = argv(start("driver", *words, SPARK_DRIVER_BIND_ADDRESS="10.0.0.1"))
    assert found == [
        "--conf", "spark.driver.bindAddress=10.0.0.1",
        "--conf", "spark.executorEnv.SPARK_DRIVER_POD_IP=10.0.0.1",
        "--deploy-mode", "client", *words,
    ]  # fmt: skip


def test_an_executor_gets_its_options_in_order_and_whole(start, tmp_path):
    numbered = {f"SPARK_JAVA_OPT_{n}": f"-Dn={n} and a space" for n in range(11)}
    others = {"SPARK_JAVA_OPT_X": "no", "SPARK_CLASSPATH": "/extra/*", "HADOOP_CONF_DIR": "/hadoop"}
    conf = {"SPARK_CONF_DIR": "/opt/spark/conf"}
    found = argv(start("executor", **EXECUTOR, **numbered, **others, **conf))
    assert found[:11] == [f"-Dn={n} and a space" for n in range(11)]
    jars = f"/opt/spark/conf:/extra/*:{tmp_path}/spark/jars/*:/hadoop:{tmp_path}"
    assert found[11:15] == ["-Xms1g", "-Xmx1g", "-cp", jars]
    assert found[15:] == [
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        "--driver-url", "spark://CoarseGrainedScheduler@driver:7078",
        "--executor-id", "7", "--cores", "2", "--app-id", "spark-app", "--hostname", "10.0.0.7",
        "--resourceProfileId", "0", "--podName", "pod-7",
    ]  # fmt: skip


@pytest.mark.parametrize("missing", sorted(set(EXECUTOR) - {"SPARK_EXECUTOR_POD_NAME"}))
def test_an_executor_without_what_spark_sets_is_refused(start, missing):
    env = {name: value for name, value in EXECUTOR.items() if name != missing}
    done = start("executor", **env)
    assert done.returncode == 64
    assert done.stderr == (
        f"entrypoint: error: {missing} is not set: only Spark can start this role\n"
    )


def test_a_driver_without_its_address_is_refused(start):
    assert start("driver").returncode == 64


def test_anything_else_is_a_command_to_become(start):
    done = start("sh", "-c", 'echo "$0 $1 $$"; exit 3', "a b", "c")
    assert done.returncode == 3
    assert done.stdout.startswith("a b c ")
