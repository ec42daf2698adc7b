"""A gateway for all tests, the launchers under it, and kernels that are cleared away after each."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

LAUNCHER_SOURCES = Path(__file__).parents[2] / "launchers" / "python"
sys.path.insert(0, str(LAUNCHER_SOURCES))

from fake_gateway import FakeGateway  # noqa: E402 - needs the path above
from launched import LaunchedKernel  # noqa: E402
from python_kernel import PythonKernel  # noqa: E402
from r_kernel import RKernel  # noqa: E402
from scala_kernel import Jdk, ScalaKernel  # noqa: E402

LAUNCHERS = {"python": PythonKernel, "r": RKernel, "scala": ScalaKernel}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(*capabilities): a case that not each launcher honours; see launched.py"
    )


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard():
    """A shell ignores SIGINT for what it runs in the background, and so would our children."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def gateway():
    gateway = FakeGateway()
    yield gateway
    gateway.close()


@pytest.fixture(scope="session")
def jdk(tmp_path_factory):
    jdk = Jdk(tmp_path_factory.getbasetemp())
    yield jdk
    jdk.remove()


@pytest.fixture(
    params=[
        "python",
        pytest.param("r", marks=pytest.mark.engine),
        pytest.param("scala", marks=pytest.mark.engine),
    ]
)
def launcher(request) -> type[LaunchedKernel]:
    """Each launcher that honours the case; of the others it is told why they do not."""
    kind = LAUNCHERS[request.param]
    for mark in request.node.iter_markers("needs"):
        for capability in mark.args:
            if capability in kind.lacks:
                pytest.skip(kind.lacks[capability])
    if kind is ScalaKernel:
        ScalaKernel.jdk = request.getfixturevalue("jdk")
    return kind


@pytest.fixture
def launch(launcher, gateway, tmp_path):
    """Start launchers; whatever they leave is found by `assert_nothing_left` and then removed."""
    launched: list[LaunchedKernel] = []

    def start(*options: str, **settings) -> LaunchedKernel:
        kernel = launcher(gateway, tmp_path / f"k{len(launched)}", *options, **settings)
        launched.append(kernel)
        return kernel

    yield start
    for kernel in launched:
        kernel.clear_away()
