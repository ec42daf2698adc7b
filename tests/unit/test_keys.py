"""Keys: each kind of input changes exactly the keys it should, and nothing else does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from buildlib.core.dsl.declare import freeze
from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import Keys, Stamp, _text
from buildlib.core.keys.record import compare, make_record
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.lock import Entry, Item
from buildlib.core.model.target import Rule
from tests.support.family import PARTS, family
from tests.support.workspace import WorkspaceBuilder, digest

IMAGES = {"//images/base", "//images/py", "//images/r"}
ON_OS = {"//images/os", "//tools:jre", *IMAGES}
PYTHON = {"//pack:files", "//pack:files[python]", "//images/py"}
R = {"//pack:files", "//pack:files[r]", "//images/r"}
PACK = {*PYTHON, *R}
SPEC = {"//kernelspecs:python"}
OWN = {"//images/base", "//images/py", "//images/r"}

Change = Callable[[WorkspaceBuilder], object]


def in_build(package: str, old: str, new: str) -> Change:
    return lambda made: made.replace(f"{package}/BUILD.py", old, new)


def in_lock(section: str, name: str, item: str, **fields: object) -> Change:
    """Change fields of one pin."""

    def change(made: WorkspaceBuilder) -> None:
        lock = made.read_lock()
        entry = lock[section][name]
        items = dict(entry.items)
        items[item] = items[item]._replace(**fields)  # type: ignore[arg-type]
        lock[section][name] = Entry(entry.asked, items)
        made.lock(lock).stand()

    return change


def backwards(section: str, name: str) -> Change:
    """Write the lines of an entry in another order."""

    def change(made: WorkspaceBuilder) -> None:
        path = made.root / "images.lock"
        head, table, rest = path.read_text().partition(f'[{section}."{name}".items]\n')
        lines, gap, end = rest.partition("\n\n")
        assert lines.count("\n")
        path.write_text(head + table + "\n".join(reversed(lines.split("\n"))) + gap + end)

    return change


def then_lock(change: Change) -> Change:
    """A change of a declaration, and `./doitw lock` after it."""

    def both(made: WorkspaceBuilder) -> None:
        change(made)
        made.lock_all()

    return both


CHANGES: dict[str, tuple[Change, set[str]]] = {
    # files
    "content of a source": (lambda w: w.file("images/base/conf/a.conf", "A\n"), OWN),
    "executable bit": (lambda w: w.file("images/base/conf/a.conf", "a\n", mode=0o755), OWN),
    "symlink's target": (lambda w: w.link("images/base/conf/current", "b.conf"), OWN),
    "symlink becomes a file": (
        lambda w: w.remove("images/base/conf/current").file("images/base/conf/current", "a\n"),
        OWN,
    ),
    "file joins a glob": (lambda w: w.file("images/base/conf/c.conf", ""), OWN),
    "file leaves a glob": (lambda w: w.remove("images/base/conf/b.conf"), OWN),
    "file is renamed in a glob": (
        lambda w: w.remove("images/base/conf/b.conf").file("images/base/conf/c.conf", "b\n"),
        OWN,
    ),
    "Dockerfile": (
        lambda w: w.file("images/os/Dockerfile", "FROM scratch\nADD rootfs.tar /\n"),
        ON_OS,
    ),
    "Dockerfile's comment": (
        lambda w: w.file(
            "images/base/Dockerfile",
            "ARG BASE_CONTAINER\n#\nFROM ${BASE_CONTAINER}\nCOPY . /opt/\n",
        ),
        OWN,
    ),
    ".dockerignore lets a file in": (lambda w: w.file("images/base/.dockerignore", ""), OWN),
    ".dockerignore leaves a file out": (
        lambda w: w.file("images/base/.dockerignore", "*.md\n**/b.conf\n"),
        OWN,
    ),
    ".dockerignore without effect": (
        lambda w: w.file("images/base/.dockerignore", "# c\n*.md\n*.none\n"),
        set(),
    ),
    "file that .dockerignore leaves out": (lambda w: w.file("images/base/notes.md", "n"), set()),
    "file that nobody declared": (lambda w: w.file("images/base/other.txt", ""), set()),
    "what a tool left": (lambda w: w.file("images/base/conf/__pycache__/x.pyc", ""), set()),
    "comment in a BUILD.py": (
        lambda w: w.replace("pack/BUILD.py", "tarball(", "#\ntarball("),
        set(),
    ),
    "file of a root file system": (lambda w: w.file("images/os/files/etc/motd", "hi\n"), ON_OS),
    "script of a root file system": (
        lambda w: w.file("images/os/configure.sh", "#!/bin/sh\n:\n", mode=0o755),
        ON_OS,
    ),
    # parts of an archive
    "file of one part": (lambda w: w.file("pack/python/run.py", "1\n"), PYTHON),
    "file of the other part": (lambda w: w.file("pack/r/run.r", "2\n"), R),
    "file joins a part's glob": (lambda w: w.file("pack/python/more.py", ""), PYTHON),
    "file of a part nobody takes": (
        lambda w: w.file("pack/common.sh", "#!/bin/sh\n:\n", mode=0o755),
        {"//pack:files"},
    ),
    "place in the archive": (in_build("pack", '"r/run.r": "r', '"r/go.r": "r'), R),
    "prefix": (in_build("pack", '"usr/local/bin"', '"opt"'), PACK),
    "executables of another part": (
        in_build("pack", '["common.sh"]', '["common.sh", "r/run.r"]'),
        R,
    ),
    # attributes
    "build argument": (in_build("images/base", '{"LEVEL": "1"}', '{"LEVEL": "2"}'), OWN),
    "build argument's name": (in_build("images/base", '{"LEVEL": "1"}', '{"DEPTH": "1"}'), OWN),
    "build argument of files": (
        in_build("tools", '{"DEPTH": "1"}', '{"DEPTH": "2"}'),
        {"//tools:jre"},
    ),
    "outputs": (in_build("tools", '["opt/jre/"]', '["opt/jre/", "x"]'), {"//tools:jre"}),
    "platform": (
        then_lock(in_build("images/base", "build_args", 'platform="linux/arm64", build_args')),
        OWN,
    ),
    "description": (in_build("images/base", '"a base"', '"the base"'), OWN),
    "licence": (in_build("images/base", '"MIT"', '"BSD-3-Clause"'), OWN),
    "network": (in_build("images/base", "build_args", "network=True, build_args"), OWN),
    "repository": (in_build("images/base", "build_args", 'repository="b", build_args'), OWN),
    "repository of the named": (
        in_build("images/py", "parent=", 'repository="p", parent='),
        {"//images/py", *SPEC},
    ),
    "dockerfile": (
        lambda w: w.file(
            "images/base/Other", "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nCOPY . /opt/\n"
        ).replace("images/base/BUILD.py", "build_args", 'dockerfile="Other", build_args'),
        OWN,
    ),
    "strip_prefix": (in_build("images/os", "srcs", 'strip_prefix="files/etc/", srcs'), ON_OS),
    "argv": (in_build("kernelspecs", '"{kernel_id}"', '"{kernel}"'), SPEC),
    "order of argv": (
        in_build("kernelspecs", '["python", "{kernel_id}"]', '["{kernel_id}", "python"]'),
        SPEC,
    ),
    "display name": (in_build("kernelspecs", '"Python"', '"Python 3"'), SPEC),
    "language": (in_build("kernelspecs", 'language="python"', 'language="py"'), SPEC),
    "process proxy": (in_build("kernelspecs", "k8s.", "k9s."), SPEC),
    "config": (in_build("kernelspecs", '{"a": "1"}', '{"a": "2"}'), SPEC),
    "metadata": (in_build("kernelspecs", '{"b": "1"}', '{"b": "2"}'), SPEC),
    "env": (in_build("kernelspecs", '{"C": "1"}', '{"C": "2"}'), SPEC),
    "place of a resource": (in_build("kernelspecs", '{"logo.svg"', '{"icon.svg"'), SPEC),
    "resource": (lambda w: w.file("tools/logo.svg", "<svg />\n"), {"//tools:logos", *SPEC}),
    "image that is named": (in_build("kernelspecs", '"//images/py"', '"//images/r"'), SPEC),
    "file name of a download": (
        in_build("tools", 'spark.tgz"]', 'spark.tgz"], filename="s.tgz"'),
        {"//tools:spark"},
    ),
    # descriptions for people
    "doc of a root file system": (in_build("images/os", '"the root"', '"another"'), set()),
    "doc of an image": (in_build("images/base", '"the base"', '"another"'), set()),
    "doc of an archive": (in_build("pack", '"launchers"', '"another"'), set()),
    "doc of a foreign image": (in_build("images/foreign", '"not ours"', '"another"'), set()),
    "name of the release file": (
        in_build("pack", 'archive="files"', 'archive="f"'),
        {"//pack:files"},
    ),
    # the lock
    "digest of an apt pin": (in_lock("apt", "//images/base", "curl", sha256=digest("new")), OWN),
    "version of an apt pin": (in_lock("apt", "//images/base", "curl", version="2"), OWN),
    "where a pin is found": (
        in_lock("apt", "//images/base", "curl", where="else/somewhere"),
        set(),
    ),
    "file name of an apt pin": (in_lock("apt", "//images/base", "curl", where="elsewhere"), OWN),
    "order of pins": (backwards("apt", "//images/base"), set()),
    "size of a pin": (in_lock("apt", "//images/base", "curl", size=9), set()),
    "pin of the root file system": (
        in_lock("rootfs", "//images/os", "tini", sha256=digest("new")),
        ON_OS,
    ),
    "pin of Python packages": (
        in_lock("python", "//images/base", "item", sha256=digest("new")),
        OWN,
    ),
    "pin of a download": (
        in_lock("download", "//tools:spark", "item", sha256=digest("new")),
        {"//tools:spark"},
    ),
    "pin of a foreign image": (
        in_lock("image", "//images/foreign", "item", sha256=digest("new")),
        {"//images/foreign"},
    ),
    "another address of a download": (
        then_lock(in_build("tools", "example.org", "example.com")),
        set(),
    ),
    "one more package": (then_lock(in_build("images/base", '"wget"', '"wget", "less"')), OWN),
    "order of packages": (in_build("images/base", '"curl", "wget"', '"wget", "curl"'), set()),
    # settings
    "organisation": (lambda w: w.setting("organization", "acme"), SPEC),
    "registry": (lambda w: w.setting("registry", "example.org"), SPEC),
    "version": (lambda w: w.file("VERSION", "3.0.0.dev0\n"), set()),
    "version of a release": (lambda w: w.file("VERSION", "3.0.0\n"), SPEC),
    "default platform": (
        then_lock(lambda w: w.setting("platform", "linux/arm64")),
        {*ON_OS, "//images/foreign"},
    ),
    "flavour": (then_lock(lambda w: w.setting("flavour", "docker-stacks")), IMAGES),
    # the graph
    "parent": (in_build("images/r", '"//images/base"', '"//images/os"'), {"//images/r"}),
    "parts that are taken": (in_build("images/r", "[r]", "[common, r]"), {"//images/r"}),
    "one more target": (lambda w: w.image("images/more"), {"//images/more"}),
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("pristine")
    return folder, family(folder).keys(PARTS)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_reaches_exactly_the_keys_it_should(
    tmp_path: Path, pristine: tuple[Path, dict[str, str]], name: str
) -> None:
    source, before = pristine
    change, expected = CHANGES[name]
    shutil.copytree(source / "ws", tmp_path / "ws", symlinks=True)
    made = WorkspaceBuilder.__new__(WorkspaceBuilder)
    made.root, made.store = tmp_path / "ws", tmp_path / "store"
    change(made)
    after = made.keys(PARTS)
    assert {
        label for label in {*before, *after} if before.get(label) != after.get(label)
    } == expected


def test_the_family_has_no_two_equal_keys(pristine: tuple[Path, dict[str, str]]) -> None:
    keys = pristine[1]
    assert len(set(keys.values())) == len(keys)


def test_a_change_that_is_taken_back_gives_the_old_keys(tmp_path: Path) -> None:
    made = family(tmp_path)
    before = made.keys(PARTS)
    made.file("pack/r/run.r", "2\n")
    assert made.keys(PARTS) != before
    made.file("pack/r/run.r", "1\n")
    assert made.keys(PARTS) == before


def test_the_channel_is_in_the_key_of_what_carries_it_only(tmp_path: Path) -> None:
    made = family(tmp_path)
    workspace = made.open(version="2.5.0")
    before = made.keys()
    after = {x.short: workspace.keys.key(Reference(x)) for x in workspace.graph.order}
    assert {name for name in before if before[name] != after[name]} == SPEC


def test_a_rules_version_is_in_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from buildlib.core.rules.tarball import RULE

    made = family(tmp_path)
    before = made.keys(PARTS)
    monkeypatch.setattr(RULE, "version", RULE.version + 1)
    after = made.keys(PARTS)
    assert {name for name in before if before[name] != after[name]} == PACK


def test_each_target_is_stamped_once(tmp_path: Path) -> None:
    """A key costs a stat for each file, however many ways lead to it."""
    made = WorkspaceBuilder(tmp_path)
    made.file("a/x").build(
        "a",
        'filegroup(name="b", srcs=["x"])',
        'filegroup(name="c", srcs=["x", ":b"])',
        'filegroup(name="d", srcs=["x", ":b", ":c"])',
        'filegroup(name="a", srcs=["x", ":b", ":c", ":d"])',
    )
    workspace = made.open()
    graph, asked = workspace.graph, []

    class Counting:
        def stamps(self, paths: list[str]) -> list[str]:
            asked.append(paths)
            return ["644 x" for _ in paths]

    keys = Keys(graph, Counting(), {}, Stamp("", "", ""))  # type: ignore[arg-type]
    keys.key(Reference(Label("a", "a")))
    assert len(asked) == 4


def test_deep_graphs_need_no_stack(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    rows = ['filegroup(name="n0", srcs=["BUILD.txt"])']
    rows += [f'filegroup(name="n{n}", srcs=[":n{n - 1}"])' for n in range(1, 3_000)]
    made.file("a/BUILD.txt").build("a", *rows)
    before = made.keys()["//a:n2999"]
    made.file("a/BUILD.txt", "x")
    assert made.keys()["//a:n2999"] != before


# -- the same everywhere --------------------------------------------------------------------------

SCRIPT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from tests.support.workspace import WorkspaceBuilder
from tests.support.family import PARTS
from pathlib import Path
made = WorkspaceBuilder.__new__(WorkspaceBuilder)
made.root = Path(sys.argv[2]); made.store = Path(sys.argv[3])
print(json.dumps(made.keys(PARTS)))
"""


