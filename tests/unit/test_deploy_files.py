"""`deploy` and its files, as far as that needs no engine."""

from __future__ import annotations

import os
import re
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.cli.commands.deploy import named_images
from buildlib.cli.main import main
from buildlib.core.model.label import Label, parse_label
from buildlib.engine.find import DEFAULT_SOCKET as USUAL
from buildlib.errors import ActionError, InputError
from deploy import run
from deploy.compose import Compose
from deploy.composefile import read
from deploy.docker_api import Docker
from deploy.reach import EngineReach
from deploy.run import KINDS, kind_of
from deploy.state import REMEMBERED, TOKEN, Deployment, State
from deploy.swarm import Swarm

ROOT = Path(__file__).resolve().parents[2]
COMPOSE, SWARM = "compose", "swarm"
DEMOS = ("demo", "demo-cluster")
PROXIES = {
    COMPOSE: "docker_swarm.DockerProcessProxy",
    SWARM: "docker_swarm.DockerSwarmProcessProxy",
}
LABELS = {kind: parse_label(known.target) for kind, known in KINDS.items()}  # Kubernetes' too
NAMES = {kind: known.usual for kind, known in KINDS.items()}

# -- The files ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return Workspace(str(ROOT))


@pytest.fixture(scope="module", params=[COMPOSE, SWARM])
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def text(kind, tmp_path_factory) -> str:
    """The file as a build of this checkout renders it, into a store of the test's own."""
    own = Workspace(str(ROOT), store_root=str(tmp_path_factory.mktemp("store")))
    session = Session(own, say=lambda line: None)
    session.start([LABELS[kind]])
    build_in_order(session)
    return (ROOT / "deploy" / KINDS[kind].file).read_text("utf-8")


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
    images = named_images(workspace, LABELS[kind])
    assert images[0] == parse_label("//images/enterprise-gateway")
    wanted = {"enterprise-gateway", "kernel-py", "kernel-r", "kernel-scala", "kernel-spark-py"}
    assert wanted <= {label.name for label in images}
    assert len(images) == len(set(images))


def test_git_and_trees_leave_out_what_deploying_writes(workspace):
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    for name in (".deployed/", ".env", *(known.file for known in KINDS.values())):
        assert f"/deploy/{name}" in ignored
    assert not workspace.tree.exists(f"deploy/{REMEMBERED}/x.env")


# -- What is remembered ---------------------------------------------------------------------------


def test_a_deployment_is_remembered_for_its_owner_only(tmp_path):
    keep = State(str(tmp_path))
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
    assert sorted(os.listdir(keep.folder)) == [REMEMBERED]


def test_compose_by_hand_finds_the_usual_deployment_and_no_other(tmp_path):
    keep = State(str(tmp_path))
    keep.put(Deployment(COMPOSE, "other", {}))
    assert not os.path.lexists(f"{keep.folder}/.env")
    keep.put(Deployment(COMPOSE, NAMES[COMPOSE], {"DOCKER_GID": "9"}))
    assert "DOCKER_GID='9'\n" in Path(keep.folder, ".env").read_text()


def test_a_value_that_no_such_file_can_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match="EG_AUTH_TOKEN"):
        State(str(tmp_path)).put(Deployment(COMPOSE, "x", {"EG_AUTH_TOKEN": "a'b"}))


