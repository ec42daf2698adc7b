"""When an engine is installed or started, when not, and what is said then."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from buildlib.engine.about import About
from buildlib.engine.find import Endpoint
from buildlib.engine.install import Machine, ensure_engine
from buildlib.errors import ActionError, EngineUnavailable, InputError

SUDO = (
    "sudo apt-get update && sudo apt-get install -y docker.io ca-certificates"
    " && sudo usermod -aG docker $USER && newgrp docker"
)
REFUSED = "the Docker Engine at tcp://box:1 (from DOCKER_HOST) is not running: connection refused"
ENV = {"HOME": "/nonexistent", "USER": "me"}


class FakeMachine(Machine):
    """A machine whose time passes by sleeping, and on which everything is remembered."""

    def __init__(
        self,
        *,
        programs: Sequence[str] = ("apt-get",),
        root: bool = True,
        systemd: bool = False,
        refusal: int = errno.ENOENT,
        ready_after: float | None = 2.0,
        candidates: Sequence[str] = (),
        package_starts: bool = False,
        other_daemon: bool = False,
        daemon_ends: int | None = None,
        fails: str = "",
    ) -> None:
        super().__init__()
        self.programs = list(programs)
        self.root = root
        self.with_systemd = systemd
        self.refusal = refusal
        self.ready_after = ready_after
        self.candidates = candidates
        self.package_starts = package_starts
        self.other_daemon = other_daemon
        self.daemon_ends = daemon_ends
        self.fails = fails
        self.product = About("Docker Engine", "29.0.0", "1.52", "1.44")
        self.said: list[str] = []
        self.ran: list[str] = []
        self.now = 0.0
        self.started: float | None = 0.0 if other_daemon else None

    def say(self, text: str) -> None:
        self.said.append(text)

    def is_root(self) -> bool:
        return self.root

    def has(self, program: str) -> bool:
        return program in self.programs

    def systemd(self) -> bool:
        return self.with_systemd

    def probe(self, endpoint: Endpoint) -> OSError | None:
        return None if self.answers(endpoint) else OSError(self.refusal, "no")

    def about(self, endpoint: Endpoint) -> About:
        return self.product

    def answers(self, endpoint: Endpoint) -> bool:
        if self.started is None or self.ready_after is None:
            return False
        return self.now >= self.started + self.ready_after

    def run(self, argv: Sequence[str], on_line: Callable[[str], None]) -> int:
        command = " ".join(argv)
        self.ran.append(command)
        if self.fails and self.fails in command:
            on_line("E: it does not work")
            return 100
        if "policy" in argv:
            for name in argv[2:]:
                on_line(f"{name}:")
                on_line("  Installed: (none)")
                on_line(f"  Candidate: {'1.0' if name in self.candidates else '(none)'}")
        if "install" in argv:
            self.programs.append("dockerd")
            on_line("Setting up docker.io (1.0) ...")
            if self.package_starts:
                self.started = self.now
        if "systemctl" in argv:
            self.started = self.now
        return 0

    def daemon_runs(self) -> bool:
        return self.other_daemon

    def start_daemon(self) -> Callable[[], int | None]:
        self.ran.append("dockerd")
        self.started = self.now
        return lambda: self.daemon_ends

    def log_tail(self) -> str:
        return "the end of the log"

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_an_engine_that_answers_is_left_alone() -> None:
    machine = FakeMachine(programs=["apt-get", "dockerd"], ready_after=0, other_daemon=True)
    assert ensure_engine(ENV, machine).path == "/var/run/docker.sock"
    assert (machine.ran, machine.said) == ([], [])


@pytest.mark.parametrize(
    ("env", "fix"),
    [
        ({}, "sudo apt-get install -y docker.io"),
        ({"DOCKER_HOST": "unix:///run/podman/podman.sock"}, "unset DOCKER_HOST"),
    ],
)
def test_podman_is_no_docker_engine(env: dict[str, str], fix: str) -> None:
    machine = FakeMachine(programs=["apt-get", "dockerd"], ready_after=0, other_daemon=True)
    machine.product = About("podman", "4.3.1", "1.41", "1.24")
    with pytest.raises(
        InputError, match=r"podman 4\.3\.1 answers at unix:///.*no BuildKit"
    ) as caught:
        ensure_engine({**ENV, **env}, machine)
    assert caught.value.fix.startswith(fix)
    assert (machine.ran, machine.said) == ([], [])


def test_a_bare_machine_gets_one() -> None:
    machine = FakeMachine()
    ensure_engine(ENV, machine)
    lock = "-o DPkg::Lock::Timeout=300"
    install = f"apt-get {lock} install -y -q --no-install-recommends docker.io ca-certificates"
    assert machine.ran == [
        f"apt-get {lock} update -q",
        "apt-cache policy docker-cli docker-buildx",
        install,
        "dockerd",
    ]
    assert "installing docker.io" in machine.said[0]
    assert "answers after 2" in machine.said[-1]


def test_where_the_client_is_a_package_of_its_own_it_comes_along() -> None:
    machine = FakeMachine(candidates=["docker-buildx"])
    ensure_engine(ENV, machine)
    assert machine.ran[2].endswith("docker.io ca-certificates docker-buildx")


def test_what_the_package_started_is_not_started_again() -> None:
    machine = FakeMachine(package_starts=True, ready_after=0)
    ensure_engine(ENV, machine)
    assert "dockerd" not in machine.ran


def test_an_installed_one_is_only_started() -> None:
    machine = FakeMachine(programs=["dockerd", "apt-get"])
    ensure_engine(ENV, machine)
    assert machine.ran == ["dockerd"]


def test_systemd_starts_it_where_it_runs() -> None:
    machine = FakeMachine(programs=["dockerd"], systemd=True)
    ensure_engine(ENV, machine)
    assert machine.ran == ["systemctl start docker"]


def test_a_daemon_that_is_coming_up_is_waited_for() -> None:
    machine = FakeMachine(programs=["dockerd"], other_daemon=True, ready_after=12)
    ensure_engine(ENV, machine)
    assert machine.ran == []
    assert [line for line in machine.said if "waiting" in line] == [
        "  waiting for the engine: 5 s of 180",
        "  waiting for the engine: 10 s of 180",
    ]


def test_of_two_that_start_at_once_the_other_may_win() -> None:
    machine = FakeMachine(programs=["dockerd"], daemon_ends=1, ready_after=3)
    start = machine.start_daemon

    def lose() -> Callable[[], int | None]:
        machine.other_daemon = True
        return start()

    machine.start_daemon = lose  # type: ignore[method-assign]
    ensure_engine(ENV, machine)


def test_a_daemon_that_ends_is_an_error_with_its_log() -> None:
    machine = FakeMachine(programs=["dockerd"], ready_after=None, daemon_ends=1)
    with pytest.raises(EngineUnavailable, match="ended, code 1") as caught:
        ensure_engine(ENV, machine)
    assert caught.value.detail == "the end of the log"
    assert caught.value.fix == "less /var/log/dockerd.log"
    assert machine.now < 1


def test_a_daemon_that_does_not_answer_is_given_up() -> None:
    machine = FakeMachine(programs=["dockerd"], ready_after=None)
    with pytest.raises(EngineUnavailable, match="does not answer after 180 s"):
        ensure_engine(ENV, machine)
    assert 180 < machine.now < 181


@pytest.mark.parametrize("step", ["update", "install"])
def test_an_installation_that_fails(step: str) -> None:
    machine = FakeMachine(fails=f" {step} ")
    with pytest.raises(ActionError, match=f"apt-get {step} failed") as caught:
        ensure_engine(ENV, machine)
    assert caught.value.detail == "E: it does not work"
    assert "apt-get install -y docker.io" in caught.value.fix
    assert "dockerd" not in machine.ran


def test_a_service_that_cannot_be_started() -> None:
    machine = FakeMachine(programs=["dockerd"], systemd=True, fails="systemctl")
    with pytest.raises(EngineUnavailable, match="cannot be started") as caught:
        ensure_engine(ENV, machine)
    assert caught.value.detail == "E: it does not work\nthe end of the log"
    assert machine.now == 0


@pytest.mark.parametrize(
    ("machine", "env", "what", "fix"),
    [
        (
            FakeMachine(root=False),
            {},
            "there is no Docker Engine on this machine",
            SUDO,
        ),
        (
            FakeMachine(root=False, programs=["dockerd", "apt-get"], systemd=True),
            {},
            "the Docker Engine is installed but does not run",
            "sudo systemctl start docker",
        ),
        (
            FakeMachine(root=False, programs=["dockerd"]),
            {},
            "the Docker Engine is installed but does not run",
            "sudo sh -c 'nohup dockerd >/var/log/dockerd.log 2>&1 &'",
        ),
        (
            FakeMachine(programs=[]),
            {},
            "there is no Docker Engine on this machine",
            "install one: https://docs.docker.com/engine/install/",
        ),
        (
            FakeMachine(),
            {"BUILDLIB_NO_INSTALL": "1"},
            "there is no Docker Engine on this machine; BUILDLIB_NO_INSTALL forbids to change that",
            "apt-get update && apt-get install -y docker.io ca-certificates",
        ),
        (
            FakeMachine(refusal=errno.EACCES),
            {},
            "you may not use the Docker Engine at /var/run/docker.sock: permission denied",
            "sudo usermod -aG docker $USER && newgrp docker  # or run this with sudo",
        ),
        (
            FakeMachine(refusal=errno.ECONNREFUSED),
            {"DOCKER_HOST": "tcp://box:1"},
            REFUSED,
            "unset DOCKER_HOST  # or start the engine it names",
        ),
        (
            FakeMachine(),
            {"DOCKER_HOST": "unix:///var/run/docker.sock"},
            "no Docker Engine is here: /var/run/docker.sock does not exist (from DOCKER_HOST)",
            "unset DOCKER_HOST  # or start the engine it names",
        ),
    ],
)
def test_where_it_may_not_the_machine_is_left_alone(
    machine: FakeMachine, env: dict[str, str], what: str, fix: str
) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        ensure_engine({**ENV, **env}, machine)
    assert (caught.value.what, caught.value.fix) == (what, fix)
    assert (machine.ran, machine.said) == ([], [])


def test_a_daemon_is_known_by_its_pid_file(tmp_path: Path) -> None:
    machine = Machine(pid_files=[str(tmp_path / "no"), str(tmp_path / "pid")])
    assert not machine.daemon_runs()
    (tmp_path / "pid").write_text(str(os.getpid()))
    assert machine.daemon_runs()
    (tmp_path / "pid").write_text("4194304000")
    assert not machine.daemon_runs()
