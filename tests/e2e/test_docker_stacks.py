"""The flavour docker-stacks from lock to running kernel, on stand-ins for the images of others.

The originals are several GB and on the internet. What stands in for them keeps their contract as
far as our images rely on it: our own minimal-notebook (jovyan 1000:100, Python and pip on PATH,
tini), and for TensorFlow's image one with root only. A registry of the test's own holds them under
the names and tags that are declared; the setting for mirrors leads there. Their Python is 3.11, so
that is what the copied declarations say.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from e2e_process import Family
from e2e_sample import ROOT

from buildlib.build.workspace import Workspace
from buildlib.core.model.settings import FLAVOURS
from buildlib.engine.mirror import mirrored
from tests.support.registry import Registry

if TYPE_CHECKING:
    import docker
    from e2e_engine import Images

pytestmark = [pytest.mark.slow, pytest.mark.engine]
FROM_ROOT = (
    "buildlib", "deploy", "images", "kernelspecs", "launchers", "verify", "doitw", "dodo.py",
    "VERSION", "images.lock", "pyproject.toml", "requirements.lock", "requirements-release.lock",
    "benchmarks", "tools", "requirements-dev.lock",
)  # fmt: skip
"""What is copied: tests/support/kept."""
CONTRACT = "elyra/minimal-notebook:dev"
ROOT_ONLY = f"FROM {CONTRACT}\nUSER root\nENV HOME=/root\nRUN userdel --remove jovyan\n"
STACKS = "//images/bases/stacks"
SITE = ("SSL_CERT_FILE", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "https_proxy")
"""How this machine reaches an index: the lock asks one."""
BUILT = ("kernel-py", "kernel-tf-gpu-py")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def family(
    tmp_path_factory: pytest.TempPathFactory, module_images: Images, registry: Registry
) -> Iterator[Family]:
    """The project's own declarations, told to look for images in the registry of the test."""
    family = Family(tmp_path_factory.mktemp("stacks"), module_images.organization, "")
    family.env |= {name: os.environ[name] for name in SITE if name in os.environ}
    keep_out = shutil.ignore_patterns(".*", "__pycache__", "dist", "docs", "tests")
    shutil.copytree(ROOT, family.root, symlinks=True, ignore=keep_out)
    family.replace(
        "pyproject.toml", 'organization = "elyra"', f'organization = "{family.organization}"'
    )
    family.replace("pyproject.toml", 'flavour = "debian"', 'flavour = "docker-stacks"')
    mirrors = f'"quay.io" = "{registry.host}"\n"docker.io" = "{registry.host}/hub"\n'
    table = "[tool.buildlib.network.images]\n"
    family.write("pyproject.toml", f"{family.read('pyproject.toml')}\n{table}{mirrors}")
    family.replace("images/bases/stacks/BUILD.py", 'python="3.13"', 'python="3.11"')
    yield family
    family.close()


@pytest.fixture(scope="module")
def stand_ins(family: Family, registry: Registry, client: docker.DockerClient) -> dict[str, str]:
    """What each declared image of others is in the registry: label -> digest."""
    root_only = f"{family.organization}/root-only:dev"
    client.images.build(fileobj=io.BytesIO(ROOT_ONLY.encode()), tag=root_only, rm=True)
    workspace = Workspace(str(family.root), store_root=family.env["BUILDLIB_STORE"])
    mirrors = workspace.settings.network.images
    found = {}
    for label, target in workspace.graph.targets.items():
        if target.rule.kind == "external_image":
            asked = mirrored(target.attrs["image"], mirrors)
            host, _, name = asked.partition("/")
            assert host == registry.host, f"{asked} would be asked of the internet"
            image = root_only if label.name == "tensorflow-gpu" else CONTRACT
            found[str(label)] = registry.push(client, image, name)
    return found


@pytest.fixture(scope="module")
def locked(family: Family, stand_ins: dict[str, str]) -> Family:
    """The family, with pins for the stand-ins."""
    done = family.run("lock", "image")
    assert done.code == 0, done.text
    done = family.run("lock", "python", *(f"{name}:environment" for name in BUILT))
    assert done.code == 0, done.text
    assert len(stand_ins) >= 5
    return family


