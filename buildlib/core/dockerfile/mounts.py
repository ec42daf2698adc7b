"""The value of `RUN --mount`, taken apart."""

from __future__ import annotations

from buildlib.core.dockerfile.lines import fields
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SWITCHES = ("readonly", "ro", "readwrite", "rw", "required")
_KEYS = (
    *("type", "from", "source", "src", "target", "dst", "destination", *_SWITCHES),
    *("id", "sharing", "mode", "uid", "gid", "env", "size"),
)
_EXAMPLE = "--mount=type=bind,source=PATH,target=/PATH"


def read_mount(text: str) -> dict[str, str]:
    """The options of a mount, with its `type` always, and its source as `source`."""
    options: dict[str, str] = {}
    for field in fields(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if key not in _KEYS:
            raise InputError(f"--mount has no key {key}{did_you_mean(key, _KEYS)}", fix=_EXAMPLE)
        if not equals and key not in _SWITCHES:
            raise InputError(f"{key} of --mount has no value", fix=_EXAMPLE)
        options[key] = value
    kind = options["type"] = options.get("type", "bind").lower()
    if kind not in _TYPES:
        raise InputError(
            f"--mount has no type {kind}{did_you_mean(kind, _TYPES)}",
            fix=f"--mount=type={{{','.join(_TYPES)}}}",
        )
    options.setdefault("source", options.get("src", ""))
    if kind == "bind" and not options.get("from") and "$" in options["source"]:
        raise InputError(
            f"RUN mounts {options['source']}, but engine 20.10 replaces no variables there",
            fix=_EXAMPLE,
        )
    return options
