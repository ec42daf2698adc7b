"""Test files that are left out: only those on which nothing that changed can have an effect."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kept.closure import Closure
from tests.support.kept.facts import Remembered
from tests.support.kept.passes import Keys, Passed, Passes, read_tree
from tests.support.kept.watch import LISTING, PROGRAM, Watch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FROM_ROOT = ("tests/support",)

TREE = {
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "buildlib/__init__.py": "",
    "buildlib/cli/__init__.py": "",
    "buildlib/cli/verb.py": "find = lambda name: __import__(f'buildlib.cli.verbs.{name}')\n",
    "buildlib/cli/verbs/__init__.py": "",
    "buildlib/cli/verbs/build.py": "from buildlib import store\n",
    "buildlib/store.py": "def f():\n    from buildlib import late\n",
    "buildlib/late.py": "",
    "buildlib/types.py": "",
    "buildlib/other.py": "",
    "docs/page.md": "",
    "images/a/BUILD.py": "",
    "launchers/python/launch.py": "import parts\n",
    "launchers/python/parts.py": "",
    "tests/conftest.py": "",
    "tests/unit/conftest.py": "from tests.support import helper\n",
    "tests/support/__init__.py": "",
    "tests/support/helper.py": "from pathlib import Path\nROOT = Path(__file__).parents[2]\n",
    "tests/unit/test_one.py": "",
}
EVERYWHERE = {
    *("pyproject.toml", "tests/conftest.py", "tests/unit/conftest.py", "tests/unit/test_one.py"),
    *("tests/support/__init__.py", "tests/support/helper.py"),
}


def tree(test: str) -> dict[str, bytes]:
    return {name: text.encode() for name, text in {**TREE, "tests/unit/test_one.py": test}.items()}


def inputs(test: str) -> set[str]:
    """What a test file depends on, beside what each does."""
    return set(Closure(tree(test)).inputs("tests/unit/test_one.py")) - EVERYWHERE


LATE = {"buildlib/__init__.py", "buildlib/store.py", "buildlib/late.py"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", set()),
        ("import json, docker", set()),
        ("from buildlib import store", LATE),
        ("def f():\n    import buildlib.store", LATE),
        ("def test(patch):\n    patch.setattr('buildlib.store.f', 1)", LATE),
        ("if TYPE_CHECKING:\n    from buildlib import types\nimport buildlib.late",
         {"buildlib/__init__.py", "buildlib/late.py"}),
        ("import launch", {"launchers/python/launch.py", "launchers/python/parts.py"}),
        ("import importlib\nx = importlib.import_module('launch')",
         {"launchers/python/launch.py", "launchers/python/parts.py"}),
        ("from buildlib.cli import verb", {
            *LATE, "buildlib/cli/__init__.py", "buildlib/cli/verb.py",
            "buildlib/cli/verbs/__init__.py", "buildlib/cli/verbs/build.py",
        }),
    ],
)  # fmt: skip
def test_what_is_imported_is_an_input_wherever_and_however(text: str, found: set[str]) -> None:
    assert inputs(text) == found


ALL = set(TREE) - EVERYWHERE
HERE = "from pathlib import Path\nROOT = Path(__file__).resolve().parents[2]\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (HERE, set()),
        (f"{HERE}PAGE = ROOT / 'docs' / 'page.md'", {"docs/page.md"}),
        (f"{HERE}def test(name):\n    (ROOT / 'images' / name).read_text()", {"images/a/BUILD.py"}),
        (f"{HERE}def test(name):\n    open(f'{{ROOT}}/docs/{{name}}')", {"docs/page.md"}),
        (f"{HERE}def test(name):\n    open(f'{{ROOT}}/{{name}}')", ALL),
        (f"{HERE}def test(name):\n    (ROOT / name).read_text()", ALL),
        (f"{HERE}PAGES = ROOT.rglob('*.md')", ALL),
        ("from tests.support.helper import ROOT\nuse(str(ROOT))", ALL),
        ("from tests.support.helper import ROOT\nx = ROOT / 'docs'", {"docs/page.md"}),
        ("from tests.support.helper import ROOT\nx = str(ROOT)\nuse(x)", ALL),
        ("from tests.support import helper\nx = list(helper.ROOT.iterdir())", ALL),
        (f"{HERE}FROM_ROOT = ('docs',)\nuse(str(ROOT))", {"docs/page.md"}),
        ("import os\nx = os.path.dirname(__file__)", ALL),
        ("import tomli as other\nx = other.__file__", set()),
        ("import buildlib\nx = buildlib.__path__", ALL),
        ("from buildlib import other as it\nx = it.__file__", ALL),
        ("def test():\n    root = str(Path(__file__).parents[2])\n    use(root)", ALL),
    ],
)
def test_a_path_that_cannot_be_followed_is_the_whole_repository(text: str, found: set) -> None:
    assert inputs(text) == found


# -- Keys ----------------------------------------------------------------------------------------


def key(files: dict[str, bytes], *seen: str, mode: str = "", engine: bool = False, **about) -> str:
    return Keys(os.devnull, files, **about).key("tests/unit/test_one.py", mode, seen, engine=engine)


STORE = tree("from buildlib import store")


@pytest.mark.parametrize("name", sorted(EVERYWHERE | LATE))
def test_a_key_changes_with_each_input(name: str) -> None:
    assert key({**STORE, name: STORE[name] + b"# else\n"}) != key(STORE)


@pytest.mark.parametrize("name", ["buildlib/other.py", "docs/page.md", "tests/unit/test_two.py"])
def test_and_with_nothing_else(name: str) -> None:
    assert key({**STORE, name: b"# else\n"}) == key(STORE)


def test_a_key_changes_with_what_was_seen(tmp_path: Path) -> None:
    more = {**STORE, "docs/more.md": b""}
    edited = {**STORE, "docs/page.md": b"else"}
    assert key(edited, "docs/page.md") != key(STORE, "docs/page.md")
    assert key(edited, "docs") != key(STORE, "docs")
    assert key(edited, f"{LISTING}docs") == key(STORE, f"{LISTING}docs")
    assert key(more, f"{LISTING}docs") != key(STORE, f"{LISTING}docs")
    program = tmp_path / "program"
    before = key(STORE, f"{PROGRAM}{program}")
    program.write_text("one")
    assert key(STORE, f"{PROGRAM}{program}") != before


def test_variables_of_the_machine_are_in_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(STORE)
    monkeypatch.setenv("BUILDLIB_WALK", "200")
    assert key(STORE) != before


IMAGES = {"kernel-py": "sha256:1", "os": "sha256:2"}


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("IMAGE = 'elyra/kernel-py:dev'", {"kernel-py"}),
        ("IMAGE = 'elyra/{name}:dev'.format(name='kernel-py')", {"kernel-py"}),
        ("IMAGE = 'elyra/{name}:dev'", {"kernel-py", "os"}),
        ("IMAGE = 'sample/base:dev'", set()),
        (f"{HERE}use(str(ROOT))", {"kernel-py", "os"}),
    ],
)
def test_images_are_inputs_of_tests_with_an_engine(text: str, changes: set[str]) -> None:
    files = tree(text)
    before = key(files, engine=True, images=IMAGES)
    changed = {
        name for name in IMAGES if key(files, engine=True, images={**IMAGES, name: "x"}) != before
    }
    assert changed == changes
    assert key(files, engine=True, images=IMAGES, engine_about="another") != before
    assert not Keys(os.devnull, files).can_tell(engine=True, mode="")  # nobody asked an engine


# -- What is kept --------------------------------------------------------------------------------


def test_a_pass_without_an_engine_holds_for_all_only_where_no_test_needs_one(
    tmp_path: Path,
) -> None:
    keys = Keys(os.devnull, STORE, IMAGES)
    test = "tests/unit/test_one.py"
    for engine in (True, False):
        passes = Passes(str(tmp_path))
        key = keys.key(test, "not engine", (), engine=engine)
        passes.add(test, Passed("not engine", key, (), 1, engine))
        assert passes.find(test, "not engine", keys)
        assert bool(passes.find(test, "", keys)) == (not engine)


@pytest.mark.parametrize("damage", ["", "[]", '{"a": 1}', '{"a": [[1]]}', "{"])
def test_damaged_passes_are_none(tmp_path: Path, damage: str) -> None:
    kept = tmp_path / ".buildlib/tests/passed.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(damage)
    assert Passes(str(tmp_path)).find("a", "", Keys(os.devnull, STORE)) is None


@pytest.mark.parametrize("damage", [b"", b"x", marshal.dumps([]), marshal.dumps({"old": {}})])
def test_what_sources_say_is_remembered_and_read_anew_where_it_cannot_be(
    tmp_path: Path, damage: bytes
) -> None:
    file = tmp_path / "facts"
    file.write_bytes(damage)
    for _ in range(2):
        reader = Remembered(str(file))
        assert reader("a.py", "import b", {}).imports == ("b",)
        assert reader("a.py", "import c", {}).imports == ("c",)
        reader.save()
    assert len(marshal.loads(file.read_bytes())) == 1


# -- What is seen --------------------------------------------------------------------------------


def test_what_is_opened_listed_and_started_is_seen(tmp_path: Path) -> None:
    """In a process of its own: nobody stops listening."""
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/a.txt").write_text("a")
    script = f"""
