"""`deploy` and its files, as far as that needs no engine."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildlib import cli
from buildlib.commands.call import Call
from buildlib.commands.deploy import kind_of, named_images, url_of
from buildlib.deployment import kept, swarm
from buildlib.deployment.client import Docker
from buildlib.deployment.kept import COMPOSE, NAMES, SWARM, Deployment, Kept
from buildlib.errors import ActionError, InputError
from buildlib.execution.session import Session, build_in_order
from buildlib.model.label import Label, parse_label
from buildlib.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
PROXIES = {
    COMPOSE: "docker_swarm.DockerProcessProxy",
    SWARM: "docker_swarm.DockerSwarmProcessProxy",
}
LABELS = {COMPOSE: parse_label("//deploy:compose"), SWARM: parse_label("//deploy:stack")}
KINDS = (COMPOSE, SWARM)

# -- The files ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return Workspace(str(ROOT))


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def text(kind, tmp_path_factory) -> str:
    """The file as a build of this checkout renders it, into a store of the test's own."""
    own = Workspace(str(ROOT), store_root=str(tmp_path_factory.mktemp("store")))
    session = Session(own, say=lambda line: None)
    session.start([LABELS[kind]])
    build_in_order(session)
    return (ROOT / "deploy" / kept.FILES[kind]).read_text("utf-8")


@pytest.fixture(scope="module")
def gateway(text) -> dict[str, Any]:
    return yaml.safe_load(text)["services"]["enterprise-gateway"]


def filled(value: Any, **given: str) -> str:
    """A value as docker reads it: `${NAME:-default}` is the default."""
    return re.sub(
        r"\$\{(\w+)(?::([-?])([^}]*))?\}", lambda m: given.get(m[1], m[3] or ""), str(value)
    )


def test_the_network_has_the_name_that_the_gateway_is_told(text, gateway, kind):
    (network,) = yaml.safe_load(text)["networks"].items()
    assert gateway["networks"] == [network[0]]
    told = gateway["environment"]["EG_DOCKER_NETWORK"]
    assert filled(network[1]["name"]) == filled(told) == NAMES[kind]
    assert filled(network[1]["name"], EG_NETWORK="x") == filled(told, EG_NETWORK="x") == "x"
    driver = {COMPOSE: "bridge", SWARM: "overlay"}[kind]
    assert network[1]["driver"] == driver
    assert network[1].get("attachable", False) == (kind == SWARM)


def test_the_kernels_are_all_those_that_this_platform_starts(workspace, gateway, kind):
    graph = workspace.graph
    gpus = "kernel-tf-gpu-py"  # the flavour has no such image
    wanted = {
        str(target.attrs["name"])
        for target in graph.targets.values()
        if target.rule.kind == "kernelspec"
        and target.attrs["process_proxy"] == PROXIES[kind]
        and not any(dep.ref.label.name == gpus for dep in target.deps)
    }
    assert set(gateway["environment"]["EG_ALLOWED_KERNELS"].split(",")) == wanted
    assert gateway["environment"]["EG_DEFAULT_KERNEL_NAME"] in wanted


def test_it_is_the_gateways_image_on_its_port_with_variables_it_reads(workspace, gateway):
    settings = workspace.settings
    name = f"{settings.registry}/{settings.organization}/enterprise-gateway:dev".lstrip("/")
    assert filled(gateway["image"]) == name
    dockerfile = (ROOT / "images/enterprise-gateway/Dockerfile").read_text("utf-8")
    (exposed,) = re.findall(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE)
    (port,) = gateway["ports"]
    inner = port["target"] if isinstance(port, dict) else port.rpartition(":")[2]
    assert str(inner) in exposed.split()
    page = (ROOT / "docs/images/enterprise-gateway.md").read_text("utf-8")
    unknown = [n for n in gateway["environment"] if n.startswith("EG_") and f"`{n}`" not in page]
    assert unknown == []
    assert "EG_INHERITED_ENVS" not in gateway["environment"]  # the image's start script knows


