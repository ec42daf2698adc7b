"""The way from here to the engine: the build system's own, see `kind.Reach`.

So what was built is what is deployed, whatever leads to the engine: a socket, a docker context,
TLS, ssh.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from buildlib.engine import process
from buildlib.engine.client import any_client
from buildlib.engine.find import DEFAULT_SOCKET, Endpoint, find_engine, unavailable
from buildlib.engine.sdk import client_of, root_cause
from buildlib.errors import ActionError, EngineUnavailable, InputError
from deploy.docker_api import Docker
from deploy.platform import Say

GIVEN_SOCKET = "DEPLOY_GIVEN_SOCKET"
"""The `DOCKER_SOCKET` that was given: the next deploy must not take another by itself."""
_TIMEOUT = 600
_GROUP = f"stat -c %g {DEFAULT_SOCKET}"
_ENGINE = f"""python - <<'END'
import json, socket
link = socket.socket(socket.AF_UNIX)
link.connect("{DEFAULT_SOCKET}")
link.sendall(b"GET /info HTTP/1.0\\r\\n\\r\\n")
print(json.loads(link.makefile("rb").read().partition(b"\\r\\n\\r\\n")[2])["ID"])
END"""


class Engine:
    """The engine, and a docker client that uses it.

    Args:
        environ: Environment; that of the process when None.
        docker: The engine; the one that the environment leads to when None.
    """

    def __init__(
        self, environ: Mapping[str, str] | None = None, docker: Docker | None = None
    ) -> None:
        given = dict(os.environ if environ is None else environ)
        self.endpoint: Endpoint = find_engine(given)
        self.environ = self.endpoint.client_environ(given)
        self.docker = docker or Docker(
            lambda: client_of(self.endpoint, timeout=_TIMEOUT),
            lambda error: unavailable(self.endpoint, root_cause(error)),
        )

    def run(
        self, words: Sequence[str], variables: Mapping[str, str], say: Say, *, fix: str
    ) -> None:
        """See `Reach`."""

        def on_line(line: str) -> None:
            if line.strip() and "--detach=" not in line:  # advice for those who type it
                say(f"  {line.strip()}")

        environ = {**self.environ, **variables}
        code = process.stream([any_client(environ), *words], on_line, environ=environ)
        if code:
            name = " ".join(["docker", *words[:1]])
            raise ActionError(f"{name} failed with exit code {code}", fix=fix)

    def socket(self, variables: Mapping[str, str], image: str) -> dict[str, str]:
        """See `Reach`; the image has `stat` and Python.

        What we reach the engine by may be something else than its socket: a forward into the
        machine of Docker Desktop, an address. So what is found is asked, from inside a container,
        which engine it leads to. What is given is taken at its word: it may be a filter that hides
        that.
        """
        given = self.environ.get("DOCKER_SOCKET") or variables.get(GIVEN_SOCKET, "")
        path, group = self._found(image) if not given else (given, self._group(image, given))
        return {
            GIVEN_SOCKET: given,
            "DOCKER_SOCKET": path,
            "DOCKER_GID": group,
            "EG_IMAGE": image,  # by content: another workspace may move the tag people use
        }

    def _group(self, image: str, path: str) -> str:
        return self._look(image, path, _GROUP)[0]

    def _found(self, image: str) -> tuple[str, str]:
        me = self.docker.call("GET", "/info", what="tell of itself")["ID"]
        usual = [self.endpoint.path] if self.endpoint.scheme == "unix" else []
        tried = []
        for path in dict.fromkeys([*usual, DEFAULT_SOCKET]):
            try:
                group, found = self._look(image, path, f"{_GROUP} && {_ENGINE}")
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

    def _look(self, image: str, path: str, script: str) -> list[str]:
        """What a script says where a socket of the engine's machine is mounted."""
        mount = {"Type": "bind", "Source": path, "Target": DEFAULT_SOCKET, "ReadOnly": False}
        return self.docker.said(image, script, mount).split()
