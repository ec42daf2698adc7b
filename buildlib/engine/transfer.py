"""Push or pull one image reference between the engine and a registry, with retries.

The engine moves the layers itself; this starts it, adds up what it reports, and retries transient
errors (a registry that restarts, a 429), but not permanent ones (denied, not found). Credentials
are those of Docker's own configuration; docker-py reads them, and they are in no message of ours.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from buildlib.errors import ActionError

if TYPE_CHECKING:
    import docker

Observe = Callable[[int, int], None]
"""Called with bytes done and bytes in total, as far as known; from any thread."""

TRIES = 6
"""Number of tries; a retry does not move again what an earlier try moved."""
_FIRST_WAIT = 1.0
"""Seconds before the second try; each further wait is twice as long."""
_SILENCE = 600
"""Seconds that the engine may be silent: it unpacks a large layer without a word."""
_ENDED = ("Pushed", "Layer already exists", "Download complete", "Pull complete")
"""The engine's words for a layer that is finished."""
_DIGEST = re.compile(r"\bdigest: (sha256:[0-9a-f]+)\b", re.IGNORECASE)
"""In the last line of a pull; also of a push, with the containerd store."""
_HINTS = (
    # What an engine or a registry says -> the fix.
    (r"denied|unauthorized|no basic auth|authentication required|403 Forbidden", "docker login {}"),
    (r"x509|certificate", "sudo mkdir -p /etc/docker/certs.d/{0}  # and put its ca.crt there"),
    (r"HTTP response to HTTPS client", "docs/registries.md#plain-or-tls  # {0} speaks no TLS"),
    (r"no space left", "docker system df  # is there space, here and in the registry?"),
    (r"\b50[0-9]\b|internal server error", "{1}  # its own log says more: is its disk full?"),
)
_TRANSIENT = re.compile(
    r"""
    time(d\ )?\ ?out | deadline\ exceeded | toomanyrequests | too\ many\ requests
    | \b(429|50[0-9])\b | internal\ server\ error | service\ unavailable | bad\ gateway
    | connection\ (refused|reset) | broken\ pipe | \bEOF\b | closed\ network\ connection
    | blob\ (upload\ )?(unknown|invalid) | unknown\ error | temporary\ failure
    | server\ misbehaving | no\ route\ to\ host | network\ is\ unreachable
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PERMANENT = re.compile(
    r"denied|unauthorized|no basic auth|not found|manifest unknown|does not exist|x509"
    r"|invalid reference|no space left|no such image|no matching manifest|40[0134] ",
    re.IGNORECASE,
)


def unobserved(done: int, total: int) -> None:
    """Ignore the progress of a transfer."""


class ImageTransport(Protocol):
    """Moves images between an engine and a registry: this module, or a fake of it.

    Both methods raise `ActionError` when refused, or when the retries fail as well, and
    `EngineUnavailable` when no engine answers.
    """

    def push(self, reference: str, *, observe: Observe = unobserved) -> str:
        """Push what the engine has under `host/name:tag`; return the digest of its manifest.

        Blobs that are there are not sent.
        """

    def pull(self, reference: str, *, platform: str = "", observe: Observe = unobserved) -> str:
        """Pull `host/name:tag` or `host/name@sha256:…`; return the digest that the registry gave.

        The platform, such as `linux/amd64`, is that of the engine when empty. A digest that is not
        that of the reference is an `ActionError`.
        """


def push(reference: str, *, observe: Observe = unobserved) -> str:
    """Push a reference, as `ImageTransport` says."""

    def messages(client: docker.APIClient) -> Iterable[dict[str, Any]]:
        name, tag = _split_reference(reference)
        answer: Iterable[dict[str, Any]] = client.push(name, tag, stream=True, decode=True)
        return answer

    digest = _run_transfer(reference, "pushed", messages, observe)
    if not digest:
        raise ActionError(
            f"{reference} was pushed, and the engine tells no digest",
            fix=f"docker push {reference}",
        )
    return digest


def pull(reference: str, *, platform: str = "", observe: Observe = unobserved) -> str:
    """Pull a reference, as `ImageTransport` says."""

    def messages(client: docker.APIClient) -> Iterable[dict[str, Any]]:
        name, tag = _split_reference(reference)
        answer: Iterable[dict[str, Any]] = client.pull(
            name, tag, stream=True, decode=True, platform=platform or None
        )
        return answer

    digest = _run_transfer(reference, "pulled", messages, observe)
    expected = reference.partition("@")[2]
    if expected and digest != expected:
        raise ActionError(
            f"{reference} was asked for, and {digest or 'something without a digest'} came",
            fix=f"docker pull {reference}",
        )
    return digest


def _run_transfer(
    reference: str,
    done: str,
    messages: Callable[[docker.APIClient], Iterable[dict[str, Any]]],
    observe: Observe,
) -> str:
    """Push or pull, with retries where they may help; return the digest that the engine named."""
    from docker.errors import APIError, DockerException
    from requests import RequestException

    from buildlib.engine.find import find_engine, unavailable
    from buildlib.engine.sdk import client_of, root_cause

    endpoint = find_engine()
    layers = Layers(observe)
    for attempt in range(1, TRIES + 1):
        client = None
        try:
            layers.begin()
            client = client_of(endpoint, timeout=_SILENCE)
            return _read_answer(messages(client), layers)
        except (_RefusedError, APIError) as error:
            message = str((error.explanation if isinstance(error, APIError) else "") or error)
            # The engine itself retries a layer for a minute: we try again only if it finished a
            # layer in this try, which it does not when a disk is full.
            hopeless = layers.retried and not layers.finished
            if hopeless or attempt == TRIES or not is_transient(message):
                raise _refused(reference, done, message, attempt) from None
            again = f"trying again (attempt {attempt + 1} of {TRIES})"
            sys.stderr.write(f"warning: {reference}: {' '.join(message.split())}; {again}\n")
        except (RequestException, OSError) as error:
            raise unavailable(endpoint, root_cause(error)) from None
        except DockerException as error:  # a credential helper that fails, for one
            raise _refused(reference, done, str(error), attempt) from None
        finally:
            if client is not None:
                client.close()
        back_off(attempt)
    raise AssertionError  # the last try returns or raises


def _read_answer(messages: Iterable[dict[str, Any]], layers: Layers) -> str:
    """Read the engine's answer to its end; errors come in the middle of it."""
    digest = ""
    for message in messages:
        if "error" in message:
            detail = message.get("errorDetail") or {}
            raise _RefusedError(str(detail.get("message") or message["error"]))
        digest = layers.take(message) or digest
    return digest


class _RefusedError(Exception):
    """An error message in the middle of the engine's answer."""


def is_transient(message: str) -> bool:
    """Whether a retry may help after an engine's error message."""
    return bool(_TRANSIENT.search(message)) and not _PERMANENT.search(message)


def back_off(attempt: int) -> None:
    """Wait after failed try `attempt` (from 1); jitter keeps clients from retrying in step."""
    time.sleep(_FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))  # noqa: S311


