"""The gateway's image: its server, its scripts, and that it starts and says what is wrong."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from verify.hostile import faults, hostile

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "enterprise-gateway"
FOLDER = Path(__file__).parents[2] / "images" / NAME
START = FOLDER / "start-enterprise-gateway.sh"
CHECK = FOLDER / "check-enterprise-gateway.sh"
LIMIT = 850_000_000  # bytes, of which Spark and Java are 446 million
SOCKET = "/var/run/docker.sock"
# Those for GPUs only where the flavour has their image.
KERNELSPECS = {
    f"{kernel}_{platform}"
    for kernel in ("python", "python_tf", "R", "scala", "spark_python", "spark_R", "spark_scala")
    for platform in ("docker", "swarm", "kubernetes")
} | {"spark_python_operator"}

# -- The scripts, without an engine --------------------------------------------------------------

# Stands in for the server and for curl: prints what it was called with, as JSON.
SPY = """#!/usr/bin/env python3
import json, os, sys
given = "" if sys.stdin.isatty() else sys.stdin.read()
print(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ), "stdin": given}))
"""


class Called:
    """How a script ended, and what it called."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.said = done.stderr
        seen = json.loads(done.stdout) if done.stdout else {"argv": [], "env": {}, "stdin": ""}
        self.argv: list[str] = seen["argv"]
        self.env: dict[str, str] = seen["env"]
        self.stdin: str = seen["stdin"]

    def option(self, name: str) -> str:
        """The value of `--name=value`."""
        [value] = [word.partition("=")[2] for word in self.argv if word.startswith(f"--{name}=")]
        return value


@pytest.fixture
def call(tmp_path):
    for name in ("jupyter", "curl"):
        (tmp_path / name).write_text(SPY)
        (tmp_path / name).chmod(0o755)

    def call(script: Path, *argv: str, **env: str) -> Called:
        path = f"{tmp_path}:{os.environ['PATH']}"
        return Called(
            subprocess.run(
                ["/bin/sh", str(script), *argv],
                env={"PATH": path, **env}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False,
            )
        )  # fmt: skip

    return call


CULL = "RemoteMappingKernelManager.cull_"


def test_without_variables_everything_has_a_default(call):
    found = call(START)
    assert found.argv[0] == "enterprisegateway"
    assert found.option("log-level") == "INFO"  # DEBUG shows keys and environments
    assert found.option(f"{CULL}idle_timeout") == "43200"
    assert found.option(f"{CULL}interval") == "60"
    assert found.option(f"{CULL}connected") == "False"
    assert found.option("RemoteMappingKernelManager.kernel_info_timeout") == "60"
    assert not [word for word in found.argv if "whitelist" in word]
    wanted = {
        "EG_IP": "0.0.0.0", "EG_PORT": "8888", "EG_PORT_RETRIES": "0", "EG_RESPONSE_PORT": "8877",
        "EG_DEFAULT_KERNEL_NAME": "python_docker", "EG_LIST_KERNELS": "True",
        "EG_DOCKER_NETWORK": "bridge", "EG_KERNEL_LAUNCH_TIMEOUT": "60", "EG_SSH_PORT": "2122",
        "EG_ENABLE_TUNNELING": "False",
    }  # fmt: skip
    assert {name: found.env[name] for name in wanted} == wanted


def test_a_user_without_a_name_gets_one_since_the_server_asks(call, tmp_path):
    assert "LOGNAME" not in call(START).env
    (tmp_path / "id").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "id").chmod(0o755)
    assert call(START).env["LOGNAME"] == "jovyan"
    assert call(START, USER="alice").env["LOGNAME"] == "alice"


