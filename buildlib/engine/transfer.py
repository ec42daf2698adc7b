"""Images between the engine and a registry: one reference pushed or pulled, with patience.

The engine moves the layers itself; this starts it, adds up what it reports, and tries again what
may pass (a registry that restarts, a 429), but not what cannot (denied, not found). Credentials
are those of Docker's own configuration; docker-py reads them, and they are in no message of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Observe = Callable[[int, int], None]
"""Called with bytes done and bytes in total, as far as known. May be called from any thread."""


def unobserved(done: int, total: int) -> None:
    """An observer that tells nobody."""


class Carrier(Protocol):
    """What moves images between an engine and a registry: this module, or a fake of it."""

    def push(self, reference: str, *, observe: Observe = unobserved) -> str:
        """Push what the engine has under a reference (`host/name:tag`).

        Args:
            reference: Name and tag; the engine must have it. Blobs that are there are not sent.
            observe: Told how far it is.

        Returns:
            The digest of the manifest, as the registry took it.

        Raises:
            ActionError: It is refused, or it still fails after some tries.
            EngineUnavailable: No engine answers.
        """

    def pull(self, reference: str, *, platform: str = "", observe: Observe = unobserved) -> str:
        """Bring an image into the engine.

        Args:
            reference: `host/name:tag` or `host/name@sha256:…`.
            platform: Such as `linux/amd64`; that of the engine when empty.
            observe: Told how far it is.

        Returns:
            The digest that the registry gave.

        Raises:
            ActionError: It is refused, or it still fails after some tries; or what came is not
                what the digest of the reference names.
            EngineUnavailable: No engine answers.
        """


def push(reference: str, *, observe: Observe = unobserved) -> str:
    """See `Carrier.push`."""
    raise NotImplementedError


def pull(reference: str, *, platform: str = "", observe: Observe = unobserved) -> str:
    """See `Carrier.pull`."""
    raise NotImplementedError
