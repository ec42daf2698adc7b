"""The demo's deployments, as far as that needs no engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.cli.commands.deploy import named_images
from buildlib.core.model.label import parse_label
from buildlib.errors import InputError
from deploy import run
from deploy.composefile import Project, read
from deploy.demo import CLUSTER, KIND, Demo
from deploy.platform import Kernel
from deploy.state import TOKEN, Deployment, State

ROOT = Path(__file__).resolve().parents[2]
KINDS = {kind.word: kind for kind in (KIND, CLUSTER)}
LAUNCHER = "/usr/bin/python launch.py --RemoteProcessProxy.kernel-id"
FIRST, SECOND = "0f0e0d0c-0b0a-0908-0706-050403020100", "ffffffff-0b0a-0908-0706-050403020100"


@pytest.fixture(scope="module", params=KINDS)
def word(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def project(word, tmp_path_factory) -> Project:
    """The file as a build renders it, read as `deploy` reads it."""
    own = Workspace(str(ROOT), store_root=str(tmp_path_factory.mktemp("store")))
    session = Session(own, say=lambda line: None)
    session.start([parse_label(KINDS[word].target)])
    build_in_order(session)
    state = State(str(ROOT / "deploy"))
    _, request = run.parse_request([word], "", "", {})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DEMO_DATA", "EG_PUBLISH", "DEMO_MEMORY"):
            patch.delenv(name, raising=False)
        variables = run._variables(KINDS[word], request, None, state)
    return read(state.file(KINDS[word].file), {**variables, "EG_IMAGE": "the/demo:key"})


def env_of(body: Any) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in body["Env"])


def test_all_is_on_one_network_with_one_volume_and_reached_from_this_host_only(project, word):
    usual = KINDS[word].usual
    assert project.network == {"Name": usual, "Driver": "bridge"}
    assert list(project.volumes.values()) == [usual]
    bodies = [service.body for service in project.services]
    ports: dict[str, Any] = {}
    for body in bodies:
        ports |= body["HostConfig"]["PortBindings"]
    assert ports.keys() == {"8888/tcp", "8088/tcp", "8042/tcp", "18080/tcp"}
    assert {binding["HostIp"] for [binding] in ports.values()} == {"127.0.0.1"}
    mounts = [mount for body in bodies for mount in body["HostConfig"]["Mounts"]]
    assert mounts == [{"Type": "volume", "Source": usual, "Target": "/var/lib/hadoop"}]


def test_what_runs_there_may_become_another_user_and_nothing_else(project):
    for service in project.services:
        host = service.body["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert set(host["CapAdd"]) <= {
            "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID",
        }  # fmt: skip
        assert "Privileged" not in host
        assert host["Memory"]
        assert host["PidsLimit"]
        assert "User" not in service.body


def test_there_is_always_a_token_and_kernels_are_their_users(project, tmp_path, word):
    [gateway] = [each for each in project.services if each.body["Cmd"] == ["--gateway"]]
    assert gateway.image == "the/demo:key"
    env = env_of(gateway.body)
    assert len(env[TOKEN]) == 48
    assert env["EG_IMPERSONATION_ENABLED"] == "True"
    with pytest.raises(InputError, match=f"deploy {word}"):
        read(str(ROOT / "deploy" / KINDS[word].file), {})


def test_of_three_containers_all_know_the_master_by_its_name(project, word):
    if word != CLUSTER.word:
        assert [each.body["Cmd"] for each in project.services] == [["--gateway"]]
        return
    master, *others = project.services
    assert (master.name, master.body["Hostname"]) == ("yarnmaster", "yarnmaster")
    assert [env_of(each.body)["YARN_HOST"] for each in others] == ["yarnmaster"] * 2
    assert [each.body["Cmd"] for each in others] == [["--nodemanager"], ["--gateway"]]
    assert master.image == others[0].image != others[1].image


def test_the_images_that_it_needs_are_the_graphs(word):
    images = [label.name for label in named_images(Workspace(str(ROOT)), *labels(word))]
    wanted = {"demo": ["enterprise-gateway-demo"], "demo-cluster": ["demo-base"]}
    assert images[0] == "enterprise-gateway-demo"
    assert {*wanted["demo"], *wanted[word]} == set(images)


def labels(word: str) -> list[Any]:
    return [parse_label(KINDS[word].target)]


def told(word: str, name: str, port: str, tmp_path: Path) -> tuple[dict[str, str], list[str]]:
    """Variables of a deployment, and what is said of its pages."""
    kind, request = run.parse_request([word], name, port, {})
    (tmp_path / kind.file).write_text("")
    variables = run._variables(kind, request, None, State(str(tmp_path)))
    deployment = Deployment(word, request.name, variables)
    return variables, kind.way(deployment, "u", 0)[1]


def test_with_a_port_the_pages_have_those_after_it(word, tmp_path):
    variables, lines = told(word, "two", "9000", tmp_path)
    assert variables["EG_PUBLISH"] == "127.0.0.1:9000"
    assert variables["RESOURCEMANAGER_PUBLISH"] == "127.0.0.1:9001"
    assert variables["DEMO_DATA"] == variables["EG_NETWORK"] == "two"
    assert [re.sub(r" +", " ", line) for line in lines] == [
        " yarn: http://127.0.0.1:9001",
        " node: http://127.0.0.1:9002",
        " history: http://127.0.0.1:9003",
    ]
    assert told(word, "", "", tmp_path)[1][0].endswith("http://127.0.0.1:8088")


def test_a_volume_of_the_users_own_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMO_DATA", "mine")
    kind, request = run.parse_request(["demo"], "", "", {})
    (tmp_path / kind.file).write_text("${DEMO_DATA}")
    assert run._variables(kind, request, None, State(str(tmp_path)))["DEMO_DATA"] == "mine"


class Engine:
    """An engine with one container of a project, and volumes."""

    def __init__(self, *programs: str) -> None:
        self._programs = list(programs)
        self.all = {"of-somebody": ""}
        self.asked: list[tuple[str, str]] = []

    def containers(self, *labels: str, network: str = "") -> list[dict[str, Any]]:
        return [] if network else [{"Id": "1", "Image": "sha256:1", "Name": "/x-demo-1"}]

    def programs(self, container: str) -> list[str]:
        return self._programs

    def volumes(self, label: str = "") -> list[str]:
        return [name for name, of in self.all.items() if label in ("", of)]

    def find(self, kind: str, **filters: str) -> list[Any]:
        return []

    def act(self, container: str, verb: str) -> None:
        self.asked.append((verb, container))

    def remove(self, containers: list[Any]) -> list[str]:
        return [each["Name"] for each in containers]

    def call(self, method: str, path: str, body: Any = None, *, what: str) -> None:
        self.asked.append((method, path))
        if path == "/volumes/create":
            self.all[body["Name"]] = "com.docker.compose.project=x"
        elif method == "DELETE":
            del self.all[path.rpartition("/")[2]]


def demo(*programs: str) -> tuple[Demo, Engine]:
    engine = Engine(*programs)
    return Demo(engine, "x"), engine  # type: ignore[arg-type]


def test_a_kernel_is_what_has_processes_with_its_id():
    platform, _ = demo(
        f"{LAUNCHER} {FIRST} --port-range 0..0",
        f"/bin/bash -c java AM --arg '--RemoteProcessProxy.kernel-id' --arg '{SECOND}'",
        f"java AM --arg --kernel-id --arg {SECOND}",
        f"sh -c sleep {FIRST[:8]}",
    )
    first, second = Kernel(FIRST, "sha256:1"), Kernel(SECOND, "sha256:1")
    assert platform.kernels() == [first, second]
    assert platform.kernels(SECOND) == [second]
    assert platform.kernels("another") == []


def test_its_volume_goes_with_it_and_one_that_was_there_before_stays():
    platform, engine = demo()
    platform._make_volumes({"data": "x", "other": "of-somebody"})
    assert set(engine.all) == {"x", "of-somebody"}
    assert "volume x" in platform.down(lambda line: None)
    assert set(engine.all) == {"of-somebody"}
