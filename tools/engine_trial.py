"""Tries on one engine all that the build system does with it; docs/engines.md says how it is used.

    DOCKER_HOST=unix:///run/docker.sock .venv/bin/python -m tools.engine_trial

Everything happens in a fresh clone of HEAD, with an organisation and records of its own, through
./doitw as a user types it. A step that fails is told, and those that can do without it go on.
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
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from buildlib.engine.client import client_environ, find_client
from buildlib.engine.find import find_engine
from buildlib.engine.sdk import client_of
from buildlib.store.content import default_root

ROOT = Path(__file__).resolve().parents[1]
SMALL = ("kernel-py",)
EDITED = "launchers/python/kernel_launcher/report.py"
_LAST_LINES = 20


class Failed(Exception):
    """Why a step failed, where the log does not end with it."""


class Trial:
    """Where the steps of one trial happen.

    Args:
        folder: A folder of the trial's own: the clone, its store and the logs are there.
        organization: First part of the names of the images; nobody else has it.
        targets: What is built; the family where empty.
        registry: `host:port` of a registry, which the engine reaches under that name.
        second_engine: DOCKER_HOST of an engine to pull on; empty for the one that is tried.
    """

    def __init__(
        self,
        folder: Path,
        organization: str,
        *,
        targets: Sequence[str] = (),
        registry: str = "",
        second_engine: str = "",
    ) -> None:
        self.clone = folder / "clone"
        self.store = folder / "store"
        self.log = folder / "log"
        self.organization = organization
        self.targets = targets
        self.registry = registry
        self.second_engine = second_engine

    def doitw(self, *words: str, environ: Mapping[str, str] | None = None) -> str:
        """Run a command of the build system; its standard output, which the log has, too."""
        return self.run("./doitw", *words, f"ORGANIZATION={self.organization}", environ=environ)

    def run(self, *argv: str, environ: Mapping[str, str] | None = None) -> str:
        """Run a command in the clone.

        Raises:
            Failed: Its exit code is not 0.
        """
        own = {**os.environ, "BUILDLIB_STORE": str(self.store), **(environ or {})}
        own.pop("CI", None)  # as a user: it makes a build publish
        with self.log.open("a+b") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            log.flush()
            done = subprocess.run(
                argv, cwd=self.clone, env=own, stdout=subprocess.PIPE, stderr=log, check=False
            )
            log.write(done.stdout)
        if done.returncode:
            raise Failed(f"{' '.join(argv)}: exit code {done.returncode}")
        return done.stdout.decode()

    def plan(self, *words: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a build would do now: the reason of each target that is not up to date."""
        answer = self.doitw("plan", *self.targets, "--json", *words, environ=environ)
        steps = json.loads(answer)["steps"]
        return {step["label"]: step["reason"] for step in steps if step["action"] != "fresh"}

    def build(self, *words: str, environ: Mapping[str, str] | None = None) -> None:
        """Build, and see that nothing is stale then."""
        self.doitw("build", *self.targets, *words, environ=environ)
        stale = self.plan(*words, environ=environ)
        expect(not stale, f"after the build there is still to do: {stale}")


def expect(right: bool, otherwise: str) -> None:
    """Fail the step unless something is right."""
    if not right:
        raise Failed(otherwise)


# the steps


def contract(trial: Trial) -> None:
    """The contract tests of the engine."""
    trial.run("./doitw", "test", "tests/contract/test_engine_contract.py", "-q")


def build(trial: Trial) -> None:
    """The family, or what was asked for, from nothing known."""
    trial.build()


def edit(trial: Trial) -> None:
    """A file of a launcher is edited: that is built which has it, and nothing else."""
    file = trial.clone / EDITED
    before = file.read_text()
    file.write_text(f"{before}# edited\n")
    try:
        stale = trial.plan()
        expect("//images/kernel-py" in stale, f"the edit makes nothing of kernel-py stale: {stale}")
        others = {label: why for label, why in stale.items() if os.path.basename(EDITED) not in why}
        expect(not others, f"stale for another reason: {others}")
        trial.build()
    finally:
        file.write_text(before)
    trial.build()


def rmi(trial: Trial) -> None:
    """An image is removed behind our back: it is there again after a build, and no other moved."""
    remove(trial, only=f"{trial.organization}/kernel-py:")
    stale = list(trial.plan())
    expect(stale == ["//images/kernel-py"], f"stale without the image of kernel-py: {stale}")
    trial.build()


