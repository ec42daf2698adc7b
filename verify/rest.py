"""A client of the gateway's REST interface and websocket, over nothing but the protocol.

Requests never go through a proxy: the gateway is on this machine.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

from verify.outcome import Outcome
from verify.rules import Broken

if TYPE_CHECKING:
    from verify.pace import Pace

REQUEST_SECONDS = 120.0
RUN_SECONDS = 60.0
CONNECT_SECONDS = 20.0
READY_SECONDS = 60.0  # the gateway's EG_KERNEL_INFO_TIMEOUT
CLOSED = "the gateway has closed the websocket"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Reply(NamedTuple):
    """An answer: its status, 0 where nobody answers, and its body (parsed, if it is JSON)."""

    status: int
    body: Any


class Rest:
    """The gateway at a URL, such as `http://127.0.0.1:8888`."""

    def __init__(self, url: str, token: str, pace: Pace) -> None:
        self._url = url
        self._pace = pace
        self._headers = {"Authorization": f"token {token}"}

    def call(
        self, method: str, path: str, body: Any = None, seconds: float = REQUEST_SECONDS
    ) -> Reply:
        """Ask for a path below `/api`; an error status is an answer, too."""
        request = urllib.request.Request(  # noqa: S310 - our own http:// address
            f"{self._url}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={**self._headers, "Content-Type": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=seconds * self._pace.scale) as answer:
                return Reply(answer.status, _parsed(answer.read()))
        except urllib.error.HTTPError as error:
            return Reply(error.code, _parsed(error.read()))
        except OSError as error:
            return Reply(0, str(error))

    def connect(self, kernel_id: str, *, again: float = 0.0) -> Channels:
        """The websocket of a kernel.

        Args:
            kernel_id: The kernel's id.
            again: Seconds after which to connect again and forget the first connection, as
                JupyterLab does; 0 to connect once.

        Raises:
            Broken: `gateway-start-kernel`, when it is refused.
        """
        session = uuid.uuid4().hex
        url = self._url.replace("http", "ws", 1)
        url += f"/api/kernels/{kernel_id}/channels?session_id={session}"
        try:
            # The gateway accepts it when the kernel has answered a kernel_info_request.
            scale = self._pace.scale
            request = HTTPRequest(
                url,
                headers=self._headers,
                connect_timeout=CONNECT_SECONDS * scale,
                request_timeout=READY_SECONDS * scale,
            )
            return Channels(request, session, again, self._pace)
        except (HTTPClientError, OSError) as error:
            raise Broken("gateway-start-kernel", f"the websocket is refused: {error}") from error


class Channels:
    """A kernel's channels on one websocket. The loop runs only while something is awaited."""

    def __init__(self, request: HTTPRequest, session: str, again: float, pace: Pace) -> None:
        self._pace = pace
        self._loop = asyncio.new_event_loop()
        self._session = session
        self._reading: asyncio.Future[str | bytes | None] | None = None
        try:
            self._socket = self._loop.run_until_complete(self._open(request, again))
        except BaseException:
            self._loop.close()
            raise

    async def _open(self, request: HTTPRequest, again: float) -> Any:
        if again:
            self._forgotten = websocket_connect(request)
            await asyncio.sleep(again)
        return await websocket_connect(request)

    def close(self) -> None:
        """Disconnect."""
        if self._loop.is_closed():
            return
        self._socket.close()
        self._loop.run_until_complete(asyncio.sleep(0.05))  # for the closing message
        self._loop.close()

    def send(self, kind: str, content: dict[str, Any]) -> str:
        """Send a message on the shell channel; returns its id."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self._session,
            "username": "verify",
            "version": "5.3",
            "date": dt.datetime.now(dt.timezone.utc).isoformat(),
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        self._loop.run_until_complete(self._write(json.dumps(message)))
        return str(header["msg_id"])

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the kernel answers; a question that came too early may be lost.

        Raises:
            Broken: `gateway-start-kernel`.
        """
        patience = self._pace.patience(seconds)
        while not patience.over():
            asked = self.send("kernel_info_request", {})
            again = time.monotonic() + 2
            while time.monotonic() < again:
                message = self._receive(again - time.monotonic())
                ours = message.get("parent_header", {}).get("msg_id") == asked
                if ours and message["msg_type"] == "kernel_info_reply":
                    patience.kept("gateway-start-kernel", "the kernel has answered")
                    return
        raise Broken("gateway-start-kernel", f"no kernel_info_reply within {seconds:.0f} s")

    def begin(self, code: str) -> str:
        """Have code executed; returns the message's id."""
        content = {"code": code, "silent": False, "allow_stdin": False, "stop_on_error": True}
        # Every field there is: Toree refuses a request that lacks one.
        more = {"store_history": True, "user_expressions": {}}
        return self.send("execute_request", {**content, **more})

    def run(self, code: str) -> Outcome:
        """Execute code to its end.

        Raises:
            Broken: `gateway-execute`.
        """
        return self.finish(self.begin(code))

    def wait_for_text(self, message_id: str) -> None:
        """Wait until code has printed something.

        Raises:
            Broken: `gateway-execute`.
        """
        self._until(message_id, Outcome(), to_the_end=False, seconds=RUN_SECONDS)

    def finish(self, message_id: str, seconds: float = RUN_SECONDS) -> Outcome:
        """Wait until code has ended.

        Raises:
            Broken: `gateway-execute`.
        """
        return self._until(message_id, Outcome(), to_the_end=True, seconds=seconds)

    def _until(
        self, message_id: str, outcome: Outcome, *, to_the_end: bool, seconds: float
    ) -> Outcome:
        patience, idle = self._pace.patience(seconds), False
        while not ((idle and outcome.status) if to_the_end else outcome.text):
            if patience.over():
                raise Broken("gateway-execute", f"code hangs for {seconds:.0f} s: {outcome}")
            message = self._receive(patience.left)
            if message.get("parent_header", {}).get("msg_id") == message_id:
                kind, content = message["msg_type"], message["content"]
                idle = idle or (kind == "status" and content["execution_state"] == "idle")
                outcome.add(kind, content)
        patience.kept("gateway-execute", "code has ended" if to_the_end else "code has printed")
        return outcome

    async def _write(self, text: str) -> None:
        try:
            await self._socket.write_message(text)
        except WebSocketClosedError:
            raise Broken("gateway-execute", CLOSED) from None

    def _receive(self, seconds: float) -> dict[str, Any]:
        """The next message; empty where none comes in time."""
        return self._loop.run_until_complete(self._read(seconds))

    async def _read(self, seconds: float) -> dict[str, Any]:
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._socket.read_message())
        await asyncio.wait([self._reading], timeout=max(0.0, seconds))
        if not self._reading.done():
            return {}
        text = self._reading.result()
        self._reading = None
        if text is None:
            raise Broken("gateway-execute", CLOSED)
        message: dict[str, Any] = json.loads(text)
        return message


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
