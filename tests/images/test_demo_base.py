"""HDFS, YARN and Spark in one container: they serve, are mended, end in time, keep their data."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

import docker
import docker.errors
import pytest
from docker.models.containers import Container

from tests.support.pace import promptly

pytestmark = [pytest.mark.slow, pytest.mark.engine]
NAME = "demo-base"
LIMIT = 1_650_000_000  # bytes
DAEMONS = ("namenode", "datanode", "resourcemanager", "nodemanager", "history")

JOB = """
import os
from pyspark.sql import SparkSession

sc = SparkSession.builder.getOrCreate().sparkContext
found = sc.parallelize(range(1, 11), 2).map(lambda number: (number, os.getuid())).collect()
executors = sc._jsc.sc().getExecutorMemoryStatus().size() - 1
print("said", sc.master, sum(number for number, _ in found), {uid for _, uid in found}, executors)
"""


@pytest.fixture(scope="module")
def volume(engine: docker.DockerClient) -> Iterator[str]:
    """HDFS' data, which outlives a container."""
    made = engine.volumes.create()
    yield str(made.name)
    made.remove(force=True)


@pytest.fixture(scope="module")
def cluster(engine: docker.DockerClient, image: Callable[[str], str], volume: str):
    """A cluster for all tests of this module, without a network."""
    container = engine.containers.create(
        image(NAME), ["--yarn"], hostname="demo", network_mode="none", mem_limit="4g",
        extra_hosts={"demo": "127.0.0.1"}, volumes={volume: {"bind": "/var/lib/hadoop"}},
    )  # fmt: skip
    container.start()
    try:
        yield serving(container)
    finally:
        container.remove(force=True, v=True)


def serving(container: Container, times: int = 1) -> Container:
    """A container that has said, this often, that all is up."""
    for _ in range(240):
        said = container.logs().decode()
        if said.count("are up after") >= times:
            return container
        container.reload()
        if container.status != "running":
            break
        time.sleep(0.5)
    pytest.fail(f"it did not start: {said}")


def do(container: Container, *command: str, user: str = "") -> str:
    """What a command says in the cluster; it fails if that fails."""
    code, output = container.exec_run(list(command), user=user, workdir="/tmp")
    assert code == 0, output.decode()
    return output.decode()


def until(question: Callable[[], bool]) -> None:
    for _ in range(240):
        if question():
            return
        time.sleep(0.5)
    pytest.fail("it did not become so")


def test_it_says_which_daemons_are_up_and_where_their_pages_are(cluster):
    said = cluster.logs().decode()
    assert f"{','.join(DAEMONS)} are up after" in said
    assert "no sudo here" not in said
    for port in (8088, 8042, 9870, 18080):
        assert f"http://demo:{port}" in said


def test_the_check_finds_all_daemons_well(cluster):
    until(lambda: cluster.exec_run(["check-hadoop.sh"])[0] == 0)  # the history comes last


def test_hdfs_keeps_what_a_user_writes_from_other_users(cluster):
    do(
        cluster,
        "sh",
        "-c",
        "echo of bob > /tmp/bob && hdfs dfs -put /tmp/bob /user/bob/",
        user="bob",
    )
    assert do(cluster, "hdfs", "dfs", "-cat", "/user/bob/bob", user="bob") == "of bob\n"
    code, said = cluster.exec_run(["hdfs", "dfs", "-cat", "/user/bob/bob"], user="alice")
    assert code != 0
    assert b"Permission denied: user=alice" in said


def test_a_spark_job_runs_on_yarn_as_the_user_who_asked_for_it(cluster):
    do(cluster, "sh", "-c", f"cat > /tmp/job.py <<'END'\n{JOB}END")
    said = do(
        cluster, "spark-submit", "--master", "yarn", "--num-executors", "1", "/tmp/job.py",
        user="bob",
    )  # fmt: skip
    assert "said yarn 55 {1112} 1\n" in said
    listed = do(cluster, "yarn", "application", "-list", "-appStates", "FINISHED")
    assert re.search(
        r"application_\S+\s+job.py\s+SPARK\s+bob\s+default\s+FINISHED\s+SUCCEEDED", listed
    )


