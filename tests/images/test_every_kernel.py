"""What holds for each kernel image: its launchers, how it starts, its size, its last layer."""

from __future__ import annotations

from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.engine]

LAUNCHERS = "/usr/local/bin/kernel-launchers"
PROGRAMS = {
    "python": "python/scripts/launch_ipykernel.py",
    "R": "R/scripts/launch_IRkernel.R",
    "scala": "scala/lib/toree-launcher.jar",
}


class Kernel(NamedTuple):
    """What is promised of one.

    Attributes:
        parent: The image whose layers it keeps as they are.
        added: How many layers it has on them: packages, and last the launchers.
        limit: Bytes of the image.
        last: Bytes of its last layer.
        entrypoint: Beside `tini -g --`.
    """

    name: str
    language: str
    parent: str
    added: int
    limit: int
    last: int = 1_000_000
    entrypoint: tuple[str, ...] = ()


SPARK = ("/opt/entrypoint.sh",)
KERNELS = (
    Kernel("kernel-py", "python", "scipy-notebook", 2, 1_700_000_000),
    Kernel("kernel-tf-py", "python", "tensorflow-notebook", 2, 3_200_000_000),
    Kernel(
        *("kernel-spark-py", "python", "kernel-py-environment", 6, 2_000_000_000),
        entrypoint=SPARK,
    ),
    Kernel("kernel-r", "R", "r-notebook", 1, 1_400_000_000),
    Kernel("kernel-spark-r", "R", "kernel-r-environment", 7, 1_500_000_000, entrypoint=SPARK),
    Kernel("kernel-scala", "scala", "spark", 1, 600_000_000, 30_000_000, entrypoint=SPARK),
)
PYTHON = [kernel for kernel in KERNELS if kernel.language == "python"]

every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
every_python_kernel = pytest.mark.parametrize("kernel", PYTHON, ids=lambda kernel: kernel.name)


@every_kernel
def test_launchers_are_in_place_and_those_of_other_languages_are_not(run, kernel):
    found = run(kernel.name, "find", "/usr/local/bin", "-type", "f").split()
    assert "/usr/local/bin/bootstrap-kernel.sh" in found
    assert f"{LAUNCHERS}/{PROGRAMS[kernel.language]}" in found
    others = [f"{LAUNCHERS}/{language}/" for language in PROGRAMS if language != kernel.language]
    assert not [path for path in found if path.startswith(tuple(others))]


@every_kernel
def test_any_user_may_start_it(run, kernel):
    run(kernel.name, "test", "-x", "/usr/local/bin/bootstrap-kernel.sh", user="12345:100")


@every_kernel
def test_configuration(config, kernel):
    found = config(kernel.name)
    assert f"KERNEL_LANGUAGE={kernel.language}" in found["Env"]
    assert found["Entrypoint"] == ["tini", "-g", "--", *kernel.entrypoint]
    assert found["Cmd"] == ["/usr/local/bin/bootstrap-kernel.sh"]
    assert found["Healthcheck"] == {"Test": ["NONE"]}
    assert found["User"] == "1000"


@every_kernel
def test_size(engine, image, kernel):
    assert engine.images.get(image(kernel.name)).attrs["Size"] < kernel.limit


@every_kernel
def test_its_parent_is_kept_as_it_is(engine, image, kernel):
    parent, layers = (
        engine.images.get(image(name)).attrs["RootFS"]["Layers"]
        for name in (kernel.parent, kernel.name)
    )
    assert layers[: -kernel.added] == parent


@every_kernel
def test_the_launchers_are_the_last_and_a_small_layer(engine, image, kernel):
    last = engine.images.get(image(kernel.name)).history()[0]
    assert "kernel_image_files.tar" in last["CreatedBy"]
    assert last["Size"] < kernel.last


@every_python_kernel
def test_what_the_python_launcher_needs_is_there(python, kernel):
    script = """
import importlib.metadata, json
from Cryptodome.Cipher import AES, PKCS1_v1_5
from Cryptodome.PublicKey import RSA
import cffi, future
names = ("ipykernel", "jupyter_client", "pyzmq")
print(json.dumps([int(importlib.metadata.version(name).split(".")[0]) for name in names]))
"""
    ipykernel, client, zmq = python(kernel.name, script)
    assert (ipykernel, client) == (6, 8)  # 7 drops what gateways of jupyter_client 6 sign
    assert zmq < 28
