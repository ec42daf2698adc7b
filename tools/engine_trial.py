"""Tries all that the build system does with an engine, on one engine; see docs/engines.md.

    DOCKER_HOST=unix:///run/docker.sock .venv/bin/python -m tools.engine_trial

It works in a fresh clone of HEAD, with an organisation and records of its own, and runs ./doitw as
a user would. If a step fails, that is reported, and steps that do not need it go on.
"""

# ruff: noqa: INP001 - a folder of scripts, not a package

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from buildlib.core.store.content import default_root
from buildlib.engine.client import client_environ, client_for
from buildlib.engine.find import find_engine
from buildlib.engine.sdk import client_of
from tools.engine_trial_steps import STEPS, Failed, Step, Trial, remove

ROOT = Path(__file__).resolve().parents[1]
SMALL = ("kernel-py",)
_LAST_LINES = 20


class Result(NamedTuple):
    """How a step went.

    Attributes:
        state: `ok`, `failed` or `not run`.
        log: Why it failed, and the last lines of output; of a step that succeeded, its message.
    """

    name: str
    state: str
    seconds: float
    log: list[str]


def run_steps(trial: Trial, steps: Sequence[Step]) -> Iterator[Result]:
    """Run steps one after the other; yields each result when it is known."""
    failed: set[str] = set()
    for step in steps:
        missing = sorted(failed.intersection(step.needs))
        if missing:
            failed.add(step.name)
            yield Result(step.name, "not run", 0.0, [f"{', '.join(missing)} failed"])
            continue
        trial.log.write_bytes(b"")
        start = time.monotonic()
        try:
            message = step.run(trial)
        except Exception as error:  # noqa: BLE001 - the next step is tried in any case
            failed.add(step.name)
            last_lines = trial.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            why = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            yield Result(step.name, "failed", time.monotonic() - start, [*last_lines, why])
        else:
            yield Result(step.name, "ok", time.monotonic() - start, (message or "").splitlines())


def describe() -> dict[str, str]:
    """Versions of engine, client and buildx, and the image store of the engine."""
    endpoint = find_engine()
    with contextlib.closing(client_of(endpoint, timeout=60)) as client:
        version, info = client.version(), client.info()
    environ = endpoint.client_environ(client_environ(os.environ))
    program = client_for(endpoint, environ)
    shown = _output(program.path, "--version")
    number = re.search(r"\d[\w.+~-]*", shown)
    buildx = ""
    if program.buildx:
        buildx = _output(program.path, "buildx", "version", environ=environ).split()[1]
    in_containerd = any("io.containerd" in str(value) for _, value in info["DriverStatus"])
    return {
        "engine": version["Version"].lstrip("v"),
        "api": version["ApiVersion"],
        "store": f"containerd ({info['Driver']})" if in_containerd else f"graph ({info['Driver']})",
        "client": number[0] if number else shown.strip(),
        "buildx": buildx.lstrip("v"),
    }


def _output(*argv: str, environ: Mapping[str, str] | None = None) -> str:
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout


def row(about: Mapping[str, str], results: Sequence[Result], *, small: bool) -> str:
    """The row for the table in docs/engines.md."""
    wrong = [result.name for result in results if result.state != "ok"]
    works = "all" if not wrong else f"all but {', '.join(wrong)}"
    tried = f"{works} of {', '.join(result.name for result in results)}" if small else works
    cells = (about["engine"], about["store"], about["client"], about["buildx"] or "none", tried)
    return f"| {' | '.join(cells)} | {time.strftime('%Y-%m-%d', time.gmtime())} |"


def main(argv: Sequence[str]) -> int:
    """Try the engine that `DOCKER_HOST` names; returns the exit code."""
    options = _options(argv)
    left_out = {*options.without, *(["release"] if options.targets else [])}
    steps = [step for step in STEPS if step.name not in left_out]
    about = describe()
    print(json.dumps(about), flush=True)
    results = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="engine-trial-")))
        trial = Trial(
            folder,
            f"trial-{os.getpid()}",
            targets=options.targets,
            registry=options.registry or stack.enter_context(_registry()),
            second_engine=options.second_engine,
        )
        stack.callback(_clean_up, trial)
        _prepare(trial)
        for result in run_steps(trial, steps):
            print(f"{result.name:<10}{result.state:<10}{result.seconds:6.0f} s", flush=True)
            print(*(f"    {line}" for line in result.log), sep="\n", end="\n" * bool(result.log))
            results.append(result)
    print(row(about, results, small=bool(options.targets)))
    if options.json:
        answer = {
            **about,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "targets": list(options.targets),
            "steps": [result._asdict() for result in results],
        }
        Path(options.json).write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    return int(any(result.state != "ok" for result in results))


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.engine_trial")
    parser.add_argument("--targets", nargs="+", default=[], help="what is built, not the family")
    parser.add_argument("--small", action="store_true", help=f"--targets {' '.join(SMALL)}")
    names = [step.name for step in STEPS]
    parser.add_argument("--without", nargs="+", choices=names, default=[], help="left out")
    parser.add_argument("--registry", help="host:port; without it one is started for the trial")
    parser.add_argument("--second-engine", default="", help="DOCKER_HOST of an engine to pull on")
    parser.add_argument("--json", help="file for all that is known at the end")
    options = parser.parse_args(argv)
    if options.small:
        options.targets = [*SMALL, *options.targets]
    return options


@contextlib.contextmanager
def _registry() -> Iterator[str]:
    from tests.support.registry import registry

    with registry() as server:
        yield server.host


def _prepare(trial: Trial) -> None:
    """Make the clone, and stores with the downloads of this machine, without records."""
    subprocess.run(["git", "clone", "--quiet", ROOT, trial.clone], check=True)
    downloads = Path(default_root(), "sha256")
    for store in (trial.store, f"{trial.store}-without-records"):
        if downloads.is_dir():
            shutil.copytree(downloads, Path(store, "sha256"), copy_function=_link)


def _link(source: str, dest: str) -> None:
    try:
        os.link(source, dest)
    except OSError:  # on another disk
        shutil.copy2(source, dest)


def _clean_up(trial: Trial) -> None:
    for host in {"", trial.second_engine}:
        remove(trial, host=host)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the clean-up runs
    sys.exit(main(sys.argv[1:]))
