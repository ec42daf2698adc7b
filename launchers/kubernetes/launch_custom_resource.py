"""Start a kernel through an operator of Kubernetes: Spark's, so far.

It is the command of a kernelspec, as launch_kubernetes.py is. The operator makes the pods of the
object that GROUP-VERSION.yaml.j2 describes; the gateway watches the object, and removes it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from kube_client import connect, create_custom, run
from kube_manifest import add_environment, by_kind, render
from kube_values import Request, options, read_request
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
    request = read_request(options(sys.argv[1:], ABOUT), os.environ, HERE.parent)
    body = object_of(request, HERE)
    from kubernetes import client

    connect()
    create_custom(
        client.CustomObjectsApi(),
        body,
        resource_kind(request.values),
        request.values["kernel_namespace"],
        request.timeout,
    )


if __name__ == "__main__":
    sys.exit(run("launch_custom_resource", launch))
