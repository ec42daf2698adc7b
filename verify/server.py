"""The real gateway's container, as an operator starts it: not root, with the engine's socket.

It is reached on a free port of 127.0.0.1 only, with a token nobody else knows.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import docker.errors

from buildlib.errors import ActionError, InputError
from verify.rest import Rest
from verify.rules import Broken, NotTried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker.models.containers import Container

    from verify.engine import Engine

UP_SECONDS = 60.0
CULL_INTERVAL = 1
PORT = 8888
SOCKET = "/var/run/docker.sock"
_ROOT = {"", "0", "root"}


class Wanted(NamedTuple):
    """An image that a kernelspec shall run.

    Attributes:
        reference: How it was named on the command line.
        id: Its id.
        goes_by_its_name: Whether the kernelspec's own name for it means the same image.
    """

    reference: str
    id: str
    goes_by_its_name: bool


class Server:
    """Starts when first asked something; a start that fails is not tried again."""

    cull_seconds = 6
    """The limit for idle kernels; a kernel that starts slower than that would be culled as idle."""

    keeps_ended = False
    """Whether the engine keeps containers that have ended, and nobody is to blame."""

    def __init__(
        self, engine: Engine, image: dict[str, Any], timeout: float, images: Sequence[str] = ()
    ) -> None:
        """Look where the engine's socket is.

        Args:
            engine: Where it will run.
            image: What `docker image inspect` shows.
            timeout: Seconds a kernel has to report.
            images: The images that kernelspecs shall run; without any, those they name.

        Raises:
            InputError: the engine has no socket here.
        """
        self.engine = engine
        self.image_id: str = image["Id"]
        self.images = {repository(name): (name, str(engine.image(name)["Id"])) for name in images}
        self.kernels: dict[str, str] = {}  # those started and not yet deleted: id, kernelspec
        user = str(image["Config"].get("User") or "")
        self.user = "1000:100" if user.partition(":")[0] in _ROOT else user
        self.socket = _socket()
        self.socket_group = os.stat(self.socket).st_gid
        self._timeout = timeout
        self._token = secrets.token_hex(16)
        self._rest: Rest | None = None
        self._failure: Broken | ActionError | None = None
        self._container: Container | None = None

    @property
    def rest(self) -> Rest:
        """The client of the running gateway.

        Raises:
            Broken: `gateway-start`.
        """
        if self._failure is not None:
            rule = getattr(self._failure, "rule", "gateway-start")
            raise NotTried(rule, "the gateway does not start")
        if self._rest is None:
            try:
                rest = Rest(self._launch(), self._token)
                self._wait_up(rest)
            except (Broken, ActionError) as failure:
                self._failure = failure
                raise
            self._rest = rest
        return self._rest

    @property
    def container(self) -> Container:
        """The running gateway's container.

        Raises:
            Broken: `gateway-start`.
        """
        _ = self.rest
        assert self._container is not None  # noqa: S101 - it was launched for `rest`
        return self._container

    def image_of(self, name: str) -> Wanted | None:
        """What a kernelspec that names this image shall run; None where that is for it to say.

        A kernelspec names an image by a tag that moves, and that a release sets at its end.
        """
        if repository(name) not in self.images:
            return None
        reference, image_id = self.images[repository(name)]
        return Wanted(reference, image_id, self.engine.image_id(name) == image_id)

    def close(self) -> None:
        """Nothing here: the engine removes containers."""

    def env(self) -> dict[str, str]:
        """The variables it is started with; all else is as the image has it."""
        return {
            "EG_DOCKER_NETWORK": self.engine.run,
            "EG_AUTH_TOKEN": self._token,
            "EG_PORT": str(PORT),
            "EG_LIST_KERNELS": "True",
            "EG_KERNEL_LAUNCH_TIMEOUT": f"{self._timeout:.0f}",
            "EG_CULL_IDLE_TIMEOUT": str(self.cull_seconds),
            "EG_CULL_INTERVAL": str(CULL_INTERVAL),
        }

    def log(self) -> str:
        """What it has printed."""
        if self._container is None:
            return ""
        with contextlib.suppress(docker.errors.APIError):
            return self._container.logs().decode(errors="replace")
        return ""

    def last_line(self) -> str:
        """The last line of its log, for a message; rather the launch script's last error."""
        lines = [line for line in self.log().splitlines() if line.strip()]
        scripts = [line for line in lines if "error" in line.lower() and line[0] not in "[ "]
        lines = scripts or lines
        line = lines[-1].replace(self._token, "...") if lines else ""
        return f"its log ends with: {line[:300]}" if line else "its log is empty"

    def kernel_images(self, kernel_id: str) -> set[str]:
        """Ids of the images that the containers of a kernel were made of."""
        found = self.engine.client.containers.list(filters={"label": f"kernel_id={kernel_id}"})
        return {str(container.attrs["Image"]) for container in found}

    def kernel_containers(self, kernel_id: str = "") -> list[str]:
        """Names of the containers of one kernel, or of all of this gateway."""
        label = f"kernel_id={kernel_id}" if kernel_id else "kernel_id"
        found = self.engine.client.containers.list(
            all=not self.keeps_ended,
            filters={"label": label, "name": self.engine.run},
            ignore_removed=True,
        )
        return [str(container.name) for container in found]

    def _launch(self) -> str:
        """Start it; returns its URL."""
        _ = self.engine.network
        self._container = self.engine.start(
            self.image_id,
            f"{self.engine.run}-gateway",
            env=self.env(),
            user=self.user,
            group_add=[str(self.socket_group)],
            volumes={self.socket: {"bind": SOCKET, "mode": "rw"}},
            ports={f"{PORT}/tcp": ("127.0.0.1", None)},
        )
        published = self._container.attrs["NetworkSettings"]["Ports"].get(f"{PORT}/tcp")
        if not published:
            message = f"the container has ended; {self.last_line()}"
            raise Broken("gateway-start", message)
        return f"http://127.0.0.1:{published[0]['HostPort']}"

    def _ended(self) -> str:
        """Why it has ended, or nothing while it runs."""
        if self._container is None:
            return ""
        self._container.reload()
        state = self._container.attrs["State"]
        code = state["ExitCode"]
        return "" if state["Running"] else f"the container has ended with exit code {code}"

    def _wait_up(self, rest: Rest) -> None:
        end = time.monotonic() + UP_SECONDS
        while rest.call("GET", "", seconds=5).status != 200:  # noqa: PLR2004
            why = self._ended()
            if why:
                raise Broken("gateway-start", f"{why}; {self.last_line()}")
            if time.monotonic() > end:
                message = f"no answer at /api after {UP_SECONDS:.0f} s; {self.last_line()}"
                raise Broken("gateway-start", message)
            time.sleep(0.2)


def repository(reference: str) -> str:
    """An image's name without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _socket() -> str:
    host = os.environ.get("DOCKER_HOST", "")
    path = host.removeprefix("unix://") if host.startswith("unix://") else SOCKET
    if (host and not host.startswith("unix://")) or not os.path.exists(path):
        raise InputError(
            f"the gateway's container needs the engine's socket, and there is none at {path}",
            fix="export DOCKER_HOST=unix:///var/run/docker.sock",
        )
    return os.path.realpath(path)