import os, shutil, subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.support.kept.watch import Watch
watch = Watch({str(tmp_path)!r})
watch.start()
open("data/a.txt").close()  # nobody's
watch.current = "test"
open("data/a.txt").close()
os.listdir("data")
open("/dev/null").close()
subprocess.run(["true", "--volume={tmp_path}/data/deep:/x"])
subprocess.run([sys.executable, "-c", ""])
watch.current = ""
print(*sorted(watch.seen.pop("test")), sep="\\n")
assert not watch.seen
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    seen = done.stdout.split("\n")
    assert {"data/a.txt", f"{LISTING}data", "data/deep", "buildlib"} <= set(seen)
    assert [name for name in seen if "null" in name] == []
    assert Watch(str(tmp_path)).seen == {}


# -- All of it -----------------------------------------------------------------------------------

TESTS = {
    "tests/test_store.py": """
        from buildlib import store

        def test_store():
            assert store.NUMBER
        """,
    "tests/test_data.py": """
        from pathlib import Path

        def test_data():
            assert Path("data/a.txt").read_text()
        """,
    "tests/test_none.py": """
        def test_none():
            pass
        """,
    "tests/test_skips.py": """
        import pytest

        def test_skips():
            pytest.skip("not on this machine")
        """,
    "tests/test_edits.py": """
        from pathlib import Path

        def test_edits():
            with Path("data/b.txt").open("a") as file:
                file.write("edited meanwhile")
        """,
}


