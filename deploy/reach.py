"""Reaching the engine as the build system does: by socket, docker context, TLS or ssh.

So what is deployed is what was built. The interface is `kind.Reach`.
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


class EngineReach:
    """The engine, and a docker client that uses it.

    Args:
        environ: Default: that of the process.
        docker: Default: the engine that the environment names.
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
        def on_line(line: str) -> None:
            if line.strip() and "--detach=" not in line:  # advice for those who type it
                say(f"  {line.strip()}")

        environ = {**self.environ, **variables}
        code = process.stream([any_client(environ), *words], on_line, environ=environ)
        if code:
            name = " ".join(["docker", *words[:1]])
            raise ActionError(f"{name} failed with exit code {code}", fix=fix)

    def socket(self, variables: Mapping[str, str], image: str) -> dict[str, str]:
        """The socket and its group; the image must have `stat` and Python.

        We may reach the engine by something other than its socket: an address, or a forward into
        the machine of Docker Desktop. So a container asks a socket which engine it leads to. A
        given `DOCKER_SOCKET` is not asked: it may be a proxy that filters such requests.
        """
        given = self.environ.get("DOCKER_SOCKET") or variables.get(GIVEN_SOCKET, "")
        if given:
            path, group = given, self._group_of(image, given)
        else:
            path, group = self._find_socket(image)
        return {
            GIVEN_SOCKET: given,
            "DOCKER_SOCKET": path,
            "DOCKER_GID": group,
            "EG_IMAGE": image,  # content tag: another workspace may move the other tags
        }

    def _group_of(self, image: str, path: str) -> str:
        return self._run_with_socket(image, path, _GROUP)[0]

    def _find_socket(self, image: str) -> tuple[str, str]:
        engine_id = self.docker.call("GET", "/info", what="tell of itself")["ID"]
        own = [self.endpoint.path] if self.endpoint.scheme == "unix" else []
        failures = []
        for path in dict.fromkeys([*own, DEFAULT_SOCKET]):
            try:
                group, found_id = self._run_with_socket(image, path, f"{_GROUP} && {_ENGINE}")
            except EngineUnavailable:
                raise
            except ActionError as error:
                failures.append(f"{path}: {(error.detail or error.what).splitlines()[-1]}")
                continue
            if found_id == engine_id:
                return path, group
            failures.append(f"{path}: that is another engine's")
        raise InputError(
            f"the gateway needs the socket of the engine at {self.endpoint.url}, "
            "and there is none at the usual paths of its machine",
            detail="\n".join(failures),
            fix="export DOCKER_SOCKET=/run/user/1000/docker.sock  # its path on that machine",
        )

    def _run_with_socket(self, image: str, path: str, script: str) -> list[str]:
        """Words that a script prints in a container that has a socket of the engine's machine."""
        mount = {"Type": "bind", "Source": path, "Target": DEFAULT_SOCKET, "ReadOnly": False}
        return self.docker.said(image, script, mount).split()
