"""Image names out of texts and kernelspecs, as they stand there: not checked yet."""

from __future__ import annotations

import re
from typing import Any


def names_of(text: str) -> tuple[str, ...]:
    """Names in a list that a person wrote: by commas, by lines, or as a list of YAML.

    A name holds none of the letters that YAML puts around it, so no YAML parser is needed.
    """
    lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())
    words = (
        re.sub(r"^-\s+", "", word.strip(" \t[]")) for line in lines for word in line.split(",")
    )
    return tuple(word.strip(" \t'\"") for word in words if word.strip(" \t'\"-"))


def kernelspec_names(answer: Any) -> tuple[str, ...]:
    """Names in the gateway's answer to `/api/kernelspecs`: of kernels and of Spark's executors.

    Raises:
        ValueError: What was answered is no list of kernelspecs.
    """
    specs = answer.get("kernelspecs") if isinstance(answer, dict) else None
    if not isinstance(specs, dict):
        raise ValueError("the answer holds no kernelspecs")  # noqa: TRY004  # data, no misuse
    found: list[str] = []
    for spec in specs.values():
        for stanza in ("process_proxy", "kernel_provisioner"):
            config = _inner(spec, "spec", "metadata", stanza, "config")
            for key in ("image_name", "executor_image_name"):
                name = config.get(key)
                if isinstance(name, str) and name.strip():
                    found.append(name.strip())
    return tuple(found)


def _inner(value: Any, *keys: str) -> dict[str, Any]:
    """What lies at a path of mappings; nothing, where one of them is something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
