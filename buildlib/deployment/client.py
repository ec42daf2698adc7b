"""The docker client: run it, read what it answers, and find one that has compose."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildlib.engine import process
from buildlib.engine.client import candidates
from buildlib.engine.find import Endpoint, find_engine
from buildlib.errors import ActionError

SOCKET = "/var/run/docker.sock"
_COMPOSE = (
    "sudo apt-get install -y docker-compose  # elsewhere: https://docs.docker.com/compose/install/"
)
_DOCKER = "sudo apt-get install -y docker.io  # elsewhere: https://docs.docker.com/engine/install/"
_ID = re.compile(r"[0-9a-z]{12,64}\Z")
Say = Callable[[str], None]


class Docker:
    """A docker client and the engine it is to use.

    Args:
        environ: Environment; that of the process when None.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        given = dict(os.environ if environ is None else environ)
        self.endpoint: Endpoint = find_engine(given)
        self.environ = self.endpoint.client_environ(given)
        self._clients = candidates(given.get("PATH", ""))

    @property
    def program(self) -> str:
        """The client.

        Raises:
            ActionError: There is none.
        """
        if not self._clients:
            raise ActionError("there is no docker client on this machine", fix=_DOCKER)
        return self._clients[0]

    def compose(self) -> list[str]:
        """The command that compose is: a plugin of some client, or a program of its own.

        Raises:
            ActionError: There is none.
        """
        for client in self._clients:
            if process.capture([client, "compose", "version"], environ=self.environ)[0] == 0:
                return [client, "compose"]
        program = shutil.which("docker-compose", path=self.environ.get("PATH"))
        if program is None:
            raise ActionError("there is no docker compose on this machine", fix=_COMPOSE)
        return [program]

    def ask(self, *words: str, allow: bool = False) -> list[str]:
        """Run the client; the lines it prints.

        Args:
            words: What follows `docker`.
            allow: A failure is no error: it has nothing to say then.

        Raises:
            ActionError: It failed.
        """
        code, text = process.capture([self.program, *words], environ=self.environ)
        if code and not allow:
            raise ActionError(
                f"docker {words[0]} {words[1]} failed",
                detail=text[-2000:],
                fix="docker info  # does the engine answer?",
            )
        return [] if code else [line for line in text.splitlines() if line.strip()]

    def ids(self, *words: str, allow: bool = False) -> list[str]:
        """Run a client's command that prints IDs; its warnings are left out. See `ask`."""
        return [line for line in self.ask(*words, allow=allow) if _ID.match(line)]

    def inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """What the engine knows of some containers, services, tasks or networks.

        One that is gone meanwhile is left out.
        """
        if not names:
            return []
        lines = self.ask("inspect", "--type", kind, "--format", "{{json .}}", *names, allow=True)
        if not lines and len(names) > 1:  # one of them is gone
            return [found for name in names for found in self.inspect(kind, [name])]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def containers(self, *filters: str, running: bool = False) -> list[str]:
        """IDs of the containers that all filters hold for."""
        every = () if running else ("--all",)
        return self.ids("ps", *every, "--quiet", "--no-trunc", *_filters(filters))

    def services(self, *filters: str) -> list[str]:
        """IDs of the services that all filters hold for."""
        return self.ids("service", "ls", "--quiet", *_filters(filters))

    def networks(self, *filters: str) -> list[str]:
        """IDs of the networks that all filters hold for."""
        return self.ids("network", "ls", "--quiet", "--no-trunc", *_filters(filters))

    def logs(self, container: str, lines: int = 15) -> str:
        """The last lines that a container printed."""
        return "\n".join(self.ask("logs", "--tail", str(lines), container, allow=True))

    def run(self, argv: Sequence[str], variables: Mapping[str, str], say: Say, *, fix: str) -> None:
        """Run a command with some variables, handing on what it prints.

        Raises:
            ActionError: It failed.
        """

        def on_line(line: str) -> None:
            if line.strip():
                say(f"  {line.strip()}")

        code = process.stream(argv, on_line, environ={**self.environ, **variables})
        if code:
            name = " ".join([os.path.basename(argv[0]), *argv[1:2]])
            raise ActionError(f"{name} failed with exit code {code}", fix=fix)

    def socket(self) -> str:
        """The engine's socket, as a path on the host that containers run on."""
        path = self.endpoint.path if self.endpoint.scheme == "unix" else SOCKET
        own = self.environ.get("XDG_RUNTIME_DIR", "")
        rootless = own and path.startswith(own)  # Docker Desktop's is another one inside
        return self.environ.get("DOCKER_SOCKET") or (path if rootless else SOCKET)

    def socket_group(self, image: str) -> str:
        """The number of the socket's group as containers see it, wherever the engine is.

        Args:
            image: Any image that has `stat`.

        Raises:
            ActionError: The engine's host has no such socket.
        """
        mount = f"type=bind,source={self.socket()},target={SOCKET}"
        command = ["run", "--rm", "--network", "none", "--mount", mount, "--entrypoint", "stat"]
        found = [line.strip() for line in self.ask(*command, image, "-c", "%g", SOCKET)]
        return next(line for line in reversed(found) if line.isdigit())

    def swarm(self) -> tuple[str, bool]:
        """The state of this engine's node (empty if it does not say), and whether it manages."""
        words = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"
        for line in self.ask("info", "--format", words, allow=True):
            state, _, manages = line.partition(" ")
            if manages in ("true", "false"):
                return state, manages == "true"
        return "", False


def _filters(filters: Sequence[str]) -> list[str]:
    return [word for each in filters for word in ("--filter", each)]
