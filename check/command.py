"""The command of a kernelspec: what the gateway fills in, and the options that it fills it into.

The program that they are given to is `program.py`'s, its environment `spark.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from buildlib.suggest import did_you_mean, nearest
from check import program, spark
from check.kernelspec import Kernelspec
from check.known import (
    CONDUCTOR,
    FILLED,
    HERE,
    LOCAL,
    MODE,
    MODES,
    NEEDED,
    OPTIONS,
    PLACEHOLDERS,
    PREFIX,
    RUN_SH,
)

_PLACEHOLDER = re.compile(r"(?<!\$)\{+([^{}]*)\}+")
_EXAMPLE = f'"argv": ["python", "{HERE}scripts/launch_kubernetes.py", …]'


class _Option(NamedTuple):
    """An option in `argv`.

    Attributes:
        at: Its place.
        name: Without what stands in front of it.
        prefix: What does.
        value: Empty where there is none.
    """

    at: int
    prefix: str
    name: str
    value: str


def check(spec: Kernelspec) -> None:
    """Check the command."""
    argv = spec.take("argv", kind=list)
    if argv is None:
        return
    where, findings = spec.document.where("argv"), spec.findings
    if not argv or not all(isinstance(word, str) for word in argv):
        what = "argv is empty" if not argv else "argv is not a list of texts"
        findings.error(what, where, _EXAMPLE)
        return
    at = program.program_at(argv)
    if at is not None:
        program.check(spec, argv, at)
    elif spec.class_name != CONDUCTOR:
        findings.error("argv names no program, but options only", where, _EXAMPLE)
    runs = "" if at is None else argv[at].rpartition("/")[2]
    _check_placeholders(spec, argv)
    options = list(_options(argv, 0 if at is None else at + 1))
    if runs in OPTIONS or spec.is_remote:
        given = [_check_option(spec, runs, option) for option in options]
        _check_all_given(spec, given)
    elif spec.class_name == LOCAL and "{connection_file}" not in " ".join(argv):
        findings.error(
            "argv does not hand over {connection_file}, by which a kernel is reached that runs in "
            "the gateway's own container",
            where,
            '"-f", "{connection_file}"',
        )
    if runs == RUN_SH:
        spark.check(spec, argv)


def _check_placeholders(spec: Kernelspec, argv: list[str]) -> None:
    for at, word in enumerate(argv):
        for match in _PLACEHOLDER.finditer(word):
            whole, name = match[0], match[1]
            if whole == f"{{{name}}}" and name in PLACEHOLDERS:
                continue
            meant = nearest(name.strip().replace("-", "_").lower(), PLACEHOLDERS)
            right = f"{{{meant}}}" if meant else ""
            spec.findings.error(
                f"the gateway does not replace {whole}"
                + (f"; did you mean {right}?" if meant else ""),
                spec.document.where("argv", at),
                f'"{word.replace(whole, right)}"' if meant else f"remove {word}",
            )


def _options(argv: list[str], first: int) -> Iterator[_Option]:
    at = first
    while at < len(argv):
        word = argv[at]
        start, value = at, ""
        at += 1
        if not word.startswith("--"):
            yield _Option(start, "", "", word)
            continue
        name, equals, value = word.partition("=")
        if not equals and at < len(argv) and not argv[at].startswith("--"):
            value = argv[at]
            at += 1
        prefix, dot, rest = name.rpartition(".")
        yield _Option(start, prefix + dot if dot else "--", rest if dot else name[2:], value)


def _check_option(spec: Kernelspec, runs: str, option: _Option) -> str:
    """Check an option; returns which one it is, or is meant to be.

    Args:
        spec: The kernelspec.
        runs: The program's name. One that is not ours may have options of its own.
        option: What stands in `argv`.
    """
    where, findings = spec.document.where("argv", option.at), spec.findings
    if not option.name:
        if runs in OPTIONS and spec.proxy and spec.proxy.in_containers:
            what = f"{runs} takes no word like {option.value}"
            findings.error(what, where, f"remove {option.value}")
        return ""
    names = OPTIONS.get(runs, OPTIONS[RUN_SH])
    name = option.name if option.name in names else nearest(option.name, names) or ""
    typed = option.prefix + option.name
    right = (PREFIX if option.prefix != "--" else "--") + name
    if option.name not in names and (name or runs in OPTIONS):
        meant = f"; did you mean {right}?" if name else ""
        fix = f'"{right}"' if name else f"remove {typed}"
        findings.error(f"{runs or 'a launcher'} has no option {typed}{meant}", where, fix)
    elif option.name in names and option.prefix not in ("--", PREFIX):
        findings.error(f"{typed} is spelt {right}", where, f'"{right}"')
    if name:
        _check_value(spec, name, option)
    return name


def _check_all_given(spec: Kernelspec, given: list[str]) -> None:
    for name in NEEDED:
        if name not in given:
            placeholder = "{" + name.replace("-", "_") + "}"
            spec.findings.error(
                f"argv does not hand over {placeholder}, without which no kernel reports",
                spec.document.where("argv"),
                f'"{PREFIX}{name}", "{placeholder}"',
            )


def _check_value(spec: Kernelspec, name: str, option: _Option) -> None:
    """An option has the placeholder of its name; a mode is one that there is."""
    placeholder = "{" + name.replace("-", "_") + "}"
    where = spec.document.where("argv", option.at)
    replaced = [each for each in PLACEHOLDERS if f"{{{each}}}" == option.value]
    if name in FILLED and option.value != placeholder:
        # A misspelt placeholder is told as such; a range of ports may be given.
        if replaced or (name in NEEDED and "{" not in option.value):
            has = option.value or "nothing"
            spec.findings.error(
                f"{PREFIX}{name} is given {has}, not {placeholder}", where, f'"{placeholder}"'
            )
    elif name == MODE and option.value not in MODES and "$" not in option.value:
        spec.findings.error(
            f"{MODE} is {option.value or 'empty'}, not one of {', '.join(MODES)}"
            + did_you_mean(option.value, MODES),
            where,
            f'"{nearest(option.value, MODES) or MODES[1]}"',
        )
