"""The names and keys of a kernelspec, and its environment.

The process proxy is `proxy.py`'s, the command `command.py`'s.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from shlex import quote

from buildlib.errors import Location
from buildlib.suggest import nearest
from check.kernelspec import PROXY, Kernelspec, setting
from check.known import KEYS, OTHER_KEYS

_LISTED = re.compile(r"[A-Za-z0-9._-]+\Z")
_MODES = ("signal", "message")


def check(spec: Kernelspec, beside: Iterable[Kernelspec]) -> None:
    """Check names, keys and environment.

    Args:
        spec: The kernelspec.
        beside: Those of the same folder, and others that are checked with it.
    """
    _check_names(spec, beside)
    for key, first, line in spec.document.twice():
        spec.findings.error(
            f"{key} stands twice, and only the last one counts: also on line {first}",
            Location(spec.document.file, line),
            f"remove line {first}, or line {line}",
        )
    _check_keys(spec)
    _check_environment(spec)


def _check_names(spec: Kernelspec, beside: Iterable[Kernelspec]) -> None:
    name, findings = spec.name, spec.findings
    here = Location(spec.folder, 0)
    if not _LISTED.match(name):
        better = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_") or "python_my"
        to = os.path.join(os.path.dirname(spec.folder), better)
        findings.error(
            f"{name} is no name that Jupyter lists: letters, digits, '.', '_' and '-' only",
            here,
            f"mv {quote(spec.folder)} {quote(to)}",
        )
    display = spec.document.values.get("display_name")
    for other in beside:
        if other.path == spec.path:
            continue
        if other.name.lower() == name.lower() and other.name != name:
            findings.error(
                f"{other.name} and {name} are one name to the gateway, which knows lower case only",
                here,
                f"mv {quote(spec.folder)} {quote(spec.folder + '_2')}",
            )
        elif display and other.document.values.get("display_name") == display:
            findings.warn(
                f"{other.name} is shown under the same display_name: nobody can tell them apart",
                spec.document.where("display_name"),
                f'"display_name": {json.dumps(f"{display} ({name})", ensure_ascii=False)}',
            )


def _check_keys(spec: Kernelspec) -> None:
    values, document, findings = spec.document.values, spec.document, spec.findings
    known = (*KEYS, *OTHER_KEYS)
    missing = [key for key in KEYS if key not in values]
    absent = [key for key in known if key not in values]
    for key in values:
        if key in known:
            continue
        meant = nearest(key, missing) or nearest(key, absent)
        if key == PROXY[1]:
            findings.error(
                "process_proxy is looked for in metadata, not here",
                document.where(key),
                '"metadata": {"process_proxy": {…}}',
            )
        elif meant:
            findings.error(
                f"nobody reads {key}; did you mean {meant}?",
                document.where(key),
                setting(meant, values[key]),
            )
            missing = [name for name in missing if name != meant]
        else:
            findings.warn(f"nobody reads {key}", document.where(key), f"remove {key}")
    for key in missing:
        findings.error(f"{key} is missing", document.where(), f'"{key}": {KEYS[key]}')
    for key in ("display_name", "language"):
        if spec.take(key) == "":
            findings.error(f"{key} is empty", document.where(key), f'"{key}": {KEYS[key]}')
    spec.take("metadata", kind=dict)
    mode = spec.take("interrupt_mode")
    if mode and mode.lower() not in _MODES:
        findings.error(
            f"interrupt_mode is {mode}, not one of {', '.join(_MODES)}",
            document.where("interrupt_mode"),
            '"interrupt_mode": "signal"',
        )


def _check_environment(spec: Kernelspec) -> None:
    env = spec.take("env", kind=dict) or {}
    for name, value in env.items():
        if not isinstance(value, str):
            text = value if isinstance(value, bool | int | float) else "…"
            spec.findings.error(
                f"env.{name} is not a text, and variables are texts",
                spec.document.where("env", name),
                f'"{name}": {json.dumps(str(text), ensure_ascii=False)}',
            )