class Answers(Docker):
    """An engine that has one gateway, by container or service, and nothing else."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def call(self, method: str, path: str, body: Any = None, **_: Any) -> Any:
        return [self._found] if "filters=" in path else self._found


@pytest.mark.parametrize(
    ("published", "url"),
    [
        ({"HostIp": "127.0.0.1", "HostPort": "8888"}, "http://127.0.0.1:8888"),
        ({"HostIp": "0.0.0.0", "HostPort": "9"}, "http://127.0.0.1:9"),
        ({"HostIp": "10.0.0.1", "HostPort": "9"}, "http://10.0.0.1:9"),
        ({"HostIp": "::", "HostPort": "9"}, "http://127.0.0.1:9"),
    ],
)
def test_the_address_that_is_told(published, url):
    ports = {"8877/tcp": None, "8888/tcp": [published]}
    container = {"Id": "1", "NetworkSettings": {"Ports": ports}}
    assert Compose(Answers(container), "x").url() == url


def test_the_address_of_a_stack_is_that_of_its_node():
    port = {"TargetPort": 8888, "PublishedPort": 9, "PublishMode": "host"}
    service = {"Spec": {"EndpointSpec": {"Ports": [port]}}}
    assert Swarm(Answers(service), "x").url() == "http://127.0.0.1:9"


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
    assert main(words) == 3
    assert said in capsys.readouterr().err


def test_nothing_deployed_is_no_error(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["undeploy", "--name", "there-is-none"]) == 0
    assert capsys.readouterr().out == "nothing is deployed from this workspace as there-is-none\n"


def test_a_word_says_which_kind():
    assert kind_of([SWARM]) == SWARM


# -- The socket -----------------------------------------------------------------------------------


class Machine(Docker):
    """An engine of which only its own ID is known; its containers find something behind paths."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return {"ID": "me"}

    def said(self, image: str, script: str, mount: Any) -> str:
        path = mount["Source"]
        if path not in self._found:
            raise ActionError("a container", detail=f"{path} does not exist")
        return f"7\n{self._found[path]}\n" if "/info" in script else "7\n"


def socket_of(host: str, found: dict[str, str], given: str = "", before: str = "") -> Any:
    environ = {"DOCKER_HOST": host, **({"DOCKER_SOCKET": given} if given else {})}
    told = EngineReach(environ, Machine(found)).socket({"DEPLOY_GIVEN_SOCKET": before}, "image")
    assert told["EG_IMAGE"] == "image"
    assert told["DEPLOY_GIVEN_SOCKET"] == (given or before)
    return told["DOCKER_SOCKET"], told["DOCKER_GID"]


@pytest.mark.parametrize(
    ("host", "found", "socket"),
    [
        ("unix:///other.sock", {"/other.sock": "me", USUAL: "another"}, "/other.sock"),
        ("unix:///desktop/docker.sock", {USUAL: "me"}, USUAL),  # a forward into its machine
        ("ssh://there", {USUAL: "me"}, USUAL),
        ("tcp://there:2375", {USUAL: "me"}, USUAL),
    ],
)
def test_the_gateway_gets_the_socket_of_the_engine_that_it_runs_on(host, found, socket):
    assert socket_of(host, found) == (socket, "7")


def test_a_socket_that_is_given_may_hide_its_engine():
    filtered = {"/filter.sock": "", USUAL: "me"}
    assert socket_of("tcp://there", filtered, "/filter.sock") == ("/filter.sock", "7")
    assert socket_of("tcp://there", filtered, before="/filter.sock") == ("/filter.sock", "7")


def test_the_socket_of_another_engine_is_refused_with_all_that_was_tried():
    with pytest.raises(InputError) as refused:
        socket_of("unix:///forward.sock", {USUAL: "another"})
    assert refused.value.detail == (
        f"/forward.sock: /forward.sock does not exist\n{USUAL}: that is another engine's"
    )
    assert str(refused.value.fix).startswith("export DOCKER_SOCKET=")


# -- The compose file as the engine is asked for it -----------------------------------------------


def test_what_the_file_says_is_what_the_engine_is_asked_for(text, tmp_path, kind):
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    variables = {"DOCKER_GID": "9", "EG_PUBLISH": "10.0.0.1:81", "EG_NETWORK": "n", "EG_IMAGE": ""}
    if kind == SWARM:
        with pytest.raises(InputError, match="not understood"):
            read(str(path), variables)
        return
    project = read(str(path), variables)
    assert project.network == {"Name": "n", "Driver": "bridge"}
    (gateway,) = project.services
    assert gateway.image.endswith("enterprise-gateway:dev")
    host = gateway.body["HostConfig"]
    assert host["PortBindings"] == {"8888/tcp": [{"HostIp": "10.0.0.1", "HostPort": "81"}]}
    assert (host["GroupAdd"], host["NetworkMode"], host["Memory"]) == (["9"], "n", 2 << 30)
    assert {"EG_DOCKER_NETWORK=n", "EG_CULL_IDLE_TIMEOUT=3600"} < set(gateway.body["Env"])
    assert gateway.body["Healthcheck"] == {"Interval": 10 * 10**9}
    named = [each.name for each in read(str(path), {**variables, "COMPOSE_PROFILES": "puller"})[2]]
    assert named == ["enterprise-gateway", "kernel-image-puller"]


