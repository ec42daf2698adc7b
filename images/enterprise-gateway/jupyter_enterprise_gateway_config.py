"""Read by the gateway at its start: mends connections, what it starts, and what it leaves behind.

**Connections.** JupyterLab connects to a new kernel twice within a tenth of a second, and forgets
the first connection. jupyter_server 1.24 (the last that gateway 3.3 runs on) lets the second one
close the first, which goes wrong while the first is not ready:

- Where the first still waits for the kernel's first answer it never closes, and the second waits
  for that: the notebook is without a kernel until it gives up, after 42 seconds.
- Where the first is open and still tries its sockets, they are handed over to the second, and then
  claimed by the first again: the second hears nothing.

Here the former counts as closed at once and is turned away when its turn comes, and the latter
keeps its sockets to itself: the second makes its own. And a connection that is replaced is cut off:
nobody reads from it any more, so its orderly end would be waited for in vain, for five seconds.

**Allowed kernels.** jupyter_client 6.1 (the newest that gateway 3.3 takes) leaves kernels that are
not among the allowed ones out of its list, and starts them for whoever knows the name. Here they
are refused: 403, and 404 where a kernelspec is asked for.

**Kernels that do not start.** The gateway makes a namespace for a kernel on Kubernetes, and removes
it with the kernel's pod. If there is none yet (a user or group that it refuses itself, a launch
script that fails) the namespace stays for ever, and so does a pod that has failed. Here both go.

It answers then that its log has the reason. Here the launch script's own line is in the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from typing import Any

from enterprise_gateway.services.processproxies.container import ContainerProcessProxy
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_server.services.kernels.handlers import ZMQChannelsHandler
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler

_plain_get_kernel_spec = KernelSpecManager.get_kernel_spec
_plain_open = ZMQChannelsHandler.open
_plain_close = ZMQChannelsHandler.close
_plain_on_close = ZMQChannelsHandler.on_close


def _open(self: Any, kernel_id: str) -> Any:
    if getattr(self, "replaced_early", False):
        WebSocketHandler.close(self)
        return None
    self.becoming_ready = _plain_open(self, kernel_id)
    return self.becoming_ready


def _close(self: Any) -> Any:
    if hasattr(self, "becoming_ready"):
        socket, closed = self.ws_connection, _plain_close(self)
        if socket is not None:
            socket._abort()  # noqa: SLF001 - there is no other way
        return closed
    self.replaced_early = True
    return asyncio.sleep(0)  # something to wait for


def _on_close(self: Any) -> None:
    # What was replaced early never counted as a connection; and the server may call this twice.
    if getattr(self, "replaced_early", False) or getattr(self, "is_over", False):
        return
    self.is_over = True
    ready = getattr(self, "becoming_ready", None)
    if ready is None or ready.done():
        _plain_on_close(self)
        return
    streams, self.channels = list(self.channels.values()), {}
    _plain_on_close(self)
    self.kernel_manager.stop_buffering(self.kernel_id)  # of no streams, which could be taken over

    def close(_: Any) -> None:
        for stream in streams:
            if not stream.closed():
                stream.close()

    ready.add_done_callback(close)


ZMQChannelsHandler.open = _open
ZMQChannelsHandler.close = _close
ZMQChannelsHandler.on_close = _on_close


class NotAllowed(NoSuchKernel, HTTPError):
    """For the handlers of kernelspecs and sessions there is no such kernel."""

    def __init__(self, name: str) -> None:
        HTTPError.__init__(self, 403, f"kernel {name!r} is not allowed here")
        self.name = name


def _get_kernel_spec(self: Any, kernel_name: str) -> Any:
    if self.whitelist and kernel_name.lower() not in self.whitelist:
        raise NotAllowed(kernel_name)
    return _plain_get_kernel_spec(self, kernel_name)


KernelSpecManager.get_kernel_spec = _get_kernel_spec


# --- Kernels that do not start -------------------------------------------------------------------

_plain_launch_process = ContainerProcessProxy.launch_process
_plain_launch_kernel = ContainerProcessProxy.launch_kernel
_plain_detect_launch_failure = ContainerProcessProxy.detect_launch_failure


async def _launch_process(self: Any, kernel_cmd: Any, **kwargs: Any) -> Any:
    self.reader = None
    try:
        return await _plain_launch_process(self, kernel_cmd, **kwargs)
    except BaseException as error:
        if hasattr(self, "kernel_namespace"):
            _remove(self)
        if isinstance(error, Exception) and not isinstance(error, HTTPError) and self.reader:
            # Such as in a namespace in which the gateway may not even look: the script says why.
            await asyncio.to_thread(self.reader.join, 5)
            _tell(self)
        raise


def _remove(proxy: Any) -> None:
    from kubernetes import client

    api = client.CoreV1Api()
    if proxy.container_name:
        with contextlib.suppress(client.exceptions.ApiException):  # it has gone
            api.delete_namespaced_pod(
                proxy.container_name, proxy.kernel_namespace, grace_period_seconds=0
            )
    if proxy.delete_kernel_namespace:
        try:
            api.delete_namespace(proxy.kernel_namespace)
            proxy.log.info("Deleted kernel namespace: %s", proxy.kernel_namespace)
        except client.exceptions.ApiException as error:
            if error.status not in (404, 409):  # it has gone, or is on its way
                proxy.log.warning(
                    "Kernel namespace %s stays: %s", proxy.kernel_namespace, error.reason
                )


def _launch_kernel(self: Any, cmd: Any, **kwargs: Any) -> Any:
    process = _plain_launch_kernel(self, cmd, **{**kwargs, "stderr": subprocess.PIPE})

    def hand_on() -> None:
        for line in process.stderr:
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
            if b": error: " in line:  # as our launch scripts say it
                self.launch_error = line.decode(errors="replace").strip()

    self.launch_error = ""
    self.reader = threading.Thread(target=hand_on, daemon=True)
    self.reader.start()
    return process


def _detect_launch_failure(self: Any) -> None:
    process = self.local_proc
    if process and (process.poll() or 0) > 0:
        self.reader.join(1)
        _tell(self)
    _plain_detect_launch_failure(self)


def _tell(self: Any) -> None:
    if self.launch_error:
        self.local_proc = None
        reason = f"Kernel {self.kernel_id} was not started: {self.launch_error}"
        self.log_and_raise(http_status_code=500, reason=reason)


ContainerProcessProxy.launch_process = _launch_process
ContainerProcessProxy.launch_kernel = _launch_kernel
ContainerProcessProxy.detect_launch_failure = _detect_launch_failure
