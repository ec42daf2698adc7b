"""What a user is told when declarations are wrong: the whole text, under `tests/golden/`.

A new message: `BUILDLIB_GOLDEN=write python -m pytest tests/unit/test_messages.py`, then read it.
"""

# ruff: noqa: ERA001 - the tables are read across

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from buildlib.core.model.lock import Entry, Item
from tests.support.golden import check_golden
from tests.support.workspace import WorkspaceBuilder, digest

Make = Callable[[WorkspaceBuilder], object]
SPARK = '[tool.buildlib]\n[tool.buildlib.spark]\nversion = "3.5.6"\n'
CHILD = "ARG BASE_CONTAINER=elyra/os:dev\nFROM ${BASE_CONTAINER}\n"


def two(first: str, second: str) -> Make:
    """A package `a` with one file and two declarations."""
    return lambda w: w.file("a/run.py").build("a", first, second)


def one(declaration: str) -> Make:
    """A package `a` with files and a declaration over several lines."""
    return lambda w: (
        w.file("a/run.py")
        .file("a/conf/x")
        .file("a/Dockerfile", "FROM scratch\n")
        .image("images/os")
        .build("a", declaration)
    )


def cycle(made: WorkspaceBuilder) -> None:
    made.image("images/os")
    made.build("a", 'filegroup(name="a", srcs=["//b"])')
    made.build("b", 'filegroup(name="b", srcs=["//c:deep"])')
    made.build("c", 'filegroup(name="deep", srcs=["//a"])')


def locked(asked: tuple[str, ...]) -> Make:
    def make(made: WorkspaceBuilder) -> None:
        made.image("images/os")
        made.image("a", 'parent="//images/os", apt=["curl", "wget"]', CHILD)
        pin = Item("1", digest("x"), 1, "somewhere")
        made.lock({"apt": {"//a": Entry(asked, {"curl": pin})}} if asked else {})

    return make


def wants(*lines: str) -> Make:
    """An image with Python requirements, of which the second file holds these lines."""
    text = "".join(f"{line}\n" for line in lines)
    return lambda w: (
        w.file("a/requirements.in", "# what it needs\n-r more.in\n")
        .file("a/more.in", f"thing\n{text}")
        .image("a", 'python="requirements.in"')
    )


def include_edited(made: WorkspaceBuilder) -> None:
    """Two images whose requirements include one file, which is edited after the lock was made."""
    made.file("more.in", "thing\n").file("a/requirements.in", "-r ../more.in\n")
    made.file("b/requirements.in", "-r ../more.in\n")
    made.image("a", 'python="requirements.in"').image("b", 'python="requirements.in"').lock_all()
    made.file("more.in", "other\n")


def parent_moved(made: WorkspaceBuilder) -> None:
    """A parent whose pins are others than those that its child's packages were resolved on."""
    made.file("os/Dockerfile", "FROM scratch\nADD rootfs.tar /\n")
    made.build("os", 'rootfs(name="os", packages=["tini"])')
    made.image("a", 'parent="//os", apt=["curl"]', CHILD).lock_all()
    lock = made.read_lock()
    moved = {"tini": Item("2", digest("tini 2"), 1, "somewhere")}
    lock["rootfs"]["//os"] = lock["rootfs"]["//os"]._replace(items=moved)
    made.lock(lock)


def mounts(steps: str, **secrets: str) -> Make:
    """A Dockerfile with some steps, and the secrets of its declaration."""
    return lambda w: w.image("a", f"secrets={secrets!r}", f"FROM scratch\n{steps}\n")


def macro(body: str, call: str = 'f("x")') -> Make:
    """A macro with a body, and a call of it."""
    head = "from __future__ import annotations\n\nfrom buildlib.rules import filegroup\n\n\n"
    function = f"def f(name: str, launchers: list[str] = ()) -> None:\n{body}\n"
    return lambda w: w.file("images/defs.py", head + function).file(
        "a/BUILD.py", f"from images.defs import f\n\n{call}\n"
    )


def rendered(arguments: str) -> Make:
    """A template of two lines, and its declaration."""
    return lambda w: (
        w.image("images/os")
        .file("a/t.yaml.in", "# a stack\nimage: @GATEWAY@\n")
        .build("a", f'rendered(name="r", template="t.yaml.in", {arguments})')
    )


GATEWAY = 'images={"GATEWAY": "//images/os"'


def versioned(text: str) -> Make:
    """A workspace with a text in VERSION."""
    return lambda w: w.file("VERSION", text)


