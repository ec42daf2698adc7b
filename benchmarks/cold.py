"""The family from nothing: an empty engine, no record, no built file; the downloads are there.

    .venv/bin/python benchmarks/cold.py [TARGET…] [--at CHECKOUT] [--chart FILE] [--json]

A second engine runs beside the machine's own, in a network namespace of its own: without a bridge,
since no step of the family has a network. It needs root, and takes the whole machine for minutes.
The workspace is a copy of a checkout's files, so that two commits can be measured in one session.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
GOAL = 90.0
"""Seconds, on two cores."""
_PATIENCE = 60.0
"""Seconds within which an engine has to answer, and to end."""


def measure_cold(
    root: Path, targets: Sequence[str] = (), *, at: Path = CHECKOUT, chart: Path | None = None
) -> dict[str, Any]:
    """Build the family, or some targets of it, once from nothing.

    Args:
        root: An empty folder on a disk with 25 GB of space; its owner removes it.
        targets: What is built; the family if there are none.
        at: The checkout whose family it is.
        chart: Where to keep the picture of the build.

    Returns:
        Seconds, CPU seconds of build and engine, and what the build says of its time.
    """
    workspace = _workspace(at, root / "workspace")
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("BUILDLIB_", "DOCKER_"))},
        "BUILDLIB_STORE": str(root / "store"),
    }
    _fetch(workspace, environ, root / "store", targets)
    with _group() as group, _engine(root, group) as host:
        environ["DOCKER_HOST"] = host
        # Whatever is still to be written belongs to the copies above.
        os.sync()
        busy, started = group.seconds(), time.monotonic()
        said = _run(["./doitw", "build", *targets], workspace, environ, group)
        seconds, busy = time.monotonic() - started, group.seconds() - busy
    if chart is not None:
        shutil.copyfile(workspace / ".buildlib/last-build.svg", chart)
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(busy, 1),
        "cores": len(os.sched_getaffinity(0)),
        "goal": GOAL,
        "said": [line for line in said.splitlines() if line.startswith(("time went", "critical"))],
    }


def _workspace(checkout: Path, folder: Path) -> Path:
    """Copy the files that git knows or would take, and use the checkout's environment."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=checkout, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (checkout / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(checkout / ".venv")
    return folder


def _fetch(workspace: Path, environ: dict[str, str], store: Path, targets: Sequence[str]) -> None:
    """Bring the downloads into a new store: from the user's own store where they are there.

    `fetch --to` copies; the second `fetch` notes in the new store which files are whole, as a store
    that is in use has it noted.
    """
    own = {name: value for name, value in environ.items() if name != "BUILDLIB_STORE"}
    if "BUILDLIB_STORE" in os.environ:
        own["BUILDLIB_STORE"] = os.environ["BUILDLIB_STORE"]
    _run(["./doitw", "fetch", "--to", str(store), *targets], workspace, own)
    shutil.rmtree(workspace / ".buildlib", ignore_errors=True)
    _run(["./doitw", "fetch", *targets], workspace, environ)


class Group:
    """A control group, which counts the CPU seconds of all that was started in it.

    What else the machine does is not in them, so they compare where seconds do not. Without
    control groups of version 1, the whole machine is counted.
    """

    def __init__(self) -> None:
        self.name = f"cold-{os.getpid()}"
        self._folder = Path("/sys/fs/cgroup/cpuacct") / self.name
        self._counts = self._folder.parent.is_dir()
        if self._counts:
            self._folder.mkdir()

    def enter(self) -> None:
        """Put this process into it; for a child, before it becomes another program."""
        if self._counts:
            (self._folder / "cgroup.procs").write_text("0")

    def seconds(self) -> float:
        """CPU seconds so far; of steps too, whose containers are groups below."""
        if self._counts:
            return int((self._folder / "cpuacct.usage").read_text()) / 1e9
        with open("/proc/stat", encoding="utf-8") as file:
            user, nice, system, _idle, _wait, irq, softirq = map(int, file.readline().split()[1:8])
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Remove it, and those below."""
        for folder, _, _ in os.walk(self._folder, topdown=False):
            with suppress(OSError):  # a process of it has not ended yet
                os.rmdir(folder)


@contextmanager
def _group() -> Iterator[Group]:
    group = Group()
    try:
        yield group
    finally:
        group.close()


@contextmanager
def _engine(root: Path, group: Group) -> Iterator[str]:
    """Run an engine with nothing in it; yield its address."""
    # The path of a socket has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="cold-") as run:
        host = f"unix://{run}/docker.sock"
        argv = ["unshare", "--net", "dockerd", "--host", host, "--bridge=none", "--iptables=false"]
        argv += ["--data-root", f"{root}/engine", "--exec-root", f"{run}/exec"]
        argv += ["--pidfile", f"{run}/pid", "--cgroup-parent", f"/{group.name}"]
        with open(root / "engine.log", "w", encoding="utf-8") as log:
            engine = subprocess.Popen(
                argv,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=group.enter,  # noqa: PLW1509  there are no threads
            )
        try:
            _wait(engine, host, root / "engine.log")
            yield host
        finally:
            engine.terminate()
            try:
                engine.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(engine.pid, signal.SIGKILL)
                engine.wait()
            # What it left mounted would keep the folder from being removed.
            with open("/proc/self/mounts", encoding="utf-8") as mounts:
                left = [place for place in (line.split()[1] for line in mounts) if run in place]
            for place in sorted(left, reverse=True):
                subprocess.run(["umount", "--lazy", place], check=False)


def _wait(engine: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while engine.poll() is None and time.monotonic() < deadline:
        asked = subprocess.run(["docker", "-H", host, "info"], check=False, capture_output=True)
        if asked.returncode == 0:
            return
        time.sleep(0.2)
    sys.exit(f"error: no second engine: {log.read_text(encoding='utf-8')[-1000:]}")


def _run(argv: list[str], folder: Path, environ: dict[str, str], group: Group | None = None) -> str:
    done = subprocess.run(
        argv,
        cwd=folder,
        env=environ,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=group.enter if group else None,
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(argv)} failed\n{done.stdout}")
    return done.stdout


def main() -> int:
    """Measure once and print it; a goal that is missed is a result, not a failure."""
    parser = argparse.ArgumentParser(description="Build the family from nothing, once.")
    parser.add_argument("targets", nargs="*", help="what to build, if not all", metavar="TARGET")
    parser.add_argument("--at", type=Path, default=CHECKOUT, help="the checkout to measure")
    parser.add_argument("--chart", type=Path, help="keep the picture of the build here")
    parser.add_argument("--keep", type=Path, help="use this folder, and leave it")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args()
    root = options.keep or Path(tempfile.mkdtemp(prefix="buildlib-cold-"))
    try:
        found = measure_cold(root, options.targets, at=options.at.resolve(), chart=options.chart)
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    verdict = "met" if found["seconds"] <= GOAL else "missed"
    cores = found["cores"]
    print(f"cold: {found['seconds']} s on {cores} cores, goal {GOAL:.0f} s: {verdict}")
    print(f"  {found['cpu_seconds']} CPU seconds of {cores * found['seconds']:.0f}")
    print("\n".join(f"  {line}" for line in found["said"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
