"""Read by the gateway at its start: mends a deadlock of the server that it is built on.

JupyterLab connects to a new kernel twice within a tenth of a second, and drops the first
connection. jupyter_server 1.24 (the last that gateway 3.3 runs on) lets the second one close the
first and waits for that. But a connection that still waits for the kernel's first answer is not
open yet, and so never closes: the notebook stays without a kernel until it gives up, after 42
seconds.

Here such a connection counts as closed at once, and is turned away when its turn comes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.services.kernels.handlers import ZMQChannelsHandler
from tornado.websocket import WebSocketHandler

_plain_open = ZMQChannelsHandler.open
_plain_close = ZMQChannelsHandler.close
_plain_on_close = ZMQChannelsHandler.on_close


def _open(self: Any, kernel_id: str) -> Any:
    if getattr(self, "replaced_early", False):
        WebSocketHandler.close(self)
        return None
    self.has_opened = True
    return _plain_open(self, kernel_id)


def _close(self: Any) -> Any:
    if getattr(self, "has_opened", False):
        return _plain_close(self)
    self.replaced_early = True
    return asyncio.sleep(0)  # something to wait for


def _on_close(self: Any) -> None:
    # It was never counted as a connection, and has no streams that a later one could take over.
    if not getattr(self, "replaced_early", False):
        _plain_on_close(self)


ZMQChannelsHandler.open = _open
ZMQChannelsHandler.close = _close
ZMQChannelsHandler.on_close = _on_close
