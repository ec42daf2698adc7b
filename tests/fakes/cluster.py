"""Stands in for the API server of a cluster, and for what happens to pods in it.

It keeps namespaces and objects, answers the calls that launch scripts make, and refuses those that
it is told to. A pod has the status that `fate` says from the moment it is there.
"""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml


def _status_of_pod(phase: str, **state: Any) -> dict[str, Any]:
    container = {"name": "kernel", "image": "x", "imageID": "x", "ready": False, "restartCount": 0}
    return {"phase": phase, "containerStatuses": [{**container, "state": state}]}


RUNS = _status_of_pod("Running", running={})
BEGINS = _status_of_pod("Pending", waiting={"reason": "ContainerCreating"})


def waits(reason: str, message: str) -> dict[str, Any]:
    """The status of a pod whose container cannot be started."""
    return _status_of_pod("Pending", waiting={"reason": reason, "message": message})


def unschedulable(message: str) -> dict[str, Any]:
    """The status of a pod that no node can take."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"phase": "Pending", "conditions": [{**condition, "message": message}]}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    """The status of a pod whose container has ended."""
    return _status_of_pod("Failed", terminated={"exitCode": code, "reason": reason})


class Cluster:
    """A cluster's state, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []  # method, path, body; without what is read
        self.objects: dict[str, dict[str, Any]] = {}  # by path
        self.refused: dict[tuple[str, str], tuple[int, str]] = {}  # method, resource -> answer
        self.no_account = 0  # so many pods are refused as the namespace's account is not there yet
        self.fate: dict[str, Any] = RUNS

    def add(self, path: str, labels: dict[str, str] | None = None, **more: Any) -> None:
        """Have an object in the cluster already."""
        name = path.rpartition("/")[2]
        self.objects[path] = {"metadata": {"name": name, "labels": labels or {}}, **more}

    def names(self, resource: str) -> list[str]:
        """Names of all objects of a resource, such as `pods`."""
        return [path.rpartition("/")[2] for path in self.objects if path.split("/")[-2] == resource]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and body of the answer to a call."""
        parts = path.split("/")
        resource = parts[-1] if method in ("POST", "GET") else parts[-2]
        if method != "GET":
            self.asked.append((method, path, body))
        if (method, resource) in self.refused:
            return _answer(*self.refused[method, resource])
        if method == "POST":
            return self._create(path, resource, body)
        if method == "DELETE":
            return self._delete(path)
        found = [made for where, made in self.objects.items() if where.rpartition("/")[0] == path]
        for wanted in filter(None, query.get("labelSelector", "").split(",")):
            name, _, value = wanted.partition("=")
            found = [made for made in found if made["metadata"]["labels"].get(name) == value]
        if "fieldSelector" in query:
            name = query["fieldSelector"].removeprefix("metadata.name=")
            found = [made for made in found if made["metadata"]["name"] == name]
        return 200, {"kind": "List", "apiVersion": "v1", "items": found}

    def _create(self, path: str, resource: str, body: Any) -> tuple[int, Any]:
        name = body["metadata"]["name"]
        if f"{path}/{name}" in self.objects:
            return _answer(409, f'{resource} "{name}" already exists')
        if resource == "pods" and self.no_account:
            self.no_account -= 1
            what = f'pods "{name}" is forbidden: error looking up service account x/default'
            return _answer(403, f'{what}: serviceaccount "default" not found')
        made = {**body, "metadata": {"labels": {}, **body["metadata"], "uid": "u-1"}}
        if resource == "pods":
            made["status"] = self.fate
        self.objects[f"{path}/{name}"] = made
        return 201, made

    def _delete(self, path: str) -> tuple[int, Any]:
        if path not in self.objects:
            return _answer(404, f"{path} not found")
        parts = path.split("/")
        within = f"{path}/" if parts[-2] == "namespaces" else "/nothing"
        for where in [one for one in self.objects if one == path or one.startswith(within)]:
            del self.objects[where]
        return 200, {"kind": "Status", "status": "Success"}


def _answer(code: int, message: str) -> tuple[int, Any]:
    return code, {"kind": "Status", "message": message, "code": code}


@contextmanager
def serving(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """Serve its API over HTTP; gives the kubeconfig file by which it is found."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def reply(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            code, answer = cluster.answer(self.command, url.path, query, body)
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = reply  # noqa: N815 - names that the library looks for

        def log_message(self, *args: Any) -> None:
            """Not into the tests' output."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [],
        "clusters": [{"name": "k", "cluster": {"server": address}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": ""}}],
    }  # fmt: skip
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    try:
        yield kubeconfig
    finally:
        server.shutdown()
        server.server_close()