MINIMAL = """
services:
  a:
    image: ${EG_IMAGE:-i}
    networks: [n]
    environment: {X: "a$$b"}
networks:
  n: {name: n, driver: bridge}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("image: ${EG_IMAGE:-i}", "image: i\n    privileged: true", "privileged of a"),
        ("image: ${EG_IMAGE:-i}", "image: ${EG_IMAGE:?say which}", "EG_IMAGE: say which"),
        ("image: ${EG_IMAGE:-i}", "image: $EG_IMAGE", r"\$ in '\$EG_IMAGE'"),
        ("image: ${EG_IMAGE:-i}", "image: i\n    volumes: ['/a:/b']", "/a:/b"),
        ("image: ${EG_IMAGE:-i}", "image: i\n    healthcheck: {test: x}", "test"),
        ("networks: [n]", "networks: [n, m]", "networks of a"),
        ("driver: bridge", "driver: bridge, internal: true", "internal"),
    ],
)
def test_what_is_not_understood_is_refused_and_not_left_out(old, new, said, tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text(MINIMAL)
    assert read(str(path), {}).services[0].body["Env"] == ["X=a$b"]
    path.write_text(MINIMAL.replace(old, new))
    with pytest.raises(InputError, match=said):
        read(str(path), {})


# -- What runs in place of what ran ---------------------------------------------------------------


class Lent(EngineReach):
    """The way to a fake engine, whose socket is where it usually is."""

    def __init__(self, docker: Any) -> None:
        super().__init__({}, docker)

    def socket(self, variables: Any, image: str) -> dict[str, str]:
        return {}

    def run(self, words: Any, variables: Any, say: Any, *, fix: str) -> None:
        """Whatever a docker client does, the fake has it done."""


class FakeEngine:
    """Containers of an engine, as a deployment asks for them; some end when they start."""

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.id = "sha256:1"
        self.broken = False
        self.stops = False
        """Whether we are told to stop when something starts."""

    def call(self, method: str, path: str, body: Any = None, *, what: str) -> Any:
        assert path == "/networks/create"

    def create(self, name: str, body: Any, what: str) -> Any:
        found = {"Id": uuid.uuid4().hex, "Name": f"/{name}", "Config": body, "RestartCount": 0}
        found["State"] = {"Running": False, "Status": "created", "ExitCode": 1}
        found["NetworkSettings"] = {"Ports": {}}
        self.all[found["Id"]] = {**found, "broken": self.broken}
        return found

    def find(self, kind: str, **filters: str) -> list[Any]:
        return []

    def volumes(self, label: str = "") -> list[str]:
        return []

    def image(self, name: str) -> str:
        return self.id

    def containers(self, *labels: str, network: str = "") -> list[dict[str, Any]]:
        return [] if network else [{**each} for each in self.all.values()]

    def container(self, name: str) -> dict[str, Any]:
        return {**self.all[name]}

    def logs(self, name: str, lines: int = 0) -> str:
        return "no t0ken today"

    def act(self, name: str, verb: str) -> None:
        verb, _, words = verb.partition("?")
        if verb == "rename":
            assert words not in [f"name={each['Name'][1:]}" for each in self.all.values()]
            self.all[name]["Name"] = words.replace("name=", "/")
            return
        if verb == "start" and self.stops:
            raise KeyboardInterrupt
        runs = verb != "stop" and not self.all[name]["broken"]
        state = {"Running": runs, "Status": "running" if runs else "exited"}
        self.all[name]["State"] = {**self.all[name]["State"], **state}

    def remove(self, containers: list[dict[str, Any]]) -> list[str]:
        for each in containers:
            del self.all[each["Id"]]
        return [each["Name"] for each in containers]

    def deploy(self, folder: Path, **variables: str) -> list[tuple[str, str]]:
        """Bring the deployment `x` up; names and states of what is there then."""
        (folder / "compose.yaml").write_text(MINIMAL.replace("a$$b", "${X:-}"))
        state = State(str(folder))
        if not state.get("x"):
            state.put(Deployment(COMPOSE, "x", {TOKEN: "t0ken"}))
        with pytest.MonkeyPatch.context() as patch:
            for name in ("EG_IMAGE", "X"):
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            kind, asked = run.parse_request([COMPOSE], "x", "", {})
            run.up(kind, asked, "i", Lent(self), state, lambda line: None)
        return self.there()

    def there(self) -> list[tuple[str, str]]:
        return [(each["Name"], each["State"]["Status"]) for each in self.all.values()]


def test_a_container_is_made_anew_where_it_or_its_image_changed_and_only_there(tmp_path):
    engine = FakeEngine()
    up = [("/x-a-1", "running")]
    assert engine.deploy(tmp_path) == up
    first = set(engine.all)
    assert engine.deploy(tmp_path, EG_IMAGE="another-name-of-it") == up
    assert set(engine.all) == first
    assert engine.deploy(tmp_path, X="1") == up
    second = set(engine.all)
    assert second != first
    engine.id = "sha256:2"
    assert engine.deploy(tmp_path, X="1") == up
    assert set(engine.all) != second


def test_what_ran_runs_again_where_the_new_one_does_not(tmp_path):
    engine = FakeEngine()
    engine.deploy(tmp_path)
    before = engine.containers()
    engine.broken = True
    with pytest.raises(ActionError, match="x-a-1 ends, code 1; the former one runs again") as error:
        engine.deploy(tmp_path, X="1")
    assert error.value.detail == "no … today"
    assert engine.containers() == before


def test_what_ran_runs_again_where_the_deploy_is_stopped(tmp_path):
    engine = FakeEngine()
    engine.deploy(tmp_path)
    before, remembered = engine.containers(), State(str(tmp_path)).get("x")
    engine.stops = True
    with pytest.raises(KeyboardInterrupt):
        engine.deploy(tmp_path, X="1")
    assert engine.containers() == before
    assert State(str(tmp_path)).get("x") == remembered


def test_what_does_not_start_at_all_stays_to_be_looked_at_and_is_replaced(tmp_path):
    engine = FakeEngine()
    engine.broken = True
    with pytest.raises(ActionError, match=r"ends, code 1\n"):
        engine.deploy(tmp_path)
    assert [state for _, state in engine.there()] == ["exited"]
    engine.broken = False
    assert engine.deploy(tmp_path, X="1") == [("/x-a-1", "running")]


def test_what_was_deployed_is_removed_when_its_file_is_no_more(tmp_path):
    engine, said = FakeEngine(), []
    engine.deploy(tmp_path)
    (tmp_path / "compose.yaml").unlink()
    answer = run.down([], "x", lambda: Lent(engine), State(str(tmp_path)), said.append)
    assert answer == {"name": "x", "removed": ["/x-a-1"]}
    assert said == ["removing x", "  stopping the gateway and its kernels", "  removed /x-a-1"]
    assert State(str(tmp_path)).all() == []


# -- A stack --------------------------------------------------------------------------------------


class FakeSwarm:
    """As much of an engine as a stack asks for: one service, and its tasks at each question."""

    def __init__(self, tasks: list[list[dict[str, Any]]]) -> None:
        self._tasks = tasks
        self._asked = 0

    def swarm(self) -> tuple[str, bool]:
        return "active", True

    def containers(self, *labels: str) -> list[dict[str, Any]]:
        return []

    def find(self, kind: str, **filters: str) -> list[dict[str, Any]]:
        if kind == "services":
            spec = {"Image": "new", "DNSConfig": {}}
            return [{"Spec": {"TaskTemplate": {"ContainerSpec": spec}}}]
        self._asked += 1
        return self._tasks[min(self._asked, len(self._tasks)) - 1]


def stack_up(tasks: list[list[dict[str, Any]]]) -> FakeSwarm:
    docker = FakeSwarm(tasks)
    Swarm(docker, "x", lambda say: None).up(lambda line: None)  # type: ignore[arg-type]
    return docker


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
    docker = stack_up([[old], [old], [old, new], [task("2", "new", "running")]])
    assert docker._asked == 4


def test_a_stack_whose_tasks_fail_is_given_up_with_the_reason(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    failed = [task(str(number), "new", "failed", "no such group") for number in range(2)]
    with pytest.raises(ActionError, match="no such group"):
        stack_up([[], failed])


def test_a_label_of_no_deployment_is_refused(workspace):
    with pytest.raises(InputError, match=r"not declared|no target"):
        named_images(workspace, Label("deploy", "nothing"))
