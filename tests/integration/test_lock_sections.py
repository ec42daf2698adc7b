"""`lock` of Debian packages, images and downloads; what is unknown, what is gone."""

from __future__ import annotations

import gzip
from types import SimpleNamespace
from typing import Any

import pytest
from workshop import Verbs, Workshop, lock_of

from buildlib.build.lock.debian import OFFICIAL
from buildlib.core.model.lock import Item
from buildlib.errors import InputError
from buildlib.outside.debian.apt import MINIMAL, UNREAD, Archive, packages_script
from tests.support.workspace import digest
from tests.unit.fetch_server import Server, status

MIRROR = "http://mirror.example.com"
CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"


def os_image(
    shop: Workshop, package: str = "images/os", packages: str = '["tini"]', more: str = ""
) -> None:
    shop.file(f"{package}/Dockerfile", "FROM scratch\nADD rootfs.tar /\n")
    name = package.rpartition("/")[2]
    shop.build(package, f'rootfs(name="{name}", packages={packages}, {more})')


def test_a_root_file_system_is_locked_to_what_debian_offers(shop: Workshop, verb: Verbs) -> None:
    os_image(shop)
    shop.offer({"tini": "0.19", "unwanted": "1"})
    told = verb("lock", "rootfs")
    assert told.code == 0, told.err
    entry = shop.read_lock()["rootfs"]["//images/os"]
    assert entry.asked == ("tini",)
    assert sorted(entry.items) == sorted({*MINIMAL, "tini"})
    assert entry.items["tini"] == Item("0.19", digest("tini 0.19"), 9, "debian/pool/tini.deb")
    assert "//images/os: tini 0.19 added" in told.out


def test_check_tells_what_moved_in_debian_and_writes_nothing(shop: Workshop, verb: Verbs) -> None:
    os_image(shop)
    shop.offer({"tini": "1"})
    assert verb("lock").code == 0
    shop.offer({"tini": "2"})
    before = shop.snapshot()
    told = verb("lock", "--check")
    assert told.code == 1
    assert "//images/os: tini 1 -> 2" in told.out
    assert "1 pin has drifted" in told.out
    assert shop.snapshot() == before
    told = verb("lock", "--check", "--json")
    assert told.code == 1
    assert '"new": "2"' in told.out
    assert shop.snapshot() == before


def test_a_root_file_system_of_another_platform_gets_packages_of_it(
    shop: Workshop, verb: Verbs
) -> None:
    """Apt of the image that is there is asked for another architecture than its own."""
    os_image(shop, more='platform="linux/arm64"')
    shop.offer({"tini": "1"})
    assert verb("lock").code == 0
    ((_, script),) = shop.engine.scripts
    assert 'APT::Architecture "arm64";' in script
    assert sorted(shop.read_lock()["rootfs"]["//images/os"].items) == sorted({*MINIMAL, "tini"})


def test_a_mirror_that_stands_still_is_a_warning(shop: Workshop, verb: Verbs) -> None:
    os_image(shop)
    shop.network(apt=MIRROR)
    shop.offer({"tini": "1"}, expired=("bookworm-security",))
    told = verb("lock")
    assert told.code == 0
    assert f"warning: bookworm-security of {MIRROR} is past its Valid-Until" in told.out


def test_a_mirror_that_stands_still_is_told_once(shop: Workshop, verb: Verbs) -> None:
    os_image(shop)
    os_image(shop, "images/other", "[]")
    shop.offer({"tini": "1"}, expired=("bookworm", "bookworm-security"))
    assert verb("lock").out.count("past its Valid-Until") == 2


def test_an_unknown_package_is_told_where_it_is_wanted(shop: Workshop, verb: Verbs) -> None:
    os_image(shop, packages='["tinny"]')
    shop.offer({"tini": "1"})
    told = verb("lock")
    assert told.code == 3
    assert "tini" in told.err
    assert "images/os/BUILD.py:2: error:" in told.err
    assert "images.lock" not in shop.snapshot()


