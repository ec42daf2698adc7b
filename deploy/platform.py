"""A platform, as those see it who start a gateway: `deploy`, to use it, and `verify`, to try it.

One module for each platform implements it: `compose` (plain Docker), `swarm`. These know of the
build system its errors only, and of a gateway only its name: what is started, whoever asks brings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from buildlib.errors import ActionError

Say = Callable[[str], None]
"""Takes a line of progress."""
KERNELS = ("app=enterprise-gateway", "component=kernel")
"""Labels of every kernel, on every platform: the gateway's launch scripts give them."""
KERNEL_ID = "kernel_id"
"""The label that has a kernel's ID."""
GRACE = 30
"""Seconds that a gateway has to end its kernels when it is removed."""


class NotUp(ActionError):
    """The platform has started the gateway, and it does not serve; `detail` is its log."""


class Kernel(NamedTuple):
    """A kernel, as the platform sees it.

    Attributes:
        name: Of its container.
        image: ID of the image that it runs.
    """

    name: str
    image: str


class Platform(Protocol):
    """A gateway on a platform, whether it runs or not.

    All that belongs to it (container or service, network, kernels) is found by its name each time.
    So whoever has the name can remove it, and nothing of it has to be remembered for that.
    """

    @property
    def name(self) -> str:
        """The name: a compose project's, a stack's; its network has it, too."""

    def check(self) -> None:
        """Refuse a platform on which no gateway can be started.

        Raises:
            BuildError: Why not, and what would help.
        """

    def exists(self) -> bool:
        """Whether there is anything of that name, whoever made it."""

    def up(self, say: Say) -> None:
        """Start it, or bring it up to date, and wait until it serves, as far as that can be seen.

        Raises:
            NotUp: It does not serve.
            ActionError: The platform refuses.
        """

    def waiting(self) -> str:
        """What is still missing before it serves; an empty text where nothing is.

        Raises:
            NotUp: It will not.
        """

    def url(self) -> str:
        """Its address, as seen from the platform's own host; an empty text where it has none."""

    def log(self, lines: int = 0) -> str:
        """What it has printed: the last lines, or all."""

    def kernels(self, kernel_id: str = "") -> list[Kernel]:
        """Its kernels that are there, or the one of this ID (which may be several containers)."""

    def down(self, say: Say, grace: int = GRACE) -> list[str]:
        """Remove it, its kernels, and what was made for it.

        Returns:
            What was removed, in words.

        Raises:
            ActionError: Something does not go.
        """
