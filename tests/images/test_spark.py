"""Spark and its Java runtime: they run for any user, without a network, and are the same always."""

from __future__ import annotations

import hashlib
import re
import tarfile
from pathlib import Path

import docker.errors
import pytest

from tests.engine.plain_docker import docker as docker_

pytestmark = pytest.mark.engine
NAME = "spark"
LIMIT = 560_000_000  # bytes
USERS = (None, "1000:100", "2000:100", "12345:0")
ROOT = Path(__file__).parents[2]
EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"  # of no files
CARRIERS = ("kernel-spark-py",)

SHELL = r"""
set -e
echo '
println("sum " + sc.parallelize(1 to 10).sum)
spark.range(5).write.saveAsTable("t")
println("table " + spark.sql("select sum(id) from t").first().getLong(0))
println("user " + org.apache.hadoop.security.UserGroupInformation.getCurrentUser.getShortUserName)
println("zip " + java.nio.file.FileSystems.newFileSystem(java.nio.file.Paths.get(
    "/opt/spark/python/lib/pyspark.zip")).getPath("/pyspark/sql/session.py").getFileName)
val tls = javax.net.ssl.SSLContext.getDefault.getSupportedSSLParameters
println("tls " + tls.getProtocols.mkString(","))
val pair = java.security.KeyPairGenerator.getInstance("EC").generateKeyPair
println("curve " + pair.getPublic.getAlgorithm)
println("month " + java.time.LocalDate.of(2024, 5, 1).format(
    java.time.format.DateTimeFormatter.ofPattern("MMMM", java.util.Locale.GERMANY)))
' > /tmp/script.scala
spark-shell --master 'local[2]' -I /tmp/script.scala </dev/null 2>/tmp/err | grep -E '^[a-z]+ '
cat /tmp/err >&2
"""


@pytest.mark.parametrize("user", USERS)
def test_the_shell_runs_spark_for_any_user_without_a_network(run, user):
    said = dict(
        line.split(" ", 1) for line in run(NAME, "bash", "-c", SHELL, user=user).splitlines()
    )
    assert said["sum"] == "55.0"
    assert said["table"] == "10"
    assert said["user"] == "jovyan"
    assert said["zip"] == "session.py"
    assert "TLSv1.3" in said["tls"]
    assert said["curve"] == "EC"
    assert said["month"] == "Mai"  # locales of all languages are there


def test_a_name_is_given_to_a_user_who_has_none_and_taken_from_none(run):
    script = "id -un; python3 --version 2>/dev/null; echo ${LD_PRELOAD:-none}; ls -l /etc/passwd"
    known = run(NAME, "bash", "-c", script).splitlines()
    assert known[:2] == ["jovyan", "none"]
    unknown = run(NAME, "bash", "-c", script, user="54321:0").splitlines()
    assert unknown[:2] == ["jovyan", "libnss_wrapper.so"]
    assert unknown[2].startswith("-rw-r--r-- 1 root root")


def test_a_name_that_would_make_a_line_of_its_own_is_cut_down(engine, image):
    said = engine.containers.run(
        image(NAME),
        ["bash", "-c", "id -un; getent passwd | tail -1"],
        user="54321:0",
        environment={"USER": "eve:x:0:0::/:/bin/sh\nroot2:x:0:0::/:/bin/sh"},
        remove=True,
    ).decode()
    assert re.fullmatch(r"[\w.@-]+\n[\w.@-]+:x:54321:0::\S*:/bin/sh\n", said)


def test_there_is_java_and_no_jdk(run):
    assert "17." in run(NAME, "bash", "-c", "java -version 2>&1")
    for program in ("javac", "jshell", "jlink", "gcc", "python3"):
        assert run(NAME, "bash", "-c", f"command -v {program} || true") == ""
    found = run(NAME, "java", "--list-modules").split()
    assert not [name for name in found if name.startswith(("jdk.compiler@", "jdk.jshell@"))]


def test_java_trusts_authorities(run):
    listed = run(NAME, "bash", "-c", "keytool -list -cacerts -storepass changeit 2>/dev/null")
    assert listed.count("trustedCertEntry") > 100


