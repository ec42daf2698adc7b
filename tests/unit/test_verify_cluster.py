"""The proof on a Kubernetes cluster, as far as that needs none: kubectl and the gateway are stubs.

What it finds on a real one is in docs/verify.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from buildlib.build.workspace import Workspace
from buildlib.cli.commands import verify as verb
from buildlib.cli.verb import Call
from buildlib.core.model.label import parse_label
from buildlib.core.rules.kernel_check import CONTEXT
from buildlib.errors import InputError
from deploy import manifests
from verify import __main__ as command
from verify import cluster_cases, owner
from verify.cluster import Cluster
from verify.gateway_cases import Life, cases, connected_twice
from verify.outcome import Outcome
from verify.pace import Pace
from verify.platforms import Gateway
from verify.rest import CLOSED, Reply
from verify.rules import Broken

ROOT = Path(__file__).resolve().parents[2]
RUN = "verify-00c0ffee"
BASE = """
apiVersion: v1
kind: Namespace
metadata: {name: enterprise-gateway}
---
apiVersion: v1
kind: Namespace
metadata: {name: enterprise-gateway-kernels}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {name: enterprise-gateway, namespace: enterprise-gateway,
   labels: {app: enterprise-gateway, component: gateway}}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: enterprise-gateway, component: gateway}}
    spec:
      containers:
        - name: enterprise-gateway
          image: elyra/enterprise-gateway:dev
          env:
            - name: EG_AUTH_TOKEN
              valueFrom: {secretKeyRef: {name: enterprise-gateway, key: token}}
            - {name: EG_KERNEL_LAUNCH_TIMEOUT, value: "120"}
"""


class Stub:
    """A cluster that is a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cluster.json"
        self.set(objects=[], calls=[], log="", minor="34", down=False, broken=False,
                 restricted=True, current="production",
                 contexts={"production": "https://p", "lab": "https://l"})  # fmt: skip

    def set(self, **values: Any) -> None:
        found = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.file.write_text(json.dumps({**found, **values}))

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.file.read_text())[name]

    def namespaces(self) -> list[str]:
        return [o["metadata"]["name"] for o in self["objects"] if o["kind"] == "Namespace"]


@pytest.fixture
def stub(tmp_path, monkeypatch) -> Stub:
    program = tmp_path / "bin/kubectl"
    program.parent.mkdir()
    script = ROOT / "tests/support/stub_kubectl.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {script} "$@"\n')
    program.chmod(0o755)
    base = tmp_path / "enterprise-gateway.yaml"
    base.write_text(BASE)
    monkeypatch.setattr("verify.cluster.BASE", base)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STUB_CLUSTER", str(tmp_path / "cluster.json"))
    monkeypatch.delenv(CONTEXT, raising=False)
    return Stub(tmp_path)


def platform(**env: str) -> Any:
    env = {"EG_AUTH_TOKEN": "s3cret", "EG_DOCKER_NETWORK": "x", "EG_PORT": "8888", **env}
    gateway = Gateway("sha256:1", "elyra/enterprise-gateway:key-1", env, "1000:100", "", 0)
    engine: Any = SimpleNamespace(run=RUN)
    return Cluster("lab").place().start(engine, gateway)


def unheard(line: str) -> None:
    del line


# -- Which cluster ---------------------------------------------------------------------------------


def test_no_cluster_is_used_that_was_not_named(stub, capsys):
    words = ["--kubernetes", "--gateway", "an/image"]
    assert command.main(words) == 3
    assert "--context NAME" in capsys.readouterr().err
    assert stub["calls"] == []


def test_a_context_that_is_not_there_is_refused_with_those_that_are(stub):
    with pytest.raises(InputError, match="'lap': there are production, lab") as caught:
        Cluster("lap")
    assert caught.value.fix == "--context production"


def test_every_question_names_the_context(stub):
    made = platform()
    made.up(unheard)
    made.down(unheard)
    asked = [call for call in stub["calls"] if call[:2] != ["version", "--client"]]
    assert asked
    assert all("lab" in call or call[-1] == "--output=name" for call in asked)


@pytest.mark.parametrize("words", [["//verify:kubernetes"], ["verify/kubernetes"]])
def test_the_verb_asks_for_a_context_before_it_builds(stub, words):
    workspace = Workspace(str(ROOT))
    label = parse_label("//verify:kubernetes")
    with pytest.raises(InputError, match="only on a cluster that it is told") as caught:
        verb._take_context(workspace, [label], Call(tuple(words), {}, {}, "", ("doitw", "verify")))
    assert caught.value.fix is not None
    assert "--context NAME" in caught.value.fix
    with pytest.raises(InputError, match="none of these proofs"):
        verb._take_context(workspace, [], Call((), {"context": "lab"}, {}, ""))
    verb._take_context(workspace, [label], Call((), {"context": "lab"}, {}, ""))
    assert os.environ.pop(CONTEXT) == "lab"
    assert stub["calls"] == []


