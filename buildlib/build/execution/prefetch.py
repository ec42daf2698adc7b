"""Prefetch: fetch what targets will read while others are built, in the order of the plan.

One thread brings group after group into the content store. A target that needs a file that is on
its way waits for it (`outside.fetch.part` lets one writer at a time write a file). A target whose
files failed here asks for them again, and reports the error as its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from buildlib.errors import BuildError

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.outside.fetch.source import Download


class Prefetcher:
    """Fetches groups of downloads, one after the other, from the moment it is made.

    `say` takes a line at the start, and one for each group that fails.

    Attributes:
        state: The progress in a few words; empty when all is done.
    """

    def __init__(
        self,
        workspace: Workspace,
        groups: Sequence[Sequence[Download]],
        say: Callable[[str], None],
    ) -> None:
        self._workspace = workspace
        self._groups = groups
        self._say = say
        self._before = 0
        self._total = sum(entry.size or 0 for group in groups for entry in group)
        self.state = self._words(0)
        files = sum(map(len, groups))
        say(f"fetching {files} files, {self._total / 1e6:.0f} MB, while targets are made")
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            for group in self._groups:
                try:
                    self._workspace.fetch(group, observer=self._observe, tell=self._say)
                except BuildError as error:
                    self._say(f"warning: {error.what}; the target that needs it will try again")
                self._before += sum(entry.size or 0 for entry in group)
        finally:
            self.state = ""

    def _observe(self, done: int, total: int, files: int, all_files: int) -> None:
        del total, files, all_files
        self.state = self._words(self._before + done)

    def _words(self, done: int) -> str:
        return f"fetching {done / 1e6:.0f} of {self._total / 1e6:.0f} MB"
