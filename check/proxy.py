"""The process proxy of a kernelspec: the class that starts the kernel, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildlib.suggest import nearest
from check.kernelspec import CLASS, CONFIG, PROXY, Kernelspec, meant_class, setting
from check.known import EXECUTOR_IMAGE, IMAGE, PROXIES


def check(spec: Kernelspec) -> None:
    """Check the class and its settings."""
    document, findings = spec.document, spec.findings
    metadata = document.values.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if PROXY[1] not in metadata:
        meant = nearest(PROXY[1], metadata)
        if meant:
            findings.error(
                f"nobody reads {meant}; did you mean process_proxy?",
                document.where("metadata", meant),
                setting("process_proxy", metadata[meant]),
            )
        elif PROXY[1] not in document.values:
            tell = findings.error if "{kernel_id}" in str(document.values) else findings.warn
            tell(
                "metadata has no process_proxy: the kernel would run in the gateway's container",
                document.where("metadata"),
                f'"process_proxy": {{"class_name": "{PROXIES}k8s.KubernetesProcessProxy", …}}',
            )
        return
    stanza = spec.take(*PROXY, kind=dict) or {}
    _check_known_keys(spec, PROXY, stanza, ("class_name", "config"))
    name = spec.take(*CLASS)
    if "class_name" not in stanza:
        if not nearest("class_name", stanza):
            findings.error(
                "process_proxy has no class_name: the kernel would run in the gateway's container",
                document.where(*PROXY),
                f'"class_name": "{PROXIES}k8s.KubernetesProcessProxy"',
            )
        return
    if name is not None:
        _check_class(spec, name)
    config = spec.take(*CONFIG, kind=dict) or {}
    if spec.proxy is not None:
        _check_known_keys(spec, CONFIG, config, spec.proxy.config)
        in_containers = spec.proxy.in_containers
        if in_containers and not (IMAGE in config or nearest(IMAGE, config)):
            findings.error(
                f"config has no {IMAGE}: the kernel starts only where a request names an image",
                document.where(*CONFIG),
                f'"{IMAGE}": "elyra/kernel-py:dev"',
            )


def _check_class(spec: Kernelspec, name: str) -> None:
    meant = meant_class(name)
    if meant and name == PROXIES + meant:
        return
    where = spec.document.where(*CLASS)
    if not meant and not name.startswith(PROXIES) and "." in name:
        spec.findings.warn(
            f"{name} is none of Enterprise Gateway's own classes: whether the gateway has it is "
            "not to be seen from here",
            where,
            f"python -c 'import {name.rpartition('.')[0]}'  # in the gateway's container",
        )
        return
    spec.findings.error(
        f"there is no class {name}" + (f"; did you mean {PROXIES}{meant}?" if meant else ""),
        where,
        f'"class_name": "{PROXIES}{meant or "k8s.KubernetesProcessProxy"}"',
    )


def _check_known_keys(
    spec: Kernelspec, path: Sequence[str], values: dict[str, Any], known: Sequence[str]
) -> None:
    """Refuse keys that are misspelt, and tell of those that nobody reads."""
    for key, value in values.items():
        if key in known:
            continue
        where = spec.document.where(*path, key)
        meant = nearest(key, [name for name in known if name not in values])
        if meant:
            what = f"nobody reads {key}; did you mean {meant}?"
            spec.findings.error(what, where, setting(meant, value))
            continue
        reader = spec.short_class_name
        if key in (IMAGE, EXECUTOR_IMAGE):
            what = f"{reader} runs no images: {key} is not read"
        else:
            what = f"nobody reads {key} in {path[-1]}"
        spec.findings.warn(what, where, f"remove {key}")