def keys_elsewhere(made: WorkspaceBuilder, **environ: str) -> dict[str, str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT,
            str(Path(__file__).parents[2]),
            str(made.root),
            str(made.store),
        ],
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "environ",
    [
        {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "C", "PYTHONHASHSEED": "2"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "tr_TR.UTF-8", "USER": "somebody", "HOME": "/nonexistent"},
        {"PYTHONOPTIMIZE": "2", "SOURCE_DATE_EPOCH": "1"},
    ],
    ids=" ".join,
)
def test_keys_do_not_depend_on_the_environment(tmp_path: Path, environ: dict[str, str]) -> None:
    made = family(tmp_path)
    made.file("images/base/conf/gr\u00fc\u00dfe \u65e5.conf", "x").file(
        "images/base/conf/\u00e4", ""
    )
    assert keys_elsewhere(made, **environ) == made.keys(PARTS)


def test_keys_do_not_depend_on_path_user_umask_times_or_order_of_creation(tmp_path: Path) -> None:
    here = family(tmp_path / "here")
    mask = os.umask(0o077)
    try:
        there = family(tmp_path / "other place" / "with spaces", "another name")
    finally:
        os.umask(mask)
    for path in sorted(there.root.rglob("*"), reverse=True):
        if path.is_file() and not path.is_symlink():
            data, mode = path.read_bytes(), path.stat().st_mode
            path.unlink()
            path.write_bytes(data)
            path.chmod(0o700 if mode & 0o100 else 0o600)
            os.utime(path, (1, 1))
            if os.geteuid() == 0:
                os.chown(path, 4711, 4711)
    assert there.keys(PARTS) == here.keys(PARTS)


