"""What counts as a line of code."""

from __future__ import annotations

import json

import pytest

from tools.code_lines import Count, add, by_room, count, main

SOURCE = '''\
"""Of the module.

In three lines.
"""

# a comment
import os  # code, for all the comment

LONG = """a text of two lines,

three with the empty one"""


class A:
    """Of the class."""

    x = 1
    """Of x."""

    async def f(
        self,
    ) -> None:
        """Of the function."""; print()

    def g(self):
        r"""Nothing else."""
'''


def test_a_line_of_code_has_a_token_that_is_neither_docstring_nor_comment():
    # import, 3 of LONG, class, x, 3 of f's head, its print (beside a docstring), def g
    assert count(SOURCE) == Count(files=1, lines=26, code=11, docstrings=4 + 1 + 1 + 1)


@pytest.mark.parametrize("source", ["", "\n\n", "# only words\n", '"""Only words."""\n'])
def test_what_does_nothing_has_no_code(source):
    assert count(source).code == 0


def test_decorators_and_lines_that_go_on_are_code():
    assert count("@a\ndef f(): return 1 + \\\n    2\n").code == 3


def test_a_text_that_is_used_is_no_docstring():
    assert count('def f():\n    return """x"""\n').docstrings == 0


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "house"
    for name, text in {
        "__init__.py": "",
        "top.py": "a = 1\n",
        "wing/__init__.py": '"""Words."""\n',
        "wing/room/one.py": "a = 1\nb = 2\n",
        "wing/room/two.py": "a = 1\n",
        "wing/notes.txt": "no Python\n",
        "wing/__pycache__/x.py": "a = 1\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_rooms_are_the_folders_below_the_package_and_the_modules_beside_them(package):
    rooms = by_room(package)
    assert {room: (n.files, n.code) for room, n in rooms.items()} == {
        "wing": (3, 3),
        "top.py": (1, 1),
        "__init__.py": (1, 0),
    }
    assert list(rooms) == ["wing", "top.py", "__init__.py"]  # the largest first
    assert by_room(package, depth=2)["wing/room"] == Count(2, 3, 3, 0)
    assert add(rooms.values()) == add(by_room(package, depth=2).values())


def test_a_table_and_json_tell_the_total(package, capsys):
    assert main([str(package)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["total", "5", "5", "4", "1"]
    assert main([str(package), "--json"]) == 0
    total = json.loads(capsys.readouterr().out)[str(package)]["total"]
    assert total == {"files": 5, "lines": 5, "code": 4, "docstrings": 1}


def test_a_folder_that_is_not_there_is_an_error(capsys):
    with pytest.raises(SystemExit):
        main(["nowhere"])
    assert "not a folder: nowhere" in capsys.readouterr().err
