"""Deployments to Kubernetes: of which files, to which cluster, with which settings.

How a gateway runs there is in `deploy/kubernetes.py`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from buildlib.errors import ActionError, InputError
from deploy import manifests
from deploy.kind import Kind, Reach, Request
from deploy.kubectl import Kubectl, Object
from deploy.kubernetes import PARTS, Kubernetes
from deploy.manifests import USUAL
from deploy.overlays import BASE, Overlays
from deploy.platform import Say
from deploy.state import TOKEN, Deployment, State

CONTEXT = "DEPLOY_CONTEXT"
SERVER = "DEPLOY_SERVER"
OVERLAY = "DEPLOY_OVERLAY"
RELEASE = "DEPLOY_RELEASE"
"""Variables of a deployment that remember where it is and what it is made of."""
PULL_CONFIG = "EG_PULL_CONFIG"
_MADE_OF = "DEPLOY_MADE_OF"
_REVISION = "DEPLOY_REVISION"
_SETTINGS = (
    "EG_CULL_CONNECTED",
    "EG_CULL_IDLE_TIMEOUT",
    "EG_CULL_INTERVAL",
    "EG_KERNEL_LAUNCH_TIMEOUT",
    "EG_KUBERNETES_ALLOWED_VOLUMES",
    "EG_LOG_LEVEL",
)
"""Variables of the gateway that `deploy` takes from its own environment."""


class _KubernetesKind(Kind):
    """Deployments of `deploy/kubernetes`, on the cluster of a context."""

    word = "kubernetes"
    usual = USUAL
    place = "cluster"
    file = f"kubernetes/base/{USUAL}.yaml"
    target = BASE
    asked = (PULL_CONFIG, *_SETTINGS)
    takes = ("context", "overlay", "release", "render")

    def check(
        self, reach: Reach, request: Request, before: Deployment | None, state: State
    ) -> dict[str, Any]:
        del reach
        given, overlays = request.options, Overlays(state.folder)
        remembered = before.variables if before else {}
        names = overlays.chosen(given.get("overlay", remembered.get(OVERLAY, "")))
        plan = {**self.usual_plan(), **overlays.targets(names)}
        if "render" in given:
            return {**plan, "images": False, "acts": ["render"]}
        context, known = self._context(given.get("context", "")), remembered.get(CONTEXT, "")
        if known not in ("", context):
            raise InputError(
                f"{request.name} is deployed to the cluster of context {known}, not {context}",
                fix=f"--context {known}  # or another --name",
            )
        Kubernetes(Kubectl(context), request.name).check()
        asks = "" if "context" in given else context
        images = "release" not in given
        return {**plan, "images": images, "acts": ["show", "up"], "asks": asks}

    def settings(self, request: Request, before: Mapping[str, str]) -> dict[str, str]:
        given = request.options
        found = {OVERLAY: given.get("overlay", before.get(OVERLAY, ""))}
        if os.path.isdir(found[OVERLAY]) and "/" in found[OVERLAY]:
            found[OVERLAY] = os.path.abspath(found[OVERLAY])
        found[RELEASE] = given.get("release", "")
        if "render" not in given:
            found[CONTEXT] = self._context(given.get("context", ""))
            found[SERVER] = Kubectl(found[CONTEXT]).server()
        return found

    def prepare(
        self, reach: Reach, variables: Mapping[str, str], image: str, say: Say
    ) -> dict[str, str]:
        del reach, say
        # Pods are made anew for another image of the same name, and for another token.
        made_of = f"{image} {variables[TOKEN]}"
        revision = variables.get(_REVISION, "")
        if variables.get(_MADE_OF) != made_of:
            revision = secrets.token_hex(4)
        return {_MADE_OF: made_of, _REVISION: revision}

    def gateway(self, reach: Reach, deployment: Deployment, state: State) -> Kubernetes:
        del reach
        variables = deployment.variables
        kubectl = Kubectl(variables.get(CONTEXT, ""))
        if variables.get(SERVER, "") not in ("", kubectl.server()):
            raise InputError(
                f"context {kubectl.context} is another cluster than the one that {deployment.name} "
                f"was deployed to: {kubectl.server()}, not {variables[SERVER]}",
                fix="kubectl config get-contexts  # give that cluster its name back",
            )
        return Kubernetes(
            kubectl, deployment.name, lambda: self._objects(kubectl, deployment, state)
        )

    def show(self, gateway: Any, deployment: Deployment, say: Say) -> str:
        variables, name = deployment.variables, deployment.name
        say(f"context:    {variables[CONTEXT]} ({variables[SERVER]})")
        say(f"namespaces: {', '.join(f'{name}{part}' for part in PARTS[:2])}")
        return f"apply this to {variables[CONTEXT]}?" if gateway.changes(say) else ""

    def render(self, deployment: Deployment, folder: str, state: State, say: Say) -> list[str]:
        kubectl = Kubectl("")
        objects = self._objects(kubectl, deployment, state, secrets=False)
        objects = manifests.renamed(objects, deployment.name)
        os.makedirs(folder, exist_ok=True)
        path = f"{folder}/{deployment.name}.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(manifests.write(objects))
        say(f"written: {path}, with the images {', '.join(manifests.images(objects))}")
        say(f"  apply: kubectl apply --server-side -f {path}")
        for each in manifests.secrets(objects, "", ""):
            where = each["metadata"]["namespace"]
            make = f"kubectl create secret generic {USUAL} --namespace {where}"
            say(f"  then:  {make} --from-literal=token=TOKEN  # pods wait for it")
        return [path]

    def way(self, deployment: Deployment, url: str, port: int) -> tuple[str, list[str]]:
        if url:
            return url, []
        context, name = deployment.variables[CONTEXT], deployment.name
        where = f"--context {context} --namespace {name}"
        local = f"http://127.0.0.1:{port}"
        forward = f"kubectl {where} port-forward service/{USUAL} {port}:8888"
        return local, [f"  first:    {forward}"]

    def where(self, deployment: Deployment) -> str:
        return f" from the cluster of context {deployment.variables[CONTEXT]}"

    def fix(self, name: str, error: ActionError) -> str:
        del error  # the cluster's own errors have theirs
        return f"./doitw undeploy kubernetes --name {name}  # and again"

    def _context(self, given: str) -> str:
        kubectl = Kubectl("")
        known = kubectl.contexts()
        context = given or kubectl.current()
        if not context:
            raise InputError("kubectl has no current context", fix="kubectl config get-contexts")
        if context not in known:
            raise InputError(
                f"kubectl has no context {context}: there are {', '.join(known)}",
                fix=f"--context {known[0]}" if known else "kubectl config get-contexts",
            )
        return context

    def _objects(
        self, kubectl: Kubectl, deployment: Deployment, state: State, *, secrets: bool = True
    ) -> list[Object]:
        variables, overlays = deployment.variables, Overlays(state.folder)
        objects = overlays.objects(overlays.chosen(variables[OVERLAY]), kubectl)
        if unsaid := manifests.examples(objects):
            raise InputError(
                f"{unsaid[0]} has an address that stands for yours",
                fix="--overlay FOLDER  # that says it: docs/deploy-kubernetes.md",
            )
        if version := variables[RELEASE]:
            path = os.path.join(os.path.dirname(state.folder), f"dist/{version}/images.json")
            manifests.set_images(objects, manifests.released(path, version))
        given = {key: variables[key] for key in _SETTINGS if key in variables}
        manifests.set_env(objects, given)
        if secrets:
            manifests.set_revision(objects, variables.get(_REVISION, ""))
            login = variables.get(PULL_CONFIG, "")
            objects += manifests.secrets(objects, variables[TOKEN], login)
        return objects


KIND = _KubernetesKind()
