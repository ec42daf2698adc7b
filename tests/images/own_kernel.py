"""Kernels of one test's own, started as the gateway does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from verify.engine import Engine
from verify.kernel import PLAIN, Kernel, Wish
from verify.lab import Lab
from verify.languages import LANGUAGES
from verify.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def lab_of(image: str, language: str) -> Iterator[Lab]:
    """Starts kernels of an image; what is left of them goes at the end."""
    engine = Engine()
    lab = Lab(engine, image, language, LANGUAGES[language], 60, Pace())
    yield lab
    lab.close()
    engine.clear()


@contextlib.contextmanager
def own_kernel(lab: Lab, wish: Wish = PLAIN) -> Iterator[Kernel]:
    """A kernel that has reported; removed at the end."""
    kernel = lab.launch(wish)
    try:
        kernel.wait_report(lab.timeout)
        yield kernel
    finally:
        kernel.remove()
