"""The scripts that start kernels on Kubernetes: what they accept, ask a cluster for, and say."""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import MaxRetryError

from tests.fakes.cluster import (
    BEGINS,
    RUNS,
    Cluster,
    ended,
    serving,
    unschedulable,
    waits,
)
from tests.support.chance import examples

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HERE = ROOT / "launchers/kubernetes"
SHARED = ROOT / "launchers/docker"
for folder in (HERE, SHARED):  # as for the scripts themselves: their modules lie beside them
    sys.path.append(str(folder))
pods: Any = importlib.import_module("launch_kubernetes")
resources: Any = importlib.import_module("launch_custom_resource")
kube: Any = importlib.import_module("kube_client")
watching: Any = importlib.import_module("kube_watch")
values_of: Any = importlib.import_module("kube_values")
manifest: Any = importlib.import_module("kube_manifest")
errors: Any = importlib.import_module("launch_errors")

ID = "0b6a2c4e-0000-4000-8000-123456789abc"
GIVEN = {
    "kernel-id": ID,
    "response-address": "10.0.0.1:8877",
    "public-key": "MIGf+/=",
    "port-range": "0..0",
    "spark-context-initialization-mode": "",
    "kernel-class-name": "",
}
ENV = {
    "KERNEL_POD_NAME": f"alice-{ID}",
    "KERNEL_NAMESPACE": f"alice-{ID}",  # as the gateway makes one for a kernel
    "KERNEL_IMAGE": "localhost:5000/elyra/kernel-py:dev",
    "KERNEL_SERVICE_ACCOUNT_NAME": "default",
    "KERNEL_USERNAME": "alice",
    "KERNEL_UID": "1000",
    "KERNEL_GID": "100",
}
OPERATOR = {
    **ENV,
    "KERNEL_RESOURCE_NAME": f"alice-{ID}",
    "KERNEL_EXECUTOR_IMAGE": "elyra/kernel-spark-py:dev",
    "KERNEL_CRD_GROUP": "sparkoperator.k8s.io",
    "KERNEL_CRD_VERSION": "v1beta2",
    "KERNEL_CRD_PLURAL": "sparkapplications",
}
EVERYTHING = {
    "KERNEL_CPUS": "500m",
    "KERNEL_CPUS_LIMIT": "2",
    "KERNEL_MEMORY": "512Mi",
    "KERNEL_MEMORY_LIMIT": "2g",
    "KERNEL_GPUS": "1",
    "KERNEL_WORKING_DIR": "/home/jovyan/work",
    "KERNEL_VOLUMES": '[{"name": "sets", "persistentVolumeClaim": {"claimName": "sets"}}]',
    "KERNEL_VOLUME_MOUNTS": "[{name: sets, mountPath: /data, readOnly: true, subPath: a}]",
    "KERNEL_IMAGE_PULL_SECRETS": "one, two.three",
    "KERNEL_NODE_SELECTOR": "{accelerator: 'true', example.com/zone: a}",
    "KERNEL_TOLERATIONS": "[{key: gpu, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]",
}


def request(env: dict[str, str], *, for_spark: bool = False) -> Any:
    folder = Path("/kernels/python_kubernetes")
    return values_of.read_request(GIVEN, env, folder, for_spark=for_spark)


def pod(*, for_spark: bool = False, **env: str) -> Any:
    asked = request(ENV | env, for_spark=for_spark)
    return pods.objects_of(asked, HERE / pods.TEMPLATE)["Pod"]


def application(**env: str) -> Any:
    return resources.object_of(request(OPERATOR | env, for_spark=True), HERE)


def refusal(*, for_spark: bool = False, **env: str) -> Any:
    with pytest.raises(errors.LaunchError) as caught:
        pod(for_spark=for_spark, **env)
    assert caught.value.code == 65
    return str(caught.value) + caught.value.fix


def unknown(value: Any, kind: str, where: str = "") -> list[str]:
    """Fields that the official client's models do not have, or have with another type."""
    parts: list[tuple[Any, str, str]] = []  # value, kind, where
    model = getattr(client.models, kind, None)
    if kind.lower().startswith("list[") and isinstance(value, list):
        parts = [(item, kind[5:-1], f"{where}[{i}]") for i, item in enumerate(value)]
    elif kind.lower().startswith("dict[") and isinstance(value, dict):
        inner = kind[5:-1].split(", ")[1]
        parts = [(item, inner, f"{where}.{name}") for name, item in value.items()]
    elif model is not None and isinstance(value, dict):
        names = {json_name: name for name, json_name in model.attribute_map.items()}
        for name, item in value.items():
            field = model.openapi_types[names[name]] if name in names else "none such"
            parts.append((item, field, f"{where}.{name}"))
    elif type(value).__name__ != kind and kind != "object":
        return [f"{where}: {value!r}"]
    return [found for part in parts for found in unknown(*part)]


# -- The pod ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, EVERYTHING])
def test_the_pod_has_only_fields_that_kubernetes_knows(more):
    made = pod(**more)
    assert unknown(made, "V1Pod") == []
    api = client.ApiClient()
    read = api.deserialize(json.dumps(made), "V1Pod", "application/json")
    again = api.sanitize_for_serialization(read)
    for name in ("volumes", "volumeMounts", "env"):  # the client drops empty lists
        for holder in (made["spec"], made["spec"]["containers"][0]):
            if holder.get(name) == []:
                del holder[name]
    assert again == made


def test_the_check_of_fields_finds_what_kubernetes_does_not_know():
    made = pod()
    made["spec"]["containers"][0]["imagePullPolice"] = "Always"
    made["spec"]["securityContext"]["runAsUser"] = "1000"
    assert unknown(made, "V1Pod") == [
        ".spec.securityContext.runAsUser: '1000'", ".spec.containers[0].imagePullPolice: 'Always'"
    ]  # fmt: skip


