"""The launcher's command line and environment. Knows nothing of what is done with them."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from kernel_launcher.messages import LauncherError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_KERNEL_CLASS = "ipykernel.ipkernel.IPythonKernel"
DEFAULT_LAUNCH_TIMEOUT = 30.0  # seconds, as the gateway's
PORT_BOUNDS = (1024, 65535)  # the gateway takes port ranges within these only

_OPTIONS = {
    "kernel-id": "the id the gateway gave this kernel",
    "response-address": "host:port that takes the connection info; without it no comm port either",
    "public-key": "the gateway's RSA key (base64 of a DER SubjectPublicKeyInfo)",
    "port-range": "lower..upper for all ports; 0..0 or nothing: any",
    "spark-context-initialization-mode": "none (the default), lazy or eager",
    "cluster-type": "spark (the default), dask or none",
    "kernel-class-name": f"the default is {DEFAULT_KERNEL_CLASS}",
}


class Options(NamedTuple):
    """The command line, checked."""

    kernel_id: str
    response_address: tuple[str, int] | None
    public_key: str
    port_range: tuple[int, int] | None
    cluster: str  # spark, dask, none: the cluster to define names for
    spark_mode: str
    kernel_class: str
    connection_file: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise LauncherError(message, code=2)


def parse_options(argv: list[str], env: Mapping[str, str]) -> Options:
    """Read the options in both spellings, `--kernel-id` and `--RemoteProcessProxy.kernel-id`.

    The plain spelling wins; an option without a value counts as not given.

    Args:
        argv: the arguments, without the program's name.
        env: the environment, for the smallest size of a port range.

    Raises:
        LauncherError: for unknown options and missing or malformed values.
    """
    parser = _Parser(
        prog="launch_ipykernel.py",
        allow_abbrev=False,
        description="Start an IPython kernel for Jupyter Enterprise Gateway and watch over it.",
        epilog="Each option may also be spelt --RemoteProcessProxy.OPTION, as in old kernelspecs.",
    )
    parser.add_argument("connection_file", nargs="?", help="deprecated: where to keep this file")
    for name, text in _OPTIONS.items():
        parser.add_argument(f"--{name}", dest=name, nargs="?", help=text)
        old = f"--RemoteProcessProxy.{name}"
        parser.add_argument(old, dest=f"old {name}", nargs="?", help=argparse.SUPPRESS)
    given = vars(parser.parse_args(argv))

    def value(name: str, default: str = "") -> str:
        return str(given[name] or given[f"old {name}"] or default)

    def choice(name: str, *allowed: str) -> str:
        chosen = value(name, allowed[0])
        if chosen not in allowed:
            raise LauncherError(f"--{name} is {chosen!r}, not one of {', '.join(allowed)}", code=2)
        return chosen

    connection_file = given["connection_file"] or None
    kernel_id = value("kernel-id")
    if not kernel_id and connection_file:
        kernel_id = os.path.splitext(os.path.basename(connection_file))[0]
    if not kernel_id:
        raise LauncherError("--kernel-id is missing", code=2)
    response_address = parse_address(value("response-address"))
    if response_address and not value("public-key"):
        raise LauncherError("--public-key is missing: a report must be encrypted", code=2)
    spark_mode = choice("spark-context-initialization-mode", "none", "lazy", "eager")
    cluster = choice("cluster-type", "spark", "dask", "none")
    return Options(
        kernel_id=kernel_id,
        response_address=response_address,
        public_key=value("public-key"),
        port_range=parse_port_range(value("port-range"), env),
        cluster="none" if (cluster, spark_mode) == ("spark", "none") else cluster,
        spark_mode=spark_mode,
        kernel_class=value("kernel-class-name", DEFAULT_KERNEL_CLASS),
        connection_file=connection_file,
    )


def parse_address(text: str) -> tuple[str, int] | None:
    """Split `host:port`, or `[v6 address]:port`; empty text is None.

    Raises:
        LauncherError: for anything else.
    """
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not (host and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) <= PORT_BOUNDS[1]):
        raise LauncherError(f"--response-address is {text!r}, not host:port", code=2)
    return host.strip("[]"), int(port)


def parse_port_range(text: str, env: Mapping[str, str]) -> tuple[int, int] | None:
    """Read `lower..upper`, both included; empty text and equal bounds are None, any port.

    The least size (upper - lower) is MIN_PORT_RANGE_SIZE, else EG_MIN_PORT_RANGE_SIZE, else 1000.

    Raises:
        LauncherError: when it is malformed, out of bounds or too small.
    """
    if not text:
        return None
    match = re.fullmatch(r"\s*([0-9]{1,5})\s*\.\.\s*([0-9]{1,5})\s*", text)
    if not match:
        raise LauncherError(f"--port-range is {text!r}, not lower..upper", code=2)
    lower, upper = int(match[1]), int(match[2])
    if lower == upper:
        return None
    if not PORT_BOUNDS[0] <= lower < upper <= PORT_BOUNDS[1]:
        raise LauncherError(f"--port-range {text} is not a range within 1024..65535", code=2)
    least = env.get("MIN_PORT_RANGE_SIZE") or env.get("EG_MIN_PORT_RANGE_SIZE") or "1000"
    if not re.fullmatch(r"[0-9]+", least):
        raise LauncherError(f"MIN_PORT_RANGE_SIZE is {least!r}, not a number", code=2)
    if upper - lower < int(least):
        raise LauncherError(f"--port-range {text} is too small: at least {least} ports", code=2)
    return lower, upper


def launch_timeout(env: Mapping[str, str]) -> float:
    """Seconds the gateway waits for the report; values that are no such number are passed over."""
    for name in ("KERNEL_LAUNCH_TIMEOUT", "EG_KERNEL_LAUNCH_TIMEOUT"):
        with contextlib.suppress(ValueError):
            seconds = float(env.get(name, ""))
            if 0 < seconds < 86400:  # noqa: PLR2004 - nobody waits a day; nor for "nan" or "inf"
                return seconds
    return DEFAULT_LAUNCH_TIMEOUT
