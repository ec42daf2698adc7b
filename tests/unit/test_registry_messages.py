"""What a user reads when a registry cannot or will not: the whole text, under `tests/golden/`.

A new message: `BUILDLIB_GOLDEN=write python -m pytest tests/unit/test_registry_messages.py`.
"""

from __future__ import annotations

import json
import ssl

import pytest
from urllib3 import exceptions

from buildlib.errors import ActionError
from buildlib.outside.registry.errors import explained, status_error
from buildlib.outside.registry.protocol import RegistryUnavailable
from buildlib.outside.web.errors import HttpError, connection_error
from tests.support.golden import check_golden

HOST = "registry.example.com:5000"


def body(code: str, message: str, detail: object = None) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}).encode()


def answer(status: int, reason: str, data: bytes = b"", after: str = "") -> HttpError:
    return status_error(status, reason, retry_after=after, body=data)


def raised(cause: OSError) -> HttpError:
    try:
        raise exceptions.NewConnectionError(None, "no") from cause  # type: ignore[arg-type]
    except exceptions.HTTPError as error:
        return connection_error(error, url="", reached=False)


def badly_spoken(cause: ssl.SSLError) -> HttpError:
    try:
        raise exceptions.SSLError("https://user:secret@x/") from cause
    except exceptions.HTTPError as error:
        return connection_error(error, url="", reached=False)


def untrusted() -> ssl.SSLError:
    error = ssl.SSLCertVerificationError(1, "no")
    error.verify_message = "self-signed certificate"
    return error


def speaks_plain() -> ssl.SSLError:
    error = ssl.SSLError(1, "no")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


UNKNOWN = body("UNKNOWN", "unknown error", "write /x: no space left on device")
AUTH = body("UNAUTHORIZED", "authentication required")
MESSAGES = {
    "not-reachable": raised(ConnectionRefusedError(111, "Connection refused")),
    "not-trusted": badly_spoken(untrusted()),
    "speaks-plain-http": badly_spoken(speaks_plain()),
    "unauthorized": answer(401, "Unauthorized", AUTH),
    "forbidden": answer(403, "Forbidden", body("DENIED", "requested access is denied")),
    "no-such-repository": answer(404, "Not Found", body("NAME_UNKNOWN", "repository not known")),
    "takes-nothing": answer(405, "Method Not Allowed", body("UNSUPPORTED", "unsupported")),
    "deletes-nothing": answer(405, "Method Not Allowed", body("UNSUPPORTED", "unsupported")),
    "too-large": answer(413, "Request Entity Too Large", b"<html>token=secret</html>"),
    "too-often": answer(429, "Too Many Requests", after="30"),
    "no-space": answer(500, "Internal Server Error", UNKNOWN),
    "insufficient-storage": answer(507, "Insufficient Storage"),
    "broken": answer(502, "Bad Gateway", b"<html>"),
    "odd": answer(400, "Bad Request", body("MANIFEST_INVALID", "manifest\ninvalid\x1b[31m")),
}
AWAY = {"not-reachable", "not-trusted", "speaks-plain-http", "too-often", "broken"}


@pytest.mark.parametrize("name", MESSAGES)
def test_it_says_what_is_wrong_and_what_to_do(name):
    verb = "delete" if name == "deletes-nothing" else "put"
    error = explained(MESSAGES[name], HOST, f"{verb} elyra/kernel-py:2.5.0", "elyra/kernel-py")
    assert isinstance(error, RegistryUnavailable) is (name in AWAY)
    assert isinstance(error, ActionError)
    assert "secret" not in error.render()
    check_golden(f"registry/{name}", error.render())


def test_for_docker_hub_the_login_has_no_host():
    assert explained(MESSAGES["unauthorized"], "docker.io", "ask").fix == "docker login"


@pytest.mark.parametrize(
    ("status", "transient"),
    [(408, True), (429, True), (500, True), (503, True), (501, False), (507, False), (404, False)],
)
def test_what_may_pass_is_known_from_what_will_not(status, transient):
    assert answer(status, "").transient is transient


def test_it_is_told_how_long_to_wait():
    assert answer(429, "", after="30").retry_after == 30
