"""Deploying to Kubernetes: the objects that are rendered, and what is done with a cluster.

The cluster is a stub of kubectl (tests/support/stub_kubectl.py); `./doitw verify:kubernetes` does
the same on a real one.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.cli.commands import deploy as verb
from buildlib.cli.main import main
from buildlib.core.model.label import parse_label
from buildlib.core.model.target import image_name
from buildlib.errors import ActionError, InputError
from deploy import kubernetes, manifests, run
from deploy.kubectl import Kubectl
from deploy.overlays import BASE, Overlays
from deploy.reach import EngineReach
from deploy.state import REMEMBERED, Deployment, State

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
VERSIONS = ("1.27", "1.31", "1.34")
"""Of Kubernetes: the oldest that this is for, and two later ones."""
GATEWAY, KERNELS = "enterprise-gateway", "enterprise-gateway-kernels"
CALLS = json.loads((ROOT / "tests/support/kubernetes_calls.json").read_text("utf-8"))

Object = dict[str, Any]


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> list[Object]:
    """The default, as a build of this checkout renders it, into a store of the test's own."""
    own = Workspace(str(ROOT), store_root=str(tmp_path_factory.mktemp("store")))
    session = Session(own, say=lambda line: None)
    session.start([parse_label(label) for label in rendered_targets()])
    build_in_order(session)
    return Overlays(str(ROOT / "deploy")).objects((), Kubectl("", "no-kubectl"))


def rendered_targets() -> list[str]:
    graph = Workspace(str(ROOT)).graph
    return [
        str(label)
        for label in graph.order
        if label.package == "deploy"
        and graph[label].rule.kind == "rendered"
        and str(graph[label].attrs["out"]).startswith(("kubernetes/", GATEWAY))
    ]


def of_kind(objects: list[Object], kind: str, name: str = "") -> list[Object]:
    return [o for o in objects if o["kind"] == kind and name in ("", o["metadata"]["name"])]


def the(objects: list[Object], kind: str, name: str = GATEWAY) -> Object:
    [found] = of_kind(objects, kind, name)
    return found


def container(objects: list[Object]) -> Object:
    [found] = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def env(objects: list[Object]) -> dict[str, Any]:
    return {row["name"]: row.get("value") for row in container(objects)["env"]}


