"""A gateway for all tests, and kernels that are cleared away after each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

LAUNCHER_SOURCES = Path(__file__).parents[2] / "launchers" / "python"
sys.path.insert(0, str(LAUNCHER_SOURCES))

from fake_gateway import FakeGateway, LaunchedKernel  # noqa: E402 - needs the path above
from r_kernel import LaunchedRKernel  # noqa: E402


@pytest.fixture(scope="session")
def gateway():
    gateway = FakeGateway()
    yield gateway
    gateway.close()


@pytest.fixture
def launch(gateway, tmp_path):
    """Start launchers; whatever they leave is found by `assert_nothing_left` and then removed."""
    launched: list[LaunchedKernel] = []

    def start(*options: str, **settings) -> LaunchedKernel:
        kernel = LaunchedKernel(gateway, tmp_path / f"k{len(launched)}", *options, **settings)
        launched.append(kernel)
        return kernel

    yield start
    for kernel in launched:
        kernel.clear_away()


@pytest.fixture
def launch_r(gateway, tmp_path):
    """The same for R, in containers."""
    launched: list[LaunchedRKernel] = []

    def start(*options: str, **settings) -> LaunchedRKernel:
        kernel = LaunchedRKernel(gateway, tmp_path / f"r{len(launched)}", *options, **settings)
        launched.append(kernel)
        return kernel

    yield start
    for kernel in launched:
        kernel.clear_away()
