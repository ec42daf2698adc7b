"""A Debian package that is gone from the archive: locked anew with a warning, or refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from workshop import Verbs, Workshop, deb

from buildlib.build.lock.debian import OFFICIAL
from buildlib.build.lock.refresh import relock
from buildlib.core.model.lock import Item
from buildlib.outside.debian.apt import MINIMAL, Archive, packages_script
from tests.support.workspace import digest
from tests.unit.fetch_server import Server, status

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nCOPY apt/ /packages/\n"
OLD, NEW = deb("curl", "8.0"), deb("curl", "8.1")


@pytest.fixture
def stale(shop: Workshop, outside: Server) -> Workshop:
    """An image whose lock names curl 8.0; the archive has 8.1, and apt in the parent says so."""
    shop.network(apt=outside.url)
    shop.image("images/base")
    shop.image("images/a", 'parent="//images/base", apt=["curl"]', CHILD)
    shop.pin("apt", "//images/a", {"curl": OLD[2]})
    outside.add(f"/{NEW[0]}", NEW[1])
    teach(shop, outside, {"curl": NEW[2]})
    return shop


def teach(shop: Workshop, outside: Server, items: Mapping[str, Item]) -> None:
    lines = []
    for name, item in items.items():
        file = f"{name}_{item.version}_amd64.deb"
        lines.append(f"'{outside.url}/{item.where}' {file} {item.size} SHA256:{item.sha256}")
    script = packages_script(["curl"], Archive(outside.url))
    shop.engine.teach(script, stdout="\n".join([*lines, "end of answer", ""]))


def test_it_is_locked_anew_with_a_warning_and_the_build_goes_on(
    stale: Workshop, verb: Verbs
) -> None:
    before = stale.key("//images/a")
    told = verb("build")
    assert told.code == 0, told.err
    assert "warning: packages locked for //images/a are no longer served" in told.out
    assert any("&& git add images.lock" in fix for fix in told.fixes)
    assert stale.read_lock()["apt"]["//images/a"].items == {"curl": NEW[2]}
    assert stale.key("//images/a") != before
    assert stale.record("//images/a", before) is None
    assert stale.tag("//images/a") == stale.engine.resolve(stale.content_tag("//images/a"))
    staged = stale.staged("//images/a") / "apt"
    assert [path.read_bytes() for path in staged.iterdir()] == [NEW[1]]
    assert verb("build").out.startswith("nothing to build")


def test_strict_refuses_and_writes_nothing(stale: Workshop, verb: Verbs) -> None:
    stale.strict()
    before = stale.snapshot()
    told = verb("build")
    assert told.code == 1
    assert "curl_8.0_amd64.deb" in told.err
    assert told.fixes == ["./doitw lock  # resolves anew what is no longer served"]
    assert stale.snapshot() == before
    assert stale.tag("//images/a") is None
    assert stale.builder.requests == []


def test_what_the_store_has_needs_no_archive(stale: Workshop, verb: Verbs, outside: Server) -> None:
    stale.stored(OLD[1])
    before = stale.snapshot()
    told = verb("build")
    assert told.code == 0, told.err
    assert outside.requests == []
    assert stale.snapshot() == before
    assert "warning" not in told.out


def test_bytes_that_are_not_the_locked_ones_are_an_error_not_a_new_lock(
    stale: Workshop, verb: Verbs, outside: Server
) -> None:
    outside.add(f"/{OLD[0]}", b"x" * len(OLD[1]))
    before = stale.snapshot()
    told = verb("build")
    assert told.code == 1
    assert OLD[2].sha256 in told.err
    assert told.fixes[0].startswith("./doitw lock --check")
    assert stale.snapshot() == before
    assert stale.tag("//images/a") is None


def test_an_archive_in_trouble_is_an_error_not_a_new_lock(
    stale: Workshop, verb: Verbs, outside: Server
) -> None:
    outside.add(f"/{OLD[0]}", OLD[1], status(403))
    before = stale.snapshot()
    assert verb("build").code == 1
    assert stale.snapshot() == before


def test_a_download_that_is_gone_is_never_locked_anew(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    shop.build(
        "tools",
        f'download(name="f", urls=["{outside.url}/f"])',
        'tarball(name="t", parts={"all": {"f": ":f"}})',
    )
    shop.pin("download", "//tools:f", {"f": Item("-", digest("f"), 1, "x")})
    before = shop.snapshot()
    told = verb("build")
    assert told.code == 1
    assert "cannot fetch f" in told.err
    assert shop.snapshot() == before


def test_a_new_resolution_that_is_not_served_either_ends_the_build(
    stale: Workshop, verb: Verbs, outside: Server
) -> None:
    del outside.files[f"/{NEW[0]}"]
    told = verb("build")
    assert told.code == 1
    assert "curl_8.1_amd64.deb" in told.err
    assert len(stale.engine.scripts) == 1


def test_a_root_file_system_is_resolved_anew_before_the_plan_is_carried_out(
    shop: Workshop, outside: Server
) -> None:
    """What is gone is of the image whose apt would be asked: Debian's own is."""
    shop.network(apt=outside.url)
    shop.file("images/os/Dockerfile", "FROM scratch\nADD rootfs.tar /\n")
    shop.build("images/os", 'rootfs(name="os", packages=["curl"])')
    shop.pin("rootfs", "//images/os", {"curl": OLD[2]})
    shop.offer({"curl": "8.1"}, earlier=False)
    for name, version in {**dict.fromkeys(MINIMAL, "1"), "curl": "8.1"}.items():
        outside.add(f"/debian/pool/{name}.deb", f"{name} {version}".encode())
    workspace = shop.open()
    session = shop.session(workspace, relock=relock(workspace, shop.said.append))
    plan = session.start(workspace.resolve(["//images/os"]))
    pins = shop.read_lock()["rootfs"]["//images/os"].items
    assert pins["curl"].version == "8.1"
    assert plan.steps[0].key == shop.key("//images/os")
    assert all(workspace.store.has(pin.sha256, pin.size) for pin in pins.values())
    assert shop.builder.requests == []
    assert [image for image, _ in shop.engine.scripts] == [OFFICIAL]


