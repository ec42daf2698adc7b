"""A conversation with a kernel over ZMQ: execute code, answer its questions."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, cast

from jupyter_client.blocking.client import BlockingKernelClient

from verify.outcome import Outcome
from verify.rules import Broken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verify.pace import Pace

READY_SECONDS = 60.0  # the gateway's EG_KERNEL_INFO_TIMEOUT
RUN_SECONDS = 60.0


class Talk:
    """A client of one kernel."""

    def __init__(self, info: Mapping[str, Any], address: str, pace: Pace) -> None:
        """Connect as the gateway does: what was reported, at the address it knows itself."""
        self._pace = pace
        self._client = BlockingKernelClient()
        self._client.load_connection_info(cast("Any", {**info, "ip": address}))
        self._client.start_channels(hb=False)

    def close(self) -> None:
        """Leave; the kernel is not asked to end."""
        self._client.stop_channels()

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the kernel has answered and is idle.

        Raises:
            Broken: `execute`.
        """
        patience = self._pace.patience(seconds)
        while True:
            try:
                self._client.wait_for_ready(timeout=patience.left)
                break
            except RuntimeError as error:
                if patience.over():
                    message = f"no answer to kernel_info_request within {seconds:.0f} s"
                    raise Broken("execute", message) from error
        patience.kept("execute", "the kernel has answered")

    def run(self, code: str, *, answer: str = "", seconds: float = RUN_SECONDS) -> Outcome:
        """Execute code to its end.

        Args:
            code: The code.
            answer: What is typed where it asks; without it, the kernel is told not to ask.
            seconds: For all of it.

        Raises:
            Broken: `execute`, when it does not end in time.
        """
        return self.finish(self.begin(code, ask=bool(answer)), answer=answer, seconds=seconds)

    def begin(self, code: str, *, ask: bool = False) -> str:
        """Have code executed without waiting; returns the message's id."""
        return str(self._client.execute(code, allow_stdin=ask))

    def wait_for_text(self, message_id: str, seconds: float = RUN_SECONDS) -> None:
        """Wait until code has printed something.

        Raises:
            Broken: `execute`.
        """
        outcome, patience = Outcome(), self._pace.patience(seconds)
        while not outcome.text:
            if patience.over():
                raise Broken("execute", f"code that prints has printed nothing in {seconds:.0f} s")
            self._gather(outcome, message_id)
        patience.kept("execute", "code has printed")

    def finish(self, message_id: str, *, answer: str = "", seconds: float = RUN_SECONDS) -> Outcome:
        """Wait until code has ended: it is idle again and has replied.

        Raises:
            Broken: `execute`, when that is not so in time.
        """
        outcome, idle, patience = Outcome(), False, self._pace.patience(seconds)
        while not (idle and outcome.status):
            if patience.over():
                raise Broken("execute", f"code has not ended after {seconds:.0f} s: {outcome}")
            idle = self._gather(outcome, message_id) or idle
            if answer and self._ours(self._client.stdin_channel, message_id):
                self._client.input(answer)
            reply = self._ours(self._client.shell_channel, message_id)
            if reply:
                outcome.add(reply["msg_type"], reply["content"])
        patience.kept("execute", "code has ended")
        return outcome

    def send_and_forget(self, code: str) -> None:
        """Send an execute request and, on the control channel, one to shut down; await nothing."""
        self._client.execute(code, store_history=False)
        self.shutdown()

    def shutdown(self) -> None:
        """Ask the kernel to end, on the control channel."""
        self._client.shutdown()

    def _gather(self, outcome: Outcome, message_id: str) -> bool:
        """Take iopub messages of the code; whether it has become idle."""
        message = self._ours(self._client.iopub_channel, message_id, wait=0.05)
        while message:
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return True
            outcome.add(message["msg_type"], message["content"])
            message = self._ours(self._client.iopub_channel, message_id)
        return False

    def _ours(self, channel: Any, message_id: str, wait: float = 0.0) -> dict[str, Any]:
        """The next message that answers `message_id`; empty where there is none now."""
        while True:
            try:
                message: dict[str, Any] = channel.get_msg(timeout=wait)
            except queue.Empty:
                return {}
            if message["parent_header"].get("msg_id") == message_id:
                return message
            wait = 0.0
