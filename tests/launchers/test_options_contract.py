"""The command line, as each launcher reads it: spellings, addresses, ranges of ports, timeouts."""

from __future__ import annotations

import pytest
from launched import Asked, LaunchedKernel

KEY = ("--public-key", "p")
MODE = "spark-context-initialization-mode"
ERROR = "error 2"


class Case:
    """A command line, and what is read.

    Args:
        options: Beside `--kernel-id k`, which comes first unless it is left out.
        env: The environment.
        bare: `--kernel-id k` is left out.
        error: It is wrong input.
        expected: Fields that are not as they are by default.
    """

    def __init__(
        self,
        *options: str,
        env: dict[str, str] | None = None,
        bare: bool = False,
        error: bool = False,
        **expected: str,
    ) -> None:
        self.asked = Asked([*(() if bare else ("--kernel-id", "k")), *options], env or {})
        self.error = error
        self.expected = expected

    def answer(self, launcher: type[LaunchedKernel]) -> str:
        if self.error:
            return ERROR
        fields = {"id": "k", "address": "", "ports": "", "mode": launcher.default_mode}
        return "|".join({**fields, "seconds": "30", **self.expected}.values())

    def __repr__(self) -> str:
        return " ".join([*self.asked.argv, *map("=".join, self.asked.env.items())])


def ports(text: str, expected: str = "", *, error: bool = False, **env: str) -> Case:
    return Case("--port-range", text, env=env, error=error, ports=expected)


def address(text: str, expected: str = "", *, error: bool = False) -> Case:
    return Case(*KEY, "--response-address", text, error=error, address=expected)


def seconds(expected: str, **env: str) -> Case:
    return Case(env=env, seconds=expected)


CASES = [
    Case(),
    Case("--RemoteProcessProxy.kernel-id", "old"),
    Case("--kernel-id=last", id="last"),
    Case(
        *("--RemoteProcessProxy.kernel-id", "old", "--RemoteProcessProxy.public-key", "p"),
        *("--RemoteProcessProxy.response-address", "h:1"),
        bare=True,
        id="old",
        address="h 1",
    ),
    Case("--kernel-id", bare=True, error=True),
    Case(bare=True, error=True),
    Case("--kernel-id", "new", "--RemoteProcessProxy.kernel-id", "old", bare=True, id="new"),
    Case("--port-range", f"--{MODE}", "eager", mode="eager"),  # without a value: not given
    Case("--port-range"),
    Case(f"--{MODE}", "lazy", mode="lazy"),
    Case(f"--RemoteProcessProxy.{MODE}", "eager", mode="eager"),
    Case(f"--RemoteProcessProxy.{MODE}", "lazy", f"--{MODE}=eager", mode="eager"),
    Case(f"--{MODE}", "now", error=True),
    ports(""),
    ports("0..0"),
    ports("40000..40000"),
    ports("40000..41000", "40000 41000"),
    ports(" 40000 .. 41000 ", "40000 41000"),
    ports("40000..40999", error=True),
    ports("40000..40010", "40000 40010", EG_MIN_PORT_RANGE_SIZE="10"),
    ports("40000..40010", error=True, MIN_PORT_RANGE_SIZE="11", EG_MIN_PORT_RANGE_SIZE="1"),
    ports("40000..41000", error=True, MIN_PORT_RANGE_SIZE="many"),
    ports("41000..40000", error=True),
    ports("1..40000", error=True),
    ports("40000..70000", error=True),
    ports("40000", error=True),
    ports("a..b", error=True),
    address(""),
    address("10.0.0.1:8877", "10.0.0.1 8877"),
    address("[::1]:8877", "::1 8877"),
    *(address(f"host{port}", error=True) for port in ("", ":", ":0", ":70000", ":x")),
    address(":1", error=True),
    Case("--response-address", "host:1", error=True),  # a report must be encrypted
    seconds("60", EG_KERNEL_LAUNCH_TIMEOUT="60"),
    seconds("1.5", EG_KERNEL_LAUNCH_TIMEOUT="1.5"),
    seconds("5", KERNEL_LAUNCH_TIMEOUT="5", EG_KERNEL_LAUNCH_TIMEOUT="60"),
    seconds("30", KERNEL_LAUNCH_TIMEOUT="soon", EG_KERNEL_LAUNCH_TIMEOUT="-1"),
    seconds("60", KERNEL_LAUNCH_TIMEOUT="soon", EG_KERNEL_LAUNCH_TIMEOUT="60"),
]

_read: dict[type[LaunchedKernel], list[str]] = {}


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_options(launcher, case):
    if launcher not in _read:
        _read[launcher] = launcher.read_options([each.asked for each in CASES])
    assert _read[launcher][CASES.index(case)] == case.answer(launcher)
