"""Engines with graph drivers and with the containerd store work on one family side by side.

The former call an image by the digest of its configuration, the latter by that of its manifest;
registries have both (docs/engines.md, "Two names of an image").
"""

from __future__ import annotations

import json

import pytest
from releasable import IMAGES, Releasable
from workshop import Verbs, Workshop

from buildlib.core.model.label import Reference, parse_label
from buildlib.engine.protocol import Built
from tests.fakes.engine import manifest_of, sha256

A, B = "//images/a", "//images/b"
HOST = "registry.test"
RELEASE = ("release", "VERSION=2.5.0")
STORES = {"graph drivers": False, "containerd": True}
both = [
    pytest.param(here, there, id=f"{first} to {second}")
    for first, here in STORES.items()
    for second, there in STORES.items()
]


@pytest.fixture
def two(shop: Workshop) -> Workshop:
    """Two images, one on the other, and a registry in the settings."""
    shop.setting("registry", HOST)
    shop.file("images/a/data", "1\n")
    shop.image("images/a", 'srcs=["data"]', "FROM scratch\nCOPY data /\n")
    shop.image("images/b", f'parent="{A}"', "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n")
    return shop


@pytest.mark.parametrize(("here", "there"), both)
def test_what_one_pushes_the_other_pulls(
    two: Workshop, verb: Verbs, here: bool, there: bool
) -> None:
    two.new_engine(containerd=here)
    assert verb("build").code == 0
    configs = {label: two.engine.configs[str(two.tag(label))] for label in (A, B)}
    told = verb("push", "--json")
    assert told.code == 0, told.err
    assert {row["label"]: row["image_id"] for row in json.loads(told.out)["targets"]} == {
        label: sha256(config) for label, config in configs.items()
    }
    two.new_machine(containerd=there)
    told = verb("pull")
    assert told.out.endswith("2 pulled, 0 are up to date here\n"), told.out + told.err
    for label, config in configs.items():
        assert two.tag(label) == sha256(manifest_of(config).data if there else config)
        assert two.action(label) == "fresh"
    assert two.builder.requests == []
    assert verb("push").out.endswith("0 pushed, 2 were in registry.test already\n")
    assert "warning" not in verb("pull").err


@pytest.mark.parametrize(("here", "there"), both)
def test_what_one_proved_the_other_releases(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, verb: Verbs, here: bool, there: bool
) -> None:
    product = Releasable(shop, monkeypatch)
    product.publishable()
    shop.new_engine(containerd=here)
    product.build_and_prove(verb)
    for step in ("stamp", "verify", "upload"):
        told = verb("release", step, "VERSION=2.5.0")
        assert told.code == 0, told.err
    proved = list(product.proved)
    product.another_machine(containerd=there)
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert product.proved == proved, "nothing was proved again"
    for name, image in product.listed().items():
        manifest = shop.registry.manifest(f"elyra/{name}", "2.5.0")
        assert manifest is not None
        assert image["digest"] == manifest.digest
        assert image["image_id"] == manifest.config.digest
    results = (shop.root / "dist/2.5.0/test-results.intoto.jsonl").read_text()
    assert product.listed()["py"]["image_id"] in results
    # And a third machine pulls it, whatever its store.
    for containerd in STORES.values():
        shop.new_machine(containerd=containerd)
        assert verb("pull", "VERSION=2.5.0").out.endswith("2.5.0: 3 pulled, 0 were here\n")
        told = verb("pull", "VERSION=2.5.0")
        assert told.out.endswith("2.5.0: 0 pulled, 3 were here\n"), told.err


def test_a_local_release_on_the_containerd_store_tags_what_it_lists(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, verb: Verbs
) -> None:
    product = Releasable(shop, monkeypatch)
    shop.commit_all()
    shop.new_engine(containerd=True)
    product.build_and_prove(verb)
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    listed = product.listed()
    assert product.tags() == {name: listed[name]["digest"] for name in IMAGES}
    configs = shop.engine.configs
    assert {name: image["image_id"] for name, image in listed.items()} == {
        name: sha256(configs[image["digest"]]) for name, image in listed.items()
    }
    plain = json.loads((shop.root / "dist/2.5.0/images.json").read_bytes())
    assert plain["published"] is False


def forget_identities(shop: Workshop) -> None:
    """Make the records such as earlier versions wrote them."""
    for path in shop.store.rglob("*.json"):
        plain = json.loads(path.read_bytes())
        if isinstance(plain, dict) and plain.pop("identities", None):
            path.write_text(json.dumps(plain))


def test_a_push_teaches_an_earlier_record_the_identity(two: Workshop, verb: Verbs) -> None:
    two.new_engine(containerd=True)
    assert verb("build").code == 0
    forget_identities(two)
    told = verb("push")
    assert told.code == 0, told.err
    assert "warning" not in told.err
    workspace = two.open()
    record = workspace.records.get(workspace.keys.key(Reference(parse_label(A))))
    assert record is not None
    image = str(two.tag(A))
    assert record.identities == {image: sha256(two.engine.configs[image])}


def test_an_earlier_proof_on_the_containerd_store_counts(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, verb: Verbs
) -> None:
    """It names the digest of the manifest alone, which is what the registry then has."""
    product = Releasable(shop, monkeypatch)
    product.publishable()
    shop.new_engine(containerd=True)
    build = shop.builder.build
    monkeypatch.setattr(
        shop.builder, "build", lambda *asked: Built(build(*asked).image)
    )  # a client that does not tell
    product.build_and_prove(verb)
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    listed = product.listed()
    assert {image["image_id"] for image in listed.values()} == {
        sha256(shop.engine.configs[image["digest"]]) for image in listed.values()
    }


def test_one_store_of_records_serves_both_engines_of_a_machine(two: Workshop, verb: Verbs) -> None:
    two.new_engine(containerd=True)
    assert verb("build").code == 0
    two.new_engine()
    assert two.action(A) == "build"
    assert verb("build").code == 0
    assert two.action(A) == "fresh"
    told = verb("push")
    assert told.code == 0, told.err
    assert two.registry.manifest("elyra/a", "dev").config.digest == two.tag(A)  # type: ignore[union-attr]
