"""Steps of a release run alone, after what should not have come between."""

from __future__ import annotations

import json

import pytest
from releasable import ALL, IMAGES, Releasable
from workshop import Verbs, Workshop

from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.output import FileOutput, Output

TEAM = "registry.test/team"
ARTIFACTS = "./doitw release artifacts VERSION=2.5.0"


@pytest.fixture
def proved(shop: Workshop, monkeypatch: pytest.MonkeyPatch, verb: Verbs) -> Releasable:
    """A product with a registry, built and proved."""
    product = Releasable(shop, monkeypatch)
    product.publishable()
    product.build_and_prove(verb)
    return product


def run(verb: Verbs, *steps: str) -> None:
    told = verb("release", *steps, "VERSION=2.5.0")
    assert told.code == 0, told.err


DAMAGES = {
    "another image": ("images.json", b"sha256:", b"sha256:0", "does not list the images"),
    "an edited file": ("RELEASE_NOTES.md", b"All of it", b"None of it", "not those of SHA256SUMS"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_stale_files_are_not_published(proved: Releasable, verb: Verbs, damage: str) -> None:
    name, old, new, said = DAMAGES[damage]
    run(verb, "stamp", "verify", "upload", "artifacts")
    path = proved.shop.root / "dist/2.5.0" / name
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    told = verb("release", "tag", "VERSION=2.5.0")
    assert (told.code, told.fixes) == (1, [ARTIFACTS])
    assert said in told.err
    assert set(proved.visible().values()) == {None}
    assert set(proved.tags().values()) == {None}
    run(verb, "artifacts", "tag")
    assert None not in proved.visible().values()


@pytest.mark.parametrize("gone", ["SHA256SUMS", "images.json", "sbom/py.cdx.json"])
def test_half_a_writing_is_not_published(proved: Releasable, verb: Verbs, gone: str) -> None:
    run(verb, "stamp", "verify", "upload", "artifacts")
    (proved.shop.root / "dist/2.5.0" / gone).unlink()
    told = verb("release", "tag", "VERSION=2.5.0")
    assert (told.code, told.fixes) == (1, [ARTIFACTS])
    assert set(proved.visible().values()) == {None}


def test_a_tag_that_is_taken_in_the_engine_stops_all_of_it(proved: Releasable, verb: Verbs) -> None:
    """Else it would be published, and no later run could end."""
    proved.shop.engine.add("registry.test/elyra/py:2.5.0")
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert "a release tag is never moved" in told.err
    assert set(proved.visible().values()) == {None}


@pytest.mark.parametrize("where", ["registry.test", ""])
def test_git_is_told_of_no_release_that_is_not_there(
    proved: Releasable, verb: Verbs, where: str
) -> None:
    if not where:
        proved.build_and_prove(verb, "REGISTRY=")
    words = ("VERSION=2.5.0", f"REGISTRY={where}")
    refs = proved.refs()
    told = verb("release", "stamp", "verify", "upload", "commit", *words)
    assert told.code == 1
    assert "git is told last" in told.err
    assert proved.refs() == refs
    told = verb("release", "artifacts", "tag", "commit", *words)
    assert told.code == 0, told.err
    assert "refs/tags/v2.5.0" in proved.refs()


def test_a_commit_alone_takes_no_older_version(proved: Releasable, verb: Verbs) -> None:
    run(verb)
    told = verb("release", "commit", "VERSION=2.4.0")
    assert told.code == 3
    assert "not greater than the newest release, 2.5.0" in told.err


def test_sources_that_git_does_not_have_do_not_ship_by_a_step_alone(
    proved: Releasable, verb: Verbs
) -> None:
    """`check` is a step like others: whoever leaves it out publishes no other content."""
    proved.shop.git("update-index", "--assume-unchanged", "pack/run.py")
    proved.shop.file("pack/run.py", "2\n")
    proved.build_and_prove(verb)
    run(verb, "stamp", "verify", "upload")
    told = verb("release", "artifacts", "VERSION=2.5.0")
    assert told.code == 3
    assert "a source is not in git or was hidden from it" in told.err


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"verdict": "works", "image_id": null}'])
def test_a_report_that_says_nothing_proves_nothing(
    proved: Releasable, verb: Verbs, data: bytes
) -> None:
    workspace = proved.shop.open()
    made = FileOutput(workspace.store.add_bytes(data), len(data))
    record = workspace.keys.record(Reference(parse_label("//checks:py")))
    workspace.records.put(record, Output(files={"report.json": made}), 1.0, label="x")
    told = verb("release", "check", "VERSION=2.5.0")
    assert told.code == 1
    assert "//checks:py did not prove the image that would ship" in told.err


def test_a_registry_with_a_path(proved: Releasable, verb: Verbs) -> None:
    """`127.0.0.1:5000/team`: the path is a part of all repositories, and of no host."""
    proved.shop.setting("registry", TEAM)
    proved.shop.commit_all()
    proved.build_and_prove(verb)
    run(verb)
    registry = proved.shop.registry
    assert None not in {registry.head(f"team/elyra/{name}", "2.5.0") for name in ALL}
    assert set(proved.visible().values()) == {None}
    listed = proved.listed()
    assert {name: image["repository"] for name, image in listed.items()} == {
        name: f"{TEAM}/elyra/{name}" for name in IMAGES
    }
    assert registry.head("team/elyra/py", "latest") == listed["py"]["digest"]
    assert verb("pull", "VERSION=2.5.0").code == 0


def test_a_program_is_told_what_each_step_did(proved: Releasable, verb: Verbs) -> None:
    told = verb("release", "check", "stamp", "VERSION=2.5.0", "--json")
    assert told.code == 0, told.err
    plain = json.loads(told.out)
    assert plain["version"] == "2.5.0"
    assert [step["step"] for step in plain["steps"]] == ["check", "stamp"]
    assert "carry 2.5.0" in plain["steps"][1]["did"]
