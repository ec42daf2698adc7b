"""`./doitw deploy` and `undeploy` on the real engine: a kernel runs, and nothing is left behind.

The images are taken as they are in the engine. Everything has a name of the test's own, so that
a person's deployment on the same engine is neither seen nor touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from buildlib.build.workspace import Workspace
from buildlib.core.store import names
from buildlib.engine.client import candidates
from buildlib.engine.find import find_engine
from buildlib.errors import ActionError
from deploy.docker_api import Docker
from deploy.reach import EngineReach
from deploy.run import KINDS
from deploy.state import Deployment as Settings
from deploy.state import State
from tests.support.reach import reached
from verify.pace import Pace
from verify.rest import Rest

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[2]
FROM_ROOT = (
    "buildlib", "deploy", "images", "kernelspecs", "launchers", "verify", "doitw", "dodo.py",
    "VERSION", "images.lock", "pyproject.toml", "requirements.lock", "requirements-release.lock",
)  # fmt: skip
"""What `./doitw deploy` takes of the checkout: tests/support/kept."""
KEPT = State(str(ROOT / "deploy"))
DEBIAN = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "docker-compose"]


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def compose() -> list[str]:
    """The compose of this machine, Debian's where there is none and we may install it.

    `deploy` needs none; people use it on what was deployed, and earlier versions deployed with it.
    """
    for client in candidates(os.environ["PATH"]):
        asked = [client, "compose", "version"]
        if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
            return asked[:2]
    if not shutil.which("docker-compose"):
        assert not os.environ.get("BUILDLIB_NO_INSTALL"), "no docker compose is here"
        done = subprocess.run(DEBIAN, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return ["docker-compose"]


class Deployment:
    """A deployment of one test, driven by the command line."""

    def __init__(self, kind: str, engine: docker.DockerClient) -> None:
        self.kind = kind
        self.engine = engine
        self.name = f"deploy-test-{uuid.uuid4().hex[:8]}"
        with socket.create_server(("", 0)) as free:
            self.port = free.getsockname()[1]

    def doitw(self, *words: str) -> Any:
        done = subprocess.run(
            [str(ROOT / "doitw"), *words, "--name", self.name, "--json"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        token = self.token()
        assert not token or token not in done.stdout + done.stderr
        return json.loads(done.stdout)

    def deploy(self, *words: str) -> Any:
        return self.doitw("deploy", self.kind, "--no-build", *words)

    def try_deploy(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "doitw"), "deploy", "compose", "--no-build", "--name", self.name]
        return subprocess.run(
            [*command, *words], cwd=ROOT, capture_output=True, text=True, check=False
        )

    def by_hand(self, compose: list[str], *words: str) -> str:
        command = [*compose, "-p", self.name, "--env-file", KEPT.path(self.name)]
        command += ["-f", "deploy/compose.yaml", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def token(self) -> str:
        path = Path(KEPT.token_path(self.name))
        return path.read_text().strip() if path.exists() else ""

    @property
    def rest(self) -> Rest:
        return Rest(f"http://127.0.0.1:{self.port}", self.token(), Pace())

    def start(self, kernelspec: str) -> str:
        reply = self.rest.call(
            "POST", "/kernels", {"name": kernelspec, "env": {"KERNEL_USERNAME": self.name}}
        )
        assert reply.status == 201, (reply, self.left())
        return str(reply.body["id"])

    def left(self) -> list[str]:
        """Names of all that the engine has of this deployment."""
        containers = self.engine.containers.list(
            all=True, filters={"name": self.name}, ignore_removed=True
        )
        networks = self.engine.networks.list(names=[self.name])
        return [str(found.name) for found in (*containers, *networks)]

    def gateway(self) -> Any:
        (found,) = [
            container
            for container in self.engine.containers.list(filters={"name": self.name})
            if "enterprise-gateway" in container.name
        ]
        return found


@contextlib.contextmanager
def deployment(kind: str, engine: docker.DockerClient) -> Iterator[Deployment]:
    """A deployment that is gone afterwards, whatever happens."""
    made = Deployment(kind, engine)
    try:
        yield made
    finally:
        made.doitw("undeploy")
        for container in engine.containers.list(all=True, filters={"name": made.name}):
            container.remove(force=True)
    assert made.left() == []


def runs_code(made: Deployment, kernelspec: str) -> str:
    """Start a kernel and run something in it; its ID."""
    kernel = made.start(kernelspec)
    with contextlib.closing(made.rest.connect(kernel)) as channels:
        channels.wait_ready()
        assert channels.run("print(6 * 7)").text.strip() == "42"
    return kernel


def kernelspecs(made: Deployment) -> set[str]:
    return set(made.rest.call("GET", "/kernelspecs").body["kernelspecs"])


def allowed(kind: str) -> set[str]:
    rendered = yaml.safe_load((ROOT / "deploy" / KINDS[kind].file).read_text("utf-8"))
    names = rendered["services"]["enterprise-gateway"]["environment"]["EG_ALLOWED_KERNELS"]
    return set(names.lower().split(","))


def test_compose(engine, compose, monkeypatch):
    monkeypatch.setenv("EG_CULL_IDLE_TIMEOUT", "1800")
    with deployment("compose", engine) as made:
        answer = made.deploy("--port", str(made.port))
        assert answer["url"] == f"http://127.0.0.1:{made.port}"
        assert answer["kind"] == "compose"
        assert Path(ROOT, answer["token_file"]).stat().st_mode & 0o077 == 0
        assert Rest(answer["url"], "", Pace()).call("GET", "/kernelspecs").status in (401, 403)
        assert kernelspecs(made) == allowed("compose")
        gateway = made.gateway()
        config = gateway.attrs["HostConfig"]
        assert config["ReadonlyRootfs"]
        assert config["CapDrop"] == ["ALL"]
        code, said = gateway.exec_run(["id", "-u"])
        assert (code, said.strip()) == (0, b"1000")
        kernel = runs_code(made, "python_docker")
        (container,) = engine.containers.list(filters={"label": f"kernel_id={kernel}"})
        assert made.token() not in json.dumps(container.attrs)
        assert list(container.attrs["NetworkSettings"]["Networks"]) == [made.name]

        # Again, with what it was given before: nothing to do, and the kernel lives.
        monkeypatch.delenv("EG_CULL_IDLE_TIMEOUT")
        before = made.token()
        made.deploy()
        assert made.token() == before
        assert made.gateway().id == gateway.id
        assert made.rest.call("GET", f"/kernels/{kernel}").status == 200
        made.deploy("--port", str(made.port))
        assert made.by_hand(compose, "ps", "-q").split() == [gateway.id]  # it is compose's, too

        # A kernel whose gateway was killed goes, one of another gateway stays.
        other = engine.containers.run(
            gateway.image.id, ["sleep", "300"], detach=True, name=f"other-{uuid.uuid4().hex[:8]}",
            labels={"app": "enterprise-gateway", "component": "kernel"}, network_mode="none",
        )  # fmt: skip
        try:
            gateway.kill()
            gone = made.doitw("undeploy")["removed"]
            assert f"container {container.name}" in gone
            assert f"network {made.name}" in gone
            assert made.left() == []
            other.reload()
            assert other.status == "running"
        finally:
            other.remove(force=True)
        assert made.doitw("undeploy") == {"name": None, "removed": []}
        assert made.token() == ""


def test_another_setting_replaces_the_gateway_and_a_failure_brings_it_back(engine, monkeypatch):
    with deployment("compose", engine) as made, socket.create_server(("127.0.0.1", 0)) as taken:
        made.deploy("--port", str(made.port))
        first = made.gateway()
        monkeypatch.setenv("EG_LOG_LEVEL", "WARN")
        made.deploy()
        second = made.gateway()
        assert (second.id != first.id, second.name) == (True, first.name)
        monkeypatch.setenv("EG_LOG_LEVEL", "DEBUG")
        done = made.try_deploy("--port", str(taken.getsockname()[1]))
        assert done.returncode == 1
        assert "the former one runs again" in done.stderr
        monkeypatch.delenv("EG_LOG_LEVEL")
        made.deploy()  # its settings are still those that are remembered
        assert made.gateway().id == second.id
        assert made.left() == [second.name, made.name]


def test_what_docker_compose_started_is_replaced(engine, compose):
    with deployment("compose", engine) as made:
        rendered = (ROOT / "deploy/compose.yaml").read_text("utf-8")
        variables = {
            "COMPOSE_PROJECT_NAME": made.name,
            "DOCKER_GID": "1",
            "DOCKER_SOCKET": find_engine().path,
            "EG_NETWORK": made.name,
            "EG_PUBLISH": f"127.0.0.1:{made.port}",
        }
        assert all(f"${{{name}:" in rendered for name in [*variables][1:])
        KEPT.put(Settings("compose", made.name, variables))
        made.by_hand(compose, "up", "--detach")
        before = made.gateway()
        made.deploy()
        assert made.gateway().id != before.id
        assert len(made.left()) == 2
        runs_code(made, "python_docker")


def test_the_gateway_gets_the_socket_that_it_was_deployed_through(engine, monkeypatch, tmp_path):
    other = tmp_path / "other.sock"
    other.symlink_to(find_engine().path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{other}")
    with deployment("compose", engine) as made:
        made.deploy("--port", str(made.port))
        (mount,) = made.gateway().attrs["HostConfig"]["Mounts"]
        assert mount["Source"] == str(other)
        runs_code(made, "python_docker")


@pytest.mark.parametrize("way", ["unix", "tls", "ssh"])
def test_the_engine_answers_the_same_whoever_asks(way, engine, tmp_path, monkeypatch):
    """`deploy` asks it by the build system's way, `verify` by a client of its own."""
    image = names.channel_tag(Workspace(str(ROOT)).settings, "enterprise-gateway", names.DEV)
    made = engine.containers.create(image, ["echo", "said"], labels={"deploy-test": "1"})
    try:
        answers = []
        with reached(way, tmp_path, monkeypatch) as environ:
            for docker_ in (EngineReach(environ).docker, Docker(lambda: engine.api)):
                docker_.act(made.id, "start")
                made.wait()
                (found,) = docker_.containers("deploy-test=1")
                answers.append([docker_.logs(made.id, 1), found["Name"], docker_.image(image)])
                assert docker_.container("no-such", allow=(404,)) == {}
                assert docker_.logs("no-such") == ""
                with pytest.raises(ActionError, match="look up no-such"):
                    docker_.container("no-such")
        assert answers[0] == answers[1] == ["said\n", f"/{made.name}", made.image.id]
    finally:
        made.remove(force=True)


