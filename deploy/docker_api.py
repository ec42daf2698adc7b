"""The Docker Engine's API, as far as gateways are started and removed with it.

How the engine is reached is left to whoever asks: `deploy` goes the build system's way (`reach`),
`verify` has a client of its own.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

import docker.errors
import requests

from buildlib.errors import ActionError, EngineUnavailable

NOT_FOUND, CONFLICT = 404, 409
_ERROR = 400
_TIMEOUT = 600
"""Seconds for one answer: stopping a container takes as long as the container does."""
Container = dict[str, Any]
"""All that the engine knows of one."""


def unreachable(error: BaseException) -> EngineUnavailable:
    """The error for an engine that does not answer."""
    fix = "docker version  # must show a server"
    return EngineUnavailable(f"no Docker Engine answers: {error}", fix=fix)


class Docker:
    """What an engine is asked and told.

    Args:
        connect: Makes a `docker.APIClient`, when the engine is first asked.
        why_not: Makes an error for us of one that says that the engine cannot be reached.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        why_not: Callable[[BaseException], EngineUnavailable] = unreachable,
    ) -> None:
        self._connect = connect
        self._why_not = why_not

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise self._why_not(error) from None

    # -- Questions --------------------------------------------------------------------------------

    def call(
        self, method: str, path: str, body: Any = None, *, what: str, allow: Sequence[int] = ()
    ) -> Any:
        """Ask the engine something.

        Args:
            method: HTTP method.
            path: Path and query, quoted.
            body: What to send, as JSON.
            what: What is wanted, to complete "the engine refused to …".
            allow: Statuses of errors that are answers, too.

        Returns:
            What its JSON holds; None where it says nothing, and for an allowed error.

        Raises:
            EngineUnavailable: It cannot be reached.
            ActionError: It refused.
        """
        with self._told():
            reply = self._client.request(
                method,
                self._client.base_url + path,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUT,
            )
        if reply.status_code < _ERROR:
            return json.loads(reply.content) if reply.content else None
        if reply.status_code in allow:
            return None
        try:
            detail = str(reply.json()["message"])
        except (KeyError, TypeError, ValueError):
            detail = reply.text
        raise ActionError(f"the engine refused to {what}", detail=detail)

    def find(self, kind: str, **filters: str) -> list[dict[str, Any]]:
        """The networks, services, tasks or nodes that all filters hold for."""
        query = urlencode({"filters": json.dumps({key: [each] for key, each in filters.items()})})
        found: list[dict[str, Any]] = self.call("GET", f"/{kind}?{query}", what=f"list {kind}")
        return found

    def containers(self, *labels: str, network: str = "", running: bool = False) -> list[Container]:
        """The containers with all these labels; on a network, if one is named."""
        filters = {"label": labels, **({"network": [network]} if network else {})}
        query = urlencode({"all": int(not running), "filters": json.dumps(filters)})
        listed = self.call("GET", f"/containers/json?{query}", what="list containers")
        found = [self.container(each["Id"], allow=(NOT_FOUND,)) for each in listed]
        return [each for each in found if each]  # one may be gone meanwhile

    def volumes(self, label: str = "") -> list[str]:
        """Names of the volumes with this label, or of all."""
        filters = json.dumps({"label": [label]} if label else {})
        path = f"/volumes?{urlencode({'filters': filters})}"
        found = self.call("GET", path, what="list volumes")["Volumes"]
        return [str(each["Name"]) for each in found or ()]

    def programs(self, container: str) -> list[str]:
        """The command lines of all that runs in a container; none where it does not run."""
        path = f"/containers/{container}/top?{urlencode({'ps_args': '-eo pid,args'})}"
        what = f"list what runs in {container[:12]}"
        found = self.call("GET", path, what=what, allow=(NOT_FOUND, CONFLICT))
        return [str(row[-1]) for row in (found or {}).get("Processes") or ()]

    def container(self, name: str, *, allow: Sequence[int] = ()) -> Container:
        """A container; nothing for an error that is allowed.

        Raises:
            ActionError: There is none.
        """
        found = self.call("GET", f"/containers/{name}/json", what=f"look up {name}", allow=allow)
        return found or {}

    def logs(self, container: str, lines: int = 0, *, errors: bool = True) -> str:
        """The last lines that a container printed, or all; an empty text where it is gone.

        Args:
            container: Its ID or name.
            lines: How many; 0 for all.
            errors: Whether standard error counts, too.
        """
        with self._told():
            try:
                said: bytes = self._client.logs(container, stderr=errors, tail=lines or "all")
            except docker.errors.NotFound:
                return ""
        return said.decode("utf-8", "replace")

    def image(self, name: str) -> str:
        """The ID of an image.

        Raises:
            ActionError: The engine does not have it.
        """
        path = f"/images/{quote(name)}/json"
        found = self.call("GET", path, what=f"look up {name}", allow=(NOT_FOUND,))
        if not found:
            raise ActionError(f"{name} is not in the engine", fix=f"docker pull {name}")
        return str(found["Id"])

    def swarm(self) -> tuple[str, bool]:
        """The state of this engine's node (empty if no engine answers), and whether it manages."""
        try:
            swarm = self.call("GET", "/info", what="tell of itself")["Swarm"]
        except EngineUnavailable:
            return "", False
        return swarm["LocalNodeState"], swarm["ControlAvailable"]

    # -- Changes ----------------------------------------------------------------------------------

    def create(self, name: str, body: Container, what: str) -> Container:
        """Make a container, which does not run yet.

        Args:
            name: Its name.
            body: What it is to be, as the engine's API takes it.
            what: See `call`.
        """
        self.call("POST", f"/containers/create?name={name}", body, what=what)
        return self.container(name)

    def said(self, image: str, script: str, mount: Mapping[str, Any]) -> str:
        """What a script prints, in a container that is gone afterwards; as root, with no network.

        Args:
            image: One with a shell.
            script: For `/bin/sh`.
            mount: As the engine's API takes it.

        Raises:
            ActionError: It failed; `detail` is what it said.
        """
        body = {
            "Image": image,
            "Entrypoint": ["/bin/sh", "-c", script],
            "User": "0",
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {
                "Mounts": [mount],
                "NetworkMode": "none",
                # The engine's default driver may be one whose output cannot be read back.
                "LogConfig": {"Type": "json-file", "Config": {}},
            },
        }
        name = f"deploy-look-{secrets.token_hex(4)}"
        try:
            self.create(name, body, f"make a container of {image}")
            self.act(name, "start")
            ended = self.call("POST", f"/containers/{name}/wait", what="wait for a container")
            code = ended["StatusCode"]
            printed = self.logs(name, errors=bool(code))
        finally:
            path = f"/containers/{name}?force=1&v=1"
            self.call("DELETE", path, what="remove a container", allow=(NOT_FOUND, CONFLICT))
        if code:
            what = f"a script in a container of {image} ended with code {code}"
            raise ActionError(what, detail=printed)
        return printed

    def act(self, container: str, verb: str) -> None:
        """Do something with a container: `start`, `stop?t=30`, `rename?name=x`."""
        what = f"{verb.partition('?')[0]} the container {container[:12]}"
        self.call("POST", f"/containers/{container}/{verb}", what=what)

    def remove(self, containers: Sequence[Container]) -> list[str]:
        """Remove containers with their volumes; those that go by themselves are no error.

        Returns:
            What was removed, in words.
        """
        for each in containers:
            path = f"/containers/{each['Id']}?force=1&v=1"
            self.call("DELETE", path, what="remove a container", allow=(NOT_FOUND, CONFLICT))
        return [f"container {each['Name'].lstrip('/')}" for each in containers]
