"""Checks kernelspecs: each mistake of each of them, and what could not be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from check import allowed, command, images, kernelspec, keys, proxy
from check.allowed import AllowList
from check.findings import ERROR, WARNING, Findings
from check.images import Images
from check.kernelspec import Kernelspec

Say = Callable[[str], None]


class _Checked(NamedTuple):
    folder: str
    findings: Findings
    spec: Kernelspec | None


def check_kernelspecs(
    folders: Sequence[str], allow_lists: Sequence[AllowList] | None, look: Images, say: Say
) -> dict[str, Any]:
    """Check kernelspecs and tell what is wrong; returns the same for programs.

    Args:
        folders: As they were typed.
        allow_lists: None where none was named.
        look: Looks for images.
        say: Takes lines for people.
    """
    named = list(dict.fromkeys(os.path.normpath(folder) for folder in folders))
    all_checked = [_open(folder) for folder in named]
    specs = [each.spec for each in all_checked if each.spec]
    for spec in specs:
        keys.check(spec, [*specs, *_beside(spec, specs)])
        proxy.check(spec)
        command.check(spec)
        images.check(spec, look)
        allowed.check(spec, list(allow_lists or ()))
    for each in all_checked:
        for finding in each.findings.sorted:
            for line in finding.lines():
                say(line)
        say(f"{each.folder}: {_summary(each.findings)}")
    not_checked = list(look.not_asked)
    if allow_lists is None:
        not_checked.append("the allow list: name it, or its file, with --allowed")
    for line in not_checked:
        say(f"not checked: {line}")
    return {
        "kernelspecs": [
            {
                "folder": each.folder,
                "name": each.spec.name if each.spec else None,
                "errors": each.findings.count(ERROR),
                "warnings": each.findings.count(WARNING),
                "findings": [finding.plain() for finding in each.findings.sorted],
            }
            for each in all_checked
        ],
        "not_checked": not_checked,
        "errors": sum(each.findings.count(ERROR) for each in all_checked),
    }


def _open(folder: str) -> _Checked:
    findings = Findings()
    return _Checked(folder, findings, kernelspec.open_kernelspec(folder, findings))


def _beside(spec: Kernelspec, known: Sequence[Kernelspec]) -> list[Kernelspec]:
    """Those that lie in the same folder and are not checked themselves."""
    parent = os.path.dirname(spec.path)
    paths = {each.path for each in known}
    others = sorted(os.path.join(parent, name) for name in os.listdir(parent))
    opened = [
        kernelspec.open_kernelspec(path, Findings())
        for path in others
        if path not in paths and os.path.exists(os.path.join(path, "kernel.json"))
    ]
    return [each for each in opened if each]


def _summary(findings: Findings) -> str:
    counts = [(findings.count(severity), severity) for severity in (ERROR, WARNING)]
    told = [f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count]
    return ", ".join(told) or "well"
