"""The kernel's own process: ipykernel on inherited sockets. Knows nothing of the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from kernel_launcher.clusters import cluster_names
from kernel_launcher.messages import LauncherError, keep_log
from kernel_launcher.processes import SHUTDOWN_BEGUN, die_with_parent, send_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


def run_kernel(settings: dict[str, Any], script_folder: str) -> None:
    """Run the kernel until it is shut down; `settings` are those of `launch.start_kernel`.

    Raises:
        LauncherError: when ipykernel or the kernel class is missing.
    """
    die_with_parent(settings["parent"])
    keep_log()
    for fd in settings["fds"].values():
        os.set_inheritable(fd, False)  # not for what the user starts
    sys.argv[1:] = ["-f", settings["connection_file"]]  # what code finds under any ipykernel
    if script_folder in sys.path:
        sys.path.remove(script_folder)  # user code must not import from here
    try:
        from ipykernel.kernelapp import IPKernelApp
        from traitlets.utils.importstring import import_item
    except ImportError as error:
        raise LauncherError(f"{sys.executable} has no ipykernel: {error}") from error
    try:
        kernel_class = import_item(settings["kernel_class"])
    except ImportError as error:
        raise LauncherError(f"kernel class {settings['kernel_class']}: {error}", code=2) from error

    class KernelApp(IPKernelApp):
        def init_kernel(self) -> None:
            super().init_kernel()  # type: ignore[no-untyped-call]
            announce_shutdown(self.kernel)
            interrupt_what_awaits(self.kernel)

        def init_shell(self) -> None:
            super().init_shell()  # type: ignore[no-untyped-call]
            shell = self.shell  # None for a kernel class without one
            if shell is not None:  # and before the user's start-up files, which may want the names
                cluster, mode = settings["cluster"], settings["spark_mode"]
                shell.push(cluster_names(cluster, mode, shell.user_ns), interactive=False)

    inherit_ports({int(port): fd for port, fd in settings["fds"].items()})
    app: Any = KernelApp.instance(
        kernel_class=kernel_class,
        connection_file=settings["connection_file"],
        parent_handle=1,  # don't look for the parent: `die_with_parent` does. No hints on stdout
    )
    app.initialize([])
    app.start()


def announce_shutdown(kernel: Any) -> None:
    """Let the supervisor know that the kernel has been asked to end.

    It then sees to it that this happens in time, and ends what the kernel leaves running. ipykernel
    alone would do that itself: in ever longer steps, for half a minute where a child has ended and
    was not waited for, and while Spark still needs its JVM to stop the session.
    """
    plain_do_shutdown = kernel.do_shutdown

    def do_shutdown(restart: bool) -> Any:
        send_signal(os.getppid(), SHUTDOWN_BEGUN)
        return plain_do_shutdown(restart)

    async def leave_children() -> None:
        """Nothing: the supervisor's sweep."""

    kernel.do_shutdown = do_shutdown
    kernel._progressively_terminate_all_children = leave_children  # noqa: SLF001 - no other way


def interrupt_what_awaits(kernel: Any) -> None:
    """Let an interrupt end a cell that awaits something.

    ipykernel has it cancelled by its loop of events, which no signal wakes: nothing happened until
    the next message, whose cell was aborted then. And code that computes does not come back to the
    loop at all.
    """

    @contextlib.contextmanager
    def cancel_on_sigint(cell: asyncio.Task[Any]) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def interrupt(number: int, frame: FrameType | None) -> None:
            if _runs_cell(frame, kernel.shell):
                signal.default_int_handler(number, frame)
            loop.call_soon_threadsafe(cell.cancel)

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    kernel._cancel_on_sigint = cancel_on_sigint  # noqa: SLF001 - no other way


def _runs_cell(frame: FrameType | None, shell: Any) -> bool:
    """Whether the code of a cell has led here: what is raised then ends the cell alone.

    In a task of its own, or in IPython itself, it would end the loop of events, and so the kernel.
    """
    while frame is not None:
        caller = frame.f_back
        in_shell = caller is not None and caller.f_code is type(shell).run_code.__code__
        if in_shell and frame.f_globals is shell.user_global_ns:
            return True
        frame = caller
    return False


def inherit_ports(fds: dict[int, int]) -> None:
    """Let ZMQ take over listening sockets: a bind to one of these ports uses its descriptor.

    In `Socket.bind`, since ipykernel binds in more than one way (the heartbeat in a thread), and
    only until all are taken over.
    """
    import zmq

    plain_bind: Callable[..., Any] = zmq.Socket.bind

    def bind(self: zmq.Socket[Any], address: str) -> Any:
        port = address.rpartition(":")[2]
        if port.isdecimal() and int(port) in fds:
            self.setsockopt(zmq.USE_FD, fds.pop(int(port)))
            if not fds:
                zmq.Socket.bind = plain_bind  # type: ignore[method-assign]
        return plain_bind(self, address)

    zmq.Socket.bind = bind  # type: ignore[assignment,method-assign]