def test_swarm(engine):
    inactive = engine.info()["Swarm"]["LocalNodeState"] == "inactive"
    with deployment("swarm", engine) as made:
        init = ("--init",) if inactive else ()
        answer = made.deploy("--port", str(made.port), *init)
        assert answer["url"] == f"http://127.0.0.1:{made.port}"
        assert kernelspecs(made) == allowed("swarm")
        gateway = made.gateway()
        assert gateway.attrs["Config"]["User"].startswith("1000:")
        runs_code(made, "python_swarm")

        # A new setting: the task is another one when deploy ends, and remembers the rest.
        environ = os.environ
        environ["EG_LOG_LEVEL"] = "WARN"
        try:
            made.deploy()
        finally:
            del environ["EG_LOG_LEVEL"]
        assert made.gateway().id != gateway.id
        assert "EG_LOG_LEVEL=WARN" in made.gateway().attrs["Config"]["Env"]

        # A kernel's service whose gateway was killed would keep the network.
        made.start("python_swarm")
        made.gateway().kill()
        gone = made.doitw("undeploy")["removed"]
        assert [each for each in gone if each.startswith(f"service {made.name}-")]
        assert f"network {made.name}" in gone
        assert made.left() == []
    end = time.monotonic() + 30
    wanted = "inactive" if inactive else "active"
    while engine.info()["Swarm"]["LocalNodeState"] != wanted and time.monotonic() < end:
        time.sleep(0.5)
    assert engine.info()["Swarm"]["LocalNodeState"] == wanted


