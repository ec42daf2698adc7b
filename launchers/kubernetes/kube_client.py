"""Asking a cluster for objects, and what its answers mean.

It does not know what can be asked for, nor templates.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from launch_errors import DENIED, NO_ENGINE, REFUSED, LaunchError, causes

# In the order they are made. The pod comes before what belongs to it: that needs its uid.
METHODS = {
    "PersistentVolume": "create_persistent_volume",
    "PersistentVolumeClaim": "create_namespaced_persistent_volume_claim",
    "Pod": "create_namespaced_pod",
    "Secret": "create_namespaced_secret",
    "Service": "create_namespaced_service",
    "ConfigMap": "create_namespaced_config_map",
}
KINDS = ("Pod", *(kind for kind in METHODS if kind != "Pod"))
STAYS = ("PersistentVolume", "PersistentVolumeClaim")  # data outlives a kernel: found again
CONFLICT = 409
CREDENTIALS = (401, 403)
PAUSE = 0.5  # seconds, as all below
# A namespace that was just made gets its service accounts a moment later.
NO_ACCOUNT = "error looking up service account"
ACCOUNT_COMES = 5.0
ANSWERS = 10.0  # a cluster that is asked to clean up


def connect() -> None:
    """Read the way to the cluster: that of a pod, or else of a kubeconfig file."""
    from kubernetes import config

    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    else:
        config.load_kube_config()  # type: ignore[no-untyped-call]


def create_all(
    api: Any,
    objects: Mapping[str, dict[str, Any]],
    namespace: str,
    kernel_id: str,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Create a kernel's pod and what it needs; if anything fails, no pod stays.

    Args:
        api: A `kubernetes.client.CoreV1Api`.
        objects: By kind.
        namespace: Where.
        kernel_id: Label of the pod.
        timeout: Seconds that what is left of an earlier pod may take to go.
        clock: Seconds that go by.
        sleep: Waits for seconds.

    Raises:
        LaunchError: A name stays in use.
        kubernetes.client.ApiException: The cluster refuses.
    """
    end = clock() + timeout
    pod = None
    made = False
    try:
        for kind, method in METHODS.items():
            if kind not in objects:
                continue
            body = objects[kind]
            if pod is not None:
                metadata = body.setdefault("metadata", {})
                metadata["ownerReferences"] = [owner(pod)]
            if kind == "Pod":
                pod, made = _create_pod(api, body, namespace, kernel_id, end, clock, sleep)
                continue
            where = () if kind == "PersistentVolume" else (namespace,)
            _create(getattr(api, method), where, body, kind, end, clock, sleep)
    except BaseException:
        if pod is not None and made:
            # What went wrong first is what is told.
            with contextlib.suppress(Exception):
                api.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=0)
        raise


