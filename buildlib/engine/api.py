"""The engine's API over `wire`: what a build asks in every run, at the lowest cost.

The import of the docker SDK takes longer than a build with nothing to do, so the SDK is for what
streams: containers, pushes and pulls (`sdk`). Knows the engine's API and not why it is asked.

Paths carry no API version, so the engine answers with its newest; only fields that all versions
since 1.40 have are read (Docker Engine API, "Images" and "Containers").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from buildlib.engine.find import Endpoint, unavailable
from buildlib.engine.protocol import ImageInfo, matches, platform_of, split_ref
from buildlib.engine.wire import Pipeline, Response, connect, request_bytes
from buildlib.errors import ActionError

_QUICK = 60.0
"""Timeout, in seconds, of a question about what the engine has."""
_SLOW = 600.0
"""Timeout of what may wait for the disk, such as the removal of a large image."""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:@")
_OK, _NOT_FOUND, _CONFLICT = 200, 404, 409


class EngineClient:
    """The `Engine` at an endpoint. Safe for several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.said: dict[str, tuple[int, bytes]] = {}
        """The answers to `inspect`, as they came, by the path that was asked for."""

    # -- questions

    def ping(self) -> None:
        self.call("GET", "/_ping", what="answer")

    def start_inspect(self, refs: Sequence[str]) -> Callable[[], dict[str, ImageInfo | None]]:
        names = list(dict.fromkeys(refs))
        paths = [f"/images/{_quoted(name)}/json" for name in names]
        try:
            pipeline = Pipeline(lambda: connect(self.endpoint, _QUICK), paths)
        except OSError as error:
            raise unavailable(self.endpoint, error) from None

        def collect() -> dict[str, ImageInfo | None]:
            try:
                answers = pipeline.collect()
            except OSError as error:
                raise unavailable(self.endpoint, error) from None
            self.said.update(zip(paths, ((a.status, a.body) for a in answers), strict=True))
            return {name: _image(name, answer) for name, answer in zip(names, answers, strict=True)}

        return collect

    def inspect(self, refs: Sequence[str]) -> dict[str, ImageInfo | None]:
        return self.start_inspect(refs)()

    def tags(self, pattern: str) -> dict[str, str]:
        filters = _quoted(json.dumps({"reference": [pattern]}))
        answer = self.call("GET", f"/images/json?filters={filters}", what=f"list {pattern}")
        # The engine returns whole images, also with references that do not match.
        return tagged(json.loads(answer.body), pattern)

    def in_use(self) -> dict[str, str]:
        answer = self.call("GET", "/containers/json?all=1", what="list containers")
        return {
            each["ImageID"]: (each.get("Names") or [each["Id"][:12]])[0].lstrip("/")
            for each in json.loads(answer.body)
        }

    def platform(self) -> str:
        version = self.version()
        return platform_of(version["Os"], version["Arch"])

    def version(self) -> dict[str, Any]:
        """Return what the engine says of itself and its parts (`about` reads it)."""
        answer: dict[str, Any] = json.loads(
            self.call("GET", "/version", what="tell its version").body
        )
        return answer

    # -- changes

    def tag(self, image: str, ref: str) -> None:
        name, tag = split_ref(ref)
        path = f"/images/{_quoted(image)}/tag?repo={_quoted(name)}&tag={_quoted(tag)}"
        self.call("POST", path, what=f"tag {image} as {ref}")

    def untag(self, ref: str) -> bool:
        path = f"/images/{_quoted(':'.join(split_ref(ref)))}?noprune=1"
        answer = self.call(
            "DELETE", path, what=f"remove the tag {ref}", allow=(_NOT_FOUND,), timeout=_SLOW
        )
        return answer.status == _OK

    def run(
        self,
        image: str,
        script: str,
        *,
        network: str = "none",
        files: Sequence[tuple[str, bytes]] = (),
        user: str = "",
    ) -> str:
        from buildlib.engine.throwaway import run_script  # with the SDK: 100 ms

        return run_script(self, image, script, network=network, files=files, user=user)

    # -- images that are made here

    def describe(self, image: str) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return all that the engine says of an image, and its history; None if it has none."""
        path = f"/images/{_quoted(image)}"
        try:
            paths = [f"{path}/json", f"{path}/history"]
            answers = Pipeline(lambda: connect(self.endpoint, _QUICK), paths).collect()
        except OSError as error:
            raise unavailable(self.endpoint, error) from None
        if any(answer.status == _NOT_FOUND for answer in answers):
            return None
        for answer in answers:
            if answer.status != _OK:
                raise refused(f"describe {image}", message_of(answer.body))
        return json.loads(answers[0].body), json.loads(answers[1].body)

    def storage(self) -> str:
        """Return the name of the driver that keeps the layers; empty for the containerd store."""
        info = json.loads(self.call("GET", "/info", what="tell its storage").body)
        status = dict(row for row in info.get("DriverStatus") or () if len(row) == 2)  # noqa: PLR2004
        return "" if status.get("driver-type", "").startswith("io.containerd.") else info["Driver"]

    def load(self, archive: Iterable[bytes], size: int) -> None:
        """Take the images of an archive as `docker save` writes it; layers it has may be left out.

        Args:
            archive: In pieces.
            size: Bytes of all pieces.
        """
        what, kind = "load an image", "application/x-tar"
        answer = self.call(
            "POST", "/images/load?quiet=1", what=what, timeout=_SLOW, body=archive, kind=kind,
            size=size,
        )  # fmt: skip
        if b'"errorDetail"' in answer.body:  # it had begun to answer
            raise refused(what, answer.body.decode("utf-8", "replace")[:500])

    def create(self, name: str, config: dict[str, Any]) -> None:
        """Make a container, which is not started."""
        body = json.dumps(config).encode()
        path, what = f"/containers/create?name={name}", f"make a container of {config['Image']}"
        kind = "application/json"
        self.call("POST", path, what=what, timeout=_SLOW, body=[body], kind=kind, size=len(body))

    def remove(self, container: str) -> None:
        """Remove a container, whatever it does; it may be gone already."""
        path, what = f"/containers/{container}?force=1&v=1", f"remove the container {container}"
        self.call("DELETE", path, what=what, allow=(_NOT_FOUND, _CONFLICT))

    def archive_beginning(self, container: str, path: str, limit: int) -> bytes | None:
        """Return the first bytes of the archive of a path in a container; None if it has none."""
        request = f"/containers/{container}/archive?path={_quoted(path)}"
        answer = self.call("GET", request, what=f"read {path}", allow=(_NOT_FOUND,), limit=limit)
        return None if answer.status == _NOT_FOUND else answer.body

    def call(
        self,
        method: str,
        path: str,
        *,
        what: str,
        allow: Sequence[int] = (),
        timeout: float | None = _QUICK,
        body: Iterable[bytes] = (),
        kind: str = "",
        size: int = 0,
        limit: int = 0,
    ) -> Response:
        """Send one request on a connection of its own.

        Args:
            method: HTTP method.
            path: With its query, quoted.
            what: Completes "the engine refused to …".
            allow: Statuses of 400 and more that are answers too.
            timeout: Seconds of silence after which to give up; None for ever.
            body: What is sent, in pieces; `kind` is its media type and `size` its bytes.
            limit: Bytes of the answer to read; 0 for all.

        Raises:
            EngineUnavailable: It cannot be reached.
            ActionError: It refused.
        """
        try:
            connection = connect(self.endpoint, timeout)
            try:
                connection.send(request_bytes(method, path, kind=kind, size=size))
                for piece in body:
                    connection.send(piece)
                answer = connection.receive_beginning(limit) if limit else connection.receive()
            finally:
                connection.close()
        except OSError as error:
            raise unavailable(self.endpoint, error) from None
        if answer.status >= 400 and answer.status not in allow:  # noqa: PLR2004
            raise refused(what, message_of(answer.body))
        return answer


def info_of(image: dict[str, Any]) -> ImageInfo:
    """Read the engine's answer to "inspect an image"."""
    return ImageInfo(
        id=image["Id"],
        tags=tuple(sorted(_tags(image))),
        size=image.get("Size", 0),
        platform=platform_of(
            image.get("Os", ""), image.get("Architecture", ""), image.get("Variant", "")
        ),
        triggers=tuple((image.get("Config") or {}).get("OnBuild") or ()),
    )


def tagged(images: Sequence[dict[str, Any]], pattern: str) -> dict[str, str]:
    """Return the references that match, from the engine's answer to "list images"."""
    return {ref: image["Id"] for image in images for ref in _tags(image) if matches(pattern, ref)}


def _tags(image: dict[str, Any]) -> list[str]:
    """Return an image's references; the containerd store counts `name@sha256:…` among its tags."""
    return [ref for ref in image.get("RepoTags") or () if "@" not in ref]


def refused(what: str, message: str) -> ActionError:
    """Return the error for an engine that answers, and refuses."""
    return ActionError(f"the engine refused to {what}", detail=message)


def message_of(body: bytes) -> str:
    """Return the engine's own words in an error answer."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:500]


def _image(name: str, answer: Response) -> ImageInfo | None:
    if answer.status == _OK:
        return info_of(json.loads(answer.body))
    if answer.status == _NOT_FOUND:
        return None
    raise refused(f"look up {name}", message_of(answer.body))


def _quoted(text: str) -> str:
    """Percent-encode for a path or a query; `urllib.parse` would cost 2 ms of import."""
    return "".join(
        character if character in _PLAIN else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
