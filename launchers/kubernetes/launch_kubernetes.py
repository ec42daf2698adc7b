"""Start a kernel as a pod of Kubernetes, or write the template of Spark's pods.

It is the command of a kernelspec: the gateway runs it with its own Python, finds the pod by the
label `kernel_id`, and waits for what the kernel reports. An exit code other than 0 ends that
waiting once the pod has gone; the one line written then is what an administrator sees in the
gateway's log. So the pod is watched until it runs, and removed if it cannot.

kube_values.py says what may be asked for, kernel-pod.yaml.j2 what a pod is like, kube_client.py how
a cluster is asked. For Spark, run.sh calls it twice: with --pod-template nothing is started, and
with --submitted=CODE (spark-submit's) the driver is watched, or what is left of it removed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kernel_request import launch_timeout
from kube_client import (
    KINDS,
    connect,
    create_all,
    leaving_nothing,
    remove_namespace,
    run,
)
from kube_manifest import add_environment, by_kind, render
from kube_values import Request, id_of, options, read_request
from kube_watch import watch
from launch_errors import DATA, LaunchError
from spark_options import spark_options

HERE = Path(__file__).resolve().parent
TEMPLATE = "kernel-pod.yaml.j2"
ABOUT = "Start a kernel as a pod; docs/kernelspecs.md says what it reads."
NEEDED = ("kernel_pod_name", "kernel_namespace", "kernel_image")


def objects_of(request: Request, template: Path) -> dict[str, Any]:
    """What the cluster is asked for, by kind.

    Raises:
        LaunchError: The template or a value is wrong.
    """
    for name in NEEDED:
        if name not in request.values:
            raise LaunchError(f"{name.upper()} is not set", DATA)
    objects = by_kind(render(template, request.values), KINDS, template.name)
    try:
        container = objects["Pod"]["spec"]["containers"][0]
        add_environment(container, request.environment)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise LaunchError(f"{template.name}: the pod has no container", DATA) from None
    return objects


def write(path: str, text: str) -> None:
    """Write a file for ourselves alone: it may hold what a client takes for secret."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def launch() -> None:
    """Start a kernel, or do what run.sh wants."""
    given = options(sys.argv[1:], ABOUT, "pod-template", "spark-opts-out", "submitted")
    kernel_id = id_of(given)
    if given["submitted"]:
        submitted(kernel_id, given["submitted"], os.environ)
    elif given["pod-template"] or given["spark-opts-out"]:
        template(read_request(given, os.environ, HERE.parent, for_spark=True))
    else:
        with leaving_nothing(kernel_id):
            start(read_request(given, os.environ, HERE.parent, for_spark=False))


def start(request: Request) -> None:
    """Start a kernel."""
    from kubernetes import client

    objects = objects_of(request, HERE / TEMPLATE)
    connect()
    api, namespace = client.CoreV1Api(), request.values["kernel_namespace"]
    create_all(api, objects, namespace, request.kernel_id, request.timeout)
    watch(api, namespace, request.kernel_id, request.timeout)


def template(request: Request) -> None:
    """Write the template of Spark's pods, and the options that belong to it."""
    import yaml

    objects = objects_of(request, HERE / TEMPLATE)
    write(request.pod_template, yaml.safe_dump(objects["Pod"], sort_keys=False))
    line = spark_options(request.pod_template, objects["Pod"])
    if request.spark_opts_out:
        write(request.spark_opts_out, line + "\n")
    else:
        print(line)


def submitted(kernel_id: str, code: str, env: Mapping[str, str]) -> None:
    """Watch the driver that spark-submit has asked for; if it could not, leave nothing of it."""
    if code != "0":
        with contextlib.suppress(Exception):  # the reason has been told
            remove_namespace(kernel_id)
        return
    from kubernetes import client

    with leaving_nothing(kernel_id):
        connect()
        watch(client.CoreV1Api(), env["KERNEL_NAMESPACE"], kernel_id, launch_timeout(env))


if __name__ == "__main__":
    sys.exit(run("launch_kubernetes", launch))
