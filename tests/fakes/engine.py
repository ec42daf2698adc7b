"""An engine and a builder in memory, with the manners of the real ones.

`tests/contract/test_engine_contract.py` holds both to the same contract. The builder reads the
Dockerfile: a parent that the engine lacks, a source that the context lacks, and `RUN exit 3` or
`RUN false` fail as they would; what other RUNs do is not acted out. An image's id follows from
what went into it. For the rest:

    FakeEngine(containerd=True)          calls images by the digest of their manifest
    engine.down = True                   no engine answers from now on
    engine.teach(script, stdout=…)       what `run` shall answer to a script
    engine.standing[image] = "name"      a container that somebody else made of an image
    engine.asked                         the questions asked, to count them
    builder.fail_next("no space left")   the next build fails
    builder.delay = 5.0                  builds take that long, and can be stopped meanwhile
    builder.during = function(request)   called in the middle of each build: change a file,
                                         raise KeyboardInterrupt, os.kill(os.getpid(), 9) …
    builder.requests, builder.most_at_once
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from buildlib.core.dockerfile.lines import Instruction, read_lines
from buildlib.engine import process
from buildlib.engine.protocol import (
    BuildRequest,
    Built,
    ImageInfo,
    Log,
    matches,
    split_ref,
)
from buildlib.errors import ActionError, EngineUnavailable, InputError, Location
from buildlib.outside.registry.protocol import DOCKER_MANIFEST, Manifest

PLATFORM = "linux/amd64"
SHARED = b"a layer that all share"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Outcome(NamedTuple):
    """How a script in a container ends."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    seconds: float = 0.0


