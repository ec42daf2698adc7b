"""Two checkouts, two stores, one engine and a real registry: what one built, the other pulls."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_engine import Images
from e2e_process import Family
from e2e_sample import pyproject

from tests.support import engine_names
from tests.support.registry import Registry

pytestmark = pytest.mark.engine

BASE, LEFT = "//images/base", "//images/left"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry, of which nothing stays in the engine."""
    folder = tmp_path / "registry"
    folder.mkdir()
    with Registry(folder) as found:
        yield found


@pytest.fixture
def shared(family: Family, images: Images, there: Registry) -> Iterator[Family]:
    """A family whose settings name the registry; its images are gone when the test ends."""
    settings = pyproject(images.organization)
    text = settings.replace("[tool.buildlib]\n", f'[tool.buildlib]\nregistry = "{there}"\n', 1)
    family.write("pyproject.toml", text)
    images.organization = f"{there}/{images.organization}"
    yield family
    forget(images)


def forget(images: Images) -> None:
    """Take all names of the images from the engine, so that they are gone from it."""
    engine_names.forget(images.client, f"{images.organization}/")


def another(family: Family, clone: object, images: Images) -> Family:
    """A clone with a store of its own, and an engine that has none of the images."""
    other = clone("other")  # type: ignore[operator]
    other.env["BUILDLIB_STORE"] = str(other.folder / "store")
    other.fill_store()
    forget(images)
    return other


def test_a_laptop_pulls_what_ci_has_built(
    shared: Family, images: Images, clone: object, there: Registry
) -> None:
    done = shared.build(CI="true")
    assert "published" in done.out, done.text
    made = images.id("left")
    laptop = another(shared, clone, images)
    done = laptop.build("left")
    assert "pulled left in" in done.out, done.text
    assert "nothing left to build" in done.out
    assert images.id("left") == made is not None
    assert images.id("base") is None  # nobody needs it
    assert laptop.plan("left") == {}

    # What is built on what was pulled is built here, and stays here: this is no CI.
    laptop.write("images/left/files/one.txt", "another\n")
    done = laptop.doit("build:left")
    assert done.code == 0, done.text
    assert "pulled base in" in done.out, done.text
    assert "published" not in done.text
    told = laptop.run("why", "left", "--against", "--json")
    (answer,) = told.json
    assert [change["part"] for change in answer["changes"]] == ["file files/one.txt"]
    assert answer["has_key"] is False
    forget(images)
    done = another(shared, lambda _: laptop, images).build("left")
    assert "pulled base in" in done.out


def test_a_registry_that_is_down_costs_one_warning(shared: Family, there: Registry) -> None:
    there.stop()
    done = shared.build("left")
    assert done.text.count("warning") == 1, done.text
    assert "left: done" in done.out


def test_a_poisoned_entry_is_told_rebuilt_and_replaced(
    shared: Family, images: Images, clone: object, there: Registry, tmp_path: Path
) -> None:
    """The image that `left`'s key tag names is another one's: a moved tag, or an attack."""
    shared.build("left", CI="true")
    key = shared.keys()[LEFT]
    base = images.id("base")
    assert base is not None
    name = f"{images.organization.partition('/')[2]}/left:key-{key[:32]}"
    there.push(images.client, base, name)
    laptop = another(shared, clone, images)
    done = laptop.build("left")
    (warning,) = [line for line in done.text.splitlines() if "warning" in line]
    assert LEFT in warning
    assert "left: done" in done.out
    assert images.files("left")["files/one.txt"] == "one\n"
    forget(images)
    shutil.rmtree(laptop.store)
    laptop.fill_store()
    assert "published left" in laptop.build("left", CI="true").out
    shutil.rmtree(laptop.store)
    forget(images)
    assert "pulled left" in laptop.build("left").out
