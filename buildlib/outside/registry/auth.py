"""Authentication with a registry: by password, or by tokens fetched with one.

Tokens are cached by scope until shortly before they expire. A registry that does not ask for
credentials gets none; without credentials we ask for anonymous tokens.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from buildlib.outside.registry.address import is_loopback
from buildlib.outside.registry.challenge import Challenge, parse_challenge
from buildlib.outside.registry.errors import status_error
from buildlib.outside.web.connections import ERROR, Request, Response, body_of
from buildlib.outside.web.credentials import Login, docker_login
from buildlib.outside.web.errors import HttpError

_LIFETIME = 60  # seconds, where a token does not say (distribution: "Token Authentication")
_EARLY = 10  # seconds before it expires that a token is renewed
_UNAUTHORIZED, _FORBIDDEN = 401, 403


Ask = Callable[[Request], Response]
"""Sends a request without adding credentials."""


class RegistryAuth:
    """Credentials and tokens for one registry. Safe for several threads.

    Args:
        host: The registry's name.
        ask: Sends requests to the server that issues tokens.
    """

    def __init__(self, host: str, ask: Ask) -> None:
        self._host = host
        self._ask = ask
        self._challenge: Challenge | None = None
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.RLock()

    def header(self, scope: str) -> str:
        """The Authorization for a request; "" until the registry has asked for one.

        Args:
            scope: What the request needs, such as `repository:elyra/kernel-py:pull`; "" for a
                login alone.

        Raises:
            HttpError: No token is issued.
        """
        with self._lock:
            if self._challenge is None:
                return ""
            if self._challenge.scheme == "basic":
                return self._login.basic if self._login else ""
            token, expires = self._tokens.get(scope, ("", 0.0))
            if not token or time.monotonic() > expires:
                token = self._new_token(self._challenge, scope, scope)
            return f"Bearer {token}"

    def answer_challenge(self, challenges: list[str], scope: str, refused: str) -> str:
        """The Authorization to try after a 401; "" if there is no other.

        Args:
            challenges: The `WWW-Authenticate` headers.
            scope: As for `header`.
            refused: The Authorization that was refused.

        Raises:
            HttpError: No token is issued.
        """
        with self._lock:
            challenge = parse_challenge(challenges)
            if challenge is None:
                return ""
            self._challenge = challenge
            if challenge.scheme == "bearer":
                token, _ = self._tokens.get(scope, ("", 0.0))
                if not token or refused == f"Bearer {token}":  # else another thread got a new one
                    self._new_token(challenge, scope, challenge.scope or scope)
            header = self.header(scope)
            return "" if header == refused else header

    @cached_property
    def _login(self) -> Login | None:
        return docker_login(self._host)

    def _new_token(self, challenge: Challenge, scope: str, requested: str) -> str:
        login, url = self._login, urlsplit(challenge.realm)
        safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.netloc))
        if not safe:
            raise HttpError("wants tokens fetched from an address that is not safe", "content")
        query = [("service", challenge.service)] if challenge.service else []
        query += [("scope", each) for each in requested.split()]
        if login and login.token:  # OAuth 2.0, as "Token Authentication" of distribution has it
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            form = [
                ("grant_type", "refresh_token"),
                ("client_id", "buildlib"),
                ("service", challenge.service),
                ("scope", requested),
                ("refresh_token", login.token),
            ]
            body = body_of(urlencode(form).encode())
            request = Request("POST", challenge.realm, headers, body)
        else:
            headers = {"Authorization": login.basic} if login else {}
            join = "&" if url.query else "?"
            request = Request("GET", f"{challenge.realm}{join}{urlencode(query)}", headers)
        token, lifetime = _token_in(self._ask(request))
        self._tokens[scope] = token, time.monotonic() + max(lifetime - _EARLY, lifetime / 2)
        return token


def _token_in(response: Response) -> tuple[str, float]:
    """A token and how many seconds it lasts."""
    if response.status in (_UNAUTHORIZED, _FORBIDDEN):
        raise HttpError(
            "gives no token for the credentials there are", "refused", status=response.status
        )
    if response.status >= ERROR:
        error = status_error(response.status, response.reason, body=response.data)
        error.reason = f"gives no token: its server of tokens {error.reason}"
        raise error
    try:
        fields: Any = json.loads(response.data)
        token = str(fields.get("token") or fields["access_token"])
        lifetime = float(fields.get("expires_in") or _LIFETIME)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HttpError("gives no token: the answer holds none", "content") from None
    return token, lifetime