def ports_in_a_row(count: int) -> int:
    """The first of some ports that are free."""
    for first in range(20000 + os.getpid() % 1000 * 10, 60000, count):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("no ports are free")


def test_demo(engine, compose):
    for file in ("demo.yaml", "demo-cluster.yaml"):  # to compose itself they mean something, too
        command = [*compose, "-f", f"deploy/{file}", "config"]
        env = {**os.environ, "EG_AUTH_TOKEN": "x"}
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        assert len(yaml.safe_load(done.stdout)["services"]) == {"demo.yaml": 1}.get(file, 3)
    with deployment("demo", engine) as made:
        made.port = ports_in_a_row(4)
        answer = made.deploy("--port", str(made.port))
        assert answer["url"] == f"http://127.0.0.1:{made.port}"
        assert Rest(answer["url"], "", Pace()).call("GET", "/kernelspecs").status in (401, 403)
        assert {"python_distributed", "spark_python_yarn_client"} <= kernelspecs(made)
        pages = (made.port + 1, made.port + 2, made.port + 3)
        for port in pages:  # healthy, so YARN is up, too
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
                assert page.status == 200
        env = {"KERNEL_USERNAME": "bob"}
        reply = made.rest.call("POST", "/kernels", {"name": "python_distributed", "env": env})
        assert reply.status == 201, reply
        with contextlib.closing(made.rest.connect(str(reply.body["id"]))) as channels:
            channels.wait_ready()
            assert channels.run("import getpass; print(getpass.getuser())").printed == "bob\n"
        assert [each.name for each in engine.volumes.list() if each.name == made.name]
        gone = made.doitw("undeploy")["removed"]
        assert {f"volume {made.name}", f"network {made.name}"} < {*gone}
        assert made.left() == []
        assert not [each.name for each in engine.volumes.list() if each.name == made.name]


def test_a_port_that_is_taken_is_told_with_the_way_out(engine):
    with deployment("compose", engine) as made, socket.create_server(("127.0.0.1", 0)) as taken:
        done = made.try_deploy("--port", str(taken.getsockname()[1]))
        assert done.returncode == 1
        assert f"fix: ./doitw deploy compose --name {made.name} --port" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_network_of_somebody_else_is_not_taken(engine):
    name = f"deploy-test-{uuid.uuid4().hex[:8]}"
    network = engine.networks.create(name)
    try:
        words = ["deploy", "compose", "--no-build", "--name", name]
        done = subprocess.run(
            [str(ROOT / "doitw"), *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 3
        assert f"there is a {name} on this engine that was not started" in done.stderr
        assert KEPT.get(name) is None
    finally:
        network.remove()