def prune(trial: Trial) -> None:
    """What the edit left goes, and nothing that is needed."""
    report = json.loads(trial.doitw("prune", "--yes", "--younger-than", "0", "--json"))
    expect(not report["failed"], f"not removed: {report['failed']}")
    gone = [each["name"] for each in report["deleted"]]
    expect(any("/kernel-py:key-" in name for name in gone), f"the edited image stays: {gone}")
    stale = trial.plan()
    expect(not stale, f"after prune there is to do: {stale}")


def verify(trial: Trial) -> None:
    """kernel-py by itself, and under the real gateway."""
    trial.doitw("verify", "kernel-py")


def push(trial: Trial) -> None:
    """All goes into the registry, once."""
    registry = f"REGISTRY={trial.registry}"
    trial.build(registry)
    for first in (True, False):
        answer = json.loads(trial.doitw("push", *trial.targets, "--json", registry))
        wrong = [each["label"] for each in answer["targets"] if each["pushed"] is not first]
        expect(bool(answer["targets"]), "nothing was pushed")
        # The other images of the registry are nobody's fault: it may have been used before.
        expect(first or not wrong, f"pushed a second time: {wrong}")


def pull(trial: Trial) -> None:
    """An engine without the images gets them from the registry, and builds nothing."""
    registry = f"REGISTRY={trial.registry}"
    environ = {"BUILDLIB_STORE": f"{trial.store}-without-records"}
    if trial.second_engine:
        environ["DOCKER_HOST"] = trial.second_engine
    else:
        remove(trial)
    trial.doitw("pull", *trial.targets, registry, environ=environ)
    reasons = trial.plan(registry, environ=environ)
    images = [label for label in reasons if label.startswith("//images/")]
    expect(not images, f"images to build after the pull: {images}")


def deploy(trial: Trial) -> None:
    """A gateway is started, started again as it is, answers, and is removed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # Again: the pull may have left them under the registry's names only.
    trial.doitw("build", *trial.targets, *(("enterprise-gateway",) if trial.targets else ()))
    _name_the_rest(trial)
    words = ("compose", "--no-build", "--name", trial.organization, "--port", port)
    try:
        for _ in range(2):
            answer = json.loads(trial.doitw("deploy", *words, "--json"))
            token = (trial.clone / answer["token_file"]).read_text().strip()
            asked = urllib.request.Request(  # noqa: S310 - it is http, and ours
                f"{answer['url']}/api/kernelspecs", headers={"Authorization": f"token {token}"}
            )
            with urllib.request.urlopen(asked, timeout=60) as specs:  # noqa: S310
                expect("python_docker" in json.load(specs)["kernelspecs"], "no kernelspec is there")
    finally:
        trial.doitw("undeploy", "--name", trial.organization)


def _name_the_rest(trial: Trial) -> None:
    """Give kernel-py the names of kernels that were not built, which deploy looks for as well."""
    labels = [each["label"] for each in json.loads(trial.doitw("list", "--json"))]
    kernels = [label for label in labels if re.fullmatch(r"//images/kernel-[\w-]+", label)]
    with contextlib.closing(client_of(find_engine(), timeout=60)) as client:
        there = {name for image in client.images() for name in image["RepoTags"] or ()}
        for label in kernels:
            repository = f"{trial.organization}/{os.path.basename(label)}"
            if f"{repository}:dev" not in there:
                client.tag(f"{trial.organization}/kernel-py:dev", repository, "dev")


def release(trial: Trial) -> None:
    """The family is proved, and gets a version: tags here and files, since no registry is set."""
    version = (trial.clone / "VERSION").read_text().strip().partition(".dev")[0]
    trial.run("git", "config", "user.name", "Engine trial")
    trial.run("git", "config", "user.email", "engine-trial@example.com")
    trial.doitw("build")
    trial.doitw("verify")
    trial.doitw("release", f"VERSION={version}")
    expect((trial.clone / "dist" / version / "images.json").is_file(), "it has no images.json")


class Step(NamedTuple):
    """One thing that is tried.

    Attributes:
        run: Does it; raises what is wrong.
        needs: Names of steps without which it makes no sense.
    """

    run: Callable[[Trial], None]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the function that does it."""
        return self.run.__name__


