"""What an image's name means: registry, path, tag, digest. By the rules of the Docker engine.

Grammar: https://pkg.go.dev/github.com/distribution/reference
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_LONGEST = 255  # letters of registry and path together


class InvalidReference(ValueError):
    """A text that names no image which could be pulled; its message says why."""


@dataclass(frozen=True)
class Reference:
    """An image to pull.

    Attributes:
        registry: Host with an optional port; `docker.io` where the name says none.
        path: Path at the registry, such as `elyra/kernel-py`.
        tag: Empty if only a digest was given.
        digest: Such as `sha256:...`; it says more than the tag, and wins.
    """

    registry: str
    path: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        """Name without tag and digest."""
        return f"{self.registry}/{self.path}"

    @property
    def version(self) -> str:
        """What of the repository is to be pulled."""
        return self.digest or self.tag

    def __str__(self) -> str:
        """The name in full, as every runtime understands it."""
        separator = "@" if self.digest else ":"
        return f"{self.repository}{separator}{self.version}"


def parse_reference(text: str, default_registry: str = "") -> Reference:
    """Read a name.

    Args:
        text: Such as `elyra/kernel-py:dev` or `localhost:5000/x@sha256:...`.
        default_registry: Put before a name without a registry; may have a path of its own. A name
            has a registry if its first part holds a dot or a colon, or is `localhost`; how many
            parts there are says nothing.

    Raises:
        InvalidReference: It is no name, or that of an image which only one engine has.
    """
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise InvalidReference(f"{_shown(text)} has a digest that is none")
    if _ID.fullmatch(text):
        raise InvalidReference(f"{_shown(text)} is the ID of an image: only a name can be pulled")
    registry, rest = _split(rest)
    if not registry:
        registry, rest = _split(f"{default_registry or 'docker.io'}/{rest}")
    if not _REGISTRY.fullmatch(registry):
        raise InvalidReference(f"{_shown(text)} has a registry that is none")
    registry = "docker.io" if registry == "index.docker.io" else registry
    path, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InvalidReference(f"{_shown(text)} has a tag that is none")
    if registry == "docker.io" and "/" not in path:
        path = f"library/{path}"
    if not _PATH.fullmatch(path) or len(registry) + 1 + len(path) > _LONGEST:
        raise InvalidReference(f"{_shown(text)} is no image's name")
    return Reference(registry, path, tag if colon or digest else "latest", digest)


def check_default_registry(text: str) -> None:
    """Refuse what would not make names when it is put before some.

    Raises:
        InvalidReference: It is no registry.
    """
    registry, path = _split(f"{text}/name")
    if not _REGISTRY.fullmatch(registry) or not _PATH.fullmatch(path):
        raise InvalidReference(f"{_shown(text)} is no registry such as registry.example.com:5000")


def _split(name: str) -> tuple[str, str]:
    """Registry (empty if the name has none) and the rest of a name."""
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return first, rest
    return "", name


def _shown(text: str) -> str:
    """A text from outside, fit for a line of a log."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