def test_a_proof_on_a_cluster_is_made_only_when_named_and_has_all_kernelspecs():
    graph = Workspace(str(ROOT)).graph
    proof = graph[parse_label("//verify:kubernetes")]
    assert proof.manual
    started = {dep.ref.label for dep in proof.deps if dep.kind == "name"}
    assert started == {
        label
        for label in graph.targets
        if graph[label].rule.kind == "kernelspec"
        and graph[label].attrs["process_proxy"].endswith(".KubernetesProcessProxy")
        and "_gpu_" not in label.name
    }


# -- The run's own namespaces ----------------------------------------------------------------------


def test_the_deployment_s_objects_in_namespaces_of_the_run_s_own(stub):
    made = platform(EG_KERNEL_LAUNCH_TIMEOUT="60")
    made.up(unheard)
    assert stub.namespaces() == [RUN, f"{RUN}-kernels"]
    [deployment] = [o for o in stub["objects"] if o["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "elyra/enterprise-gateway:key-1"
    env = {row["name"]: row.get("value") for row in container["env"]}
    assert env == {"EG_AUTH_TOKEN": None, "EG_KERNEL_LAUNCH_TIMEOUT": "60"}
    assert any(o["kind"] == "Secret" for o in stub["objects"])
    made.down(unheard)
    assert stub["objects"] == []


def test_it_is_reached_by_a_port_that_is_closed_at_the_end(stub):
    made = platform()
    made.up(unheard)
    assert made.url() == made.url() == "http://127.0.0.1:40123"
    forward = made._forward
    assert forward.poll() is None
    made.down(unheard)
    assert forward.poll() is not None


def test_what_a_killed_run_has_left_goes_and_what_is_another_s_stays(stub):
    dead = subprocess.Popen(["true"])
    mine = owner.labels()
    ended = {**mine, "verify.owner.pid": str(dead.pid), "verify.owner.started": "1"}
    dead.wait()
    found = [
        {
            "kind": "Namespace",
            "apiVersion": "v1",
            "metadata": {
                "name": name,
                "labels": {"verify": name, manifests.INSTANCE: name},
                "annotations": annotations,
            },
        }
        for name, annotations in (("verify-dead", ended), ("verify-lives", mine))
    ]
    found.append({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "production"}})
    stub.set(objects=found)
    Cluster("lab").remove_dead()
    assert stub.namespaces() == ["verify-lives", "production"]


# -- The cases -------------------------------------------------------------------------------------


class FakeServer:
    """What the cases ask of a gateway; `replies` are its answers, `log` grows with each."""

    def __init__(self, place: Any, *replies: tuple[int, str, str]) -> None:
        self.place, self.cluster, self.pace = place, place.cluster, Pace()
        self.engine = SimpleNamespace(run=RUN)
        self.replies, self.said, self.asked = list(replies), "", []
        self.kernels: dict[str, str] = {}
        self.kernelspecs = {"k": {"spec": {"language": "python"}}}
        self.rest = self
        self.pods: list[str] = []
        self.left: list[str] = []  # by each request
        self.launch_seconds = 60

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        self.asked.append(body)
        status, message, log = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        self.said += log
        self.pods = self.left
        return Reply(status, {"message": message, "id": "1"})

    def log(self) -> str:
        return self.said

    def image_of(self, name: str) -> None:
        del name

    def left_of_kernels(self) -> list[str]:
        return self.pods

    def kernel_containers(self, kernel_id: str = "") -> list[str]:
        del kernel_id
        return self.pods


def server(*replies: tuple[int, str, str]) -> Any:
    return FakeServer(Cluster("lab").place(), *replies)


def test_a_cluster_that_takes_a_privileged_pod_is_not_restricted(stub):
    assert cluster_cases.restricted(server()) == "Kubernetes v1.34.1"
    stub.set(restricted=False)
    with pytest.raises(Broken, match="privileged pod is answered by: made") as caught:
        cluster_cases.restricted(server())
    assert caught.value.rule == "cluster-restricted"


EVERY_WORD = "namespace account KERNEL_VOLUMES KERNEL_MEMORY KERNEL_IMAGE UID"


def test_requests_that_are_refused_with_a_reason_are_well(stub):
    found = server((500, EVERY_WORD, ""))
    wrong = cluster_cases.wrong_values(RUN)
    assert cluster_cases.refusals(found, "k").startswith(f"{len(wrong)} requests")
    sent = [body["env"].get("KERNEL_NAMESPACE") for body in found.asked]
    assert "kube-system" in sent
    assert RUN in sent


@pytest.mark.parametrize(
    ("reply", "pods", "told"),
    [
        ((201, "", ""), [], "a kernel has started"),
        ((500, "Internal Server Error", ""), [], "nobody says why"),
        ((500, EVERY_WORD, ""), ["pod x"], "are left: pod x"),
    ],
)
def test_requests_that_are_not_refused_as_they_should_be_are_told(stub, reply, pods, told):
    found = server(reply)
    found.left = pods
    with pytest.raises(Broken, match=told) as caught:
        cluster_cases.refusals(found, "k")
    assert caught.value.rule == "cluster-refusals"


def test_a_pod_that_no_node_takes_has_to_be_told_in_the_scheduler_s_words(stub):
    words = "pod x cannot run: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."
    assert cluster_cases.unschedulable(server((500, "", words)), "k").startswith("after")
    with pytest.raises(Broken, match="nobody says 'Insufficient cpu'"):
        cluster_cases.unschedulable(server((500, "", "Waited too long")), "k")


@pytest.mark.parametrize(
    ("answer", "well"), [(403, True), (401, True), (200, False), ("timed out", False)]
)
def test_only_a_refusal_is_a_refusal(answer, well):
    tried = {"read all secrets": answer, "list pods": 403}
    if well:
        cluster_cases._denied(tried)
        return
    with pytest.raises(Broken, match=f"read all secrets: {answer}"):
        cluster_cases._denied(tried)


def test_what_a_notebook_tries_is_run_by_python_and_told():
    """The code itself, run here: nothing listens at these addresses, so nothing is refused."""
    asked = {"read": ["GET", "/api/v1/secrets", None], "list": ["GET", "http://127.0.0.1:9/", None]}
    code = f"ASKED = {json.dumps(asked)!r}\n{cluster_cases._CODE}"
    env = {**os.environ, "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "9"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found.pop("token") is False
    assert set(found) == {"read", "list"}
    with pytest.raises(Broken, match="refused"):
        cluster_cases._denied(found)


LONG = f"verify-00c0ffee-{'fa41106c' * 8}-exec-3"
K8S = "k8s://https://10.96.0.1:443"


@pytest.mark.parametrize(
    ("printed", "well"),
    [
        (f"{K8S} client driver exec-1,exec-2", True),
        (f"{K8S} client driver exec-2", True),
        ("local[*] client driver driver", False),  # finding 1: R was on no cluster
        (f"{K8S} client driver driver", False),
        (f"{K8S} client other exec-1", False),
        (f"{K8S} client driver nobody", False),
        (f"{K8S} client driver {LONG[-63:].lstrip('-')}", True),  # a host's name is that short
        ("an error", False),
    ],
)
def test_spark_is_on_the_cluster_only_if_other_pods_did_its_work(stub, printed, well):
    pods = [
        {
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": f"{RUN}-kernels",
                "labels": {"kernel_id": "1", "component": "worker"},
            },
        }
        for name in ("exec-1", "exec-2", LONG)
    ]
    stub.set(objects=pods)
    life = Life(fake := server(), "spark_python_kubernetes")
    fake.pods = ["driver"]
    fake.kernelspecs["spark_python_kubernetes"] = fake.kernelspecs["k"]
    outcome = Outcome()
    outcome.add("stream", {"name": "stdout", "text": printed})
    life._session = SimpleNamespace(  # type: ignore[assignment]
        id="1", channels=SimpleNamespace(run=lambda code: outcome)
    )
    if well:
        assert K8S in life.spark_where()
        return
    with pytest.raises(Broken) as caught:
        life.spark_where()
    assert caught.value.rule == "gateway-spark-where"


def test_the_cases_of_a_cluster_are_added_to_those_of_every_gateway():
    names = ["python_kubernetes", "spark_python_kubernetes"]
    plain = {case.name for case in cases(None, names)}
    found = {case.name for case in cases(None, names, cluster=True)}
    own = {"restricted", "refusals", "unschedulable", "name-in-use", "notebook", "spark-notebook"}
    assert found - plain == own | {"spark_python_kubernetes/spark-interrupt"}
    assert plain - found == {"hostile-values"}
    assert "spark_python_kubernetes/spark-where" in plain


# -- Overtaken on the way -------------------------------------------------------------------------


@pytest.fixture
def twice(monkeypatch):
    """`twice("", CLOSED, …)`: the case, whose connections end so, one after another."""

    def run(*ends: str) -> str:
        left = list(ends)

        def connect(server: Any, kernelspec: str, again: float) -> float:
            end = left.pop(0) if left else ""
            if end:
                raise Broken("gateway-connected-twice", f"again after {again:.2f} s: {end}")
            return again

        monkeypatch.setattr("verify.gateway_cases._connected_twice", connect)
        server: Any = SimpleNamespace(pace=SimpleNamespace(give_way=lambda: None))
        return connected_twice(server, "python_kubernetes")

    return run


def test_a_connection_that_was_overtaken_is_tried_once_more(twice):
    assert twice("", CLOSED).startswith("answers after")
    with pytest.raises(Broken, match=CLOSED):
        twice(CLOSED, CLOSED)


def test_a_connection_that_does_not_work_is_not_tried_again(twice):
    with pytest.raises(Broken, match="no kernel_info_reply"):
        twice("no kernel_info_reply within 60 s")
