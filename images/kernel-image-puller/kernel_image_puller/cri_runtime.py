"""Pulls through Kubernetes' CRI, which containerd and CRI-O speak.

It is what the kubelet does when a pod starts: images land where pods look for them. No program
`crictl` is between, so credentials go in the request, over the socket, and never stand in a command
line where other processes of the node could read them.
"""

from __future__ import annotations

from typing import Any

import grpc

from kernel_image_puller.credentials import Credentials
from kernel_image_puller.cri_messages import PACKAGE, message_classes
from kernel_image_puller.errors import PullFailed, RuntimeUnreachable, is_permanent
from kernel_image_puller.references import Reference
from kernel_image_puller.runtimes import ASK_SECONDS, PULL_SECONDS, explain

# The path of the socket as an authority is refused by some servers.
_OPTIONS = [("grpc.default_authority", "localhost")]
_PERMANENT = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


class CriRuntime:
    """An image service. The channel is for all threads, and connects again by itself."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._messages = message_classes()
        self._channel = grpc.insecure_channel(endpoint, options=_OPTIONS)

    def has(self, reference: Reference) -> bool:
        """See `Runtime.has`."""
        spec = self._messages["ImageSpec"](image=str(reference))
        request = self._messages["ImageStatusRequest"](image=spec)
        return bool(self._call("ImageStatus", request, ASK_SECONDS).image.id)

    def pull(self, reference: Reference, credentials: Credentials | None) -> None:
        """See `Runtime.pull`."""
        request = self._messages["PullImageRequest"](
            image=self._messages["ImageSpec"](image=str(reference))
        )
        if credentials is not None:
            # As the kubelet does, without a server's address: of that, runtimes want other forms.
            request.auth.username = credentials.username
            request.auth.password = credentials.password
            request.auth.identity_token = credentials.identity_token
            request.auth.registry_token = credentials.registry_token
        self._call("PullImage", request, PULL_SECONDS)

    def _call(self, method: str, request: Any, seconds: int) -> Any:
        """One call, whose errors are ours."""
        ask = self._channel.unary_unary(
            f"/{PACKAGE}.ImageService/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self._messages[f"{method}Response"].FromString,
        )
        try:
            return ask(request, timeout=seconds)
        except grpc.RpcError as error:
            code, details = error.code(), str(error.details() or "")
        if code is grpc.StatusCode.UNAVAILABLE:
            raise RuntimeUnreachable(f"{explain(self._endpoint)} ({details})")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            raise RuntimeUnreachable(
                f"what answers at {self._endpoint} has no image service of {PACKAGE} ({details});"
                " containerd's plugin `cri` may be disabled, as in Docker's own containerd:"
                " set KIP_CRI_ENDPOINT=unix:///var/run/docker.sock there"
            )
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise PullFailed(f"{method} took longer than {seconds} seconds")
        permanent = code in _PERMANENT or is_permanent(details)
        raise PullFailed(details or code.name, permanent=permanent)
