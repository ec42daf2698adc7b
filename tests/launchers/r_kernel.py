"""The R launcher of the working tree, run in the image that has R."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from launched import Asked, Capability
from zmq_kernel import Words, ZmqKernel, cmdline

SOURCES = Path(__file__).parents[2] / "launchers" / "R"
IMAGE = os.environ.get("TEST_IMAGES", "elyra/{name}:dev").format(name="kernel-r-environment")

READ_OPTIONS = r"""
read <- function(argv, env = character()) tryCatch({
  options <- parse_options(argv, env)
  pairs <- lapply(options[c("response_address", "port_range")], paste, collapse = " ")
  values <- c(options$kernel_id, unlist(pairs), options$spark_mode, format(launch_timeout(env)))
  paste(values, collapse = "|")
}, launcher_error = function(problem) paste("error", problem$code))
"""


class RKernel(ZmqKernel):
    """A launcher in a container on this machine's network, whose processes are seen from here."""

    log_name = "launch_IRkernel: "
    stop_seconds = 5.0
    shutdown_code = held_up_code = 143  # it is terminated after a moment
    refused = "cannot connect"
    storm = 3000
    crowd = 150
    early_codes: ClassVar = {1, 143}  # tini tells the kernel, too, which may end by itself
    lacks: ClassVar = {
        Capability.EXITS: "R: quit() in IRkernel asks the client for the end",
        Capability.TIDIES_UP: "R: SIGTERM cannot be handled; the files go with the container",
    }
    words = Words(
        up="cat('up')",
        remember="kept <- 42",
        recall="cat(kept)",
        pid="cat(Sys.getpid())",
        variable="cat(Sys.getenv('NAME'))",
        cells={
            "sleep": "cat('go\\n'); repeat Sys.sleep(0.02)",
            "spin": "cat('go\\n'); repeat {}",
        },
        short="for (i in 1:300) cat(i, '')",
        windows="number <- 6\r\nif (number > 1) {\r\n  cat(number * 7)\r\n}\r\n",
        fails="cat('before'); stop('no'); cat('after')",
        program="cat('go\\n'); cat(system('sleep 600') != 0)",
        program_ended="TRUE",
        children="system('sleep 600', wait = FALSE)\n"
        "system('setsid sleep 600', wait = FALSE)\n"
        "system('(trap \"\" TERM; sleep 600) & sleep 600 &')\n",
        hold_up=".Last <- function() Sys.sleep(600)",
        die="tools::pskill(Sys.getpid(), 9)",
    )

    def command(
        self, arguments: list[str], env: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The launcher's command line, and what is added to the environment."""
        self.tmp.chmod(0o1777)
        self.container = f"r-launcher-{self.id}"
        marked = {"TMPDIR": "/kernel-tmp", "LAUNCHER_TEST": self.id, "JPY_PARENT_PID": "4242"}
        settings = [f"--env={name}={value}" for name, value in {**marked, **env}.items()]
        command = [
            *("docker", "run", "--rm", "--name", self.container, "--network=host"),
            *(f"--volume={SOURCES}:/launcher:ro", f"--volume={self.tmp}:/kernel-tmp"),
            *(*settings, IMAGE, "Rscript", "/launcher/launch_IRkernel.R"),
        ]
        return [*command, *arguments], {}

    def given_options(self) -> Sequence[str]:
        return [f"/kernel-tmp/{self.given.name}"]

    @classmethod
    def read_options(cls, cases: Sequence[Asked]) -> list[str]:
        calls = [f"read({_vector(case.argv)}, {_named(case.env)})" for case in cases]
        script = READ_OPTIONS + "".join(f"cat({call}, '\\n', sep = '')\n" for call in calls)
        return run_r(script, "messages", "options").splitlines()

    def assert_program_interrupted(self, cell: str) -> None:
        # R may be interrupted, too, as it sees to the program's end
        ended = self.words.program_ended in self.result_of(cell)
        assert ended or self.remembers()

    def shut_down_last(self) -> None:
        with contextlib.suppress(ConnectionRefusedError):  # the kernel has told the launcher first
            super().shut_down_last()

    def kill(self) -> None:
        [launcher] = [pid for pid in self.processes() if _is_launcher(pid)]
        os.kill(launcher, signal.SIGKILL)
        self.process.wait()

    def assert_nothing_left(self) -> None:
        """As for Python, but for R's own folder, which is left where R is killed as it starts."""
        for folder in self.tmp.glob("Rtmp*"):
            folder.rmdir()  # fails if anything is in it
        super().assert_nothing_left()

    def clear_away(self) -> None:
        """End the container, whatever state it is in."""
        subprocess.run(["docker", "rm", "-f", self.container], capture_output=True, check=False)
        super().clear_away()


def run_r(script: str, *modules: str, options: Sequence[str] = ()) -> str:
    """Run a script with some of the launcher's modules loaded; returns what it printed."""
    loading = "".join(f"source('/launcher/kernel_launcher/{name}.R');" for name in modules)
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--name", f"r-launcher-{uuid.uuid4()}", *options),
            *(f"--volume={SOURCES}:/launcher:ro", IMAGE, "Rscript", "-e", loading + script),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _vector(texts: Sequence[str]) -> str:
    return f"c({', '.join(map(json.dumps, texts))})"


def _named(env: object) -> str:
    return f"c({', '.join(f'{name}={json.dumps(value)}' for name, value in dict(env).items())})"


def _is_launcher(pid: int) -> bool:
    line = cmdline(pid)
    return b"launch_IRkernel.R" in line and not line.startswith(b"tini")
