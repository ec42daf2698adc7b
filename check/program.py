"""The program that a kernelspec has the gateway run: where it is, and what it needs beside it."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from shlex import quote

from buildlib.errors import Location
from buildlib.suggest import nearest
from check.kernelspec import Kernelspec, short
from check.known import CLASSES, HERE, LOCAL, PROXIES, RUN_SH, TEMPLATES

_INTERPRETER = re.compile(r"(?:.*/)?(?:python[0-9.]*|sh|bash|Rscript|env)\Z")
_INSTALLED = re.compile(r"/(?:.*/)?kernels/([^/]+)/(.+)\Z")
_USED = re.compile(r"""^ *(?:\.|python) "\$here/([^"$]+)\"""", re.MULTILINE)
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LAUNCHERS, _RUN_SCRIPTS = os.path.join(_ROOT, "launchers"), os.path.join(_ROOT, "kernelspecs/bin")


def check(spec: Kernelspec, argv: list[str], at: int) -> None:
    """Check the program.

    Args:
        spec: The kernelspec.
        argv: Its command.
        at: Which word of it is the program.
    """
    found = _find(spec, argv, at)
    if found:
        _check_file(spec, found, runs_itself=at == 0, at=at)
    _check_goes_with_class(spec, argv[at].rpartition("/")[2], at)


def program_at(argv: list[str]) -> int | None:
    """Which word is run, behind the interpreter if there is one."""
    if argv[0].startswith("-"):
        return None
    if not _INTERPRETER.match(argv[0]):
        return 0
    return next((at for at in range(1, len(argv)) if not argv[at].startswith("-")), None)


def _find(spec: Kernelspec, argv: list[str], at: int) -> str:
    """The path of the program in the kernelspec; empty where it is not there, which is told."""
    word = argv[at]
    where, findings = spec.document.where("argv", at), spec.findings
    installed = _INSTALLED.match(word)
    if word.startswith(HERE):
        inner = os.path.normpath(word.removeprefix(HERE))
    elif installed and installed[1] == spec.name:
        inner = os.path.normpath(installed[2])
    elif installed:
        findings.error(
            f"runs what is in the folder {installed[1]}, not in this one, {spec.name}",
            where,
            f'"{HERE}{_nearest_file(spec, installed[2])}"',
        )
        return ""
    elif word.startswith("/") or (at > 0 and argv[at - 1] == "-m"):
        _warn_elsewhere(spec, word, at)
        return ""
    elif "/" in word or os.path.splitext(word)[1] in (".py", ".sh", ".R"):
        findings.error(
            f"{word} is looked for in the folder that the gateway runs in, not in the kernelspec",
            where,
            f'"{HERE}{_nearest_file(spec, word)}"',
        )
        return ""
    else:
        _warn_elsewhere(spec, word, at)
        return ""
    path = os.path.join(spec.path, inner)
    if inner.startswith(".."):
        what = f"{word} leads out of the kernelspec, to what may not be there"
    elif os.path.isfile(path):
        return inner
    else:
        what = f"{spec.name} has no file {inner}"
    findings.error(what, where, f'"{HERE}{_nearest_file(spec, inner)}"')
    return ""


def _warn_elsewhere(spec: Kernelspec, word: str, at: int) -> None:
    if spec.class_name == LOCAL:
        return  # a kernel of the gateway's own container, where programs are at hand
    spec.findings.warn(
        f"{word} is not in the kernelspec: whether the gateway has it is not to be seen from here",
        spec.document.where("argv", at),
        f'"{HERE}…", with the program in the folder',
    )


def _nearest_file(spec: Kernelspec, wanted: str) -> str:
    """The file of a kernelspec that is most like a path."""
    files = sorted(
        os.path.relpath(os.path.join(folder, name), spec.path)
        for folder, _, names in os.walk(spec.path)
        for name in names
    )
    wanted = os.path.normpath(wanted)
    if wanted in files:
        return wanted
    base = os.path.basename(wanted)
    same = [file for file in files if os.path.basename(file) == base]
    return (same or [nearest(wanted, files) or wanted])[0].replace("../", "")


def _check_file(spec: Kernelspec, inner: str, *, runs_itself: bool, at: int) -> None:
    """Check that a program can be run, and that what it reads lies beside it."""
    path = os.path.join(spec.path, inner)
    shown = os.path.normpath(os.path.join(spec.folder, inner))
    findings = spec.findings
    with open(path, "rb") as file:
        data = file.read()
    first = data.partition(b"\n")[0]
    if runs_itself and not os.access(path, os.X_OK):
        findings.error(
            f"{inner} is not executable, and argv runs it", Location(shown, 0),
            f"chmod +x {quote(shown)}",
        )  # fmt: skip
    if runs_itself and not data.startswith((b"#!", b"\x7fELF")):
        findings.error(
            f"{inner} does not say what runs it", Location(shown, 1), "#!/bin/sh, as its first line"
        )
    if data.startswith(b"#!") and first.endswith(b"\r"):
        findings.error(
            f"{inner} has the line ends of Windows", Location(shown, 1),
            f"sed -i 's/\\r$//' {quote(shown)}",
        )  # fmt: skip
    for name in dict.fromkeys(_missing(spec.path, inner)):
        findings.error(
            f"{os.path.basename(inner)} needs {name}, which is not in {spec.name}",
            spec.document.where("argv", at),
            f"cp {_source_of(name)} {quote(os.path.join(spec.folder, os.path.dirname(name)))}/",
        )


def _missing(root: str, inner: str) -> Iterator[str]:
    """Files that a program of the kernelspec reads or runs, and that are not there."""
    path, (folder, name) = os.path.join(root, inner), os.path.split(inner)
    if not os.path.isfile(path):
        yield inner
    elif name == RUN_SH:
        with open(path, encoding="utf-8", errors="replace") as file:
            used = _USED.findall(file.read())
        for each in used:
            yield from _missing(root, each)
    elif name.endswith(".py"):
        needed = [*_not_beside(path), *([TEMPLATES[name]] if name in TEMPLATES else [])]
        for each in needed:
            if not os.path.exists(os.path.join(root, folder, each)):
                yield os.path.join(folder, each)


def _not_beside(path: str) -> Iterator[str]:
    """Modules of the family's launch scripts that a script imports, and that are not beside it."""
    ours = {
        os.path.splitext(name)[0]
        for folder, _, names in os.walk(_LAUNCHERS)
        for name in names
        if name.endswith(".py")
    }
    folder, pending = os.path.dirname(path), [path]
    seen: set[str] = set()
    for file in pending:
        for module in _imports(file) - seen:
            seen.add(module)
            there = os.path.join(folder, f"{module}.py")
            if os.path.exists(there):
                pending.append(there)
            elif module in ours and module not in sys.stdlib_module_names:
                yield f"{module}.py"


