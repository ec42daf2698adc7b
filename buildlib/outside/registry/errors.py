"""Errors of a registry: what its statuses mean, and the messages that a user reads.

Requests raise `HttpError`; `explained` turns it into the error that leaves this package. Messages
quote only the registry's own error of a body and only the host of a URL, as both may hold secrets.
"""

from __future__ import annotations

import json
import re
from typing import Any

from buildlib.core.model.settings import HUB
from buildlib.errors import ActionError
from buildlib.outside.registry.address import is_loopback
from buildlib.outside.registry.protocol import RegistryUnavailable
from buildlib.outside.web import errors as web
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.trust import DOCKERS

_MOST_SAID = 300  # characters
_NO_SPACE = re.compile(rb'no space left|disk quota exceeded|"Err": ?(28|122)\b', re.IGNORECASE)
_INSUFFICIENT_STORAGE = 507
_AWAY = ("silent", "broken", "certificate", "plain", "unavailable")


def status_error(
    status: int, reason: str, *, retry_after: str = "", body: bytes = b""
) -> HttpError:
    """As `web.errors.status_error`, with what the beginning of the body tells."""
    codes, message = _errors(body)
    if _NO_SPACE.search(body) or status == _INSUFFICIENT_STORAGE:
        # Its own message is usually "unknown error".
        return HttpError("has no space left", "full", status=status, codes=codes)
    error = web.status_error(status, reason, retry_after=retry_after)
    error.codes, error.message = codes, message
    return error


def explained(error: HttpError, host: str, doing: str, repository: str = "") -> ActionError:
    """The error for a user; `doing` is what failed: "put elyra/kernel-py:2.5.0"."""
    what = f"cannot {doing}: registry {host} {error.reason}"
    away = error.kind in _AWAY or (error.status and error.transient)
    cls = RegistryUnavailable if away else ActionError
    return cls(what, detail=error.message or None, fix=_fix(error, host, doing, repository))


def _fix(error: HttpError, host: str, doing: str, repository: str) -> str | None:
    match error.kind:
        case "silent":
            scheme = "http" if is_loopback(host) else "https"
            return (
                f"curl -v {scheme}://{host}/v2/  # what this machine gets; or correct registry in "
                "[tool.buildlib] of pyproject.toml"
            )
        case "certificate":
            folder = f"{DOCKERS}/{host}"
            return f"sudo mkdir -p {folder} && sudo cp ca.crt {folder}/  # where Docker looks, too"
        case "plain":
            port = host.rpartition(":")[2] if ":" in host else "80"
            return (
                f"ssh -NL {port}:localhost:{port} {host.partition(':')[0]}, and registry = "
                f'"localhost:{port}"; or give it a certificate'
            )
        case "full":
            return (
                "make room where it keeps its blobs (registry garbage-collect, after deleting), "
                "then run this again: what is there is not sent again"
            )
        case "content":
            return None
        case _:
            return _fix_of_status(error, host, doing, repository)


def _fix_of_status(error: HttpError, host: str, doing: str, repository: str) -> str | None:
    login = "docker login" if host == HUB else f"docker login {host}"
    fixes = {
        401: login,
        403: f"{login}  # as somebody with the right to {repository or 'it'}",
        405: "set registry to one that takes images: this one (a cache of another?) only gives",
        413: "let what stands in front of it take larger bodies, such as "
        "client_max_body_size 0; of nginx",
        429: f"wait, then run this again; who is logged in may ask more often: {login}",
    }
    if doing.startswith("delete"):
        fixes[405] = (
            "set REGISTRY_STORAGE_DELETE_ENABLED=true for it (in its config.yml: storage: "
            "{delete: {enabled: true}})"
        )
    if repository and (not error.codes or "NAME_UNKNOWN" in error.codes):
        fixes[404] = f"create {repository} there first: it makes no repositories by itself"
    again = "run this again (what is there is not sent again); its log says why"
    return fixes.get(error.status, again if error.transient else None)


def _errors(body: bytes) -> tuple[tuple[str, ...], str]:
    """Codes and messages in a body of the specified form; none for any other body."""
    try:
        errors: Any = json.loads(body)["errors"]
        codes = tuple(str(each["code"]) for each in errors)
        words = "; ".join(str(each.get("message") or each["code"]) for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return (), ""
    return codes, re.sub(r"[^\x20-\x7e]+", " ", words)[:_MOST_SAID]
