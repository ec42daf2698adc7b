"""Which process a run belongs to, as labels of all it makes; and whether that one has ended.

A process id alone says little: it is used again, it means something else on another machine or in a
container, and nothing after a boot. Where it cannot be told that a process has ended, it has not.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABEL = "verify.owner."
_BOOT = "/proc/sys/kernel/random/boot_id"
_MACHINE = "/etc/machine-id"


def labels() -> dict[str, str]:
    """This process: its machine, the machine's boot, its number and when it was started."""
    pid = os.getpid()
    values = {
        "machine": _machine(),
        "boot": _read(_BOOT),
        "numbers": _numbers(),
        "pid": str(pid),
        "started": started(pid),
    }
    return {f"{_LABEL}{name}": value for name, value in values.items()}


def has_ended(found: Mapping[str, str]) -> bool:
    """Whether the process that has these labels is known to have ended."""
    of = {name: found.get(f"{_LABEL}{name}", "") for name in ("machine", "boot", "numbers")}
    pid, begun = found.get(f"{_LABEL}pid", ""), found.get(f"{_LABEL}started", "")
    if not all(of.values()) or not pid.isdecimal() or not begun or of["machine"] != _machine():
        return False
    if of["boot"] != _read(_BOOT):
        return bool(_read(_BOOT))
    return of["numbers"] == _numbers() and started(int(pid)) != begun


def started(pid: int) -> str:
    """When a process was started, in the kernel's ticks since the boot; empty where none runs."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()  # its name may hold anything
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""  # noqa: PLR2004


def _machine() -> str:
    return _read(_MACHINE) or socket.gethostname()


def _numbers() -> str:
    """The space in which process ids are numbers: a container has its own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
