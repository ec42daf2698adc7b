"""The gateway on a Kubernetes cluster: what `./doitw deploy` applies, under another name.

The namespaces are this run's own. What a killed run has left, the next one removes.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from buildlib.errors import ActionError, InputError
from deploy import manifests
from deploy.kubectl import Kubectl, Object
from deploy.kubernetes import Kubernetes, kernels_of
from deploy.manifests import USUAL, name_of
from deploy.platform import GRACE, KERNELS, NotUp, Say
from verify import owner
from verify.engine import LABEL
from verify.platforms import PORT, Gateway, Place

if TYPE_CHECKING:
    from verify.engine import Engine

BASE = Path(__file__).parents[1] / f"deploy/kubernetes/base/{USUAL}.yaml"
TOKEN = "EG_AUTH_TOKEN"  # noqa: S105 - a name
_NOT_THERE = (TOKEN, "EG_PORT", "EG_DOCKER_NETWORK")  # a Secret has the first
_OF_CLUSTER = "kube-root-ca.crt"  # a config map that every namespace has
FORWARD_SECONDS = 20.0
LAUNCH_SECONDS = 60.0  # a driver has to start after its kernel's pod is asked for
GONE_SECONDS = 30.0  # the grace of a pod


class Cluster:
    """A cluster that we were told to use.

    Attributes:
        kubectl: The way to it.
        version: Of its servers.
    """

    def __init__(self, context: str) -> None:
        """Ask it for its version.

        Raises:
            BuildError: There is no kubectl, or none that is new enough, or no answer.
        """
        self.kubectl = Kubectl(context)
        self.kubectl.check_version()
        known = self.kubectl.contexts()
        if context not in known:
            raise InputError(
                f"kubectl has no context {context!r}: there are {', '.join(known) or 'none'}",
                fix=f"--context {known[0]}" if known else "kubectl config get-contexts",
            )
        self.version = str(json.loads(self.kubectl.call("get", "--raw=/version")[1])["gitVersion"])

    def place(self) -> Place:
        """The platform, for `Server`."""
        return Place(
            self._start,
            cull_seconds=60,  # a driver that starts slower would be culled as idle
            gone_seconds=GONE_SECONDS,
            launch_seconds=LAUNCH_SECONDS,
            spark="k8s://",
            cluster=self,
        )

    def remove_dead(self) -> None:
        """Remove what runs have left on it whose process has ended."""
        found = self.kubectl.find("namespace", label=LABEL)
        runs = {each["metadata"]["labels"][LABEL]: each["metadata"] for each in found}
        for run, meta in runs.items():
            if owner.has_ended(meta.get("annotations", {})):
                Kubernetes(self.kubectl, run).down(_unheard)

    def namespaces(self, run: str) -> set[str]:
        """A run's: its own two, and such as its gateway has made for kernels."""
        found = map(name_of, self.kubectl.find("namespace"))
        return {name for name in found if name.startswith(run)}

    def executors(self, run: str, kernel_id: str) -> set[str]:
        """Pods of Spark's executors that run for a kernel."""
        which = f"kernel_id={kernel_id},component=worker"
        found = self.kubectl.find("pod", namespace=kernels_of(run), label=which)
        return set(map(name_of, found))

    def runs_a_job(self, run: str, driver: str) -> bool:
        """Whether Spark has a job that runs, as its driver's own server says."""
        path = f"/api/v1/namespaces/{kernels_of(run)}/pods/{driver}:4040/proxy/api/v1/applications"
        try:
            [application] = json.loads(self.kubectl.call("get", f"--raw={path}")[1])
            jobs = f"--raw={path}/{application['id']}/jobs?status=running"
            return bool(json.loads(self.kubectl.call("get", jobs)[1]))
        except (ActionError, ValueError):  # its server has another port, or does not answer yet
            return False

    def images(self, run: str, kernel_id: str) -> set[str]:
        """The images that pods of a kernel run, executors included, as they name them.

        What a node calls an image is no id that an engine knows.
        """
        which = f"{KERNELS[0]},kernel_id={kernel_id}"
        found = self.kubectl.find("pod", namespace=kernels_of(run), label=which)
        return {c["image"] for each in found for c in each["spec"]["containers"]}

    def of_kernels(self, run: str) -> list[str]:
        """All there is of kernels: pods, and the services and config maps that Spark makes."""
        kinds = "pod,service,configmap"
        found = self.kubectl.find(kinds, namespace=kernels_of(run))
        return [manifests.title(each) for each in found if name_of(each) != _OF_CLUSTER]

    def try_to_make(self, found: Object) -> str:
        """Ask the cluster whether it would take an object; what it says where it would not."""
        words = ("apply", "--dry-run=server", "--filename=-")
        try:
            self.kubectl.call(*words, stdin=json.dumps(found))
        except ActionError as error:
            return str(error.detail)
        return ""

    def _start(self, engine: Engine, gateway: Gateway) -> Forwarded:
        return Forwarded(self.kubectl, engine.run, lambda: self._objects(engine, gateway))

    def _objects(self, engine: Engine, gateway: Gateway) -> list[Object]:
        try:
            objects = manifests.read(BASE.read_text(encoding="utf-8"), BASE.name)
        except FileNotFoundError:
            raise InputError(
                f"there is no {BASE.name}: it is rendered by a build",
                fix="./doitw build //deploy:kubernetes",
            ) from None
        manifests.set_images(objects, {USUAL: gateway.reference})
        env = {name: value for name, value in gateway.env.items() if name not in _NOT_THERE}
        manifests.set_env(objects, env)
        objects += manifests.secrets(objects, gateway.env[TOKEN], "")
        for each in objects:
            if each["kind"] == "Namespace":
                each["metadata"].setdefault("labels", {})[LABEL] = engine.run
                each["metadata"]["annotations"] = owner.labels()
        return objects


class Forwarded(Kubernetes):
    """A gateway that is reached by a port of this machine, which kubectl forwards to its pod."""

    _forward: subprocess.Popen[bytes] | None = None
    _port = ""

    def url(self) -> str:
        """The forwarded port, which is opened when first asked for."""
        if not self._port:
            with tempfile.TemporaryFile("a+b") as said:  # a pipe would be full some day
                self._port = self._open(said)
        return f"http://127.0.0.1:{self._port}"

    def down(self, say: Say, grace: int = GRACE) -> list[str]:
        """See `Platform`; the port is closed."""
        if self._forward is not None:
            self._forward.terminate()
            self._forward.wait()
            self._forward, self._port = None, ""
        return super().down(say, grace)

    def _open(self, said: IO[bytes]) -> str:
        where = ("--namespace", self.name, "--address=127.0.0.1")
        command = self._kubectl.command("port-forward", f"service/{USUAL}", f":{PORT}", *where)
        self._forward = subprocess.Popen(command, stdout=said, stderr=said)
        end = time.monotonic() + FORWARD_SECONDS
        while self._forward.poll() is None and time.monotonic() < end:
            said.seek(0)
            head, _, rest = said.read().decode().partition("127.0.0.1:")
            if rest and "Forwarding" in head:
                return rest.partition(" ")[0]
            time.sleep(0.05)
        said.seek(0)
        with suppress(ProcessLookupError):
            self._forward.kill()
        raise NotUp("kubectl forwards no port to the gateway", detail=said.read().decode())


def _unheard(line: str) -> None:
    """Nobody waits for a line of progress."""
