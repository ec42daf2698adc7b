"""The cases of a Kubernetes cluster: what it enforces, refuses and tells, and what it keeps apart.

They are tried on the deployment that `./doitw deploy kubernetes` makes by default.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from deploy.kubernetes import kernels_of
from verify.gateway_cases import Session, language_of, refused
from verify.languages import LANGUAGES
from verify.rules import Broken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from verify.results import Case
    from verify.server import Server

ENFORCE = "pod-security.kubernetes.io/enforce"
NODE = {
    "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
    "containers": [
        {
            "name": "evil",
            "image": "verify.invalid/evil:none",
            "securityContext": {"privileged": True},
            "volumeMounts": [{"name": "node", "mountPath": "/node"}],
        }
    ],
}
"""A pod that has all of its node."""
MANY = "900"
"""Processors that no node has."""


class Wrong(NamedTuple):
    """What a request may not ask for.

    Attributes:
        env: Its variables.
        told: Has to be in the answer or in the log.
    """

    env: Mapping[str, str]
    told: str


def wrong_values(run: str) -> list[Wrong]:
    """Requests that have to be refused."""
    namespaces = ("kube-system", "default", run, f"{kernels_of(run)}\nkind: Secret")
    accounts = ("gateway", "default", "spark", "kernel\nhostNetwork: true")
    node = json.dumps(NODE["volumes"])
    return [
        *(Wrong({"KERNEL_NAMESPACE": name}, "namespace") for name in namespaces),
        *(Wrong({"KERNEL_SERVICE_ACCOUNT_NAME": name}, "account") for name in accounts),
        Wrong({"KERNEL_VOLUMES": node}, "KERNEL_VOLUMES"),
        Wrong({"KERNEL_MEMORY": "much"}, "KERNEL_MEMORY"),
        Wrong({"KERNEL_IMAGE": "no image\nhostNetwork: true"}, "KERNEL_IMAGE"),
        Wrong({"KERNEL_UID": "0"}, "uid"),
    ]


def restricted(server: Server) -> str:
    """Pod Security `restricted` is enforced in both namespaces: a privileged pod is refused."""
    cluster, run = server.cluster, server.engine.run
    _ = server.rest
    for namespace in (run, kernels_of(run)):
        meta = {"name": "verify-evil", "namespace": namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": NODE}
        answer = cluster.try_to_make(pod)
        if "PodSecurity" not in answer or "restricted" not in answer:
            message = f"in {namespace} a privileged pod is answered by: {answer or 'made'}"
            raise Broken("cluster-restricted", message)
    return f"Kubernetes {cluster.version}"


def refusals(server: Server, kernelspec: str) -> str:
    """What a request may not ask for is refused, with the reason, and leaves nothing."""
    wrongs = wrong_values(server.engine.run)
    before, seconds = _there(server), 0.0
    for wrong in wrongs:
        asked = ", ".join(f"{name}={value!r}" for name, value in wrong.env.items())
        begun = server.pace.mark()
        told = refused(server, kernelspec, "cluster-refusals", asked, wrong.env)[1]
        seconds = max(seconds, begun.seconds())
        if wrong.told.lower() not in told.lower():
            raise Broken("cluster-refusals", f"{asked}: nobody says why: {told[-300:]}")
    left = sorted(_there(server) - before)
    if left:
        raise Broken("cluster-refusals", f"of refused kernels are left: {', '.join(left)}")
    return f"{len(wrongs)} requests, at most {seconds:.1f} s"


def _there(server: Server) -> set[str]:
    """All there is of kernels; those of other cases may live."""
    return {*server.left_of_kernels(), *server.cluster.namespaces(server.engine.run)}


def unschedulable(server: Server, kernelspec: str) -> str:
    """A pod that no node can take is an error at once, with the scheduler's words."""
    return _told(server, kernelspec, "Insufficient cpu", KERNEL_CPUS=MANY)


def name_in_use(server: Server, kernelspec: str) -> str:
    """A pod's name that another kernel has is an error at once; the other one lives."""
    name = f"{server.engine.run}-taken"
    session = Session(server, kernelspec, KERNEL_POD_NAME=name)
    with contextlib.closing(session.channels):
        message = _told(server, kernelspec, name, KERNEL_POD_NAME=name)
        session.expect(language_of(server, kernelspec).hello, "cluster-told")
        session.delete()
    return message


def notebook(server: Server, kernelspec: str) -> str:
    """Code of a notebook tries to make a pod, read secrets, and reach another user's kernel."""
    victim = Session(server, kernelspec)
    with contextlib.closing(victim.channels):
        other = Session(server, kernelspec)
        with contextlib.closing(other.channels):
            tried = _try(server, other, victim)
            other.delete()
        victim.expect(LANGUAGES["python"].hello, "cluster-notebook")
        victim.delete()
    if tried.pop("token"):
        raise Broken("cluster-notebook", "a kernel without Spark has the token of an account")
    _denied(tried)
    return f"{len(tried)} requests, all refused; no token"


