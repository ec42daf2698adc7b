"""The steps of `tools.engine_trial`: each does one thing as a user would, and says what is wrong.

Knows neither in which order they are told nor what becomes of a failure.
"""

# ruff: noqa: INP001 - a folder of scripts, not a package

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from buildlib.engine.find import find_engine
from buildlib.engine.sdk import client_of

EDITED = "launchers/python/kernel_launcher/report.py"
IMAGES = ("docker_image", "rootfs", "external_image")
"""Rules whose targets are images."""


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
        """Run a command of the build system; its standard output."""
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
            if done.returncode or "--json" not in argv:  # long, and for us
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
    listed = json.loads(trial.doitw("list", "--json"))
    images = [it["label"] for it in listed if it["rule"] in IMAGES and it["label"] in reasons]
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


def release(trial: Trial) -> str:
    """The family is proved, and gets a version: tags here and files, since no registry is set.

    Returns:
        What each step of the release did, and its time: `artifacts` reads the images for SBOMs.
    """
    version = (trial.clone / "VERSION").read_text().strip().partition(".dev")[0]
    trial.run("git", "config", "user.name", "Engine trial")
    trial.run("git", "config", "user.email", "engine-trial@example.com")
    trial.doitw("build")
    trial.doitw("verify")
    told = trial.doitw("release", f"VERSION={version}")
    expect((trial.clone / "dist" / version / "images.json").is_file(), "it has no images.json")
    return told


# what of the engine is ours


def is_of(name: str, organization: str) -> bool:
    """Whether a reference is one of an organisation, in the engine alone or of any registry.

    Args:
        name: Such as `acme/kernel-py:dev` or `host:5000/acme/kernel-py@sha256:…`.
    """
    parts = name.split("/")
    return organization in (parts[0], parts[1] if len(parts) > 2 else "")  # noqa: PLR2004


def remove(trial: Trial, *, only: str = "", host: str = "") -> None:
    """Take the organisation's names off images; the engine removes those that have no other.

    Args:
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


class Step(NamedTuple):
    """One thing that is tried.

    Attributes:
        run: Does it; returns what is worth telling, if anything; raises what is wrong.
        needs: Names of steps without which it makes no sense.
    """

    run: Callable[[Trial], str | None]
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