STEPS = (
    Step(contract),
    Step(build),
    Step(edit, ("build",)),
    Step(rmi, ("build",)),
    Step(prune, ("edit",)),
    Step(verify, ("build",)),
    Step(push, ("build",)),
    Step(pull, ("push",)),
    Step(deploy, ("build",)),
    Step(release, ("build",)),
)


class Result(NamedTuple):
    """How a step went.

    Attributes:
        state: `ok`, `failed` or `not run`.
        log: Why it failed, and the last lines of what its commands said.
    """

    name: str
    state: str
    seconds: float
    log: list[str]


def run_steps(trial: Trial, steps: Sequence[Step]) -> Iterator[Result]:
    """Run steps one after the other; each is told when it has ended."""
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
            step.run(trial)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next step is tried, too
            failed.add(step.name)
            said = trial.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            why = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            yield Result(step.name, "failed", time.monotonic() - start, [*said, why])
        else:
            yield Result(step.name, "ok", time.monotonic() - start, [])


# the engine, and what of it is ours


def describe() -> dict[str, str]:
    """Versions of the engine and of the client that builds, and the store of images."""
    with contextlib.closing(client_of(find_engine(), timeout=60)) as client:
        version, info = client.version(), client.info()
    environ = client_environ(os.environ)
    found = find_client(environ)
    asked = subprocess.run([found.path, "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"\d[\w.+~-]*", asked.stdout)
    buildx = ""
    if found.buildx:
        argv = [found.path, "buildx", "version"]
        buildx = subprocess.run(
            argv, env=environ, capture_output=True, text=True, check=True
        ).stdout.split()[1]
    in_containerd = any("io.containerd" in str(value) for _, value in info["DriverStatus"])
    return {
        "engine": version["Version"].lstrip("v"),
        "api": version["ApiVersion"],
        "store": f"containerd ({info['Driver']})" if in_containerd else f"graph ({info['Driver']})",
        "client": number[0] if number else asked.stdout.strip(),
        "buildx": buildx.lstrip("v"),
    }


def is_of(name: str, organization: str) -> bool:
    """Whether a reference is one of an organisation, in the engine alone or of any registry.

    Args:
        name: Such as `acme/kernel-py:dev` or `host:5000/acme/kernel-py@sha256:…`.
        organization: Such as `acme`.
    """
    parts = name.split("/")
    return organization in (parts[0], parts[1] if len(parts) > 2 else "")  # noqa: PLR2004


def remove(trial: Trial, *, only: str = "", host: str = "") -> None:
    """Take the organisation's names off images; the engine removes those that have no other.

    Args:
        trial: Whose organisation.
        only: How the names of one of them begin: all that are on that image now go.
        host: DOCKER_HOST of another engine.
    """
    endpoint = find_engine({**os.environ, "DOCKER_HOST": host}) if host else find_engine()
    with contextlib.closing(client_of(endpoint, timeout=600)) as client:
        for image in client.images():
            names = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            if only and f"{only}dev" not in names:
                continue
            for name in dict.fromkeys(names):
                if is_of(name, trial.organization):
                    _remove(client, name)


def _remove(client: Any, name: str) -> None:
    from docker.errors import APIError, NotFound

    try:
        client.remove_image(name)
    except NotFound:  # a digest goes with its last tag
        pass
    except APIError as error:  # a container stands on it; the others can go
        print(f"warning: {name} stays: {error.explanation}", file=sys.stderr)


# the command


def row(about: Mapping[str, str], results: Sequence[Result], *, small: bool) -> str:
    """The row for the table in docs/engines.md."""
    wrong = [result.name for result in results if result.state != "ok"]
    works = "all" if not wrong else f"all but {', '.join(wrong)}"
    tried = f"{works} of {', '.join(result.name for result in results)}" if small else works
    cells = (about["engine"], about["store"], about["client"], about["buildx"] or "none", tried)
    return f"| {' | '.join(cells)} | {time.strftime('%Y-%m-%d', time.gmtime())} |"


def main(argv: Sequence[str]) -> int:
    """Try the engine that `DOCKER_HOST` names; the exit code."""
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

    with registry() as there:
        yield there.host


def _prepare(trial: Trial) -> None:
    """Make the clone, and stores that have this machine's downloads and no records."""
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is removed then, too
    sys.exit(main(sys.argv[1:]))