def test_a_changed_list_is_refused_until_it_is_locked(shop: Workshop, verb: Verbs) -> None:
    os_image(shop)
    shop.offer({"tini": "1", "curl": "8"})
    assert verb("lock").code == 0
    os_image(shop, packages='["curl", "tini"]')
    shop.offer({"tini": "1", "curl": "8"})
    told = verb("build")
    assert told.code == 3
    assert "(+curl)" in told.err
    assert told.fixes == ["./doitw lock rootfs //images/os"]
    assert verb("lock", "rootfs", "//images/os").code == 0
    assert verb("plan").fixes == []


def test_check_sees_a_changed_list_that_moves_no_package(shop: Workshop, verb: Verbs) -> None:
    """The lock holds the package already, but not that it is asked for: a build refuses it."""
    os_image(shop)
    shop.offer({"tini": "1"})
    assert verb("lock").code == 0
    os_image(shop, packages=f'["tini", "{MINIMAL[0]}"]')
    shop.offer({"tini": "1"})
    assert verb("build").code == 3
    told = verb("lock", "--check")
    assert told.code == 1
    assert told.out.endswith("\nthe lock is of other requests\n"), "a request is no pin"
    assert verb("lock").out.endswith("\nno pin moved; new requests are noted\n")


# -- whose apt is asked for a root file system -----------------------------------------------------


def asked_in(shop: Workshop) -> list[str]:
    """The images that apt ran in."""
    return [image for image, _ in shop.engine.scripts]


