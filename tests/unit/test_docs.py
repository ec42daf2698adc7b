"""The documentation says what is: links lead somewhere, commands exist, examples are accepted."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import urllib.parse
from pathlib import Path

import pytest

from buildlib.build.workspace import Workspace
from buildlib.cli.call import parse
from buildlib.cli.verb import VARIABLES, find, names
from buildlib.core.dsl import registry
from buildlib.core.dsl.check import ANNOTATION_MODULES, SAFE_BUILTINS, check
from buildlib.core.graph.graph import Graph
from buildlib.core.model.settings import Network, Settings, Share, Signing
from tools import rules_reference

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = re.compile(r"(^|/)(\.|node_modules/|dist/)")
PAGES = sorted(
    path
    for path in (str(found.relative_to(ROOT)) for found in ROOT.rglob("*.md"))
    if not HIDDEN.search(path)
)
TAKES_TARGETS = {"build", "plan", "why", "list", "fetch", "clean", "forget", "verify"}

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^(?: {4}|\t)(.*)$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\[]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*?)\s*$", re.MULTILINE)
_EXAMPLE = re.compile(r"# (\S*(?:BUILD|defs)\.py)\n")
_COMMAND = re.compile(r"(?:^|(?<=[\s(]))\./doitw(?= |$)([^#|;&<>\n…]*)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """A page without its code."""
    return _INLINE.sub("", _FENCE.sub("", text_of(page)))


def anchors_of(page: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = _HEADING.findall(_FENCE.sub("", text_of(page)))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        for heading in headings
    }


def commands_of(text: str) -> list[list[str]]:
    """Every `./doitw …` of a page, as words; only code counts."""
    fences = [body for _, body in _FENCE.findall(text)]
    rest = _FENCE.sub("", text)
    code = [*fences, *_INDENTED.findall(rest), *_INLINE.findall(rest)]
    lines = (line for block in code for line in block.splitlines())
    words = [shlex.split(found) for line in lines for found in _COMMAND.findall(line)]
    return [[word for word in each if not re.fullmatch(r"\$\w+", word)] for each in words]


def examples_of(text: str) -> list[tuple[str, str]]:
    """Python blocks whose first line names the declaration they stand for: `# a/b/BUILD.py`."""
    blocks = [body for language, body in _FENCE.findall(text) if language == "python"]
    return [(found[1], body) for body in blocks if (found := _EXAMPLE.match(body))]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Workspace(str(ROOT)).graph


def is_placeholder(word: str) -> bool:
    """Whether a word stands for what a reader has to fill in: `TARGET`, `build:X`."""
    return word.removeprefix("build:").strip("[]").isupper()


_TABLES = ("network", "signing", "share", "family")
"""Settings that are tables of their own."""


def refuse_unknown(words: list[str], graph: Graph) -> None:
    """Raise what the command line would raise for these words."""
    of_proof = any(word.startswith("verify:") for word in words)
    usual = "verify" if of_proof else "build"
    verb = next((word for word in words if word in names() or word == "help"), usual)
    if words == ["--version"]:
        return
    if verb == "help":
        rest = [word for word in words if word != "help" and not word.isupper()]
        assert all(find(word) for word in rest if word != "--json")
        return
    call = parse(find(verb), [word for word in words if word != verb], "")
    if verb in TAKES_TARGETS and call.words[:1] != ("release",):  # plan tells of a release, too
        named = [word for word in call.words if not is_placeholder(word)]
        graph.resolve(named)


def refuse_wrong_calls(file: str, source: str) -> None:
    """Check an example as the loader would, and the arguments of every rule it calls."""
    for node in ast.walk(check(source, file)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in registry.names():
            named = {keyword.arg: None for keyword in node.keywords if keyword.arg}
            signature = inspect.signature(registry.function(node.func.id))
            signature.bind(*node.args, **named)


def test_the_reference_of_rules_is_fresh():
    made = rules_reference.page()
    assert rules_reference.PAGE.read_text(encoding="utf-8") == made, (
        "docs/rules.md is stale\n  fix: .venv/bin/python -m tools.rules_reference"
    )


def test_the_reference_has_each_rule_with_each_argument():
    page = text_of("docs/rules.md")
    for name in registry.names():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for argument in inspect.signature(registry.function(name)).parameters:
            assert f"| `{argument}` |" in section, (name, argument)


def test_an_undocumented_argument_is_refused(monkeypatch):
    def odd(*, name: str, extra: str = "") -> None:
        """Declare nothing.

        Args:
            name: Name of the target.
        """

    monkeypatch.setattr(registry, "function", lambda _: odd)
    with pytest.raises(ValueError, match="extra"):
        rules_reference.section("glob")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in _LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = urllib.parse.unquote(target).partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert found.exists(), f"{page}: {target}"
        if anchor:
            there = str(found.resolve().relative_to(ROOT))
            assert anchor in anchors_of(there), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist_with_their_options_and_targets(page, graph):
    text = text_of(page)
    declared = {Path(file).parent.name for file, _ in examples_of(text)}  # by the page itself
    for words in commands_of(text):
        refuse_unknown([word for word in words if word not in declared], graph)


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_declarations_are_accepted(page):
    for file, source in examples_of(text_of(page)):
        refuse_wrong_calls(file, source)


def test_the_page_on_commands_has_all_verbs_options_variables_and_settings():
    page = text_of("docs/commands.md")
    own = [name for name in Settings._fields if name not in _TABLES]
    settings = [*own, *(f"network.{name}" for name in Network._fields)]
    settings += [f"signing.{name}" for name in Signing._fields]
    settings += [f"share.{name}" for name in Share._fields]
    rows = [f"[`{verb}`](#" for verb in names()] + [f"| `{name}` |" for name in settings]
    assert [row for row in rows if row not in page] == []
    options = {option.name for verb in names() for option in find(verb).all_options}
    known = [*options, *(variable.name for variable in VARIABLES)]
    assert [word for word in known if word not in page] == []


def test_the_page_on_build_files_has_all_that_is_allowed():
    page = text_of("docs/build-files.md")
    names = [*SAFE_BUILTINS, *ANNOTATION_MODULES["typing"], *ANNOTATION_MODULES["collections.abc"]]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_page_can_be_found_from_the_index():
    linked = {target.partition("#")[0] for target in _LINK.findall(prose_of("docs/index.md"))}
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
    assert pages - linked - {"index.md"} == set()


@pytest.mark.parametrize(
    "words", [["biuld"], ["plan", "--jobs", "3"], ["why", "//images/nope"], ["build", "NAME=1"]]
)
def test_a_wrong_command_would_be_found(words, graph):
    with pytest.raises(Exception, match=r"(?i)no |unknown"):
        refuse_unknown(words, graph)


def test_commands_are_found_in_blocks_lines_and_spans():
    text = (
        "```sh\n./doitw plan  # why\n```\n\n    ./doitw -v 2 build | less\n\nSay `./doitw list`.\n"
    )
    assert commands_of(text) == [["plan"], ["-v", "2", "build"], ["list"]]


def test_a_wrong_example_would_be_found():
    text = '```python\n# images/x/BUILD.py\nfrom os import path\n\ndocker_image(nam="x")\n```\n'
    ((file, source),) = examples_of(text)
    with pytest.raises(Exception, match="os cannot be imported"):
        refuse_wrong_calls(file, source)
    with pytest.raises(TypeError):
        refuse_wrong_calls(file, source.replace("from os import path", ""))
