"""A kernel's container: its report, its comm port, its log and its end.

The environment is what the gateway's launch script hands on; `docs/verify.md` has the list.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import secrets
import socket
import tarfile
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import docker.errors

from verify import report
from verify.rules import Broken
from verify.talk import Talk
from verify.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verify.engine import Engine
    from verify.listener import KeyPair, Listener
    from verify.pace import Mark, Pace

END_SECONDS = 2.0  # a kernel's end, by the rule
PATIENCE = 10.0  # how long a longer end is watched, to tell "late" from "never"
USER = "1000:100"  # KERNEL_UID and KERNEL_GID as the gateway sets them by default
PORT_RANGE_SIZE = 1000  # the gateway's least
_LOOK_SECONDS = 0.1  # between two looks whether a container still runs
_SECRET = re.compile(r"(?i)(key\W{1,6})[\w+/=-]{8,}")


class Wish(NamedTuple):
    """How a kernel is to be started, where that is not as ever.

    Attributes:
        env: Variables to set; None removes one.
        user: The container's user, `uid:gid`.
        kernel_id: Its id; empty for a new one.
    """

    env: Mapping[str, str | None] = {}
    user: str = USER
    kernel_id: str = ""


PLAIN = Wish()


class End(NamedTuple):
    """How a container has ended: its exit code, and after how many seconds."""

    code: int
    seconds: float


class Kernel:
    """A container of the image, started as the gateway starts one.

    Attributes:
        id: The kernel's id.
        user: Whom the container runs as, `uid:gid`.
        pace: Judges what is late.
        started: Monotonic time of the start.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        language: str,
        listener: Listener,
        keys: KeyPair,
        pace: Pace,
        wish: Wish = PLAIN,
    ) -> None:
        self.pace = pace
        self.id = wish.kernel_id or str(uuid.uuid4())
        self.user = wish.user
        self._engine = engine
        self._listener = listener
        self._keys = keys
        self._info: dict[str, Any] = {}
        self._talk: Talk | None = None
        self._canary = secrets.token_hex(16)  # a secret of the user's, in the environment
        uid, _, gid = wish.user.partition(":")
        env = {
            "KERNEL_ID": self.id,
            "KERNEL_LANGUAGE": language,
            "KERNEL_USERNAME": "verify",
            "KERNEL_UID": uid,
            "KERNEL_GID": gid,
            "KERNEL_IMAGE": image,
            "KERNEL_EXECUTOR_IMAGE": image,
            "KERNEL_GATEWAY": "1",
            "KERNEL_SPARK_CONTEXT_INIT_MODE": "none",
            "KERNEL_TOKEN": self._canary,
            "RESPONSE_ADDRESS": listener.address,
            "PUBLIC_KEY": keys.public,
            "PORT_RANGE": "0..0",
            "EG_MIN_PORT_RANGE_SIZE": str(PORT_RANGE_SIZE),
            "EG_MAX_PORT_RANGE_RETRIES": "5",
            "EG_IMPERSONATION_ENABLED": "False",
            "EG_DOCKER_NETWORK": engine.run,
            "EG_DOCKER_MODE": "docker",
            "JPY_PARENT_PID": "7",  # the gateway's own: it means nothing in the container
            **wish.env,
        }
        self.started = time.monotonic()
        self._container = engine.start(
            image,
            f"{engine.run}-{self.id[:8]}-{secrets.token_hex(2)}",
            env={name: value for name, value in env.items() if value is not None},
            labels={"kernel_id": self.id, "component": "kernel", "app": "enterprise-gateway"},
            user=wish.user,
            group_add=["100"],
        )
        self.address = self._find_address()

    # --- The report -------------------------------------------------------------------------------

    def wait_report(self, seconds: float) -> dict[str, Any]:
        """The connection info, once it has come.

        Args:
            seconds: The launch timeout, from the container's start.

        Raises:
            Broken: a rule of the report, or that the container has ended before it.
        """
        if self._info:
            return self._info
        patience = self.pace.patience(seconds, self.started)
        looked = 0.0
        while (message := self._listener.take(self.address, _LOOK_SECONDS)) is None:
            if time.monotonic() - looked < _LOOK_SECONDS:
                continue
            looked = time.monotonic()
            if self.exit_code() is not None:
                raise Broken("start", f"the container has ended {self.last_words()}")
            if patience.over():
                raise Broken("report-time", f"no report after {seconds:.0f} s; {self.hint()}")
        patience.kept("report-time", "the report has come")
        if not message.ended:
            raise Broken("report-form", "the sender has not closed the connection after 10 s")
        info = report.unseal(message.data, self._keys.private)
        self._info = info  # also where it is wrong: its key has to be kept out of messages
        report.check_fields(info, self.id)
        return info

    @property
    def key(self) -> str:
        """The key it signs with. Never to be shown."""
        return str(self._info["key"])

    @property
    def ports(self) -> dict[str, int]:
        """The six ports that were reported, by name."""
        return {name: self._info[name] for name in (*report.ZMQ_PORTS, "comm_port")}

    def check_ports(self) -> None:
        """Connect to every port, at the container's address.

        Raises:
            Broken: `ports-open`.
        """
        for name, port in self.ports.items():

            def opens(port: int = port) -> bool:
                try:
                    socket.create_connection((self.address, port), 1).close()
                except OSError:
                    return False
                return True

            if not until(opens, PATIENCE, self.pace, pause=0.1):
                message = f"{name} {port} does not accept connections at {self.address}"
                raise Broken("ports-open", f"{message}; a kernel must bind 0.0.0.0")

    # --- ZMQ and comm port ------------------------------------------------------------------------

    @property
    def talk(self) -> Talk:
        """The client, connected and ready.

        Raises:
            Broken: `execute`, or `start` when the container has ended.
        """
        if self._talk is None:
            self._talk = self.new_talk()
            try:
                self._talk.wait_ready()
            except Broken:
                if self.exit_code() is not None:
                    words = self.last_words()
                    raise Broken("start", f"the container has ended {words}") from None
                raise
        return self._talk

    def new_talk(self, key: str | None = None) -> Talk:
        """Another client; with `key`, one that signs with that instead of the kernel's."""
        changed = {} if key is None else {"key": key}
        return Talk({**self._info, **changed}, self.address, self.pace)

    def send(self, data: bytes, *, seconds: float = 1.0) -> float:
        """Write to the comm port and close, as the gateway does; returns the seconds it took.

        Raises:
            OSError: it refuses, or resets the connection.
        """
        started = time.monotonic()
        with socket.create_connection((self.address, self.ports["comm_port"]), seconds) as sock:
            sock.sendall(data)
            return time.monotonic() - started

    def request(self, **request: int) -> None:
        """Send a request to the comm port.

        Raises:
            Broken: `comm-port`, when it is refused.
        """
        try:
            self.send(json.dumps(request).encode())
        except OSError as error:
            raise Broken("comm-port", f"the comm port does not take {request}: {error}") from error

    def programs(self) -> list[str]:
        """The command lines of all its processes."""
        found = self._container.top(ps_args="-eo pid,args")
        return [line[-1] for line in found["Processes"] or ()]

    def threads(self) -> list[str]:
        """The threads of all its processes: state and name (its beginning), as `ps` shows them."""
        found = self._container.top(ps_args="-eLo pid,stat,comm")
        return [" ".join(line[1:]) for line in found["Processes"] or ()]

    # --- Its end ----------------------------------------------------------------------------------

    def exit_code(self) -> int | None:
        """The container's exit code; None while it runs."""
        state = self._state()
        ended = state.get("Status") in {"exited", "dead"}
        return int(state["ExitCode"]) if ended else None

    def wait_end(self, rule: str, since: Mark, *, seconds: float = END_SECONDS) -> End:
        """Wait for the end.

        Args:
            rule: What is broken if that takes too long.
            since: When the end was asked for.
            seconds: It may take.

        Raises:
            Broken: it has taken longer.
        """
        code = until(self._ended, seconds + PATIENCE, self.pace)
        if code is None:
            message = f"the container still runs {seconds + PATIENCE:.0f} s later"
            raise Broken(rule, f"{message}; {self.last_line()}")
        took = max(0.0, _timestamp(self._state()["FinishedAt"]) - since.wall)
        self.pace.judge(rule, "the container has ended", took, seconds, since)
        return End(code[0], took)

    def _ended(self) -> tuple[int] | None:  # a code of 0 counts as an answer
        code = self.exit_code()
        return None if code is None else (code,)

    def stop(self) -> None:
        """`docker stop`, with its ten seconds."""
        self._container.stop(timeout=10)

    def remove(self) -> None:
        """Remove the container, running or not."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None
        self._engine.remove(self._container)
        self._listener.forget(self.address)

    def connection_files(self) -> list[str]:
        """Connection files that the container has left where kernels keep them.

        (`docker diff` would look everywhere, and takes seconds.)
        """
        home = dict(entry.partition("=")[::2] for entry in self._container.attrs["Config"]["Env"])
        places = ["/tmp", "/var/tmp", f"{home.get('HOME', '/root')}/.local/share/jupyter/runtime"]  # noqa: S108
        return [path for place in places for path in self._files(place) if self.id in path]

    def _files(self, folder: str) -> list[str]:
        try:
            stream, _ = self._container.get_archive(folder)
        except docker.errors.NotFound:
            return []
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            return [
                f"{folder}/{member.name.partition('/')[2]}"
                for member in archive
                if member.name.endswith(".json")
            ]

    # --- Its log ----------------------------------------------------------------------------------

    def log(self) -> str:
        """All it has printed, as it is."""
        try:
            return self._container.logs().decode(errors="replace")
        except docker.errors.APIError:
            return ""

    def check_log(self) -> None:
        """Look for secrets in the log.

        Raises:
            Broken: `secret-in-log`; says which, not what.
        """
        log = self.log()
        for secret, what in (
            (self._info.get("key"), "the key that signs the kernel's messages"),
            (self._canary, "the value of a variable of the environment, KERNEL_TOKEN,"),
        ):
            if secret and secret in log:
                raise Broken("secret-in-log", f"{what} is in the container's log")

    def last_line(self) -> str:
        """The last line of the log, without secrets, in words for a message."""
        lines = [line.strip() for line in self.log().splitlines() if line.strip()]
        if not lines:
            return "its log is empty"
        line = lines[-1]
        for secret in (self._info.get("key"), self._canary):
            line = line.replace(secret, "...") if secret else line
        line = _SECRET.sub(r"\1...", line)
        return f"its log ends with: {line[:300]}"

    def last_words(self) -> str:
        """How it has ended, in words for a message."""
        attrs = self._container.attrs
        ran = " ".join([attrs["Path"], *attrs["Args"]])[:120]
        return f"with exit code {self.exit_code()} (it ran {ran}); {self.last_line()}"

    def hint(self) -> str:
        """Why there may be no report although the container runs, in words for a message."""
        firewall = f"(or a firewall keeps containers from {self._listener.address})"
        return f"the container runs, {self.last_line()} {firewall}"

    def _find_address(self) -> str:
        networks = self._container.attrs["NetworkSettings"]["Networks"]
        return str(networks[self._engine.run]["IPAddress"])

    def _state(self) -> dict[str, Any]:
        self._container.reload()
        state: dict[str, Any] = self._container.attrs["State"]
        return state


def _timestamp(text: str) -> float:
    """Seconds of the engine's time, which has nine digits: `2026-01-31T12:00:00.123456789Z`."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = dt.datetime.fromisoformat(f"{whole}+00:00").timestamp()
    return moment + float(f"0.{fraction or 0}")
