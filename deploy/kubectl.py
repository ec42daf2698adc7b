"""`kubectl`, for one context: what is asked of a cluster. Knows nothing of gateways."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from typing import Any

from buildlib.errors import ActionError, InputError

Object = dict[str, Any]
"""An object of Kubernetes, as its YAML says it."""
OLDEST = 27
"""Of 1.x: what this was tried with, and the first with a kustomize of version 5."""
MANAGER = "doitw"
"""Who owns the fields that we apply."""
_SECONDS = 30
"""For one question; what is waited for is asked again."""
_DIFFERS = 1
_FILE = re.compile(r"^--- \S*/LIVE-\d+/(\S+)\s.*$")
_INSTALL = "https://kubernetes.io/docs/tasks/tools  # kubectl, on PATH"


class Kubectl:
    """A cluster.

    Args:
        context: Of the kubeconfig; never left to kubectl where something is changed.
        program: For tests.
    """

    def __init__(self, context: str, program: str = "kubectl") -> None:
        self.context = context
        self._program = program

    @property
    def typed(self) -> str:
        """How a person begins a command to this cluster."""
        return f"kubectl --context {self.context}" if self.context else "kubectl"

    def command(self, *words: str) -> list[str]:
        """The command line, for whoever runs it himself."""
        return [self._program, *(["--context", self.context] if self.context else []), *words]

    def call(self, *words: str, stdin: str = "", allow: Sequence[int] = (0,)) -> tuple[int, str]:
        """Run a command on the cluster; its exit code and what it printed.

        Raises:
            InputError: There is no kubectl.
            ActionError: It failed with a code that is not allowed.
        """
        try:
            done = subprocess.run(
                self.command(*words), input=stdin, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise InputError(f"there is no {self._program} on PATH", fix=_INSTALL) from None
        if done.returncode not in allow:
            told = (done.stderr or done.stdout).strip()
            ask = "auth can-i --list" if "forbidden" in told.lower() else "cluster-info"
            raise ActionError(
                f"kubectl {words[0]} failed with exit code {done.returncode}",
                detail=told,
                fix=f"{self.typed} {ask}",
            )
        return done.returncode, done.stdout

    def find(self, kinds: str, *, namespace: str = "", label: str = "") -> list[Object]:
        """Objects of some kinds, with commas between; of all namespaces where none is named."""
        where = ["--namespace", namespace] if namespace else ["--all-namespaces"]
        which = ["--selector", label] if label else []
        limit = f"--request-timeout={_SECONDS}s"
        _, text = self.call("get", kinds, *where, *which, limit, "--output=json")
        items: list[Object] = json.loads(text or "{}").get("items", [])
        return items

    def apply(self, objects: Sequence[Object]) -> None:
        """Make objects, or make them so; fields that others have set are taken over."""
        owned = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}")
        self.call("apply", *owned, "--filename=-", stdin=as_list(objects))

    def diff(self, objects: Sequence[Object]) -> str:
        """What `apply` would change, as a diff; values of Secrets are hidden."""
        if not objects:
            return ""
        owned = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}")
        words = ("diff", *owned, "--filename=-")
        text = self.call(*words, stdin=as_list(objects), allow=(0, _DIFFERS))[1]
        # It compares files, whose names say where they lay for a moment.
        lines = [line for line in text.splitlines() if not line.startswith(("diff ", "+++ "))]
        return "\n".join(_FILE.sub(r"--- \1", line) for line in lines)

    def delete(self, found: Object, *words: str) -> None:
        """Begin to remove an object, if it is still there."""
        meta = found["metadata"]
        where = ["--namespace", meta["namespace"]] if meta.get("namespace") else []
        kind = full_kind(found)
        usual = ("--ignore-not-found", "--wait=false")
        self.call("delete", kind, meta["name"], *where, *usual, *words)

    def kustomize(self, folder: str) -> str:
        """The objects of a kustomization, as YAML; no cluster is asked."""
        return self.call("kustomize", folder)[1]

    def check_version(self) -> None:
        """Refuse a kubectl that is too old; no cluster is asked."""
        _, text = self.call("version", "--client", "--output=json")
        version = json.loads(text)["clientVersion"]
        minor = "".join(filter(str.isdigit, version["minor"]))
        if (version["major"], int(minor or 0)) < ("1", OLDEST):
            raise InputError(
                f"this kubectl is {version['gitVersion']}, and 1.{OLDEST} is needed", fix=_INSTALL
            )

    def check_answers(self) -> None:
        """Refuse a cluster that does not answer, or does not know us."""
        self.call("get", "--raw=/version", f"--request-timeout={_SECONDS}s")

    def contexts(self) -> list[str]:
        """All that the kubeconfig has."""
        return self.call("config", "get-contexts", "--output=name")[1].split()

    def current(self) -> str:
        """The current context; an empty text where there is none."""
        code, text = self.call("config", "current-context", allow=(0, 1))
        return "" if code else text.strip()

    def server(self) -> str:
        """The address of the context's cluster."""
        path = "--output=jsonpath={.clusters[0].cluster.server}"
        return self.call("config", "view", "--minify", path)[1].strip()


def as_list(objects: Sequence[Object]) -> str:
    """Objects as one text for kubectl."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def full_kind(found: Object) -> str:
    """A kind as kubectl takes it without doubt: `Role.v1.rbac.authorization.k8s.io`."""
    group, _, version = found["apiVersion"].rpartition("/")
    return f"{found['kind']}.{version}.{group}" if group else str(found["kind"])