def test_given_values_win_and_old_names_of_addresses_win_over_new_ones(call):
    given = {
        "EG_LOG_LEVEL": "WARN", "EG_CULL_IDLE_TIMEOUT": "1", "EG_CULL_INTERVAL": "2",
        "EG_CULL_CONNECTED": "True", "EG_KERNEL_INFO_TIMEOUT": "3", "EG_DOCKER_NETWORK": "net",
        "EG_RESPONSE_IP": "10.0.0.1", "EG_RESPONSE_PORT": "9", "EG_PORT": "1", "KG_PORT": "2",
        "KG_IP": "127.0.0.1", "EG_DEFAULT_KERNEL_NAME": "r_docker", "EG_LIST_KERNELS": "False",
        "EG_SSH_PORT": "22", "EG_ENABLE_TUNNELING": "True", "EG_KERNEL_LAUNCH_TIMEOUT": "5",
    }  # fmt: skip
    found = call(START, "--RemoteMappingKernelManager.cull_busy=True", **given)
    assert found.argv[-1] == "--RemoteMappingKernelManager.cull_busy=True"
    assert found.option("log-level") == "WARN"
    assert [found.option(f"{CULL}{name}") for name in ("idle_timeout", "interval")] == ["1", "2"]
    assert found.option(f"{CULL}connected") == "True"
    assert found.option("RemoteMappingKernelManager.kernel_info_timeout") == "3"
    assert (found.env["EG_PORT"], found.env["EG_IP"]) == ("2", "127.0.0.1")
    kept = given.keys() - {"EG_PORT"}
    assert {name: found.env[name] for name in kept} == {name: given[name] for name in kept}


@pytest.mark.parametrize("name", ["EG_ALLOWED_KERNELS", "EG_KERNEL_WHITELIST"])
@pytest.mark.parametrize(
    "value",
    ["python_docker,R_docker", "'python_docker','r_docker'", '["python_docker", "r_docker"]'],
)
def test_allowed_kernels_in_every_form_that_is_in_use(call, name, value):
    found = call(START, **{name: value})
    assert found.option("KernelSpecManager.whitelist") == "['python_docker','r_docker']"


def test_the_newer_name_of_the_allowed_kernels_wins(call):
    found = call(START, EG_ALLOWED_KERNELS="a", EG_KERNEL_WHITELIST="b")
    assert found.option("KernelSpecManager.whitelist") == "['a']"
    assert "whitelist" not in str(call(START, EG_ALLOWED_KERNELS="null").argv)


@pytest.mark.parametrize("value", ["a;id", "$(id)", "a)b", "a=b"])
def test_allowed_kernels_that_are_no_names_are_refused(call, value):
    found = call(START, EG_ALLOWED_KERNELS=value)
    assert (found.code, found.argv) == (64, [])
    assert "EG_ALLOWED_KERNELS" in found.said


def test_launch_scripts_get_the_way_to_the_engine_and_what_the_administrator_chose(call):
    found = call(START, EG_INHERITED_ENVS="MINE", inherited="evil")
    names = found.env["EG_INHERITED_ENVS"].split(",")
    assert names[0] == "MINE"
    assert {"PATH", "DOCKER_HOST", "EG_CLIENT_ENVS", "EG_DOCKER_ALLOWED_MOUNTS"} <= set(names)
    assert {"EG_KUBERNETES_ALLOWED_VOLUMES", "EG_POD_TEMPLATE_DIR"} <= set(names)
    assert {"EG_NAMESPACE", "EG_SHARED_NAMESPACE", "EG_KERNEL_NAMESPACES"} <= set(names)
    assert {"EG_DEFAULT_KERNEL_SERVICE_ACCOUNT_NAME", "EG_KERNEL_SERVICE_ACCOUNTS"} <= set(names)
    assert {"EG_SPARK_SERVICE_ACCOUNTS", "EG_KUBERNETES_AUTOSCALING"} <= set(names)
    assert not {"evil", "EG_AUTH_TOKEN", ""} & set(names)
    found = call(START, EG_ENV_PROCESS_WHITELIST="OLD", EG_ENV_WHITELIST="A,B")
    assert found.env["EG_INHERITED_ENVS"].startswith("OLD,")
    assert found.env["EG_CLIENT_ENVS"] == "A,B"


def test_a_secret_is_neither_said_nor_an_argument(call):
    for script in (START, CHECK):
        found = call(script, EG_AUTH_TOKEN="very-secret")
        assert "very-secret" not in found.said + " ".join(found.argv)


@pytest.mark.parametrize(
    ("env", "address"),
    [
        ({}, "http://127.0.0.1:8888/api"),
        ({"KG_PORT": "9", "EG_BASE_URL": "/gateway/"}, "http://127.0.0.1:9/gateway/api"),
        ({"EG_CERTFILE": "/cert", "EG_IP": "10.0.0.7"}, "https://10.0.0.7:8888/api"),
        ({"EG_IP": "::"}, "http://[::1]:8888/api"),
    ],
)
def test_the_check_asks_where_the_server_listens(call, env, address):
    assert call(CHECK, **env).argv[-1] == address


