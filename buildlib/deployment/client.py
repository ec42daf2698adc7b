"""The engine that is deployed to: its API, the socket for the gateway, and the docker client."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode

from buildlib.engine import process
from buildlib.engine.api import EngineClient
from buildlib.engine.client import any_client
from buildlib.engine.find import DEFAULT_SOCKET, Endpoint, find_engine
from buildlib.engine.protocol import Engine, Mount
from buildlib.errors import ActionError, EngineUnavailable, InputError

_TIMEOUT = 600
"""Seconds for one answer: stopping a container takes as long as the container does."""
_ERROR, NOT_FOUND, CONFLICT = 400, 404, 409
_GROUP = f"stat -c %g {DEFAULT_SOCKET}"
_ENGINE = f"""python - <<'END'
import json, socket
link = socket.socket(socket.AF_UNIX)
link.connect("{DEFAULT_SOCKET}")
link.sendall(b"GET /info HTTP/1.0\\r\\n\\r\\n")
print(json.loads(link.makefile("rb").read().partition(b"\\r\\n\\r\\n")[2])["ID"])
END"""
Say = Callable[[str], None]
Container = dict[str, Any]
"""All that the engine knows of one."""


class Docker:
    """The engine, and a docker client that uses it.

    Args:
        environ: Environment; that of the process when None.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        given = dict(os.environ if environ is None else environ)
        self.endpoint: Endpoint = find_engine(given)
        self.environ = self.endpoint.client_environ(given)

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
        data = None if body is None else json.dumps(body).encode()
        engine = EngineClient(self.endpoint)
        status, said = engine.call(method, path, data, what=what, allow=allow, timeout=_TIMEOUT)
        return json.loads(said) if said and status < _ERROR else None

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

    def container(self, name: str, *, allow: Sequence[int] = ()) -> Container:
        """A container; nothing for an error that is allowed.

        Raises:
            ActionError: There is none.
        """
        found = self.call("GET", f"/containers/{name}/json", what=f"look up {name}", allow=allow)
        return found or {}

    def logs(self, container: str, lines: int = 30) -> str:
        """The last lines that a container printed."""
        from docker.errors import NotFound

        from buildlib.engine.sdk import client_of, explained

        with (
            explained(self.endpoint, "hand over a log"),
            closing(client_of(self.endpoint, timeout=_TIMEOUT)) as client,
        ):
            try:
                said: bytes = client.logs(container, tail=lines)
            except NotFound:
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

    # -- The socket for the gateway ---------------------------------------------------------------

    def socket(self, engine: Engine, image: str, given: str = "") -> tuple[str, str]:
        """The engine's socket as a path where containers run, and the number of its group there.

        What we reach it by may be something else: a forward into the machine of Docker Desktop, an
        address. So what is found is asked, from inside a container, which engine it leads to.
        What is given is taken at its word: it may be a filter that hides that.

        Args:
            engine: The same engine.
            image: One with `stat` and Python.
            given: The path, where somebody has named it.

        Raises:
            InputError: There is none that leads to this engine.
        """
        if given:
            return given, self._look(engine, image, given, _GROUP)[0]
        me = self.call("GET", "/info", what="tell of itself")["ID"]
        usual = [self.endpoint.path] if self.endpoint.scheme == "unix" else []
        tried = []
        for path in dict.fromkeys([*usual, DEFAULT_SOCKET]):
            try:
                group, found = self._look(engine, image, path, f"{_GROUP} && {_ENGINE}")
            except EngineUnavailable:
                raise
            except ActionError as error:
                tried.append(f"{path}: {(error.detail or error.what).splitlines()[-1]}")
                continue
            if found == me:
                return path, group
            tried.append(f"{path}: that is another engine's")
        raise InputError(
            f"the gateway needs the socket of the engine at {self.endpoint.url}, "
            "and there is none at the usual paths of its machine",
            detail="\n".join(tried),
            fix="export DOCKER_SOCKET=/run/user/1000/docker.sock  # its path on that machine",
        )

    def _look(self, engine: Engine, image: str, path: str, script: str) -> list[str]:
        mounts = [Mount(path, DEFAULT_SOCKET)]
        return engine.run(image, script, mounts=mounts, user="0").split()

    # -- The client -------------------------------------------------------------------------------

    def run(
        self, words: Sequence[str], variables: Mapping[str, str], say: Say, *, fix: str
    ) -> None:
        """Run the docker client with some variables, handing on what it prints.

        Raises:
            ActionError: There is none, or it failed.
        """

        def on_line(line: str) -> None:
            if line.strip():
                say(f"  {line.strip()}")

        environ = {**self.environ, **variables}
        code = process.stream([any_client(environ), *words], on_line, environ=environ)
        if code:
            name = " ".join(["docker", *words[:1]])
            raise ActionError(f"{name} failed with exit code {code}", fix=fix)
