"""What `BUILD.py` and `defs.py` may say: a graph depends on the tree and on nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from buildlib.core.dsl.check import check
from buildlib.errors import InputError
from tests.support.workspace import WorkspaceBuilder

# -- refused by what is written, before anything runs ---------------------------------------------

REFUSED = {
    "import": "import os",
    "import from elsewhere": "from os import environ",
    "import from a library of the rules": "from buildlib.core.rules.base import Rule",
    "import from a folder of rules": "from buildlib.core import rules",
    "relative import": "from . import defs",
    "import star": "from images.defs import *",
    "import of a hidden name": "from images.defs import __class__",
    "import of a hidden attribute": "from images.defs import __getattribute__ as get",
    "import under a hidden name": "from images.defs import X as __builtins__",
    "typing beyond annotations": "from typing import sys",
    "collections beyond annotations": "from collections.abc import sys",
    "open": "open('x')",
    "print": "print(1)",
    "eval": "eval('1')",
    "exec": "exec('1')",
    "compile": "compile('1', '', 'eval')",
    "getattr": "getattr(1, 'real')",
    "setattr": "setattr(1, 'a', 1)",
    "vars": "vars()",
    "dunder name": "__builtins__",
    "dunder import": "__import__('os')",
    "wide underscores": "\uff3f\uff3fimport\uff3f\uff3f('os')",
    "dunder attribute": "''.__class__",
    "dunder in an f-string": "f'{\"\".__class__}'",
    "dunder in a format spec": "f'{1:{\"\".__class__}}'",
    "dunder in a default": "f = lambda x=''.__class__: x",
    "format": "'{0.__class__}'.format(1)",
    "format taken, not called": "f = ''.format",
    "format_map": "'{a.__class__}'.format_map({})",
    "frame of a generator": "(x for x in []).gi_frame",
    "code of a generator": "(x for x in []).gi_code",
    "a frame's caller": "[g.gi_frame.f_back.f_back for g in []]",
    "attribute of a method": "f = str.mro()",
    "registering a type": "Mapping.register(str)",
    "traceback": "ValueError('x').with_traceback(None)",
    "an attribute that is written": "x = docker_image\nx.seen = 1",
    "an attribute that is added to": "x = docker_image\nx.seen += 1",
    "set display": "{1, 2}",
    "set comprehension": "{x for x in [1]}",
    "set": "set([1])",
    "frozenset": "frozenset([1])",
    "hash": "hash('a')",
    "id": "id('a')",
    "while": "while True:\n    pass",
    "with": "with x:\n    pass",
    "try": "try:\n    pass\nexcept ValueError:\n    pass",
    "raise": "raise ValueError('x')",
    "class": "class X:\n    pass",
    "function in a BUILD.py": "def f():\n    pass",
    "lambda": "f = lambda: 1",
    "async function": "async def f():\n    pass",
    "walrus": "(x := 1)",
    "global": "global x",
    "del": "x = 1\ndel x",
    "assert": "assert True",
    "match": "match 1:\n    case int():\n        pass",
    "match of an attribute": "match '':\n    case str(__class__=c):\n        pass",
    "yield": "yield 1",
    "await": "await x",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_declaration_is_refused_with_its_line_and_what_to_do(text: str) -> None:
    with pytest.raises(InputError) as refused:
        check(f"# a comment\n\n{text}\n", "images/a/BUILD.py")
    error = refused.value
    assert error.where is not None
    assert error.where.file == "images/a/BUILD.py"
    assert error.where.line >= 3
    assert error.what
    assert "\n" not in error.what
    assert error.fix


REFUSED_IN_DEFS = {
    "class": "class X:\n    pass",
    "lambda": "f = lambda: 1",
    "generator function": "def f():\n    yield 1",
    "async": "async def f():\n    pass",
    "global": "def f():\n    global x",
    "dunder default": "def f(x=''.__class__):\n    pass",
    "dunder decorator": "@f.__call__\ndef g():\n    pass",
    "dunder function": "def __import__():\n    pass",
    "dunder argument": "def f(__builtins__):\n    pass",
    "dunder annotation": "def f(x: ''.__class__):\n    pass",
    "open as an argument's default": "def f(x=open):\n    pass",
    "attribute of a function": "def f():\n    pass\nf.calls = 1",
}


@pytest.mark.parametrize("text", REFUSED_IN_DEFS.values(), ids=REFUSED_IN_DEFS.keys())
def test_macros_may_define_functions_and_no_more(text: str) -> None:
    with pytest.raises(InputError) as refused:
        check(f"\n{text}\n", "images/defs.py")
    assert refused.value.where is not None
    assert refused.value.where.line >= 2


ALLOWED = """
from __future__ import annotations
from typing import Any, Final
from collections.abc import Mapping
from buildlib.rules import docker_image
from images.defs import kernel_image as image