def test_the_check_shows_its_token_to_nobody_else(call):
    found = call(CHECK, EG_AUTH_TOKEN="t")
    assert found.stdin == "Authorization: token t\n"
    assert found.argv[found.argv.index("--header") + 1] == "@-"


def test_the_label_says_the_version_that_is_asked_for():
    wanted = re.search(
        r"^jupyter_enterprise_gateway==(\S+)", _read("requirements.in"), re.MULTILINE
    )
    label = re.search(r'enterprise-gateway\.version="(.+)"', _read("Dockerfile"))
    assert wanted is not None
    assert label is not None
    assert wanted[1] == label[1]


def _read(name: str) -> str:
    return (FOLDER / name).read_text()


# -- The image -------------------------------------------------------------------------------------


@pytest.mark.engine
def test_configuration(config):
    found = config(NAME)
    assert found["User"] == "1000"
    assert found["Entrypoint"] == ["tini", "-g", "--"]
    assert found["Cmd"] == ["/usr/local/bin/start-enterprise-gateway.sh"]
    assert found["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/check-enterprise-gateway.sh"]
    assert set(found["ExposedPorts"]) == {"8888/tcp", "8877/tcp"}
    assert found["Labels"]["org.opencontainers.image.title"] == NAME


@pytest.mark.engine
def test_the_server_is_the_one_the_label_names_with_packages_that_agree(python, run, config):
    script = """
import importlib.metadata, json
print(json.dumps({item.name: item.version for item in importlib.metadata.distributions()}))
"""
    found = {name.lower().replace("-", "_"): text for name, text in python(NAME, script).items()}
    label = config(NAME)["Labels"]["org.jupyter.enterprise-gateway.version"]
    assert found["jupyter_enterprise_gateway"] == label
    assert found["jupyter_client"].startswith("6.")  # others cannot start kernels of this server
    assert "docker" in found
    assert "ipykernel" not in found
    assert run(NAME, "pip", "check").strip() == "No broken requirements found."


# What starts a kernel on another host, as the installed server writes it.
START_COMMAND = """
import json, sys
from types import SimpleNamespace
from jupyter_client import localinterfaces
localinterfaces.public_ips = lambda: ["192.0.2.2"]  # the container has no network
from enterprise_gateway.services.processproxies import distributed
proxy = object.__new__(distributed.DistributedProcessProxy)
proxy.ip = "192.0.2.1"
spec = SimpleNamespace(env={"OF_KERNELSPEC": "${HOME}/x"})
proxy.kernel_manager = SimpleNamespace(kernel_spec=spec)
print(json.dumps(proxy._build_startup_command(["env", "-0"], env=json.loads(sys.argv[1]))))
"""


@pytest.mark.engine
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_installed_server_quotes_what_a_client_sends(run, shell):
    sent = hostile("/tmp")
    env = {"KERNEL_ID": "1", **sent.values, **dict.fromkeys(sent.names, "1")}
    said = run(NAME, "python", "-c", START_COMMAND, json.dumps(env))
    command = json.loads(said.splitlines()[-1])
    files = "wait; cat /tmp/kernel-1.log; printf '\\0FILES='; ls /tmp"
    seen = run(NAME, shell, "-c", f"{command} > /dev/null; {files}").split("\0")
    found = dict(entry.partition("=")[::2] for entry in seen)
    assert faults(sent.values, found, found["FILES"].split()) == []
    assert found["OF_KERNELSPEC"] == "/home/jovyan/x"  # by the host's shell, as ever


