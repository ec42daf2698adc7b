"""`release`: tags and files for a version, all or nothing, never moved; `clean` and `forget`."""

from __future__ import annotations

import gzip
import json

import pytest
from workshop import Verbs, Workshop

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nADD files.tar /\n"


@pytest.fixture
def product(shop: Workshop) -> Workshop:
    """Two images, a tarball with a release file, a kernelspec, an image that has the kernelspec."""
    shop.file("images/base/data", "one\n")
    shop.image("images/base", 'srcs=["data"]', "FROM scratch\nCOPY data /\n")
    shop.image("images/py", 'parent="//images/base", srcs=["//pack:files"]', CHILD)
    shop.file("pack/run.py", "1\n")
    shop.build(
        "pack",
        'tarball(name="files", archive="kernel_files", parts={"all": {"run.py": "run.py"}})',
        """
        kernelspec(
            name="python", display_name="Python", language="python",
            process_proxy="k8s.KubernetesProcessProxy", argv=["python"], image="//images/py",
        )
        """,
        'tarball(name="specs", archive="kernelspecs", parts={"all": {"./": ":python"}})',
    )
    shop.image("images/server", 'srcs=["//pack:specs"]', "FROM scratch\nADD specs.tar /\n")
    return shop


def dist(shop: Workshop) -> list[str]:
    found = (path for path in (shop.root / "dist").rglob("*") if path.is_file())
    return sorted(str(path.relative_to(shop.root / "dist")) for path in found)


