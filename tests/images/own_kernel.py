"""A kernel of one test's own, started as the gateway does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from verify.kernel import PLAIN, Kernel, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.lab import Lab


@contextlib.contextmanager
def own_kernel(lab: Lab, wish: Wish = PLAIN) -> Iterator[Kernel]:
    """A kernel that has reported; removed at the end."""
    kernel = lab.launch(wish)
    try:
        kernel.wait_report(lab.timeout)
        yield kernel
    finally:
        kernel.remove()