def test_it_may_do_next_to_nothing_on_its_host(gateway, kind):
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["read_only"] is True
    assert "privileged" not in gateway
    socket = [v for v in gateway["volumes"] if v["type"] == "bind"]
    assert [filled(v["source"]) for v in socket] == ["/var/run/docker.sock"]
    group = "${DOCKER_GID:?"
    if kind == COMPOSE:
        assert "user" not in gateway  # the image's own: 1000
        assert [g.startswith(group) for g in gateway["group_add"]] == [True]
        assert gateway["security_opt"] == ["no-new-privileges:true"]
        assert filled(gateway["ports"][0]).startswith("127.0.0.1:")
    else:
        assert gateway["user"].startswith("1000:" + group)
        assert gateway["environment"]["EG_AUTH_TOKEN"].startswith("${EG_AUTH_TOKEN:?")
        assert gateway["deploy"]["endpoint_mode"] == "dnsrr"
        assert gateway["ports"][0]["mode"] == "host"  # dnsrr goes with no other


def test_what_docker_says_of_a_missing_variable_is_read_by_old_clients(text):
    """docker 20.10 takes what follows a dash for a default, even in a message."""
    messages = re.findall(r"\$\{\w+:\?([^}]*)\}", text)
    assert messages
    assert [m for m in messages if not re.fullmatch(r"[\w ./,]+", m)] == []


def test_the_images_it_needs_are_found_through_its_kernelspecs(workspace, kind):
    gateway, images = named_images(workspace, LABELS[kind])
    assert gateway == parse_label("//images/enterprise-gateway")
    wanted = {"enterprise-gateway", "kernel-py", "kernel-r", "kernel-scala", "kernel-spark-py"}
    assert wanted <= {label.name for label in images}
    assert len(images) == len(set(images))


def test_git_and_trees_leave_out_what_deploying_writes(workspace):
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    for name in (".deployed/", ".env", *kept.FILES.values()):
        assert f"/deploy/{name}" in ignored
    assert not workspace.tree.exists(f"deploy/{kept.KEPT}/x.env")


# -- What is remembered ---------------------------------------------------------------------------


def test_a_deployment_is_remembered_for_its_owner_only(tmp_path):
    keep = Kept(str(tmp_path))
    assert keep.all() == []
    one = Deployment(COMPOSE, NAMES[COMPOSE], {"EG_AUTH_TOKEN": "t0ken", "EG_PUBLISH": "a#b$c"})
    two = Deployment(SWARM, "two", {"EG_PORT": "1"})
    keep.put(one)
    keep.put(two)
    assert keep.all() == [one, two]
    for path in (keep.path(one.name), keep.token_path(one.name)):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert Path(keep.token_path(one.name)).read_text() == "t0ken\n"
    keep.forget(one)
    keep.forget(one)
    assert keep.all() == [two]
    assert sorted(os.listdir(keep.folder)) == [kept.KEPT]


def test_compose_by_hand_finds_the_usual_deployment_and_no_other(tmp_path):
    keep = Kept(str(tmp_path))
    keep.put(Deployment(COMPOSE, "other", {}))
    assert not os.path.lexists(f"{keep.folder}/.env")
    keep.put(Deployment(COMPOSE, NAMES[COMPOSE], {"DOCKER_GID": "9"}))
    assert "DOCKER_GID='9'\n" in Path(keep.folder, ".env").read_text()


def test_a_value_that_no_such_file_can_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match="EG_AUTH_TOKEN"):
        Kept(str(tmp_path)).put(Deployment(COMPOSE, "x", {"EG_AUTH_TOKEN": "a'b"}))


@pytest.mark.parametrize(
    ("kind", "variables", "url"),
    [
        (COMPOSE, {}, "http://127.0.0.1:8888"),
        (COMPOSE, {"EG_PUBLISH": "0.0.0.0:9"}, "http://127.0.0.1:9"),
        (COMPOSE, {"EG_PUBLISH": "10.0.0.1:9"}, "http://10.0.0.1:9"),
        (COMPOSE, {"EG_PUBLISH": "9"}, "http://127.0.0.1:9"),
        (SWARM, {"EG_PORT": "9"}, "http://127.0.0.1:9"),
    ],
)
def test_the_address_that_is_told(kind, variables, url):
    assert url_of(Deployment(kind, "x", variables)) == url