class Checkout:
    """A checkout with a few tests, and what of them runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
        self.write(".gitignore", ".buildlib/\n__pycache__/\n.pytest_cache/\n")
        self.write("buildlib/__init__.py", "")
        self.write("buildlib/store.py", "NUMBER = 1\n")
        for name in ("data/a.txt", "data/b.txt"):
            self.write(name, "text")
        for name, text in TESTS.items():
            self.write(name, "\n".join(line[8:] for line in text.split("\n")))
        subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def run(self, *words: str) -> tuple[int, set[str], str]:
        """The exit code, the files that ran, and what was told."""
        plugins = [word for name in ("tests.support.kept.plugin", "xdist") for word in ("-p", name)]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-v", *plugins, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in done.stdout.split("\n") if "PASSED" in line or "FAILED" in line]
        ran = {name for name in TESTS for line in lines if f"{name}::" in line}
        return done.returncode, ran, done.stdout


ONCE = {"tests/test_store.py", "tests/test_data.py", "tests/test_none.py"}
AGAIN = {"tests/test_edits.py"}
"""It changes what it takes while it runs: nobody knows with which text it passed."""


def test_what_cannot_have_changed_is_left_out(tmp_path: Path) -> None:
    made = Checkout(tmp_path)
    assert made.run("--kept")[:2] == (0, ONCE | AGAIN)
    code, ran, told = made.run("--kept")
    assert (code, ran) == (0, AGAIN)
    assert "left out: 3 files, 3 tests: passed before with the same inputs" in told

    made.write("data/a.txt", "another")
    made.write("buildlib/store.py", "NUMBER = 0\n")
    code, ran, told = made.run("--kept")
    assert (code, ran) == (1, AGAIN | {"tests/test_store.py", "tests/test_data.py"})
    assert made.run("--kept")[:2] == (1, AGAIN | {"tests/test_store.py"})  # it failed
    made.write("buildlib/store.py", "NUMBER = 1\n")
    assert made.run("--kept")[:2] == (0, AGAIN)  # as it once passed


def test_workers_tell_what_their_tests_took(tmp_path: Path) -> None:
    made = Checkout(tmp_path)
    workers = ("-n", "2", "--dist", "worksteal")
    assert made.run("--kept", *workers)[:2] == (0, ONCE | AGAIN)
    made.write("data/a.txt", "another")
    assert made.run("--kept", *workers)[:2] == (0, AGAIN | {"tests/test_data.py"})
    assert made.run("--keep", *workers)[:2] == (0, AGAIN | ONCE)  # all


@pytest.mark.parametrize("words", [("-k", "none"), ("tests/test_none.py::test_none",)])
def test_parts_of_files_are_not_kept(tmp_path: Path, words: tuple[str, ...]) -> None:
    made = Checkout(tmp_path)
    assert made.run("--kept", *words)[:2] == (0, {"tests/test_none.py"})
    assert not (tmp_path / ".buildlib").exists()


def test_a_source_that_cannot_be_read_depends_on_everything(tmp_path: Path) -> None:
    assert Remembered(str(tmp_path / "facts"))("a.py", "def", {}).paths == (".",)


def test_nothing_to_run_is_no_failure(tmp_path: Path) -> None:
    made = Checkout(tmp_path)
    for name in TESTS.keys() - ONCE:
        (tmp_path / name).unlink()
    assert made.run("--kept")[:2] == (0, ONCE)
    assert made.run("--kept")[:2] == (0, set())
    assert made.run("--kept", "-n", "1")[:2] == (0, set())  # nor with workers


def test_without_git_all_tests_run(tmp_path: Path) -> None:
    assert read_tree(str(tmp_path / "nowhere")) is None
