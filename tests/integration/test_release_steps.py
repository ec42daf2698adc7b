"""`release` without a registry: versions, tags in the engine, files, git; `clean` and `forget`."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from releasable import IMAGES, Releasable
from workshop import CHANGELOG, Verbs, Workshop

from buildlib.shipping.releasing.steps import NAMES
from buildlib.shipping.releasing.verify_signatures import check_folder
from tests.support.golden import check_golden
from tests.support.signing import KEY, PASSPHRASE, PUBLIC


@pytest.fixture
def product(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Releasable:
    return Releasable(shop, monkeypatch)


@pytest.fixture
def proved(product: Releasable, verb: Verbs) -> Releasable:
    """The product, built and proved as it is developed."""
    product.build_and_prove(verb)
    return product


def built(product: Releasable) -> list[str]:
    """What a build has written into dist/."""
    return [name for name in product.files() if name.startswith("dist/")]


def members(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        return sorted(entry.name for entry in tar if entry.isfile())


# -- what ships ------------------------------------------------------------------------------------


def test_images_get_the_version_and_files_carry_it(proved: Releasable, verb: Verbs) -> None:
    builds, proofs = len(proved.shop.builder.requests), len(proved.proved)
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err
    tags, dev = proved.tags(), proved.tags("dev")
    assert {name: tags[name] == dev[name] for name in IMAGES} == {
        "base": True,
        "py": True,
        "server": False,
    }
    assert proved.tags("latest") == tags
    rebuilt = [request.shown_as for request in proved.shop.builder.requests[builds:]]
    assert rebuilt == ["images/server/Dockerfile"], "only what carries the version"
    assert proved.proved[proofs:] == ["//checks:server"], "exactly as it ships"
    assert {"kernel_files-2.5.0.tar.gz", "kernelspecs-2.5.0.tar.gz"} <= set(proved.dist())
    assert "not published, since no registry is set" in told.out
    assert "unsigned: no key is configured" in told.out
    images = proved.listed()
    assert {name: image["image_id"] for name, image in images.items()} == tags
    assert {image["digest"] for image in images.values()} == {""}
    assert {name for name, image in images.items() if image["stamped"]} == {"server"}


def test_the_names_in_a_file_of_a_release_hold_its_version(proved: Releasable, verb: Verbs) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    assert members(proved.dist()["kernel_files-2.5.0.tar.gz"]) == ["run-2.5.0.py"]


def test_the_kernelspecs_of_a_release_name_its_images(product: Releasable, verb: Verbs) -> None:
    product.build_and_prove(verb, "ORGANIZATION=acme")
    told = verb("release", "VERSION=2.5.0", "ORGANIZATION=acme")
    assert told.code == 0, told.err
    data = gzip.decompress(product.dist()["kernelspecs-2.5.0.tar.gz"])
    assert b'"image_name": "acme/py:2.5.0"' in data
    assert product.shop.engine.resolve("acme/py:2.5.0")


def test_a_release_leaves_the_channel_of_development_alone(proved: Releasable, verb: Verbs) -> None:
    """The server of a release has kernelspecs of the release; `dev` is not that image."""
    before = proved.tags("dev")
    assert verb("release", "VERSION=2.5.0").code == 0
    assert proved.tags("dev") == before
    assert proved.tags()["server"] != before["server"]
    told = verb("build")
    rebuilt = [step for step in IMAGES if f"images/{step}" in told.out]
    assert rebuilt == [], told.out
    assert proved.tags("dev") == before


def test_a_second_release_of_the_same_changes_nothing(proved: Releasable, verb: Verbs) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    tags, refs, files = proved.tags(), proved.refs(), proved.files()
    builds, proofs = len(proved.shop.builder.requests), len(proved.proved)
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err
    assert "0 tags set in the engine" in told.out
    assert (proved.tags(), proved.refs(), proved.files()) == (tags, refs, files)
    assert (len(proved.shop.builder.requests), len(proved.proved)) == (builds, proofs)


@pytest.mark.parametrize(
    "words",
    [
        ("release", "VERSION=2.5.0", "--dry-run"),
        ("release", "--dry-run", "VERSION=2.5.0"),
        ("plan", "release", "VERSION=2.5.0"),
    ],
)
def test_a_dry_run_tells_the_tags_and_changes_nothing(
    proved: Releasable, verb: Verbs, words: tuple[str, ...]
) -> None:
    files, refs, images = proved.files(), proved.refs(), proved.shop.engine.images()
    builds, proofs = len(proved.shop.builder.requests), len(proved.proved)
    told = verb(*words)
    assert told.code == 0, told.out + told.err
    assert "elyra/py:2.5.0 (in the engine only: not published)" in told.out
    assert "elyra/py:latest" in told.out
    assert "PROBLEM" not in told.out
    assert (proved.files(), proved.refs()) == (files, refs)
    assert (len(proved.shop.builder.requests), len(proved.proved)) == (builds, proofs)
    assert proved.shop.engine.images() == images
    assert [tag for tag in proved.shop.engine.tags("elyra/*") if tag.endswith("2.5.0")] == []


def test_a_dry_run_tells_all_that_would_stop_it(product: Releasable, verb: Verbs) -> None:
    assert verb("build").code == 0
    product.shop.file("pack/new.py")
    told = verb("release", "VERSION=2.5.0", "--dry-run", "--json")
    assert told.code == 1
    steps = {step["step"]: step for step in json.loads(told.out)["steps"]}
    assert list(steps) == list(NAMES)
    problems = "\n".join(steps["check"]["problems"])
    assert "pack/new.py" in problems
    assert "//checks:py did not prove the image that would ship" in problems


def test_pre_releases_leave_latest_and_further_tags(product: Releasable, verb: Verbs) -> None:
    product.shop.replace("images/py/BUILD.py", 'name="py",', 'name="py", tags=["3.5.6"],')
    product.shop.commit_all()
    product.build_and_prove(verb)
    before = product.tags("3.5.6")["py"]
    assert verb("release", "VERSION=2.5.0rc1").code == 0
    assert None not in product.tags("2.5.0rc1").values()
    assert set(product.tags("latest").values()) == {None}
    assert product.tags("3.5.6")["py"] == before
    assert product.listed("2.5.0rc1")["py"]["tags"] == ["2.5.0rc1"]
    assert (product.shop.root / "VERSION").read_text() == "2.5.0rc2.dev0\n"

    product.shop.file("images/base/data", "two\n")
    product.shop.commit_all()
    product.build_and_prove(verb)
    assert verb("release", "VERSION=2.5.0").code == 0
    tags = product.tags()
    assert product.tags("latest") == tags
    assert product.tags("3.5.6")["py"] == tags["py"]
    assert tags["py"] != product.tags("2.5.0rc1")["py"]
    assert product.listed()["py"]["tags"] == ["2.5.0", "latest", "3.5.6"]


# -- what does not ship ----------------------------------------------------------------------------


def test_a_release_that_would_move_a_tag_is_refused_and_nothing_is_touched(
    proved: Releasable, verb: Verbs
) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    tags = proved.shop.engine.tags("elyra/*:2.5.0")
    proved.shop.file("images/base/data", "two\n")
    proved.shop.commit_all()
    proved.build_and_prove(verb)
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert "git has a tag v2.5.0 already" in told.err
    assert told.fixes == ["release under the next version"]
    proved.shop.git("tag", "-d", "v2.5.0")  # somebody whose git knows nothing of the release
    proved.shop.file("CHANGELOG.md", CHANGELOG)
    proved.shop.commit_all()
    proved.build_and_prove(verb)
    refs = proved.refs()
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert "a release tag is never moved" in told.err
    assert told.fixes == ["release under the next version"]
    assert proved.shop.engine.tags("elyra/*:2.5.0") == tags
    assert proved.refs() == refs
    assert verb("release", "VERSION=2.5.1").code == 0


def test_a_foreign_image_under_a_release_tag_is_left_alone(proved: Releasable, verb: Verbs) -> None:
    foreign = proved.shop.engine.add("elyra/py:2.5.0")
    planned = verb("plan", "release", "VERSION=2.5.0")
    assert planned.code == 1
    assert "PROBLEM: elyra/py:2.5.0 is there and is another image" in planned.out
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    check_golden("release/tag-in-the-engine-is-taken", told.err.rstrip())
    assert proved.tags() == {"base": None, "py": foreign, "server": None}
    assert set(proved.tags("latest").values()) == {None}


def test_a_release_of_something_broken_tags_nothing(proved: Releasable, verb: Verbs) -> None:
    refs = proved.refs()
    proved.shop.builder.fail_next("exit code: 1")
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert "what carries the version could not be built" in told.err
    assert proved.shop.engine.tags("elyra/*:2.5.0") == {}
    assert proved.refs() == refs
    assert verb("release", "VERSION=2.5.0").code == 0


def test_what_is_not_built_is_not_built_by_a_release(product: Releasable, verb: Verbs) -> None:
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    check_golden("release/not-built", told.err.rstrip())
    assert product.shop.builder.requests == []


def test_what_is_not_proved_does_not_ship(product: Releasable, verb: Verbs) -> None:
    assert verb("build").code == 0
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    check_golden("release/not-proved", told.err.rstrip())
    assert product.shop.engine.tags("elyra/*:2.5.0") == {}
    assert verb("verify").code == 0
    assert verb("release", "VERSION=2.5.0").code == 0


def test_a_proof_of_another_image_proves_nothing(product: Releasable, verb: Verbs) -> None:
    """Such as one of an image that was lost since, and built again with another ID."""
    product.lies_about = "sha256:" + "0" * 64
    product.build_and_prove(verb)
    product.lies_about = ""
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    check_golden("release/proved-another-build", told.err.rstrip())
    assert verb(*told.fixes[0].split()[1:]).code == 0
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err


def test_what_was_stamped_is_proved_as_it_ships(proved: Releasable, verb: Verbs) -> None:
    """The proof as it was developed is of another image; the one at release is of this one."""
    proved.lies_about = "sha256:" + "0" * 64
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert "//checks:server did not prove the image that would ship" in told.err
    assert proved.shop.engine.tags("elyra/*:2.5.0") == {}
    assert told.fixes == ["./doitw release verify VERSION=2.5.0"]
    proved.lies_about = ""
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err


@pytest.mark.parametrize("edit", ["images/base/data", "pack/new.py"])
def test_what_is_not_in_the_commit_does_not_ship(
    proved: Releasable, verb: Verbs, edit: str
) -> None:
    proved.shop.file(edit, "edited\n")
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 3
    assert edit in told.err
    assert told.fixes[0].startswith("git stash")
    assert proved.shop.engine.tags("elyra/*:2.5.0") == {}


# -- versions --------------------------------------------------------------------------------------


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
    product: Releasable, verb: Verbs, version: str, right: str
) -> None:
    told = verb("release", f"VERSION={version}")
    assert told.code == 3
    assert told.fixes == [f"./doitw release VERSION={right}"]
    assert version in told.err
    assert product.shop.builder.requests == []


@pytest.mark.parametrize("words", [(), ("VERSION=2",), ("uplaod", "VERSION=2.5.0")])
def test_who_asks_what_a_release_would_do_is_not_told_to_release(
    product: Releasable, verb: Verbs, words: tuple[str, ...]
) -> None:
    told = verb("plan", "release", *words)
    assert told.code == 3
    assert [fix.startswith("./doitw plan release") for fix in told.fixes] == [True]


def test_no_version_at_all_is_refused(product: Releasable, verb: Verbs) -> None:
    told = verb("release")
    assert told.code == 3
    assert told.fixes == ["./doitw release VERSION=2.5.0"]


@pytest.mark.parametrize(
    ("version", "following"),
    [
        ("2.5.0", "2.5.1.dev0"),
        ("2.5.0rc1", "2.5.0rc2.dev0"),
        ("2.5.0-rc.1", "2.5.0rc2.dev0"),
        ("10.0.0", "10.0.1.dev0"),
    ],
)
def test_versions_of_both_schools_will_do(
    proved: Releasable, verb: Verbs, version: str, following: str
) -> None:
    told = verb("release", f"VERSION={version}")
    assert told.code == 0, told.err
    assert None not in proved.tags(version).values()
    assert (proved.shop.root / "VERSION").read_text() == f"{following}\n"
    assert proved.shop.git("show", f"v{version}:VERSION") == version
    assert f"## [{version}]" in proved.shop.git("show", f"v{version}:CHANGELOG.md")
    assert proved.shop.git("status", "--porcelain") == ""


def test_one_may_say_how_to_go_on(proved: Releasable, verb: Verbs) -> None:
    told = verb("release", "VERSION=2.5.0", "NEXT=3.0.0.dev0")
    assert told.code == 0, told.err
    assert (proved.shop.root / "VERSION").read_text() == "3.0.0.dev0\n"


def test_a_version_that_is_not_greater_is_refused(proved: Releasable, verb: Verbs) -> None:
    proved.shop.git("tag", "v2.6.0")
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 3
    assert "2.5.0 is not greater than the newest release, 2.6.0" in told.err
    assert told.fixes == ["./doitw release VERSION=2.6.1"]


@pytest.mark.parametrize(
    ("word", "meant"), [("//images/py", ""), ("uplaod", "upload"), ("tags", "tag")]
)
def test_a_release_takes_steps_and_no_targets(
    product: Releasable, verb: Verbs, word: str, meant: str
) -> None:
    told = verb("release", word, "VERSION=2.5.0")
    assert told.code == 3
    assert f"a release has no step {word}" in told.err
    if meant == "upload":
        check_golden("release/no-such-step", told.err.rstrip())
    assert f"did you mean {meant}?" in told.err if meant else "did you mean" not in told.err
    assert all(step in told.fixes[0] for step in NAMES)


def test_a_plan_refuses_words_that_are_no_steps(product: Releasable, verb: Verbs) -> None:
    for words in (("plan", "release", "tga"), ("release", "tga", "--dry-run")):
        told = verb(*words, "VERSION=2.6.0")
        assert told.code == 3
        assert told.fixes[0].startswith("./doitw plan release tag VERSION=2.6.0")


# -- step by step ----------------------------------------------------------------------------------


def test_steps_alone_come_to_the_same(proved: Releasable, verb: Verbs) -> None:
    for step in NAMES:
        assert proved.refs().count("\n") == 0, "git is the last step's"
        told = verb("release", step, "VERSION=2.5.0")
        assert told.code == 0, f"{step}: {told.err}"
        assert told.out.startswith(step) or f"\n{step}" in told.out
    assert None not in proved.tags().values()
    assert "refs/tags/v2.5.0" in proved.refs()


@pytest.mark.parametrize(
    ("step", "fix"),
    [
        ("verify", "./doitw release stamp VERSION=2.5.0"),
        ("upload", ""),
        ("artifacts", "./doitw release stamp VERSION=2.5.0"),
        ("tag", "./doitw release stamp VERSION=2.5.0"),
        ("commit", "./doitw release stamp VERSION=2.5.0"),
    ],
)
def test_a_step_that_comes_too_early_says_so(
    proved: Releasable, verb: Verbs, step: str, fix: str
) -> None:
    told = verb("release", step, "VERSION=2.5.0")
    assert (told.code, told.fixes) == ((1, [fix]) if fix else (0, []))
    assert set(proved.tags().values()) == {None}
    assert "v2.5.0" not in proved.refs()


def test_a_release_that_was_stopped_in_its_commit_goes_on(
    proved: Releasable, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VERSION is written then, so that the workspace says that it is the release."""
    with monkeypatch.context() as stopped:

        def stop(*_: object) -> str:
            raise KeyboardInterrupt

        stopped.setattr("buildlib.shipping.releasing.git_repository.GitRepository.add_commit", stop)
        try:
            code = verb("release", "VERSION=2.5.0").code
        except KeyboardInterrupt:
            code = 130
        assert code != 0
    assert (proved.shop.root / "VERSION").read_text() == "2.5.0\n"
    tags, files = proved.tags(), proved.dist()
    assert None not in tags.values()
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err
    assert "0 tags set in the engine" in told.out
    assert (proved.tags(), proved.dist()) == (tags, files)
    assert proved.shop.git("show", "v2.5.0:VERSION") == "2.5.0"
    assert (proved.shop.root / "VERSION").read_text() == "2.5.1.dev0\n"


