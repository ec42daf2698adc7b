"""Start a kernel through an operator of Kubernetes: Spark's, so far.

It is the command of a kernelspec, as launch_kubernetes.py is. The operator makes the pods of the
object that GROUP-VERSION.yaml.j2 describes; the gateway watches the object, and removes it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from kube_client import connect, create_custom, leaving_nothing, run
from kube_manifest import add_environment, by_kind, render
from kube_values import Request, id_of, options, read_request
from kube_watch import watch
from launch_errors import DATA, LaunchError, shown

HERE = Path(__file__).resolve().parent
ABOUT = "Start a kernel as a custom resource; docs/kernelspecs.md says what it reads."
NEEDED = ("kernel_resource_name", "kernel_namespace", "kernel_image", "kernel_executor_image")
# Group, version, plural -> kind
KNOWN = {("sparkoperator.k8s.io", "v1beta2", "sparkapplications"): "SparkApplication"}


def resource_kind(values: dict[str, Any]) -> tuple[str, str, str]:
    """Group, version and plural, as the gateway's process proxy says them."""
    group, version, plural = (
        str(values.get(f"kernel_crd_{name}", "")) for name in ("group", "version", "plural")
    )
    if (group, version, plural) not in KNOWN:
        asked = shown(f"{group}/{version} {plural}")
        raise LaunchError(f"{asked} is no resource that this script can make", DATA)
    return group, version, plural


def object_of(request: Request, folder: Path) -> dict[str, Any]:
    """What the cluster is asked for.

    Raises:
        LaunchError: The template or a value is wrong.
    """
    for name in NEEDED:
        if name not in request.values:
            raise LaunchError(f"{name.upper()} is not set", DATA)
    group, version, plural = resource_kind(request.values)
    template = folder / f"{group}-{version}.yaml.j2"
    kind = KNOWN[group, version, plural]
    found: dict[str, Any] = by_kind(render(template, request.values), (kind,), template.name)[kind]
    if found.get("apiVersion") != f"{group}/{version}":
        raise LaunchError(f"{template.name} is not of {group}/{version}", DATA)
    for role in ("driver", "executor"):
        add_environment(found["spec"].setdefault(role, {}), request.environment)
    return found


def launch() -> None:
    """Start a kernel."""
    given = options(sys.argv[1:], ABOUT)
    with leaving_nothing(id_of(given)):
        start(read_request(given, os.environ, HERE.parent, for_spark=True))


def start(request: Request) -> None:
    """Ask for the object, and watch the driver that the operator makes of it."""
    from kubernetes import client

    body = object_of(request, HERE)
    connect()
    group, version, plural = kind = resource_kind(request.values)
    api, namespace = client.CustomObjectsApi(), request.values["kernel_namespace"]
    create_custom(api, body, kind, namespace, request.timeout)

    def remove() -> None:
        name = body["metadata"]["name"]
        api.delete_namespaced_custom_object(group, version, namespace, plural, name)

    watch(client.CoreV1Api(), namespace, request.kernel_id, request.timeout, remove)


if __name__ == "__main__":
    sys.exit(run("launch_custom_resource", launch))
