"""A release's own commit: its keys, from a tag or a checkout; what a build does there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.build.workspace import Workspace
from buildlib.cli.commands.deploy import in_engine
from buildlib.core.model.label import Label, Reference, parse_label
from buildlib.core.view import view_of_commit
from buildlib.errors import ActionError, InputError
from buildlib.shipping.releasing.preconditions import check_git, refuse_other_keys
from buildlib.shipping.releasing.release_commits import commit_release

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nADD files.tar /\n"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- new\n"


@pytest.fixture
def product(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Two images, a tarball, a kernelspec, an image that has it, a rendered file; in git."""
    shop.file("CHANGELOG.md", CHANGELOG).file(".gitignore", "/dist/\n/pack/file.yaml\n*.local\n")
    shop.file("images/base/data", "one\n")
    shop.image("images/base", 'srcs=["data"]', "FROM scratch\nCOPY data /\n")
    shop.image("images/py", 'parent="//images/base", srcs=["//pack:files[all]"]', CHILD)
    shop.file("pack/run.py", "1\n").file("pack/file.in", "image: @PY@\n")
    shop.build(
        "pack",
        """
        tarball(
            name="files", archive="kernel_files", parts={"all": {"run.py": "run.py"}},
            release_names={"run.py": "run-{version}.py"},
        )
        """,
        """
        kernelspec(
            name="python", display_name="Python", language="python",
            process_proxy="k8s.KubernetesProcessProxy", argv=["python"], image="//images/py",
        )
        """,
        'tarball(name="specs", archive="kernelspecs", parts={"all": {"./": ":python"}})',
        'rendered(name="file", template="file.in", out="file.yaml", images={"PY": "//images/py"})',
    )
    shop.image("images/server", 'srcs=["//pack:specs"]', "FROM scratch\nADD specs.tar /\n")
    shop.commit()
    shop.git("config", "user.name", "Ada")
    shop.git("config", "user.email", "ada@example.org")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return shop


def keys(workspace: Workspace) -> dict[Label, str]:
    return {label: workspace.keys.key(Reference(label)) for label in workspace.graph.order}


def in_release(shop: Workshop, version: str = "2.5.0") -> Workspace:
    """The workspace as a release sees it before its commit."""
    return shop.open(version=version)


def release(shop: Workshop, version: str = "2.5.0") -> None:
    commit_release(str(shop.root), version, date="2026-11-23")


# -- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.5.0", "2.5.0rc1", "2.5.0-rc.1"])
def test_a_releases_tag_gives_the_keys_of_the_release(
    product: Workshop, tmp_path: Path, version: str
) -> None:
    before, released = keys(product.open()), keys(in_release(product, version))
    assert released != before
    release(product, version)

    with view_of_commit(str(product.root), f"v{version}") as commit:
        assert commit.key_of_each() == released, "read from git"

    clone = tmp_path / "clone"
    source = ["git", "clone", "-q", "-c", "advice.detachedHead=false"]
    subprocess.run([*source, "-b", f"v{version}", str(product.root), str(clone)], check=True)
    fresh = Workspace(str(clone), store_root=str(tmp_path / "other-store"))
    assert (fresh.version, fresh.channel) == (version, version)
    assert keys(fresh) == released, "checked out"

    after = keys(product.open())
    moved = {label.short for label in before if before[label] != after[label]}
    assert moved == {"//pack:files"}, "development goes on with all but its own version"
    assert product.open().channel == "dev"


def test_what_git_does_not_know_of_is_no_source_of_a_release(product: Workshop) -> None:
    product.image("images/base", 'srcs=glob(["*"])', "FROM scratch\nCOPY data /\n")
    commit = product.commit()
    refuse_other_keys(product.open(), commit)
    product.file("images/base/notes.local", "mine\n")
    assert check_git(str(product.root), "2.5.0").commit == commit, "git finds it clean"
    with pytest.raises(InputError) as refused:
        refuse_other_keys(product.open(), commit)
    assert refused.value.what.startswith("//images/base is not what the commit")
    assert refused.value.detail is not None
    assert "//images/py" in refused.value.detail
    assert refused.value.fix is not None
    product.remove("images/base/notes.local")
    product.git("update-index", "--assume-unchanged", "pack/run.py")
    product.file("pack/run.py", "2\n")
    assert check_git(str(product.root), "2.5.0").commit == commit
    with pytest.raises(InputError, match="//pack:files is not what"):
        refuse_other_keys(product.open(), commit)


