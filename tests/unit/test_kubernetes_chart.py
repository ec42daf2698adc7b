"""The Helm chart of `deploy/kubernetes`, through helm itself: the same objects as the YAML."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy import manifests
from tests.support.deploy_rendered import render_deploy
from tests.support.go_program import go_program
from tests.support.kustomized import kustomize

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
CHART = FOLDER / "chart"
VERSIONS = ("1.27", "1.31", "1.34")
FOR = ("--kube-version", "1.34.0")
"""Without a cluster, helm takes one of its own age."""
SAME = {"createNamespace": True}
"""What `./doitw deploy` does: helm's own users have the namespace of their release already."""

Object = dict[str, Any]
Template = Callable[..., list[Object]]


@pytest.fixture(scope="module")
def helm(tmp_path_factory) -> str:
    render_deploy(tmp_path_factory.mktemp("store"))
    return go_program("helm")


@pytest.fixture
def template(helm, tmp_path) -> Template:
    """`template(namespace, values)`: the objects that helm makes of the chart."""

    def objects(values: Any, namespace: str = "enterprise-gateway") -> list[Object]:
        file = tmp_path / "values.json"
        file.write_text(json.dumps(values))
        command = [helm, "template", "x", str(CHART), *FOR, "-n", namespace, "-f", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return manifests.read(done.stdout, "the chart")

    return objects


@pytest.fixture(scope="module")
def kustomized(helm, tmp_path_factory) -> Callable[[str], list[Object]]:
    """`kustomized(overlay)`: the objects of the base with an overlay."""
    return kustomize(tmp_path_factory.mktemp("kustomize"))


def known(objects: list[Object]) -> dict[Any, Object]:
    return {manifests.key_of(each): each for each in objects}


def ordered(objects: list[Object]) -> dict[Any, Object]:
    """`known`, with variables, mounts and volumes by name: their order means nothing."""
    for each in objects:
        if each["kind"] == "Deployment":
            pod = each["spec"]["template"]["spec"]
            [container] = pod["containers"]
            for rows in (container["env"], container["volumeMounts"], pod["volumes"]):
                rows.sort(key=lambda row: row["name"])
    return known(objects)


def base() -> list[Object]:
    return manifests.read((FOLDER / "base/enterprise-gateway.yaml").read_text("utf-8"), "base")


def overlay(name: str) -> list[Object]:
    return manifests.read((FOLDER / f"overlays/{name}").read_text("utf-8"), name)


def test_the_default_is_the_base_object_by_object(template):
    assert known(template(SAME)) == known(base())


def test_in_another_namespace_it_is_the_deployment_of_that_name(template):
    assert known(template(SAME, "team")) == known(manifests.renamed(base(), "team"))


def test_the_namespace_of_a_release_is_helms_where_nobody_asks_for_it(template):
    gone = known(base()).keys() - known(template({})).keys()
    assert gone == {("Namespace.", "", "enterprise-gateway")}


def test_puller_and_ingress_are_those_of_the_overlays(template):
    ingress = {"enabled": True, "hostName": "gateway.example.com"}
    made = known(template({**SAME, "kip": {"enabled": True}, "ingress": ingress}))
    wanted = [*base(), *overlay("puller/puller.yaml"), *overlay("ingress/ingress.yaml")]
    assert made == known(wanted)
    assert all(each in template({"kip": {"enabled": True}}, "team") for each in [
        o for o in manifests.renamed(wanted, "team")
        if o["metadata"].get("namespace") == "team-puller"
    ])  # fmt: skip


# What takes an overlay with kustomize, and what the same is for helm.
OVERLAYS = [
    ("namespace-per-kernel", {"kernel": {"namespacePerKernel": True}}),
    ("kernelspecs-pvc", {"kernelspecs": {"claim": "kernelspecs"}}),
    (
        "kernelspecs-nfs",
        {"kernelspecs": {"nfs": {"server": "nfs.example.com", "path": "/srv/kernelspecs"}}},
    ),
    ("openshift", {"openshift": True}),
]


@pytest.mark.parametrize(("name", "values"), OVERLAYS, ids=[name for name, _ in OVERLAYS])
def test_what_an_overlay_does_a_value_does_object_by_object(template, kustomized, name, values):
    wanted = kustomized(name)
    made = template({**SAME, **values})
    assert ordered(made) == ordered(wanted)
    again = manifests.renamed(wanted, "team")
    assert ordered(template({**SAME, **values}, "team")) == ordered(again)
    for version in VERSIONS:
        for each in made:
            kubernetes_validate.validate(each, version, strict=True)


def test_kernelspecs_come_from_an_image_as_by_the_overlay(template, kustomized):
    wanted = kustomized("kernelspecs-image")
    [image] = [name for name in manifests.images(wanted) if "/kernelspecs:" in name]
    made = template({**SAME, "kernelspecs": {"image": image}})
    assert ordered(made) == ordered(wanted)


def test_gpus_are_limited_as_by_the_overlay(template):
    made = known(template({**SAME, "kernel": {"gpus": 4}}))
    assert made == known([*base(), *overlay("gpus/quota.yaml")])


def test_values_are_where_they_belong_and_are_data(template):
    values = {
        **SAME,
        "image": "r.my.org/x@sha256:1",
        "imagePullSecrets": [{"name": "registry"}],
        "tokenSecret": "mine",
        "logLevel": "DEBUG",
        "kernel": {
            "allowedKernels": ["a", "b"], "defaultKernelName": "b", "launchTimeout": 7,
            "cullIdleTimeout": 10_000_000, "cullConnected": True,
        },
        "extraEnv": {"EG_CULL_INTERVAL": 30, "EG_X": 'a "b": {{ c }}'},
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
    }  # fmt: skip
    objects = template(values)
    pod = known(objects)["Deployment.apps", "enterprise-gateway", "enterprise-gateway"]["spec"][
        "template"
    ]["spec"]
    env = {row["name"]: row.get("value") for row in pod["containers"][0]["env"]}
    assert pod["containers"][0]["image"] == "r.my.org/x@sha256:1"
    assert (pod["nodeSelector"], pod["tolerations"]) == (
        values["nodeSelector"],
        values["tolerations"],
    )
    wanted = {
        "EG_ALLOWED_KERNELS": "a,b", "EG_DEFAULT_KERNEL_NAME": "b", "EG_LOG_LEVEL": "DEBUG",
        "EG_KERNEL_LAUNCH_TIMEOUT": "7", "EG_CULL_IDLE_TIMEOUT": "10000000",
        "EG_CULL_CONNECTED": "True", "EG_CULL_INTERVAL": "30", "EG_X": 'a "b": {{ c }}',
    }  # fmt: skip
    assert wanted.items() <= env.items()
    accounts = [each for each in objects if each["kind"] == "ServiceAccount"]
    assert [each["imagePullSecrets"] for each in accounts] == [[{"name": "registry"}]] * 3
    for version in VERSIONS:
        for each in objects:
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"imagee": "x"}, "imagee"),
        ({"logLevel": "LOUD"}, "logLevel"),
        ({"kernel": {"cullIdleTimeout": "soon"}}, "cullIdleTimeout"),
        ({"kernel": {"allowedKernels": ["a b"]}}, "allowedKernels"),
        ({"ingress": {"enabled": True}}, "hostName"),
        ({"extraEnv": {"a b": "x"}}, "a b"),
        ({"kernelspecs": {"image": "x", "claim": "y"}}, "say one of image, claim and nfs.server"),
        ({"kernelspecs": {"nfs": {"server": "x"}}}, "path"),
        ({"kernel": {"namespacePerKernel": True, "gpus": 1}}, "gpus"),
    ],
)
def test_what_the_schema_does_not_know_is_refused(helm, tmp_path, values, said):
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    command = [helm, "template", "x", str(CHART), *FOR, "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_helm_finds_nothing_to_say(helm):
    command = [helm, "lint", "--strict", str(CHART)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_value_is_in_the_schema_and_on_the_page():
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    page = (ROOT / "docs/deploy-kubernetes.md").read_text("utf-8")
    for name, value in values.items():
        part = schema["properties"][name]
        inner = list(value) if isinstance(value, dict) else []
        assert set(inner) <= set(part.get("properties", {}))
        names = [f"{name}.{each}" for each in inner] or [name]
        assert [each for each in names if f"`{each}`" not in page] == []
