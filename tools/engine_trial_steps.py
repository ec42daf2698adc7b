"""The steps of `tools.engine_trial`: each does one thing as a user would, and checks the result.

The caller decides what follows a failure.
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
    """Why a step failed, if the log does not say it."""


class Trial(NamedTuple):
    """Where the steps of one trial happen.

    Attributes:
        folder: For the clone, its store and the logs.
        organization: First part of image names, used by nobody else.
        targets: To build; empty for the whole family.
        registry: `host:port`, as the engine reaches it.
        second_engine: DOCKER_HOST of an engine to pull on; empty for the one that is tried.
    """

    folder: Path
    organization: str
    targets: Sequence[str] = ()
    registry: str = ""
    second_engine: str = ""

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def doitw(self, *words: str, environ: Mapping[str, str] | None = None) -> str:
        """Run a command of the build system; returns standard output."""
        return self.run("./doitw", *words, f"ORGANIZATION={self.organization}", environ=environ)

    def run(self, *argv: str, environ: Mapping[str, str] | None = None) -> str:
        """Run a command in the clone.

        Raises:
            Failed: Its exit code is not 0.
        """
        own = {**os.environ, "BUILDLIB_STORE": str(self.store), **(environ or {})}
        own.pop("CI", None)  # set, it would make a build publish
        with self.log.open("a+b") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            log.flush()
            done = subprocess.run(
                argv, cwd=self.clone, env=own, stdout=subprocess.PIPE, stderr=log, check=False
            )
            if done.returncode or "--json" not in argv:  # not JSON, which is long and for us
                log.write(done.stdout)
        if done.returncode:
            raise Failed(f"{' '.join(argv)}: exit code {done.returncode}")
        return done.stdout.decode()

    def plan(self, *words: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Targets that are not up to date, each with its reason."""
        answer = self.doitw("plan", *self.targets, "--json", *words, environ=environ)
        steps = json.loads(answer)["steps"]
        return {step["label"]: step["reason"] for step in steps if step["action"] != "fresh"}

    def build(self, *words: str, environ: Mapping[str, str] | None = None) -> None:
        """Build, and check that nothing is stale afterwards."""
        self.doitw("build", *self.targets, *words, environ=environ)
        stale = self.plan(*words, environ=environ)
        expect(not stale, f"after the build there is still to do: {stale}")


def expect(right: bool, otherwise: str) -> None:
    """Fail the step unless a condition holds."""
    if not right:
        raise Failed(otherwise)


# the steps


def contract(trial: Trial) -> None:
    """The contract tests of the engine pass."""
    trial.run("./doitw", "test", "tests/contract/test_engine_contract.py", "-q")


def build(trial: Trial) -> None:
    """The targets are built without any record."""
    trial.build()


def edit(trial: Trial) -> None:
    """After an edit of a launcher, only targets that contain the file are built."""
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
    """An image is removed behind our back: a build restores it, and nothing else."""
    remove(trial, only=f"{trial.organization}/kernel-py:")
    stale = list(trial.plan())
    expect(stale == ["//images/kernel-py"], f"stale without the image of kernel-py: {stale}")
    trial.build()


def prune(trial: Trial) -> None:
    """Prune removes the image of the edit, and none that is needed."""
    report = json.loads(trial.doitw("prune", "--yes", "--younger-than", "0", "--json"))
    expect(not report["failed"], f"not removed: {report['failed']}")
    removed = [each["name"] for each in report["deleted"]]
    expect(any("/kernel-py:key-" in name for name in removed), f"the edited image stays: {removed}")
    stale = trial.plan()
    expect(not stale, f"after prune there is to do: {stale}")


def verify(trial: Trial) -> None:
    """The proofs of kernel-py pass, by itself and under the real gateway."""
    trial.doitw("verify", "kernel-py")


def push(trial: Trial) -> None:
    """All is pushed into the registry, only once."""
    registry = f"REGISTRY={trial.registry}"
    trial.build(registry)
    for first in (True, False):
        answer = json.loads(trial.doitw("push", *trial.targets, "--json", registry))
        wrong = [each["label"] for each in answer["targets"] if each["pushed"] is not first]
        expect(bool(answer["targets"]), "nothing was pushed")
        # A first push may find images: the registry may have been used before.
        expect(first or not wrong, f"pushed a second time: {wrong}")