def test_the_gateway_finds_the_pod():
    found = pod()
    assert (found["apiVersion"], found["kind"]) == ("v1", "Pod")
    metadata = found["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (f"alice-{ID}", f"alice-{ID}")
    assert metadata["labels"] == {
        "kernel_id": ID, "app": "enterprise-gateway", "component": "kernel",
        "source": "kernel-pod.yaml",
    }  # fmt: skip
    assert metadata["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    assert found["spec"]["restartPolicy"] == "Never"
    assert found["spec"]["serviceAccountName"] == "default"


def test_the_pod_has_no_more_rights_than_it_needs():
    spec = pod()["spec"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 100, "fsGroup": 100,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    [container] = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip
    # The gateway refuses 0, unless its administrator allows it.
    assert pod(KERNEL_UID="0")["spec"]["securityContext"]["runAsNonRoot"] is False


def test_everything_that_may_be_asked_for_is_in_the_pod():
    spec = pod(**EVERYTHING)["spec"]
    [container] = spec["containers"]
    assert container["image"] == ENV["KERNEL_IMAGE"]
    assert container["workingDir"] == "/home/jovyan/work"
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi", "nvidia.com/gpu": "1"},
        "limits": {"cpu": "2", "memory": "2Gi", "nvidia.com/gpu": "1"},
    }
    mount = {"name": "sets", "mountPath": "/data", "readOnly": True, "subPath": "a"}
    assert container["volumeMounts"] == [mount]
    assert spec["volumes"] == [{"name": "sets", "persistentVolumeClaim": {"claimName": "sets"}}]
    assert spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two.three"}]
    assert spec["nodeSelector"] == {"accelerator": "true", "example.com/zone": "a"}
    assert spec["tolerations"] == [
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    ]


def test_what_is_not_asked_for_is_not_there():
    spec = pod()["spec"]
    assert not {"imagePullSecrets", "nodeSelector", "tolerations"} & spec.keys()
    [container] = spec["containers"]
    assert container["resources"] == {}
    assert "workingDir" not in container


@pytest.mark.parametrize("missing", ["KERNEL_POD_NAME", "KERNEL_NAMESPACE", "KERNEL_IMAGE"])
def test_what_the_gateway_always_sets_has_to_be_there(missing):
    env = {"EG_KERNEL_NAMESPACES": ENV["KERNEL_NAMESPACE"], missing: ""}
    assert f"{missing} is not set" in refusal(**env)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KERNEL_POD_NAME", "Alice"), ("KERNEL_POD_NAME", "a/b"), ("KERNEL_POD_NAME", "a" * 254),
        ("KERNEL_NAMESPACE", "a" * 64),
        ("KERNEL_NAMESPACE", "a.b"), ("KERNEL_NAMESPACE", "../x"), ("KERNEL_IMAGE", "A B"),
        ("KERNEL_SERVICE_ACCOUNT_NAME", "a\nb"), ("KERNEL_UID", "-1"), ("KERNEL_UID", "1e3"),
        ("KERNEL_GID", "users"), ("KERNEL_CPUS", "1 core"), ("KERNEL_MEMORY", "lots"),
        ("KERNEL_GPUS", "all"), ("KERNEL_WORKING_DIR", "work"), ("KERNEL_WORKING_DIR", "/a/../b"),
        ("KERNEL_NODE_SELECTOR", "[]"), ("KERNEL_NODE_SELECTOR", "{a: 1}"),
        ("KERNEL_NODE_SELECTOR", "{'a b': c}"), ("KERNEL_NODE_SELECTOR", "{a: 'b c'}"),
        ("KERNEL_TOLERATIONS", "[{image: x}]"), ("KERNEL_TOLERATIONS", "[{key: 1}]"),
        ("KERNEL_TOLERATIONS", "[{key: a, tolerationSeconds: true}]"),
        ("KERNEL_IMAGE_PULL_SECRETS", "a b"), ("KERNEL_X", "\udcff"),
    ],
)  # fmt: skip
def test_malformed_values_are_refused_by_name(name, value):
    assert name in refusal(**{name: value})


def test_limits_below_what_is_set_aside_and_unequal_gpus_are_refused():
    assert "KERNEL_MEMORY_LIMIT" in refusal(KERNEL_MEMORY="2G", KERNEL_MEMORY_LIMIT="1Gi")
    assert "KERNEL_CPUS_LIMIT" in refusal(KERNEL_CPUS="2", KERNEL_CPUS_LIMIT="500m")
    assert "KERNEL_GPUS_LIMIT" in refusal(KERNEL_GPUS="1", KERNEL_GPUS_LIMIT="2")
    limits = pod(KERNEL_GPUS_LIMIT="2")["spec"]["containers"][0]["resources"]
    assert limits["requests"] == limits["limits"] == {"nvidia.com/gpu": "2"}


def test_a_name_may_be_longer_than_a_label_as_those_of_long_user_names_are():
    name = f"firstname-lastname-department-example-com-{ID}"
    found = pod(KERNEL_POD_NAME=name, KERNEL_NAMESPACE="kernels", EG_KERNEL_NAMESPACES="kernels")
    assert found["metadata"]["name"] == name
    assert len(name) == 78


# -- Where a kernel may be, and as whom ------------------------------------------------------------

SHARED_PLACE = {"EG_NAMESPACE": "kernels", "EG_SHARED_NAMESPACE": "True"}
ACCOUNTS = {
    "EG_DEFAULT_KERNEL_SERVICE_ACCOUNT_NAME": "kernel", "EG_SPARK_SERVICE_ACCOUNTS": "spark, big"
}  # fmt: skip


@pytest.mark.parametrize("for_spark", [False, True])
@pytest.mark.parametrize(
    ("namespace", "settings"),
    [
        ("kube-system", {}), ("kube-system", SHARED_PLACE), ("default", {}), ("kernels", {}),
        ("kernels", {"EG_NAMESPACE": "kernels"}), ("kern", {"EG_KERNEL_NAMESPACES": "kernels"}),
        # another kernel's, or one with the name that the client has given to its pod
        ("alice-1b6a2c4e-0000-4000-8000-123456789abc", SHARED_PLACE),
        ("kube-system", {"KERNEL_POD_NAME": "kube-system"}),
    ],
)  # fmt: skip
def test_a_namespace_that_no_setting_names_is_refused(for_spark, namespace, settings):
    said = refusal(for_spark=for_spark, KERNEL_NAMESPACE=namespace, **settings)
    assert f"KERNEL_NAMESPACE may not be '{namespace}'" in said
    assert "EG_KERNEL_NAMESPACES" in said


@pytest.mark.parametrize(
    ("namespace", "settings"),
    [
        (ENV["KERNEL_NAMESPACE"], {}),  # what the gateway makes for each
        ("kernels", SHARED_PLACE),
        ("team", {**SHARED_PLACE, "EG_KERNEL_NAMESPACES": "team"}),
        ("kernels", {**SHARED_PLACE, "EG_KERNEL_NAMESPACES": "team"}),
        ("b", {"EG_KERNEL_NAMESPACES": "a, b"}),
        ("default", {"EG_SHARED_NAMESPACE": "true"}),  # the gateway's own default
    ],
)
def test_namespaces_of_the_settings_and_the_gateways_own_choice_are_taken(namespace, settings):
    assert pod(KERNEL_NAMESPACE=namespace, **settings)["metadata"]["namespace"] == namespace


def account(*, for_spark: bool = False, **env: str) -> str:
    return str(pod(for_spark=for_spark, **env)["spec"]["serviceAccountName"])