NAMES: Final = ["a", "b"]
table = {name: {"x": 1, **{}} for name in NAMES if name != "c"}
total = 0
for index, (name, row) in enumerate(sorted(table.items())):
    if name.startswith("a") and not row.get("y"):
        total += row["x"] * 2 - 1
        continue
    label = f"//images/{name.upper():>4}[{', '.join(NAMES[:1])}]"
all(x for x in NAMES) or any(isinstance(x, str) for x in NAMES)
first, *rest = [*NAMES, *map(str, range(3))]
"a,b".split(",")[0].removeprefix("a").strip().replace("a", "b").encode().hex()
NAMES.append("z")
longest = max(NAMES, key=len)
"""


def test_what_declarations_are_made_of_passes() -> None:
    check(ALLOWED, "images/a/BUILD.py")
    macro = "def f(*names: str, deep: Mapping[str, str] | None = None) -> list[str]:\n"
    check(macro + "    return [*names, *(deep or {})]\n", "images/defs.py")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = (\n", 1),
        ("x = 1\n  y = 2\n", 2),
        ("x = 1\nbreak\n", 2),
        ("for x in []:\n    pass\ncontinue\n", 3),
        ("x = 1\nfrom __future__ import annotations\n", 2),
        ("x = '\0'\n", 1),
        ("f(a=1, a=2)\n", 1),
    ],
)
def test_text_that_is_no_python_is_told_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/BUILD.py", text)
    message = made.error()
    assert message.startswith(f"a/BUILD.py:{line}: error: not valid Python")


@pytest.mark.parametrize("text", ["return 1\n", "def f(a, a):\n    pass\n"])
def test_macros_that_are_no_python_are_told_too(tmp_path: Path, text: str) -> None:
    made = WorkspaceBuilder(tmp_path).file("defs.py", text)
    made.file("a/BUILD.py", "from defs import x\n")
    assert made.error().startswith("defs.py:1: error: not valid Python")


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/BUILD.py", b"x = '\xff'\n")
    assert made.error().startswith("a/BUILD.py:1: error: not UTF-8 text")


def test_nesting_that_python_cannot_hold_is_told(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/BUILD.py", "x = " + "-" * 30_000 + "1\n")
    assert made.error().startswith("a/BUILD.py:")


# -- refused while it runs ------------------------------------------------------------------------

ESCAPES = {
    "a class through an import": ("from defs import __class__ as c", ""),
    "any attribute through an import": ("from defs import __getattribute__ as g", ""),
    "the namespace through an import": ("from defs import __dict__ as d", ""),
    "what a macro imported for annotations": ("from defs import sys", "from typing import Any"),
    "a builtin that is not there": ("x = globals()", ""),
    "dir": ("x = dir()", ""),
    "type": ("x = type(1)", ""),
    "object": ("x = object()", ""),
    "input": ("x = input()", ""),
    "memoryview": ("x = memoryview(b'')", ""),
    "super": ("x = super()", ""),
    "breakpoint": ("breakpoint()", ""),
}


@pytest.mark.parametrize(("text", "macros"), ESCAPES.values(), ids=ESCAPES.keys())
def test_what_gets_past_the_eye_is_not_there_when_run(
    tmp_path: Path, text: str, macros: str
) -> None:
    made = WorkspaceBuilder(tmp_path).file("defs.py", macros + "\n")
    made.file("a/BUILD.py", text + "\n")
    assert made.error().startswith("a/BUILD.py:1: error: ")


UNSTEADY = {
    "an address in a text": "str(docker_image)[-18:]",
    "an address of a macro": "f'{helper}'.split(' at ')[1]",
    "an address by percent": "('%s' % helper)[-18:]",
    "an address by repr": "f'{helper!r}'[-18:]",
    "an address of a generator": "str(x for x in [])[-18:]",
    "an address of a bound method": "str([].append)[-18:]",
    "an address inside a list": "str([helper])[-18:]",
    "a set made of keys": "','.join({'a': 1, 'b': 2, 'c': 3}.keys() | ['d', 'e', 'f'])",
    "a set made of less keys": "','.join({c: 1 for c in 'abcdefgh'}.keys() - ['a'])",
    "a set made of both keys": "','.join({c: 1 for c in 'abcdefgh'}.keys() & list('hgfedc'))",
    "a set made of other keys": "','.join({c: 1 for c in 'abcdefgh'}.keys() ^ list('xyz'))",
    "a set made in place": "','.join(grown)",
}


@pytest.mark.parametrize("expression", UNSTEADY.values(), ids=UNSTEADY.keys())
def test_nothing_that_differs_from_run_to_run_can_be_declared(
    tmp_path: Path, expression: str
) -> None:
    """Either it is refused, or four runs of the interpreter agree on it."""
    made = WorkspaceBuilder(tmp_path)
    made.file("defs.py", "def helper():\n    return 1\n")
    made.image("a")
    made.build(
        "a",
        "from defs import helper",
        "grown = {c: 1 for c in 'abcdefgh'}.keys()",
        "grown |= ['x', 'y', 'z']" if "grown" in expression else "",
        f'docker_image(name="a", description={expression})',
    )
    script = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from buildlib.build.workspace import Workspace\n"
        "from buildlib.errors import InputError\n"
        "w = Workspace(sys.argv[1], store_root=sys.argv[2])\n"
        "try: print([t.attrs['description'] for t in w.graph.targets.values()])\n"
        "except InputError: print('refused')\n"
    )
    ballast = ["", "x" * 5_000]  # moves what is allocated after it
    said = {
        subprocess.run(
            [sys.executable, "-c", script, str(made.root), str(made.store), str(Path.cwd())],
            env={
                "PYTHONHASHSEED": str(seed),
                "BALLAST": ballast[seed % 2],
                "PATH": "/usr/bin:/bin",
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(said) == 1, said


def test_a_load_leaves_nothing_for_the_next_one(tmp_path: Path) -> None:
    """Two trees are loaded by one process when their graphs are compared."""
    from collections.abc import Mapping

    made = WorkspaceBuilder(tmp_path)
    made.file("a/BUILD.py", "from collections.abc import Mapping\nMapping.register(str)\n")
    message = made.error()
    assert not isinstance("text", Mapping)
    assert message.startswith("a/BUILD.py:2: error: .register is not part of")
    made.file("a/BUILD.py", "from buildlib.rules import glob\nglob.seen = 1\n")
    assert made.error().startswith("a/BUILD.py:2: error: ")
    from buildlib.rules import glob

    assert not hasattr(glob, "seen")


def test_declarations_see_no_file_but_through_the_tree(tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("X = 1\n")
    made = WorkspaceBuilder(tmp_path).link("defs.py", str(outside))
    made.file("a/BUILD.py", "from defs import X\n")
    assert "defs.py" in made.error()
    made.remove("a/BUILD.py").link("a/BUILD.py", str(outside))
    assert made.error().startswith("a/BUILD.py")
