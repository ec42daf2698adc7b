"""Watches over the kernel's process: one loop that never blocks, in a process without user code.

It serves the comm port, sends the report, notes the launcher's own signals and the kernel's end.
It outlives nothing: when the kernel is gone the comm port closes (the gateway takes a refused
connection for a dead kernel), what the kernel left running is ended, and `run` returns.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from typing import TYPE_CHECKING

from kernel_launcher.comm import CommPort, Request
from kernel_launcher.messages import LauncherError, log
from kernel_launcher.processes import (
    SHUTDOWN_BEGUN,
    StopSignals,
    descendants,
    interrupt,
    send_signal,
)
from kernel_launcher.report import Report

if TYPE_CHECKING:
    import socket

# Seconds. A stop is over within two, whatever the kernel does.
EXIT_GRACE = 1.3  # after a shutdown request the kernel ends by itself; then SIGTERM
KILL_AFTER = 1.75  # from the wish to stop to SIGKILL
LEFTOVER_GRACE = 0.8  # for what the kernel left running (Spark's JVM tidies up) to end by itself
CANCEL_BEGINS = 0.1  # the kernel has begun to cancel Spark's jobs

# "Stop what you do" goes to the kernel and its children, as from a terminal, and as jupyter_client
# and ipykernel do it: os.system() ignores SIGINT in the parent while the child runs. Spark's JVM
# is started with SIGINT ignored. Other signals concern the kernel alone.
GROUP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT}

# Those that the kernel obeys in Python code, and does not die of.
PYTHON_SIGNALS = {signal.SIGINT, signal.SIGUSR2}

_NEVER = float("inf")


class Supervisor:
    """Watches one kernel process, the leader of a process group and child of this process."""

    def __init__(self, kernel: int, signals: StopSignals, *, cancel_jobs: bool = False) -> None:
        """Begin to watch.

        Args:
            kernel: the kernel's process id, and that of its group.
            signals: those sent to the launcher itself.
            cancel_jobs: an interrupt also sends SIGUSR2, on which the kernel cancels Spark jobs.
        """
        self._kernel = kernel
        self._signals = signals
        self._cancel_jobs = cancel_jobs
        self._exit_code: int | None = None
        self._failure: LauncherError | None = None
        self._comm: CommPort | None = None
        self._report: Report | None = None
        self._report_by = self._term_at = self._kill_at = _NEVER
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals.wakeup, selectors.EVENT_READ, signals.drain)

    def serve(self, listener: socket.socket) -> None:
        """Obey the gateway's requests on this listening socket."""
        self._comm = CommPort(self._selector, listener, self._obey)

    def report(self, address: tuple[str, int], payload: bytes, deadline: float) -> None:
        """Send the payload to the gateway; trying ends at `deadline` (monotonic seconds)."""
        self._report = Report(self._selector, address, payload)
        self._report_by = deadline

    def run(self) -> int:
        """Watch until the kernel has ended; returns its exit code, 128 + n if by signal n.

        Raises:
            LauncherError: when the report could not be delivered (the kernel has been ended).
        """
        while self._reap() and self._exit_code is None:
            now = time.monotonic()
            self._tick(now)
            for key, _ in self._selector.select(max(0.0, self._wake_at() - now)):
                key.data()
        if self._comm is not None:
            self._comm.close()
        if self._report is not None:
            self._report.close()
        if self._failure is not None:
            raise self._failure
        code = 1 if self._exit_code is None else self._exit_code
        log(f"the kernel has ended with exit code {code}")
        return code

    def sweep(self) -> None:
        """End every process that is left: what the kernel started, or itself after an error.

        All are descendants of the launcher, since it has adopted the kernel's orphans. Those that
        make no use of SIGTERM are killed.
        """
        kill_at = min(time.monotonic() + LEFTOVER_GRACE, self._kill_at)
        asked: set[int] = set()
        while self._reap():
            now = time.monotonic()
            for pid in descendants(os.getpid()):
                if now >= kill_at:
                    send_signal(pid, signal.SIGKILL)
                elif pid not in asked:
                    asked.add(pid)
                    send_signal(pid, signal.SIGTERM)
            if now > kill_at + 1:
                log("some processes the kernel started cannot be ended")
                return
            time.sleep(0.01)

    def _stop(self, grace: float) -> None:
        now = time.monotonic()
        self._term_at = min(self._term_at, now + grace)
        self._kill_at = min(self._kill_at, now + KILL_AFTER)

    def _obey(self, request: Request) -> None:
        if request.signum == signal.SIGTERM:
            self._stop(grace=0)
        elif request.signum:
            if request.signum == signal.SIGINT and self._cancel_jobs:
                # Before it: what cancels the jobs must not begin while py4j, interrupted, closes
                # the connection that the cell has waited at. And well before: an interrupt that
                # meets the handler of SIGUSR2 ends that, and nothing is cancelled.
                self._signal(signal.SIGUSR2)
                time.sleep(CANCEL_BEGINS)
            self._signal(request.signum)
        if request.shutdown and self._comm is not None:
            log("the gateway has asked for the shutdown")
            self._comm.close()
            self._stop(grace=EXIT_GRACE)

    def _signal(self, number: int) -> None:
        # The kernel has not been waited for, so its id cannot be somebody else's by now.
        if self._exit_code is not None:
            return
        if number in PYTHON_SIGNALS:
            interrupt(self._kernel, number, group=number in GROUP_SIGNALS)
        else:
            send_signal(-self._kernel if number in GROUP_SIGNALS else self._kernel, number)

    def _wake_at(self) -> float:
        moments = [self._term_at, self._kill_at]
        if self._comm is not None:
            moments.append(self._comm.wake_at)
        if self._report is not None:
            moments += [self._report.wake_at, self._report_by]
        return min(*moments, time.monotonic() + 3600)  # select() takes no infinity

    def _tick(self, now: float) -> None:
        while self._signals.received:
            number = self._signals.received.pop()
            if number == SHUTDOWN_BEGUN:
                self._stop(grace=EXIT_GRACE)
            else:
                log(f"{signal.Signals(number).name} received, ending the kernel")
                self._stop(grace=0)
        if self._comm is not None:
            self._comm.tick(now)
        if self._report is not None:
            self._tick_report(self._report, now)
        if now >= self._term_at:
            self._term_at = _NEVER
            self._signal(signal.SIGTERM)
        if now >= self._kill_at:
            self._kill_at = now + 0.1
            self._signal(signal.SIGKILL)

    def _tick_report(self, report: Report, now: float) -> None:
        if now < self._report_by and not report.delivered:
            report.tick(now)
            return
        report.close(last=True)
        self._report = None
        if report.delivered:
            log("the gateway has the connection info")
        else:
            self._failure = LauncherError(f"nobody takes the connection info: {report.problem}")
            self._stop(grace=0)

    def _reap(self) -> bool:
        """Collect children that have ended (orphans too); False when there is none left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._kernel:
                    code = os.waitstatus_to_exitcode(status)
                    self._exit_code = code if code >= 0 else 128 - code
        except ChildProcessError:
            return False