class Layers:
    """Adds up the progress of one transfer's layers, over all its tries.

    Args:
        observe: Called with the sums whenever they change.

    Attributes:
        retried: Whether the engine has begun a layer anew, in this try.
        finished: How many layers were finished in this try.
    """

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self.begin()
        self._layers: dict[str, tuple[int, int]] = {}
        self._sums = (0, 0)

    def begin(self) -> None:
        """Start a new try; layers of earlier ones still count."""
        self.retried = False
        self.finished = 0

    def take(self, message: dict[str, Any]) -> str:
        """Take one message of the engine; return the digest, if the message has it.

        Bytes are those on the way (`Pushing`, `Downloading`); unpacking is not counted.
        """
        aux = message.get("aux")
        if isinstance(aux, dict) and aux.get("Digest"):
            return str(aux["Digest"])
        status = str(message.get("status", ""))
        if match := _DIGEST.search(status):
            return match[1]
        layer = str(message.get("id", ""))
        detail = message.get("progressDetail") or {}
        if status in ("Pushing", "Downloading"):
            done = int(detail.get("current") or 0)
            # A layer's total is a guess where the engine compresses on the way.
            self._layers[layer] = done, max(done, int(detail.get("total") or 0))
        elif status.startswith("Retrying"):
            self.retried = True
        elif layer in self._layers and status in _ENDED:
            self.finished += status != "Layer already exists"
            total = self._layers[layer][1]
            self._layers[layer] = total, total
        sums = (
            sum(done for done, _ in self._layers.values()),
            sum(total for _, total in self._layers.values()),
        )
        if sums != self._sums:
            self._sums = sums
            self._observe(*sums)
        return ""


def _split_reference(reference: str) -> tuple[str, str]:
    """Split into name, and tag or digest; the default is `latest`, and not all tags."""
    from docker.utils import parse_repository_tag

    name, tag = parse_repository_tag(reference)
    return name, tag or "latest"


def _refused(reference: str, done: str, message: str, attempts: int) -> ActionError:
    message = re.sub(r"\s+", " ", message).strip()[:500]
    host = reference.partition("/")[0]
    again = f"docker {done.removesuffix('ed')} {reference}"
    hint = next((fix for pattern, fix in _HINTS if re.search(pattern, message, re.IGNORECASE)), "")
    tries = f" after {attempts} tries" if attempts > 1 else ""
    return ActionError(
        f"{reference} cannot be {done}{tries}: {message}",
        fix=hint.format(host, again) or again,
    )
