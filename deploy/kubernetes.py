"""The gateway on Kubernetes, by `kubectl`: the objects of `deploy/kubernetes`; removed by labels.

A deployment X has the namespaces X, X-kernels and, with the puller, X-puller. All that is made for
it has the label `app.kubernetes.io/instance=X`; kernels are found by the labels that they have
everywhere. What the user can reach is a context; which one, whoever calls it has said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildlib.errors import ActionError
from deploy import manifests
from deploy.kubectl import Kubectl, Object
from deploy.manifests import INSTANCE, USUAL, name_of
from deploy.platform import GRACE, KERNEL_ID, KERNELS, Kernel, NotUp, Say
from deploy.waiting import until

UP_SECONDS = 300.0
"""A node may have to pull the image."""
DOWN_SECONDS = 180.0
_KERNELS_PART = "-kernels"
PARTS = ("", _KERNELS_PART, "-puller")
"""What namespaces are called beside the name of the deployment."""
_WITHIN = (
    "configmap,daemonset.apps,deployment.apps,ingress.networking.k8s.io,"
    "networkpolicy.networking.k8s.io,persistentvolumeclaim,poddisruptionbudget.policy,"
    "resourcequota,role.rbac.authorization.k8s.io,rolebinding.rbac.authorization.k8s.io,secret,"
    "service,serviceaccount"
)
_OUTSIDE = (
    "clusterrole.rbac.authorization.k8s.io,clusterrolebinding.rbac.authorization.k8s.io,"
    "persistentvolume,namespace"
)
"""All kinds that a deployment may have: in a namespace, and in none."""
_HOPELESS = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
)
"""Reasons of a container that waits which do not pass by themselves."""
_GATEWAY = f"app={USUAL},component=gateway"
_KERNELS = ",".join(KERNELS)
_PODS_OF_KERNELS = f"app={USUAL},component in (kernel,worker)"


class Kubernetes:
    """A `Platform`: a Deployment, and a pod for each kernel.

    Args:
        kubectl: The cluster.
        name: Of the gateway's namespace, and the beginning of the others'.
        describe: Makes the objects that are wanted; only what starts it asks.
    """

    def __init__(
        self, kubectl: Kubectl, name: str, describe: Callable[[], list[Object]] | None = None
    ) -> None:
        self.name = name
        self._kubectl = kubectl
        self._describe = describe
        self._label = f"{INSTANCE}={name}"

    def check(self) -> None:
        """Refuse a kubectl that is too old, and a cluster that does not answer."""
        self._kubectl.check_version()
        self._kubectl.check_answers()

    def exists(self) -> bool:
        """Whether there is a namespace of these names, whoever made it."""
        return bool(self._namespaces())

    def changes(self, say: Say) -> bool:
        """Tell what `up` would change; returns whether that is anything."""
        objects = self._wanted()
        there, outside = set(self._namespaces()), self._kubectl.find(_OUTSIDE)
        known = set(map(manifests.key_of, outside))
        new = [
            each
            for each in objects
            if (space := _namespace(each)) not in there
            and (space or manifests.key_of(each) not in known)
        ]
        old = [each for each in objects if each not in new]
        for space in dict.fromkeys(map(_namespace, new)):
            titles = [manifests.title(each) for each in new if _namespace(each) == space]
            say(f"new in {space or 'the cluster'}: {', '.join(titles)}")
        stale = self._stale(objects)
        for each in stale:
            say(f"goes from {_namespace(each) or 'the cluster'}: {manifests.title(each)}")
        difference = self._kubectl.diff(old)
        for line in difference.splitlines():
            say(line)
        return bool(new or stale or difference)

    def up(self, say: Say) -> None:
        """Apply all objects, remove those that are no longer wanted, and wait until it is ready."""
        objects = self._wanted()
        stale = self._stale(objects)
        self._kubectl.apply(objects)
        for each in stale:
            self._kubectl.delete(each)
        late = until(self.waiting, UP_SECONDS, say)
        if late:
            raise self._not_up(f"still {late}")

    def waiting(self) -> str:
        """See `Platform`: the wanted pod has to be ready, and no former one there."""
        found = self._in_gateway("deployment.apps")
        if not found:
            return "waiting for the Deployment"
        [deployment] = found
        wanted, status = deployment["spec"]["replicas"], deployment.get("status", {})
        if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
            return "waiting for the cluster to notice"
        self._refuse_failure(status)
        pods = self._in_gateway("pod")
        why = next(filter(None, map(_pod_waits_for, pods)), "")
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
        if counts == [wanted] * 3 and len(pods) == wanted:
            return ""
        hopeless = next((each for each in _HOPELESS if why.startswith(each)), "")
        if hopeless and status.get("updatedReplicas"):
            raise self._not_up(why)
        return "waiting for the gateway to be ready" + (f": {why}" if why else "")

    def url(self) -> str:
        """The address of its ingress, if it has one."""
        for each in self._kubectl.find("ingress.networking.k8s.io", namespace=self.name):
            for rule in each["spec"].get("rules", []):
                if host := rule.get("host"):
                    return f"https://{host}"
        return ""

    def log(self, lines: int = 0) -> str:
        """What its pods have printed."""
        tail = f"--tail={lines or -1}"
        words = ("--namespace", self.name, "--selector", _GATEWAY, tail)
        return self._kubectl.call("logs", *words, allow=(0, 1))[1]

    def kernels(self, kernel_id: str = "") -> list[Kernel]:
        """Its kernels, also those that have ended and were not removed."""
        label = f"{_KERNELS},{KERNEL_ID}={kernel_id}" if kernel_id else _KERNELS
        return [
            Kernel(pod["metadata"]["name"], _image_of(pod))
            for namespace in self.kernel_namespaces()
            for pod in self._kubectl.find("pod", namespace=namespace, label=label)
        ]

    def kernel_namespaces(self) -> list[str]:
        """Where its kernels are: in one namespace for all, or each in its own."""
        return [*self._own((kernels_of(self.name),)), *self._made_for_kernels()]

    def down(self, say: Say, grace: int = GRACE) -> list[str]:
        """Stop the gateway, then remove its kernels, then all that was made for it."""
        del grace  # is in the Deployment
        if self._in_gateway("deployment.apps"):
            say("  stopping the gateway, which ends its kernels")  # else it starts them anew
            where = ("--namespace", self.name)
            self._kubectl.call("scale", f"deployment/{USUAL}", "--replicas=0", *where)
            until(lambda: "the gateway ends" if self._in_gateway("pod") else "", DOWN_SECONDS, say)
        gone = self._remove_kernels(say)
        own = self._kubectl.find(_OUTSIDE, label=self._label)
        for each in own:
            self._kubectl.delete(each)
        self._wait_gone([name_of(each) for each in own if each["kind"] == "Namespace"], say)
        return gone + [f"{each['kind'].lower()} {name_of(each)}" for each in own]

    def _wanted(self) -> list[Object]:
        assert self._describe is not None  # noqa: S101 - whoever calls it says what to start
        objects = manifests.renamed(self._describe(), self.name)
        manifests.labelled(objects, self.name)
        return objects

    def _own(self, names: Sequence[str]) -> list[str]:
        """Those of some namespaces that are there."""
        found = self._kubectl.find("namespace")
        return [name for name in names if name in map(name_of, found)]

    def _namespaces(self) -> list[str]:
        return self._own([f"{self.name}{part}" for part in PARTS])

    def _in_gateway(self, kind: str) -> list[Object]:
        return self._kubectl.find(kind, namespace=self.name, label=_GATEWAY)

    def _stale(self, objects: Sequence[Object]) -> list[Object]:
        """What an earlier `up` has made and is no longer wanted."""
        wanted = set(map(manifests.key_of, objects))
        found = self._kubectl.find(_OUTSIDE, label=self._label)
        for namespace in self._namespaces():
            found += self._kubectl.find(_WITHIN, namespace=namespace, label=self._label)
        # What the cluster keeps beside an object carries its labels, too: an owner says so.
        found = [each for each in found if not each["metadata"].get("ownerReferences")]
        return [each for each in found if manifests.key_of(each) not in wanted]

    def _made_for_kernels(self) -> list[str]:
        """Namespaces that the gateway has made: its role is bound there."""
        role = f"{self.name}-spark"
        if role not in map(name_of, self._kubectl.find("clusterrole", label=self._label)):
            return []
        found = self._kubectl.find("rolebinding.rbac.authorization.k8s.io", label=_KERNELS)
        return [_namespace(each) for each in found if each["roleRef"]["name"] == role]

    def _remove_kernels(self, say: Say) -> list[str]:
        gone = []
        for namespace in self._own((kernels_of(self.name),)):
            for pod in self._kubectl.find("pod", namespace=namespace, label=_PODS_OF_KERNELS):
                self._kubectl.delete(pod)
                gone.append(f"pod {name_of(pod)}")
        made = self._made_for_kernels()
        for namespace in made:
            self._kubectl.call(
                "delete", "namespace", namespace, "--ignore-not-found", "--wait=false"
            )
        self._wait_gone(made, say)
        return gone + [f"namespace {each}" for each in made]

    def _wait_gone(self, names: Sequence[str], say: Say) -> None:
        def waiting() -> str:
            left = self._own(names)
            return f"namespace {left[0]} is being removed" if left else ""

        late = until(waiting, DOWN_SECONDS, say)
        if late:
            left = self._own(names)[0]
            fix = f"{self._kubectl.typed} get namespace {left} --output=yaml"
            raise ActionError(f"still {late}", fix=fix)

    def _refuse_failure(self, status: Mapping[str, Any]) -> None:
        """Refuse what the cluster will not even make a pod of: Pod Security, a quota."""
        for each in status.get("conditions", []):
            if each["type"] == "ReplicaFailure" and each["status"] == "True":
                raise self._not_up(each.get("message", "the cluster makes no pod"))

    def _not_up(self, what: str) -> NotUp:
        fix = f"{self._kubectl.typed} --namespace {self.name} describe pod"
        return NotUp(f"{self.name} does not start: {what}", detail=self.log(30) or None, fix=fix)


def kernels_of(name: str) -> str:
    """The namespace of a deployment's kernels."""
    return f"{name}{_KERNELS_PART}"


def _namespace(found: Object) -> str:
    """The namespace that an object is in, or is."""
    if found["kind"] == "Namespace":
        return name_of(found)
    return str(found["metadata"].get("namespace", ""))


def _image_of(pod: Object) -> str:
    found = pod.get("status", {}).get("containerStatuses") or [{}]
    return str(found[0].get("imageID") or pod["spec"]["containers"][0]["image"])


def _pod_waits_for(pod: Object) -> str:
    """Why a pod is not ready, as the cluster says it."""
    status = pod.get("status", {})
    for each in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        state = each.get("state", {}).get("waiting") or {}
        if state.get("reason") and state["reason"] not in ("ContainerCreating", "PodInitializing"):
            return f"{state['reason']}: {state.get('message', '')}".rstrip(": ")
    for each in status.get("conditions", []):
        if each["type"] == "PodScheduled" and each["status"] == "False":
            return str(each.get("message") or each.get("reason", ""))
    return ""
