"""Pulls through the Docker API. Credentials go in a header of the request, over the socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from kernel_image_puller.credentials import Credentials
from kernel_image_puller.errors import PullFailed, RuntimeUnreachable, is_permanent
from kernel_image_puller.references import Reference
from kernel_image_puller.runtimes import ASK_SECONDS, PULL_SECONDS, explain


class DockerRuntime:
    """A Docker Engine. Each question has a connection of its own: clients are not for threads."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def has(self, reference: Reference) -> bool:
        """See `Runtime.has`."""
        with self._client(ASK_SECONDS) as client:
            try:
                client.inspect_image(str(reference))
            except docker.errors.NotFound:
                return False
            return True

    def pull(self, reference: Reference, credentials: Credentials | None) -> None:
        """See `Runtime.pull`; the limit on time is one on silence here, as there is progress."""
        with self._client(PULL_SECONDS) as client:
            events = client.pull(
                reference.repository,
                tag=reference.version,
                stream=True,
                decode=True,
                # Never None: the library would look for a configuration of its own.
                auth_config=_auth(credentials, reference),
            )
            for event in events:
                if "error" in event:
                    message = str(event["error"])
                    raise PullFailed(message, permanent=is_permanent(message))

    @contextmanager
    def _client(self, seconds: int) -> Iterator[Any]:
        """A client for one question, whose errors are ours."""
        try:
            with closing(
                docker.APIClient(base_url=self._endpoint, version="auto", timeout=seconds)
            ) as client:
                yield client
        except docker.errors.APIError as error:
            message = str(error.explanation or error)
            status = error.response.status_code if error.response is not None else 0
            permanent = status in (400, 404) or is_permanent(message)
            raise PullFailed(message, permanent=permanent) from None
        except requests.exceptions.ReadTimeout:
            raise PullFailed(f"the engine said nothing for {seconds} seconds") from None
        except (
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            raise RuntimeUnreachable(f"{explain(self._endpoint)} ({error})") from None


def _auth(credentials: Credentials | None, reference: Reference) -> dict[str, str]:
    """Credentials as the API wants them; empty to pull as anybody."""
    if credentials is None:
        return {}
    return {
        "username": credentials.username,
        "password": credentials.password,
        "identitytoken": credentials.identity_token,
        "registrytoken": credentials.registry_token,
        "serveraddress": reference.registry,
    }