def test_what_yarn_keeps_of_bob_is_not_alice_s_to_read(cluster):
    place = "/var/lib/hadoop/yarn/local/usercache/bob"
    assert do(cluster, "stat", "--format=%U %G %a", place) == "bob hadoop 2750\n"
    assert do(cluster, "id", "--groups", "--name", user="alice") == "alice\n"
    assert cluster.exec_run(["ls", place], user="alice")[0] != 0
    assert "appcache" in do(cluster, "ls", place, user="bob")


def ask(container: Container, method: str, path: str, data: object = None) -> tuple[int, dict]:
    """Status and answer of YARN's REST service; a refusal is text."""
    said = do(
        container, "curl", "--silent", "--write-out", "\n%{http_code}", "--request", method,
        "--header", "Content-Type: application/json", "--data", json.dumps(data),
        f"http://demo:8088/ws/v1/cluster/apps/{path}",
    )  # fmt: skip
    answer, status = said.rsplit("\n", 1)
    return int(status), json.loads(answer) if answer.startswith("{") else {}


def test_what_runs_in_yarn_is_its_user_s_and_hers_to_end(cluster):
    job = ask(cluster, "POST", "new-application?user.name=alice")[1]["application-id"]
    wanted = {
        "application-id": job, "application-name": "sleep", "application-type": "YARN",
        "am-container-spec": {"commands": {"command": "sleep 1234"}},
        "resource": {"memory": 128, "vCores": 1}, "max-app-attempts": 1,
    }  # fmt: skip
    assert ask(cluster, "POST", "?user.name=alice", wanted)[0] == 202
    sleeping = ["pgrep", "-u", "alice", "-x", "sleep"]
    until(lambda: cluster.exec_run(sleeping)[0] == 0)
    end = {"state": "KILLED"}
    assert ask(cluster, "PUT", f"{job}/state?user.name=bob", end)[0] == 403
    assert cluster.exec_run(sleeping)[0] == 0
    assert ask(cluster, "PUT", f"{job}/state?user.name=alice", end)[0] == 202
    until(lambda: cluster.exec_run(sleeping)[0] == 1)
    assert ask(cluster, "GET", f"{job}/state")[1] == end


def test_sudo_is_for_yarn_s_program_alone(cluster):
    assert do(cluster, "sudo", "-n", "/opt/hadoop/libexec/container-executor", "--checksetup") == ""
    for command in (["id"], ["/bin/sh"], ["-u", "bob", "id"]):
        assert cluster.exec_run(["sudo", "-n", *command])[0] != 0
    # Whoever is not the NodeManager's user is asked for a password that does not exist.
    refused = cluster.exec_run(
        ["/opt/hadoop/libexec/container-executor", "--checksetup"], user="bob"
    )
    assert refused[0] != 0


def test_a_daemon_that_dies_is_named_and_started_again(cluster):
    do(cluster, "sh", "-c", "kill -9 $(pgrep -f '^/opt/java/bin/java.*DataNode$')")
    code, said = cluster.exec_run(["check-hadoop.sh", "datanode"])
    assert (code, said.startswith(b"not serving: datanode;")) == (1, True)
    until(lambda: cluster.exec_run(["check-hadoop.sh"])[0] == 0)
    assert "WARN exited: datanode (terminated by SIGKILL; not expected)" in cluster.logs().decode()
    assert do(cluster, "hdfs", "dfs", "-cat", "/user/bob/bob", user="bob") == "of bob\n"


def test_it_stops_in_time_and_its_data_comes_back(cluster):
    with promptly(10):
        cluster.stop(timeout=40)
    cluster.reload()
    assert cluster.attrs["State"]["ExitCode"] == 143  # not killed
    cluster.start()
    serving(cluster, times=2)
    assert cluster.logs().decode().count("formatting HDFS") == 1
    assert do(cluster, "hdfs", "dfs", "-cat", "/user/bob/bob", user="bob") == "of bob\n"


