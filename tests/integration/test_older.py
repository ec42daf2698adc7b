"""What an older version left is read: its keys, records, proofs, registry entries and releases.

`older/left.tar.xz` holds a small product as an older version built, proved, published and released
it: the workspace with its git objects, its store, and what a fake engine and a fake registry had.
`MAKE_OLDER=1 pytest tests/integration/test_older.py` makes it anew, with the present version: only
where a format is changed on purpose, and then the old one should go on being read as well.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from releasable import HOST, Releasable
from workshop import Verbs, Workshop

from buildlib.core.model.label import Reference

LEFT = Path(__file__).parent / "older" / "left.tar.xz"
KEPT = ("ws", "store", "left.json")


@pytest.fixture
def older(shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releasable:
    """The product as the older version left it."""
    product = Releasable(shop, monkeypatch)  # what it writes is replaced below
    for path in sorted(shop.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    subprocess.run(["tar", "-xJf", LEFT, "-C", tmp_path], check=True)
    _bring_back(shop, json.loads((tmp_path / "left.json").read_text()))
    return product


def test_keys_are_what_they_were(older: Releasable) -> None:
    left = json.loads((older.shop.root.parent / "left.json").read_text())
    assert _keys(older.shop) == left["keys"]


def test_what_was_built_and_proved_is_fresh(older: Releasable, verb: Verbs) -> None:
    told = verb("build", "--json")
    assert told.code == 0, told.err
    assert older.shop.builder.requests == []
    assert verb("verify").code == 0
    assert older.proved == []


def test_another_machine_takes_it_from_the_registry(older: Releasable, verb: Verbs) -> None:
    older.another_machine()
    assert verb("build").code == 0
    assert older.shop.builder.requests == []
    assert verb("verify").code == 0
    assert older.proved == [], "the proofs are in the registry too"


def test_a_release_is_found_whole(older: Releasable, verb: Verbs) -> None:
    files, shown = older.files(), older.visible()
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 0, told.err
    assert "0 tags put" in told.out
    assert (older.files(), older.visible()) == (files, shown)


def test_a_release_is_pulled(older: Releasable, verb: Verbs) -> None:
    images = {name: image["image_id"] for name, image in older.listed().items()}
    older.another_machine()
    told = verb("pull", "VERSION=2.5.0")
    assert told.code == 0, told.err
    assert older.tags() == images


def test_why_compares_with_an_older_entry(older: Releasable, verb: Verbs) -> None:
    older.shop.file("images/base/data", "two\n")
    told = verb("why", "base", "--against", f"REGISTRY={HOST}")
    assert told.code == 0, told.err
    assert "file data\n    theirs: 644" in told.out


def test_the_present_version_leaves_the_same_keys(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, verb: Verbs, tmp_path: Path
) -> None:
    product = Releasable(shop, monkeypatch)
    product.publishable()
    monkeypatch.setenv("CI", "true")  # CI publishes what it builds and proves
    monkeypatch.setattr(
        "buildlib.build.sharing.shared_store._WORTH_SECONDS", 0.0
    )  # real proofs take seconds
    product.build_and_prove(verb)
    monkeypatch.delenv("CI")
    assert verb("release", "VERSION=2.5.0").code == 0
    left = _left(shop)
    if "MAKE_OLDER" in os.environ:
        (tmp_path / "left.json").write_text(json.dumps(left, indent=1, sort_keys=True))
        subprocess.run(["tar", "-cJf", LEFT, "-C", tmp_path, *KEPT], check=True)
    subprocess.run(["tar", "-xJf", LEFT, "-C", tmp_path, "left.json"], check=True)
    assert left["keys"] == json.loads((tmp_path / "left.json").read_text())["keys"]


def _keys(shop: Workshop) -> dict[str, str]:
    workspace = shop.open()
    return {str(label): workspace.keys.key(Reference(label)) for label in workspace.graph.order}


def _left(shop: Workshop) -> dict[str, Any]:
    """What the fakes hold and the keys are, as plain values."""
    engine = shop.engine
    configs = {image: engine.configs[image].decode() for image in engine.references.values()}
    return {
        "keys": _keys(shop),
        "images": configs,
        "references": engine.references,
        "registry": shop.registry.dump(),
    }


def _bring_back(shop: Workshop, left: dict[str, Any]) -> None:
    for image, config in left["images"].items():
        shop.engine.put(image, 1000, "linux/amd64", config.encode())
    for reference, image in left["references"].items():
        shop.engine.tag(image, reference)
    shop.registry.load(left["registry"])
