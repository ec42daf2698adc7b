"""Jars of a Maven repository: listed by Maven, pinned, and built into a tar without it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.core.model.lock import Item
from tests.support import stub_maven
from tests.support.workspace import digest
from tests.unit.fetch_server import Server, status

APP = "maven of //tools:app would be locked anew"


class Repository:
    """A Maven repository below a path of a web server, and the stub that resolves from it."""

    def __init__(self, server: Server, seen: Path) -> None:
        self.server = server
        self.url = f"{server.url}/maven"
        self.seen = seen

    def add(self, coordinates: str, *needs: str, jar: str = "") -> None:
        """Publish an artifact with the lines of its dependencies; its jar holds its coordinates."""
        group, artifact, version, *classifier = coordinates.split(":")
        folder = f"/maven/{group.replace('.', '/')}/{artifact}/{version}/"
        name = "-".join([artifact, version, *classifier])
        self.server.add(f"{folder}{name}.jar", (jar or coordinates).encode())
        self.server.add(f"{folder}{artifact}-{version}.pom", "\n".join(needs).encode())

    def environment(self) -> dict[str, str]:
        """The variables that are about Maven, as the stub saw them."""
        found: dict[str, str] = json.loads(self.seen.read_text())
        return found


@pytest.fixture
def maven(
    shop: Workshop, outside: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    program = tmp_path / "bin/mvn"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stub_maven.__file__}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STUB_MAVEN_SEEN", str(tmp_path / "seen.json"))
    repository = Repository(outside, tmp_path / "seen.json")
    shop.network(maven=repository.url)
    return repository


def jars(shop: Workshop, *artifacts: str, more: str = "") -> Workshop:
    names = list(artifacts)
    return shop.build(
        "tools", f'maven_jars(name="app", artifacts={names!r}, folder="opt/app/lib", {more})'
    )


def app(shop: Workshop, maven: Repository) -> Workshop:
    """One artifact that needs another at runtime, which needs two; and what only tests need."""
    maven.add("org.app:app:1.0", "org.log:log:jar:2:runtime", "org.test:junit:jar:4:test")
    maven.add("org.log:log:2", "org.log:api:jar:2:compile", "net.io:fast:jar:linux:3:compile")
    maven.add("org.log:api:2")
    maven.add("net.io:fast:3:linux")
    return jars(shop, "org.app:app:1.0")


ALL = ["api-2.jar", "app-1.0.jar", "fast-3-linux.jar", "log-2.jar"]


def test_all_that_runs_is_pinned_by_its_bytes_at_an_address_of_no_site(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    told = verb("lock", "maven")
    assert told.code == 0, told.err
    entry = shop.read_lock()["maven"]["//tools:app"]
    assert entry.asked == ("org.app:app:1.0",)
    assert sorted(entry.items) == ALL
    assert entry.items["fast-3-linux.jar"] == Item(
        "3", digest("net.io:fast:3:linux"), 19, "maven:net.io:fast:3:linux"
    )
    assert maven.url not in (shop.root / "images.lock").read_text()
    assert verb("lock", "--check").code == 0


def test_a_build_makes_one_tar_without_maven_and_without_the_network(
    shop: Workshop, verb: Verbs, maven: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    app(shop, maven)
    assert verb("lock").code == 0
    assert shop.action("//tools:app") == "build"
    monkeypatch.setenv("PATH", "/nowhere")
    maven.server.files.clear()
    shop.build_targets("//tools:app")
    found = shop.members("//tools:app", "app.tar")
    assert sorted(found) == ["opt", "opt/app", "opt/app/lib", *(f"opt/app/lib/{n}" for n in ALL)]
    assert {entry.mode for name, entry in found.items() if name.endswith(".jar")} == {0o644}
    assert shop.action("//tools:app") == "fresh"


def test_a_new_machine_fetches_what_is_pinned_from_any_repository(
    shop: Workshop, verb: Verbs, maven: Repository, tmp_path: Path
) -> None:
    app(shop, maven)
    assert verb("lock").code == 0
    files = maven.server.files
    files.update({f"/mirror{path}": data for path, data in files.items()})
    shop.network(maven=f"{maven.server.url}/mirror/maven/")
    shop.remove("../store")
    assert verb("fetch", "--to", str(tmp_path / "air")).code == 0
    shop.store = tmp_path / "air"
    maven.server.files.clear()
    shop.build_targets("//tools:app")
    assert len(shop.members("//tools:app", "app.tar")) == 3 + len(ALL)


def test_other_bytes_than_those_that_are_pinned_are_no_build(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    assert verb("lock").code == 0
    maven.add("org.log:api:2", jar="other-api-2")
    shop.remove("../store")
    told = verb("fetch")
    assert told.code == 1
    assert "api-2.jar" in told.err
    told = verb("lock", "--check")
    assert told.code == 1
    assert "1 pin has drifted" in told.out


def test_what_is_excluded_goes_with_what_only_it_needs(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    jars(shop, "org.app:app:1.0", more='exclude=["net.io:*"]')
    assert verb("lock").code == 0
    entry = shop.read_lock()["maven"]["//tools:app"]
    assert sorted(entry.items) == ["api-2.jar", "app-1.0.jar", "log-2.jar"]
    jars(shop, "org.app:app:1.0", more='exclude=["org.log:log"]')
    assert verb("lock").code == 0
    assert sorted(shop.read_lock()["maven"]["//tools:app"].items) == ["app-1.0.jar"]


def test_a_request_without_pins_says_what_to_run(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    for words in (("plan",), ("why", "//tools:app"), ("build",)):
        told = verb(*words)
        assert "./doitw lock" in told.out + told.err, words
        assert "//tools:app" in told.out + told.err, words
    assert verb("lock").code == 0
    maven.add("org.more:more:1")
    jars(shop, "org.app:app:1.0", "org.more:more:1")
    assert f"{APP}: +org.more:more:1" in " ".join(verb("plan").out.split())
    told = verb("build")
    assert told.fixes == ["./doitw lock maven //tools:app"]
    assert verb("lock").code == 0
    assert "more-1.jar" in shop.read_lock()["maven"]["//tools:app"].items


def test_the_order_of_artifacts_is_no_request(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    maven.add("org.more:more:1")
    jars(shop, "org.app:app:1.0", "org.more:more:1")
    assert verb("lock").code == 0
    key = shop.key("//tools:app")
    jars(shop, "org.more:more:1", "org.app:app:1.0")
    assert shop.key("//tools:app") == key


def test_maven_is_told_nothing_of_the_person_who_locks(
    shop: Workshop, verb: Verbs, maven: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAVEN_ARGS", "-Dscope=test")
    monkeypatch.setenv("MAVEN_OPTS", "-Dmaven.repo.local=/elsewhere")
    app(shop, maven)
    assert verb("lock").code == 0
    told = maven.environment()
    assert told.pop("STUB_MAVEN_SEEN")
    assert told == {"MAVEN_SKIP_RC": "1"}


def test_a_password_of_the_repository_reaches_neither_maven_nor_the_lock(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    shop.network(maven=maven.url.replace("//", "//me:secret@"))
    assert verb("lock").code == 0
    asked = [headers for path, headers in maven.server.requests if path.startswith("/maven/")]
    assert asked
    assert all(headers.get("Authorization", "").startswith("Basic ") for headers in asked)
    assert "secret" not in (shop.root / "images.lock").read_text()


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_machine_without_maven_is_told_what_to_install(
    shop: Workshop, verb: Verbs, maven: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    app(shop, maven)
    monkeypatch.setenv("PATH", "/nowhere")
    told = verb("lock")
    assert told.code == 1
    assert "tools/BUILD.py:" in told.err
    assert "there is no mvn on this machine" in told.err
    assert told.fixes[0].startswith("sudo apt-get install -y maven")


def test_an_artifact_that_does_not_exist_is_told_in_mavens_words(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    jars(shop, "org.app:app:1.0")
    told = verb("lock")
    assert told.code == 1
    assert "tools/BUILD.py:" in told.err
    assert "\n  Could not resolve dependencies: 404\n  fix: correct artifacts there" in told.err
    assert "images.lock" not in os.listdir(shop.root)


def test_a_jar_that_was_asked_for_and_has_no_file_is_no_case_for_an_exclusion(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    del maven.server.files["/maven/org/app/app/1.0/app-1.0.jar"]
    told = verb("lock")
    assert told.code == 1
    assert told.fixes[0].startswith("correct org.app:app:1.0 in artifacts there")


def test_a_repository_that_refuses_is_told_in_ours(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    maven.server.script["/maven/org/log/log/2/log-2.pom"] = [status(403)] * 9
    told = verb("lock")
    assert told.code == 1
    assert "403" in told.err
    assert "/maven/org/log/log/2/log-2.pom" in told.err
    assert "[tool.buildlib.network]" in told.fixes[0]


def test_a_jar_that_the_repository_lacks_is_told(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    app(shop, maven)
    del maven.server.files["/maven/org/log/api/2/api-2.jar"]
    told = verb("lock")
    assert told.code == 1
    assert "api-2.jar" in told.err
    assert told.fixes[0].startswith('exclude = ["org.log:api"]')


def test_two_jars_of_one_name_are_refused(shop: Workshop, verb: Verbs, maven: Repository) -> None:
    maven.add("org.one:x:1")
    maven.add("org.two:x:1")
    jars(shop, "org.one:x:1", "org.two:x:1")
    told = verb("lock")
    assert told.code == 1
    assert "maven:org.one:x:1 and maven:org.two:x:1 are jars of one name" in told.err
    assert told.fixes == ['exclude = ["org.two:x"]']


# -- a single jar ----------------------------------------------------------------------------------


def test_a_download_may_be_a_jar_of_the_repository(
    shop: Workshop, verb: Verbs, maven: Repository
) -> None:
    maven.add("org.app:app:1.0:tests")
    shop.build("tools", 'download(name="jar", urls=["maven:org.app:app:1.0:tests"])')
    assert verb("lock", "download").code == 0
    assert shop.read_lock()["download"]["//tools:jar"].items == {
        "app-1.0-tests.jar": Item(
            "-", digest("org.app:app:1.0:tests"), 21, "maven:org.app:app:1.0:tests"
        )
    }
    shop.remove("../store")
    assert verb("fetch").code == 0
    assert shop.open().store.has(digest("org.app:app:1.0:tests"), 21)
