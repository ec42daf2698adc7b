"""The data image with the kernelspecs: what is in it, and that an init container can copy it."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.engine

NAME = "kernelspecs"
LIMIT = 4_000_000  # bytes


def test_configuration(config, engine, image):
    found = config(NAME)
    assert found["User"] == "1000:100"
    assert found["Cmd"] == ["ls"]
    assert not found["Entrypoint"]
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT


def test_the_kernelspecs_come_last(engine, image):
    layers = [layer for layer in engine.images.get(image(NAME)).history() if layer["Size"]]
    assert "kernels.tar" in layers[0]["CreatedBy"]
    assert len(layers) == 2


def test_it_has_the_kernelspecs_of_the_gateways_image(run):
    find = "cd $0 && find . -type f -exec sha256sum {} + | sort"
    ours = run(NAME, "sh", "-c", find, "/kernels")
    assert ours == run("enterprise-gateway", "sh", "-c", find, "/usr/local/share/jupyter/kernels")
    assert "./python_kubernetes/kernel.json" in ours


@pytest.mark.parametrize("user", ["1000:100", "0:0", "12345:100"])
def test_an_init_container_copies_them(engine, image, user):
    # The line of the gateway's Helm chart, into an empty folder in memory.
    place = "/usr/local/share/jupyter"
    script = f"""
        cp -r /kernels {place}
        cat {place}/kernels/python_kubernetes/kernel.json
        test -x {place}/kernels/spark_R_kubernetes/bin/run.sh
    """
    output: bytes = engine.containers.run(
        image(NAME), ["sh", "-e", "-c", script], user=user, network_mode="none", remove=True,
        tmpfs={place: "mode=1777"}, cap_drop=["ALL"],
    )  # fmt: skip
    found: Any = json.loads(output)
    assert found["metadata"]["process_proxy"]["config"]["image_name"].endswith("kernel-py:dev")


def test_nobody_may_change_it(run):
    assert run(NAME, "find", "/", "-xdev", "-path", "/dev", "-prune", "-o", "-type", "f", "-perm",
               "-0002", "-print") == ""  # fmt: skip
    assert run(NAME, "sh", "-c", "touch /kernels/x 2>/dev/null || echo refused") == "refused\n"


def test_the_shells_licence_is_there(run):
    text = run(NAME, "cat", "/usr/share/doc/busybox-static/copyright")
    assert "GPL-2" in text
