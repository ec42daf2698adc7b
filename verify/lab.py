"""What the cases of one image share: its engine, the small gateway, and a kernel that runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from verify.kernel import PLAIN, Kernel, Wish
from verify.listener import KeyPair, Listener
from verify.rules import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.engine import Engine
    from verify.languages import Language


class Lab:
    """Starts kernels of one image.

    Attributes:
        image: The image, by its id: what is looked at first is what is verified.
        language: The snippets.
        timeout: Seconds a kernel has to report.
    """

    def __init__(
        self, engine: Engine, image: str, language_name: str, language: Language, timeout: float
    ) -> None:
        self.image = image
        self.language = language
        self.timeout = timeout
        self._engine = engine
        self._language_name = language_name
        self._keys = KeyPair()
        self._listener = Listener(engine.host_address)
        self._shared: Kernel | None = None
        self._hopeless: Broken | None = None

    def close(self) -> None:
        """End the conversation with the shared kernel; the engine removes the containers."""
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
            Broken: a plain kernel has not started before, so this one won't.
        """
        if self._hopeless is not None and not refused:
            raise Broken(self._hopeless.rule, "not tried: no kernel starts, see above")
        return Kernel(
            self._engine,
            self.image,
            self._language_name,
            listener or self._listener,
            self._keys,
            wish,
        )

    @contextlib.contextmanager
    def kernel(self, wish: Wish = PLAIN) -> Iterator[Kernel]:
        """A kernel of one's own that has reported; removed at the end."""
        kernel = self.launch(wish)
        try:
            kernel.wait_report(self.timeout)
            yield kernel
        finally:
            kernel.remove()

    @contextlib.contextmanager
    def shared(self, *, last: bool = False) -> Iterator[Kernel]:
        """The kernel that all may use that leave it usable; a new one after a failure.

        Args:
            last: It will be ended: the next one gets another.
        """
        if self._shared is None:
            kernel = self.launch()
            self._shared = kernel
            try:
                kernel.wait_report(self.timeout)
            except Broken as broken:
                self._hopeless = broken
                self.drop()
                raise
        try:
            yield self._shared
        except Exception:
            self.drop()
            raise
        if last:
            self.drop()

    def adopt(self, kernel: Kernel) -> None:
        """Share a kernel that was started otherwise."""
        self.drop()
        self._shared = kernel

    def drop(self) -> None:
        """Remove the shared kernel."""
        if self._shared is not None:
            self._shared.remove()
            self._shared = None

    def listener_for_later(self) -> Listener:
        """A response address that refuses connections until it is told to listen."""
        return Listener(self._engine.host_address, later=True)
