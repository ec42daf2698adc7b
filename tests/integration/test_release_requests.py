"""How many requests a release makes: so many for each image, whatever its steps have to know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from releasable import CHILD, IMAGES, Releasable
from workshop import Verbs, Workshop

MORE = 5
FOR_AN_IMAGE = 47
"""Requests of a whole release for one more image with its proof and its SBOM: it was 102 when each
step asked for itself. Three publications make 33 of them: image, proof, SBOM; tags make 9."""
FOR_AN_IMAGE_THAT_IS_THERE = 26
"""The same where all is published already: it was 79."""


@pytest.fixture
def product(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Releasable:
    product = Releasable(shop, monkeypatch)
    product.publishable()
    return product


def add_images(product: Releasable, names: list[str]) -> None:
    """More images on `base`, each with a proof."""
    shop = product.shop
    checks = (shop.root / "checks/BUILD.py").read_text()
    for name in names:
        shop.image(f"images/{name}", 'parent="//images/base", srcs=["//pack:files[all]"]', CHILD)
        checks += f'kernel_check(name="{name}", image="//images/{name}", srcs=[])\n'
    shop.file("checks/BUILD.py", checks)
    shop.commit_all()


@contextmanager
def counted(product: Releasable, into: list[str]) -> Iterator[None]:
    """Take note of what the registry is asked."""
    start = len(product.shop.registry.calls)
    yield
    into += product.shop.registry.calls[start:]


def release(product: Releasable, verb: Verbs, version: str) -> list[str]:
    """What a release asks the registry."""
    calls: list[str] = []
    with counted(product, calls):
        told = verb("release", f"VERSION={version}")
    assert told.code == 0, told.err
    return calls


def test_requests_grow_with_the_images_and_not_with_the_steps(
    product: Releasable, verb: Verbs
) -> None:
    product.build_and_prove(verb)
    few = [len(release(product, verb, "2.5.0")) for _ in range(2)]
    add_images(product, [f"more{number}" for number in range(MORE)])
    product.build_and_prove(verb)
    others = len(IMAGES) * FOR_AN_IMAGE_THAT_IS_THERE
    first, again = (len(release(product, verb, "2.6.0")) for _ in range(2))
    assert first <= few[0] + MORE * FOR_AN_IMAGE + others
    assert again <= few[1] + MORE * FOR_AN_IMAGE_THAT_IS_THERE


def test_what_ships_is_looked_at_once_in_a_run(product: Releasable, verb: Verbs) -> None:
    product.build_and_prove(verb)
    release(product, verb, "2.5.0")
    calls = release(product, verb, "2.5.0")
    looks = [call for call in calls if call.startswith("manifest elyra/") and ":record-" in call]
    of_images = [call for call in looks if "elyra/store" not in call]
    assert sorted({call.split(":")[0] for call in of_images}) == [
        f"manifest elyra/{name}" for name in sorted(IMAGES)
    ]
    assert len(of_images) == len(IMAGES)


def test_what_a_step_has_built_is_asked_for_again(product: Releasable, verb: Verbs) -> None:
    """`server` is made by the release: it is asked for before, by its build, and after."""
    product.build_and_prove(verb)
    calls: list[str] = []
    with counted(product, calls):
        assert verb("release", "check", "stamp", "verify", "VERSION=2.5.0").code == 0
    looks = [call for call in calls if call.startswith("manifest elyra/server:record-")]
    assert len(looks) == 3
    looks = [call for call in calls if call.startswith("manifest elyra/py:record-")]
    assert len(looks) == 1
