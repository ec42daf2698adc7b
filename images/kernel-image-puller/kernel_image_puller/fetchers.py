"""Where the names of images come from: the gateway, a list, a ConfigMap, or several of these."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Mapping, Sequence

from kernel_image_puller.errors import FetchFailed
from kernel_image_puller.names import kernelspec_names, names_of
from kernel_image_puller.settings import Settings
from kernel_image_puller.web import get_json

Fetcher = Callable[[], Sequence[str]]
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # where Kubernetes mounts it
log = logging.getLogger("kernel_image_puller")


def make_fetcher(
    settings: Settings, env: Mapping[str, str] = os.environ, account: str = ACCOUNT
) -> Fetcher:
    """The fetcher that the settings choose.

    Calling it gives names as they were written, and raises FetchFailed where there are none to be
    had: that is not the same as an empty list.
    """
    known: dict[str, Fetcher] = {
        "KernelSpecsFetcher": lambda: from_gateway(settings),
        "StaticListFetcher": lambda: settings.images,
        "ConfigMapImagesFetcher": lambda: from_config_map(settings, env, account),
    }
    return combined({name: known[name] for name in settings.fetchers})


def combined(fetchers: Mapping[str, Fetcher]) -> Fetcher:
    """Ask all of them: one that fails takes nothing away from the others."""

    def fetch() -> list[str]:
        names: list[str] = []
        failures: list[str] = []
        for name, fetcher in fetchers.items():
            try:
                names += fetcher()
            except FetchFailed as error:
                failures.append(f"{name}: {error}")
        if len(failures) == len(fetchers):
            raise FetchFailed("; ".join(failures))
        for failure in failures:
            log.warning("no names from one of %d sources: %s", len(fetchers), failure)
        return names

    return fetch


def from_gateway(settings: Settings) -> tuple[str, ...]:
    """Images that the gateway's kernelspecs name.

    Raises:
        FetchFailed: The gateway did not answer with kernelspecs.
    """
    address = f"{settings.gateway}/api/kernelspecs"
    context = ssl.create_default_context()
    if not settings.validate_cert:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    token = f"token {settings.auth_token}" if settings.auth_token else ""
    answer = get_json(address, token=token, tls=context)
    try:
        return kernelspec_names(answer)
    except ValueError as error:
        raise FetchFailed(f"{address}: {error}") from None


def from_config_map(settings: Settings, env: Mapping[str, str], account: str) -> tuple[str, ...]:
    """Images that a ConfigMap lists.

    One GET with the account that Kubernetes mounts into the pod; its role must allow `get` on
    this ConfigMap.

    Raises:
        FetchFailed: Not in a pod, or no such ConfigMap or key, or not allowed.
    """
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise FetchFailed("this is no pod: KUBERNETES_SERVICE_HOST is not set")
    try:
        with open(f"{account}/token", encoding="ascii") as file:  # read anew: Kubernetes renews it
            token = file.read().strip()
        context = ssl.create_default_context(cafile=f"{account}/ca.crt")
    except (OSError, ValueError) as error:
        raise FetchFailed(f"the pod's service account cannot be read: {error}") from None
    namespace, name = settings.config_map_namespace, settings.config_map_name
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    address = f"{server}/api/v1/namespaces/{namespace}/configmaps/{name}"
    answer = get_json(address, token=f"Bearer {token}", tls=context)
    data = answer.get("data") if isinstance(answer, dict) else None
    value = data.get(settings.config_map_key) if isinstance(data, dict) else None
    if not isinstance(value, str):
        key = settings.config_map_key
        raise FetchFailed(f"ConfigMap {name} of namespace {namespace} has no key {key!r}")
    return names_of(value)