def test_images_get_the_version_and_files_carry_it(product: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    builds = len(product.builder.requests)
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err
    for name in ("base", "py"):
        assert product.tag(f"//images/{name}", "2.5.0") == product.tag(f"//images/{name}")
    assert product.tag("//images/server", "2.5.0")
    rebuilt = [request.shown_as for request in product.builder.requests[builds:]]
    assert rebuilt == ["images/server/Dockerfile"], "only what carries the version"
    assert {"2.5.0/kernel_files-2.5.0.tar.gz", "2.5.0/kernelspecs-2.5.0.tar.gz"} <= set(
        dist(product)
    )
    assert "not published" in told.out


def test_the_kernelspecs_of_a_release_name_its_images(product: Workshop, verb: Verbs) -> None:
    assert verb("release", "VERSION=2.5.0", "ORGANIZATION=acme").code == 0
    data = gzip.decompress((product.root / "dist/2.5.0/kernelspecs-2.5.0.tar.gz").read_bytes())
    assert b'"image_name": "acme/py:2.5.0"' in data
    assert product.engine.resolve("acme/py:2.5.0")


def test_a_release_leaves_the_channel_of_development_alone(product: Workshop, verb: Verbs) -> None:
    """The server of a release has kernelspecs of the release; `dev` is not that image."""
    assert verb("build").code == 0
    before = {name: product.tag(f"//images/{name}") for name in ("base", "py", "server")}
    assert verb("release", "VERSION=2.5.0").code == 0
    assert {name: product.tag(f"//images/{name}") for name in before} == before
    assert product.tag("//images/server", "2.5.0") != before["server"]
    assert verb("build").out.startswith("nothing to build")


def test_a_second_release_of_the_same_changes_nothing(product: Workshop, verb: Verbs) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    tags = {name: product.tag(f"//images/{name}", "2.5.0") for name in ("base", "py", "server")}
    builds, files = len(product.builder.requests), product.snapshot()
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0
    assert "(0 tags set)" in told.out
    assert len(product.builder.requests) == builds
    assert product.snapshot() == files
    assert {name: product.tag(f"//images/{name}", "2.5.0") for name in tags} == tags


@pytest.mark.parametrize("words", [("VERSION=2.5.0", "--dry-run"), ("--dry-run", "VERSION=2.5.0")])
def test_a_dry_run_tells_the_tags_and_changes_nothing(
    product: Workshop, verb: Verbs, words: tuple[str, ...]
) -> None:
    assert verb("build").code == 0
    files, builds = product.snapshot(), len(product.builder.requests)
    told = verb("release", *words)
    assert told.code == 0
    assert "tag      elyra/py:2.5.0" in told.out
    assert product.snapshot() == files
    assert len(product.builder.requests) == builds
    assert [tag for tag in product.engine.tags("elyra/*") if tag.endswith("2.5.0")] == []


def test_a_release_that_would_move_a_tag_is_refused_and_nothing_is_touched(
    product: Workshop, verb: Verbs
) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    tags = product.engine.tags("elyra/*:2.5.0")
    files = {name: data for name, data in product.snapshot().items() if name.startswith("dist/")}
    product.file("images/base/data", "two\n")
    product.file("pack/run.py", "2\n")
    product.image("images/new", "", "FROM scratch\n")
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert "a release tag is never moved" in told.err
    assert told.fixes == ["release under the next version"]
    assert product.engine.tags("elyra/*:2.5.0") == tags
    after = {name: data for name, data in product.snapshot().items() if name.startswith("dist/")}
    assert after == files
    assert verb("release", "VERSION=2.5.1").code == 0


def test_a_foreign_image_under_a_release_tag_is_left_alone(product: Workshop, verb: Verbs) -> None:
    foreign = product.engine.add("elyra/py:2.5.0")
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert product.tag("//images/py", "2.5.0") == foreign
    assert product.tag("//images/base", "2.5.0") is None


def test_a_release_of_something_broken_tags_nothing(product: Workshop, verb: Verbs) -> None:
    product.builder.fail_next("exit code: 1")
    assert verb("release", "VERSION=2.5.0").code == 1
    assert product.engine.tags("elyra/*:2.5.0") == {}


@pytest.mark.parametrize(
    ("version", "right"),
    [
        ("v2.5.0", "2.5.0"),
        ("2.5", "2.5.0"),
        ("2.5.0+x", "2.5.0"),
        ("02.5.0", "2.5.0"),
        ("2.05.0", "2.5.0"),
        ("2.5.0.dev1", "2.5.0"),
        ("2.5.0-dev.1", "2.5.0"),
        ("2.5.0.1", "2.5.0"),
        ("2.5.0 ", "2.5.0"),
        ("2.5.0-rc_1", "2.5.0rc1"),
        ("v2.5.0rc1", "2.5.0rc1"),
        ("latest", "2.5.0"),
        ("", "2.5.0"),
        ("3", "3.0.0"),
        ("2.5.0-" + "a" * 130, "2.5.0"),
    ],
)
def test_what_is_no_version_of_a_release_is_refused_with_what_would_be(
    product: Workshop, verb: Verbs, version: str, right: str
) -> None:
    told = verb("release", f"VERSION={version}")
    assert told.code == 3
    assert told.fixes == [f"./doitw release VERSION={right}"]
    assert version in told.err
    assert product.builder.requests == []


def test_no_version_at_all_is_refused(product: Workshop, verb: Verbs) -> None:
    told = verb("release")
    assert told.code == 3
    assert told.fixes == ["./doitw release VERSION=2.5.0"]


@pytest.mark.parametrize("version", ["2.5.0", "2.5.0rc1", "2.5.0-rc.1", "10.0.0"])
def test_versions_of_both_schools_will_do(shop: Workshop, verb: Verbs, version: str) -> None:
    shop.image("images/a")
    assert verb("release", f"VERSION={version}").code == 0
    assert shop.tag("//images/a", version)


def test_a_release_takes_no_targets(product: Workshop, verb: Verbs) -> None:
    told = verb("release", "//images/py", "VERSION=2.5.0")
    assert told.code == 3
    assert "release takes no targets" in told.err


# -- clean and forget ------------------------------------------------------------------------------


def test_clean_removes_what_was_built_and_nothing_else(product: Workshop, verb: Verbs) -> None:
    foreign = product.engine.add("elyra/other:dev")
    assert verb("build").code == 0
    assert verb("clean", "--dry-run").code == 0
    assert product.tag("//images/py")
    assert dist(product)
    told = verb("clean")
    assert told.code == 0
    assert "remove tag elyra/py:dev" in told.out
    assert product.engine.images() == [foreign]
    assert dist(product) == []
    assert product.action("//images/py") == "build"
    assert verb("clean").out == ""


def test_clean_of_one_target_leaves_the_others(product: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("clean", "//images/py").code == 0
    assert product.tag("//images/py") is None
    assert product.action("//images/base") == "fresh"
    assert product.action("//pack:files") == "fresh"


def test_clean_leaves_a_name_that_was_given_to_another_image(
    product: Workshop, verb: Verbs
) -> None:
    assert verb("build").code == 0
    foreign = product.engine.add("mine:1")
    product.engine.tag(foreign, "elyra/py:dev")
    assert verb("clean", "//images/py").code == 0
    assert product.tag("//images/py") == foreign


def test_clean_leaves_a_release_alone(product: Workshop, verb: Verbs) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    assert verb("clean").code == 0
    assert product.tag("//images/base", "2.5.0")
    assert "2.5.0/kernel_files-2.5.0.tar.gz" in dist(product)


def test_clean_without_an_engine_says_so(product: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    product.engine.down = True
    told = verb("clean")
    assert told.code == 1
    assert told.fixes == ["sudo systemctl start docker"]


def test_forget_lets_targets_be_built_again_and_leaves_what_is_there(
    product: Workshop, verb: Verbs
) -> None:
    assert verb("build").code == 0
    image = product.tag("//images/base")
    told = verb("forget", "//images/base")
    assert "forgot 1 targets" in told.out or "forgot 1 target;" in told.out
    assert product.tag("//images/base") == image
    assert product.action("//images/base") == "build"
    assert product.action("//pack:files") == "fresh"


@pytest.mark.parametrize("verb_name", ["clean", "forget", "fetch"])
def test_unknown_targets_are_refused_with_the_nearest(
    product: Workshop, verb: Verbs, verb_name: str
) -> None:
    told = verb(verb_name, "//images/bas")
    assert told.code == 3
    assert "did you mean //images/base?" in told.err
    assert told.fixes == [f"./doitw {verb_name} //images/base"]


def test_answers_for_programs_hold_the_exit_code(product: Workshop, verb: Verbs) -> None:
    told = verb("build", "--json")
    answer = json.loads(told.out)
    assert answer["exit_code"] == 0
    assert {step["action"] for step in answer["steps"]} == {"build"}