# A kernel on Kubernetes that does not start, in the installed server with our configuration. The
# cluster's client is one that writes down what it is asked for: the container has no network.
FAILED_LAUNCH = """
import asyncio, json, sys, threading
from unittest.mock import MagicMock
from jupyter_client import localinterfaces
localinterfaces.public_ips = lambda: ["192.0.2.2"]
exec(open("/usr/local/etc/jupyter/jupyter_enterprise_gateway_config.py").read())
import logging
from kubernetes import client
from tornado.web import HTTPError
asked = []
class Api:
    def __getattr__(self, name):
        return lambda *words, **more: asked.append([name, *words])
client.CoreV1Api = Api
class Proxy(ContainerProcessProxy):
    get_initial_states = get_error_states = terminate_container_resources = None
    def get_container_status(self, iteration):
        if given.get("blind"):
            raise PermissionError("the gateway may not look there")
        return ""
Proxy.__abstractmethods__ = frozenset()
proxy = object.__new__(Proxy)
proxy.__dict__.update(
    log=logging.getLogger(), kernel_id="k", proxy_config={"image_name": "x"}, response_socket=None,
    authorized_users=set(), unauthorized_users=set(), kernel_launch_timeout=20, local_proc=None,
    kernel_manager=MagicMock(impersonation_enabled=False, port_range="0..0"),
    kernel_namespace="ns", delete_kernel_namespace=True, container_name="",
)
given = json.loads(sys.argv[1])
proxy.kernel_manager.kernel_spec.language = "python"
proxy.__dict__.update(given["proxy"])
try:
    asyncio.run(proxy.launch_process(given["command"], env={"PATH": "/bin", **given["env"]}))
except HTTPError as error:
    print(json.dumps([error.status_code, error.reason, asked]))
"""


@pytest.mark.engine
@pytest.mark.parametrize(
    ("given", "code", "reason", "asked"),
    [
        # refused by the gateway itself, before anything is started
        ({"env": {"KERNEL_UID": "0"}}, 403, "EG_PROHIBITED_UIDS", [["delete_namespace", "ns"]]),
        (
            {"command": ["sh", "-c", "echo a; echo 'launch_x: error: no y; fix: z' >&2; exit 70"]},
            500, "Kernel k was not started: launch_x: error: no y; fix: z",
            [["delete_namespace", "ns"]],
        ),
        (
            {"command": ["sh", "-c", "exit 3"], "proxy": {"container_name": "p"}},
            500, "Error occurred during launch", [["delete_namespaced_pod", "p", "ns"],
            ["delete_namespace", "ns"]],
        ),
        ({"command": ["false"], "proxy": {"delete_kernel_namespace": False}}, 500, "Error", []),
        (
            {"command": ["sh", "-c", "sleep 2; echo 'x: error: not there' >&2"], "blind": True},
            500, "Kernel k was not started: x: error: not there", [["delete_namespace", "ns"]],
        ),
    ],
)  # fmt: skip
def test_of_a_kernel_that_does_not_start_nothing_stays_and_the_reason_is_told(
    run, given, code, reason, asked
):
    words = json.dumps({"env": {}, "proxy": {}, "command": ["true"], **given})
    found = json.loads(run(NAME, "python", "-c", FAILED_LAUNCH, words).splitlines()[-1])
    assert found[0] == code
    assert reason in found[1]
    assert found[2] == asked


@pytest.mark.engine
def test_what_was_mended_is_what_python_runs(python, config):
    script = """
import json, os
from importlib.util import find_spec
module = find_spec("enterprise_gateway.services.processproxies.distributed")
data = open(module.cached, "rb").read(16)
print(json.dumps([int.from_bytes(data[8:12], "little"), int(os.stat(module.origin).st_mtime)]))
"""
    compiled, source = python(NAME, script)
    assert compiled == source
    assert config(NAME)["Labels"]["org.jupyter.enterprise-gateway.backports"] == "83f54a88"


@pytest.mark.engine
def test_the_kernelspecs_are_there_for_all_and_nobody_may_change_them(run):
    kernels = "/usr/local/share/jupyter/kernels"
    found = run(NAME, "find", kernels, "-type", "f", "-readable", "!", "-writable").split()
    names = {file.removeprefix(f"{kernels}/").partition("/")[0] for file in found}
    assert names == KERNELSPECS
    assert all(f"{kernels}/{name}/kernel.json" in found for name in names)
    assert run(NAME, "find", kernels, "/usr/local/bin", "-writable").split() == []


