"""The puller's settings: environment variables, read and checked once at the start.

Names and defaults are those of Enterprise Gateway's own puller, so that its Helm chart's values
mean here what they mean there. All faulty variables are told at once, and none is guessed at.
"""

from __future__ import annotations

import logging
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from kernel_image_puller.errors import SettingsError
from kernel_image_puller.names import names_of
from kernel_image_puller.references import check_default_registry

FETCHERS = (
    "KernelSpecsFetcher",
    "StaticListFetcher",
    "ConfigMapImagesFetcher",
    "CombinedImagesFetcher",
)
POLICIES = ("IfNotPresent", "Always")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_LEVELS = ("DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL")

_T = TypeVar("_T")


@dataclass(frozen=True)
class Settings:
    """What the puller was told; each attribute is a variable of docs/images/kernel-image-puller.md.

    Attributes:
        interval: Seconds between rounds.
        num_retries: Further tries after the first one, for each image of a round.
        default_registry: Put before names that name none; empty leaves them as they are.
        fetchers: The chosen fetcher, or the ones that it combines.
        docker_config: Folder of registry credentials, or empty.
    """

    gateway: str
    auth_token: str = field(repr=False)
    validate_cert: bool
    interval: int
    log_level: int
    num_pullers: int
    num_retries: int
    always: bool
    endpoint: str
    default_registry: str
    fetchers: tuple[str, ...]
    images: tuple[str, ...]
    config_map_namespace: str
    config_map_name: str
    config_map_key: str
    docker_config: str
    heartbeat: str


def read_settings(env: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: Variables that do not say what they should, a line each.
    """
    problems: list[str] = []

    def read(name: str, default: str, parse: Callable[[str], _T]) -> _T:
        """The value of a variable; an empty one is as good as none, as charts write it."""
        try:
            return parse(env.get(name, "").strip() or default)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return parse(default)

    chosen = read("KIP_IMAGE_FETCHER", "KernelSpecsFetcher", _one_of(FETCHERS))
    combined = read("KIP_INTERNAL_FETCHERS", "KernelSpecsFetcher", _inner_fetchers)
    settings = Settings(
        gateway=read("KIP_GATEWAY_HOST", "http://localhost:8888", _address),
        auth_token=env.get("KIP_AUTH_TOKEN", "").strip(),
        validate_cert=read("KIP_VALIDATE_CERT", "False", _truth),
        interval=read("KIP_INTERVAL", "300", _number(1)),
        log_level=read("KIP_LOG_LEVEL", "INFO", _level),
        num_pullers=read("KIP_NUM_PULLERS", "2", _number(1)),
        num_retries=read("KIP_NUM_RETRIES", "3", _number(0)),
        always=read("KIP_PULL_POLICY", "IfNotPresent", _one_of(POLICIES)) == "Always",
        endpoint=read("KIP_CRI_ENDPOINT", "unix:///run/containerd/containerd.sock", _endpoint),
        default_registry=read("KIP_DEFAULT_CONTAINER_REGISTRY", "", _registry),
        fetchers=combined if chosen == "CombinedImagesFetcher" else (chosen,),
        images=names_of(env.get("KIP_IMAGES", "")),
        config_map_namespace=read("KIP_CM_NAMESPACE", "enterprise-gateway", _kubernetes_name),
        config_map_name=read("KIP_CM_NAME", "kernel-images", _kubernetes_name),
        config_map_key=read("KIP_CM_KEY_NAME", "image-names", str),
        docker_config=env.get("DOCKER_CONFIG", "").strip(),
        heartbeat=read("KIP_HEARTBEAT_FILE", "/tmp/kernel-image-puller.heartbeat", str),  # noqa: S108
    )
    if any(ord(letter) < 33 or ord(letter) > 126 for letter in settings.auth_token):  # noqa: PLR2004
        problems.append("KIP_AUTH_TOKEN: holds what cannot stand in a header of HTTP")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _number(least: int) -> Callable[[str], int]:
    """Whole numbers of at least `least`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text[:10]) < 1_000_000:  # noqa: PLR2004
            raise ValueError(f"{text[:40]!r} is no whole number from {least} to 999999")
        return int(text)

    return parse


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text[:40]!r} is none of {', '.join(words)}")
        return text

    return parse


def _truth(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(f"{text[:40]!r} is neither True nor False")
    return text.lower() in _TRUE


def _level(text: str) -> int:
    """A name of `logging`, or its number."""
    if text.isascii() and text.isdigit() and int(text[:4]) <= logging.CRITICAL:
        return int(text)
    name: str = _one_of(_LEVELS)(text.upper())
    return int(getattr(logging, name))


def _address(text: str) -> str:
    """The gateway's address, without a slash at its end."""
    parts = urllib.parse.urlsplit(text)
    if parts.username or parts.password:  # the value is not repeated: it holds a password
        raise ValueError("holds a user or a password; a token belongs in KIP_AUTH_TOKEN")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text[:200]!r} is no address such as http://gateway:8888")
    parts.port  # noqa: B018  # raises ValueError on what is no port
    return text.rstrip("/")


def _endpoint(text: str) -> str:
    """`unix:///path`, or for the Docker API also `tcp://host:port`; a bare path is a socket's."""
    if text.startswith("/"):
        return f"unix://{text}"
    if text.startswith(("unix:///", "tcp://")):
        return text
    raise ValueError(f"{text[:200]!r} is no address such as unix:///run/containerd/containerd.sock")


def _registry(text: str) -> str:
    if text:
        check_default_registry(text.rstrip("/"))
    return text.rstrip("/")


def _inner_fetchers(text: str) -> tuple[str, ...]:
    """What CombinedImagesFetcher asks, each once, in the given order."""
    inner = _one_of(tuple(name for name in FETCHERS if name != "CombinedImagesFetcher"))
    return tuple(dict.fromkeys(inner(name.strip()) for name in text.split(",") if name.strip()))


def _kubernetes_name(text: str) -> str:
    if not all(letter.isascii() and (letter.isalnum() or letter in "-.") for letter in text):
        raise ValueError(f"{text[:40]!r} is no name of a Kubernetes object")
    return text
