"""Watching a kernel's pod until it runs: what it waits for, and when that is in vain.

The gateway sees that a pod is there, and not what it waits for. It looks at the exit code of a
launch script only when the pod has gone. It does not know what was asked for.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from launch_errors import LATE, REFUSED, LaunchError

BEGINS, RUNS, UNSCHEDULABLE = "ContainerCreating", "Running", "Unschedulable"
NOT_YET = (None, "", BEGINS, "PodInitializing")  # reasons of which nothing is wrong
# Seconds
PAUSE = 0.5
NODE_COMES = 3.0  # what a pod that just ended has had may not be free yet
SETTLED = 3.0  # a kernel that cannot start has ended by then


def watch(
    api: Any,
    namespace: str,
    kernel_id: str,
    timeout: float,
    remove: Callable[[], object] | None = None,
    env: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a kernel's pod runs. If it cannot, remove it, and say why in the pod's own words.

    Args:
        api: A `kubernetes.client.CoreV1Api`.
        namespace: Where.
        kernel_id: Label of the pod.
        timeout: Seconds that the gateway waits.
        remove: Removes what the pod belongs to; by default, the pod itself is removed.
        env: With EG_KUBERNETES_AUTOSCALING, a pod that no node can take is waited for.
        clock: Seconds that go by.
        sleep: Waits for seconds.

    Raises:
        LaunchError: The pod cannot run, or was removed while it waited.
    """
    autoscaling = env.get("EG_KUBERNETES_AUTOSCALING", "").lower() == "true"
    end = clock() + timeout
    name, before, since = "", "", end
    while clock() < end:
        found = _pods(api, namespace, kernel_id)
        if found == [] and name:
            if before == RUNS:
                return
            raise LaunchError(f"pod {name} was removed while it waited: {before}", LATE)
        if found:
            name, reason = found[0].metadata.name, hindrance(found[0])
            if reason != before:
                before, since = reason, clock()
                if autoscaling and reason.startswith(UNSCHEDULABLE):
                    print(f"pod {name} waits: {reason}", file=sys.stderr)
            if clock() - since >= _patience(reason, autoscaling=autoscaling):
                if reason == RUNS:
                    return
                with contextlib.suppress(Exception):  # the reason is what is to be told
                    if remove:
                        remove()
                    else:
                        api.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
                raise LaunchError(f"pod {name} cannot run: {reason}", REFUSED)
        sleep(PAUSE)


def _pods(api: Any, namespace: str, kernel_id: str) -> list[Any] | None:
    """The kernel's pods but for those on their way out; None if the cluster does not say."""
    label = f"kernel_id={kernel_id},component=kernel"
    try:
        found = api.list_namespaced_pod(namespace, label_selector=label).items
    except Exception:  # noqa: BLE001 - the kernel may start all the same
        return None
    return [pod for pod in found if pod.metadata.deletion_timestamp is None]


def _patience(reason: str, *, autoscaling: bool) -> float:
    """Seconds that a pod may be in a state before that is taken for its last."""
    if reason == RUNS:
        return SETTLED
    if reason in NOT_YET or (autoscaling and reason.startswith(UNSCHEDULABLE)):
        return math.inf
    return NODE_COMES if reason.startswith(UNSCHEDULABLE) else 0


def hindrance(pod: Any) -> str:
    """What a pod waits for, or why it ended; `Running` if nothing hinders it."""
    status = pod.status
    containers = [*(status.init_container_statuses or []), *(status.container_statuses or [])]
    states = [container.state for container in containers if container.state]
    if status.phase == "Failed":
        ended = [state.terminated for state in states if state.terminated]
        if status.reason or not ended:
            return _said(status.reason or "Failed", status.message)
        last = ended[-1]
        return _said(last.reason or "Failed", last.message or f"exit code {last.exit_code}")
    for condition in status.conditions or []:
        if condition.type == "PodScheduled" and condition.reason == UNSCHEDULABLE:
            return _said(UNSCHEDULABLE, condition.message)
    waiting = [state.waiting for state in states if state.waiting]
    for one in waiting:
        if one.reason not in NOT_YET:
            return _said(one.reason, one.message)
    return BEGINS if waiting or status.phase == "Pending" else RUNS


def _said(reason: str, message: str | None) -> str:
    return f"{reason}: {message}" if message else reason