@pytest.mark.parametrize(
    ("for_spark", "asked", "settings"),
    [
        (False, "gateway", {}), (True, "gateway", {}), (False, "spark", ACCOUNTS),
        (True, "generic-garbage-collector", ACCOUNTS),
        (False, "a", {"EG_KERNEL_SERVICE_ACCOUNTS": "b"}),
        (True, "a", {"EG_KERNEL_SERVICE_ACCOUNTS": "a"}),
    ],
)  # fmt: skip
def test_an_account_that_no_setting_names_is_refused(for_spark, asked, settings):
    said = refusal(for_spark=for_spark, KERNEL_SERVICE_ACCOUNT_NAME=asked, **settings)
    assert f"KERNEL_SERVICE_ACCOUNT_NAME may not be '{asked}'" in said
    setting = "EG_SPARK_SERVICE_ACCOUNTS" if for_spark else "EG_KERNEL_SERVICE_ACCOUNTS"
    assert setting in said


def test_spark_has_an_account_of_its_own_and_others_the_gateways_default():
    # The gateway says its default where a request says none.
    given = {**ACCOUNTS, "KERNEL_SERVICE_ACCOUNT_NAME": "kernel"}
    assert account(**given) == "kernel"
    assert account(for_spark=True, **given) == "spark"
    assert account(for_spark=True, **given | {"KERNEL_SERVICE_ACCOUNT_NAME": "big"}) == "big"
    assert account(for_spark=True) == account() == "default"
    assert application(**given)["spec"]["driver"]["serviceAccount"] == "spark"
    other = {"EG_KERNEL_SERVICE_ACCOUNTS": "a", "KERNEL_SERVICE_ACCOUNT_NAME": "a"}
    assert account(**other) == "a"


def test_where_the_cluster_gives_uids_pods_name_no_user():
    setting = {"EG_KUBERNETES_CLUSTER_UIDS": "True"}
    for made in (pod(**setting), pod(for_spark=True, **setting)):
        context = made["spec"]["securityContext"]
        assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        told = {row["name"] for row in made["spec"]["containers"][0]["env"]}
        assert not told & {"KERNEL_UID", "KERNEL_GID"}  # they are the cluster's to say
    for role in ("driver", "executor"):
        context = application(**setting)["spec"][role]["podSecurityContext"]
        assert not context.keys() & {"runAsUser", "runAsGroup", "fsGroup"}


@pytest.mark.parametrize("name", ["KERNEL_UID", "KERNEL_GID"])
def test_where_the_cluster_gives_uids_a_request_may_not_name_one(name):
    said = refusal(EG_KUBERNETES_CLUSTER_UIDS="True", **{name: "2000"})
    assert name in said
    assert pod(EG_KUBERNETES_CLUSTER_UIDS="False", **{name: "2000"})


def test_only_spark_gets_a_token():
    assert pod()["spec"]["automountServiceAccountToken"] is False
    assert "automountServiceAccountToken" not in pod(for_spark=True)["spec"]


@pytest.mark.parametrize(
    "value",
    [
        "--conf spark.executor.instances=4", "-c spark.sql.x='a b' --executor-memory 2g",
        "--conf=spark.driver.extraJavaOptions=-Da=b --num-executors 3 --driver-cores=2", "",
    ],
)  # fmt: skip
def test_a_request_may_say_how_much_spark_gets(value):
    assert pod(for_spark=True, KERNEL_EXTRA_SPARK_OPTS=value)


@pytest.mark.parametrize(
    "value",
    [
        # other ways to a namespace, an account, or a volume
        "--conf spark.kubernetes.namespace=kube-system",
        "--conf=spark.kubernetes.authenticate.driver.serviceAccountName=gateway",
        "-c spark.kubernetes.driver.volumes.hostPath.x.mount.path=/",
        # to what runs, where, and to files of the gateway's
        "--deploy-mode client", "--deploy-mode=client", "--master local", "--class x", "x.py",
        "--conf spark.a=b http://example.com/x.py", "--properties-file /etc/passwd",
        "--conf spark.submit.deployMode=client", "--conf spark.master=local", "--jars /etc/passwd",
        "--conf spark.files=/etc/passwd", "--conf spark.jars.ivySettings=x", "--proxy-user root",
        # and what is none
        "--conf", "--conf ''", "--conf spark.a", "--conf x=y", "--conf spark.a='",
        "--driver-memory", "--driver-memory --master", "--conf 'spark.kubernetes.a\nb=c'",
    ],
)  # fmt: skip
def test_a_request_may_not_say_what_spark_runs_where_and_as_whom(value):
    assert "KERNEL_EXTRA_SPARK_OPTS" in refusal(for_spark=True, KERNEL_EXTRA_SPARK_OPTS=value)


# -- Volumes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["secret", "projected", "csi", "iscsi", "flexVolume", "hostPath"])
def test_volumes_that_hand_out_what_is_others_are_refused_until_they_are_allowed(kind):
    text = json.dumps([{"name": "v", kind: {"path": "/srv/sets"}}])
    said = refusal(KERNEL_VOLUMES=text)
    assert "EG_KUBERNETES_ALLOWED_VOLUMES" in said
    allowed = "/srv/sets" if kind == "hostPath" else kind
    found = pod(KERNEL_VOLUMES=text, EG_KUBERNETES_ALLOWED_VOLUMES=f"/x, {allowed}")
    assert found["spec"]["volumes"] == json.loads(text)


@pytest.mark.parametrize(
    "path", ["/", "/srv", "/srv/sets/", "/srv/sets/x", "/srv/sets/../..", "", None, ["/srv/sets"]]
)
def test_a_folder_of_the_node_is_allowed_as_it_is_written(path):
    text = json.dumps([{"name": "v", "hostPath": {"path": path}}])
    refusal(KERNEL_VOLUMES=text, EG_KUBERNETES_ALLOWED_VOLUMES="/srv/sets,hostPath,")


def test_what_may_only_be_read_is_mounted_so():
    volume = json.dumps([{"name": "v", "hostPath": {"path": "/srv"}}])
    found = pod(
        KERNEL_VOLUMES=volume, KERNEL_VOLUME_MOUNTS="[{name: v, mountPath: /d, readOnly: false}]",
        EG_KUBERNETES_ALLOWED_VOLUMES="/srv:ro",
    )  # fmt: skip
    [mount] = found["spec"]["containers"][0]["volumeMounts"]
    assert mount == {"name": "v", "mountPath": "/d", "readOnly": True}
    refusal(KERNEL_VOLUMES=json.dumps(
        [{"name": "v", "hostPath": {"path": "/srv", "type": "DirectoryOrCreate"}}]
    ), EG_KUBERNETES_ALLOWED_VOLUMES="/srv:ro")  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "[{name: v, nfs: {server: s, path: /}}]", "- name: v\n  nfs: {server: s, path: /}",
        '[\t{"name": "v", "nfs": {"server": "\\u0073", "path": "\\/"}}]',
    ],
)  # fmt: skip
def test_volumes_may_be_written_in_yaml_and_in_json(text):
    wanted = [{"name": "v", "nfs": {"server": "s", "path": "/"}}]
    assert pod(KERNEL_VOLUMES=text)["spec"]["volumes"] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "{}", "x", "[x]", "[{name: v}]", "[{name: v, emptyDir: }]", "[{emptyDir: {}, nfs: {}}]",
        "[{name: V, emptyDir: {}}]", "[{name: v, emptyDir: {}, nfs: {}}]", "[",
        "[{name: !!python/x v}]", "[&a {name: v, emptyDir: {}}, *a]",
        "[{name: v, emptyDir: {x: 2001-01-01}}]",
        "[{name: v, emptyDir: {x: .nan}}]", "[" * 3000, "- " * 2000, "a\x07",
    ],
)  # fmt: skip
def test_texts_that_are_no_volumes_are_refused(text):
    refusal(KERNEL_VOLUMES=text)