# -- The objects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_of_this_kubernetes(objects, version):
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_field_that_is_none_would_be_found(objects):
    broken = json.loads(json.dumps(the(objects, "Deployment")))
    broken["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError, match="enableServiceLink"):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_gateway_and_kernels_are_apart_and_both_restricted(objects):
    found = {o["metadata"]["name"]: o["metadata"]["labels"] for o in of_kind(objects, "Namespace")}
    assert set(found) == {GATEWAY, KERNELS}
    level = "pod-security.kubernetes.io/enforce"
    assert {labels[level] for labels in found.values()} == {"restricted"}
    assert {o["metadata"].get("namespace") for o in objects} == {None, GATEWAY, KERNELS}


def test_three_accounts_of_which_kernels_get_no_token(objects):
    found = {
        (o["metadata"]["namespace"], o["metadata"]["name"]): o.get("automountServiceAccountToken")
        for o in of_kind(objects, "ServiceAccount")
    }
    wanted = {(GATEWAY, "gateway"): False, (KERNELS, "kernel"): False, (KERNELS, "spark"): None}
    assert found == wanted
    assert the(objects, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"]


def rights(rules: list[Object]) -> set[tuple[str, str, str]]:
    """group, resource (and the one name), verb"""
    return {
        (group, "/".join([resource, *rule.get("resourceNames", [])]), word)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for word in rule["verbs"]
    }


def recorded(account: str, variant: str) -> set[tuple[str, str, str]]:
    return {(group, resource, word) for group, resource, word in CALLS[variant][account]}


def test_the_rights_are_those_that_a_real_cluster_saw_used_and_no_other(objects):
    roles = {o["metadata"]["name"]: rights(o["rules"]) for o in of_kind(objects, "Role")}
    assert roles == {name: recorded(name, "shared") for name in ("gateway", "spark")}
    assert not of_kind(objects, "ClusterRole")
    bound = {
        (o["roleRef"]["name"], s["namespace"], s["name"])
        for o in of_kind(objects, "RoleBinding")
        for s in o["subjects"]
    }
    assert bound == {("gateway", GATEWAY, "gateway"), ("spark", KERNELS, "spark")}
    assert {o["metadata"]["namespace"] for o in of_kind(objects, "Role")} == {KERNELS}


def test_what_a_request_may_name_is_what_there_is(objects):
    found = env(objects)
    assert found["EG_NAMESPACE"] == found["EG_KERNEL_NAMESPACES"] == KERNELS
    assert found["EG_SHARED_NAMESPACE"] == "True"
    accounts = {o["metadata"]["name"] for o in of_kind(objects, "ServiceAccount")}
    default = found["EG_DEFAULT_KERNEL_SERVICE_ACCOUNT_NAME"]
    assert default == found["EG_KERNEL_SERVICE_ACCOUNTS"] == "kernel"
    assert {"kernel", found["EG_SPARK_SERVICE_ACCOUNTS"]} < accounts


def test_the_kernels_are_all_those_of_this_platform(objects):
    graph = Workspace(str(ROOT)).graph
    wanted = {
        str(target.attrs["name"])
        for target in graph.targets.values()
        if target.rule.kind == "kernelspec"
        and target.attrs["process_proxy"].endswith(".KubernetesProcessProxy")
        and "gpu" not in target.label.name
    }
    assert set(env(objects)["EG_ALLOWED_KERNELS"].split(",")) == wanted
    assert env(objects)["EG_DEFAULT_KERNEL_NAME"] in wanted


def test_the_gateway_may_do_next_to_nothing_and_is_asked_how_it_is(objects):
    pod = the(objects, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [gateway] = pod["containers"]
    assert gateway["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    script = ROOT / "images/enterprise-gateway/check-enterprise-gateway.sh"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert gateway[probe]["exec"]["command"] == [f"/usr/local/bin/{script.name}"]
    assert pod["enableServiceLinks"] is False
    assert the(objects, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert the(objects, "Deployment")["spec"]["replicas"] == 1


def test_the_token_comes_from_a_secret_that_no_file_has(objects):
    assert not of_kind(objects, "Secret")
    [row] = [row for row in container(objects)["env"] if row["name"] == "EG_AUTH_TOKEN"]
    assert row["valueFrom"] == {"secretKeyRef": {"name": GATEWAY, "key": "token"}}


def test_service_budget_and_policies_mean_the_gateways_pod(objects):
    labels = the(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    service, budget = the(objects, "Service"), the(objects, "PodDisruptionBudget")
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels
    assert [port["port"] for port in service["spec"]["ports"]] == [8888]
    assert budget["spec"]["minAvailable"] == 1
    kernels = the(objects, "NetworkPolicy", "kernels")["spec"]
    assert kernels["podSelector"] == {}
    [rule] = kernels["ingress"]
    assert rule["from"][0]["podSelector"]["matchLabels"] == labels
    selector = rule["from"][0]["namespaceSelector"]["matchLabels"]
    assert selector == {"kubernetes.io/metadata.name": GATEWAY}


def test_the_variables_are_known(objects):
    page = (ROOT / "docs/images/enterprise-gateway.md").read_text("utf-8")
    page += (ROOT / "docs/deploy-kubernetes.md").read_text("utf-8")
    assert [name for name in env(objects) if name[:3] == "EG_" and f"`{name}`" not in page] == []


# -- Images ---------------------------------------------------------------------------------------


def test_no_file_names_an_image_that_the_graph_does_not_know(objects):
    graph = Workspace(str(ROOT)).graph
    known = {image_name(t) for t in graph.targets.values() if t.rule.is_image}
    rendered = {graph[parse_label(label)].attrs["out"] for label in rendered_targets()}
    found = set()
    for path in sorted([*FOLDER.rglob("*.yaml"), *FOLDER.rglob("*.yaml.in")]):
        for image in re.findall(r"^[\s-]*image: *(.*)$", path.read_text("utf-8"), re.MULTILINE):
            name = image.strip("\"'")
            if not name:
                continue  # a value of the chart that is empty
            if path.suffix == ".in":
                assert re.fullmatch(r"@[A-Z]+@", name), (path, name)
                continue
            assert str(path.relative_to(ROOT / "deploy")) in rendered, (path, name)
            if re.fullmatch(r"{{ \.Values\.[a-z.]*image }}", name):
                continue  # the chart's, whose values are looked at as any other file
            assert manifests.short(name) in known, (path, name)
            found.add(manifests.short(name))
    assert found == {"enterprise-gateway", "kernel-image-puller", "kernelspecs"}


def test_what_is_rendered_is_in_no_tree():
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    workspace = Workspace(str(ROOT))
    exports = [workspace.export(workspace.graph[parse_label(each)]) for each in rendered_targets()]
    paths = [each.path.removeprefix(str(ROOT)) for each in exports if each]
    assert [path for path in paths if path not in ignored] == ["/dist/enterprise-gateway.yaml"]
    assert "/dist/" in ignored


def test_the_file_of_a_release_is_the_default_under_upstreams_name():
    graph = Workspace(str(ROOT)).graph
    base, release = graph[parse_label(BASE)], graph[parse_label(f"{BASE}_release")]
    assert (release.files, release.deps) == (base.files, base.deps)
    assert release.rule.export(release, "2.5.0") == (
        "enterprise-gateway.yaml",
        "dist/enterprise-gateway.yaml",
    )


def images_json(tmp_path: Path, digest: str) -> str:
    image = {"name": GATEWAY, "repository": f"r.my.org/elyra/{GATEWAY}", "digest": digest}
    path = tmp_path / "images.json"
    path.write_text(json.dumps({"version": "2.5.0", "images": [image]}))
    return str(path)


def test_a_release_is_named_by_digest_and_where_it_has_none_by_tag(objects, tmp_path):
    own = json.loads(json.dumps(objects))
    digest = "sha256:" + "1" * 64
    manifests.set_images(own, manifests.released(images_json(tmp_path, digest), "2.5.0"))
    assert manifests.images(own) == [f"r.my.org/elyra/{GATEWAY}@{digest}"]
    known = manifests.released(images_json(tmp_path, ""), "2.5.0")
    assert known == {GATEWAY: f"r.my.org/elyra/{GATEWAY}:2.5.0"}


def test_another_release_and_an_image_it_has_not_are_refused(objects, tmp_path):
    with pytest.raises(InputError, match=r"is of 2\.5\.0"):
        manifests.released(images_json(tmp_path, ""), "2.6.0")
    with pytest.raises(InputError, match="the files of the release are not here"):
        manifests.released(str(tmp_path / "none.json"), "2.6.0")
    with pytest.raises(InputError, match="the release has no image enterprise-gateway"):
        manifests.set_images(json.loads(json.dumps(objects)), {})


@pytest.mark.parametrize(
    ("image", "name"),
    [("elyra/a:dev", "a"), ("localhost:5000/x/a", "a"), ("r/x/a@sha256:12", "a"), ("a", "a")],
)
def test_the_short_name_of_an_image(image, name):
    assert manifests.short(image) == name


# -- Another name ---------------------------------------------------------------------------------


def test_another_name_is_in_all_references_and_nothing_else_changes(objects):
    mine = manifests.renamed(objects, "team")
    names = [o["metadata"]["name"] for o in of_kind(mine, "Namespace")]
    assert names == ["team", "team-kernels"]
    assert {o["metadata"].get("namespace") for o in mine} == {None, "team", "team-kernels"}
    assert env(mine)["EG_NAMESPACE"] == env(mine)["EG_KERNEL_NAMESPACES"] == "team-kernels"
    assert container(mine)["image"] == container(objects)["image"]
    the(mine, "Deployment")  # within its namespace it is called as ever
    text = json.dumps(mine).replace('"team', f'"{GATEWAY}')
    assert json.loads(text) == objects
    assert manifests.renamed(objects, GATEWAY) == objects


# -- A cluster ------------------------------------------------------------------------------------


class Cluster:
    """What the stub knows, and the deployments from a workspace."""

    def __init__(self, tmp_path: Path) -> None:
        self.file = tmp_path / "cluster.json"
        self.said: list[str] = []
        folder = tmp_path / "deploy"
        folder.mkdir()
        (folder / "kubernetes").symlink_to(FOLDER)
        self.state = State(str(folder))
        self.write(
            objects=[], calls=[], minor="34", contexts={"lab": "https://lab:6443"}, current="lab",
            down=False, broken=False, log="a t0ken",
        )  # fmt: skip

    def write(self, **values: Any) -> None:
        known = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.file.write_text(json.dumps({**known, **values}))

    @property
    def known(self) -> dict[str, Any]:
        return json.loads(self.file.read_text())

    def there(self, kind: str) -> list[str]:
        return [o["metadata"]["name"] for o in of_kind(self.known["objects"], kind)]

    def add(self, kind: str, namespace: str, name: str, **labels: str) -> None:
        meta = {"name": name, "namespace": namespace, "labels": labels}
        version = "rbac.authorization.k8s.io/v1" if "Role" in kind else "v1"
        new = {"apiVersion": version, "kind": kind, "metadata": meta, "spec": {}}
        self.write(objects=[*self.known["objects"], new])

    def ask(self, **options: str) -> Any:
        name = options.pop("name", "")
        return run.parse_request(["kubernetes"], name, options.pop("port", ""), options)

    def check(self, **options: str) -> Any:
        return run.check(*self.ask(**options), EngineReach({}), self.state)

    def show(self, **options: str) -> str:
        self.said.clear()
        question = run.show(
            *self.ask(**options), "i", EngineReach({}), self.state, self.said.append
        )
        return str(question["question"])

    def up(self, image: str = "i", **options: str) -> Any:
        self.said.clear()
        return run.up(*self.ask(**options), image, EngineReach({}), self.state, self.said.append)

    def down(self, *words: str) -> list[str]:
        reach = lambda: EngineReach({})  # noqa: E731
        return list(run.down(words, "", reach, self.state, self.said.append)["removed"])


@pytest.fixture
def cluster(objects, tmp_path, monkeypatch) -> Cluster:
    made = Cluster(tmp_path)
    stub = tmp_path / "bin/kubectl"
    stub.parent.mkdir()
    program = ROOT / "tests/support/stub_kubectl.py"
    stub.write_text(f'#!/bin/sh\nexec {sys.executable} -S {program} "$@"\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STUB_CLUSTER", str(made.file))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name in ("EG_AUTH_TOKEN", "EG_CULL_IDLE_TIMEOUT", "EG_PULL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return made


def test_it_is_up_with_a_token_and_tells_the_way_to_it(cluster):
    answer = cluster.up(context="lab")
    assert answer["url"] == "http://127.0.0.1:8888"
    assert cluster.there("Namespace") == [GATEWAY, KERNELS]
    token = Path(cluster.state.token_path(GATEWAY, "kubernetes")).read_text().strip()
    assert len(token) == 48
    assert "kubectl --context lab --namespace enterprise-gateway port-forward" in cluster.said[1]
    assert not any(token in line for line in cluster.said)
    [secret] = of_kind(cluster.known["objects"], "Secret")
    assert secret["metadata"]["namespace"] == GATEWAY
    instance = {o["metadata"]["labels"][manifests.INSTANCE] for o in cluster.known["objects"]
                if not o.get("made_by")}  # fmt: skip
    assert instance == {GATEWAY}


def test_each_call_names_the_context(cluster):
    cluster.write(contexts={"lab": "https://lab:6443", "other": "https://prod"}, current="other")
    cluster.up(context="lab")
    cluster.down()
    changing = [c for c in cluster.known["calls"] if c[2:3] in (["apply"], ["delete"], ["scale"])]
    assert changing
    assert [c for c in cluster.known["calls"] if c[0] in ("apply", "delete", "scale")] == []
    assert {tuple(c[:2]) for c in changing} == {("--context", "lab")}


def test_without_a_context_somebody_has_to_agree(cluster):
    assert cluster.check()["asks"] == "lab"
    assert cluster.check(context="lab")["asks"] == ""
    question = cluster.show()
    assert question == "apply this to lab?"
    assert cluster.said[0] == "context:    lab (https://lab:6443)"
    assert any(line.startswith(f"new in {KERNELS}: ") for line in cluster.said)
    assert cluster.known["objects"] == []
    assert cluster.state.all() == []


def test_nothing_new_is_no_question_and_another_image_is_told(cluster):
    cluster.up(context="lab")
    assert cluster.show() == ""
    run_kind, request = cluster.ask()
    said: list[str] = []
    asked = run.show(run_kind, request, "other", EngineReach({}), cluster.state, said.append)
    assert asked["question"]
    assert said[2:] == ["+Deployment enterprise-gateway"]


def test_settings_of_the_environment_reach_the_gateway_and_are_remembered(cluster, monkeypatch):
    monkeypatch.setenv("EG_CULL_IDLE_TIMEOUT", "60")
    cluster.up(context="lab")
    monkeypatch.delenv("EG_CULL_IDLE_TIMEOUT")
    cluster.up(context="lab")
    assert env(cluster.known["objects"])["EG_CULL_IDLE_TIMEOUT"] == "60"


def test_what_is_no_longer_wanted_goes(cluster):
    cluster.up(context="lab")
    cluster.add("Service", GATEWAY, "old", **{manifests.INSTANCE: GATEWAY})
    cluster.add("Service", GATEWAY, "somebody-elses")
    assert cluster.show()
    assert f"goes from {GATEWAY}: Service old" in cluster.said
    cluster.up(context="lab")
    assert sorted(cluster.there("Service")) == [GATEWAY, "somebody-elses"]


def test_a_gateway_that_does_not_start_is_told_with_the_pods_own_reason(cluster, monkeypatch):
    monkeypatch.setenv("EG_AUTH_TOKEN", "t0ken")
    cluster.write(broken=True)
    with pytest.raises(ActionError, match="ImagePullBackOff: no such image") as error:
        cluster.up(context="lab")
    assert error.value.fix == "kubectl --context lab --namespace enterprise-gateway describe pod"
    assert error.value.detail == "a …\n"  # the log, without the token
    assert cluster.down()  # what did not start is removed, too
    assert cluster.there("Namespace") == []


def test_another_cluster_is_never_taken(cluster):
    cluster.up(context="lab")
    cluster.write(contexts={"lab": "https://lab:6443", "prod": "https://prod"}, current="prod")
    with pytest.raises(InputError, match="is deployed to the cluster of context lab, not prod"):
        cluster.check()
    cluster.write(contexts={"lab": "https://prod"}, current="lab")
    with pytest.raises(InputError, match="another cluster"):
        cluster.down()
    assert cluster.there("Namespace") == [GATEWAY, KERNELS]


def test_namespaces_of_somebody_else_are_not_taken(cluster):
    cluster.add("Namespace", "", KERNELS)
    with pytest.raises(InputError, match="on this cluster that was not started from this"):
        cluster.up(context="lab")
    assert cluster.there("Deployment") == []


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ({"minor": "20"}, {}, "this kubectl is v1.20.0, and 1.27 is needed"),
        ({"current": ""}, {}, "kubectl has no current context"),
        ({}, {"context": "lob"}, "kubectl has no context lob: there are lab"),
        ({"down": True}, {}, "kubectl get failed"),
        ({}, {"overlay": "pullr"}, "there is no overlay pullr"),
    ],
)
def test_what_cannot_be_deployed_to_is_refused_before_anything_is_built(
    cluster, values, options, said
):
    cluster.write(**values)
    with pytest.raises((InputError, ActionError), match=said) as error:
        cluster.check(**options)
    assert error.value.fix


def test_without_kubectl_it_is_told_where_to_get_it(cluster, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="there is no kubectl on PATH") as error:
        cluster.check()
    assert "kubernetes.io" in str(error.value.fix)


def test_the_same_name_on_an_engine_is_another_deployment(cluster):
    cluster.state.put(Deployment("compose", GATEWAY, {}))
    cluster.up(context="lab")
    assert [each.kind for each in cluster.state.all()] == ["compose", "kubernetes"]
    assert cluster.down("kubernetes")
    assert [each.kind for each in cluster.state.all()] == ["compose"]


def test_the_gateway_stops_first_then_its_kernels_then_the_rest_goes(cluster):
    cluster.up(context="lab")
    labels = {"app": GATEWAY, "component": "kernel", "kernel_id": "1"}
    cluster.add("Pod", KERNELS, "alice-1", **labels)
    cluster.add("Pod", "elsewhere", "bob-2", **labels)
    removed = cluster.down()
    assert removed[0] == "pod alice-1"
    assert cluster.there("Pod") == ["bob-2"]
    acts = [c[2] for c in cluster.known["calls"] if c[2:3] in (["scale"], ["delete"])]
    assert acts[0] == "scale"
    assert cluster.there("Namespace") == []
    assert cluster.state.all() == []


def test_namespaces_that_the_gateway_made_are_found_by_its_role(cluster):
    cluster.up(context="lab")
    labels = {"app": GATEWAY, "component": "kernel"}
    for namespace, role in (("alice-1", f"{GATEWAY}-spark"), ("bob-2", "another-spark")):
        cluster.add("Namespace", "", namespace, **labels)
        cluster.add("RoleBinding", namespace, role, **labels)
    found = cluster.known["objects"]
    for each in of_kind(found, "RoleBinding"):
        each.setdefault("roleRef", {"name": each["metadata"]["name"]})
    cluster.write(objects=found)
    cluster.add("ClusterRole", "", f"{GATEWAY}-spark", **{manifests.INSTANCE: GATEWAY})
    platform = kubernetes.Kubernetes(Kubectl("lab"), GATEWAY)
    assert platform.kernel_namespaces() == [KERNELS, "alice-1"]
    assert "namespace alice-1" in cluster.down()
    assert cluster.there("Namespace") == ["bob-2"]


def test_a_login_reaches_the_namespaces_whose_accounts_name_it(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {"r.my.org": {"auth": "eDp5"}}}))
    account = {"kind": "ServiceAccount", "imagePullSecrets": [{"name": "registry"}]}
    objects = [
        {**account, "metadata": {"name": "kernel", "namespace": "kernels"}},
        {"kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "other"}},
    ]
    [made] = manifests.secrets(objects, "", str(config))
    assert (made["metadata"]["namespace"], made["type"]) == (
        "kernels",
        "kubernetes.io/dockerconfigjson",
    )
    config.write_text(json.dumps({"auths": {"r.my.org": {}}, "credsStore": "desktop"}))
    with pytest.raises(InputError, match="has no login; a helper"):
        manifests.secrets(objects, "", str(config))


# -- Files ----------------------------------------------------------------------------------------


def test_render_asks_no_cluster_and_has_no_secret(cluster, tmp_path):
    answer = run.render(*cluster.ask(render=str(tmp_path / "out"), name="team"), cluster.state,
                        cluster.said.append)  # fmt: skip
    [path] = answer["files"]
    found = manifests.read(Path(path).read_text(), path)
    assert cluster.known["calls"] == []
    assert not of_kind(found, "Secret")
    assert [o["metadata"]["name"] for o in of_kind(found, "Namespace")] == ["team", "team-kernels"]
    assert "kubectl create secret generic enterprise-gateway --namespace team" in cluster.said[-1]
    assert not os.path.exists(f"{cluster.state.folder}/{REMEMBERED}")
    assert cluster.check(render="out")["acts"] == ["render"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compose", "context"], "--context is for kubernetes, not for compose"),
        (["swarm", "render"], "--render is for kubernetes"),
        (["kubernetes", "init"], "--init is for swarm"),
    ],
)
def test_an_option_of_another_platform_is_refused(words, said):
    with pytest.raises(InputError, match=said):
        run.parse_request(words[:1], "", "", {words[1]: "x"})


# -- The verb -------------------------------------------------------------------------------------


def test_without_a_terminal_and_without_a_context_nothing_is_done(cluster, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["deploy", "kubernetes", "--no-build", "--name", "team"]) == 3
    told = capsys.readouterr().err
    assert "deploy changes the cluster of context lab only if it is told to" in told
    assert "fix: ./doitw deploy kubernetes --no-build --name team --context lab" in told
    assert not State(str(ROOT / "deploy")).get("team", "kubernetes")
    assert cluster.known["objects"] == []


@pytest.mark.parametrize(
    ("typed", "agreed"),
    [("y\n", True), ("Yes\n", True), ("\n", False), ("", False), ("no\n", False)],
)
def test_only_yes_is_yes(typed, agreed, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert verb.agreed("apply this to lab?") is agreed
    assert "apply this to lab? [y/N]" in capsys.readouterr().err