# --- Without a cluster ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shell(engine: docker.DockerClient, image: Callable[[str], str]):
    """Run a line in a container of its own, in which no services start; as root."""

    def run(line: str) -> str:
        said = engine.containers.run(
            image(NAME), ["-c", line], entrypoint="bash", user="0", network_mode="none", remove=True
        )
        return said.decode()

    return run


def test_help_is_what_it_says_when_it_is_asked_for_nothing(engine, image):
    said = engine.containers.run(image(NAME), hostname="demo", remove=True).decode()
    assert "--nodemanager" in said
    assert "http://demo:8088" in said


def test_a_container_that_does_not_know_its_name_is_told_how(engine, image):
    with pytest.raises(docker.errors.ContainerError) as caught:
        engine.containers.run(
            image(NAME), ["--yarn"], hostname="demo", network_mode="none", remove=True
        )
    assert caught.value.exit_status == 68
    assert b"--add-host demo:127.0.0.1" in caught.value.stderr


def test_configuration(config):
    found = config(NAME)
    assert found["User"] == "1000"
    assert found["Entrypoint"][-1] == "/usr/local/bin/bootstrap-yarn-spark.sh"
    assert {"8088/tcp", "8042/tcp", "9870/tcp", "18080/tcp"} <= set(found["ExposedPorts"])
    assert {"HADOOP_HOME=/opt/hadoop", "SPARK_HOME=/opt/spark"} <= set(found["Env"])


def test_size_and_the_layers_that_it_shares(engine, image):
    attrs = {name: engine.images.get(image(name)).attrs for name in (NAME, "spark", "os")}
    assert attrs[NAME]["Size"] < LIMIT
    layers = {name: set(each["RootFS"]["Layers"]) for name, each in attrs.items()}
    assert len((layers[NAME] & layers["spark"]) - layers["os"]) >= 3  # Java, Spark, set-up


def test_nothing_but_sudo_gains_privileges(shell, run):
    find = "find / -xdev -type f -perm /6000"
    assert set(shell(find).split()) - set(run("os", *find.split(), user="0").split()) == {
        "/usr/bin/sudo"
    }


def test_what_runs_as_root_is_root_s_to_write(shell):
    paths = "/opt/hadoop/libexec/container-executor /opt/hadoop/etc/container-executor.cfg"
    assert shell(f"find {paths} /opt/hadoop/etc /opt/hadoop /opt -maxdepth 0 -perm /022") == ""
    assert set(shell(f"stat --format=%U {paths} /etc/sudoers.d/yarn").split()) == {"root"}
    assert shell("visudo --check --quiet && echo well") == "well\n"


def test_packages_are_whole_and_builds_leave_nothing_behind(shell):
    assert shell("dpkg --audit; pip check") == "No broken requirements found.\n"
    left = shell(
        "find /tmp /var/tmp /var/log /var/lib/apt/lists /mnt -type f; ls -A /var/lib/hadoop"
    )
    assert left == ""
    writable = shell("find / -xdev ! -type l ! -type c -perm -0002")
    assert set(writable.split()) <= {"/tmp", "/var/tmp", "/run/lock"}


def test_users_may_write_nothing_that_runs_for_others(shell):
    roots = "/opt /usr /etc /home /var"
    for user in ("bob", "alice", "elyra"):
        command = f"find {roots} -xdev ! -type l -writable ! -path '/home/{user}*'"
        left = shell(
            f"setpriv --reuid={user} --regid={user} --init-groups {command} 2>/dev/null || true"
        )
        assert set(left.split()) <= {"/var/tmp"}


def test_homes_are_their_users_own(shell):
    assert shell("stat --format='%U %a' /home/elyra /home/bob /home/alice").splitlines() == [
        "elyra 700", "bob 700", "alice 700",
    ]  # fmt: skip


def test_kernels_are_there(shell):
    assert shell("python -c 'import ipykernel; print(ipykernel.__name__)'") == "ipykernel\n"
    assert shell("Rscript -e 'library(IRkernel); writeLines(R.version$major)'") == "4\n"
    assert shell("unzip -l /opt/toree/lib/toree-assembly.jar | grep -c Main.class") != "0\n"
