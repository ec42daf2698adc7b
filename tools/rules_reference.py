"""Writes docs/rules.md from the signatures and docstrings of the rules.

    .venv/bin/python -m tools.rules_reference

Each rule in `core.dsl.registry` gets a section, so a new rule needs no change here. To change the
page, edit the docstring of the rule.
"""

# ruff: noqa: INP001 - a folder of scripts, not a package

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import NamedTuple

from buildlib.core.dsl import registry
from buildlib.core.model.target import Rule

PAGE = Path(__file__).resolve().parents[1] / "docs/rules.md"

_HEAD = """\
<!-- Made by tools/rules_reference.py from the docstrings in buildlib/core/rules; do not edit. -->
# Rules

What a `BUILD.py` can declare: `from buildlib.rules import docker_image, glob`. All arguments are
given by name (but for those of `glob`, `select` and `setting`), and those without a default are
required. What else a `BUILD.py` may say is in [build-files.md](build-files.md).
"""
_PRODUCTS = {
    "image": "an image in the engine",
    "files": "files in the content store",
    "none": "nothing by itself: whoever names it gets its files",
}


class Doc(NamedTuple):
    """A Google-style docstring, taken apart.

    Attributes:
        text: Before the first section.
        args: Name -> text, as one line.
    """

    text: str
    args: dict[str, str]


def parse_doc(doc: str) -> Doc:
    """Take a Google-style docstring apart; sections other than `Args` are left out.

    Args:
        doc: In any indentation.
    """
    text: list[str] = []
    args: dict[str, str] = {}
    section = name = ""
    for line in inspect.cleandoc(doc).splitlines():
        indent = len(line) - len(line.lstrip())
        if line and not indent and line.endswith(":") and line[:-1].isalpha():
            section = line[:-1]
        elif not section:
            text.append(line)
        elif section == "Args" and line:
            first, _, rest = line.strip().partition(": ")
            if indent == 4:  # noqa: PLR2004 - the indentation of an argument's name
                name = first
                args[name] = rest
            else:
                args[name] += " " + line.strip()
    return Doc("\n".join(text).strip(), args)


def section(name: str) -> str:
    """The section of one rule.

    Args:
        name: As `registry.names` has it.
    """
    function = registry.function(name)
    doc = parse_doc(function.__doc__ or "")
    parameters = inspect.signature(function).parameters
    odd = set(parameters) ^ set(doc.args)
    if odd:
        raise ValueError(f"{name}: docstring and signature disagree about {sorted(odd)}")
    required = [p.name for p in parameters.values() if p.default is p.empty]
    lines = [f"## {name}", "", doc.text, *_about(name), "", "| argument | |", "|---|---|"]
    for parameter in parameters.values():
        kind = str(parameter.annotation).replace("|", "\\|")
        note = "required" if parameter.name in required else f"default `{parameter.default!r}`"
        words = doc.args[parameter.name].replace("|", "\\|")
        lines.append(f"| `{parameter.name}` | {words} <br> `{kind}`, {note} |")
    return "\n".join(lines) + "\n"


def _about(name: str) -> list[str]:
    """The docstring of the module of a rule, and what the rule makes."""
    module = importlib.import_module(registry.function(name).__module__)
    rule = getattr(module, "RULE", None)
    if not isinstance(rule, Rule):
        return []
    _, _, more = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    makes = _PRODUCTS[rule.product] + (", made in the engine" if _is_made_in_engine(rule) else "")
    return [*(["", more] if more else []), "", f"Makes {makes}."]


def _is_made_in_engine(rule: Rule) -> bool:
    return rule.uses_engine and not rule.is_image


def page() -> str:
    """The whole text of docs/rules.md."""
    return "\n".join([_HEAD, *(section(name) for name in registry.names())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
