"""What a user's code tries on another user of the same machine; a kernel of the demo runs it.

Each attempt has to be refused. It is sent to the kernel as text, so it imports nothing of ours.
"""

from __future__ import annotations

import os
import subprocess
import urllib.error
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REFUSED = "refused"
FOLDERS = ("/tmp", "/home", "/var/lib/hadoop", "/var/log")  # noqa: S108
OURS = (
    "/etc",
    "/opt/conda/bin",
    "/opt/enterprise-gateway",
    "/opt/hadoop/etc/hadoop",
    "/opt/hadoop/libexec",
    "/opt/spark/conf",
    "/usr/local/bin",
    "/usr/local/share/jupyter/kernels",
)
PROGRAMS = ("true", "/opt/spark/bin/spark-submit", "/opt/hadoop/libexec/container-executor")
HDFS = "http://localhost:9870/webhdfs/v1/user"
YARN = "http://localhost:8088/ws/v1/cluster/apps"
GATEWAY = "http://localhost:8888/api/kernels"


def attempts(asked: Mapping[str, Any]) -> dict[str, str]:
    """Try everything; returns what became of each.

    Args:
        asked: `user`, who tries; `other` and `uid`, whom; a `file` of the other's, the IDs of an
            `application` and of a `kernel`.
    """
    acts: dict[str, Callable[[], object]] = {}
    for pid, uid in _processes():
        if uid != os.getuid():
            acts[f"signal process {pid} of {uid}"] = partial(os.kill, pid, 0)
            acts[f"read what process {pid} of {uid} has"] = partial(_read, f"/proc/{pid}/environ")
    acts["read a file"] = partial(_read, asked["file"])
    acts["list a home"] = partial(os.listdir, os.path.dirname(asked["file"]))
    for folder in FOLDERS:
        acts[f"read files below {folder}"] = partial(_read_all, folder, asked["uid"])
    for user in ("root", "jovyan", asked["other"]):
        for program in PROGRAMS:
            acts[f"sudo {program} as {user}"] = partial(_sudo, user, program)
    for folder in OURS:
        acts[f"write to {folder}"] = partial(_write, f"{folder}/verify-was-here")
    who = f"user.name={asked['user']}"
    for user in ("jovyan", asked["other"]):
        folder = f"{HDFS}/{user}"
        acts[f"list HDFS of {user}"] = partial(_ask, "GET", f"{folder}?op=LISTSTATUS&{who}")
        removal = f"{folder}?op=DELETE&recursive=true&{who}"
        acts[f"remove HDFS of {user}"] = partial(_ask, "DELETE", removal)
    state = f"{YARN}/{asked['application']}/state?{who}"
    acts["end an application"] = partial(_ask, "PUT", state)
    acts["list kernels"] = partial(_ask, "GET", GATEWAY)
    acts["delete a kernel"] = partial(_ask, "DELETE", f"{GATEWAY}/{asked['kernel']}")
    return {what: _tried(act) for what, act in acts.items()}


def _tried(act: Callable[[], object]) -> str:
    try:
        done = act()
    except (PermissionError, ProcessLookupError):  # what has ended meanwhile harms nobody
        return REFUSED
    except Exception as error:  # noqa: BLE001 - all there is to say
        return f"{type(error).__name__}: {error}"
    return str(done)[:200]


def _processes() -> list[tuple[int, int]]:
    """All that are there, with the users whose they are."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append((int(name), os.stat(f"/proc/{name}").st_uid))
        except OSError:
            continue
    return found


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError as error:
        if path.startswith("/proc/"):
            raise ProcessLookupError from error
        raise
    return "read"


def _read_all(folder: str, uid: int) -> str:
    """Read the files of a user's that are there; those who find none are refused."""
    readable = []
    for here, _, names in os.walk(folder):
        for path in (os.path.join(here, name) for name in names):
            try:
                if os.lstat(path).st_uid == uid and os.path.isfile(path):
                    readable.append(f"{path} is {_read(path)}")
            except OSError:
                continue
    if not readable:
        raise PermissionError
    return f"{len(readable)}: {', '.join(readable[:3])}"


def _write(path: str) -> str:
    with open(path, "wb"):
        return "written"


def _sudo(user: str, program: str) -> str:
    words = ["sudo", "-n", "-u", user, program]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    if done.returncode and b"sudo:" in done.stderr:
        raise PermissionError
    return f"run: {done.stdout[:80]!r}"


def _ask(method: str, url: str) -> str:
    body = b'{"state": "KILLED"}' if method == "PUT" else None
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return f"answered by {answer.status}"
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise PermissionError from error
        return f"answered by {error.code}"
