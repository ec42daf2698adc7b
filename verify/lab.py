"""What the cases of one image share: its engine, the small gateway, and kernels that run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from verify.kernel import PLAIN, USER, Kernel, Wish
from verify.listener import KeyPair, Listener
from verify.rules import Broken, Late, NotTried

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.engine import Engine
    from verify.languages import Language
    from verify.pace import Pace

NONE = "none"  # the mode in which Spark is not started


class Lab:
    """Starts kernels of one image.

    Attributes:
        image: The image, by its id: what is looked at first is what is verified.
        language: The snippets.
        timeout: Seconds a kernel has to report.
        pace: Judges what is late.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        language_name: str,
        language: Language,
        timeout: float,
        pace: Pace,
    ) -> None:
        self.image = image
        self.language = language
        self.timeout = timeout
        self.pace = pace
        self._engine = engine
        self._language_name = language_name
        self._keys = KeyPair()
        self._listener = Listener(engine.host_address)
        self._shared: dict[str, Kernel] = {}
        self._hopeless: dict[tuple[str, str], Broken] = {}  # by mode and user

    def close(self) -> None:
        """End the conversation with the shared kernels; the engine removes the containers."""
        self._listener.close()
        self.drop()

    def launch(
        self, wish: Wish = PLAIN, *, listener: Listener | None = None, refused: bool = False
    ) -> Kernel:
        """Start a container, and wait for nothing.

        Args:
            wish: How.
            listener: Another response address.
            refused: The container is expected to end at once.

        Raises:
            NotTried: a plain kernel has not started before, so this one won't.
        """
        if (NONE, USER) in self._hopeless and not refused:
            raise NotTried(self._hopeless[NONE, USER].rule, "no kernel starts")
        return Kernel(
            self._engine,
            self.image,
            self._language_name,
            listener or self._listener,
            self._keys,
            self.pace,
            wish,
        )

    @contextlib.contextmanager
    def shared(self, mode: str = NONE, *, user: str = USER, last: bool = False) -> Iterator[Kernel]:
        """The kernel that all may use that leave it usable; a new one after a failure.

        Args:
            mode: How it starts Spark: `none`, `lazy` or `eager`; one kernel is shared for each.
            user: Whom a new one runs as; one that lives is taken whoever it runs as.
            last: It will be ended: the next one gets another.

        Raises:
            NotTried: a kernel of that mode and user has not started before.
        """
        if mode not in self._shared:
            if (mode, user) in self._hopeless:
                rule = self._hopeless[mode, user].rule
                raise NotTried(rule, f"no kernel starts in mode {mode}")
            kernel = self.launch(spark_wish(mode, user))
            self._shared[mode] = kernel
            try:
                kernel.wait_report(self.timeout)
            except Late:
                self.drop(mode)
                raise
            except Broken as broken:
                self._hopeless[mode, user] = broken
                self.drop(mode)
                raise
        try:
            yield self._shared[mode]
        except Exception:
            self.drop(mode)
            raise
        if last:
            self.drop(mode)

    def shares_one_of(self, user: str, mode: str) -> bool:
        """Whether the shared kernel of a mode lives and runs as that user."""
        kernel = self._shared.get(mode)
        return kernel is not None and kernel.user == user

    def adopt(self, kernel: Kernel) -> None:
        """Share a kernel that was started otherwise, until a case fails or ends it."""
        self.drop(NONE)
        self._shared[NONE] = kernel

    def drop(self, mode: str = "") -> None:
        """Remove the shared kernel of a mode, or of all."""
        for name in [mode] if mode else list(self._shared):
            kernel = self._shared.pop(name, None)
            if kernel is not None:
                kernel.remove()

    def listener_for_later(self) -> Listener:
        """A response address that refuses connections until it is told to listen."""
        return Listener(self._engine.host_address, later=True)


def spark_wish(mode: str, user: str = USER) -> Wish:
    """A kernel in a mode of Spark."""
    return Wish(env={"KERNEL_SPARK_CONTEXT_INIT_MODE": mode}, user=user)
