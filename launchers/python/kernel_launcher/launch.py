"""Puts the launcher together: ports, kernel process, report, supervision, tidying up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from kernel_launcher import comm, connection
from kernel_launcher.messages import LauncherError
from kernel_launcher.processes import StopSignals, adopt_orphans
from kernel_launcher.report import seal
from kernel_launcher.supervisor import Supervisor

if TYPE_CHECKING:
    import socket

    from kernel_launcher.options import Options

KERNEL_PROCESS = "--kernel-process"  # the first argument of the kernel's own process


def launch(options: Options, signals: StopSignals, script: str, deadline: float) -> int:
    """Run a kernel to its end; returns the launcher's exit code.

    Args:
        options: the command line.
        signals: those sent to this process.
        script: path of the program that runs the kernel when its first argument is KERNEL_PROCESS.
        deadline: monotonic time by which the gateway must have the connection info.

    Raises:
        LauncherError: for whatever keeps the kernel from starting. Nothing is left behind.
    """
    given = connection.read_connection_file(options.connection_file)
    candidates = connection.candidate_ports(options.port_range)
    info, sockets = connection.make_connection(candidates, given)
    listener = connection.listen_on(candidates, comm.BACKLOG)
    new_path = None if given else options.connection_file
    path = connection.write_connection_file(info, options.kernel_id, new_path)
    supervisor = None
    try:
        adopt_orphans()
        pid = start_kernel(options, script, path, sockets)
        supervisor = Supervisor(pid, signals, cancel_jobs=options.cluster == "spark")
        if options.response_address:
            # The kernel loads meanwhile. Its ids, not ours: what the gateway may do by `kill`
            # when the comm port fails is meant for the kernel.
            comm_port = listener.getsockname()[1]
            info.update(kernel_id=options.kernel_id, comm_port=comm_port, pid=pid, pgid=pid)
            payload = seal(info, options.public_key)
            supervisor.serve(listener)
            supervisor.report(options.response_address, payload, deadline)
        else:
            listener.close()  # nobody was told of it
        return supervisor.run()
    finally:
        listener.close()
        if supervisor is not None:
            supervisor.sweep()
        with contextlib.suppress(OSError):
            os.unlink(path)


def start_kernel(options: Options, script: str, path: str, sockets: list[socket.socket]) -> int:
    """Start the kernel's process in a session of its own and hand it the sockets; returns its id.

    Raises:
        LauncherError: when it cannot be started.
    """
    settings: dict[str, Any] = {
        "parent": os.getpid(),
        "connection_file": path,
        "kernel_class": options.kernel_class,
        "cluster": options.cluster,
        "spark_mode": options.spark_mode,
        "fds": {sock.getsockname()[1]: sock.fileno() for sock in sockets},
    }
    # ipykernel looks for its parent when this is set, and exits if that is process 1.
    env = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"}
    # What is ignored stays so over exec: an interrupt that comes while the kernel loads must not
    # kill it. ipykernel then sets SIGINT for each cell, `clusters` SIGUSR2.
    early = (signal.SIGINT, signal.SIGUSR2)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in early]
    try:
        process = subprocess.Popen(
            [sys.executable, script, KERNEL_PROCESS, json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
            pass_fds=[sock.fileno() for sock in sockets],
        )
    except OSError as error:
        raise LauncherError(f"cannot start the kernel's process: {error}") from error
    finally:
        for number, handler in zip(early, handlers, strict=True):
            signal.signal(number, handler)
        for sock in sockets:  # the kernel alone has them now: with it, the ports go
            sock.close()
    process.returncode = 0  # the supervisor waits for it; nothing for subprocess to do
    return process.pid