def test_a_commit_has_the_keys_of_its_checkout(tmp_path: Path) -> None:
    made = family(tmp_path)
    made.file("images/base/conf/gr\u00fc\u00dfe \u65e5 \t.conf", "x", mode=0o755)
    before = made.keys(PARTS)
    revision = made.commit()
    assert made.keys_of_commit(revision, PARTS) == before
    made.file("pack/python/run.py", "changed\n").remove("images/base/conf/b.conf")
    assert made.keys_of_commit(revision, PARTS) == before
    assert made.keys_of_commit(made.commit(), PARTS) == made.keys(PARTS) != before


# -- records --------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
RECORDS = st.lists(st.tuples(TEXTS, TEXTS), max_size=5, unique_by=lambda part: part[0])


@given(RECORDS, RECORDS)
def test_no_two_records_have_one_key(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    assert (make_record(one).key == make_record(other).key) == (one == other)


@given(RECORDS, RECORDS)
def test_a_comparison_leads_from_the_old_record_to_the_new(
    old: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    found = dict(old)
    for change in compare(make_record(old), make_record(new)):
        assert found.get(change.name) == change.old
        if change.new is None:
            del found[change.name]
        else:
            found[change.name] = change.new
    assert found == dict(new)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "None", "1", "True", "()"])
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def shape(value: object) -> object:
    """A value with its types: `True` is not `1`, and neither is `"1"`."""
    if isinstance(value, (list, tuple)):
        return ("list", *(shape(item) for item in value))
    if isinstance(value, dict):
        return ("dict", *sorted((name, repr(shape(item))) for name, item in value.items()))
    return (type(value).__name__, value)


