"""`push` and `pull`: what moves, what is tagged, and what is told."""

from __future__ import annotations

import json

import pytest
from workshop import Verbs, Workshop

from buildlib.core.store import names
from buildlib.outside.registry.protocol import OCI_EMPTY, OCI_MANIFEST, Manifest
from tests.support.golden import check_golden

A, B = "//images/a", "//images/b"
HOST = "registry.test"


@pytest.fixture
def two(shop: Workshop) -> Workshop:
    """Two images, one on the other, with a small archive, and a registry in the settings."""
    shop.setting("registry", HOST)
    shop.file("pack/run.py", "1\n")
    shop.build("pack", 'tarball(name="files", parts={"all": {"run.py": "run.py"}})')
    shop.image(
        "images/a", 'srcs=["//pack:files"], tags=["3.5.6"]', "FROM scratch\nADD files.tar /\n"
    )
    shop.image("images/b", f'parent="{A}"', "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n")
    return shop


def pushes(shop: Workshop) -> list[str]:
    return [reference for what, reference in shop.transport.moved if what == "push"]


def test_what_is_built_is_pushed_and_tagged(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    told = verb("push")
    assert told.code == 0, told.err
    assert sorted(pushes(two)) == sorted([two.content_tag(A), two.content_tag(B)])
    assert set(two.registry.tags("elyra/a")) == {
        names.key_tag(two.key(A)), names.record_tag(two.key(A)), "dev", "3.5.6",
    }  # fmt: skip
    digest = two.registry.head("elyra/a", names.key_tag(two.key(A)))
    assert two.registry.head("elyra/a", "dev") == two.registry.head("elyra/a", "3.5.6") == digest
    assert f"pushed  a  0.0 MB  {digest}  tagged dev, 3.5.6" in told.out.replace("0.1", "0.0")
    assert two.registry.tags("elyra/store") == [], "what is made in no time is not shared"
    # And again: nothing moves.
    calls = len(two.registry.calls)
    told = verb("push")
    assert told.out.endswith("0 pushed, 2 were in registry.test already\n")
    assert len(pushes(two)) == 2
    assert not [call for call in two.registry.calls[calls:] if call.startswith("put")]


def test_all_content_is_there_before_the_first_tag(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    two.transport.fail_next("denied")
    told = verb("push")
    assert told.code == 1
    assert "denied" in told.err
    for name in ("elyra/a", "elyra/b"):
        assert "dev" not in two.registry.tags(name)
    assert verb("push").code == 0
    assert "dev" in two.registry.tags("elyra/b")


def test_what_is_named_is_pushed_small_files_too(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("push", "//pack:files").code == 0
    assert two.registry.tags("elyra/store") == [names.record_tag(two.key("//pack:files"))]
    assert pushes(two) == []


def test_what_is_not_built_cannot_be_pushed(two: Workshop, verb: Verbs) -> None:
    assert verb("build", "a").code == 0
    told = verb("push", "a", "b")
    assert told.code == 1
    assert pushes(two) == []
    check_golden("sharing/push-what-is-not-built", told.err.rstrip())
    assert told.fixes == ["./doitw build b"]


def test_all_that_is_damaged_is_told_at_once_and_mended_by_one_command(
    two: Workshop, verb: Verbs
) -> None:
    two.build("pack2", 'zip_file(name="z", members={"x": "x"})').file("pack2/x", "x")
    wanted = ["//pack:files", "//pack2:z"]
    assert verb("build").code == 0
    for label, name in zip(wanted, ("files.tar", "z.zip"), strict=True):
        path = two.made(label, name)
        path.chmod(0o644)
        path.write_bytes(b"X" * path.stat().st_size)
    told = verb("push", *wanted)
    assert told.code == 1
    assert told.err.count("was damaged in the content store") == 2
    assert told.fixes == ["./doitw build pack:files pack2:z"]
    assert verb("build", "pack:files", "pack2:z").code == 0
    assert verb("push", *wanted).code == 0


def test_what_the_registry_has_need_not_be_here(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("push").code == 0
    two.new_machine()
    assert verb("push").code == 0
    assert two.transport.moved == []


def test_remote_tags_in_the_registry_and_needs_no_engine(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("push", "a").code == 0
    first = two.registry.head("elyra/a", "dev")
    two.file("pack/run.py", "2\n")
    assert verb("build", "a").code == 0
    assert verb("push", "a").code == 0
    assert two.registry.head("elyra/a", "dev") != first
    two.file("pack/run.py", "1\n")
    two.new_machine()
    two.engine.down = True
    told = verb("push", "a", "--remote", "--json")
    assert told.code == 0, told.err
    assert two.registry.head("elyra/a", "dev") == first
    assert two.transport.moved == two.engine.asked == []
    [row] = json.loads(told.out)["targets"]
    assert row["digest"] == first
    assert (row["pushed"], row["tags"], row["moved"]) == (False, ["dev", "3.5.6"], ["dev", "3.5.6"])


def test_remote_refuses_what_the_registry_lacks(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("push", "a").code == 0
    two.file("images/b/Dockerfile", "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nUSER 1\n")
    told = verb("push", "--remote")
    assert told.code == 1
    check_golden("sharing/push-remote-what-is-not-there", told.err.rstrip())


@pytest.mark.parametrize("name", ["push", "pull"])
def test_without_a_registry_there_is_nothing_to_do(name: str, shop: Workshop, verb: Verbs) -> None:
    shop.image("images/a")
    told = verb(name)
    assert told.code == 3
    check_golden(f"sharing/{name}-without-a-registry", told.err.rstrip())
    assert verb(name, "--offline").code == 3


@pytest.mark.parametrize("name", ["push", "pull"])
def test_a_registry_that_is_away_is_an_error_here(name: str, two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    two.registry.down = True
    told = verb(name)
    assert told.code == 1
    assert "registry.test cannot be reached" in told.err


def test_what_is_there_is_pulled_and_named(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("push").code == 0
    images = {label: two.tag(label) for label in (A, B)}
    two.new_machine()
    told = verb("pull")
    assert told.code == 0, told.err
    assert told.out.endswith("2 pulled, 0 are up to date here\n"), told.out
    for label, image in images.items():
        assert two.tag(label) == image
        assert two.action(label) == "fresh"
    assert two.builder.requests == []
    assert all("@sha256:" in reference for _, reference in two.transport.moved), "by digest"
    assert verb("pull").out.startswith("0 pulled, 2 are up to date here")
    told = verb("pull", "--json")
    assert json.loads(told.out)["pulled"] == []
    assert len(two.transport.moved) == 2


def test_what_is_not_there_is_told_after_the_rest_came(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("push", "a").code == 0
    two.new_machine()
    told = verb("pull", "a", "b")
    assert told.code == 1
    assert two.tag(A)
    assert told.fixes == ["./doitw build b"]
    check_golden("sharing/pull-what-is-not-there", told.err[told.err.index("error") :].rstrip())
    assert two.builder.requests == []


def test_a_poisoned_entry_is_not_pulled(two: Workshop, verb: Verbs) -> None:
    assert verb("build", "a").code == 0
    assert verb("push", "a").code == 0
    two.registry.put_manifest("elyra/a", names.key_tag(two.key(A)), evil(two))
    two.new_machine()
    told = verb("pull", "a")
    assert told.code == 1
    assert "warning: //images/a in registry.test is not used" in told.err
    assert two.transport.moved == []


def evil(shop: Workshop) -> Manifest:
    digest = shop.registry.add_image("elyra/a", "evil", "sha256:" + "e" * 64)
    found = shop.registry.manifest("elyra/a", digest)
    assert found is not None
    return found


def release(shop: Workshop, version: str, images: object) -> None:
    """Put a release's index there, with a list of images."""
    data = json.dumps(images).encode() if not isinstance(images, bytes) else images
    layer = shop.registry.put_blob("elyra/releases", data)
    empty = shop.registry.put_blob("elyra/releases", b"{}")
    plain = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_EMPTY, "digest": empty, "size": 2},
        "layers": [{"mediaType": "application/json", "digest": layer, "size": len(data)}],
    }
    index = Manifest(OCI_MANIFEST, json.dumps(plain).encode())
    shop.registry.put_manifest("elyra/releases", version, index)


def test_a_release_is_pulled_by_its_digests(two: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    assert verb("push").code == 0
    images = {name: two.tag(f"//images/{name}") for name in "ab"}
    rows = [
        {
            "repository": f"first.test:5000/elyra/{name}",
            "tags": ["2.5.0", "latest"],
            "digest": two.registry.head(f"elyra/{name}", "dev"),
            "image_id": image,
        }
        for name, image in images.items()
    ]
    release(two, "2.5.0", {"images": rows})
    for name in images:
        of_dev = two.registry.manifest(f"elyra/{name}", "dev")
        assert of_dev is not None
        two.registry.put_manifest(f"elyra/{name}", "latest", of_dev)
    two.new_machine()
    told = verb("pull", "VERSION=2.5.0")
    assert told.code == 0, told.err
    for name, image in images.items():
        for tag in ("2.5.0", "latest"):
            assert two.engine.resolve(f"{HOST}/elyra/{name}:{tag}") == image
        assert two.tag(f"//images/{name}") is None, "dev is another thing"
    assert told.out.endswith("2.5.0: 2 pulled, 0 were here\n")
    told = verb("pull", "VERSION=2.5.0", "--json")
    assert [row["pulled"] for row in json.loads(told.out)["images"]] == [False, False]


def test_an_older_release_takes_no_tag_back_and_moves_none(two: Workshop, verb: Verbs) -> None:
    assert verb("build", "a").code == 0
    assert verb("push", "a").code == 0
    row = {
        "repository": "elyra/a",
        "tags": ["2.5.0", "latest"],
        "digest": two.registry.head("elyra/a", "dev"),
        "image_id": two.tag("//images/a"),
    }
    release(two, "2.5.0", {"images": [row]})
    two.registry.put_manifest("elyra/a", "latest", Manifest(OCI_MANIFEST, b"{}"))  # a later one
    assert verb("pull", "VERSION=2.5.0").code == 0
    assert two.engine.resolve(f"{HOST}/elyra/a:2.5.0") == row["image_id"]
    assert two.engine.resolve(f"{HOST}/elyra/a:latest") is None
    foreign = two.engine.add(f"{HOST}/elyra/a:2.5.0")
    told = verb("pull", "VERSION=2.5.0")
    assert told.code == 1
    assert "a release tag is never moved" in told.err
    assert two.engine.resolve(f"{HOST}/elyra/a:2.5.0") == foreign


def test_a_release_whose_image_is_another_is_refused(two: Workshop, verb: Verbs) -> None:
    assert verb("build", "a").code == 0
    assert verb("push", "a").code == 0
    row = {
        "repository": "elyra/a",
        "tags": ["2.5.0"],
        "digest": two.registry.head("elyra/a", "dev"),
        "image_id": "sha256:" + "1" * 64,
    }
    release(two, "2.5.0", {"images": [row]})
    two.new_machine()
    told = verb("pull", "VERSION=2.5.0")
    assert told.code == 1
    assert "is not the image sha256:111" in told.err
    assert two.engine.resolve(f"{HOST}/elyra/a:2.5.0") is None


@pytest.mark.parametrize(
    "images",
    [b"{", {"images": []}, {"images": [{"repository": "elyra/a"}]}, [], {"images": [{
        "repository": "elyra/a b", "tags": ["x"], "digest": "sha256:0", "image_id": ""}]}],
)  # fmt: skip
def test_a_damaged_index_is_told(images: object, two: Workshop, verb: Verbs) -> None:
    release(two, "2.5.0", images)
    told = verb("pull", "VERSION=2.5.0")
    assert told.code == 1
    assert "the index of 2.5.0 in registry.test cannot be used" in told.err


def test_a_release_that_is_not_there_is_told_with_those_that_are(
    two: Workshop, verb: Verbs
) -> None:
    told = verb("pull", "VERSION=2.5.0")
    assert told.code == 1
    check_golden("sharing/pull-no-release", told.err.rstrip())
    release(two, "2.4.0", {"images": []})
    told = verb("pull", "VERSION=2.5.0")
    assert told.fixes == ["./doitw pull VERSION=2.4.0  # there are: 2.4.0"]
    told = verb("pull", "VERSION=v2.5.0")
    assert told.code == 3
    assert told.fixes == ["./doitw pull VERSION=2.5.0"]
    assert verb("pull", "a", "VERSION=2.5.0").code == 3
