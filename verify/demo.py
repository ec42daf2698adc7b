"""The demo as `./doitw deploy demo` starts it, under another name, on a network with no way out.

And its YARN, over the REST interfaces of the ResourceManager and of HDFS (WebHDFS). They believe
the name in `user.name`, as all of Hadoop does without Kerberos.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from buildlib.errors import InputError
from deploy.compose import PORT
from deploy.composefile import Project, Service, read
from deploy.demo import DATA, Demo
from deploy.docker_api import Docker
from verify.platforms import Gateway, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verify.engine import Engine

FILE = Path(__file__).parents[1] / "deploy/demo.yaml"
USER = "bob"
"""Whose kernels the cases start, where they need no other."""
ADMIN = "jovyan"
"""Who may see all applications."""
RESOURCEMANAGER, NAMENODE = 8088, 9870
OVER = ("FINISHED", "FAILED", "KILLED")
"""States that an application does not leave."""
LAUNCH_SECONDS = 120.0  # as deployed: two JVMs, one after the other, and containers between them
GONE_SECONDS = 10.0  # a NodeManager looks for the end of a container at intervals
_ANSWER_SECONDS = 20.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class OnAddress(Demo):
    """The demo, reached at its container's address, as a network with no way out has no ports."""

    def url(self) -> str:
        """See `Platform`."""
        for each in self._containers():
            for network in each["NetworkSettings"]["Networks"].values():
                return f"http://{network['IPAddress']}:{PORT}"
        return ""


class Yarn:
    """YARN and HDFS of a demo.

    Args:
        host: The address of its container.
        ports: Of the ResourceManager and of HDFS.
    """

    def __init__(self, host: str, ports: tuple[int, int] = (RESOURCEMANAGER, NAMENODE)) -> None:
        self._host = host
        self._resourcemanager, self._namenode = ports

    def nodes(self) -> int:
        """How many nodes are active; 0 while it does not answer."""
        metrics = self._ask("/ws/v1/cluster/metrics").get("clusterMetrics", {})
        return int(metrics.get("activeNodes", 0))

    def memory(self) -> int:
        """MB that are free."""
        metrics = self._ask("/ws/v1/cluster/metrics").get("clusterMetrics", {})
        return int(metrics.get("availableMB", 0))

    def applications(self, name: str = "") -> list[dict[str, Any]]:
        """Its applications, or those of a kernel, which are called by its ID; the oldest first."""
        asked = f"/ws/v1/cluster/apps?{urlencode({'user.name': ADMIN})}"
        found = (self._ask(asked).get("apps") or {}).get("app") or []
        return sorted((app for app in found if name in app["name"]), key=lambda app: str(app["id"]))

    def state(self, application: str) -> str:
        """The state of an application."""
        path = f"/ws/v1/cluster/apps/{application}/state?{urlencode({'user.name': ADMIN})}"
        return str(self._ask(path).get("state", ""))

    def unfinished(self, name: str = "") -> list[str]:
        """Those that are not over, in words."""
        found = self.applications(name)
        return [f"{app['id']} ({app['state']})" for app in found if app["state"] not in OVER]

    def runs_a_job(self, application: str, user: str) -> bool:
        """Whether Spark has a job that runs, as its driver's own server tells a user."""
        path = f"/proxy/{application}/api/v1/applications/{application}/jobs"
        return bool(self._ask(f"{path}?{urlencode({'status': 'running', 'user.name': user})}"))

    def end(self, application: str, user: str) -> int:
        """End an application in the name of a user; returns the answer's status."""
        path = f"/ws/v1/cluster/apps/{application}/state?{urlencode({'user.name': user})}"
        return self._send("PUT", path, {"state": "KILLED"})[0]

    def submit(self, command: str, memory: int, user: str) -> str:
        """Run a command as an application of its own; returns its ID.

        Raises:
            OSError: It is refused.
        """
        who = urlencode({"user.name": user})
        _, new = self._send("POST", f"/ws/v1/cluster/apps/new-application?{who}", {})
        name = str(new["application-id"])
        body = {
            "application-id": name,
            "application-name": "verify",
            "application-type": "YARN",
            "am-container-spec": {"commands": {"command": command}},
            "resource": {"memory": memory, "vCores": 1},
            "max-app-attempts": 1,
        }
        status, answer = self._send("POST", f"/ws/v1/cluster/apps?{who}", body)
        if status != 202:  # noqa: PLR2004
            raise OSError(f"the ResourceManager answers {status}: {answer}")
        return name

    def file(self, path: str, user: str) -> Mapping[str, Any]:
        """Status of a file or folder of HDFS, as a user sees it; empty where he sees none."""
        asked = urlencode({"op": "GETFILESTATUS", "user.name": user})
        found = self._ask(f"/webhdfs/v1{quote(path)}?{asked}", self._namenode)
        status: Mapping[str, Any] = found.get("FileStatus", {})
        return status

    def answers(self, port: int) -> bool:
        """Whether there is a page at a port."""
        return self._send("GET", "/", None, port)[0] == 200  # noqa: PLR2004

    def _ask(self, path: str, port: int = 0) -> Any:
        status, answer = self._send("GET", path, None, port)
        return answer if status == 200 else {}  # noqa: PLR2004

    def _send(self, method: str, path: str, body: Any, port: int = 0) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://{self._host}:{port or self._resourcemanager}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=_ANSWER_SECONDS) as answer:
                return answer.status, _parsed(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _parsed(error.read())
        except OSError as error:
            return 0, {"error": str(error)}


def place() -> Place:
    """The platform, for `Server`."""
    return Place(
        _start,
        cull_seconds=0,  # never
        gone_seconds=GONE_SECONDS,
        launch_seconds=LAUNCH_SECONDS,
        spark="yarn",
        on_engine=False,
        user=USER,
        yarn=True,
        python="/opt/enterprise-gateway/bin/python",
    )


def _start(engine: Engine, gateway: Gateway) -> OnAddress:
    docker = Docker(lambda: engine.client.api)
    return OnAddress(docker, engine.run, lambda: _project(engine, gateway), engine.labels)


def _project(engine: Engine, gateway: Gateway) -> Project:
    """What the file says, with the proof's image and variables, without ports and volume."""
    token = gateway.env["EG_AUTH_TOKEN"]
    variables = {"EG_AUTH_TOKEN": token, "EG_NETWORK": engine.run, DATA: engine.run}
    try:
        project = read(str(FILE), variables)
    except FileNotFoundError:
        raise InputError(
            f"there is no deploy/{FILE.name}: it is rendered by a build",
            fix="./doitw build //deploy:demo",
        ) from None
    engine.make_network("bridge", internal=True)
    [service] = project.services
    env = dict(entry.partition("=")[::2] for entry in service.body["Env"])
    body = {
        **service.body,
        "Env": [f"{name}={value}" for name, value in {**env, **gateway.env}.items()],
        "HostConfig": {
            **service.body["HostConfig"],
            "Mounts": [],
            "PortBindings": {},
            "RestartPolicy": {"Name": "no"},
        },
    }
    return Project(project.network, project.key, [Service("gateway", body, gateway.image)])


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return {"error": data.decode(errors="replace")[:300]}