# -- files and signatures --------------------------------------------------------------------------


@pytest.fixture
def key(product: Releasable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key to sign with, and its passphrase."""
    monkeypatch.setenv("COSIGN_KEY", str(KEY))
    monkeypatch.setenv("COSIGN_PASSWORD", PASSPHRASE)


def test_the_files_of_a_release_are_the_same_again(proved: Releasable, verb: Verbs) -> None:
    for step in ("check", "stamp", "verify", "artifacts"):
        assert verb("release", step, "VERSION=2.5.0").code == 0
    first = proved.dist()
    sums = dict(reversed(line.split("  ")) for line in first["SHA256SUMS"].decode().splitlines())
    assert sums == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in first.items()
        if name != "SHA256SUMS"
    }
    assert {f"sbom/{name}.cdx.json" for name in IMAGES} <= set(first)
    assert b"- All of it." in first["RELEASE_NOTES.md"]
    for name in first:
        (proved.shop.root / "dist/2.5.0" / name).unlink()
    assert verb("release", "artifacts", "VERSION=2.5.0").code == 0
    assert proved.dist() == first


@pytest.mark.usefixtures("key")
def test_a_signed_release_is_found_to_be_so(
    proved: Releasable, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err
    assert "unsigned" not in told.out
    assert "signed with" in told.out
    first = proved.dist()
    signatures = {"SHA256SUMS.sig", "provenance.dsse.json", "test-results.dsse.jsonl"}
    assert signatures <= set(first)
    folder = str(proved.shop.root / "dist/2.5.0")
    assert set(check_folder(folder, PUBLIC)) == set(first) - {"SHA256SUMS.sig"}
    assert PASSPHRASE not in told.out + told.err
    statement = json.loads(first["test-results.intoto.jsonl"].splitlines()[0])
    assert statement["predicate"]["passedTests"] == ["//checks:py runs"]

    assert verb("release", "artifacts", "VERSION=2.5.0").code == 0
    check_folder(folder, PUBLIC)
    assert set(proved.dist()) == set(first)
    monkeypatch.delenv("COSIGN_KEY")
    told = verb("release", "artifacts", "VERSION=2.5.0")
    assert told.code == 0, told.err
    assert "unsigned" in told.out
    assert set(proved.dist()) == set(first) - signatures


@pytest.mark.usefixtures("key")
def test_who_receives_a_release_checks_its_files(
    proved: Releasable, verb: Verbs, tmp_path: Path
) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    folder = tmp_path / "received"
    shutil.copytree(proved.shop.root / "dist/2.5.0", folder)
    key = tmp_path / "cosign.pub"
    key.write_text(PUBLIC)
    proved.shop.engine.down = True
    told = verb("release", "check", str(folder))
    assert told.code == 0, told.err
    assert f"of {folder} are as SHA256SUMS says; its signature was not checked" in told.out
    told = verb("release", "check", "dist/2.5.0", "--key", str(key), "--json")
    assert told.code == 0, told.err
    answer = json.loads(told.out)
    assert answer["signature"] == "right"
    assert set(answer["files"]) == set(proved.dist()) - {"SHA256SUMS.sig"}

    (folder / "SHA256SUMS.sig").unlink()
    assert "it is not signed" in verb("release", "check", str(folder)).out
    told = verb("release", "check", str(folder), "--key", str(key))
    assert (told.code, "SHA256SUMS.sig cannot be read" in told.err) == (1, True)
    (folder / "images.json").write_text("{}")
    told = verb("release", "check", str(folder))
    assert (told.code, "images.json is not what SHA256SUMS says" in told.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "there is no folder nowhere"),
        ((".", "--key", "nowhere.pub"), "the key nowhere.pub cannot be read"),
        ((".", "--key", "VERSION"), "the public key"),
        (("--key", "cosign.pub", "VERSION=2.5.0"), "--key is for the files of a folder"),
    ],
)
def test_what_cannot_be_checked_is_told(
    product: Releasable, verb: Verbs, words: tuple[str, ...], said: str
) -> None:
    told = verb("release", "check", *words)
    assert told.code == 3
    assert said in told.err
    assert told.fixes


@pytest.mark.usefixtures("key")
def test_a_key_that_does_not_open_is_found_before_anything_is_built(
    proved: Releasable, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "not-the-passphrase")
    builds = len(proved.shop.builder.requests)
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 3
    assert str(KEY) in told.err
    assert "not-the-passphrase" not in told.out + told.err
    assert len(proved.shop.builder.requests) == builds
    assert proved.dist() == {}


# -- clean and forget ------------------------------------------------------------------------------


def test_clean_removes_what_was_built_and_nothing_else(product: Releasable, verb: Verbs) -> None:
    foreign = product.shop.engine.add("elyra/other:dev")
    assert verb("build").code == 0
    assert verb("clean", "--dry-run").code == 0
    assert product.shop.tag("//images/py")
    assert built(product)
    told = verb("clean")
    assert told.code == 0
    assert "remove tag elyra/py:dev" in told.out
    assert product.shop.engine.images() == [foreign]
    assert built(product) == []
    assert product.shop.action("//images/py") == "build"
    nothing = verb("clean")
    assert nothing.code == 0
    assert nothing.out.startswith("nothing to remove: no build has made these targets")


def test_clean_of_one_target_leaves_the_others(product: Releasable, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("clean", "//images/py").code == 0
    assert product.shop.tag("//images/py") is None
    assert product.shop.action("//images/base") == "fresh"
    assert product.shop.action("//pack:files") == "fresh"


def test_clean_leaves_a_name_that_was_given_to_another_image(
    product: Releasable, verb: Verbs
) -> None:
    assert verb("build").code == 0
    foreign = product.shop.engine.add("mine:1")
    product.shop.engine.tag(foreign, "elyra/py:dev")
    assert verb("clean", "//images/py").code == 0
    assert product.shop.tag("//images/py") == foreign


def test_clean_leaves_a_release_alone(proved: Releasable, verb: Verbs) -> None:
    assert verb("release", "VERSION=2.5.0").code == 0
    assert verb("clean").code == 0
    assert None not in proved.tags().values()
    assert "kernel_files-2.5.0.tar.gz" in proved.dist()


def test_clean_without_an_engine_says_so_and_removes_nothing(
    product: Releasable, verb: Verbs
) -> None:
    assert verb("build").code == 0
    product.shop.engine.down = True
    told = verb("clean")
    assert told.code == 1
    assert told.fixes == ["sudo systemctl start docker"]
    assert built(product)
    product.shop.engine.down = False
    assert product.shop.plan("build").steps == ()


@pytest.fixture
def with_one_left_out(product: Releasable) -> Releasable:
    """Beside the product an image of another flavour, which the lock has no base for."""
    product.shop.build(
        "images/stacks",
        """
        external_image(name="stacks-base", image="quay.io/x:1", flavours=["docker-stacks"])
        """,
    )
    product.shop.image(
        "images/gpu",
        'parent={"docker-stacks": "//images/stacks:stacks-base"}, flavours=["docker-stacks"]',
        "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n",
    )
    return product


def test_clean_and_forget_pass_over_what_is_left_out(
    with_one_left_out: Releasable, verb: Verbs
) -> None:
    shop = with_one_left_out.shop
    assert verb("build").code == 0
    told = verb("forget")
    assert told.code == 0, told.err
    assert f"forgot {len(shop.open().graph.targets) - 2} targets;" in told.out
    assert shop.action("//images/py") == "build"
    assert verb("build").code == 0
    told = verb("clean", "//...")
    assert told.code == 0, told.err
    assert "remove tag elyra/py:dev" in told.out
    assert shop.tag("//images/py") is None
    assert built(with_one_left_out) == []


@pytest.mark.parametrize("verb_name", ["clean", "forget", "why"])
def test_what_is_left_out_has_nothing_to_remove_and_says_why(
    with_one_left_out: Releasable, verb: Verbs, verb_name: str
) -> None:
    assert verb("build").code == 0
    told = verb(verb_name, "//images/py", "//images/gpu")
    assert told.code == 3
    assert "//images/gpu is left out: it exists in the flavour docker-stacks only" in told.err
    assert with_one_left_out.shop.plan("build").steps == ()
    assert verb("list", "//images/gpu").code == 0


@pytest.mark.parametrize("verb_name", ["clean", "forget"])
def test_a_target_without_a_key_is_found_before_anything_is_removed(
    product: Releasable, verb: Verbs, verb_name: str
) -> None:
    assert verb("build").code == 0
    files = built(product)
    product.shop.build("images/other", 'external_image(name="other", image="quay.io/x:1")')
    told = verb(verb_name)
    assert told.code == 3
    assert "images.lock has no image entry for //images/other" in told.err
    assert built(product) == files
    assert product.shop.plan("//images/py", "//pack:files").steps == ()


def test_forget_lets_targets_be_built_again_and_leaves_what_is_there(
    product: Releasable, verb: Verbs
) -> None:
    assert verb("build").code == 0
    image = product.shop.tag("//images/base")
    told = verb("forget", "//images/base")
    assert "forgot 1 targets" in told.out or "forgot 1 target;" in told.out
    assert product.shop.tag("//images/base") == image
    assert product.shop.action("//images/base") == "build"
    assert product.shop.action("//pack:files") == "fresh"


@pytest.mark.parametrize("verb_name", ["clean", "forget", "fetch"])
def test_unknown_targets_are_refused_with_the_nearest(
    product: Releasable, verb: Verbs, verb_name: str
) -> None:
    told = verb(verb_name, "//images/bas")
    assert told.code == 3
    assert "did you mean //images/base?" in told.err
    assert told.fixes == [f"./doitw {verb_name} //images/base"]


def test_answers_for_programs_hold_the_exit_code(product: Releasable, verb: Verbs) -> None:
    told = verb("build", "--json")
    answer = json.loads(told.out)
    assert answer["exit_code"] == 0
    assert {step["action"] for step in answer["steps"]} == {"build"}