@pytest.mark.parametrize("built", [False, True])
def test_what_was_resolved_on_what_is_gone_is_resolved_anew(
    shop: Workshop, outside: Server, verb: Verbs, monkeypatch: pytest.MonkeyPatch, *, built: bool
) -> None:
    """Also where it was up to date, and only the image that it stands on is to be made."""
    monkeypatch.setattr(  # the packages here are none that could be unpacked
        "buildlib.outside.debian.rootfs.write_rootfs", lambda debs, out, **_: out.write(b"a system")
    )

    def serve(version: str) -> None:
        tini = f"debian/pool/tini_{version}.deb"
        shop.offer({"tini": version}, paths={"tini": tini}, earlier=False)
        outside.add(f"/{tini}", f"tini {version}".encode())
        for name in MINIMAL:
            outside.add(f"/debian/pool/{name}.deb", f"{name} 1".encode())

    shop.network(apt=outside.url)
    shop.file("images/os/Dockerfile", "FROM scratch\nADD rootfs.tar /\n")
    shop.build("images/os", 'rootfs(name="os", packages=["tini"])')
    shop.image("images/a", 'parent="//images/os", apt=["curl"]', CHILD)
    outside.add(f"/{NEW[0]}", NEW[1])
    teach(shop, outside, {"curl": NEW[2]})
    serve("1")
    assert verb("lock").code == 0
    before = shop.read_lock()["apt"]["//images/a"].on
    if built:
        assert verb("build").code == 0
        image = shop.tag("//images/os")
        assert image is not None
        shop.engine.remove(image)
    serve("2")
    del outside.files["/debian/pool/tini_1.deb"]
    shop.remove("../store/sha256" if built else "../store")
    told = verb("build")
    assert told.code == 0, told.err
    assert "//images/a adds packages to what moved; locking them anew" in told.out
    assert shop.read_lock()["apt"]["//images/a"].on != before
    assert verb("plan").code == 0


def test_a_release_locks_nothing_anew(stale: Workshop, verb: Verbs, outside: Server) -> None:
    """What is not built yet is built, and proved, before the release: with what is served now."""
    stale.start_git()
    before = stale.read_lock()
    told = verb("release", "VERSION=2.5.0")
    assert told.code == 1
    assert "a release rebuilds nothing" in told.err
    assert stale.read_lock() == before
    assert outside.requests == []
