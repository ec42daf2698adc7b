"""Run the build system as a person does: as a process in a folder, with an environment of its own.

Nothing of buildlib is imported into the test's process; what is asserted is what was printed, the
exit code, and what the engine and the disk hold afterwards.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from e2e_sample import ROOT, write_sample

FROM_ROOT = ("buildlib", "dodo.py", "pyproject.toml", "VERSION")
"""What the processes take of the checkout, which is on their path: tests/support/kept."""

NOWHERE = "unix:///nonexistent/docker.sock"
"""An engine that never answers, and that nobody may install."""

PATIENCE = 300.0
"""Seconds after which a process is taken to hang."""


class Done(NamedTuple):
    """A process that ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All it said."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """What it answered to `--json`."""
        return json.loads(self.out)


class Running:
    """A process whose lines are read as they come."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    @property
    def text(self) -> str:
        """What it said so far."""
        return "\n".join(self.lines)

    def wait_for(self, words: str) -> None:
        """Return when it has said `words`."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while words not in self.text:
                over = not self._reader.is_alive() or time.monotonic() > deadline
                assert not over, f"never said {words!r}:\n{self.text}"
                self._news.wait(0.2)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, and to it alone."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it ended and all its lines are read."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self._reader.join(PATIENCE)
        self.process.stdout.close()


class Family:
    """A workspace with a store of its own.

    Args:
        folder: Where both lie; must be new.
        organization: First part of the images' names.
        engine: Value of DOCKER_HOST; empty for the one that is found.
    """

    def __init__(self, folder: Path, organization: str, engine: str = NOWHERE) -> None:
        self.folder = folder
        self.root = folder / "workspace"
        self.organization = organization
        self.env = environment(folder, engine)
        self._running: list[Running] = []

    @classmethod
    def new(cls, folder: Path, organization: str, engine: str = NOWHERE) -> Family:
        """A family with the sample's files and its download in the store."""
        family = cls(folder, organization, engine)
        write_sample(family.root, organization)
        # No layer of another test is reused, so no image of another test has the same ID.
        token = secrets.token_hex(8)
        family.write("images/base/motd", f"welcome {token}\n")
        family.write("images/other-base/motd", f"welcome to the other {token}\n")
        family.fill_store()
        return family

    @property
    def store(self) -> Path:
        """The isolated store."""
        return Path(self.env["BUILDLIB_STORE"])

    def fill_store(self) -> None:
        """Put the one file from outside into the store, as `fetch` would."""
        import hashlib

        from e2e_sample import DOWNLOAD

        sha256 = hashlib.sha256(DOWNLOAD).hexdigest()
        path = self.store / "sha256" / sha256[:2] / sha256[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DOWNLOAD)

    def clone(self, name: str) -> Family:
        """The same sources at another path, with nothing but the store in common."""
        other = Family(self.folder / name, self.organization, self.env.get("DOCKER_HOST", ""))
        other.env["BUILDLIB_STORE"] = self.env["BUILDLIB_STORE"]
        keep_out = shutil.ignore_patterns(".buildlib", "dist")
        shutil.copytree(self.root, other.root, symlinks=True, ignore=keep_out)
        return other

    # -- sources

    def path(self, name: str) -> Path:
        """A file of the workspace."""
        return self.root / name

    def read(self, name: str) -> str:
        """A file's text."""
        return self.path(name).read_text()

    def write(self, name: str, text: str) -> None:
        """Write a file of the workspace."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a text that stands in a file."""
        text = self.read(name)
        assert old in text
        self.path(name).write_text(text.replace(old, new))

    # -- commands

    def run(self, *words: str, folder: str = "", prefix: Sequence[str] = (), **env: str) -> Done:
        """`./doitw WORDS`, as the wrapper runs it."""
        return self._run([*prefix, *BUILDLIB, *words], folder, env)

    def doit(self, *words: str, folder: str = "", **env: str) -> Done:
        """Plain `doit WORDS`."""
        return self._run([*DOIT, *words], folder, env)

    def start(self, *words: str, **env: str) -> Running:
        """`./doitw WORDS`, not waited for; ended when the test ends."""
        running = Running([*BUILDLIB, *words], self.root, {**self.env, **env})
        self._running.append(running)
        return running

    def close(self) -> None:
        """End what still runs."""
        for running in self._running:
            running.close()

    def _run(self, argv: Sequence[str], folder: str, env: Mapping[str, str]) -> Done:
        done = subprocess.run(
            argv,
            cwd=self.root / folder,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def build(self, *words: str, **env: str) -> Done:
        """`./doitw build WORDS`, which must end well."""
        done = self.run("build", *words, **env)
        assert done.code == 0, done.text
        return done

    def plan(self, *words: str, **env: str) -> dict[str, str]:
        """The stale targets, by label: what would be done to each.

        It is asked for people first: where nothing is to be done, that is cached, and said again
        by the next one, which must not say it where JSON, which is never cached, says otherwise.
        """
        told = self.run("plan", *words, **env).out
        done = self.run("plan", "--json", *words, **env)
        assert done.code == 0, done.text
        assert ("nothing to build" in told) == (not done.json["steps"]), told
        return {step["label"]: step["action"] for step in done.json["steps"]}

    def keys(self, prefix: Sequence[str] = (), **env: str) -> dict[str, str]:
        """The key of each target that can be built."""
        done = self.run("plan", "--json", prefix=prefix, **env)
        assert done.code == 0, done.text
        return {step["label"]: step["key"] for step in done.json["steps"] + done.json["fresh"]}

    def why(self, target: str) -> list[tuple[str, str]]:
        """What changed for a target: the part, and the label it is a part of."""
        done = self.run("why", target, "--json")
        assert done.code == 0, done.text
        (answer,) = done.json
        return [(leaf["part"], leaf["path"][-1]) for leaf in answer["changes"] or ()]


BUILDLIB = (sys.executable, "-m", "buildlib")
DOIT = (str(Path(sys.executable).with_name("doit")),)
"""doit's own script, as the environment has it."""


def environment(folder: Path, engine: str) -> dict[str, str]:
    """The environment of a process: that of a user with an empty home and a store of its own."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    given = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    docker = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    env = {
        **given,
        "HOME": str(home),
        "BUILDLIB_STORE": str(folder / "store"),
        "BUILDLIB_NO_INSTALL": "1",
        "DOCKER_CONFIG": docker,
        "PYTHONPATH": str(ROOT),
    }
    chosen = engine or os.environ.get("DOCKER_HOST", "")
    return {**env, "DOCKER_HOST": chosen} if chosen else env


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds that nobody announces."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
