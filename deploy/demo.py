"""The demo: HDFS, YARN and a gateway in one container, or in three; kernels are no containers.

Both are compose projects. A kernel is a process in one of their containers, or several, whose
command line has its ID.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deploy.compose import Compose, ComposeKind
from deploy.kind import NETWORK, Reach, Request
from deploy.platform import Kernel, Say
from deploy.state import Deployment

PUBLISH = {
    "EG_PUBLISH": "127.0.0.1:8888",
    "RESOURCEMANAGER_PUBLISH": "127.0.0.1:8088",
    "NODEMANAGER_PUBLISH": "127.0.0.1:8042",
    "HISTORY_PUBLISH": "127.0.0.1:18080",
}
"""Variables of the files: where the gateway and the pages of Hadoop are published."""
DATA = "DEMO_DATA"
"""The variable that names the volume with HDFS."""
_PAGES = {
    "RESOURCEMANAGER_PUBLISH": "yarn",
    "NODEMANAGER_PUBLISH": "node",
    "HISTORY_PUBLISH": "history",
}
_ID = re.compile(r"kernel-id[\s'=]+(?:--arg[\s']+)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Demo(Compose):
    """See `Compose`."""

    def kernels(self, kernel_id: str = "") -> list[Kernel]:
        """Its kernels that have processes, each called by its ID."""
        found = {
            Kernel(name, container["Image"])
            for container in self._containers()
            for program in self._docker.programs(container["Id"])
            for name in _ID.findall(program)
        }
        return sorted(kernel for kernel in found if kernel_id in ("", kernel.name))


class _DemoKind(ComposeKind):
    """Deployments of the demo.

    Args:
        word: As typed; its file and target have the same name.
    """

    platform = Demo
    asked = ()
    client = "KERNEL_USERNAME=bob JUPYTER_GATEWAY_REQUEST_TIMEOUT=120 "

    def __init__(self, word: str) -> None:
        self.word = word
        self.usual = f"enterprise-gateway-{word}"
        self.file = f"{word}.yaml"
        self.target = f"//deploy:{word}"

    def settings(self, request: Request, before: Mapping[str, str]) -> dict[str, str]:
        """`--port N` is the gateway's; the pages have the ports after it."""
        published = {DATA: before.get(DATA) or request.name}
        if request.port:
            ports = enumerate(PUBLISH, request.port)
            published |= {variable: f"127.0.0.1:{port}" for port, variable in ports}
        return {NETWORK: request.name, "COMPOSE_PROJECT_NAME": request.name, **published}

    def prepare(
        self, reach: Reach, variables: Mapping[str, str], image: str, say: Say
    ) -> dict[str, str]:
        del reach, variables, say
        return {"EG_IMAGE": image}  # content tag: another workspace may move the other tags

    def way(self, deployment: Deployment, url: str, port: int) -> tuple[str, list[str]]:
        del port
        lines = []
        for variable, page in _PAGES.items():
            published = deployment.variables.get(variable) or PUBLISH[variable]
            lines.append(f"  {page + ':':<9} http://{published}")
        return url, lines


KIND = _DemoKind("demo")
CLUSTER = _DemoKind("demo-cluster")