# -- a build at a release's commit -----------------------------------------------------------------


def at_release(shop: Workshop) -> None:
    release(shop)
    shop.git("checkout", "-q", "--detach", "v2.5.0")


def test_there_a_build_gives_the_tags_of_contents_only_and_says_so(
    product: Workshop, verb: Verbs
) -> None:
    at_release(product)
    told = verb("build")
    assert told.code == 0
    assert told.out.startswith("VERSION is 2.5.0, a release: ")
    assert "./doitw release alone" in told.out
    tags = list(product.engine.tags("elyra/*"))
    assert len(tags) == 3
    assert all(tag.partition(":")[2].startswith("key-") for tag in tags)
    assert (product.root / "pack/file.yaml").read_text() == "image: elyra/py:2.5.0\n"
    again = verb("plan")
    assert again.out.split("\n")[0].startswith("VERSION is 2.5.0, a release: ")
    assert again.out.split("\n")[1].startswith("nothing to build")
    assert json.loads(verb("build", "--json").out)["exit_code"] == 0
    assert json.loads(verb("plan", "--json").out)["channel"] == "2.5.0"


def test_elsewhere_it_says_nothing_of_releases(product: Workshop, verb: Verbs) -> None:
    release(product)
    assert "a release" not in verb("build").out
    assert "a release" not in verb("plan").out
    assert product.tag("//images/py")


def test_a_build_there_makes_what_the_release_had_and_no_more(
    product: Workshop, verb: Verbs
) -> None:
    assert verb("build").code == 0
    builds = len(product.builder.requests)
    at_release(product)
    assert verb("build").code == 0
    rebuilt = [request.shown_as for request in product.builder.requests[builds:]]
    assert rebuilt == ["images/server/Dockerfile"], "what carries the version"


def test_a_deployment_of_a_release_wants_its_tags(product: Workshop, verb: Verbs) -> None:
    at_release(product)
    assert verb("build").code == 0
    server, py = parse_label("//images/server"), parse_label("//images/py")
    with pytest.raises(ActionError) as refused:
        in_engine(product.open(), [server, py])
    assert refused.value.what == "elyra/server:2.5.0 is not in the engine"
    assert refused.value.fix is not None
    assert refused.value.fix.startswith("docker pull elyra/server:2.5.0")
    for name in ("server", "py"):
        image = product.engine.resolve(product.content_tag(f"//images/{name}"))
        assert image is not None
        product.engine.tag(image, f"elyra/{name}:2.5.0")
    assert in_engine(product.open(), [server, py]) == product.content_tag("//images/server")


@pytest.mark.parametrize("words", [("build",), ("plan",), ("why", "//images/py"), ("build", "py")])
@pytest.mark.parametrize("text", ["v2.5.0\n", "2.5\n", "\n", "2.5.0+x\n", "02.5.0\n"])
def test_a_version_that_is_none_is_told_by_every_build(
    product: Workshop, verb: Verbs, words: tuple[str, ...], text: str
) -> None:
    product.file("VERSION", text)
    told = verb(*words)
    assert told.code == 3
    assert told.err.startswith("VERSION:1: error: ")
    (fix,) = told.fixes
    subprocess.run(fix, shell=True, check=True, cwd=product.root)
    assert verb(*words).code == 0


# -- what is stamped -------------------------------------------------------------------------------

STAMPED = {"//pack:files", "//pack:python", "//pack:specs", "//pack:file", "//images/server"}


def test_what_is_stamped_is_told(product: Workshop, verb: Verbs) -> None:
    plan = json.loads(verb("plan", "--json").out)
    assert {step["label"] for step in plan["steps"] if step["stamped"]} == STAMPED
    assert plan["channel"] == "dev"
    lines = verb("plan").out.splitlines()
    assert sum("[stamped]" in line for line in lines) == len(STAMPED)
    assert lines[-1] == ("stamped (elyra/…:dev, 2.5.0.dev0): server, 4 of pack")
    assert verb("build").code == 0
    fresh = json.loads(verb("plan", "--json").out)["fresh"]
    assert {step["label"] for step in fresh if step["stamped"]} == STAMPED
    listed = json.loads(verb("list", "--json").out)
    assert {row["label"] for row in listed if row["stamped"]} == STAMPED
    rows = [line for line in verb("list").out.splitlines() if line.endswith("[stamped]")]
    assert {row.split()[0] for row in rows} == STAMPED
    assert "stamped" not in verb("build").out
