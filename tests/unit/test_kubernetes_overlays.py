"""The overlays of `deploy/kubernetes`, through kustomize itself: what each changes, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import parse_label
from buildlib.core.model.target import image_name
from buildlib.errors import InputError
from deploy import manifests
from deploy.overlays import BASE, Overlays
from tests.support.deploy_rendered import render_deploy
from tests.support.kustomized import kustomize

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
NAMES = sorted(path.name for path in (FOLDER / "overlays").iterdir())
VERSIONS = ("1.27", "1.31", "1.34")
GATEWAY, KERNELS = "enterprise-gateway", "enterprise-gateway-kernels"
CALLS = json.loads((ROOT / "tests/support/kubernetes_calls.json").read_text("utf-8"))
TOGETHER = ("kernelspecs-image", "ingress", "puller", "private-registry", "gpus")

Object = dict[str, Any]
Make = Callable[..., list[Object]]


@pytest.fixture(scope="module")
def make(tmp_path_factory) -> Make:
    """`make("puller", …)`: the objects of the base with these overlays, as `deploy` gets them."""
    render_deploy(tmp_path_factory.mktemp("store"), BASE)
    return kustomize(tmp_path_factory.mktemp("kustomize"))


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    return {o["metadata"]["name"]: o for o in objects if o["kind"] == kind}


def pods(objects: list[Object]) -> dict[str, Object]:
    """Pods by the name of what makes them."""
    return {
        o["metadata"]["name"]: {**o["spec"]["template"], "namespace": o["metadata"]["namespace"]}
        for o in objects
        if "template" in o.get("spec", {})
    }


def env(objects: list[Object]) -> dict[str, Any]:
    [container] = pods(objects)[GATEWAY]["spec"]["containers"]
    return {row["name"]: row.get("value") for row in container["env"]}


def changed(before: list[Object], after: list[Object]) -> tuple[set[str], set[str], set[str]]:
    """Objects that are new, that are gone, and that are others than before."""
    old = {manifests.key_of(o): o for o in before}
    new = {manifests.key_of(o): o for o in after}
    titles = lambda keys, found: {manifests.title(found[key]) for key in keys}  # noqa: E731
    other = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    return (
        titles(new.keys() - old.keys(), new),
        titles(old.keys() - new.keys(), old),
        titles(other, new),
    )


def unrestricted(pod: Object) -> list[str]:
    """What Pod Security of level `restricted` refuses in a pod, as far as ours could."""
    spec = pod["spec"]
    found = []
    context = spec.get("securityContext", {})
    if not context.get("runAsNonRoot") or context.get("runAsUser") == 0:
        found.append("root")
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("seccomp")
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    for volume in spec.get("volumes", []):
        found += [f"volume {kind}" for kind in volume.keys() - {"name"} - allowed]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            found.append(f"escalation in {container['name']}")
        if own.get("capabilities") != {"drop": ["ALL"]}:
            found.append(f"capabilities of {container['name']}")
    return found


# -- All of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [(name,) for name in NAMES] + [TOGETHER], ids=",".join)
def test_all_is_valid_its_images_are_known_and_pods_fit_their_namespaces(make, names):
    objects = make(*names)
    for version in VERSIONS:
        for each in objects:
            kubernetes_validate.validate(each, version, strict=True)
    graph = Workspace(str(ROOT)).graph
    known = {image_name(t) for t in graph.targets.values() if t.rule.is_image}
    assert {manifests.short(image) for image in manifests.images(objects)} <= known
    levels = {
        name: o["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for name, o in of_kind(objects, "Namespace").items()
    }
    for pod in pods(objects).values():
        refused = unrestricted(pod)
        assert bool(refused) == (levels[pod["namespace"]] == "privileged"), refused
    namespaces = {o["metadata"].get("namespace") for o in objects} - {None}
    assert namespaces <= set(levels)


@pytest.mark.parametrize("name", NAMES)
def test_under_another_name_nothing_is_left_of_the_usual_one(make, name):
    objects = make(name)
    mine = manifests.renamed(objects, "team")
    for each in mine:
        meta = each["metadata"]
        assert (meta.get("namespace") or meta["name"]).startswith("team"), manifests.title(each)
    assert not re.search(
        r'"enterprise-gateway-(kernels|spark|puller|controller)"', json.dumps(mine)
    )
    for each in mine:
        for subject in each.get("subjects", []):
            assert subject["namespace"].startswith("team")


def test_each_has_a_page(make):
    page = (ROOT / "docs/deploy-kubernetes.md").read_text("utf-8")
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []


# -- Each -----------------------------------------------------------------------------------------


def test_a_namespace_per_kernel_has_the_recorded_rights_and_no_namespace_for_all(make):
    objects = make("namespace-per-kernel")
    assert not of_kind(objects, "Role")
    assert list(of_kind(objects, "Namespace")) == [GATEWAY]
    roles = of_kind(objects, "ClusterRole")
    for account, name in (("gateway", f"{GATEWAY}-controller"), ("spark", f"{GATEWAY}-spark")):
        rights = {
            (group, "/".join([resource, *rule.get("resourceNames", [])]), verb)
            for rule in roles[name]["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        assert rights == {tuple(row) for row in CALLS["namespace per kernel"][account]}
    [binding] = of_kind(objects, "ClusterRoleBinding").values()
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "gateway", "namespace": GATEWAY}
    ]
    found = env(objects)
    assert found["EG_KERNEL_CLUSTER_ROLE"] in roles
    assert found["EG_SHARED_NAMESPACE"] == "False"
    named = {"EG_NAMESPACE", "EG_KERNEL_NAMESPACES", "EG_SPARK_SERVICE_ACCOUNTS"}
    assert not named & found.keys()  # only what the gateway makes for a kernel


@pytest.mark.parametrize("name", ["kernelspecs-pvc", "kernelspecs-nfs", "kernelspecs-image"])
def test_kernelspecs_from_elsewhere_take_the_place_of_the_images(make, name):
    objects = make(name)
    new, gone, other = changed(make(), objects)
    volume = {
        "PersistentVolume enterprise-gateway-kernelspecs",
        "PersistentVolumeClaim kernelspecs",
    }
    assert new == (volume if name == "kernelspecs-nfs" else set())
    assert (gone, other) == (set(), {f"Deployment {GATEWAY}"})
    spec = pods(objects)[GATEWAY]["spec"]
    mounts = {m["name"]: m for m in spec["containers"][0]["volumeMounts"]}
    assert mounts["kernelspecs"] == {
        "name": "kernelspecs", "mountPath": "/usr/local/share/jupyter/kernels", "readOnly": True,
    }  # fmt: skip
    assert {"tmp", "kernelspecs"} == {v["name"] for v in spec["volumes"]}
    if name == "kernelspecs-image":
        [init] = spec["initContainers"]
        assert manifests.short(init["image"]) == "kernelspecs"
        assert init["volumeMounts"][0]["name"] == "kernelspecs"


def test_an_ingress_leads_to_the_service_by_tls(make):
    new, gone, other = changed(make(), make("ingress"))
    assert (new, gone, other) == ({f"Ingress {GATEWAY}"}, set(), set())
    [found] = of_kind(make("ingress"), "Ingress").values()
    [rule] = found["spec"]["rules"]
    service = rule["http"]["paths"][0]["backend"]["service"]
    [port] = of_kind(make(), "Service")[service["name"]]["spec"]["ports"]
    assert service["port"]["name"] == port["name"]
    assert found["spec"]["tls"][0]["hosts"] == [rule["host"]]


@pytest.mark.parametrize("name", ["ingress", "kernelspecs-nfs"])
def test_an_address_that_stands_for_the_users_own_is_seen(make, name):
    assert manifests.examples(make(name))
    assert not manifests.examples(make())


def test_a_login_is_in_all_accounts_and_the_puller_has_it_as_a_file(make, tmp_path):
    objects = make("puller", "private-registry")
    accounts = of_kind(objects, "ServiceAccount")
    assert set(accounts) == {"gateway", "kernel", "spark", "puller"}
    pulls = [account["imagePullSecrets"] for account in accounts.values()]
    assert pulls == [[{"name": "registry"}]] * 4
    spec = pods(objects)["kernel-image-puller"]["spec"]
    [mount] = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "registry"]
    [config] = [e for e in spec["containers"][0]["env"] if e["name"] == "DOCKER_CONFIG"]
    assert mount["mountPath"].startswith(config["value"] + "/")
    login = tmp_path / "config.json"
    login.write_text(json.dumps({"auths": {"r": {"auth": "eA=="}}}))
    made = {
        (o["metadata"]["namespace"], o["metadata"]["name"])
        for o in manifests.secrets(objects, "t", str(login))
    }
    puller = f"{GATEWAY}-puller"
    assert made == {
        (GATEWAY, GATEWAY), (GATEWAY, "registry"), (KERNELS, "registry"),
        (puller, GATEWAY), (puller, "registry"),
    }  # fmt: skip


def test_the_puller_is_alone_in_a_namespace_that_may_what_it_needs(make):
    objects = make("puller")
    new, gone, other = changed(make(), objects)
    assert (gone, other) == (set(), set())
    own = f"{GATEWAY}-puller"
    assert new == {f"Namespace {own}", "ServiceAccount puller", "DaemonSet kernel-image-puller"}
    pod = pods(objects)["kernel-image-puller"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert unrestricted(pod) == ["volume hostPath"]
    labels = of_kind(objects, "Namespace")[own]["metadata"]["labels"]
    rules = of_kind(objects, "NetworkPolicy")["gateway"]["spec"]["ingress"]
    [wanted] = [each["namespaceSelector"]["matchLabels"] for each in rules[0]["from"][1:]]
    assert wanted.items() <= labels.items()


def test_gpus_are_allowed_up_to_a_number(make):
    objects = make("gpus")
    more = set(env(objects)["EG_ALLOWED_KERNELS"].split(","))
    assert more - set(env(make())["EG_ALLOWED_KERNELS"].split(",")) == {"python_tf_gpu_kubernetes"}
    [quota] = of_kind(objects, "ResourceQuota").values()
    assert (quota["metadata"]["namespace"], list(quota["spec"]["hard"])) == (
        KERNELS,
        ["requests.nvidia.com/gpu"],
    )


def test_on_openshift_no_pod_names_a_user(make):
    objects = make("openshift")
    assert changed(make(), objects) == (set(), set(), {f"Deployment {GATEWAY}"})
    context = pods(objects)[GATEWAY]["spec"]["securityContext"]
    assert not context.keys() & {"runAsUser", "runAsGroup", "fsGroup"}
    more = set(env(objects).items()) - set(env(make()).items())
    assert more == {("EG_KUBERNETES_CLUSTER_UIDS", "True")}


# -- Of one's own ---------------------------------------------------------------------------------


def test_the_example_of_the_page_is_an_overlay(make, tmp_path):
    page = (ROOT / "docs/deploy-kubernetes.md").read_text("utf-8")
    [example] = re.findall(
        r"```yaml\n# my-gateway/kustomization.yaml.*?\n(.*?)```", page, re.DOTALL
    )
    (tmp_path / "deploy").mkdir()
    # Not a link: kustomize follows it, and the paths in the example would lead elsewhere.
    for path in sorted(FOLDER.rglob("*.yaml")):
        copy = tmp_path / "deploy/kubernetes" / path.relative_to(FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    own = tmp_path / "my-gateway"
    own.mkdir()
    (own / "kustomization.yaml").write_text(example)
    overlays = Overlays(str(ROOT / "deploy"))
    [folder] = overlays.chosen(str(own))
    objects = make(folder)
    assert of_kind(objects, "Ingress")[GATEWAY]["spec"]["rules"][0]["host"] == "gateway.my.org"
    assert env(objects)["EG_DEFAULT_KERNEL_NAME"] == "R_kubernetes"
    assert not manifests.examples(objects)
    assert overlays.targets([folder])["also"] == [
        f"{BASE}_{name}" for name in ("gpus", "kernelspecs-image", "openshift", "puller")
    ]


def test_a_folder_without_a_kustomization_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no kustomization\.yaml"):
        Overlays(str(ROOT / "deploy")).chosen(str(tmp_path))


def test_what_is_rendered_is_found_by_its_name():
    graph = Workspace(str(ROOT)).graph
    for name in NAMES:
        for label in Overlays(str(ROOT / "deploy")).targets([name])["targets"]:
            assert parse_label(label) in graph.targets