@pytest.mark.parametrize(
    "text",
    [
        "[{mountPath: /d}]", "[{name: v, mountPath: d}]", "[{name: v, mountPath: /}]",
        "[{name: v, mountPath: /d, readOnly: 'no'}]", "[{name: v, mountPath: /d, subPath: /x}]",
        "[{name: v, mountPath: /d, mountPropagation: Bidirectional}]",
        "[{name: v, mountPath: /d, subPathExpr: $(X)}]", "{}",
    ],
)  # fmt: skip
def test_texts_that_are_no_mounts_are_refused(text):
    refusal(KERNEL_VOLUME_MOUNTS=text)


# -- Values are data -------------------------------------------------------------------------------

HOSTILE = st.one_of(
    st.sampled_from(
        [
            "a\nkind: Secret", "x\n---\nkind: Secret\n", '"', "'", "{{ 7 * 7 }}", "{% raw %}",
            "{{ kernel_image.__class__ }}", "&a", "*a", "!!python/object/apply:os.system [id]",
            "{a: b}", "[1, 2]", "null", "true", "0x1F", "1e3", "2001-01-01", "# x", ": ", "- ", "|",
            "> ", "%YAML 1.1", "@", "`", "\u2028", "\x85", "\ufeff", "\U0001f600", "$(KERNEL_ID)",
            "a" * 100_000, "mark0n0n", "\\", "\\u0041", "\t", "\x7f", "<<", "=", "~",
        ]
    ),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1),
)  # fmt: skip
BENIGN = "benign"


def replaced(item: Any, old: Any, new: Any) -> Any:
    """A copy in which each text that holds the old value has the new one."""
    if isinstance(item, dict):
        return {replaced(k, old, new): replaced(v, old, new) for k, v in item.items()}
    if isinstance(item, list):
        return [replaced(value, old, new) for value in item]
    return item.replace(old, new) if isinstance(item, str) else item


@settings(max_examples=examples(60))
@given(HOSTILE)
def test_a_template_puts_any_value_where_it_belongs_and_nowhere_else(tmp_path_factory, value):
    template = tmp_path_factory.getbasetemp() / "any.yaml.j2"
    template.write_text(
        'plain: {{ kernel_x }}\nquoted: "{{ kernel_x }}"\nin: a {{ kernel_x }} b\n'
        "{{ kernel_x }}: key\nlist: [{{ kernel_x }}, {{ kernel_x | yaml_safe }}]\n"
        "block: |\n  {{ kernel_x }}\n# {{ kernel_x }}\n---\nother: {{ kernel_y }}\n"
    )  # fmt: skip
    rendered = [
        manifest.render(template, {"kernel_x": text, "kernel_y": {"a": text}})
        for text in (value, BENIGN)
    ]
    assert rendered[0] == replaced(rendered[1], BENIGN, value)


@settings(max_examples=examples(40))
@given(HOSTILE)
def test_a_variable_nobody_knows_is_one_value_of_the_kernels_environment(value):
    found, benign = pod(KERNEL_ANY=value), pod(KERNEL_ANY=BENIGN)
    assert found == replaced(benign, BENIGN, value.replace("$", "$$"))


KNOWN = [*sorted(values_of.CHECKS), "KERNEL_VOLUMES", "KERNEL_VOLUME_MOUNTS", "KERNEL_USERNAME"]


@settings(max_examples=examples(100))
@given(st.sampled_from(KNOWN), HOSTILE)
def test_a_known_variable_is_refused_in_a_line_or_changes_its_own_place_only(name, value):
    refused = ""
    try:
        found = pod(**{name: value})
    except errors.LaunchError as error:
        refused = str(error)
    assert len(refused) < 400
    assert "\n" not in refused
    if refused:
        return
    assert unknown(found, "V1Pod") == []
    plain = pod(**{name: ENV.get(name, "")})
    assert set(found) == set(plain)
    assert found["metadata"].keys() == plain["metadata"].keys()
    assert found["metadata"]["labels"] == plain["metadata"]["labels"]
    spec, before = found["spec"], plain["spec"]
    assert spec["securityContext"].keys() == before["securityContext"].keys()
    assert len(spec["containers"]) == 1
    assert spec["containers"][0]["securityContext"] == before["containers"][0]["securityContext"]
    extra = spec.keys() - before.keys()
    assert extra <= {"nodeSelector", "tolerations", "imagePullSecrets", "volumes"}


# -- The kernel's environment ----------------------------------------------------------------------


def environment(made: Any) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in made["spec"]["containers"][0]["env"]}


def test_the_kernel_is_told_what_its_launcher_needs():
    found = environment(pod(EG_MIN_PORT_RANGE_SIZE="1000"))
    wanted = {"KERNEL_ID": ID, "PORT_RANGE": "0..0", "RESPONSE_ADDRESS": "10.0.0.1:8877",
              "PUBLIC_KEY": "MIGf+/=", "EG_MIN_PORT_RANGE_SIZE": "1000"}  # fmt: skip
    assert found == wanted | ENV


def test_nothing_of_the_gateways_reaches_a_kernel():
    secrets = {"EG_AUTH_TOKEN": "x", "KG_AUTH_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x",
               "KUBECONFIG": "x", "KUBERNETES_SERVICE_HOST": "x", "DOCKER_HOST": "x",
               "PATH": "x", "JPY_PARENT_PID": "x"}  # fmt: skip
    assert environment(pod(**secrets)) == environment(pod())
    # nor with EG_CLIENT_ENVS=*, which means all that a client sends
    found = environment(pod(**secrets, EG_CLIENT_ENVS="*", EG_INHERITED_ENVS="PATH"))
    assert found == environment(pod())
    chosen = environment(pod(**secrets, EG_CLIENT_ENVS="AWS_SECRET_ACCESS_KEY"))
    assert chosen.keys() - environment(pod()).keys() == {"AWS_SECRET_ACCESS_KEY"}


def test_kubernetes_replaces_no_references_in_values():
    found = environment(pod(KERNEL_X="$(KERNEL_ID) $$ $x"))["KERNEL_X"]
    assert found == "$$(KERNEL_ID) $$$$ $$x"