def _imports(file: str) -> set[str]:
    try:
        with open(file, "rb") as opened:
            tree = ast.parse(opened.read())
    except (SyntaxError, ValueError):
        return set()
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _source_of(name: str) -> str:
    """Where a file of the launch scripts is in this checkout."""
    base = os.path.basename(name)
    for folder, _, names in os.walk(_LAUNCHERS):
        if base in names:
            return quote(os.path.relpath(os.path.join(folder, base)))
    kernelspecs = os.path.join(os.path.dirname(_LAUNCHERS), "kernelspecs", "bin", base)
    return quote(os.path.relpath(kernelspecs)) if os.path.exists(kernelspecs) else base


def _check_goes_with_class(spec: Kernelspec, program: str, at: int) -> None:
    """The gateway looks for the kernel where the class says; the script puts it elsewhere."""
    scripts = {proxy.script for proxy in CLASSES.values()} - {""}
    wanted = spec.proxy.script if spec.proxy else ""
    if program in scripts and spec.is_remote and program != wanted:
        classes = [name for name, proxy in CLASSES.items() if proxy.script == program]
        spec.findings.error(
            f"{program} starts kernels for {' and '.join(short(each) for each in classes)}, "
            f"and class_name is {spec.short_class_name}",
            spec.document.where("argv", at),
            f'"{HERE}scripts/{wanted}"' if wanted else f'"class_name": "{PROXIES}{classes[0]}"',
        )
