"""Start the engine that is installed, or install Debian's, where none answers.

Only on the machine's own socket, only as root, and not with BUILDLIB_NO_INSTALL=1: if someone chose
an engine (DOCKER_HOST, a context) that does not answer, the error says so, and no other is used.
Users without the rights get the exact commands. `Machine` does all that touches the machine.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from buildlib.engine.about import About, about, refuse_foreign
from buildlib.engine.client import installable
from buildlib.engine.find import DEFAULT_SOCKET, Endpoint, find_engine, probe, unavailable
from buildlib.errors import ActionError, EngineUnavailable

FORBID = "BUILDLIB_NO_INSTALL"
PACKAGES = ("docker.io", "ca-certificates")
CLIENT_PACKAGES = ("docker-cli", "docker-buildx")
"""Debian 13 and Ubuntu split the client off; earlier ones have it in docker.io."""

_WAIT = 180.0  # with a builder cache of years, an engine takes a minute to start
_TAIL = 20
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_MANUAL = "https://docs.docker.com/engine/install/"


class Machine:
    """What is asked of the machine and done to it; tests replace it."""

    def __init__(
        self,
        log: str = "/var/log/dockerd.log",
        pid_files: Sequence[str] = ("/var/run/docker.pid", "/var/run/docker-ssd.pid"),
    ) -> None:
        self.log = log
        self.pid_files = pid_files  # Debian's init script writes the second, before the first

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def is_root(self) -> bool:
        return hasattr(os, "geteuid") and os.geteuid() == 0

    def has(self, program: str) -> bool:
        """Whether a program is installed; daemons are in sbin, which may not be on PATH."""
        import shutil

        return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SBIN}") is not None

    def systemd(self) -> bool:
        """Whether systemd runs this machine (sd_booted(3))."""
        return os.path.isdir("/run/systemd/system")

    def probe(self, endpoint: Endpoint) -> OSError | None:
        return probe(endpoint)

    def about(self, endpoint: Endpoint) -> About:
        return about(endpoint)

    def answers(self, endpoint: Endpoint) -> bool:
        """Whether the engine answers a question; it accepts connections before it can."""
        from buildlib.engine.api import EngineClient

        try:
            EngineClient(endpoint).ping()
        except ActionError:
            return False
        return True

    def run(self, argv: Sequence[str], on_line: Callable[[str], None]) -> int:
        from buildlib.engine import process

        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        environ["PATH"] = f"{environ.get('PATH', '')}:{_SBIN}"
        return process.stream(argv, on_line, environ=environ)

    def daemon_runs(self) -> bool:
        """Whether the daemon of a pid file lives, even if it does not answer yet."""
        return any(map(_lives, self.pid_files))

    def start_daemon(self) -> Callable[[], int | None]:
        """Start dockerd so that it outlives us; return a function that gives its exit code."""
        import subprocess

        environ = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_SBIN}"}
        with open(self.log, "ab") as log:
            daemon = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environ,
                start_new_session=True,  # no ^C and no hang-up of ours reaches it
            )
        return daemon.poll

    def log_tail(self) -> str:
        if self.systemd():
            lines: list[str] = []
            self.run(["journalctl", "-u", "docker", "-n", str(_TAIL), "--no-pager"], lines.append)
            return "\n".join(lines)
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-_TAIL:])
        except OSError:
            return ""

    def clock(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def _lives(pid_file: str) -> bool:
    try:
        with open(pid_file, encoding="ascii") as file:
            os.kill(int(file.read()), 0)
    except (OSError, ValueError, OverflowError):
        return False
    return True


def ensure_engine(
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    wait: float = _WAIT,
) -> Endpoint:
    """Return an endpoint that answers; start or install an engine where allowed and needed.

    A started engine has `wait` seconds to answer.

    Raises:
        InputError: What answers is no Docker Engine.
        EngineUnavailable: There is none, and none may be made; `fix` says how to make one.
        ActionError: The installation or the start failed; the log's tail is in the detail.
    """
    env = os.environ if environ is None else environ
    machine = machine or Machine()
    endpoint = find_engine(env)
    error = machine.probe(endpoint)
    if error is None:
        refuse_foreign(endpoint, machine.about(endpoint))
        return endpoint
    ours = not endpoint.origin and endpoint.path == DEFAULT_SOCKET
    if not ours or isinstance(error, PermissionError):
        raise unavailable(endpoint, error)
    installed = machine.has("dockerd")
    forbidden = env.get(FORBID, "") not in {"", "0"}
    if forbidden or not machine.is_root() or not (installed or machine.has("apt-get")):
        raise _needs_the_user(machine, installed=installed, forbidden=forbidden)
    if not installed:
        _install(machine)
    # The package may have started the engine, or another process of ours may be starting it.
    _start(machine, endpoint, wait)
    return endpoint


def _needs_the_user(machine: Machine, *, installed: bool, forbidden: bool) -> EngineUnavailable:
    sudo = "" if machine.is_root() else "sudo "
    if installed:
        what = "the Docker Engine is installed but does not run"
        fix = (
            f"{sudo}systemctl start docker"
            if machine.systemd()
            else f"{sudo}sh -c 'nohup dockerd >{machine.log} 2>&1 &'"
        )
    else:
        what = "there is no Docker Engine on this machine"
        fix = f"install one: {_MANUAL}"
        if machine.has("apt-get"):
            fix = f"{sudo}apt-get update && {sudo}apt-get install -y {' '.join(PACKAGES)}"
            if sudo:
                fix += " && sudo usermod -aG docker $USER && newgrp docker"
    why = f"; {FORBID} forbids to change that" if forbidden else ""
    return EngineUnavailable(what + why, fix=fix)


def _install(machine: Machine) -> None:
    machine.say(f"no Docker Engine on this machine: installing docker.io ({FORBID}=1 forbids it)")
    _apt(machine, "update", "-q")
    packages = [*PACKAGES, *_available(machine, CLIENT_PACKAGES)]
    _apt(machine, "install", "-y", "-q", "--no-install-recommends", *packages)


def _apt(machine: Machine, *args: str) -> None:
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        if line.startswith("Setting up "):
            machine.say(f"  {line}")

    # Another apt may hold the lock on a machine that was just switched on.
    argv = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *args]
    if machine.run(argv, on_line):
        raise ActionError(
            f"apt-get {args[0]} failed, so there is still no Docker Engine",
            detail="\n".join(lines[-_TAIL:]),
            fix=f"apt-get update && apt-get install -y {' '.join(PACKAGES)}",
        )


def _available(machine: Machine, packages: Sequence[str]) -> list[str]:
    lines: list[str] = []
    machine.run(["apt-cache", "policy", *packages], lines.append)
    return installable(lines, packages)


def _start(machine: Machine, endpoint: Endpoint, wait: float) -> None:
    exit_code: Callable[[], int | None] = lambda: None  # noqa: E731
    if machine.systemd():
        machine.say("starting the Docker Engine: systemctl start docker")
        lines: list[str] = []
        if machine.run(["systemctl", "start", "docker"], lines.append):
            raise EngineUnavailable(
                "the Docker Engine cannot be started",
                detail="\n".join(lines) + "\n" + machine.log_tail(),
                fix="systemctl status docker",
            )
    elif machine.probe(endpoint) is not None and not machine.daemon_runs():
        machine.say(f"starting the Docker Engine: dockerd, log in {machine.log}")
        exit_code = machine.start_daemon()
    begin = machine.clock()
    last_line = begin
    while not machine.answers(endpoint):
        now = machine.clock()
        code = exit_code()
        # If two daemons were started at once, one gives up, and the other will answer.
        if now - begin > wait or (code is not None and not machine.daemon_runs()):
            how = f"does not answer after {wait:.0f} s" if code is None else f"ended, code {code}"
            raise EngineUnavailable(
                f"the Docker Engine was started but {how}",
                detail=machine.log_tail(),
                fix="journalctl -u docker" if machine.systemd() else f"less {machine.log}",
            )
        if now - last_line >= 5:  # noqa: PLR2004
            machine.say(f"  waiting for the engine: {now - begin:.0f} s of {wait:.0f}")
            last_line = now
        machine.sleep(0.2)
    machine.say(f"the Docker Engine answers after {machine.clock() - begin:.1f} s")
