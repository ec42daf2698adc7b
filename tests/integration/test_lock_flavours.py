"""`lock` where a target differs by flavour: one file holds all, and no flavour harms another's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from simple_index import SimpleIndex
from workshop import Verbs, Workshop

from buildlib.core.model.lock import Item
from buildlib.engine import transfer
from tests.support.workspace import digest

CHILD = "ARG BASE_CONTAINER=elyra/os:dev\nFROM ${BASE_CONTAINER}\nCOPY requirements.lock /\n"
PARENTS = 'parent={"debian": "//images/os", "docker-stacks": "//images/stacks:os"}'
STACKS = "FLAVOUR=docker-stacks"
BY_FLAVOUR = 'python=select({"debian": "requirements.in", "docker-stacks": "stacks/wanted.in"})'
ONE_FOR_BOTH = 'python="requirements.in"'
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nVERSION_CODENAME=noble\n'


def stacks(shop: Workshop, python: str = 'python="3.13", ') -> None:
    shop.build(
        "images/stacks",
        f'external_image(name="os", image="quay.io/x/os:1", repository="stacks-os", {python}'
        'flavours=["docker-stacks"])',
    )


@pytest.fixture
def site(shop: Workshop, index: SimpleIndex, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """An image on our own base or on an image of others, with Python requirements."""

    def inspect(reference: str) -> dict[str, Any]:
        return {"Descriptor": {"digest": f"sha256:{digest(reference)}"}}

    def pull(reference: str, *, platform: str) -> str:
        del platform
        shop.engine.add(reference)
        return reference.partition("@")[2]

    client = SimpleNamespace(inspect_distribution=inspect, close=lambda: None)
    monkeypatch.setattr("buildlib.engine.sdk.client_of", lambda *_, **__: client)
    monkeypatch.setattr(transfer, "pull", pull)
    shop.network(pypi=index.url)
    shop.image("images/os")
    stacks(shop)
    shop.file("images/a/requirements.in", "thing\n").file("images/a/stacks/wanted.in", "thing\n")
    index.add(
        "thing", "1.0", *(f"cp3{minor}-cp3{minor}-manylinux_2_17_x86_64" for minor in (11, 13))
    )
    return shop


def two(site: Workshop) -> Workshop:
    """The image with a requirements file for each flavour."""
    dockerfile = CHILD.replace("requirements.lock", "*.lock")
    return site.image("images/a", f"{PARENTS}, {BY_FLAVOUR}", dockerfile)


def wheels(site: Workshop) -> dict[str, list[str]]:
    """Entries of the Python section, with the Python that their wheels are for."""
    entries = site.read_lock().get("python", {})
    return {name: [item.split("-")[2] for item in entry.items] for name, entry in entries.items()}


def test_each_flavour_has_wheels_for_the_python_it_stands_on(site: Workshop, verb: Verbs) -> None:
    two(site)
    assert verb("lock").code == 0
    assert wheels(site) == {"//images/a": ["cp311"]}
    assert verb("lock", STACKS).code == 0
    both = {"//images/a": ["cp311"], "//images/a stacks/wanted.in": ["cp313"]}
    assert wheels(site) == both
    assert list(site.read_lock()["image"]) == ["//images/stacks:os"]
    assert verb("lock").code == 0
    assert wheels(site) == both, "the default flavour threw away what it does not need"
    assert "image" in site.read_lock()
    for flavour in ("FLAVOUR=debian", STACKS):
        told = verb("lock", "--check", flavour)
        assert told.code == 0, told.out + told.err


def test_the_dockerfile_finds_the_requirements_by_their_name_alone(
    site: Workshop, verb: Verbs
) -> None:
    two(site).replace("pyproject.toml", '"debian"', '"docker-stacks"')
    site.replace("images/a/Dockerfile", "*.lock", "wanted.lock")
    assert verb("lock").code == 0
    site.build_targets("//images/a")
    assert site.tag("//images/a") is not None


def test_one_file_for_both_is_one_entry(site: Workshop, verb: Verbs) -> None:
    stacks(site, 'python="3.11", ')
    site.image("images/a", f"{PARENTS}, {ONE_FOR_BOTH}", CHILD)
    assert verb("lock").code == 0
    assert verb("lock", "--check", "python", STACKS).code == 0
    assert wheels(site) == {"//images/a": ["cp311"]}


def test_one_entry_stands_on_what_each_flavour_has(site: Workshop, verb: Verbs) -> None:
    """The same wheels, on a parent whose requirements are ours and on an image of others."""
    stacks(site, 'python="3.11", ')
    site.file("images/base/requirements.in", "thing\n")
    site.image("images/base", 'parent="//images/os", python="requirements.in"', CHILD)
    parents = PARENTS.replace("//images/os", "//images/base")
    site.image("images/a", f"{parents}, {ONE_FOR_BOTH}", CHILD.replace("=elyra/os:dev", ""))
    assert verb("lock", "image", STACKS).code == 0
    for edit in ("thing\n", "# why\nthing\n"):
        site.file("images/a/requirements.in", edit)
        assert verb("lock").code == 0
        told = verb("build", STACKS)
        assert told.code == 3
        assert "was resolved on other pins" in told.err
        assert told.fixes == [f"./doitw lock python //images/a {STACKS}"]
        assert verb(*told.fixes[0].split()[1:]).code == 0
        for flavour in ("FLAVOUR=debian", STACKS):
            told = verb("plan", flavour)
            assert told.code == 0, told.err
            assert verb("lock", "--check", flavour).code == 0
    assert list(site.read_lock()["python"]["//images/a"].on) == ["debian", "docker-stacks"]


def test_what_moves_in_one_flavour_is_asked_for_in_the_other(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    stacks(site, 'python="3.11", ')
    site.file("images/base/requirements.in", "thing<2\n")
    site.image("images/base", 'parent="//images/os", python="requirements.in"', CHILD)
    parents = PARENTS.replace("//images/os", "//images/base")
    site.image("images/a", f"{parents}, {ONE_FOR_BOTH}", CHILD.replace("=elyra/os:dev", ""))
    assert verb("lock").code == 0
    assert verb("lock", STACKS).code == 0
    index.add("thing", "2.0", "cp311-cp311-manylinux_2_17_x86_64")
    assert verb("lock", "python", "--upgrade", STACKS).code == 0
    assert verb("plan", STACKS).fixes == []
    told = verb("build")
    assert told.code == 3, "2.0 contradicts the parent of this flavour"
    assert told.fixes == ["./doitw lock python //images/a"]


def test_entries_that_no_flavour_wants_go(site: Workshop, verb: Verbs) -> None:
    two(site)
    assert verb("lock", STACKS).code == 0
    site.image("images/a", PARENTS, CHILD.replace("COPY requirements.lock /\n", ""))
    assert verb("lock").code == 0
    assert wheels(site) == {}
    assert list(site.read_lock()) == ["image"]


def test_nothing_goes_while_the_other_flavour_is_in_disorder(site: Workshop, verb: Verbs) -> None:
    two(site)
    assert verb("lock", STACKS).code == 0
    site.replace("images/a/BUILD.py", '"docker-stacks": "//images/stacks:os"', "")
    assert verb("lock").code == 0
    assert set(wheels(site)) == {"//images/a", "//images/a stacks/wanted.in"}


def test_what_is_left_out_is_not_locked(site: Workshop, verb: Verbs) -> None:
    told = verb("lock", "image", "//images/stacks:os")
    assert told.code == 3
    assert "left out: it exists in the flavour docker-stacks only" in told.err
    assert verb("lock", "image").code == 0
    assert not (site.root / "images.lock").exists()


def test_a_base_that_does_not_say_its_python_is_asked_for_it(site: Workshop, verb: Verbs) -> None:
    stacks(site, "")
    two(site)
    told = verb("lock", "python", STACKS)
    assert told.code == 3
    assert "//images/stacks:os does not say which Python it has" in told.err
    assert "images/stacks/BUILD.py:2" in told.err
    assert told.fixes[0].startswith('python = "3.13"')


@pytest.mark.parametrize("python", ["3", "3.13.1", "latest", "2.7"])
def test_a_python_that_is_no_version_is_refused(site: Workshop, verb: Verbs, python: str) -> None:
    stacks(site, f'python="{python}", ')
    told = verb("build")
    assert told.code == 3
    assert f"python is '{python}', not a version such as 3.13" in told.err


def test_debian_packages_are_not_mixed_into_another_system(site: Workshop, verb: Verbs) -> None:
    site.image("images/a", f'{PARENTS}, apt=["curl"]', CHILD.replace("COPY", "# COPY"))
    pin = Item("1", digest("os"), 0, "quay.io/x/os:1")
    site.replace("pyproject.toml", '"debian"', '"docker-stacks"').pin(
        "image", "//images/stacks:os", {pin.where: pin}
    )
    site.engine.teach("cat /etc/os-release", stdout=UBUNTU)
    told = verb("lock", "apt")
    assert told.code == 3, told.out + told.err
    assert (
        "//images/stacks:os is Ubuntu 24.04.3 LTS, which takes no packages of bookworm" in told.err
    )
    assert "images/a/BUILD.py:2" in told.err
    assert "select" in told.fixes[0]