@given(VALUES, VALUES)
@example("False", False)
@example("1", 1)
@example("None", None)
@example("()", [])
@example("{}", {})
@example(True, 1)
def test_no_two_values_of_an_attribute_have_one_text(one: object, other: object) -> None:
    """`network="False"` is true, `network=False` is not: their keys must differ."""
    texts = [_text(freeze(value, "x")) for value in (one, other)]
    assert (texts[0] == texts[1]) == (shape(one) == shape(other))


SPELLINGS = [
    (
        'srcs=["x", "y", "//images/a:t[one, two]"]',
        'srcs=["//images/a:t[two,one]", "y", "x"]',
        'srcs=[":t[ two, one, two ]", "x", "y"]',
    ),
    (
        'srcs=[":t"], build_args={"A": "1", "B": "2"}',
        'srcs=["//images/a:t"], build_args={"B": "2", "A": "1"}',
    ),
    ('srcs=[":d"]', 'srcs=["//images/a:d"]'),
]
MIRRORS = ("https://one.example.org/f", "https://two.example.org/f")


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_order_and_spelling_make_no_other_key(tmp_path: Path, spellings: tuple[str, ...]) -> None:
    found = set()
    for backwards in (False, True):
        for number, spelling in enumerate(spellings):
            made = WorkspaceBuilder(tmp_path / f"{number}{backwards}")
            urls = ", ".join(f'"{url}"' for url in MIRRORS[:: -1 if backwards else 1])
            parts = ['"one": {"x": "x"}', '"two": {"y": "y"}'][:: -1 if backwards else 1]
            made.file("images/a/x", "1").file("images/a/y", "2")
            made.file("images/a/Dockerfile", "FROM scratch\n")
            made.build(
                "images/a",
                f'download(name="d", urls=[{urls}], filename="f")',
                f'tarball(name="t", parts={{{", ".join(parts)}}})',
                f'docker_image(name="a", {spelling})',
            )
            pin = {"f": Item("1", digest("f"), 1, "f")}
            made.lock({"download": {"//images/a:d": Entry(MIRRORS, pin)}})
            found.add(made.keys()["//images/a"])
    assert len(found) == 1


