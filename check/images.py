"""The images that kernelspecs name: whether they exist, and for which language they are.

An image is looked for in the engine, then in its registry. Where one of the two does not answer,
that is said once, and what only it could know is no error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from buildlib.engine.api import EngineClient
from buildlib.engine.find import find_engine
from buildlib.errors import ActionError, EngineUnavailable
from buildlib.outside.registry.protocol import Registry, RegistryUnavailable
from buildlib.suggest import nearest
from check.kernelspec import PROXY, Kernelspec
from check.known import EXECUTOR_IMAGE, IMAGE

HUB = "docker.io"
_REFERENCE = re.compile(
    r"(?:(?P<host>localhost|[A-Za-z0-9-]*[.:][A-Za-z0-9.:-]*|\[[0-9a-fA-F:]+\](?::\d+)?)/)?"
    r"(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)


class Seen(NamedTuple):
    """What was seen of an image.

    Attributes:
        engine: Whether the engine has it; None where it could not be asked.
        registry: The same of its registry, which is not asked for what the engine has.
        env: Its variables; None where they could not be read.
        said: What the registry says, where that is not simply that it has none.
    """

    engine: bool | None
    registry: bool | None
    env: dict[str, str] | None = None
    said: str = ""


class Engine(Protocol):
    """What is asked of an engine."""

    def describe(self, image: str) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """All that it says of an image, and its history; None if it has none."""

    def tags(self, pattern: str) -> dict[str, str]:
        """Its references that match a pattern."""


def _connect(host: str) -> Registry:
    from buildlib.outside.registry.client import connect
    from buildlib.outside.web.retry import QUICK

    return connect(host, retry=QUICK)


class Images:
    """Looks for images.

    Args:
        engine: None: that of the environment.
        connect: The registry of a host.
        offline: Ask no registry.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        connect: Callable[[str], Registry] = _connect,
        *,
        offline: bool = False,
    ) -> None:
        self._engine: Engine | None = engine or EngineClient(find_engine())
        self._connect = connect
        self._offline = offline
        self._seen: dict[str, Seen] = {}
        self._silent: set[str] = set()
        self.not_asked: list[str] = []
        """What could not be asked, and why: lines for people."""

    def look(self, reference: str) -> Seen:
        """Where an image is."""
        if reference not in self._seen:
            self._seen[reference] = self._look(reference)
        return self._seen[reference]

    def known(self) -> list[str]:
        """The engine's references, for a misspelt one."""
        if self._engine is None:
            return []
        try:
            return [ref for ref in self._engine.tags("*/*") if ":key-" not in ref]
        except ActionError:
            return []

    def _look(self, reference: str) -> Seen:
        if self._engine is None:
            return self._in_registry(reference, None)
        try:
            described = self._engine.describe(reference)
        except EngineUnavailable as error:
            self.not_asked.append(f"images in the engine: {error.what}")
            self._engine = None
            return self._in_registry(reference, None)
        if described is None:
            return self._in_registry(reference, engine=False)
        return Seen(True, None, _variables(described[0].get("Config")))

    def _in_registry(self, reference: str, engine: bool | None) -> Seen:
        host, repository, version = _parts(reference)
        if self._offline:
            self._say_once(host, "--offline")
        if host in self._silent:
            return Seen(engine, None)
        try:
            registry = self._connect(host)
            manifest = registry.manifest(repository, version)
            if manifest is None:
                return Seen(engine, registry=False)
            return Seen(engine, True, _variables_of(registry, repository, manifest))
        except RegistryUnavailable as error:
            self._say_once(host, error.what)
            return Seen(engine, None)
        except ActionError as error:  # Docker Hub says so of what it does not have, too
            return Seen(engine, False, said=error.what)

    def _say_once(self, host: str, why: str) -> None:
        if host not in self._silent:
            self._silent.add(host)
            self.not_asked.append(f"images in registry {host}: {why}")


def check(spec: Kernelspec, images: Images) -> None:
    """Check the images of a kernelspec."""
    if spec.proxy is None or not spec.proxy.in_containers:
        return
    for field in (IMAGE, EXECUTOR_IMAGE):
        name = spec.take(*PROXY, "config", field)
        if name is not None:
            _check_image(spec, images, field, name)


def _check_image(spec: Kernelspec, images: Images, field: str, name: str) -> None:
    where, findings = spec.document.where(*PROXY, "config", field), spec.findings
    if not _REFERENCE.match(name):
        lower = name.lower()
        better = lower if _REFERENCE.match(lower) else "registry.example.com/team/kernel:1"
        reason = "is written in lower case but for its tag" if better == lower else "has no blanks"
        host, slash, path = name.partition("/")
        if better == lower:  # the tag may have capitals
            repository, colon, tag = (path if slash else host).rpartition(":")
            better = (f"{host.lower()}/" if slash else "") + (
                f"{repository.lower()}{colon}{tag}" if colon else tag.lower()
            )
        findings.error(
            f"{name!r} is no name of an image: it {reason}", where, f'"{field}": "{better}"'
        )
        return
    seen = images.look(name)
    host, said = _parts(name)[0], f" ({seen.said})" if seen.said else ""
    if (seen.engine, seen.registry) == (False, False):
        meant = nearest(name, images.known())
        findings.error(
            f"image {name} is neither in the engine nor in its registry, {host}{said}"
            + (f"; did you mean {meant}?" if meant else ""),
            where,
            f'"{field}": "{meant}"' if meant else f"docker build -t {name} .",
        )
    elif (seen.engine, seen.registry) == (False, None):
        what = f"image {name} is not in the engine, and its registry, {host}, was not asked"
        findings.warn(what, where, f"docker pull {name}")
    elif (seen.engine, seen.registry) == (None, False):
        what = f"image {name} is not in its registry, {host}{said}, and no engine was asked"
        findings.warn(what, where, f"docker push {name}")
    if field == IMAGE:
        _check_language(spec, name, seen)


def _check_language(spec: Kernelspec, name: str, seen: Seen) -> None:
    """The gateway has the image start the kernel of `language`, whatever the image is for."""
    language = spec.document.values.get("language")
    of_image = (seen.env or {}).get("KERNEL_LANGUAGE")
    if not of_image or not isinstance(language, str) or not language:
        return
    if language.lower() != of_image.lower():
        spec.findings.error(
            f"image {name} runs kernels of {of_image} (its KERNEL_LANGUAGE), and language is "
            f"{language}",
            spec.document.where("language"),
            f'"language": "{of_image}"',
        )


def _parts(reference: str) -> tuple[str, str, str]:
    """Registry, repository, and tag or digest."""
    found = _REFERENCE.match(reference)
    assert found is not None  # noqa: S101  whoever looks has checked it
    host = found["host"] or HUB
    return host, found["path"], found["digest"] or found["tag"] or "latest"


def _variables(config: Any) -> dict[str, str] | None:
    if not isinstance(config, dict):
        return None
    return dict(line.partition("=")[::2] for line in config.get("Env") or ())


def _variables_of(registry: Registry, repository: str, manifest: Any) -> dict[str, str] | None:
    """The variables of an image in a registry; of several platforms, those of the first."""
    try:
        for digest in _platforms(manifest.plain):
            manifest = registry.manifest(repository, digest)
            break
        data = b"".join(registry.read_blob(repository, manifest.config.digest))
        return _variables(json.loads(data).get("config"))
    except (ActionError, ValueError, AttributeError):
        return None


def _platforms(plain: dict[str, Any]) -> Iterator[str]:
    for each in plain.get("manifests") or ():
        if each.get("platform", {}).get("os") != "unknown":  # such are attestations
            yield str(each["digest"])