@pytest.fixture
def locked(shop: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A root file system with a lock; the engine has no image of it, the store has its packages."""
    monkeypatch.setattr(  # the packages here are none that could be unpacked
        "buildlib.outside.debian.rootfs.write_rootfs", lambda debs, out, **_: out.write(b"a system")
    )
    shop.network(apt=MIRROR)
    os_image(shop)
    shop.offer({"tini": "1"}, earlier=False)
    assert verb("lock").code == 0
    for name in (*MINIMAL, "tini"):
        shop.stored(f"{name} 1".encode())
    shop.new_engine()
    shop.offer({"tini": "1"}, earlier=False)
    return shop


def test_any_image_of_it_that_the_engine_has_is_asked(locked: Workshop, verb: Verbs) -> None:
    """Also one that is stale: only its apt and its keys count."""
    locked.offer({"tini": "2"}, earlier=True)
    assert verb("lock", "rootfs").code == 0
    (image,) = asked_in(locked)
    assert image.endswith("/os:earlier")
    assert locked.builder.requests == []
    assert locked.read_lock()["rootfs"]["//images/os"].items["tini"].version == "2"


def test_else_it_is_built_from_the_present_lock(locked: Workshop, verb: Verbs) -> None:
    told = verb("lock", "--check", "rootfs")
    assert told.code == 0, told.out
    assert "building //images/os, whose apt is asked" in told.out
    assert asked_in(locked) == [locked.content_tag("//images/os")]
    assert verb("lock", "--check", "rootfs").code == 0
    assert len(locked.builder.requests) == 1


def test_debians_own_image_is_asked_where_the_lock_makes_none(shop: Workshop, verb: Verbs) -> None:
    """A family begins without a lock."""
    os_image(shop)
    shop.offer({"tini": "1"}, earlier=False)
    told = verb("lock")
    assert told.code == 0, told.err
    assert f"the present lock does not make it; asking the apt of {OFFICIAL}" in told.out
    assert asked_in(shop) == [OFFICIAL]
    assert shop.transport.moved == []


def test_a_changed_request_is_resolved_without_the_image_that_it_will_make(
    locked: Workshop, verb: Verbs
) -> None:
    os_image(locked, packages='["curl", "tini"]')
    locked.offer({"tini": "1", "curl": "8"}, earlier=False)
    told = verb("lock", "rootfs")
    assert told.code == 0, told.err
    assert asked_in(locked) == [OFFICIAL]
    assert locked.read_lock()["rootfs"]["//images/os"].items["curl"].version == "8"


def test_debians_image_comes_from_the_mirror_of_its_registry(
    shop: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    os_image(shop)
    shop.offer({"tini": "1"}, earlier=False)
    pyproject = (shop.root / "pyproject.toml").read_text()
    table = '[tool.buildlib.network.images]\n"docker.io" = "mirror.example.com/hub"\n'
    shop.file("pyproject.toml", f"{pyproject}\n{table}")
    mirrored = f"mirror.example.com/hub/library/{OFFICIAL}"
    pulled: list[str] = []

    def pull(reference: str, **_: Any) -> None:
        pulled.append(reference)
        shop.engine.add(reference)

    monkeypatch.setattr(shop.transport, "pull", pull)
    told = verb("lock")
    assert told.code == 0, told.err
    assert f"pulling {mirrored}" in told.out
    assert pulled == asked_in(shop) == [mirrored]


def test_where_no_image_can_be_had_a_person_is_asked_to_name_one(
    shop: Workshop, verb: Verbs
) -> None:
    os_image(shop)
    shop.offer({"tini": "1"}, earlier=False)
    shop.engine.remove(OFFICIAL)
    shop.transport.fail_next("no route to host")
    told = verb("lock")
    assert told.code == 1
    assert "images/os/BUILD.py:2: error: no Debian image is at hand" in told.err
    assert "no route to host" in told.err
    (fix,) = told.fixes
    assert fix.startswith("./doitw lock rootfs //images/os --image IMAGE")
    shop.engine.add("debian:at-hand")
    told = verb(*fix.partition("  #")[0].replace("IMAGE", "debian:at-hand").split()[1:])
    assert told.code == 0, told.err
    assert asked_in(shop) == ["debian:at-hand"]


def test_an_image_that_is_named_is_asked_whatever_there_is(locked: Workshop, verb: Verbs) -> None:
    locked.offer({"tini": "1"}, earlier=True)
    locked.engine.add("corp/debian:12")
    assert verb("lock", "--image", "corp/debian:12", "rootfs").code == 0
    assert asked_in(locked) == ["corp/debian:12"]
    assert locked.builder.requests == []
    locked.transport.fail_next("manifest unknown")
    told = verb("lock", "--image=corp/debian:13", "rootfs")
    assert told.code == 1
    assert "corp/debian:13 cannot be pulled: manifest unknown" in told.err


def test_without_an_engine_it_is_told_what_to_do(locked: Workshop, verb: Verbs) -> None:
    locked.engine.down = True
    before = locked.snapshot()
    told = verb("lock", "rootfs")
    assert told.code == 1
    assert told.fixes == ["sudo systemctl start docker"]
    assert locked.snapshot() == before


def test_the_certificates_of_this_machine_are_files_of_the_container(
    shop: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script is one argument, of at most 128 KiB: less than the usual bundle has."""
    bundle = shop.file("ca.pem", "a certificate\n" * 20_000).root / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    os_image(shop)
    shop.offer({"tini": "1"}, earlier=False)
    shop.network(apt=MIRROR.replace("http:", "https:"))
    given: list[tuple[str, bytes]] = []

    def run(image: str, script: str, *, files: Any, **_: Any) -> str:
        given.extend(files)
        assert f'Acquire::https::CAInfo "{given[0][0]}";' in script
        assert len(script) < 10_000
        return "unknown apt\nend of answer\n"

    monkeypatch.setattr(shop.engine, "run", run)
    assert "Debian has no package 'apt'" in verb("lock").err
    assert [data for _, data in given] == [bundle.read_bytes()]


# -- apt -------------------------------------------------------------------------------------------


@pytest.fixture
def aptish(shop: Workshop) -> Workshop:
    """An image that adds `curl` to its parent by apt."""
    shop.network(apt=MIRROR)
    shop.image("images/base")
    return shop.image("images/a", 'parent="//images/base", apt=["curl"]', CHILD)


def answer(shop: Workshop, version: str, *wanted: str) -> str:
    """Let apt answer with one version of curl; the script it is asked with."""
    script = packages_script(wanted or ("curl",), Archive(MIRROR))
    line = (
        f"'{MIRROR}/debian/pool/main/c/curl/curl_{version}_amd64.deb' "
        f"curl_{version}_amd64.deb 8 SHA256:{digest(f'curl {version}')}"
    )
    shop.engine.teach(script, stdout=f"{line}\nend of answer\n")
    return script


def test_an_images_packages_are_resolved_by_the_apt_of_its_parent(
    aptish: Workshop, verb: Verbs
) -> None:
    script = answer(aptish, "8.0")
    told = verb("lock", "apt")
    assert told.code == 0, told.err
    assert "building //images/base, whose packages count" in told.out
    assert aptish.engine.scripts == [(aptish.content_tag("//images/base"), script)]
    assert aptish.read_lock()["apt"]["//images/a"].items == {
        "curl": Item("8.0", digest("curl 8.0"), 8, "debian/pool/main/c/curl/curl_8.0_amd64.deb")
    }
    assert len(aptish.builder.requests) == 1
    assert verb("lock", "apt").out.count("building") == 0
    assert len(aptish.builder.requests) == 1


@pytest.fixture
def stack(shop: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """os <- a <- b <- c, of which all but b add packages; d stands beside b. All are locked."""
    monkeypatch.setattr(  # the packages here are none that could be unpacked
        "buildlib.outside.debian.rootfs.write_rootfs", lambda debs, out, **_: out.write(b"a system")
    )
    shop.network(apt=MIRROR)
    os_image(shop)
    shop.offer({"tini": "1"})
    for package, parent, apt in (("a", "os", "curl"), ("b", "a", ""), ("c", "b", "less"),
                                 ("d", "a", "less")):  # fmt: skip
        more = f', apt=["{apt}"]' if apt else ""
        shop.image(f"images/{package}", f'parent="//images/{parent}"{more}', CHILD)
    answer(shop, "8.0", "curl")
    answer(shop, "8.0", "less")
    for name in (*MINIMAL, "tini"):
        shop.stored(f"{name} 1".encode())
    for name, version in (("curl", "8.0"), ("curl", "8.1")):
        shop.stored(f"{name} {version}".encode())
    told = verb("lock")
    assert told.code == 0, told.err
    assert verb("plan").fixes == []
    return shop


def test_packages_are_resolved_anew_where_the_root_file_system_moved(
    stack: Workshop, verb: Verbs
) -> None:
    stack.offer({"tini": "2"})
    stack.stored(b"tini 2")
    answer(stack, "8.1", "less")
    told = verb("lock", "rootfs")
    assert told.code == 0, told.err
    for label in ("//images/a", "//images/c", "//images/d"):
        assert f"apt of {label}, which was resolved on other pins" in told.out
    assert stack.read_lock()["apt"]["//images/d"].items["curl"].version == "8.1"
    assert verb("plan").fixes == []


def test_check_of_what_moved_leaves_what_stands_on_it(stack: Workshop, verb: Verbs) -> None:
    stack.offer({"tini": "2"})
    before = stack.snapshot()
    told = verb("lock", "--check", "rootfs")
    assert told.code == 1
    assert "1 pin has drifted" in told.out
    assert stack.snapshot() == before


def test_pins_of_a_parent_that_came_with_a_merge_are_mended_by_one_command(
    stack: Workshop, verb: Verbs
) -> None:
    lock = stack.read_lock()
    items = {**lock["rootfs"]["//images/os"].items}
    items["tini"] = Item("2", digest("tini 2"), 6, "debian/pool/tini.deb")
    lock["rootfs"]["//images/os"] = lock["rootfs"]["//images/os"]._replace(items=items)
    stack.lock(lock)
    stack.stored(b"tini 2")
    told = verb("build")
    assert told.code == 3
    assert "images/a/BUILD.py:2: error: the apt entry of //images/a" in told.err
    assert told.fixes == ["./doitw lock apt //images/a"]
    told = verb("lock", "apt", "//images/a")
    assert told.code == 0, told.err
    assert verb("plan").fixes == []


def test_another_platform_is_another_request(stack: Workshop, verb: Verbs) -> None:
    """The packages of a root file system are those of one architecture."""
    stack.replace("images/os/BUILD.py", "packages=", 'platform="linux/arm64", packages=')
    stack.offer({"tini": "1"})
    told = verb("build")
    assert told.code == 3
    assert told.fixes == ["./doitw lock rootfs //images/os"]
    assert verb("lock", "rootfs", "//images/os").code == 0
    assert verb("plan").fixes == []


def test_no_mirror_gets_into_the_lock(aptish: Workshop, verb: Verbs) -> None:
    answer(aptish, "8.0")
    assert verb("lock").code == 0
    assert "mirror.example.com" not in (aptish.root / "images.lock").read_text()


def test_what_apt_says_to_an_unknown_name_is_told_at_the_declaration(
    aptish: Workshop, verb: Verbs
) -> None:
    script = packages_script(["curl"], Archive(MIRROR))
    aptish.engine.teach(script, stdout="unknown curl\nknown curly\nend of answer\n")
    told = verb("lock", "apt")
    assert told.code == 3
    assert (
        "images/a/BUILD.py:2: error: Debian has no package 'curl'; did you mean curly?" in told.err
    )
    assert 'fix: write "curly"' in told.err


def test_an_apt_that_fails_is_told_at_the_declaration(aptish: Workshop, verb: Verbs) -> None:
    script = packages_script(["curl"], Archive(MIRROR))
    aptish.engine.teach(script, stderr="E: Could not resolve\n", code=100)
    told = verb("lock", "apt")
    assert told.code == 1
    assert "images/a/BUILD.py:2: error:" in told.err
    assert "E: Could not resolve" in told.err


def test_a_mirror_that_is_not_debians_is_told_with_the_setting(
    aptish: Workshop, verb: Verbs
) -> None:
    script = packages_script(["curl"], Archive(MIRROR))
    said = f"E: The repository '{MIRROR}/debian bookworm InRelease' is not signed.\n{UNREAD}\n"
    aptish.engine.teach(script, stderr=said, code=100)
    told = verb("lock", "apt")
    assert told.code == 1
    assert "is not signed" in told.err
    assert told.fixes == ['set apt = "http://MIRROR" in [tool.buildlib.network] of pyproject.toml']


def test_lock_of_packages_without_an_engine_says_what_to_do(aptish: Workshop, verb: Verbs) -> None:
    aptish.engine.down = True
    told = verb("lock", "apt")
    assert told.code == 1
    assert told.fixes == ["sudo systemctl start docker"]


# -- images ----------------------------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a registry says, by reference; an exception is raised."""
    import docker.errors

    answers: dict[str, Any] = {}

    def inspect(reference: str) -> dict[str, Any]:
        if reference not in answers:
            raise docker.errors.NotFound("manifest unknown")
        return {"Descriptor": {"digest": f"sha256:{answers[reference]}"}}

    client = SimpleNamespace(inspect_distribution=inspect, close=lambda: None)
    monkeypatch.setattr("buildlib.engine.sdk.client_of", lambda *_, **__: client)
    return answers


def test_an_image_is_locked_to_the_digest_of_its_tag(
    shop: Workshop, verb: Verbs, registry: dict[str, Any]
) -> None:
    shop.build("images/x", 'external_image(name="x", image="localhost:5000/library/debian:12")')
    registry["localhost:5000/library/debian:12"] = digest("one")
    assert verb("lock", "image").code == 0
    entry = shop.read_lock()["image"]["//images/x"]
    assert entry.asked == ("localhost:5000/library/debian:12", "linux/amd64")
    reference = "localhost:5000/library/debian:12"
    assert entry.items == {reference: Item("12", digest("one"), 0, reference)}
    before = shop.key("//images/x")
    registry[reference] = digest("two")
    assert verb("lock", "--check").code == 1
    assert verb("lock").code == 0
    assert shop.key("//images/x") != before


def test_a_tag_that_moved_is_drift_though_its_name_is_the_same(
    shop: Workshop, verb: Verbs, registry: dict[str, Any]
) -> None:
    shop.build("images/x", 'external_image(name="x", image="debian:12")')
    registry["debian:12"] = digest("one")
    assert verb("lock").code == 0
    registry["debian:12"] = digest("two")
    told = verb("lock", "--check")
    assert told.code == 1
    assert "12 -> 12" not in told.out, "a person sees no difference in it"


def test_an_image_that_no_registry_has_is_told_with_what_to_try(
    shop: Workshop, verb: Verbs, registry: dict[str, Any]
) -> None:
    shop.build("images/x", 'external_image(name="x", image="debian:13")')
    told = verb("lock")
    assert told.code == 1
    assert "the registry of debian:13 does not say what it is" in told.err
    assert told.fixes[0].startswith("docker pull debian:13")


# -- downloads -------------------------------------------------------------------------------------


def fetched(shop: Workshop, *urls: str, more: str = "") -> Workshop:
    return shop.build("tools", f'download(name="spark", urls={list(urls)!r}, {more})')


def test_a_download_is_locked_to_what_its_address_serves(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    outside.add("/spark-3.5.tgz", b"spark")
    fetched(shop, f"{outside.url}/spark-3.5.tgz?mirror=1")
    outside.files["/spark-3.5.tgz?mirror=1"] = b"spark"
    assert verb("lock", "download").code == 0
    entry = shop.read_lock()["download"]["//tools:spark"]
    assert entry.items == {
        "spark-3.5.tgz": Item("-", digest("spark"), 5, f"{outside.url}/spark-3.5.tgz?mirror=1")
    }


def test_a_download_that_changed_is_drift(shop: Workshop, verb: Verbs, outside: Server) -> None:
    outside.add("/f", b"one")
    fetched(shop, f"{outside.url}/f")
    assert verb("lock").code == 0
    outside.files["/f"] = b"two"
    before = shop.snapshot()
    assert verb("lock", "--check").code == 1
    assert shop.snapshot() == before


def test_the_second_address_will_do_where_the_first_is_gone(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    outside.add("/new/f", b"one")
    fetched(shop, f"{outside.url}/old/f", f"{outside.url}/new/f")
    told = verb("lock")
    assert told.code == 0, told.err
    assert shop.read_lock()["download"]["//tools:spark"].items["f"].sha256 == digest("one")


def test_an_address_that_serves_nothing_is_no_traceback(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    outside.script["/f"] = [status(404)]
    fetched(shop, f"{outside.url}/f")
    told = verb("lock")
    assert told.code == 1
    assert told.err.count(f"{outside.url}/f") == 1, "the address stands there once"
    assert "fix: correct the address in urls (tools/BUILD.py:" in told.err


def test_what_is_locked_is_what_a_fetch_gets_from_a_server_that_labels_archives_as_encoded(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    """Some servers say `Content-Encoding: gzip` of a .tgz: the file is the bytes as sent."""
    packed = gzip.compress(b"spark", mtime=0)

    def serve(handler, data):
        handler.head(200, Content_Length=len(packed), Content_Encoding="gzip")
        handler.wfile.write(packed)

    outside.script["/spark.tgz"] = [serve] * 8
    fetched(shop, f"{outside.url}/spark.tgz")
    assert verb("lock").code == 0
    shop.remove("../store")
    told = verb("fetch")
    assert told.code == 0, told.err
    pin = shop.read_lock()["download"]["//tools:spark"].items["spark.tgz"]
    assert shop.open().store.has(pin.sha256, len(packed))


def test_a_file_of_the_index_is_locked_by_its_name_and_fetched_from_any_index(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    """The lock names no site: the same lock works with another mirror."""
    for site in ("one", "two"):
        listed = b'<a href="../../files/x-1.0.tar.gz">x</a>'
        outside.add(f"/{site}/simple/x/", listed)
        outside.add(f"/{site}/files/x-1.0.tar.gz", b"spark")
    shop.network(pypi=f"{outside.url}/one/simple")
    fetched(shop, "pypi:x/x-1.0.tar.gz")
    assert verb("lock").code == 0
    assert shop.read_lock()["download"]["//tools:spark"].items == {
        "x-1.0.tar.gz": Item("-", digest("spark"), 5, "pypi:x/x-1.0.tar.gz")
    }
    shop.network(pypi=f"{outside.url}/two/simple")
    shop.remove("../store")
    assert verb("fetch").code == 0
    assert shop.open().store.has(digest("spark"), 5)


def test_a_file_that_the_index_lacks_is_told(shop: Workshop, verb: Verbs, outside: Server) -> None:
    outside.add("/simple/x/", b"<html></html>")
    shop.network(pypi=f"{outside.url}/simple")
    fetched(shop, "pypi:x/x-1.0.tar.gz")
    told = verb("lock")
    assert told.code == 1
    assert "does not list x-1.0.tar.gz" in told.err
    assert "pyproject.toml" in told.fixes[0]


# -- sections, targets, what is gone ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("pyton",), "python"),
        (("rootf",), "rootfs"),
        (("downloads",), "download"),
        (("mavn",), "maven"),
    ],
)
def test_a_misspelt_section_is_refused_with_the_line_to_paste(
    shop: Workshop, verb: Verbs, words: tuple[str, ...], meant: str
) -> None:
    shop.image("images/a")
    told = verb("lock", *words)
    assert told.code == 3
    assert f"did you mean {meant}?" in told.err
    assert told.fixes == [f"./doitw lock {meant}"]


def test_a_misspelt_target_is_refused_with_the_line_to_paste(shop: Workshop, verb: Verbs) -> None:
    shop.image("images/kernel-py")
    told = verb("lock", "//images/kernel-pi")
    assert told.code == 3
    assert "did you mean //images/kernel-py?" in told.err
    assert told.fixes == ["./doitw lock //images/kernel-py"]


def test_only_what_is_named_is_locked(shop: Workshop, verb: Verbs, outside: Server) -> None:
    os_image(shop)
    shop.offer({"tini": "1"})
    outside.add("/f", b"one")
    fetched(shop, f"{outside.url}/f")
    assert verb("lock", "download", "//...").code == 0
    assert list(shop.read_lock()) == ["download"]
    assert verb("lock", "//images/os").code == 0
    assert list(shop.read_lock()) == ["download", "rootfs"]


def test_entries_of_removed_targets_go_when_another_moves(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    os_image(shop)
    shop.offer({"tini": "1"})
    outside.add("/f", b"one")
    fetched(shop, f"{outside.url}/f")
    assert verb("lock").code == 0
    shop.remove("tools")
    shop.offer({"tini": "2"})
    assert verb("lock").code == 0
    assert list(shop.read_lock()) == ["rootfs"]


def test_entries_of_removed_targets_go_though_nothing_else_moves(
    shop: Workshop, verb: Verbs
) -> None:
    os_image(shop)
    os_image(shop, "images/other", "[]")
    shop.offer({"tini": "1"})
    assert verb("lock").code == 0
    shop.remove("images/other")
    assert verb("lock").code == 0
    assert list(shop.read_lock()["rootfs"]) == ["//images/os"]


def test_an_interrupted_refresh_keeps_what_was_locked_before(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    outside.add("/one", b"one")
    shop.build(
        "tools",
        f'download(name="a", urls=["{outside.url}/one"])',
        f'download(name="b", urls=["{outside.url}/gone"])',
    )
    assert verb("lock").code == 1
    assert list(shop.read_lock()["download"]) == ["//tools:a"]


def test_a_missing_entry_is_told_at_the_declaration_with_the_line_that_makes_it(
    shop: Workshop, verb: Verbs, outside: Server
) -> None:
    outside.add("/f", b"one")
    fetched(shop, f"{outside.url}/f")
    told = verb("build")
    assert told.code == 3
    assert "tools/BUILD.py:2: error: images.lock has no download entry" in told.err
    (fix,) = told.fixes
    assert fix == "./doitw lock //tools:spark"
    assert verb(*fix.split()[1:]).code == 0
    assert verb("plan").fixes == []


def test_pins_of_another_request_are_not_taken(shop: Workshop) -> None:
    fetched(shop, "https://example.org/b")
    shop.lock(lock_of("download", "//tools:spark", ("https://example.org/a",), {}))
    with pytest.raises(InputError, match=r"\+https://example.org/b -https://example.org/a"):
        shop.key("//tools:spark")


def test_an_error_in_a_declaration_stays_what_it_is(shop: Workshop, verb: Verbs) -> None:
    shop.build("images/a", 'docker_image(name="a", dockerfile="Dockerfil")')
    told = verb("lock")
    assert told.code == 3
    assert told.err.startswith("images/a/BUILD.py:2: error: ")
    assert "sections of the lock" not in told.err
