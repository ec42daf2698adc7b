"""Rules as they are declared: documented, typed, found by their name."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from buildlib.core.dsl import registry
from buildlib.core.dsl.check import SAFE_BUILTINS
from buildlib.core.model.label import parse_label
from buildlib.core.model.output import Output
from tests.support.family import family
from tests.support.workspace import WorkspaceBuilder

RULES = [name for name in registry.names() if name not in ("glob", "select", "setting")]


@pytest.mark.parametrize("name", RULES)
def test_every_argument_is_keyword_only_typed_and_documented(name: str) -> None:
    function = registry.function(name)
    signature = inspect.signature(function)
    documented = set(re.findall(r"^ {8}(\w+): ", function.__doc__ or "", re.MULTILINE))
    for argument in signature.parameters.values():
        assert argument.kind is argument.KEYWORD_ONLY
        assert argument.annotation is not argument.empty
        assert argument.name in documented
    assert {"name", "doc"} <= set(signature.parameters)
    assert documented <= set(signature.parameters)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_named_as_its_function(name: str) -> None:
    rule = sys.modules[registry.function(name).__module__].RULE
    assert rule.kind == name
    assert rule.version >= 1
    assert rule.product in ("image", "files", "none")


def test_editors_see_every_rule() -> None:
    """The imports under TYPE_CHECKING name what can be imported when it runs."""
    import buildlib.rules

    text = inspect.getsource(buildlib.rules)
    assert set(re.findall(r"import (\w+) as \1", text)) == set(registry.names())


def test_a_new_rule_is_one_new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    from buildlib.core.dsl.declare import declare
    from buildlib.core.model.target import Rule

    def greeting(*, name, text, doc=""):
        declare(RULE, name=name, doc=doc, attrs={"text": text})

    class Greeting(Rule):
        kind = "greeting"
        product = "files"

    RULE = Greeting()
    """
    import types

    module = types.ModuleType("buildlib.core.rules.greeting")
    exec(inspect.cleandoc(text), module.__dict__)
    monkeypatch.setitem(sys.modules, "buildlib.core.rules.greeting", module)
    monkeypatch.setattr(registry, "names", lambda: (*RULES, "greeting"))
    made = WorkspaceBuilder(tmp_path)
    made.file("a/BUILD.py", "from buildlib.rules import greeting\ngreeting(name='a', text='hi')\n")
    before = made.keys()
    made.replace("a/BUILD.py", "'hi'", "'ho'")
    assert made.keys() != before
    (step,) = made.open().planner.plan([parse_label("//a")], lambda _: {}).steps
    assert step.action == "build"


def test_what_a_dockerfile_finds_is_what_its_inputs_make(tmp_path: Path) -> None:
    graph = family(tmp_path).graph()

    def staged(label: str) -> list[str]:
        target = graph[parse_label(label)]
        return sorted(set(target.rule.staged_names(target, graph)))

    assert staged("//images/base") == [
        "Dockerfile",
        "apt/",
        "conf/a.conf",
        "conf/b.conf",
        "conf/current",
        "requirements.lock",
        "wheels/",
    ]
    assert staged("//images/os") == ["Dockerfile", "configure.sh", "rootfs.tar"]
    assert staged("//images/py") == ["Dockerfile", "files.tar"]
    assert staged("//tools:jre") == ["Dockerfile", "make.sh"]


