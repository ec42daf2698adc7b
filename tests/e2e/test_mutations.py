"""Each kind of input, changed in a clone: exactly what depends on it is stale, and `why` says so.

The family is built once; each clone shares its store, finds all of it up to date, and is changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from e2e_engine import Images
from e2e_process import Family, eventually
from e2e_sample import ROOT, lock_text, pyproject

pytestmark = [pytest.mark.slow, pytest.mark.engine]

BASE, LEFT, OTHER, RIGHT = (f"//images/{name}" for name in ("base", "left", "other-base", "right"))
MADE, SCRIPTS, SPEC = "//tools:made", "//launchers:scripts", "//specs:left_spec"
FOR_LEFT, FOR_RIGHT = f"{SCRIPTS}[bootstrap, left]", f"{SCRIPTS}[bootstrap, right]"

LEFT_DECLARED = "images/left/BUILD.py"


class Mutation(NamedTuple):
    """A change of a clone, and what must follow.

    Attributes:
        name: What is changed.
        change: Does it.
        stale: Labels that a plan of everything must name.
        asked: A stale target to ask `why` of.
        parts: What the answer must be: changed parts, each with the target it is a part of.
    """

    name: str
    change: Callable[[Family], object]
    stale: set[str]
    asked: str = ""
    parts: tuple[tuple[str, str], ...] = ()


def in_left(old: str, new: str) -> Callable[[Family], object]:
    return lambda family: family.replace(LEFT_DECLARED, old, new)


def in_base(new: str) -> Callable[[Family], object]:
    return lambda family: family.replace("images/base/BUILD.py", 'srcs=["motd"],', new)


def relink(family: Family) -> None:
    family.path("images/left/files/link").unlink()
    family.path("images/left/files/link").symlink_to("run.sh")


def unlink(family: Family) -> None:
    family.path("images/left/files/link").unlink()
    family.write("images/left/files/link", "one\n")


def other_parent(family: Family) -> None:
    family.replace(LEFT_DECLARED, '"//images/base"', '"//images/other-base"')
    family.replace("images/left/Dockerfile", "sample/base", "sample/base-two")


def other_flavour(family: Family) -> None:
    family.write("pyproject.toml", pyproject(family.organization, flavour="docker-stacks"))


def touch_all(family: Family) -> None:
    for path in family.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and "dist" not in path.parts:
            path.touch()


MUTATIONS = [
    # files
    Mutation(
        "the content of a source",
        lambda family: family.write("images/base/motd", "changed\n"),
        {BASE, LEFT, RIGHT},
        RIGHT,
        (("file motd", BASE),),
    ),
    Mutation(
        "the executable bit",
        lambda family: family.path("images/left/files/run.sh").chmod(0o755),
        {LEFT},
        LEFT,
        (("file files/run.sh", LEFT),),
    ),
    Mutation("where a symlink points to", relink, {LEFT}, LEFT, (("file files/link", LEFT),)),
    Mutation("a symlink into a file", unlink, {LEFT}, LEFT, (("file files/link", LEFT),)),
    Mutation(
        "a file added to a glob",
        lambda family: family.write("images/left/files/deep/two.txt", "two\n"),
        {LEFT},
        LEFT,
        (("file files/deep/two.txt", LEFT),),
    ),
    Mutation(
        "a file removed from a glob",
        lambda family: family.path("images/left/files/run.sh").unlink(),
        {LEFT},
        LEFT,
        (("file files/run.sh", LEFT),),
    ),
    Mutation(
        "the name of a file",
        lambda family: family.path("images/left/files/run.sh").rename(
            family.path("images/left/files/start.sh")
        ),
        {LEFT},
        LEFT,
        (("file files/start.sh", LEFT), ("file files/run.sh", LEFT)),
    ),
    Mutation(
        ".dockerignore, that now leaves out a source",
        lambda family: family.write("images/left/.dockerignore", "files/*.tmp\nfiles/one.*\n"),
        {LEFT},
        LEFT,
        (("file files/one.txt", LEFT),),
    ),
    Mutation(
        ".dockerignore removed",
        lambda family: family.path("images/left/.dockerignore").unlink(),
        {LEFT},
        LEFT,
        (("file files/scrap.tmp", LEFT),),
    ),
    Mutation(
        "the Dockerfile",
        lambda family: family.replace("images/left/Dockerfile", "COPY fi", "ENV A=b\nCOPY fi"),
        {LEFT},
        LEFT,
        (("file Dockerfile", LEFT),),
    ),
    Mutation(
        "a file of a filegroup",
        lambda family: family.write("data/shared.txt", "changed\n"),
        {RIGHT},
        RIGHT,
        (("file shared.txt", "//data:group"),),
    ),
    Mutation(
        "a file of container_files",
        lambda family: family.write("tools/made.txt", "changed\n"),
        {MADE, RIGHT},
        RIGHT,
        (("file made.txt", MADE),),
    ),
    # parts
    Mutation(
        "a launcher's file",
        lambda family: family.write("launchers/left/left.txt", "changed\n"),
        {SCRIPTS, LEFT},
        LEFT,
        (("file left: left/left.txt", FOR_LEFT),),
    ),
    Mutation(
        "a file of a part that two images take",
        lambda family: family.write("launchers/bootstrap.sh", "#!/bin/sh\n"),
        {SCRIPTS, LEFT, RIGHT},
        RIGHT,
        (("file bootstrap: bootstrap.sh", FOR_RIGHT),),
    ),
    Mutation(
        "a part that nobody takes",
        lambda family: family.replace(
            "launchers/BUILD.py", "    parts={", '    parts={"third": {"x": "left/left.txt"},'
        ),
        {SCRIPTS},
        SCRIPTS,
        (("file third: x", SCRIPTS),),
    ),
    Mutation(
        "what is executable in a tarball",
        lambda family: family.replace("launchers/BUILD.py", '["bootstrap.sh"]', "[]"),
        {SCRIPTS, LEFT, RIGHT},
        LEFT,
        (("attribute executables", FOR_LEFT),),
    ),
    # declarations
    Mutation(
        "a build argument",
        in_left('"hello"', '"good day"'),
        {LEFT},
        LEFT,
        (("attribute build_args", LEFT),),
    ),
    Mutation(
        "the parent",
        other_parent,
        {LEFT},
        LEFT,
        (("base BASE_CONTAINER", LEFT), ("file Dockerfile", LEFT)),
    ),
    Mutation(
        "one more dependency",
        in_base('srcs=["motd", "//data:group"],'),
        {BASE, LEFT, RIGHT},
        LEFT,
        (("src //data:group", BASE),),
    ),
    Mutation(
        "the platform of a target",
        in_base('srcs=["motd"], platform="linux/arm64",'),
        {BASE, LEFT, RIGHT},
        BASE,
        (("attribute platform", BASE),),
    ),
    Mutation(
        "whether steps have a network",
        in_base('srcs=["motd"], network=True,'),
        {BASE, LEFT, RIGHT},
        BASE,
        (("attribute network", BASE),),
    ),
    Mutation(
        "the description, which becomes an OCI label",
        in_base('srcs=["motd"], description="a base",'),
        {BASE, LEFT, RIGHT},
        LEFT,
        (("attribute description", BASE),),
    ),
    Mutation(
        "what a kernelspec shows",
        lambda family: family.replace("specs/BUILD.py", '"Left"', '"Left one"'),
        {SPEC},
        SPEC,
        (("attribute display_name", SPEC),),
    ),
    # what is chosen for the workspace
    Mutation(
        "the lock's entry",
        lambda family: family.write("images.lock", lock_text(b"newer\n")),
        {RIGHT},
        RIGHT,
        (("pin download outside.txt", "//data:fetched"),),
    ),
    Mutation(
        "the flavour",
        other_flavour,
        {RIGHT},
        RIGHT,
        (("base BASE_CONTAINER", RIGHT),),
    ),
    Mutation(
        "the platform of the workspace",
        lambda family: family.write(
            "pyproject.toml", pyproject(family.organization, platform="linux/arm64")
        ),
        {BASE, LEFT, OTHER, RIGHT, MADE},
        OTHER,
        (("attribute platform", OTHER),),
    ),
    Mutation(
        "the version under development, which only the release file's name holds",
        lambda family: family.write("VERSION", "2.0.0.dev0\n"),
        {SCRIPTS},
    ),
    # what can change no result
    Mutation("a line for people", in_left('"the left one"', '"the one on the left"'), set()),
    Mutation("the line of a declaration", in_left("docker_image(\n", "\n\ndocker_image(\n"), set()),
    Mutation("the time of every source", touch_all, set()),
    Mutation(
        "who may read a file",
        lambda family: family.path("images/base/motd").chmod(0o600),
        set(),
    ),
    Mutation(
        "a file that nobody declared",
        lambda family: family.write("images/base/NOTES", "later\n"),
        set(),
    ),
    Mutation(
        "an ignored file",
        lambda family: family.write("images/left/files/more.tmp", "x\n"),
        set(),
    ),
    Mutation(
        "a comment in .dockerignore",
        lambda family: family.write("images/left/.dockerignore", "# scraps\nfiles/*.tmp\n"),
        set(),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, module_images: Images) -> Iterator[Family]:
    """A family that was built."""
    folder = tmp_path_factory.mktemp("built")
    family = Family.new(folder / "family", module_images.organization, "")
    family.build()
    yield family
    family.close()


@pytest.fixture
def fresh(built: Family, request: pytest.FixtureRequest) -> Family:
    """A clone in which all was found up to date, which is cached."""
    number = len(list(built.folder.iterdir()))
    clone = built.clone(f"clone-{number}")
    assert "not built" not in clone.build().out
    eventually(lambda: clone.plan() == {} and clone.path(".buildlib/noop-plan").exists(), "cached")
    return clone


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_changed_input_makes_stale_what_depends_on_it_and_nothing_else(
    fresh: Family, mutation: Mutation
) -> None:
    mutation.change(fresh)
    assert set(fresh.plan()) == mutation.stale
    if mutation.asked:
        assert fresh.why(mutation.asked) == list(mutation.parts)


def test_a_change_taken_back_makes_nothing_stale(fresh: Family) -> None:
    fresh.write("images/base/motd", "changed\n")
    assert fresh.plan("base") == {BASE: "build"}
    shutil.copy2(fresh.folder.parent / "workspace/images/base/motd", fresh.path("images/base/motd"))
    assert fresh.plan() == {}


def test_another_organization_builds_only_what_carries_it(fresh: Family) -> None:
    plan = fresh.plan("ORGANIZATION=e2e-acme")
    assert plan == {
        BASE: "restore", LEFT: "restore", OTHER: "restore", RIGHT: "restore", SPEC: "build",
    }  # fmt: skip


def test_a_rule_that_changed_makes_its_targets_stale(fresh: Family) -> None:
    changed = fresh.folder / "changed"
    keep_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "buildlib", changed / "buildlib", ignore=keep_out)
    rule = changed / "buildlib/core/rules/kernelspec.py"
    rule.write_text(
        rule.read_text().replace(
            '    product = "files"\n', '    product = "files"\n    version = 99\n'
        )
    )
    fresh.env["PYTHONPATH"] = str(changed)
    assert fresh.plan() == {SPEC: "build"}
    assert fresh.why(SPEC) == [("rule", SPEC)]


def test_why_shows_old_and_new_and_the_path(fresh: Family) -> None:
    fresh.replace(LEFT_DECLARED, '"hello"', '"good day"')
    told = fresh.run("why", "left").out
    assert "build_args" in told
    assert "hello" in told
    assert "good day" in told

    fresh.write("launchers/left/left.txt", "changed\n")
    told = fresh.run("why", "left").out
    assert f"path: {LEFT} <- {FOR_LEFT}" in told
    (answer,) = fresh.run("why", "left", "--json").json
    leaf = next(leaf for leaf in answer["changes"] if leaf["part"].startswith("file"))
    assert leaf["path"] == [LEFT, FOR_LEFT]
    assert leaf["old"] != leaf["new"]


def test_why_of_what_is_up_to_date_says_that(fresh: Family) -> None:
    assert f"{LEFT} is up to date" in fresh.run("why", "left").out


def test_equal_archives_under_two_names_are_two_things(
    fresh: Family, module_images: Images
) -> None:
    declared = 'tarball(name="{}", parts={{"all": {{"a": "bootstrap.sh"}}}})\n'
    text = fresh.read("launchers/BUILD.py")
    fresh.write("launchers/BUILD.py", text + declared.format("twin-a") + declared.format("twin-b"))
    in_base('srcs=["motd", "//launchers:twin-a", "//launchers:twin-b"],')(fresh)
    fresh.write("images/base/Dockerfile", "FROM scratch\nCOPY twin-a.tar twin-b.tar /\n")
    fresh.build("base")
    assert sorted(module_images.files("base")) == ["twin-a.tar", "twin-b.tar"]


def test_equal_kernelspecs_under_two_names_are_two_things(fresh: Family) -> None:
    text = fresh.read("specs/BUILD.py")
    declared = text[text.index("kernelspec(\n") :]
    fresh.write("specs/BUILD.py", text + declared.replace("left_spec", "left_twin"))
    assert fresh.plan("//specs:left_twin") == {"//specs:left_twin": "build"}
