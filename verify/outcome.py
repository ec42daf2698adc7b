"""What became of code that was executed, gathered from the messages of its kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome:
    """What became of code that was executed.

    Attributes:
        text: What it printed, and its result as text.
        printed: What it printed alone.
        shown: Displays, each a dict of MIME type to content.
        status: `ok`, `error`, `aborted`; empty while there is no reply.
        error: Name of the error, where there is one.
        reason: What the error says.
    """

    def __init__(self) -> None:
        self.text = ""
        self.printed = ""
        self.shown: list[dict[str, Any]] = []
        self.status = ""
        self.error = ""
        self.reason = ""

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take a message from iopub or shell."""
        if kind == "stream" and content["name"] == "stdout":
            self.text += content["text"]
            self.printed += content["text"]
        elif kind in {"execute_result", "display_data"}:
            self.shown.append(content["data"])
            if kind == "execute_result":
                self.text += content["data"].get("text/plain", "")
        elif kind == "error":
            self.error = content["ename"]
            self.reason = content.get("evalue", "")
        elif kind == "execute_reply":
            self.status = content["status"]
            self.error = content.get("ename") or self.error

    def __str__(self) -> str:
        said = f"printed {self.text[:200]!r}"
        reason = f": {' '.join(self.reason.split())[:200]}" if self.reason else ""
        return f"{self.error or self.status or 'no reply'}{reason}, {said}"
