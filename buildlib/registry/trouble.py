"""What can be wrong with a request to a registry, and what a user is told of it.

`Trouble` is what requests raise inside this package; `told` makes of it the error that leaves.
Nothing of a body is shown but the message of a registry's own error, and nothing of an address
but its host: both may hold secrets.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from buildlib.errors import ActionError
from buildlib.fetch.trouble import failure, seconds_until
from buildlib.registry.address import CERTIFICATES, HUB, is_loopback
from buildlib.registry.protocol import RegistryUnavailable

if TYPE_CHECKING:
    from urllib3 import exceptions as urllib3_errors

Kind = Literal["silent", "broken", "certificate", "plain", "status", "full", "content"]

_LATER = (408, 425, 429)
_NEVER = (501, 505, 507, 508)
_SERVER_FAULT = 500
_MOST_SAID = 300  # characters
_NO_SPACE = re.compile(rb'no space left|disk quota exceeded|"Err": ?(28|122)\b', re.IGNORECASE)


class Trouble(Exception):
    """A request that did not succeed.

    Args:
        reason: What happened, to follow the registry's name: "answers 404 Not Found".
        kind: silent (no connection), broken (a half answer), certificate, plain (HTTP where we
            speak TLS), status (an answer of 400 or above), full (no space left there), content
            (a whole answer that is not what was asked for).
        status: Of the answer, 0 where there was none.
        codes: Of the registry's errors: `MANIFEST_UNKNOWN`, …
        said: The registry's own words.
        transient: Whether the same request may succeed later.
        retry_after: Seconds the registry asks to wait, if it does.
    """

    def __init__(
        self,
        reason: str,
        kind: Kind,
        *,
        status: int = 0,
        codes: tuple[str, ...] = (),
        said: str = "",
        transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.status = status
        self.codes = codes
        self.said = said
        self.transient = transient
        self.retry_after = retry_after


def refusal(status: int, reason: str, retry_after: str, body: bytes) -> Trouble:
    """What an answer of 400 or above means.

    Args:
        status: Of the answer.
        reason: Its words.
        retry_after: That header.
        body: The beginning of its body.
    """
    codes, said = _errors(body)
    words = f"answers {status} {reason}".rstrip()
    full = bool(_NO_SPACE.search(body)) or status == 507  # noqa: PLR2004
    transient = not full and (
        status in _LATER or (status >= _SERVER_FAULT and status not in _NEVER)
    )
    return Trouble(
        "has no space left" if full else words,
        "full" if full else "status",
        status=status,
        codes=codes,
        said="" if full else said,  # "unknown error", as a rule
        transient=transient,
        retry_after=seconds_until(retry_after) if transient else None,
    )


def cut(error: urllib3_errors.HTTPError, *, reached: bool) -> Trouble:
    """What an exception of urllib3 means.

    Args:
        error: What was raised.
        reached: Whether the registry had begun to answer.
    """
    if any(getattr(cause, "reason", "") == "WRONG_VERSION_NUMBER" for cause in _chain(error)):
        return Trouble("speaks plain HTTP, and only TLS will do", "plain")
    known = failure("", error, reached=reached)
    kind: Kind = "broken"
    if known.kind == "certificate":
        kind = "certificate"
    elif known.kind == "silent":
        kind = "silent"
    return Trouble(known.reason, kind, transient=known.transient)


def told(trouble: Trouble, host: str, doing: str, repository: str = "") -> ActionError:
    """The error for a user.

    Args:
        trouble: What happened last.
        host: The registry's name.
        doing: What could not be done: "put elyra/kernel-py:2.5.0".
        repository: The one it was about.
    """
    what = f"cannot {doing}: registry {host} {trouble.reason}"
    away = trouble.kind in ("silent", "broken", "certificate", "plain") or (
        trouble.kind == "status" and trouble.transient
    )
    cls = RegistryUnavailable if away else ActionError
    return cls(what, detail=trouble.said or None, fix=_fix(trouble, host, doing, repository))


def _fix(trouble: Trouble, host: str, doing: str, repository: str) -> str | None:
    """The line to paste or follow."""
    match trouble.kind:
        case "silent":
            scheme = "http" if is_loopback(host) else "https"
            return (
                f"curl -v {scheme}://{host}/v2/  # what this machine gets; or correct registry in "
                "[tool.buildlib] of pyproject.toml"
            )
        case "certificate":
            folder = f"{CERTIFICATES}/{host}"
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
            return _fix_of_status(trouble, host, doing, repository)


def _fix_of_status(trouble: Trouble, host: str, doing: str, repository: str) -> str | None:
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
    if repository and (not trouble.codes or "NAME_UNKNOWN" in trouble.codes):
        fixes[404] = f"create {repository} there first: it makes no repositories by itself"
    again = "run this again (what is there is not sent again); its log says why"
    return fixes.get(trouble.status, again if trouble.transient else None)


def _errors(body: bytes) -> tuple[tuple[str, ...], str]:
    """Codes and messages of a body as the specification has them; nothing of any other."""
    try:
        errors: Any = json.loads(body)["errors"]
        codes = tuple(str(each["code"]) for each in errors)
        words = "; ".join(str(each.get("message") or each["code"]) for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return (), ""
    return codes, re.sub(r"[^\x20-\x7e]+", " ", words)[:_MOST_SAID]


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and all that caused it."""
    seen: list[BaseException] = []
    here: BaseException | None = error
    while here is not None and here not in seen:
        seen.append(here)
        here = here.__cause__ or here.__context__
    return seen
