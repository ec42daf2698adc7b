"""Read by the gateway at its start: mends how its server replaces a connection, and what it starts.

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
"""

from __future__ import annotations

import asyncio
from typing import Any

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
