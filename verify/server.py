"""The real gateway, as an operator starts it: not root, with the engine's socket.

It is reached on a free port, with a token nobody else knows. Where it runs is its platform's.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from buildlib.errors import ActionError, BuildError, InputError
from deploy.platform import NotUp
from verify.platforms import PORT, SOCKET, Gateway
from verify.rest import Rest
from verify.rules import Broken, Late, NotTried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker.models.containers import Container

    from deploy.platform import Platform
    from verify.cluster import Cluster
    from verify.demo import Yarn
    from verify.engine import Engine
    from verify.pace import Pace
    from verify.platforms import Place

UP_SECONDS = 60.0
_INFO = 60  # the gateway's EG_KERNEL_INFO_TIMEOUT
LEAVE_SECONDS = 30
GRACE = 5  # seconds the gateway has to end its kernels; what is left then is removed all the same
CULL_INTERVAL = 1
_ROOT = {"", "0", "root"}


class Wanted(NamedTuple):
    """An image that a kernelspec shall run.

    Attributes:
        reference: How it was named on the command line.
        id: What the platform calls it: its id; on a cluster its name, a content tag.
        goes_by_its_name: Whether the kernelspec's own name for it means the same image.
    """

    reference: str
    id: str
    goes_by_its_name: bool


class Server:
    """Starts when first asked something; a start that fails is not tried again."""

    def __init__(
        self,
        engine: Engine,
        place: Place,
        image: dict[str, Any],
        timeout: float,
        pace: Pace,
        images: Sequence[str] = (),
        reference: str = "",
    ) -> None:
        """Look where the engine's socket is.

        Args:
            engine: Where it will run.
            place: On which of its platforms.
            image: What `docker image inspect` shows.
            timeout: Seconds a kernel has to report.
            pace: Judges what is late.
            images: The images that kernelspecs shall run; without any, those they name.
            reference: How the gateway's image was named.

        Raises:
            InputError: the engine has no socket here, and the gateway needs it.
        """
        self.engine = engine
        self.cull_seconds = place.cull_seconds
        self.place = place
        self.image_id: str = image["Id"]
        self._reference = reference
        self.images = {repository(name): (name, str(engine.image(name)["Id"])) for name in images}
        self.kernels: dict[str, str] = {}  # those started and not yet deleted: id, kernelspec
        self.kernelspecs: dict[str, Any] = {}  # as it has listed them
        user = str(image["Config"].get("User") or "")
        self.user = "1000:100" if user.partition(":")[0] in _ROOT else user
        self.socket = _socket() if place.on_engine else ""
        self.socket_group = os.stat(self.socket).st_gid if self.socket else 0
        self._platform: Platform | None = None
        self.timeout = max(timeout, place.launch_seconds)
        self.pace = pace
        self._token = secrets.token_hex(16)
        self._rest: Rest | None = None
        self._failure: Broken | BuildError | None = None

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
                if self.pace.busy:  # one that starts slowly is not to be culled meanwhile
                    self.cull_seconds = math.ceil(self.cull_seconds * self.pace.scale)
                rest = Rest(self._launch(), self._token, self.pace)
                self._wait_up(rest)
            except Late:  # it runs, and is tried once more
                self._rest = rest
                raise
            except (Broken, BuildError) as failure:
                self._failure = failure
                raise
            self._rest = rest
        return self._rest

    @property
    def container(self) -> Container:
        """The running gateway's container, on plain Docker.

        Raises:
            Broken: `gateway-start`.
        """
        _ = self.rest
        return self.engine.client.containers.get(f"{self.engine.run}-gateway-1")

    def image_of(self, name: str) -> Wanted | None:
        """What a kernelspec that names this image shall run; None where that is for it to say.

        A kernelspec names an image by a tag that moves, and that a release sets at its end.
        """
        if repository(name) not in self.images:
            return None
        reference, image_id = self.images[repository(name)]
        if self.place.cluster:  # its nodes may know another image by that name
            return Wanted(reference, reference, goes_by_its_name=False)
        return Wanted(reference, image_id, self.engine.image_id(name) == image_id)

    def close(self) -> None:
        """Remove it, and the swarm that was made for it; the engine removes what is left."""
        if self._platform is None:
            return
        try:
            self._platform.down(_unheard, GRACE)
        except ActionError:  # something is in the way
            self.engine.clear(seconds=LEAVE_SECONDS)
            self._platform.down(_unheard, GRACE)

    @property
    def launch_seconds(self) -> int:
        """What the gateway gives a kernel to report; more on a busy machine."""
        return math.ceil(self.timeout * self.pace.scale)

    def env(self) -> dict[str, str]:
        """The variables it is started with; all else is as the image has it."""
        busy = self.pace.busy
        return {
            "EG_DOCKER_NETWORK": self.engine.run,
            "EG_AUTH_TOKEN": self._token,
            "EG_PORT": str(PORT),
            "EG_LIST_KERNELS": "True",
            "EG_KERNEL_LAUNCH_TIMEOUT": str(self.launch_seconds),
            **({"EG_IMPERSONATION_ENABLED": "True"} if self.place.yarn else {}),
            **({"EG_KERNEL_INFO_TIMEOUT": str(math.ceil(_INFO * self.pace.scale))} if busy else {}),
            "EG_CULL_IDLE_TIMEOUT": str(self.cull_seconds),
            "EG_CULL_INTERVAL": str(CULL_INTERVAL),
        }

    def log(self) -> str:
        """What it has printed."""
        if self._platform is None:
            return ""
        with contextlib.suppress(ActionError):
            return self._platform.log()
        return ""

    def last_line(self) -> str:
        """The last line of its log, for a message; rather the launch script's last error."""
        lines = [line for line in self.log().splitlines() if line.strip()]
        scripts = [line for line in lines if "error" in line.lower() and line[0] not in "[ "]
        lines = scripts or lines
        line = lines[-1].replace(self._token, "...") if lines else ""
        return f"its log ends with: {line[:300]}" if line else "its log is empty"

    def kernel_images(self, kernel_id: str) -> set[str]:
        """The images that the containers of a kernel were made of, as `Wanted.id` says it."""
        if self.place.cluster:
            return self.place.cluster.images(self.engine.run, kernel_id)
        return {kernel.image for kernel in self._running.kernels(kernel_id)}

    def kernel_containers(self, kernel_id: str = "") -> list[str]:
        """Names of the containers of one kernel, or of all of this gateway."""
        return [kernel.name for kernel in self._running.kernels(kernel_id)]

    @property
    def cluster(self) -> Cluster:
        """Where it runs, for the cases of a cluster."""
        assert self.place.cluster is not None  # noqa: S101 - its cases are not listed elsewhere
        return self.place.cluster

    @property
    def yarn(self) -> Yarn:
        """YARN of the demo.

        Raises:
            Broken: `gateway-start`.
        """
        from verify.demo import Yarn

        _ = self.rest
        return Yarn(str(urlsplit(self._running.url()).hostname))

    def left_of_kernels(self) -> list[str]:
        """What is there of kernels: containers, on a cluster also what Spark has made."""
        if self.place.cluster:
            return self.place.cluster.of_kernels(self.engine.run)
        return self.kernel_containers() + (self.yarn.unfinished() if self.place.yarn else [])

    @property
    def _running(self) -> Platform:
        assert self._platform is not None  # noqa: S101 - kernels come from a gateway that runs
        return self._platform

    def _launch(self) -> str:
        """Start it; returns its URL."""
        gateway = Gateway(
            self.image_id,
            self._reference,
            self.env(),
            self.user,
            self.socket,
            self.socket_group,
        )
        platform = self._platform = self.place.start(self.engine, gateway)
        platform.check()
        try:
            platform.up(_unheard)
        except NotUp as error:
            raise Broken("gateway-start", f"{error.what}; {self.last_line()}") from error
        except ActionError as error:
            image, why = self._reference or self.image_id, error.detail or error.what
            raise ActionError(f"{image} cannot be started: {why}", fix=error.fix) from error
        return platform.url()

    def _wait_up(self, rest: Rest) -> None:
        patience = self.pace.patience(UP_SECONDS)
        while rest.call("GET", "", seconds=5).status != 200:  # noqa: PLR2004
            try:
                self._running.waiting()
            except NotUp as error:
                raise Broken("gateway-start", f"{error.what}; {self.last_line()}") from error
            if patience.over():
                message = f"no answer at /api after {UP_SECONDS:.0f} s; {self.last_line()}"
                raise Broken("gateway-start", message)
            time.sleep(0.05)
        patience.kept("gateway-start", "the gateway has answered")


def _unheard(line: str) -> None:
    """Nobody waits for a line of progress."""


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
