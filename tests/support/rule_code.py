"""The code that decides what each rule makes, as digests: so that no change of it goes unnoticed.

    .venv/bin/python -m tests.support.rule_code      # renews tests/golden/rule-code.json

A digest is that of the code without comments, docstrings and blank lines, and the same for every
version of Python.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import io
import json
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from buildlib.core.model.target import Rule

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests/golden/rule-code.json"
RENEW = ".venv/bin/python -m tests.support.rule_code"
_PACKAGES = ("buildlib.core.rules.", "buildlib.core.pack.", "buildlib.outside.debian.")
_ACTIONS = (
    "buildlib.build.execution.action_context",
    "buildlib.build.execution.stage",
    "buildlib.build.execution.downloads",
    "buildlib.core.model.section",
)
"""What all actions work with."""
_WRITERS = {"write_rootfs": "buildlib.outside.debian.rootfs"}
"""Methods of a context that only some rules call -> what does their work."""
_LATE = {("buildlib.build.execution.action_context", module) for module in _WRITERS.values()}
_BUILDERS = (
    *("buildlib.engine.build", "buildlib.engine.secrets", "buildlib.engine.direct"),
    *("buildlib.engine.layer", "buildlib.engine.parent", "buildlib.core.dockerfile.lines"),
    *("buildlib.core.dockerfile.expand", "buildlib.core.dockerfile.plain"),
    "buildlib.core.dockerfile.bases",
)
"""What those work with that hand a Dockerfile to a builder, or make its image themselves."""


class Code(NamedTuple):
    """What there is of rules.

    Attributes:
        versions: Kind of each rule -> its version.
        modules: Path of each module -> digest of its code.
        uses: Kind of each rule -> paths of the modules that decide what it makes.
    """

    versions: Mapping[str, int]
    modules: Mapping[str, str]
    uses: Mapping[str, list[str]]


def read_code(root: Path = ROOT) -> Code:
    """The rules of a checkout, with the versions of those that are imported."""
    versions: dict[str, int] = {}
    uses: dict[str, list[str]] = {}
    for path in sorted((root / "buildlib/core/rules").glob("*.py")):
        rule = getattr(importlib.import_module(f"buildlib.core.rules.{path.stem}"), "RULE", None)
        if isinstance(rule, Rule):
            builds = rule.product == "image" or rule.uses_engine
            roots = [f"buildlib.core.rules.{path.stem}", *_ACTIONS, *(_BUILDERS if builds else ())]
            text = path.read_text()
            roots += [module for method, module in _WRITERS.items() if f".{method}(" in text]
            versions[rule.kind] = rule.version
            uses[rule.kind] = sorted(_closure(root, roots))
    paths = sorted({path for each in uses.values() for path in each})
    modules = {path: digest((root / path).read_text()) for path in paths}
    return Code(versions, modules, uses)


def complaints(kept: Mapping[str, Mapping[str, object]], code: Code) -> list[str]:
    """What to tell a developer whose code differs from what was kept."""
    told = []
    for path in sorted({*kept["modules"], *code.modules}):
        if kept["modules"].get(path) == code.modules.get(path):
            continue
        rules = [kind for kind, paths in code.uses.items() if path in paths]
        same = [kind for kind in rules if kept["versions"].get(kind) == code.versions[kind]]
        told.append(f"the code of {path} changed, and it decides what these rules make: ")
        told[-1] += ", ".join(rules) or "none any more"
        if same:
            told.append(f"  not raised: the version of {', '.join(same)}")
    if told or dict(kept["versions"]) != dict(code.versions):
        told += [
            "If a rule may make something else of the same declaration now, raise `version` in its",
            "class (buildlib/core/rules): else what was made before is taken for up to date.",
            "If code only moved, versions stay as they are. In both cases then renew the digests:",
            f"  fix: {RENEW}",
        ]
    return told


def digest(text: str) -> str:
    """The digest of a module's code."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[row - 1] = ""
    code = "\n".join(line.rstrip() for line in lines if line.strip())
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _closure(root: Path, names: list[str]) -> set[str]:
    """Paths of some modules and of all that they import, of those that count."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        path = f"{name.replace('.', '/')}.py"
        if path not in found and (root / path).is_file():
            found.add(path)
            pending += [
                other
                for other in _imported(ast.parse((root / path).read_text()))
                if other.startswith(_PACKAGES) and (name, other) not in _LATE
            ]
    return found


def _imported(tree: ast.AST) -> Iterator[str]:
    """Modules that are imported when the code runs: not for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _imported(node)


def main() -> None:
    """Keep what there is now."""
    code = read_code()
    kept = {"versions": code.versions, "modules": code.modules}
    FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