def pins(family: Family) -> dict[str, dict[str, str]]:
    """The digests of the images section, and how many entries the others have."""
    lock = Workspace(str(family.root)).lock
    return {
        name: {item.where: f"sha256:{item.sha256}" for item in entry.items.values()}
        for name, entry in lock["image"].items()
    }


def test_before_the_lock_the_plan_says_what_to_do(family: Family) -> None:
    plan = family.run("plan")
    assert plan.code == 0
    assert re.search(rf"fix: ./doitw lock image .*{STACKS}:", plan.text)
    build = family.run("build")
    assert build.code == 3
    assert re.search(rf"images.lock has no image entry for {STACKS}:", build.text)
    assert re.search(rf"fix: ./doitw lock (image )?{STACKS}:", build.text)


def test_the_lock_pins_the_digest_under_the_public_name(
    locked: Family, stand_ins: dict[str, str], registry: Registry
) -> None:
    assert {name: set(items.values()) for name, items in pins(locked).items()} == {
        name: {digest} for name, digest in stand_ins.items()
    }
    assert registry.host not in locked.read("images.lock")


def test_the_lock_holds_both_flavours(locked: Family) -> None:
    ours = Workspace(str(ROOT)).lock
    theirs = Workspace(str(locked.root)).lock
    for section in ("apt", "rootfs", "download", "python"):
        assert theirs.get(section, {}).keys() == ours.get(section, {}).keys()
    for flavour in FLAVOURS:
        done = locked.run("lock", "--check", "image", f"FLAVOUR={flavour}")
        assert done.code == 0, done.text
        assert "the lock is up to date" in done.out


def test_a_tag_that_moves_is_drift(
    locked: Family, registry: Registry, client: docker.DockerClient
) -> None:
    tag = client.api.inspect_distribution  # what the registry says, before and after
    name = "jupyter/r-notebook"
    reference = next(ref for ref in pins(locked)[f"{STACKS}:r-notebook"])
    version = reference.rpartition(":")[2]
    before = tag(f"{registry.host}/{name}:{version}")["Descriptor"]["digest"]
    registry.push(client, "elyra/os:dev", f"{name}:{version}")
    try:
        done = locked.run("lock", "--check", "image")
        assert done.code == 1
        assert "1 pin has drifted" in done.out
        assert f"{STACKS}:r-notebook" in done.out
    finally:
        after = registry.push(client, CONTRACT, f"{name}:{version}")
    assert after == before


def test_the_plan_has_the_images_of_others_and_leaves_out_our_own_bases(locked: Family) -> None:
    planned = locked.plan()
    assert {"//images/kernel-py", "//images/kernel-tf-gpu-py"} <= planned.keys()
    assert {f"{STACKS}:scipy-notebook", f"{STACKS}:tensorflow-gpu"} <= planned.keys()
    assert "//images/bases/scipy-notebook" not in planned
    done = locked.run("plan", "FLAVOUR=debian")
    assert done.code == 0, done.text
    gpu = "kernel-tf-gpu-py:environment, kernel-tf-gpu-py"
    told = " ".join(done.out.split())  # lines end at 100 characters
    assert f"left out: {gpu}: it exists in the flavour docker-stacks only" in told


def test_kernels_run_on_the_stand_ins(
    locked: Family, module_images: Images, client: docker.DockerClient
) -> None:
    locked.build(*BUILT)
    for name in BUILT:
        reference = f"{module_images.organization}/{name}:dev"
        config = client.images.get(reference).attrs["Config"]
        assert config["User"] == "1000"
        words = ("--case", "report", "execute", "interrupt", "--json", "-")
        done = subprocess.run(
            [sys.executable, "-m", "verify", reference, *words],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["verdict"] == "works"
        layers = client.images.get(reference).attrs["RootFS"]["Layers"]
        base = client.images.get(CONTRACT).attrs["RootFS"]["Layers"]
        assert layers[: len(base)] == base