@pytest.mark.engine
def test_what_changes_often_comes_last_and_is_small(engine, image):
    history = engine.images.get(image(NAME)).history()
    layers = [layer for layer in history if layer["Size"]][:6]
    assert "start-enterprise-gateway.sh" in layers[0]["CreatedBy"]
    assert "kernelspecs.tar" in layers[1]["CreatedBy"]
    assert layers[0]["Size"] + layers[1]["Size"] < 1_500_000
    assert "jupyter_enterprise_gateway_config.py" in layers[2]["CreatedBy"]
    assert "wheels" in layers[3]["CreatedBy"]
    digests = {
        name: engine.images.get(image(name)).attrs["RootFS"]["Layers"]
        for name in (NAME, "minimal-notebook", "spark")
    }
    java, spark = digests[NAME][len(digests["minimal-notebook"]) :][:2]
    assert digests["spark"].index(java) == digests["spark"].index(spark) - 1
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT


@pytest.mark.engine
def test_spark_submits_as_jovyan(engine, image):
    # `--version` takes the place of a cluster: the script, its words and the template are real.
    spec = "/usr/local/share/jupyter/kernels/spark_python_kubernetes"
    env = {
        "SPARK_OPTS": "--version ${KERNEL_EXTRA_SPARK_OPTS:-}", "KERNEL_LANGUAGE": "python",
        "KERNEL_ID": "k-1", "KERNEL_POD_NAME": "alice-k-1", "KERNEL_NAMESPACE": "alice-k-1",
        "KERNEL_IMAGE": "elyra/kernel-spark-py:dev", "KERNEL_UID": "1000",
    }  # fmt: skip
    options = {"kernel-id": "k-1", "response-address": "10.0.0.1:8877", "public-key": "K"}
    words = " ".join(f"--RemoteProcessProxy.{name} {value}" for name, value in options.items())
    given = " ".join(f"{name}='{value}'" for name, value in env.items())
    script = f"env {given} {spec}/bin/run.sh {words} 2>&1; ls -l /tmp/kpt_k-1; cat /tmp/kpt_k-1; id"
    said = engine.containers.run(  # Spark wants to know the address of its host's name
        image(NAME), ["sh", "-c", script], network_mode="none", hostname="localhost", remove=True
    ).decode()
    assert re.search(r"version 3\.5\.\d", said)
    assert re.search(r"OpenJDK.* 17\.", said)
    assert "-rw------- 1 jovyan users" in said
    assert "runAsNonRoot: true" in said
    assert "uid=1000(jovyan)" in said


# -- The running gateway ---------------------------------------------------------------------------