class FakeEngine:
    """An `Engine` in memory."""

    def __init__(self, platform: str = PLATFORM, *, containerd: bool = False) -> None:
        self.containerd = containerd
        self.down = False
        self.asked: list[str] = []
        self.scripts: list[tuple[str, str]] = []
        self.containers = 0
        self.standing: dict[str, str] = {}
        self.configs: dict[str, bytes] = {}
        self._platform = platform
        self._sizes: dict[str, tuple[int, str]] = {}
        self._refs: dict[str, str] = {}
        self._outcomes: dict[str, Outcome | Callable[..., Outcome]] = {}
        self._lock = threading.RLock()

    # for tests

    @property
    def references(self) -> dict[str, str]:
        """All tags, each with the image behind it."""
        return dict(self._refs)

    def add(self, ref: str = "", size: int = 1000, platform: str = "", content: str = "") -> str:
        """Put an image there, with a reference if one is given; its id."""
        image = self.make(f"{content or ref} {size}", size, platform or self._platform)
        if ref:
            self.tag(image, ref)
        return image

    def make(self, content: str, size: int, platform: str) -> str:
        """Put an image there that differs with its content; its id."""
        system, machine, variant = [*platform.split("/"), ""][:3]
        plain = {
            "os": system,
            "architecture": machine,
            "variant": variant,
            "content": content,
            "rootfs": {"diff_ids": ["sha256:0", f"sha256:{content}"]},  # two layers
        }
        return self.keep(size, platform, json.dumps(plain).encode())

    def keep(self, size: int, platform: str, config: bytes) -> str:
        """Put an image of this configuration there; its id."""
        image = sha256(manifest_of(config).data if self.containerd else config)
        self.put(image, size, platform, config)
        return image

    def put(self, image: str, size: int, platform: str, config: bytes = b"") -> None:
        """Put an image there under an id, whatever its configuration."""
        with self._lock:
            self._sizes[image] = (size, platform)
            self.configs[image] = config

    def remove(self, image: str) -> None:
        """What `docker rmi -f` does behind our back."""
        with self._lock:
            found = self.resolve(image)
            self._refs = {ref: each for ref, each in self._refs.items() if each != found}
            self._sizes.pop(found or "", None)

    def teach(
        self,
        script: str,
        stdout: str = "",
        stderr: str = "",
        code: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Say how a script ends; one not taught ends at once and writes nothing."""
        self._outcomes[script] = Outcome(stdout, stderr, code, seconds)

    def resolve(self, image: str) -> str | None:
        """The id behind an id or a reference."""
        if image in self._sizes:
            return image
        return self._refs.get(":".join(split_ref(image)))

    def images(self) -> list[str]:
        """The ids of all images."""
        return list(self._sizes)

    # the protocol

    def ping(self) -> None:
        self._ask("ping")

    def start_inspect(self, refs: Sequence[str]) -> Callable[[], dict[str, ImageInfo | None]]:
        self._ask(f"inspect {len(refs)}")
        with self._lock:
            found = {ref: self._info(ref) for ref in refs}
        return lambda: found

    def inspect(self, refs: Sequence[str]) -> dict[str, ImageInfo | None]:
        return self.start_inspect(refs)()

    def tags(self, pattern: str) -> dict[str, str]:
        self._ask(f"tags {pattern}")
        return {ref: image for ref, image in self._refs.items() if matches(pattern, ref)}

    def tag(self, image: str, ref: str) -> None:
        self._ask(f"tag {ref}")
        with self._lock:
            found = self.resolve(image)
            if found is None:
                raise ActionError(
                    f"the engine refused to tag {image} as {ref}",
                    detail=f"No such image: {image}",
                )
            self._refs[":".join(split_ref(ref))] = found

    def untag(self, ref: str) -> bool:
        self._ask(f"untag {ref}")
        with self._lock:
            image = self._refs.pop(":".join(split_ref(ref)), None)
            if image is not None and image not in self._refs.values():
                self._sizes.pop(image)
        return image is not None

    def in_use(self) -> dict[str, str]:
        self._ask("in_use")
        return dict(self.standing)

    def platform(self) -> str:
        self._ask("platform")
        return self._platform

    def run(
        self,
        image: str,
        script: str,
        *,
        network: str = "none",
        files: Sequence[tuple[str, bytes]] = (),
        user: str = "",
    ) -> str:
        self._ask(f"run {image}")
        if self.resolve(image) is None:
            raise ActionError(
                f"the engine refused to start a container of {image}",
                detail=f"No such image: {image}",
            )
        self.scripts.append((image, script))
        outcome = self._outcomes.get(script, Outcome())
        if callable(outcome):
            outcome = outcome(network=network, files=files, user=user)
        self.containers += 1
        try:
            pause(outcome.seconds)
        finally:
            self.containers -= 1
        if outcome.code:
            raise ActionError(
                f"a script in a container of {image} ended with code {outcome.code}",
                detail=(outcome.stderr or outcome.stdout).rstrip(),
            )
        return outcome.stdout

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        if self.down:
            raise EngineUnavailable(
                "no Docker Engine is here: /var/run/docker.sock does not exist",
                fix="sudo systemctl start docker",
            )

    def _info(self, ref: str) -> ImageInfo | None:
        image = self.resolve(ref)
        if image is None:
            return None
        size, platform = self._sizes[image]
        tags = sorted(name for name, each in self._refs.items() if each == image)
        return ImageInfo(image, tuple(tags), size, platform)


class FakeBuilder:
    """A `Builder` whose images go to a `FakeEngine`."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.requests: list[BuildRequest] = []
        self.delay = 0.0
        self.during: Callable[[BuildRequest], None] | None = None
        self.most_at_once = 0
        self._at_once = 0
        self._failures: list[str] = []
        self._lock = threading.Lock()

    def fail_next(self, reason: str) -> None:
        """Let the next build fail, as if its last step had."""
        self._failures.append(reason)

    def build(self, request: BuildRequest, log: Log) -> Built:
        content, size, _ = self._build(request, log)
        image = self.engine.make(content, size, request.platform or self.engine.platform())
        return Built(image, sha256(self.engine.configs[image]))

    def ready(self) -> None:
        pass

    def build_tar(self, request: BuildRequest, dest: str, log: Log) -> None:
        _, _, files = self._build(request, log)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in sorted(files.items()):
                entry = tarfile.TarInfo(name.lstrip("/"))
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        with open(dest, "wb") as file:
            file.write(packed.getvalue())

    def command(self, request: BuildRequest) -> list[str]:
        return ["docker", "build", "--file", request.dockerfile, request.context]

    def _build(self, request: BuildRequest, log: Log) -> tuple[str, int, dict[str, bytes]]:
        self.engine.ping()
        own = self.engine.platform()
        if request.platform not in {None, own}:
            raise InputError(f"the engine runs {own} and cannot build {request.platform}")
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            result = self._steps(request, log)
            if self.during is not None:
                self.during(request)
            pause(self.delay)
            if self._failures:
                raise self._failed(request, None, self._failures.pop(0))
            return result
        finally:
            with self._lock:
                self._at_once -= 1

    def _steps(self, request: BuildRequest, say: Log) -> tuple[str, int, dict[str, bytes]]:
        with open(request.dockerfile, encoding="utf-8") as file:
            text = file.read()
        args = dict(request.args)
        stages: set[str] = {"scratch"}
        files: dict[str, bytes] = {}
        parents: list[str] = []
        size = 0
        for step in read_lines(text, request.shown_as).instructions:
            words = [expand(word, args) for word in step.rest.split()]
            say(f"{step.name} {step.rest}")
            if step.name == "ARG":
                name, _, default = step.rest.partition("=")
                args.setdefault(name, default)
            elif step.name == "FROM":
                files = {}
                if words[0] not in stages:
                    image = self.engine.resolve(words[0])
                    if image is None:
                        raise self._failed(request, step, f"{words[0]}: not found")
                    info = self.engine.inspect([image])[image]
                    size += info.size if info else 0
                    parents.append(image)
                stages |= {words[-1]} if len(words) > 1 else set()
            elif step.name in {"COPY", "ADD"} and not step.flag("from"):
                files |= self._copy(request, step, words)
            elif step.name == "RUN" and (words[0] == "false" or words[0] == "exit"):
                raise self._failed(request, step, f"exit code: {(words[1:] or ['1'])[0]}")
        record = [text, sorted(args.items()), request.platform, request.labels]
        if request.no_cache:  # steps that run again have other times
            record.append(len(self.requests))
        digest = hashlib.sha256(json.dumps([record, parents]).encode())
        for name, content in sorted(files.items()):
            digest.update(f"{name} {len(content)} ".encode() + content)
        size += sum(map(len, files.values()))
        return digest.hexdigest(), size, files

    def _copy(
        self, request: BuildRequest, step: Instruction, words: Sequence[str]
    ) -> dict[str, bytes]:
        *sources, dest = words
        copied: dict[str, bytes] = {}
        for source in sources:
            path = os.path.join(request.context, source.lstrip("/"))
            if not os.path.exists(path):
                raise self._failed(request, step, f'"/{source}" not found: not found')
            for name, content in read_tree(path):
                if name:
                    copied[f"{dest.rstrip('/')}/{name}"] = content
                else:
                    copied[dest + os.path.basename(source) if dest.endswith("/") else dest] = (
                        content
                    )
        return copied

    @staticmethod
    def _failed(request: BuildRequest, step: Instruction | None, reason: str) -> ActionError:
        shown = request.shown_as or request.dockerfile
        at = f" at {step.name} {step.rest}" if step else ""
        where = Location(shown, step.line) if step else None
        return ActionError(f"the build of {shown} failed{at}", where=where, detail=reason)


def manifest_of(config: bytes) -> Manifest:
    """The manifest of an image of two layers: one that all images share, and its own."""

    def described(media_type: str, data: bytes) -> dict[str, object]:
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    plain = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": described(_CONFIG, config),
        "layers": [described(_LAYER, layer) for layer in (SHARED, config)],
    }
    return Manifest(DOCKER_MANIFEST, json.dumps(plain).encode())


def sha256(data: bytes) -> str:
    """The digest of some bytes, as OCI writes it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_tree(path: str) -> Iterator[tuple[str, bytes]]:
    """(name below path, content) of each file; the name is empty where path is a file."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            yield "", file.read()
        return
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            with open(full, "rb") as file:
                yield os.path.relpath(full, path), file.read()


def expand(word: str, args: dict[str, str]) -> str:
    """Fill in `$NAME` and `${NAME}`."""
    for name, value in args.items():
        word = word.replace("${" + name + "}", value).replace("$" + name, value)
    return word


def pause(seconds: float) -> None:
    """Wait, but not through a request to stop."""
    end = time.monotonic() + seconds
    while True:
        if process.stopping():
            raise process.Stopped
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.01))
