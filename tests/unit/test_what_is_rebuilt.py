"""What an edit makes anew in the real family: the table of docs/what-is-rebuilt.md, row by row.

Keys tell: a target is made anew exactly when its key is another one. `*` in the table stands for
all targets of such names.
"""

from __future__ import annotations

import fnmatch
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference
from buildlib.core.model.lock import Entry, dump_lock, parse_lock

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/what-is-rebuilt.md"
_ROW = re.compile(r"\| (?P<edit>[^|]+?) \| (?P<built>[^|]*?) \| (?P<proved>[^|]*?) \|")
_NAME = re.compile(r"`([^`]+)`")

Edit = Callable[[Path], None]


def more(path: str, text: str = "\n# edited\n") -> Edit:
    """Write something at the end of a file."""

    def edit(root: Path) -> None:
        with (root / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return edit


def other(path: str, old: str, new: str) -> Edit:
    """Write something else for the first `old` of a file."""

    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        (root / path).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def package_of_r(root: Path) -> None:
    """A Debian package less, in the declaration and in the lock."""
    other("images/bases/r-notebook/BUILD.py", '        "unixodbc",\n', "")(root)
    path, name = root / "images.lock", "//images/bases/r-notebook"
    lock = {section: dict(entries) for section, entries in parse_lock(path.read_text()).items()}
    entry = lock["apt"][name]
    left = {key: item for key, item in entry.items.items() if not key.startswith("unixodbc")}
    assert len(left) < len(entry.items)
    lock["apt"][name] = Entry(tuple(word for word in entry.asked if word != "unixodbc"), left)
    # Locked after it, on what it has now: with the same pins, since none of them needs unixodbc.
    for above in ("//images/kernel-spark-r:environment", "//images/demo-base"):
        lock["apt"][above] = lock["apt"][above]._replace(on={})
    path.write_text(dump_lock(lock))


EDITS: dict[str, Edit] = {
    "the Python launcher": more("launchers/python/kernel_launcher/comm.py"),
    "the R launcher": more("launchers/R/launch_IRkernel.R"),
    "the Scala launcher": more("launchers/scala/src/launcher/ToreeLauncher.java", "// edited\n"),
    "`bootstrap-kernel.sh`": more("launchers/bootstrap/bootstrap-kernel.sh"),
    "the script that starts containers": more("launchers/docker/launch_docker.py"),
    "the script that starts pods": more("launchers/kubernetes/launch_kubernetes.py"),
    "one kernelspec": other("kernelspecs/BUILD.py", '"Python on Docker"', '"Python, on Docker"'),
    "a logo": more("kernelspecs/logos/R.png"),
    "a package of `r-notebook`": package_of_r,
    "the start script of the gateway": more(
        "images/enterprise-gateway/start-enterprise-gateway.sh"
    ),
    "Spark's entrypoint": more("images/spark/entrypoint.sh"),
    "`VERSION`": other("VERSION", "2.5.0", "2.6.0"),
    "the organisation": other("pyproject.toml", 'organization = "elyra"', 'organization = "acme"'),
    "the registry": other("pyproject.toml", 'registry = ""', 'registry = "registry.acme.org:5000"'),
    "a README, a test, a page of docs": more("README.md"),
}


def keys(root: Path) -> dict[str, str]:
    """The key of each target that is made, by the name of its task."""
    workspace = Workspace(str(root), store_root=str(root / "store"))
    graph = workspace.graph
    return {
        f"{target.rule.verb}:{graph.task_names[label]}".removeprefix("build:"): workspace.keys.key(
            Reference(label)
        )
        for label, target in graph.targets.items()
        if target.rule.product != "none" and label not in workspace.left_out
    }


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A copy of the family, and its keys."""
    folder = tmp_path_factory.mktemp("family")
    ignored = shutil.ignore_patterns("__pycache__", "compose.yaml", "stack.yaml")
    for name in ("dodo.py", "VERSION", "pyproject.toml", "images.lock", "README.md"):
        shutil.copy(ROOT / name, folder)
    for name in ("images", "launchers", "kernelspecs", "deploy", "verify"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder, keys(folder)


def rows() -> dict[str, tuple[list[str], list[str]]]:
    """The table: edit -> what is built and what is proved anew, as written."""
    found = {}
    for line in (ROOT / PAGE).read_text(encoding="utf-8").splitlines():
        row = _ROW.fullmatch(line)
        if row and row["edit"] not in ("edit", "---"):
            found[row["edit"]] = (_NAME.findall(row["built"]), _NAME.findall(row["proved"]))
    return found


def test_the_page_has_all_edits() -> None:
    assert list(rows()) == list(EDITS)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_makes_anew_what_the_page_says(
    tmp_path: Path, pristine: tuple[Path, dict[str, str]], edit: str
) -> None:
    source, before = pristine
    shutil.copytree(source, tmp_path / "ws")
    EDITS[edit](tmp_path / "ws")
    after = keys(tmp_path / "ws")
    made = {name for name in after if after[name] != before.get(name)}
    built, proved = rows()[edit]
    assert {name for name in made if not name.startswith("verify:")} == named(built, after)
    proofs = [f"verify:{name}" for name in proved]
    assert {name for name in made if name.startswith("verify:")} == named(proofs, after)


def named(patterns: list[str], names: dict[str, str]) -> set[str]:
    """The targets that some names and patterns stand for; each must stand for one at least."""
    found: set[str] = set()
    for pattern in patterns:
        matching = set(fnmatch.filter(names, pattern))
        assert matching, f"{pattern} in {PAGE} names nothing"
        found |= matching
    return found
