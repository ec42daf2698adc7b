"""Read by the demo's gateway beside the server's own configuration: why a kernel does not start.

The gateway waits for a kernel until its time is up, and then says to look into logs. Here the
client is told what run.sh, spark-submit or YARN says, and at once where nothing is left to wait
for: of kernels of this host (client mode) and of kernels that YARN starts (cluster mode).
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from typing import Any

from enterprise_gateway.services.processproxies.distributed import DistributedProcessProxy
from enterprise_gateway.services.processproxies.yarn import YarnClusterProcessProxy

# As our scripts and launchers say it, and Java and sudo.
REASON = re.compile(r": error: |^Error: |^Exception in thread|^sudo: ")
LONGEST = 500


def _reason(lines: list[str]) -> str:
    """The last line that gives a reason, fit for a line of HTTP."""
    found = [line for line in lines if REASON.search(line)] or lines
    return _fit(found[-1]) if found else ""


def _lines(path: str) -> list[str]:
    try:
        with open(path, errors="replace") as log:
            return [line.rstrip() for line in log if line.strip()]
    except OSError:
        return []


def _fit(text: str) -> str:
    return re.sub(r"[^ -~]+", " ", text).strip()[:LONGEST]


# --- Kernels of this host ------------------------------------------------------------------------

_plain_handle_timeout = DistributedProcessProxy.handle_timeout


async def _handle_timeout(self: Any) -> None:
    await _plain_handle_timeout(self)
    # Once the kernel has reported, this is not called any more.
    if self.local_proc and self.local_proc.poll() is not None:
        code, said = self.local_proc.returncode, _reason(_lines(self.kernel_log))
        self.local_proc = None
        reason = f"Kernel {self.kernel_id} was not started (exit code {code}): {said}"
        self.log_and_raise(http_status_code=500, reason=reason)


DistributedProcessProxy.handle_timeout = _handle_timeout

# --- Kernels that YARN starts --------------------------------------------------------------------

_plain_launch_kernel = YarnClusterProcessProxy.launch_kernel
_plain_detect_launch_failure = YarnClusterProcessProxy.detect_launch_failure
_plain_query_app_by_id = YarnClusterProcessProxy._query_app_by_id  # noqa: SLF001
_plain_log_and_raise = YarnClusterProcessProxy.log_and_raise


def _launch_kernel(self: Any, cmd: Any, **kwargs: Any) -> Any:
    process = _plain_launch_kernel(self, cmd, **{**kwargs, "stderr": subprocess.PIPE})
    self.said = []
    self.diagnostics = ""

    def hand_on() -> None:
        for line in process.stderr:
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
            self.said.append(line.decode(errors="replace").rstrip())

    self.reader = threading.Thread(target=hand_on, daemon=True)
    self.reader.start()
    return process


def _detect_launch_failure(self: Any) -> None:
    if self.local_proc and self.local_proc.poll():
        self.reader.join(1)
        self.local_proc = None
        reason = f"Kernel {self.kernel_id} was not started: {_reason(self.said)}"
        _plain_log_and_raise(self, http_status_code=500, reason=reason)
    _plain_detect_launch_failure(self)


def _query_app_by_id(self: Any, app_id: str) -> Any:
    app = _plain_query_app_by_id(self, app_id)
    # Of a killed application it is not known any more what it was waiting for.
    if app and app.get("state") != "KILLED":
        self.diagnostics = app.get("diagnostics", "")
    return app


def _log_and_raise(self: Any, http_status_code: Any = None, reason: Any = None) -> None:
    if reason and getattr(self, "diagnostics", ""):
        reason = f"{reason} YARN says: {_fit(self.diagnostics)}"
    _plain_log_and_raise(self, http_status_code=http_status_code, reason=reason)


YarnClusterProcessProxy.launch_kernel = _launch_kernel
YarnClusterProcessProxy.detect_launch_failure = _detect_launch_failure
YarnClusterProcessProxy._query_app_by_id = _query_app_by_id  # noqa: SLF001
YarnClusterProcessProxy.log_and_raise = _log_and_raise
