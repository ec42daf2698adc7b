"""What can go wrong, as the rest of the puller tells it apart."""

from __future__ import annotations


class SettingsError(Exception):
    """A variable that does not say what it should; ends the puller with all of them named."""


class FetchFailed(Exception):
    """The names of the images could not be asked for; the next round asks again."""


class PullFailed(Exception):
    """An image that did not come.

    Attributes:
        permanent: Asking the registry again in a few seconds gives the same answer: there is no
            such image, or it is not for us.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class RuntimeUnreachable(PullFailed):
    """Nobody answers at the node's container runtime, which is nobody's fault but the node's."""


# What engines pass on from registries. There are no codes for these that hold for both the Docker
# API and the CRI, nor for all registries.
_PERMANENT = (
    "access denied",
    "authentication required",
    "authorization failed",
    "401 unauthorized",
    "403 forbidden",
    "invalid reference format",
    "manifest unknown",
    "manifest invalid",
    "name unknown",
    "no basic auth credentials",
    "no match for platform",
    "no matching manifest",
    "repository name not known",
    "unauthorized",
    "incorrect username or password",
)


def is_permanent(message: str) -> bool:
    """Whether a registry's answer, as an engine words it, will be the same in a few seconds."""
    lower = message.lower()
    return any(words in lower for words in _PERMANENT)