def test_a_templates_variables_stay_unless_the_kernel_has_one_of_the_name():
    holder = {"env": [{"name": "A", "value": "1"}, {"name": "KERNEL_ID", "value": "2"}]}
    manifest.add_environment(holder, [{"name": "KERNEL_ID", "value": "3"}])
    assert holder["env"] == [{"name": "A", "value": "1"}, {"name": "KERNEL_ID", "value": "3"}]


# -- Templates -------------------------------------------------------------------------------------


def rendered(tmp_path: Path, text: str, **env: str) -> dict[str, Any]:
    template = tmp_path / "own.yaml.j2"
    template.write_text(text)
    return pods.objects_of(request(ENV | env), template)


POD = "kind: Pod\nspec: {containers: [{name: x}]}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{POD}---\nkind: Deployment\n", 'has "Deployment", not one of Pod'),
        (f"{POD}---\n{POD}", "has more than one Pod"),
        ("kind: Secret\n", "has no Pod"),
        ("- a\n", "not one of Pod"),
        ("kind: Pod\n", "the pod has no container"),
        ("kind: Pod\nspec: {containers: []}", "the pod has no container"),
        (f"{POD}x: {{{{ kernel_nothing }}}}\n", "'kernel_nothing' is undefined"),
        ("{% if %}", "own.yaml.j2"),
        ("a: [", "own.yaml.j2"),
    ],
)
def test_a_template_that_makes_no_pod_is_told_by_its_name(tmp_path, text, why):
    with pytest.raises(errors.LaunchError) as caught:
        rendered(tmp_path, text)
    assert why.replace('"', "'") in str(caught.value).replace('"', "'")
    assert caught.value.code == 65
    assert not re.search("mark[0-9a-f]{16}", str(caught.value))


def test_a_template_may_add_what_belongs_to_a_pod(tmp_path):
    others = ("PersistentVolume", "PersistentVolumeClaim", "Secret", "Service", "ConfigMap")
    text = POD + "".join(f"---\nkind: {kind}\n" for kind in others)
    assert rendered(tmp_path, text).keys() == {"Pod", *others}


def test_conditions_of_templates_made_for_the_gateways_own_script_hold(tmp_path):
    text = POD + (
        "a: {{ kernel_uid | int }}\n{% if kernel_cpus is defined %}b: {{ kernel_cpus | yaml_safe }}"
        "\n{% endif %}{% if kernel_volumes %}c: 1\n{% endif %}d: {{ kernel_name }}\n"
    )
    found = rendered(tmp_path, text)["Pod"]
    assert found.keys() - {"kind", "spec"} == {"a", "d"}
    assert (found["a"], found["d"]) == (1000, "python_kubernetes")


# -- Spark on Kubernetes ---------------------------------------------------------------------------