def spark_notebook(server: Server, kernelspec: str) -> str:
    """Code of a Spark notebook, which may make executors, tries what it may not."""
    session = Session(server, kernelspec)
    with contextlib.closing(session.channels):
        tried = _try(server, session, None)
        session.delete()
    if not tried.pop("token"):
        raise Broken("cluster-notebook", "a Spark kernel has no token, and can make no executor")
    _denied(tried)
    return f"{len(tried)} requests, all refused"


def cases(
    case: Callable[..., Case], server: Server | None, kernelspecs: Sequence[str]
) -> list[Case]:
    """All of them; what a notebook's code tries is written in Python.

    Args:
        case: Makes one, of its name, what it runs, and with what.
        server: The gateway.
        kernelspecs: Those that are proved.
    """
    first = kernelspecs[0]
    found = [
        case("restricted", restricted, server),
        case("refusals", refusals, server, first),
        case("unschedulable", unschedulable, server, first),
        case("name-in-use", name_in_use, server, first),
    ]
    for name, run in (("python_kubernetes", notebook), ("spark_python_kubernetes", spark_notebook)):
        if name in kernelspecs:
            found.append(case(run.__name__.replace("_", "-"), run, server, name))
    return found


_CODE = """
import json, os, ssl, urllib.error, urllib.request
account = "/var/run/secrets/kubernetes.io/serviceaccount"
token = open(account + "/token").read() if os.path.exists(account + "/token") else ""
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
address = [os.environ["KUBERNETES_SERVICE_" + name] for name in ("HOST", "PORT")]
api = "https://" + ":".join(address)
found = {"token": bool(token)}
for name, (method, url, body) in json.loads(ASKED).items():
    own = {"Authorization": "Bearer " + token} if token and url.startswith("/") else {}
    request = urllib.request.Request(
        api + url if url.startswith("/") else url, method=method,
        data=json.dumps(body).encode() if body else None,
        headers={**own, "Content-Type": "application/json"},
    )
    try:
        found[name] = urllib.request.urlopen(request, timeout=10, context=trust).status
    except urllib.error.HTTPError as error:
        found[name] = error.code
    except OSError as error:
        found[name] = str(error)
print(json.dumps(found))
"""


def _try(server: Server, session: Session, victim: Session | None) -> dict[str, Any]:
    """Have a kernel ask the cluster and the gateway; returns their answers, and `token`."""
    run = server.engine.run
    own = kernels_of(run)
    meta = {"name": f"{run}-evil"}
    evil = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": NODE}
    asked: dict[str, tuple[str, str, Any]] = {
        "read all secrets": ("GET", "/api/v1/secrets", None),
        "read the gateway's secrets": ("GET", f"/api/v1/namespaces/{run}/secrets", None),
        "read secrets beside it": ("GET", f"/api/v1/namespaces/{own}/secrets", None),
        "make a pod that has the node": ("POST", f"/api/v1/namespaces/{own}/pods", evil),
        "make a pod beside the gateway": ("POST", f"/api/v1/namespaces/{run}/pods", evil),
        "make a pod in kube-system": ("POST", "/api/v1/namespaces/kube-system/pods", evil),
        "remove the gateway": ("DELETE", f"/api/v1/namespaces/{run}/pods", None),
        "make a role": (
            "POST",
            f"/apis/rbac.authorization.k8s.io/v1/namespaces/{own}/rolebindings",
            {"metadata": meta, "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}},
        ),
        "list the gateway's kernels": (
            "GET",
            f"http://enterprise-gateway.{run}.svc:8888/api/kernels",
            None,
        ),
    }
    if victim is not None:
        [pod] = server.kernel_containers(victim.id)
        path = f"/api/v1/namespaces/{own}/pods/{pod}"
        kernel = f"http://enterprise-gateway.{run}.svc:8888/api/kernels/{victim.id}"
        asked |= {
            "list pods": ("GET", f"/api/v1/namespaces/{own}/pods", None),
            "remove another's pod": ("DELETE", path, None),
            "signal another's kernel": ("POST", f"{path}/exec?command=kill&command=1", None),
            "remove another's kernel": ("DELETE", kernel, None),
            "interrupt another's kernel": ("POST", f"{kernel}/interrupt", None),
        }
    outcome = session.channels.run(f"ASKED = {json.dumps(asked)!r}\n{_CODE}")
    try:
        answers: dict[str, Any] = json.loads(outcome.printed.splitlines()[-1])
    except (ValueError, IndexError):
        raise Broken("cluster-notebook", f"its code does not end well: {outcome}") from None
    return answers


def _denied(tried: Mapping[str, Any]) -> None:
    """Only 401 and 403 are a refusal; what does not answer says nothing of rights."""
    wrong = [f"{name}: {answer}" for name, answer in tried.items() if answer not in (401, 403)]
    if wrong:
        raise Broken("cluster-notebook", f"from a notebook: {'; '.join(wrong)}")


def _told(server: Server, kernelspec: str, words: str, **env: str) -> str:
    asked = ", ".join(f"{name}={value}" for name, value in env.items())
    begun = server.pace.mark()
    told = refused(server, kernelspec, "cluster-told", asked, env)[1]
    if words not in told:
        raise Broken("cluster-told", f"{asked}: nobody says {words!r}: {told[-300:]}")
    return f"after {begun.seconds():.1f} s"