class Gateway:
    """A gateway's container, and its API."""

    def __init__(self, container: Any, token: str) -> None:
        self.container = container
        self.token = token
        ports = container.attrs["NetworkSettings"]["Ports"]
        self.address = f"http://127.0.0.1:{ports['8888/tcp'][0]['HostPort']}/gateway/api"

    def ask(self, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """Status and answer of a request."""
        data = None if body is None else json.dumps(body).encode()
        head = {"Authorization": f"token {self.token if token is None else token}"}
        request = urllib.request.Request(f"{self.address}{path}", data=data, headers=head)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def started(engine, image, **env: str) -> Any:
    """A gateway's container as jovyan, with the group of the engine's socket and nothing else."""
    container = engine.containers.run(
        image(NAME), detach=True, ports={"8888/tcp": ("127.0.0.1", 0)},
        group_add=[str(os.stat(SOCKET).st_gid)] if os.path.exists(SOCKET) else [],
        volumes={SOCKET: {"bind": SOCKET, "mode": "rw"}},
        environment={"EG_BASE_URL": "/gateway", **env},
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while b"is available at" not in container.logs():
            container.reload()
            assert container.status == "running", container.logs().decode()
            assert time.monotonic() < end, container.logs().decode()
            time.sleep(0.2)
        container.reload()
    except BaseException:
        container.remove(force=True)
        raise
    return container


@pytest.fixture(scope="module")
def gateway(engine, image) -> Iterator[Gateway]:
    """A gateway with a token and one kernel."""
    token = "a-token-of-this-test"
    container = started(engine, image, EG_AUTH_TOKEN=token, EG_ALLOWED_KERNELS="python_docker")
    try:
        yield Gateway(container, token)
    finally:
        container.remove(force=True)


@pytest.mark.engine
def test_it_lists_all_kernels_with_logos_if_no_others_are_asked_for(engine, image):
    container = started(engine, image)
    try:
        gateway = Gateway(container, "")
        status, found = gateway.ask("/kernelspecs")
        assert status == 200
        assert set(found["kernelspecs"]) == {name.lower() for name in KERNELSPECS}
        origin = gateway.address.removesuffix("/gateway/api")
        for spec in found["kernelspecs"].values():
            with urllib.request.urlopen(origin + spec["resources"]["logo-64x64"]) as answer:
                assert answer.read(8) == b"\x89PNG\r\n\x1a\n"
        assert {name for name, spec in found["kernelspecs"].items()
                if "kernel.js" in spec["resources"]} == {
            name.lower() for name in KERNELSPECS if "R" in name.split("_")
        }  # fmt: skip
    finally:
        container.remove(force=True)


@pytest.mark.engine
def test_it_lists_the_kernels_that_are_allowed_to_who_has_the_token(gateway):
    status, found = gateway.ask("/kernelspecs")
    assert (status, list(found["kernelspecs"])) == (200, ["python_docker"])
    assert found["default"] == "python_docker"
    status, _ = gateway.ask("/kernelspecs", token="")
    assert status == 401


@pytest.mark.engine
@pytest.mark.parametrize("name", ["r_docker", "R_docker"])
def test_it_starts_no_kernel_that_is_not_allowed_by_whichever_way(gateway, name):
    status, said = gateway.ask("/kernels", {"name": name, "env": {"KERNEL_USERNAME": "alice"}})
    assert (status, json.loads(said)["message"]) == (403, f"kernel {name!r} is not allowed here")
    session = {"path": "a.ipynb", "type": "notebook", "name": "a", "kernel": {"name": name}}
    status, said = gateway.ask("/sessions", session)
    assert (status, json.loads(said)["short_message"]) == (501, f"{name} not found")
    status, _ = gateway.ask(f"/kernelspecs/{name}")
    assert status == 404
    assert gateway.ask("/kernels") == (200, [])
    log = gateway.container.logs().decode()
    assert f"kernel {name!r} is not allowed here" in log
    assert "Traceback" not in log


@pytest.mark.engine
def test_its_health_check_holds_under_token_and_base_address(gateway):
    code, said = gateway.container.exec_run(["check-enterprise-gateway.sh"])
    assert (code, said) == (0, b"")
    wrong = {"EG_PORT": "9999"}
    code, _ = gateway.container.exec_run(["check-enterprise-gateway.sh"], environment=wrong)
    assert code != 0


@pytest.mark.engine
def test_an_image_that_is_not_there_is_told_at_once_and_in_one_line(gateway):
    begun = time.monotonic()
    body = {"name": "python_docker", "env": {"KERNEL_IMAGE": "localhost:9/there/is:none"}}
    status, _ = gateway.ask("/kernels", body)
    assert status == 500
    assert time.monotonic() - begun < 20
    log = gateway.container.logs().decode()
    [line] = [line for line in log.splitlines() if line.startswith("launch_docker: error: ")]
    assert "localhost:9/there/is:none" in line
    assert "Traceback" not in log
    assert gateway.token not in log


@pytest.mark.engine
def test_without_the_sockets_group_it_says_how_to_give_it(engine, image):
    if not stat.S_ISSOCK(os.stat(SOCKET).st_mode) or os.stat(SOCKET).st_mode & stat.S_IWOTH:
        pytest.fail(f"{SOCKET} is no socket for a group: this test needs one")
    container = engine.containers.run(
        image(NAME), detach=True, volumes={SOCKET: {"bind": SOCKET, "mode": "rw"}}
    )
    try:
        end = time.monotonic() + 30
        wanted = f"--group-add {os.stat(SOCKET).st_gid}"
        while wanted not in container.logs().decode():
            assert time.monotonic() < end, container.logs().decode()
            time.sleep(0.2)
    finally:
        container.remove(force=True)


@pytest.mark.engine
def test_a_mounted_folder_takes_the_place_of_its_kernelspecs(engine, image):
    container = engine.containers.create(
        image(NAME), ["jupyter", "kernelspec", "list", "--json"],
        tmpfs={"/usr/local/share/jupyter/kernels": "mode=0755"},
    )  # fmt: skip
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0
        assert json.loads(container.logs(stderr=False))["kernelspecs"] == {}
    finally:
        container.remove(force=True)