def test_without_a_network_nothing_is_logged_but_what_went_wrong(run):
    script = (
        "spark-shell --master 'local[1]' --conf spark.ui.enabled=false </dev/null 2>&1 >/dev/null"
    )
    assert [line for line in run(NAME, "bash", "-c", script).splitlines() if "WARN" in line] == []


@pytest.mark.parametrize("variable", ["SPARK_DRIVER_URL", "SPARK_EXECUTOR_ID"])
def test_an_executor_says_what_it_misses(engine, image, variable):
    settings = {
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@localhost:1",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_CORES": "1",
        "SPARK_EXECUTOR_MEMORY": "256m",
        "SPARK_APPLICATION_ID": "app",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
        "SPARK_RESOURCE_PROFILE_ID": "0",
    }
    del settings[variable]
    with pytest.raises(docker.errors.ContainerError) as caught:
        engine.containers.run(image(NAME), ["executor"], environment=settings, remove=True)
    assert caught.value.exit_status == 64
    assert f"{variable} is not set".encode() in caught.value.stderr


def test_an_executor_is_spark_s_own_and_looks_for_its_driver(engine, image):
    settings = {
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@localhost:1",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_CORES": "1",
        "SPARK_EXECUTOR_MEMORY": "256m",
        "SPARK_APPLICATION_ID": "app",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_JAVA_OPT_0": "-Dspark.rpc.numRetries=1",
        "SPARK_JAVA_OPT_1": "-Dspark.executor.port=7079",
    }
    with pytest.raises(docker.errors.ContainerError) as caught:
        engine.containers.run(
            image(NAME), ["executor"], environment=settings, user="12345:0", remove=True
        )
    said = caught.value.stderr.decode()
    assert "KubernetesExecutorBackend" in said
    assert re.search(r"Failed to connect to localhost\S*:1|Connection refused", said)


def test_configuration(config):
    found = config(NAME)
    assert found["Entrypoint"] == ["tini", "-g", "--", "/opt/entrypoint.sh"]
    assert found["User"] == "1000"
    assert {"JAVA_HOME=/opt/java", "SPARK_HOME=/opt/spark"} <= set(found["Env"])


def test_size(engine, image):
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT


@pytest.mark.parametrize("name", CARRIERS)
def test_the_layers_are_the_same_in_all_images_that_carry_them(engine, image, name):
    """Registries keep them once, and whoever has one of the images pulls them no more."""
    layers = {
        each: set(engine.images.get(image(each)).attrs["RootFS"]["Layers"])
        for each in ("os", NAME, name)
    }
    shared = (layers[NAME] & layers[name]) - layers["os"] - {EMPTY}
    assert len(shared) == 3  # Java, Spark, set-up


def test_two_builds_of_java_give_the_same_bytes(image, tmp_path):
    jdk = image("jdk")
    sums = [linked(jdk, tmp_path / f"{number}.tar") for number in range(2)]
    assert sums[0] == sums[1]
    assert "java/opt/java/lib/modules" in sums[0]


def linked(jdk: str, path: Path) -> dict[str, str]:
    """The files of a fresh build of the runtime, with a digest of each."""
    folder = ROOT / "images/spark"
    docker_(
        "build", "--no-cache", "--network=none", f"--build-arg=JDK={jdk}",
        f"--file={folder}/java.Dockerfile", f"--output=type=tar,dest={path}", str(folder),
    )  # fmt: skip
    with tarfile.open(path) as tar:
        return {
            entry.name: hashlib.sha256(tar.extractfile(entry).read()).hexdigest()
            for entry in tar
            if entry.isfile()
        }


def test_nothing_gains_privileges_that_the_root_file_system_does_not_have(run):
    find = ("find", "/", "-xdev", "-type", "f", "-perm", "/6000")
    assert set(run(NAME, *find, user="0").split()) == set(run("os", *find, user="0").split())


def test_only_the_temporary_folders_are_world_writable(run):
    find = ("find", "/", "-xdev", "!", "-type", "l", "!", "-type", "c", "-perm", "-0002")
    assert set(run(NAME, *find, user="0").split()) <= {"/tmp", "/var/tmp", "/run/lock"}


def test_builds_leave_nothing_behind(run):
    folders = ("/tmp", "/var/tmp", "/var/lib/apt/lists", "/var/log", "/mnt")
    assert run(NAME, "find", *folders, "-type", "f", user="0") == ""