def owner(pod: Any) -> dict[str, Any]:
    """The reference by which an object is removed with its pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": pod.metadata.name,
        "uid": pod.metadata.uid,
    }


def _create_pod(
    api: Any,
    body: dict[str, Any],
    namespace: str,
    kernel_id: str,
    end: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[Any, bool]:
    """The pod, and whether it was made now: one that is there already is the kernel's.

    After a restart it may be the pod before, on its way out, whose name is in use until then.
    """
    from kubernetes.client.exceptions import ApiException

    name = body["metadata"]["name"]
    no_account = clock() + ACCOUNT_COMES
    while True:
        try:
            return api.create_namespaced_pod(namespace, body, field_validation="Strict"), True
        except ApiException as error:
            if error.status != CONFLICT and (
                NO_ACCOUNT not in str(error.body) or clock() + PAUSE >= no_account
            ):
                raise
        # By its name: the right to list pods is there anyway, as the gateway has it.
        found = api.list_namespaced_pod(namespace, field_selector=f"metadata.name={name}").items
        staying = [pod for pod in found if pod.metadata.deletion_timestamp is None]
        if staying:
            labels = staying[0].metadata.labels or {}
            if (labels.get("kernel_id"), labels.get("component")) == (kernel_id, "kernel"):
                return staying[0], False
            _in_use("Pod", body, "have {{ kernel_id }} in KERNEL_POD_NAME")
        _wait("Pod", body, end, clock, sleep)


def _create(
    method: Callable[..., Any],
    where: tuple[str, ...],
    body: dict[str, Any],
    kind: str,
    end: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    from kubernetes.client.exceptions import ApiException

    while True:
        try:
            method(*where, body, field_validation="Strict")
        except ApiException as error:
            if error.status != CONFLICT:
                raise
            if kind in STAYS:
                return
        else:
            return
        _wait(kind, body, end, clock, sleep)  # the one of the pod before is on its way out


def _wait(
    kind: str,
    body: dict[str, Any],
    end: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    if clock() + PAUSE >= end:
        _in_use(kind, body)
    sleep(PAUSE)


def _in_use(kind: str, body: dict[str, Any], fix: str = "") -> NoReturn:
    name = body["metadata"]["name"]
    raise LaunchError(f"the cluster has another {kind} of the name {name}", REFUSED, fix)


def create_custom(
    api: Any,
    body: dict[str, Any],
    kind: tuple[str, str, str],
    namespace: str,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Create an object of a kind that Kubernetes itself does not have.

    Args:
        api: A `kubernetes.client.CustomObjectsApi`.
        body: The object.
        kind: Group, version and plural.
        namespace: Where.
        timeout: Seconds that the one of before may take to go.
        clock: Seconds that go by.
        sleep: Waits for seconds.
    """
    group, version, plural = kind
    end = clock() + timeout

    def create(body: dict[str, Any], field_validation: str) -> None:
        api.create_namespaced_custom_object(
            group, version, namespace, plural, body, field_validation=field_validation
        )

    _create(create, (), body, body["kind"], end, clock, sleep)


# --- What stays ----------------------------------------------------------------------------------


@contextlib.contextmanager
def leaving_nothing(kernel_id: str) -> Iterator[None]:
    """If something fails, remove the namespace that the gateway has made for a kernel.

    The gateway removes it with the kernel's pod only, so it would stay if there was none. It is
    known by its labels; without the right to list namespaces it stays.
    """
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # what went wrong first is what is told
            remove_namespace(kernel_id)
        raise


def remove_namespace(kernel_id: str) -> None:
    """Remove the namespaces with a kernel's labels."""
    from kubernetes import client

    connect()
    api = client.CoreV1Api()
    label = f"app=enterprise-gateway,component=kernel,kernel_id={kernel_id}"
    for found in api.list_namespace(label_selector=label, _request_timeout=ANSWERS).items:
        api.delete_namespace(found.metadata.name, _request_timeout=ANSWERS)


# --- Errors --------------------------------------------------------------------------------------


def explain(error: Exception) -> LaunchError:
    """What an error of the cluster, or on the way to it, means."""
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config.config_exception import ConfigException
    from urllib3.exceptions import HTTPError

    if isinstance(error, LaunchError):
        return error
    if isinstance(error, ApiException) and error.status:
        try:
            why = json.loads(error.body or "")["message"]
        except (ValueError, TypeError, KeyError):
            why = error.reason
        if error.status in CREDENTIALS:
            fix = "give the gateway's service account the right"
            if NO_ACCOUNT in str(why):
                fix = "make that account, or name another in EG_DEFAULT_KERNEL_SERVICE_ACCOUNT_NAME"
            return LaunchError(f"the cluster does not allow it: {why}", DENIED, fix)
        return LaunchError(f"the cluster refuses: {why}", REFUSED)
    if isinstance(error, ConfigException):
        fix = "run the gateway in the cluster, or set KUBECONFIG"
        return LaunchError(f"no way to a cluster is known: {error}", NO_ENGINE, fix)
    known = (HTTPError, OSError, ApiException)
    if any(isinstance(one, known) for one in causes(error)):
        return LaunchError(f"no cluster answers ({type(error).__name__})", NO_ENGINE)
    return LaunchError(f"{type(error).__name__}: {error}", REFUSED)


def run(program: str, work: Callable[[], None]) -> int:
    """Do it; an error becomes one line, and the exit code is returned."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        known = explain(error)
        fix = f"; fix: {known.fix}" if known.fix else ""
        print(f"{program}: error: {' '.join(str(known).split())}{fix}", file=sys.stderr)
        return known.code
    return 0