MESSAGES: dict[str, Make] = {
    # VERSION
    "version-with-a-v": versioned("v2.5.0\n"),
    "version-of-two-numbers": versioned("2.5\n"),
    "version-of-four-numbers": versioned("2.5.0.1\n"),
    "version-with-build-metadata": versioned("2.5.0+x\n"),
    "version-with-a-zero-in-front": versioned("02.5.0.dev0\n"),
    "version-of-no-school": versioned("2.5.0-rc_1\n"),
    "version-is-empty": versioned("\n"),
    # names
    "duplicate-label": two('filegroup(name="x", srcs=[])', 'filegroup(name="x", srcs=[])'),
    "no-name": one('filegroup(name="", srcs=[])'),
    "impossible-name": one('filegroup(name="x y", srcs=[])'),
    "unknown-label": lambda w: w.image("images/os").image("a", 'parent="//images/so"', CHILD),
    "unknown-label-nothing-like-it": lambda w: w.image("a", 'parent="//zzz/q"', CHILD),
    "not-a-label": one('docker_image(name="a", parent="images/os")'),
    "unknown-part": lambda w: (
        w.file("p/x")
        .build("p", 'tarball(name="t", parts={"python": {"x": "x"}})')
        .build("q", 'filegroup(name="q", srcs=["//p:t[pyton]"])')
    ),
    "no-such-parts": lambda w: w.image("images/os").build(
        "q", 'filegroup(name="q", srcs=["//images/os[x]"])'
    ),
    "empty-parts": one('filegroup(name="q", srcs=["//images/os[]"])'),
    "cycle": cycle,
    "cycle-of-one": one('filegroup(name="x", srcs=[":x"])'),
    # sources
    "missing-source": one('filegroup(\n    name="x",\n    srcs=[\n        "rum.py",\n    ],\n)'),
    "missing-source-nothing-like-it": one('filegroup(name="x", srcs=["zzzz"])'),
    "source-is-a-folder": one('filegroup(name="x", srcs=["conf"])'),
    "source-is-a-pattern": one('filegroup(name="x", srcs=["*.py"])'),
    "source-leads-out": one('filegroup(name="x", srcs=["../VERSION"])'),
    "source-of-another-package": lambda w: (
        w.file("a/b/x").build("a/b").build("a", 'filegroup(name="x", srcs=["b/x"])')
    ),
    "source-twice": one('filegroup(name="x", srcs=["run.py", "run.py"])'),
    "srcs-is-a-text": one('filegroup(name="x", srcs="run.py")'),
    "srcs-holds-a-number": one('filegroup(name="x", srcs=[1])'),
    "no-dockerfile": lambda w: w.build("a", 'docker_image(name="a")'),
    "glob-matches-nothing": one('filegroup(name="x", srcs=glob(["*.nothing"]))'),
    "glob-is-a-text": one('filegroup(name="x", srcs=glob("*"))'),
    "glob-leads-out": one('filegroup(name="x", srcs=glob(["../*"]))'),
    # Dockerfile against declaration
    "undeclared-source": lambda w: w.file("a/run.py").image(
        "a", "", "FROM scratch\nCOPY run.py /\n"
    ),
    "undeclared-source-that-is-not-there": lambda w: w.file("a/run.py").image(
        "a", 'srcs=["run.py"]', "FROM scratch\nCOPY rum.py /\n"
    ),
    "parent-disagrees": lambda w: (
        w.image("images/os").image("images/so").image("a", 'parent="//images/so"', CHILD)
    ),
    "parent-not-used": lambda w: w.image("images/os").image("a", 'parent="//images/os"'),
    "parent-not-declared": lambda w: w.image("images/os").image("a", "", CHILD),
    "parent-is-no-image": lambda w: w.build("f", 'filegroup(name="f", srcs=[])').image(
        "a", 'parent="//f"', CHILD
    ),
    "bad-dockerignore": lambda w: w.file("a/.dockerignore", "ok\n[\n").image(
        "a", "srcs=glob(['**'])"
    ),
    # attributes
    "misspelt-attribute": one('docker_image(name="a", parrent="//images/os")'),
    "missing-attribute": one('filegroup(name="a")'),
    "text-where-a-truth-value-belongs": one('docker_image(name="a", network="False")'),
    "number-where-a-text-belongs": one('docker_image(name="a", description=1)'),
    "number-where-a-list-belongs": one('docker_image(name="a", tags=3)'),
    "text-where-a-mapping-belongs": one('docker_image(name="a", build_args="A=1")'),
    "number-in-a-mapping-of-texts": one('docker_image(name="a", build_args={"A": 1.5})'),
    "doc-of-two-lines": one('filegroup(name="a", srcs=[], doc="one\\ntwo")'),
    "apt-is-a-text": one('docker_image(name="a", parent="//images/os", apt="curl")'),
    "apt-without-parent": one('docker_image(name="a", apt=["curl"])'),
    "requirements-include-nothing": wants("-r gone.in"),
    "requirements-include-an-address": wants("-r https://example.org/more.in"),
    "requirements-name-an-index": wants("--extra-index-url https://example.org/simple"),
    "requirements-hold-an-option": wants("--pre"),
    "requirements-name-a-folder": wants("-e ../b"),
    "requirements-in-another-encoding": lambda w: w.file("a/requirements.in", b"\xff\xfe").image(
        "a", 'python="requirements.in"'
    ),
    "python-is-no-requirements": one('docker_image(name="a", python="requirements.txt")'),
    "unknown-flavour": one('docker_image(name="a", parent={"debain": "//images/os"})'),
    "no-parent-for-the-flavour": one(
        'docker_image(name="a", parent={"docker-stacks": "//images/os"})'
    ),
    "flavours-is-a-text": one('docker_image(name="a", flavours="debian")'),
    "select-without-the-flavour": one('X = select({"docker-stacks": 1})'),
    "select-without-a-choice": one('X = select("debian")'),
    "setting-that-is-not-there": lambda w: w.file("pyproject.toml", SPARK).build(
        "a", 'X = setting("spark.versoin")'
    ),
    "setting-nobody-asks-for": lambda w: w.image("a").file("pyproject.toml", SPARK),
    "setting-that-is-no-text": lambda w: w.image("a").file(
        "pyproject.toml", "[tool.buildlib.spark]\nversion = 3.5\n"
    ),
    "tag-no-registry-takes": one('docker_image(name="a", tags=["3.5 6"])'),
    "tags-is-a-text": one('docker_image(name="a", tags="3.5.6")'),
    "secret-that-is-written-down": one('docker_image(name="a", secrets={"token": "s3cr3t"})'),
    "secret-in-the-workspace": one('docker_image(name="a", secrets={"token": "file:token"})'),
    "secret-of-no-variable": one('docker_image(name="a", secrets={"npm-token": "env:A B"})'),
    "secret-with-an-id-of-ours": one('docker_image(name="a", secrets={"buildlib-ca": "env:A"})'),
    "secret-that-no-step-mounts": mounts("RUN --mount=type=secret,id=tokn x", token="env:A"),
    "secret-that-is-required": mounts("RUN --mount=type=secret,id=npm-token,required=true x"),
    "secret-of-what-takes-none": lambda w: w.file(
        "a/Dockerfile", "FROM scratch\nRUN --mount=type=secret,id=t,required x\n"
    ).build("a", 'container_files(name="a", outputs=["x"])'),
    "secret-that-is-misspelt": mounts(
        "RUN --mount=type=secret,id=token x\nRUN --mount=type=secret,target=/x/tokn,required x",
        token="env:A",
    ),
    "parent-twice": one(
        'docker_image(name="a", parent="//images/os", bases={"BASE_CONTAINER": "//images/os"})'
    ),
    "image-name-docker-refuses": one('docker_image(name="Kernel-Py")'),
    "image-name-twice": lambda w: w.image("a/x").image("b/x"),
    "address-that-cannot-be-fetched": one('download(name="d", urls=["ftp://example.org/x"])'),
    "download-of-no-file-of-the-index": one('download(name="d", urls=["pypi:pyspark"])'),
    "download-of-no-jar": one('download(name="d", urls=["maven:org.x:x"])'),
    "jars-of-nothing": one('maven_jars(name="j", artifacts=[], folder="x")'),
    "jars-without-a-version": one('maven_jars(name="j", artifacts=["org.x:x"], folder="x")'),
    "jars-of-a-range": one('maven_jars(name="j", artifacts=["org.x:x:[1,2)"], folder="x")'),
    "jars-exclude-a-version": one(
        'maven_jars(name="j", artifacts=["org.x:x:1"], exclude=["org.y:y:1"], folder="x")'
    ),
    "jars-lead-out": one('maven_jars(name="j", artifacts=["org.x:x:1"], folder="/opt")'),
    "extract-of-a-file": one('extract(name="e", archive="a.tgz", files={"a": "a"})'),
    "extract-of-nothing": one('extract(name="e", archive=":d", files={})'),
    "extract-of-a-folder-to-a-file": one('extract(name="e", archive=":d", files={"a/": "a"})'),
    "extract-of-a-folder-without-out": one('extract(name="e", archive=":d", files={"a/": "b/"})'),
    "extract-path-leads-out": one('extract(name="e", archive=":d", files={"a": "../a"})'),
    "extract-exclude-is-a-text": one(
        'extract(name="e", archive=":d", files={"a": "a"}, exclude="*.cmd")'
    ),
    "extract-with-a-class-that-is-none": one(
        'extract(name="e", archive=":d", files={"a": "a"}, exclude=["[z-a]"])'
    ),
    "extract-out-is-a-path": one(
        'extract(name="e", archive=":d", files={"a": "a"}, out="x/e.tar")'
    ),
    "external-image-with-a-digest": one('external_image(name="d", image="debian@sha256:abc")'),
    "external-image-without-a-tag": one('external_image(name="d", image="debian")'),
    "rootfs-with-a-label-in-files": one('rootfs(name="r", files=["//images/os"])'),
    "tarball-path-leads-out": one('tarball(name="t", parts={"a": {"../x": "run.py"}})'),
    "tarball-path-twice": one(
        'tarball(name="t", parts={"a": {"x": "run.py"}, "b": {"x": "run.py"}})'
    ),
    "tarball-without-parts": one('tarball(name="t", parts={})'),
    "tarball-unknown-executable": one(
        'tarball(name="t", parts={"a": {"x": "run.py"}}, executables=["y"])'
    ),
    "tarball-release-names-of-no-file": one(
        'tarball(name="t", parts={"a": {"x": "run.py"}}, archive="t", release_names={"y": "z"})'
    ),
    "tarball-release-names-without-archive": one(
        'tarball(name="t", parts={"a": {"x": "run.py"}}, release_names={"x": "z"})'
    ),
    "tarball-release-name-of-another-field": one(
        'tarball(name="t", parts={"a": {"x": "run.py"}}, archive="t",\n'
        '    release_names={"x": "x-{tag}"})'
    ),
    "zip-without-members": one('zip_file(name="z", members={})'),
    "zip-path-leads-out": one('zip_file(name="z", members={"../x": "run.py"})'),
    "kernelspec-writes-kernel-json": one(
        'kernelspec(name="k", display_name="K", language="k", process_proxy="p", argv=["k"],\n'
        '    resources={"kernel.json": "run.py"})'
    ),
    "kernelspec-path-leads-out": one(
        'kernelspec(name="k", display_name="K", language="k", process_proxy="p", argv=["k"],\n'
        '    resources={"../x": "run.py"})'
    ),
    "rendered-unknown-placeholder": rendered('out="t.yaml", images={"GATEWAI": "//images/os"}'),
    "rendered-unused-value": rendered(f'out="t.yaml", {GATEWAY}, "PULLER": "//images/os"}}'),
    "rendered-value-twice": rendered(f'out="t.yaml", {GATEWAY}}}, values={{"GATEWAY": "x"}}'),
    "rendered-over-its-template": rendered(f'out="t.yaml.in", {GATEWAY}}}'),
    "rendered-names-as-text": rendered('out="t.yaml", names={"GATEWAY": "//images/os"}'),
    "rendered-file-as-a-source": lambda w: (
        rendered(f'out="t.yaml", {GATEWAY}}})\nfilegroup(name="f", srcs=["t.yaml"]')(w),
        w.file("a/t.yaml", "left by a build"),
    ),
    "container-files-without-outputs": one('container_files(name="c", outputs=[])'),
    # macros and imports
    "unknown-rule": lambda w: w.file("a/BUILD.py", "from buildlib.rules import docker_imgae\n"),
    "unknown-macro": lambda w: w.file("images/defs.py", "def kernel_image():\n    pass\n").file(
        "a/BUILD.py", "from images.defs import kernel_imag\n"
    ),
    "no-such-macros": lambda w: w.file(
        "a/BUILD.py", "x = 1\nfrom images.defs import kernel_image\n"
    ),
    "import-of-a-library": lambda w: w.file("a/BUILD.py", "import os\n"),
    "import-from-a-library": lambda w: w.file("a/BUILD.py", "from os import environ\n"),
    "macros-in-a-circle": lambda w: (
        w.file("x/defs.py", "from y.defs import b\n")
        .file("y/defs.py", "from x.defs import a\n")
        .file("a/BUILD.py", "from x.defs import a\n")
    ),
    "error-in-a-macro": lambda w: w.file("defs.py", "def f(x):\n    return x['absent']\n").file(
        "a/BUILD.py", "from defs import f\n\nf({})\n"
    ),
    "wrong-call-of-a-macro": lambda w: w.file("defs.py", "def f(x):\n    return x\n").file(
        "a/BUILD.py", "from defs import f\n\nf(y=1)\n"
    ),
    "rule-refuses-what-a-macro-says": macro('    filegroup(name="x", srcs="x")'),
    "rule-misses-what-a-macro-should-say": macro("    filegroup(name=name)", call='f(name="x")'),
    "macros-of-macros": macro("    g(name)\n\n\ndef g(n):\n    filegroup(name=n, srcs=['no'])"),
    "misspelt-argument-of-a-macro": macro("    pass", call='f(name="x", lanchers=["r"])'),
    "unknown-argument-of-a-macro": macro("    pass", call='f(name="x", zzz=1)'),
    "missing-argument-of-a-macro": macro("    pass", call="f(launchers=[])"),
    "text-where-a-macro-takes-a-list": macro("    pass", call='f(name="x", launchers="python")'),
    "number-where-a-macro-takes-a-text": macro("    pass", call="f(1)"),
    "too-many-arguments-of-a-macro": macro("    pass", call='f("x", ["r"], 3)'),
    "rule-called-by-macros-themselves": lambda w: w.file(
        "defs.py", "from buildlib.rules import filegroup\n\nfilegroup(name='x', srcs=[])\nY = 1\n"
    ).file("a/BUILD.py", "from defs import Y\n"),
    "unknown-name": lambda w: w.file("a/BUILD.py", "x = 1\ny = environ\n"),
    "not-python": lambda w: w.file("a/BUILD.py", "x = 1\nfilegroup(name='x'\n"),
    "function-in-a-build-file": lambda w: w.file("a/BUILD.py", "def f():\n    pass\n"),
    # the lock
    "lock-lacks-an-entry": locked(()),
    "lock-for-another-include": include_edited,
    "lock-for-another-parent": parent_moved,
    "lock-for-another-request": locked(("curl", "less")),
    "lock-is-no-toml": lambda w: w.image("a").file("images.lock", "schema = 1\nx = = 1\n"),
    "lock-of-another-schema": lambda w: w.image("a").file("images.lock", "schema = 2\n"),
    "lock-with-a-damaged-pin": lambda w: w.image("a").file(
        "images.lock", 'schema = 1\n[apt."//a"]\nasked = []\n[apt."//a".items]\ncurl = "1 2 3"\n'
    ),
    "lock-with-a-section-that-is-none": lambda w: w.image("a").file(
        "images.lock", "schema = 1\napt = 3\n"
    ),
    # settings
    "settings-no-toml": lambda w: w.image("a").file("pyproject.toml", "[tool.buildlib]\nx = = 1\n"),
    "settings-unknown": lambda w: w.image("a").file(
        "pyproject.toml", '[project]\nname = "x"\n[tool.buildlib]\norganisation = "x"\n'
    ),
    "settings-wrong-type": lambda w: w.image("a").file(
        "pyproject.toml", "[tool.mypy]\nstrict = true\n[tool.buildlib]\nstrict = 'yes'\n"
    ),
    "settings-bad-organization": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib]\n\norganization = "Elyra"\n'
    ),
    "settings-bad-registry": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib]\nregistry = "http://example.org"\n'
    ),
    "settings-registry-docker-would-not-know": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib]\nregistry = "registry/team"\n'
    ),
    "settings-share-unknown": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib]\n[tool.buildlib.share]\ndefualt = "read"\n'
    ),
    "settings-share-unknown-role": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib.share]\ndefault = "off"\nci = "writes"\n'
    ),
    "settings-share-is-a-text": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib]\nshare = "read"\n'
    ),
    "settings-share-is-a-number": lambda w: w.image("a").file(
        "pyproject.toml", "[tool.buildlib]\nshare.default = 1\n"
    ),
    "settings-unknown-flavour": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib]\nflavour = "debain"\n'
    ),
    "settings-bad-platform": lambda w: w.image("a").file(
        "pyproject.toml", '[tool.buildlib]\nplatform = "amd64"\n'
    ),
    "settings-not-utf8": lambda w: w.image("a").file("pyproject.toml", b"# \xff\n"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(tmp_path: Path, name: str) -> None:
    made = WorkspaceBuilder(tmp_path)
    MESSAGES[name](made)
    message = made.error()
    assert str(tmp_path) not in message
    assert "Traceback" not in message
    assert "\n  fix: " in message
    check_golden(name, message)


def test_every_golden_file_belongs_to_a_message() -> None:
    from tests.support.golden import FOLDER

    assert {path.stem for path in FOLDER.glob("*.txt")} == set(MESSAGES)
