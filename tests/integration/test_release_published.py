"""`release` into a registry: all or nothing, the very builds that were proved, never moved."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest
from releasable import ALL, HOST, IMAGES, Releasable
from workshop import Told, Verbs, Workshop

from buildlib.build.sharing import transfers
from buildlib.core.model.label import parse_label
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest, RegistryUnavailable
from buildlib.shipping.releasing.claims_and_tags import INDEX_TYPE
from buildlib.shipping.releasing.verify_signatures import check_folder
from tests.fakes.registry import FakeRegistry
from tests.support.golden import check_golden
from tests.support.signing import KEY, PASSPHRASE, PUBLIC, check_image

pytestmark = pytest.mark.slow

RELEASE = ("release", "VERSION=2.5.0")


@pytest.fixture
def product(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Releasable:
    """The product with a registry in its settings; nothing is built."""
    product = Releasable(shop, monkeypatch)
    product.publishable()
    return product


@pytest.fixture
def proved(product: Releasable, verb: Verbs) -> Releasable:
    """The same, built and proved as it is developed."""
    product.build_and_prove(verb)
    return product


def follow(verb: Verbs, told: Told) -> None:
    """Paste the fix of an error."""
    (fix,) = told.fixes
    for command in fix.partition("  #")[0].split(" && "):
        done = verb(*shlex.split(command)[1:])
        assert done.code == 0, command + done.out + done.err


def assert_whole(product: Releasable) -> None:
    """The release is in the registry, and is what its files say."""
    shown, images = product.visible(), product.listed()
    assert None not in shown.values(), shown
    assert {name: image["digest"] for name, image in images.items()} == {
        name: shown[name] for name in IMAGES
    }
    registry = product.shop.registry
    for name, image in images.items():
        manifest = registry.manifest(f"elyra/{name}", image["digest"])
        assert manifest is not None
        assert manifest.config.digest == image["image_id"]


def tags_put(registry: FakeRegistry, start: int = 0) -> list[str]:
    """The tags of releases that were put, in their order."""
    put = [call.split()[1] for call in registry.calls[start:] if call.startswith("put_manifest ")]
    return [it for it in put if it.endswith((":2.5.0", ":latest"))]


# -- all goes well ---------------------------------------------------------------------------------


def test_what_was_proved_is_published(proved: Releasable, verb: Verbs) -> None:
    registry, dev = proved.shop.registry, proved.tags("dev")
    builds = len(proved.shop.builder.requests)
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert f"2.5.0 is published at {HOST}" in told.out
    assert "not published" not in told.out
    assert_whole(proved)
    assert len(proved.shop.builder.requests) == builds + 1, "but what carries the version"
    images = proved.listed()
    assert {name: images[name]["image_id"] == dev[name] for name in IMAGES} == {
        "base": True,
        "py": True,
        "server": False,
    }
    assert proved.visible("latest") == {**proved.visible(), "releases": None}
    assert proved.tags() == {name: image["image_id"] for name, image in images.items()}
    assert images["py"]["repository"] == f"{HOST}/elyra/py"
    index = registry.manifest("elyra/releases", "2.5.0")
    assert index is not None
    assert index.plain["artifactType"] == INDEX_TYPE
    titles = [it["annotations"]["org.opencontainers.image.title"] for it in index.plain["layers"]]
    assert titles[0] == "images.json"
    assert set(titles) == set(proved.dist())


def test_what_names_others_comes_after_them_and_the_index_last(
    proved: Releasable, verb: Verbs
) -> None:
    assert verb(*RELEASE).code == 0
    put = tags_put(proved.shop.registry)
    others = {f"elyra/{name}:{tag}" for name in ("base", "py") for tag in ("2.5.0", "latest")}
    assert set(put[:4]) == others
    assert set(put[4:6]) == {"elyra/server:2.5.0", "elyra/server:latest"}
    assert put[6:] == ["elyra/releases:2.5.0"]


def test_a_second_release_of_the_same_puts_nothing(proved: Releasable, verb: Verbs) -> None:
    assert verb(*RELEASE).code == 0
    shown, refs, files = proved.visible(), proved.refs(), proved.files()
    start = len(proved.shop.registry.calls)
    uploaded = proved.shop.registry.uploaded
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert "0 tags put" in told.out
    assert tags_put(proved.shop.registry, start) == []
    assert proved.shop.registry.uploaded == uploaded
    assert (proved.visible(), proved.refs(), proved.files()) == (shown, refs, files)


def test_a_dry_run_asks_the_registry_and_changes_nothing(proved: Releasable, verb: Verbs) -> None:
    registry = proved.shop.registry
    told = verb("plan", *RELEASE)
    assert told.code == 0, told.out + told.err
    assert f"{HOST}/elyra/py:2.5.0\n" in told.out
    assert "py: upload, up to 0 MB" in told.out
    assert "server: upload, not built yet" in told.out
    assert registry.count("put_manifest") == registry.count("put_blob") == 0
    assert set(proved.tags().values()) == {None}


def test_pre_releases_leave_latest_and_further_tags(product: Releasable, verb: Verbs) -> None:
    product.shop.replace("images/py/BUILD.py", 'name="py",', 'name="py", tags=["3.5.6"],')
    product.shop.commit_all()
    product.build_and_prove(verb)
    assert verb("release", "VERSION=2.5.0rc1").code == 0
    assert None not in product.visible("2.5.0rc1").values()
    assert set(product.visible("latest").values()) == {None}
    assert set(product.visible("3.5.6").values()) == {None}
    assert verb(*RELEASE).code == 0
    shown = product.visible()
    assert product.visible("latest") == {**shown, "releases": None}
    assert product.visible("3.5.6")["py"] == shown["py"] == product.visible("2.5.0rc1")["py"]

    product.shop.file("images/base/data", "two\n")
    product.shop.commit_all()
    product.build_and_prove(verb)
    assert verb("release", "VERSION=2.6.0rc1").code == 0
    assert product.visible() == shown
    assert product.visible("latest") == {**shown, "releases": None}
    assert verb("release", "VERSION=2.6.0").code == 0
    assert product.visible() == shown
    assert product.visible("latest") == {**product.visible("2.6.0"), "releases": None}
    assert product.visible("3.5.6")["py"] == product.visible("2.6.0")["py"] != shown["py"]


def test_a_signed_release_can_be_checked(
    proved: Releasable, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSIGN_KEY", str(KEY))
    monkeypatch.setenv("COSIGN_PASSWORD", PASSPHRASE)
    registry = proved.shop.registry
    signed: list[bool] = []

    def before(call: str, *arguments: str) -> None:
        if call == "put_manifest" and arguments[-1] in ("2.5.0", "latest"):
            signed.append(all(any(".sig" in it for it in registry.tags(n)) for n in repositories))

    repositories = [f"elyra/{name}" for name in IMAGES]
    registry.before = before
    told = verb(*RELEASE)
    registry.before = None
    assert told.code == 0, told.err
    assert signed
    assert all(signed), "an image was visible before it was signed"
    check_folder(str(proved.shop.root / "dist/2.5.0"), PUBLIC)
    for name, image in proved.listed().items():
        check_image(registry, f"elyra/{name}", image["digest"], PUBLIC)
    assert verb("release", "artifacts", "tag", "VERSION=2.5.0").code == 0, "signatures differ"


# -- troubles of the registry ----------------------------------------------------------------------


def test_a_registry_that_is_down_is_no_reason_to_release_elsewhere(
    proved: Releasable, verb: Verbs
) -> None:
    registry, refs = proved.shop.registry, proved.refs()
    registry.down = True
    told = verb(*RELEASE)
    assert told.code == 1
    check_golden("release/registry-is-down", told.err.rstrip())
    assert proved.dist() == {}
    assert set(proved.tags().values()) == {None}
    assert proved.refs() == refs
    registry.down = False
    assert set(proved.visible().values()) == {None}
    assert verb(*RELEASE).code == 0
    assert_whole(proved)


@pytest.mark.parametrize("step", ["upload", "artifacts", "tag"])
def test_a_registry_that_goes_down_before_a_step_shows_nothing(
    proved: Releasable, verb: Verbs, step: str
) -> None:
    steps = ("check", "stamp", "verify", "upload", "artifacts", "tag", "commit")
    for name in steps[: steps.index(step)]:
        assert verb("release", name, "VERSION=2.5.0").code == 0
    registry, refs = proved.shop.registry, proved.refs()
    registry.down = True
    told = verb("release", step, "VERSION=2.5.0")
    assert told.code == 1
    assert HOST in told.err
    assert told.fixes
    registry.down = False
    assert set(proved.visible().values()) == {None}
    assert set(proved.tags().values()) == {None}
    assert proved.refs() == refs
    assert verb(*RELEASE).code == 0
    assert_whole(proved)


def _stop_at(registry: FakeRegistry, wanted: Callable[[str, str], bool]) -> None:
    """Let the registry be down from the first call on that is wanted."""

    def before(call: str, *arguments: str) -> None:
        if wanted(call, ":".join(map(str, arguments))):
            registry.down = True

    registry.before = before


@pytest.mark.parametrize(
    ("call", "ending"),
    [
        ("put_manifest", "claim-2.5.0"),
        ("put_manifest", "elyra/releases:sha256"),
        ("put_blob", "elyra/releases"),
        ("head", "elyra/py:2.5.0"),
    ],
)
def test_a_registry_that_goes_down_while_publishing_shows_nothing(
    proved: Releasable, verb: Verbs, call: str, ending: str
) -> None:
    registry, refs = proved.shop.registry, proved.refs()
    _stop_at(registry, lambda asked, what: asked == call and ending in what)
    told = verb(*RELEASE)
    assert told.code == 1
    assert registry.down, "it went through without that call"
    registry.down, registry.before = False, None
    assert set(proved.visible().values()) == {None}
    assert proved.refs() == refs
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert_whole(proved)


def test_what_could_not_be_tagged_is_tagged_by_the_next_run(
    proved: Releasable, verb: Verbs
) -> None:
    """One refused tag leaves others there; those of a higher rank are never before it."""
    registry, refs = proved.shop.registry, proved.refs()

    def before(call: str, *arguments: str) -> None:
        if call == "put_manifest" and list(arguments[:2]) == ["elyra/py", "2.5.0"]:
            raise RegistryUnavailable(f"{HOST} is gone", fix="try again")

    registry.before = before
    told = verb(*RELEASE)
    assert told.code == 1
    assert "not all tags of the release could be put" in told.err
    assert f"{HOST} is gone" in told.err
    registry.before = None
    shown = proved.visible()
    assert {name for name in ALL if shown[name] is None} >= {"py", "server", "releases"}
    assert proved.refs() == refs
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert_whole(proved)


def test_a_registry_that_takes_no_tags_shows_nothing(proved: Releasable, verb: Verbs) -> None:
    registry, refs = proved.shop.registry, proved.refs()
    for step in ("check", "stamp", "verify", "upload", "artifacts"):
        assert verb("release", step, "VERSION=2.5.0").code == 0
    registry.refuse("put_manifest", "answers 403 Forbidden")
    told = verb("release", "tag", "VERSION=2.5.0")
    assert told.code == 1
    assert "403 Forbidden" in told.err
    assert set(proved.visible().values()) == {None}
    assert proved.refs() == refs
    registry.refuse("put_manifest", "")
    assert verb(*RELEASE).code == 0
    assert_whole(proved)


def test_an_upload_that_fails_is_gone_on_with(proved: Releasable, verb: Verbs) -> None:
    proved.shop.transport.fail_next("unexpected EOF")
    told = verb(*RELEASE)
    assert told.code == 1
    assert "unexpected EOF" in told.err
    assert set(proved.visible().values()) == {None}
    pushed = {what for how, what in proved.shop.transport.moved if how == "push"}
    there = {
        f"{HOST}/elyra/{name}:{tag}" for name in IMAGES
        for tag in proved.shop.registry.tags(f"elyra/{name}") if tag.startswith("key-")
    }  # fmt: skip
    assert there < pushed
    proved.shop.transport.moved.clear()
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    again = {what for how, what in proved.shop.transport.moved if how == "push"}
    assert again
    assert not again & there, "what was there was uploaded again"
    assert_whole(proved)


# -- tags that are taken ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_tag_that_is_taken_is_left_alone_and_nothing_is_put(
    proved: Releasable, verb: Verbs, name: str
) -> None:
    registry, refs = proved.shop.registry, proved.refs()
    foreign = Manifest(OCI_MANIFEST, b"{}")
    registry.put_manifest(f"elyra/{name}", "2.5.0", foreign)
    told = verb(*RELEASE)
    assert told.code == 1
    assert "never" in told.err
    assert told.fixes == ["release under the next version"]
    assert proved.visible() == {**dict.fromkeys(ALL), name: foreign.digest}
    assert registry.head("elyra/releases", "claim-2.5.0") is None, "others would have to wait"
    assert set(proved.visible("latest").values()) == {None}
    assert proved.refs() == refs


# -- which build ships -----------------------------------------------------------------------------


@pytest.fixture
def alone(product: Releasable, verb: Verbs) -> Releasable:
    """The product, built and proved by a machine that builds all of it itself."""
    product.shop.file(
        "pyproject.toml",
        (product.shop.root / "pyproject.toml").read_text()
        + '[tool.buildlib.share]\ndefault = "off"\n',
    )
    product.shop.commit_all()
    product.build_and_prove(verb)
    return product


def another_builds_it_too(product: Releasable, verb: Verbs) -> dict[str, str | None]:
    """Go on with a machine that has its own builds and proofs; the images of the first."""
    theirs = product.tags("dev")
    product.another_machine()
    product.build_and_prove(verb)
    ours = product.tags("dev")
    assert all(theirs[name] != ours[name] for name in IMAGES)
    return theirs


def test_what_the_registry_has_ships_with_its_own_proof(alone: Releasable, verb: Verbs) -> None:
    told = verb("push", "//images/base", "//images/py", "//checks:py")
    assert told.code == 0, told.err
    theirs = another_builds_it_too(alone, verb)
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert_whole(alone)
    images = alone.listed()
    assert [images[name]["image_id"] for name in ("base", "py")] == [theirs["base"], theirs["py"]]
    assert alone.tags()["py"] == theirs["py"]


def test_what_the_registry_has_does_not_ship_unproved(alone: Releasable, verb: Verbs) -> None:
    assert verb("push", "//images/py").code == 0
    theirs = another_builds_it_too(alone, verb)
    told = verb(*RELEASE)
    assert told.code == 1
    check_golden("release/registry-has-another-build", told.err.rstrip())
    assert set(alone.visible().values()) == {None}
    follow(verb, told)
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert_whole(alone)
    assert alone.listed()["py"]["image_id"] == theirs["py"]


def test_an_empty_machine_releases_what_others_built(proved: Releasable, verb: Verbs) -> None:
    assert verb("push", "//images/base", "//images/py", "//checks:py").code == 0
    theirs = proved.tags("dev")
    proved.another_machine()
    proved.proved.clear()
    told = verb(*RELEASE)
    assert told.code == 0, told.err
    assert_whole(proved)
    built = [request.shown_as for request in proved.shop.builder.requests]
    assert built == ["images/server/Dockerfile"]
    assert proved.proved == ["//checks:server"]
    assert proved.listed()["py"]["image_id"] == theirs["py"]


@pytest.mark.parametrize("label", ["//images/py", "//images/server"])
def test_of_two_that_upload_at_once_the_first_wins(
    alone: Releasable, verb: Verbs, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    name = label.rpartition("/")[2]
    assert verb("release", "check", "stamp", "VERSION=2.5.0").code == 0
    theirs = alone.built(label)
    first = alone.machine()
    another_builds_it_too(alone, verb)

    def upload(*arguments: Any, **named: Any) -> object:
        with alone.on(first):
            other = alone.in_release()
            assert other.shared_store is not None
            made = transfers.built_targets(other.view, other.records, [parse_label(label)])
            publish(other.shared_store, made, other.engine)
        return publish(*arguments, **named)

    publish = transfers.publish
    with monkeypatch.context() as racing:
        racing.setattr(transfers, "publish", upload)
        told = verb(*RELEASE)
    assert told.code == 1
    assert f"another machine has published its own build of {label} just now" in told.err
    assert set(alone.visible().values()) == {None}
    fixes = 0
    while (told := verb(*RELEASE)).code:
        fixes += 1
        assert fixes == 1, told.err
        follow(verb, told)
    assert_whole(alone)
    assert alone.listed()[name]["image_id"] == theirs