def test_an_archives_key_tells_parts_from_paths(tmp_path: Path) -> None:
    """What stands in the record as `file a: b: c` must have one meaning."""
    keys = []
    for number, parts in enumerate(['{"a": {"b: c": "f"}}', '{"a: b": {"c": "f"}}']):
        made = WorkspaceBuilder(tmp_path, f"ws{number}").file("p/f")
        made.build("p", f'tarball(name="t", parts={parts})')
        message = made.told()
        assert not message or message.startswith("p/BUILD.py:2: error: ")
        keys += [] if message else [made.keys()["//p:t"]]
    assert keys
    assert len(set(keys)) == len(keys)


def test_a_key_holds_no_path_of_the_checkout(tmp_path: Path) -> None:
    workspace = family(tmp_path, "a-checkout-somewhere").open()
    for label in workspace.graph.order:
        record = workspace.keys.record(Reference(label))
        assert "a-checkout-somewhere" not in repr(record.parts)
        assert len(dict(record.parts)) == len(record.parts)


def test_a_source_that_vanishes_is_told(tmp_path: Path) -> None:
    made = family(tmp_path)
    workspace = made.open()
    graph: Graph = workspace.graph
    made.remove("images/os/configure.sh")
    with pytest.raises(Exception, match=r"images/os/configure\.sh is gone") as caught:
        workspace.keys.key(Reference(Label("images/os", "os")))
    assert "images/os/BUILD.py:2" in str(caught.value)
    assert isinstance(graph[Label("images/os", "os")].rule, Rule)