def run(script: str, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the gateway does, in a kernelspec's folder."""
    return subprocess.run(
        [sys.executable, script, *argv], env={"PATH": os.environ["PATH"], **env},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def scripts(tmp_path):
    folder = tmp_path / "spec/scripts"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("kernel_request.py", "launch_errors.py"):
        shutil.copy(SHARED / name, folder)
    return folder


ARGV = [word for name in ("kernel-id", "response-address", "public-key", "port-range")
        for word in (f"--RemoteProcessProxy.{name}", GIVEN[name])]  # fmt: skip


def test_for_spark_a_template_and_options_are_written_and_nothing_is_started(scripts, tmp_path):
    (scripts.parent / "kernel.json").write_text('{"env": {"OF_THE_STANZA": "x"}}')
    template, options = tmp_path / "pod file", tmp_path / "options"
    done = run(
        str(scripts / "launch_kubernetes.py"), *ARGV, f"--pod-template={template}",
        f"--spark-opts-out={options}", **ENV, **EVERYTHING, OF_THE_STANZA="1", OTHER="2",
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = yaml.safe_load(template.read_text())
    assert unknown(made, "V1Pod") == []
    assert environment(made)["OF_THE_STANZA"] == "1"
    assert "OTHER" not in environment(made)
    assert stat.S_IMODE(template.stat().st_mode) == 0o600
    wanted = []
    for name, value in (
        ("kubernetes.{}.podTemplateFile", str(template)),
        ("kubernetes.authenticate.{}.serviceAccountName", "default"),
        ("{}.cores", "1"),  # whole, at least one
        ("kubernetes.{}.request.cores", "500m"),
        ("kubernetes.{}.limit.cores", "2"),
        ("{}.memory", "2048m"),  # in Spark's words
    ):
        for role in ("driver", "executor"):
            wanted += ["--conf", f"spark.{name.format(role)}={value}"]
    assert shlex.split(options.read_text()) == wanted


def test_a_template_is_not_written_through_somebodys_link(scripts, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    done = run(
        str(scripts / "launch_kubernetes.py"), *ARGV, f"--pod-template={tmp_path}/link", **ENV
    )
    assert done.returncode != 0
    assert not (tmp_path / "victim").exists()


def test_options_alone_are_printed(scripts, tmp_path):
    done = run(
        str(scripts / "launch_kubernetes.py"), *ARGV, f"--pod-template={tmp_path}/pod", **ENV
    )
    assert done.stdout.startswith("--conf spark.kubernetes.driver.podTemplateFile=")
    done = run(
        str(scripts / "launch_kubernetes.py"), *ARGV, f"--spark-opts-out={tmp_path}/o", **ENV
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert "--spark-opts-out needs --pod-template" in done.stderr


# -- The operator ----------------------------------------------------------------------------------


def test_the_application_is_what_sparks_operator_wants():
    found = application(**EVERYTHING)
    assert (found["apiVersion"], found["kind"]) == (
        "sparkoperator.k8s.io/v1beta2", "SparkApplication"
    )  # fmt: skip
    assert found["metadata"]["name"] == f"alice-{ID}"
    spec = found["spec"]
    assert (spec["type"], spec["mode"], spec["restartPolicy"]) == (
        "Python", "cluster", {"type": "Never"}
    )  # fmt: skip
    assert spec["arguments"] == [
        "--kernel-id", ID, "--spark-context-initialization-mode", "none", "--response-address",
        "10.0.0.1:8877", "--port-range", "0..0", "--public-key", "MIGf+/=",
    ]  # fmt: skip
    assert spec["imagePullSecrets"] == ["one", "two.three"]
    assert unknown(spec["volumes"], "list[V1Volume]") == []
    for role, component in (("driver", "kernel"), ("executor", "worker")):
        part = spec[role]
        assert part["labels"] == {
            "kernel_id": ID, "app": "enterprise-gateway", "component": component
        }  # fmt: skip
        assert (part["cores"], part["coreRequest"], part["coreLimit"]) == (1, "500m", "2")
        assert (part["memory"], part["gpu"]) == ("2048m", {"name": "nvidia.com/gpu", "quantity": 1})
        for name, kind in (
            ("podSecurityContext", "V1PodSecurityContext"),
            ("securityContext", "V1SecurityContext"),
            ("tolerations", "list[V1Toleration]"),
            ("volumeMounts", "list[V1VolumeMount]"),
            ("env", "list[V1EnvVar]"),
        ):
            assert part[name]
            assert unknown(part[name], kind) == []
        assert part["podSecurityContext"]["runAsNonRoot"] is True
    assert spec["driver"]["serviceAccount"] == "default"
    assert spec["executor"]["image"] == "elyra/kernel-spark-py:dev"
    assert spec["executor"]["instances"] == 2


def test_without_wishes_the_application_has_sparks_own_sizes():
    spec = application()["spec"]
    assert (spec["driver"]["memory"], spec["driver"]["coreLimit"]) == ("1g", "1000m")
    assert "sparkConfigMap" not in spec
    assert application(KERNEL_SPARKAPP_CONFIG_MAP="conf")["spec"]["sparkConfigMap"] == "conf"


@pytest.mark.parametrize(
    ("name", "value"),
    [("GROUP", "../../etc"), ("GROUP", "other.io"), ("VERSION", "v1"), ("PLURAL", "secrets")],
)
def test_only_resources_that_are_known_are_made(name, value):
    with pytest.raises(errors.LaunchError, match="no resource that this script can make"):
        application(**{f"KERNEL_CRD_{name}": value})


@settings(max_examples=examples(40))
@given(HOSTILE)
def test_an_application_has_any_value_in_its_place_only(value):
    found, benign = application(KERNEL_ANY=value), application(KERNEL_ANY=BENIGN)
    assert found == replaced(benign, BENIGN, value.replace("$", "$$"))


# -- The cluster -----------------------------------------------------------------------------------


class Api:
    """A cluster that says yes, or what it is told to."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.found: list[Any] = []

    def list_namespaced_pod(self, namespace: str, field_selector: str) -> Any:
        assert (namespace, field_selector) == ("ns", "metadata.name=Pod")
        found = self.found.pop(0) if self.found else []
        return SimpleNamespace(items=found)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if name.startswith("create"):
                assert options == {"field_validation": "Strict"}
            self.calls.append((name, copy.deepcopy(args)))
            answer = self.answers.get(name, [])
            if answer and answer[0] is not None:
                raise answer.pop(0)
            return existing("made") if name == "create_namespaced_pod" else None

        return call

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


def existing(uid: str, *, going: bool = False, kernel_id: str = ID) -> Any:
    metadata = SimpleNamespace(
        name="a", uid=uid, deletion_timestamp="now" if going else None,
        labels={"kernel_id": kernel_id, "component": "kernel"},
    )  # fmt: skip
    return SimpleNamespace(metadata=metadata)


def answer(status: int, message: str = "no") -> ApiException:
    error = ApiException(status=status, reason="Reason")
    error.body = json.dumps({"message": message})
    return error


OBJECTS = {kind: {"kind": kind, "metadata": {"name": kind}} for kind in kube.KINDS}


def create(api: Api, *kinds: str, timeout: float = 10) -> None:
    now = iter(range(1000))
    kube.create_all(
        api, {kind: copy.deepcopy(OBJECTS[kind]) for kind in kinds}, "ns", ID, timeout,
        clock=lambda: float(next(now)), sleep=lambda seconds: None,
    )  # fmt: skip


def test_what_belongs_to_the_pod_is_made_after_it_and_goes_with_it():
    api = Api()
    create(api, *kube.KINDS)
    assert api.names() == [
        "create_persistent_volume", "create_namespaced_persistent_volume_claim",
        "create_namespaced_pod", "create_namespaced_secret", "create_namespaced_service",
        "create_namespaced_config_map",
    ]  # fmt: skip
    assert all(args[0] == "ns" for name, args in api.calls if "namespaced" in name)
    owners = [args[-1]["metadata"].get("ownerReferences") for _, args in api.calls]
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "made"}
    assert owners == [None] * 3 + [[reference]] * 3
    assert unknown(reference | {"kind": "Pod"}, "V1OwnerReference") == []


def test_the_kernels_own_pod_is_taken_as_it_is():
    api = Api(create_namespaced_pod=[answer(409)])
    api.found = [[existing("old")]]
    create(api, "Pod", "Service")
    assert api.calls[-1][1][1]["metadata"]["ownerReferences"][0]["uid"] == "old"


def test_the_pod_before_a_restart_may_take_a_while_to_go():
    api = Api(create_namespaced_pod=[answer(409), answer(409)])
    api.found = [[existing("old", going=True)], []]
    create(api, "Pod")
    assert api.names() == ["create_namespaced_pod"] * 3


def test_another_kernels_pod_of_the_name_is_told_at_once():
    api = Api(create_namespaced_pod=[answer(409)] * 100)
    api.found = [[existing("old", kernel_id="another")]]
    with pytest.raises(errors.LaunchError, match="another Pod of the name Pod") as caught:
        create(api, "Pod")
    assert "{{ kernel_id }}" in caught.value.fix
    assert api.names() == ["create_namespaced_pod"]


def test_a_pod_that_does_not_go_is_an_error():
    api = Api(create_namespaced_pod=[answer(409)] * 100)
    api.found = [[existing("old", going=True)]] * 100
    with pytest.raises(errors.LaunchError, match="another Pod of the name Pod"):
        create(api, "Pod")
    assert "delete_namespaced_pod" not in api.names()


NO_ACCOUNT = "pods is forbidden: error looking up service account a/default: not found"


def test_a_namespace_gets_its_account_a_moment_after_it_was_made():
    api = Api(create_namespaced_pod=[answer(403, NO_ACCOUNT)] * 2)
    create(api, "Pod")
    assert api.names() == ["create_namespaced_pod"] * 3


def test_an_account_that_does_not_come_is_told_and_what_to_do():
    api = Api(create_namespaced_pod=[answer(403, NO_ACCOUNT)] * 100)
    with pytest.raises(ApiException) as caught:
        create(api, "Pod", timeout=100)
    assert len(api.calls) < 10
    told = kube.explain(caught.value)
    assert "error looking up service account" in str(told)
    assert "make that account" in told.fix


@pytest.mark.parametrize("kind", ["PersistentVolume", "PersistentVolumeClaim"])
def test_data_is_found_again(kind):
    api = Api(**{kube.METHODS[kind]: [answer(409)]})
    create(api, kind, "Pod")
    assert len(api.calls) == 2


def test_what_was_the_pods_before_is_waited_for():
    api = Api(create_namespaced_service=[answer(409), None])
    create(api, "Pod", "Service")
    assert api.names().count("create_namespaced_service") == 2


@pytest.mark.parametrize("kind", ["Secret", "Service", "ConfigMap"])
def test_if_something_fails_no_pod_stays(kind):
    api = Api(**{kube.METHODS[kind]: [answer(422)]})
    with pytest.raises(ApiException):
        create(api, "Pod", kind)
    assert api.calls[-1] == ("delete_namespaced_pod", ("a", "ns"))


def test_what_failed_first_is_told_even_if_the_pod_cannot_be_removed():
    api = Api(create_namespaced_secret=[answer(422)], delete_namespaced_pod=[answer(403)])
    with pytest.raises(ApiException) as found:
        create(api, "Pod", "Secret")
    assert found.value.status == 422
    assert api.calls[-1] == ("delete_namespaced_pod", ("a", "ns"))


def test_a_pod_that_was_there_before_stays_if_something_fails():
    api = Api(create_namespaced_pod=[answer(409)], create_namespaced_secret=[answer(403)])
    api.found = [[existing("old")]]
    with pytest.raises(ApiException):
        create(api, "Pod", "Secret")
    assert "delete_namespaced_pod" not in api.names()


def test_an_application_is_made_where_it_belongs_once_the_one_before_has_gone():
    api = Api(create_namespaced_custom_object=[answer(409), None])
    body = application()
    kube.create_custom(
        api, body, ("sparkoperator.k8s.io", "v1beta2", "sparkapplications"), "alice", 10,
        clock=lambda: 0.0, sleep=lambda seconds: None,
    )  # fmt: skip
    wanted = ("sparkoperator.k8s.io", "v1beta2", "alice", "sparkapplications", body)
    assert api.calls == [("create_namespaced_custom_object", wanted)] * 2


# -- Until it runs, or nothing of it is there ------------------------------------------------------


class Time:
    """Seconds that go by when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: dict[float, Any] = {}  # what happens when

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when in [when for when in self.events if when <= self.now]:
            self.events.pop(when)()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    made: Any = Cluster()
    with serving(made, tmp_path) as made.kubeconfig:
        yield made


POD_PATH = "/api/v1/namespaces/ns/pods/a"
LABELS = {"app": "enterprise-gateway", "component": "kernel", "kernel_id": ID}


def watched(cluster: Any, status: Any, later: Any = None, **env: str) -> Any:
    """The error of a pod that has a status, and perhaps another one 2 s later; None if it runs."""
    from kubernetes import config

    time_ = Time()
    cluster.add(POD_PATH, LABELS, status=status)
    if later is not None:
        time_.events[2.0] = lambda: (
            cluster.add(POD_PATH, LABELS, status=later) if later else cluster.objects.clear()
        )
    api = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
    try:
        watching.watch(api, "ns", ID, 60, env=env, clock=lambda: time_.now, sleep=time_.sleep)
    except errors.LaunchError as error:
        error.after = time_.now  # type: ignore[attr-defined]
        return error
    finally:
        cluster.after = time_.now
    return None


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (waits("ErrImagePull", 'image "x" not found'), 'ErrImagePull: image "x" not found'),
        (waits("ImagePullBackOff", "Back-off"), "ImagePullBackOff: Back-off"),
        (waits("CreateContainerConfigError", "no secret"), "CreateContainerConfigError: no secret"),
        (unschedulable("0/1 nodes: 1 Insufficient cpu."), "0/1 nodes: 1 Insufficient cpu."),
        ({"phase": "Failed", "reason": "OutOfcpu", "message": "Node has no"}, "OutOfcpu: Node has"),
        (ended(137, "OOMKilled"), "OOMKilled: exit code 137"),
    ],
)
@pytest.mark.parametrize("before", [None, BEGINS])
def test_a_pod_that_cannot_run_is_told_in_its_own_words_within_5_s_and_removed(
    cluster, status, said, before
):
    found = watched(cluster, before or status, status if before else None)
    assert "pod a cannot run: " in str(found)
    assert said in str(found)
    assert found.after - (2 if before else 0) < 5
    assert cluster.names("pods") == []


def test_a_pod_that_runs_is_left_alone_and_watched_a_moment_longer(cluster):
    assert watched(cluster, BEGINS, RUNS) is None
    assert cluster.after == pytest.approx(2 + watching.SETTLED, abs=1)
    assert cluster.names("pods") == ["a"]
    found = watched(cluster, RUNS, ended(1))
    assert "exit code 1" in str(found)


def test_a_node_may_be_waited_for_where_they_come_on_demand(cluster, capsys):
    waiting = unschedulable("0/1 nodes are available")
    assert watched(cluster, waiting, RUNS, EG_KUBERNETES_AUTOSCALING="True") is None
    assert capsys.readouterr().err == "pod a waits: Unschedulable: 0/1 nodes are available\n"
    assert cluster.names("pods") == ["a"]


def test_what_a_pod_has_waited_for_is_told_if_the_gateway_removes_it(cluster):
    found = watched(cluster, unschedulable("0/1 nodes"), {}, EG_KUBERNETES_AUTOSCALING="True")
    assert "pod a was removed while it waited: Unschedulable: 0/1 nodes" in str(found)
    assert watched(cluster, RUNS, {}) is None  # somebody has ended the kernel


def test_a_cluster_that_does_not_answer_is_no_reason_to_give_up(cluster):
    cluster.refused["GET", "pods"] = (500, "etcd is slow")
    assert watched(cluster, waits("ErrImagePull", "x")) is None
    assert cluster.names("pods") == ["a"]


def launch_on(cluster: Any, script: Path, *argv: str, **env: str) -> Any:
    return run(
        str(script), *(argv or ARGV), **env, KUBECONFIG=str(cluster.kubeconfig), NO_PROXY="*"
    )


NAMESPACE = ENV["KERNEL_NAMESPACE"]


def made_by_the_gateway(cluster: Any) -> None:
    cluster.add(f"/api/v1/namespaces/{NAMESPACE}", LABELS)
    cluster.add("/api/v1/namespaces/kube-system")
    cluster.add("/api/v1/namespaces/bob", LABELS | {"kernel_id": "another"})


def test_the_official_client_asks_for_the_pod_as_it_is(scripts, cluster):
    made_by_the_gateway(cluster)
    done = launch_on(cluster, scripts / "launch_kubernetes.py", **ENV, **EVERYTHING)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [(method, path, body)] = cluster.asked
    assert (method, path) == ("POST", f"/api/v1/namespaces/{NAMESPACE}/pods")
    assert body == pod(**EVERYTHING)
    assert NAMESPACE in cluster.names("namespaces")


def test_the_official_client_asks_for_the_application_as_it_is(scripts, cluster):
    cluster.add(f"/api/v1/namespaces/{NAMESPACE}/pods/driver", LABELS, status=RUNS)
    done = launch_on(cluster, scripts / "launch_custom_resource.py", **OPERATOR)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [(method, path, body)] = cluster.asked
    place = f"/apis/sparkoperator.k8s.io/v1beta2/namespaces/{NAMESPACE}/sparkapplications"
    assert (method, path) == ("POST", place)
    assert body == application()


def test_what_the_cluster_says_against_it_is_in_the_line(scripts, cluster):
    cluster.refused["POST", "pods"] = (403, "over the quota")
    done = launch_on(cluster, scripts / "launch_kubernetes.py", **ENV)
    assert done.returncode == 77
    assert done.stderr == (
        "launch_kubernetes: error: the cluster does not allow it: over the quota; "
        "fix: give the gateway's service account the right\n"
    )


@pytest.mark.parametrize(
    ("env", "trouble", "said"),
    [
        ({"KERNEL_CPUS": "lots"}, {}, "KERNEL_CPUS"),
        ({"KERNEL_NAMESPACE": "kube-system"}, {}, "KERNEL_NAMESPACE may not be"),
        ({}, {"refused": {("POST", "pods"): (403, "over the quota")}}, "over the quota"),
        ({}, {"fate": waits("ErrImagePull", "no such image")}, "ErrImagePull: no such image"),
    ],
)
def test_a_failed_launch_leaves_nothing(scripts, cluster, env, trouble, said):
    made_by_the_gateway(cluster)
    for name, value in trouble.items():
        setattr(cluster, name, value)
    done = launch_on(cluster, scripts / "launch_kubernetes.py", **ENV | env)
    assert done.returncode != 0
    assert said in done.stderr
    # By labels: no other namespace is touched, whatever the request says.
    assert cluster.names("namespaces") == ["kube-system", "bob"]
    assert cluster.names("pods") == []


def test_without_the_right_to_look_for_a_namespace_it_stays_and_the_reason_is_told(
    scripts, cluster
):
    made_by_the_gateway(cluster)
    cluster.refused["GET", "namespaces"] = (403, "no right")
    cluster.fate = waits("ErrImagePull", "no such image")
    done = launch_on(cluster, scripts / "launch_kubernetes.py", **ENV)
    assert "no such image" in done.stderr
    assert "no right" not in done.stderr
    assert cluster.names("pods") == []


def test_a_failed_application_leaves_nothing(scripts, cluster):
    made_by_the_gateway(cluster)
    pods_path = f"/api/v1/namespaces/{NAMESPACE}/pods/driver"
    cluster.add(pods_path, LABELS, status=waits("ErrImagePull", "no such image"))
    done = launch_on(cluster, scripts / "launch_custom_resource.py", **OPERATOR)
    assert "launch_custom_resource: error: pod driver cannot run: ErrImagePull" in done.stderr
    assert [call[0] for call in cluster.asked] == ["POST", "DELETE", "DELETE"]
    assert cluster.names("sparkapplications") == []
    assert cluster.names("namespaces") == ["kube-system", "bob"]


def test_sparks_driver_is_watched_once_it_is_submitted(scripts, cluster):
    made_by_the_gateway(cluster)
    script, words = scripts / "launch_kubernetes.py", (f"--kernel-id={ID}", "--submitted=0")
    cluster.add(f"/api/v1/namespaces/{NAMESPACE}/pods/driver", LABELS, status=RUNS)
    done = launch_on(cluster, script, *words, **ENV)
    assert (done.returncode, done.stderr) == (0, "")
    assert NAMESPACE in cluster.names("namespaces")
    too_large = unschedulable("0/1 nodes are available: 1 Insufficient cpu.")
    cluster.add(f"/api/v1/namespaces/{NAMESPACE}/pods/driver", LABELS, status=too_large)
    begun = time.monotonic()
    done = launch_on(cluster, script, *words, **ENV)
    assert done.returncode == 70
    assert "launch_kubernetes: error: pod driver cannot run: Unschedulable: 0/1" in done.stderr
    assert time.monotonic() - begun < 20
    assert cluster.names("namespaces") == ["kube-system", "bob"]


def test_of_a_driver_that_could_not_be_submitted_nothing_stays(scripts, cluster):
    made_by_the_gateway(cluster)
    words = (f"--kernel-id={ID}", "--submitted=1")
    done = launch_on(cluster, scripts / "launch_kubernetes.py", *words, **ENV)
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.names("namespaces") == ["kube-system", "bob"]
    again = run(str(scripts / "launch_kubernetes.py"), *words, **ENV, KUBECONFIG="/nowhere")
    assert (again.returncode, again.stderr) == (0, "")  # the reason has been told


# -- Errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (answer(403, "pods is forbidden"), 77, "the cluster does not allow it: pods is forbidden"),
        (answer(422, "spec: Invalid"), 70, "the cluster refuses: spec: Invalid"),
        (ApiException(status=500, reason="Oops"), 70, "the cluster refuses: Oops"),
        (ApiException(status=0, reason="SSLError"), 69, "no cluster answers"),
        (MaxRetryError(None, "/", None), 69, "no cluster answers"),  # type: ignore[arg-type]
        (ConnectionRefusedError(), 69, "no cluster answers"),
        (ConfigException("No configuration found."), 69, "no way to a cluster is known"),
        (ZeroDivisionError("x"), 70, "ZeroDivisionError: x"),
        (errors.LaunchError("y", 65), 65, "y"),
    ],
)
def test_errors_are_told_in_a_line_with_a_code(capsys, error, code, said):
    def work() -> None:
        raise error

    assert kube.run("it", work) == code
    line = capsys.readouterr().err
    assert line.startswith(f"it: error: {said}")
    assert line.count("\n") == 1


@pytest.mark.parametrize("script", ["launch_kubernetes.py", "launch_custom_resource.py"])
@pytest.mark.parametrize("missing", ["kernel-id", "response-address", "public-key"])
def test_a_missing_option_is_an_error_of_usage(scripts, script, missing):
    at = ARGV.index(f"--RemoteProcessProxy.{missing}")
    for argv in (ARGV[:at] + ARGV[at + 2 :], [*ARGV[:at], ARGV[at], *ARGV[at + 2 :]]):
        done = run(str(scripts / script), *argv, **OPERATOR)
        assert done.returncode == 64
        assert done.stderr == f"{script.removesuffix('.py')}: error: --{missing} is missing\n"


@pytest.mark.parametrize("script", ["launch_kubernetes.py", "launch_custom_resource.py"])
def test_without_a_cluster_it_says_so_and_shows_no_secret(scripts, script):
    done = run(
        str(scripts / script), *ARGV, **OPERATOR, KUBECONFIG="/nowhere", KERNEL_SECRET="very-secret"
    )
    assert done.returncode == 69
    assert re.fullmatch(r"launch_\w+: error: no way to a cluster is known: .*\n", done.stderr)
    assert "very-secret" not in done.stderr


def test_both_spellings_are_known_the_plain_one_wins_and_values_may_be_missing():
    argv = [*ARGV, "--kernel-id", "plain", "--port-range"]
    found = values_of.options(argv, "about")
    assert (found["kernel-id"], found["port-range"]) == ("plain", "0..0")
    with pytest.raises(errors.LaunchError) as caught:
        values_of.options([*ARGV, "--what"], "about")
    assert caught.value.code == 64