def pull(trial: Trial) -> None:
    """An engine without the images pulls them from the registry, and builds nothing."""
    registry = f"REGISTRY={trial.registry}"
    environ = {"BUILDLIB_STORE": f"{trial.store}-without-records"}
    if trial.second_engine:
        environ["DOCKER_HOST"] = trial.second_engine
    else:
        remove(trial)
    trial.doitw("pull", *trial.targets, registry, environ=environ)
    reasons = trial.plan(registry, environ=environ)
    listed = json.loads(trial.doitw("list", "--json"))
    images = [row["label"] for row in listed if row["rule"] in IMAGES and row["label"] in reasons]
    expect(not images, f"images to build after the pull: {images}")


def deploy(trial: Trial) -> None:
    """A gateway starts, starts again unchanged, answers, and is removed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # Again: the pull may have left them under the registry's names only.
    trial.doitw("build", *trial.targets, *(("enterprise-gateway",) if trial.targets else ()))
    _tag_missing_kernels(trial)
    words = ("compose", "--no-build", "--name", trial.organization, "--port", port)
    try:
        for _ in range(2):
            answer = json.loads(trial.doitw("deploy", *words, "--json"))
            token = (trial.clone / answer["token_file"]).read_text().strip()
            request = urllib.request.Request(  # noqa: S310 - it is http, and ours
                f"{answer['url']}/api/kernelspecs", headers={"Authorization": f"token {token}"}
            )
            with urllib.request.urlopen(request, timeout=60) as specs:  # noqa: S310
                expect("python_docker" in json.load(specs)["kernelspecs"], "no kernelspec is there")
    finally:
        trial.doitw("undeploy", "--name", trial.organization)


def _tag_missing_kernels(trial: Trial) -> None:
    """Tag kernel-py as the kernels that were not built, since deploy needs all of them."""
    labels = [each["label"] for each in json.loads(trial.doitw("list", "--json"))]
    kernels = [label for label in labels if re.fullmatch(r"//images/kernel-[\w-]+", label)]
    with contextlib.closing(client_of(find_engine(), timeout=60)) as client:
        present = {name for image in client.images() for name in image["RepoTags"] or ()}
        for label in kernels:
            repository = f"{trial.organization}/{os.path.basename(label)}"
            if f"{repository}:dev" not in present:
                client.tag(f"{trial.organization}/kernel-py:dev", repository, "dev")


def release(trial: Trial) -> str:
    """The family is proved and released, with local tags and files, since no registry is set.

    Returns:
        What each step of the release did, and its time: `artifacts` reads the images for SBOMs.
    """
    version = (trial.clone / "VERSION").read_text().strip().partition(".dev")[0]
    trial.run("git", "config", "user.name", "Engine trial")
    trial.run("git", "config", "user.email", "engine-trial@example.com")
    trial.doitw("build")
    trial.doitw("verify")
    messages = trial.doitw("release", f"VERSION={version}")
    expect((trial.clone / "dist" / version / "images.json").is_file(), "it has no images.json")
    return messages


# what of the engine is ours


def is_of_organization(name: str, organization: str) -> bool:
    """Whether a reference is of an organisation, with or without a registry.

    Args:
        name: Such as `acme/kernel-py:dev` or `host:5000/acme/kernel-py@sha256:…`.
    """
    parts = name.split("/")
    return organization in (parts[0], parts[1] if len(parts) > 2 else "")  # noqa: PLR2004


def remove(trial: Trial, *, only: str = "", host: str = "") -> None:
    """Untag the images of the organisation; the engine removes those without other tags.

    Args:
        only: Prefix of the references of one image, such as `acme/kernel-py:`.
        host: DOCKER_HOST of another engine.
    """
    endpoint = find_engine({**os.environ, "DOCKER_HOST": host}) if host else find_engine()
    with contextlib.closing(client_of(endpoint, timeout=600)) as client:
        for image in client.images():
            names = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            if only and f"{only}dev" not in names:
                continue
            for name in dict.fromkeys(names):
                if is_of_organization(name, trial.organization):
                    _remove(client, name)


def _remove(client: Any, name: str) -> None:
    from docker.errors import APIError, NotFound

    try:
        client.remove_image(name)
    except NotFound:  # a digest goes with its last tag
        pass
    except APIError as error:  # a container uses it; go on with the others
        print(f"warning: {name} stays: {error.explanation}", file=sys.stderr)


class Step(NamedTuple):
    """One thing that is tried.

    Attributes:
        run: Returns a message, if there is one; raises if something is wrong.
        needs: Names of steps that must have succeeded.
    """

    run: Callable[[Trial], str | None]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
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