@pytest.mark.parametrize(
    ("declarations", "names"),
    [
        ('filegroup(name="t", srcs=["x", "d/y"])', ["d/y", "x"]),
        ('filegroup(name="g", srcs=["x"])\nfilegroup(name="t", srcs=["d/y", ":g"])', ["d/y", "x"]),
        ('download(name="t", urls=["https://example.org/a/b.tgz?c=d"])', ["b.tgz"]),
        ('download(name="t", urls=["https://example.org/a"], filename="c.jar")', ["c.jar"]),
        ('download(name="t", urls=["pypi:x/x-1.0.tar.gz"])', ["x-1.0.tar.gz"]),
        ('download(name="t", urls=["maven:org.x:x:1.0:tests"])', ["x-1.0-tests.jar"]),
        ('maven_jars(name="t", artifacts=["org.x:x:1"], folder="opt/x")', ["t.tar"]),
        (
            (
                'filegroup(name="g", srcs=["x"])\n'
                'extract(name="t", archive=":g", files={"a": "b", "c": "d/e"})'
            ),
            ["b", "d/e"],
        ),
        (
            (
                'filegroup(name="g", srcs=["x"])\n'
                'extract(name="t", archive=":g", files={"a/": "b/"}, out="c.tar")'
            ),
            ["c.tar"],
        ),
        ('tarball(name="t", parts={"p": {"x": "x"}})', ["t.tar"]),
        ('zip_file(name="t", members={"p/x": "x"})', ["t.zip"]),
        ('container_files(name="t", outputs=["opt/jre/", "/lib/a.jar"])', ["a.jar", "jre.tar"]),
        (
            (
                'kernelspec(name="t", display_name="", language="", process_proxy="", argv=[],\n'
                '           resources={"logo.svg": "x", "s/run.sh": "d/y"})'
            ),
            ["t/kernel.json", "t/logo.svg", "t/s/run.sh"],
        ),
        (
            (
                'filegroup(name="g", srcs=["x"])\n'
                'kernelspec(name="t", display_name="", language="", process_proxy="", argv=[],\n'
                '           resources={"scripts/": ":g"})'
            ),
            ["t/kernel.json", "t/scripts/x"],
        ),
    ],
)
def test_the_files_a_target_will_have_are_known_before_it_is_built(
    tmp_path: Path, declarations: str, names: list[str]
) -> None:
    made = (
        WorkspaceBuilder(tmp_path).file("p/x").file("p/d/y").file("p/Dockerfile", "FROM scratch\n")
    )
    graph = made.build("p", *declarations.split("\n\n")).graph()
    target = graph[parse_label("//p:t")]
    assert sorted(target.rule.output_names(target, graph)) == names


def test_the_ignore_file_of_a_dockerfile_stands_before_the_folders(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    made.file("a/.dockerignore", "x\n").file("a/Dockerfile.dockerignore", "y\n")
    made.file("a/x").file("a/y").image("a", 'srcs=glob(["**"])')
    (target,) = made.graph().targets.values()
    names = [".dockerignore", "Dockerfile", "Dockerfile.dockerignore", "x"]
    assert [file.name for file in target.files] == names


def test_a_macro_may_name_every_builtin_that_is_safe() -> None:
    import builtins

    assert all(hasattr(builtins, name) for name in SAFE_BUILTINS)
    dangerous = {
        "open",
        "eval",
        "exec",
        "compile",
        "__import__",
        "input",
        "getattr",
        "setattr",
        "type",
        "object",
        "set",
        "frozenset",
        "hash",
        "id",
        "vars",
        "dir",
        "globals",
        "locals",
        "print",
        "memoryview",
        "classmethod",
        "property",
        "super",
        "format",
        "repr",
    }
    assert not dangerous & set(SAFE_BUILTINS)


def test_output_is_empty_unless_said() -> None:
    assert Output() == Output("", {})


@pytest.mark.parametrize(
    ("argument", "fix"),
    [
        ('network="true"', "network = True"),
        ("network=0", "network = False"),
        ('build_args={"V": 3}', 'build_args = {"V": "3"}'),
        ('secrets=["tok"]', 'secrets = {"tok": "…"}'),
        ('dockerfile="Dockerfil"', "dockerfile: Dockerfile"),
        ('srcs=["//b/Dockerfile"]', 'write "//b:dockerfile", and in b/BUILD.py filegroup('),
        ('srcs=["//b:motd.txt"]', 'write "//b:motd", and in b/BUILD.py filegroup('),
    ],
)
def test_the_fix_of_a_wrong_argument_is_what_was_meant(
    tmp_path: Path, argument: str, fix: str
) -> None:
    made = WorkspaceBuilder(tmp_path).image("b").image("x", argument)
    message = made.error()
    assert message.startswith("x/BUILD.py:2: error: ")
    assert f"fix: {fix}" in message