# -- The command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy"], "fix: ./doitw deploy compose"),
        (["deploy", "swarn"], "did you mean swarm?"),
        (["deploy", "compose", "swarm"], "one word"),
        (["deploy", "compose", "--name", "A b"], "cannot be the name"),
        (["deploy", "compose", "--port", "70000"], "--port 70000 is no port"),
        (["deploy", "compose", "--port", "x"], "--port x is not a number"),
        (["deploy", "compose", "--init"], "fix: ./doitw deploy swarm --init"),
        (["undeploy", "compost"], "did you mean compose?"),
        (["deploy", "compose", "VERSION=1.2.3"], "deploy takes no VERSION"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_done(words, said, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main(words) == 3
    assert said in capsys.readouterr().err


def test_nothing_deployed_is_no_error(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main(["undeploy", "--name", "there-is-none"]) == 0
    assert capsys.readouterr().out == "nothing is deployed from this workspace as there-is-none\n"


def test_a_word_says_which_kind():
    assert kind_of(Call((SWARM,), {}, {}, "")) == SWARM


# -- The client -----------------------------------------------------------------------------------


def script(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def client(folder: Path, **environ: str) -> Docker:
    docker = Docker({"PATH": str(folder), "HOME": str(folder), **environ})
    docker._clients = [str(folder / "docker")]
    return docker


def test_compose_is_a_plugin_or_a_program_of_its_own(tmp_path):
    script(tmp_path, "docker", "exit 1")
    with pytest.raises(ActionError) as refused:
        client(tmp_path).compose()
    assert "apt-get install -y docker-compose" in str(refused.value.fix)
    script(tmp_path, "docker-compose", "exit 0")
    assert client(tmp_path).compose() == [str(tmp_path / "docker-compose")]
    script(tmp_path, "docker", "exit 0")
    assert client(tmp_path).compose() == [str(tmp_path / "docker"), "compose"]


def test_warnings_of_the_client_are_no_ids(tmp_path):
    script(tmp_path, "docker", "echo WARNING: no swap; echo 0123456789ab")
    assert client(tmp_path).containers("label=x") == ["0123456789ab"]


def test_the_socket_is_that_of_the_host_containers_run_on(tmp_path):
    script(tmp_path, "docker", "exit 0")
    assert client(tmp_path, DOCKER_HOST="ssh://there").socket() == "/var/run/docker.sock"
    mine = {"XDG_RUNTIME_DIR": "/run/user/7", "DOCKER_HOST": "unix:///run/user/7/docker.sock"}
    assert client(tmp_path, **mine).socket() == "/run/user/7/docker.sock"
    assert client(tmp_path, DOCKER_SOCKET="/x").socket() == "/x"


class FakeSwarm:
    """As much of a client as `swarm.up` asks for: one service, and its tasks at each question."""

    program = "docker"

    def __init__(self, tasks: list[list[dict[str, Any]]]) -> None:
        self._tasks = tasks
        self._asked = 0

    def run(self, argv: list[str], variables: Any, say: Any, *, fix: str) -> None:
        del argv, variables, say, fix

    def ids(self, *words: str, allow: bool = False) -> list[str]:
        return ["n" * 12]

    def services(self, *filters: str) -> list[str]:
        return ["s" * 12]

    def containers(self, *filters: str) -> list[str]:
        return []

    def inspect(self, kind: str, names: list[str]) -> list[dict[str, Any]]:
        if kind == "service":
            spec = {"Image": "new", "DNSConfig": {}}
            return [{"Spec": {"TaskTemplate": {"ContainerSpec": spec}}}]
        self._asked += 1
        return self._tasks[min(self._asked, len(self._tasks)) - 1]


def task(name: str, image: str, state: str, error: str = "") -> dict[str, Any]:
    return {
        "ID": name,
        "Spec": {"ContainerSpec": {"Image": image}},  # without what is empty
        "Status": {"State": state, **({"Err": error} if error else {})},
        "DesiredState": "running",
    }


def test_a_stack_is_up_when_the_new_task_runs_and_not_before(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    old, new = task("1", "old", "running"), task("2", "new", "starting")
    docker = FakeSwarm([[old], [old], [old, new], [task("2", "new", "running")]])
    swarm.up(docker, Deployment(SWARM, "x", {}), "f", lambda line: None)
    assert docker._asked == 4


def test_a_stack_whose_tasks_fail_is_given_up_with_the_reason(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    failed = [task(str(number), "new", "failed", "no such group") for number in range(2)]
    with pytest.raises(ActionError, match="no such group"):
        swarm.up(FakeSwarm([[], failed]), Deployment(SWARM, "x", {}), "f", lambda line: None)


def test_a_label_of_no_deployment_is_refused(workspace):
    with pytest.raises(InputError, match=r"not declared|no target"):
        named_images(workspace, Label("deploy", "nothing"))
