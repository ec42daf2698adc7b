"""`prune --remote`: what goes from a registry and what stays; the fake, and Debian's own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.build.sharing.entry import ARTIFACT
from buildlib.core.store.names import key_digits
from buildlib.outside.registry.client import connect
from buildlib.outside.registry.protocol import (
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Registry,
)
from tests.fakes.registry import FakeRegistry
from tests.support.registry import registry as real_registry

DAY = 86400
A, STORE = "elyra/a", "elyra/store"
FOREIGN = "f" * 64


class Shared:
    """A registry that a test fills as builds would."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def image(self, key: str, days: float = 30, *, content: str = "", record: bool = True) -> str:
        """An image under its key, with its record; the digest of its manifest."""
        config = self.registry.put_blob(A, json.dumps({"content": content or key}).encode())
        plain = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": blob("application/vnd.oci.image.config.v1+json", config),
            "layers": [],
        }
        manifest = Manifest(OCI_MANIFEST, json.dumps(plain).encode())
        self.registry.put_manifest(A, f"key-{key_digits(key)}", manifest)
        if record:
            self.record(A, key, days, manifest)
        return manifest.digest

    def record(
        self, repository: str, key: str, days: float = 30, subject: Manifest | None = None
    ) -> str:
        """The record of a key; of files where it is about no image."""
        empty = blob(OCI_EMPTY, self.registry.put_blob(repository, b"{}"))
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * DAY))
        plain = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": ARTIFACT,
            "config": empty,
            "layers": [empty],
            "annotations": {"org.opencontainers.image.created": created, "key": key},
        }
        if subject is not None:
            plain["subject"] = blob(OCI_MANIFEST, subject.digest, len(subject.data))
        manifest = Manifest(OCI_MANIFEST, json.dumps(plain).encode())
        self.registry.put_manifest(repository, f"record-{key_digits(key)}", manifest)
        return manifest.digest

    def tag(self, tag: str, key: str) -> None:
        """Give the image of a key another tag."""
        manifest = self.registry.manifest(A, f"key-{key_digits(key)}")
        assert manifest
        self.registry.put_manifest(A, tag, manifest)

    def has(self, key: str, kind: str = "key", repository: str = A) -> bool:
        return self.registry.head(repository, f"{kind}-{key_digits(key)}") is not None


def blob(kind: str, digest: str, size: int = 2) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest, "size": size}


def keyed(number: int) -> str:
    """A key that no declaration has."""
    return f"{number:032x}" * 2


@pytest.fixture(params=["fake", "real"])
def shared(request: pytest.FixtureRequest) -> Iterator[Shared]:
    if request.param == "fake":
        yield Shared(FakeRegistry())
        return
    with real_registry() as there:
        yield Shared(connect(there.host))


@pytest.fixture
def prune(
    shop: Workshop, verb: Verbs, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, list[dict[str, str]]]]:
    """`prune("--yes")`: the report of `prune --remote` in a workspace of one image."""
    shop.setting("registry", shared.registry.host)
    shop.image("images/a")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", "-C", str(shop.root), *who, *words], check=True)
    monkeypatch.setattr(shop, "registry", shared.registry)
    shop.engine.down = True  # a registry is pruned where no engine is

    def run(*words: str, code: int = 0) -> dict[str, list[dict[str, str]]]:
        told = verb("prune", "--remote", "--json", *words)
        assert told.code == code, told.out + told.err
        found: dict[str, list[dict[str, str]]] = json.loads(told.out)
        return found

    return run


def names(rows: list[dict[str, str]]) -> set[str]:
    return {row["name"].partition("/")[2] for row in rows}


def test_old_content_goes_with_its_record(shared: Shared, prune, shop: Workshop) -> None:
    present = shop.key("//images/a")
    for key, days in ((keyed(1), 30), (keyed(2), 3), (present, 30)):
        shared.image(key, days)
    shared.record(STORE, keyed(3))
    shared.record(STORE, keyed(4), days=1)
    expected = {
        f"{A}:key-{key_digits(keyed(1))}",
        f"{A}:record-{key_digits(keyed(1))}",
        f"{STORE}:record-{key_digits(keyed(3))}",
    }
    dry = prune()
    assert names(dry["would_delete"]) == expected
    assert shared.has(keyed(1))
    done = prune("--yes")
    assert names(done["deleted"]) == expected
    assert done["failed"] == []
    assert not shared.has(keyed(1))
    assert not shared.has(keyed(1), "record")
    assert not shared.has(keyed(3), "record", STORE)
    assert shared.has(keyed(2))
    assert shared.has(keyed(2), "record")
    assert shared.has(keyed(4), "record", STORE)
    assert shared.has(present)
    assert shared.registry.tags(A) == sorted(
        f"{kind}-{key_digits(key)}" for kind in ("key", "record") for key in (keyed(2), present)
    )
    assert prune("--yes")["deleted"] == []


def test_a_release_keeps_its_digest_and_all_that_is_tagged_with_it(shared: Shared, prune) -> None:
    """A registry deletes by digest: no other tag of a release's digest may take it along."""
    one, other = keyed(1), keyed(2)
    digest = shared.image(one, content="same")
    assert shared.image(other, content="same") == digest
    shared.tag("2.5.0", one)
    told = prune("--yes")
    assert told["deleted"] == []
    assert shared.registry.head(A, "2.5.0") == digest
    assert shared.has(one, "record")
    assert {row["reason"] for row in told["kept"] if "key-" in row["name"]} == {f"it is {A}:2.5.0"}


def test_one_kept_key_keeps_the_other_on_its_digest(shared: Shared, prune, shop: Workshop) -> None:
    shared.image(keyed(1), content="same")
    shared.image(shop.key("//images/a"), content="same")
    told = prune("--yes")
    assert told["deleted"] == []
    reasons = {row["name"].partition(":")[2]: row["reason"] for row in told["kept"]}
    assert any("goes only together with" in reason for reason in reasons.values())
    assert shared.has(keyed(1))


def test_what_an_index_with_a_tag_names_stays(shared: Shared, prune) -> None:
    digest = shared.image(keyed(1))
    manifest = shared.registry.manifest(A, digest)
    assert manifest
    inner = {
        **blob(OCI_MANIFEST, digest, len(manifest.data)),
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    plain = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]}
    shared.registry.put_manifest(A, "latest", Manifest(OCI_INDEX, json.dumps(plain).encode()))
    assert prune("--yes")["deleted"] == []
    assert shared.registry.head(A, digest) == digest


def test_what_no_record_is_about_stays(shared: Shared, prune) -> None:
    """Foreign images, and pushes that are under way."""
    shared.image(FOREIGN, record=False)
    shared.image(keyed(1))
    other = shared.image(keyed(2), record=False)
    record = shared.registry.manifest(A, f"record-{key_digits(keyed(1))}")
    assert record
    shared.registry.put_manifest(A, f"record-{key_digits(keyed(2))}", record)  # of another image
    told = prune("--yes")
    assert shared.has(FOREIGN)
    assert shared.registry.head(A, f"key-{key_digits(keyed(2))}") == other
    assert {row["reason"] for row in told["kept"] if row["name"].endswith(key_digits(FOREIGN))} == {
        "no record says that a build of ours made it"
    }


def test_releases_and_claims_are_never_looked_at(shared: Shared, prune) -> None:
    releases = "elyra/releases"
    shared.record(releases, keyed(1))
    record = shared.registry.manifest(releases, f"record-{key_digits(keyed(1))}")
    assert record
    for tag in ("2.5.0", "claim-2.5.0"):
        shared.registry.put_manifest(releases, tag, record)
    before = shared.registry.tags(releases)
    assert prune("--yes")["deleted"] == []
    assert shared.registry.tags(releases) == before


def test_people_are_told_about_the_garbage_collection(shared: Shared, prune, verb: Verbs) -> None:
    shared.image(keyed(1))
    assert "garbage collection" not in verb("prune", "--remote").out
    assert "garbage collection" in verb("prune", "--remote", "--yes").out


def test_a_shallow_clone_is_refused(prune, verb: Verbs, shop: Workshop, tmp_path: Path) -> None:
    (shop.root / ".git").rename(tmp_path / "git")
    told = verb("prune", "--remote")
    assert told.code == 3
    assert "what branches and commits need is not known" in told.err


# what only a fake can be told to do


@pytest.fixture
def fake(shared: Shared) -> FakeRegistry:
    if not isinstance(shared.registry, FakeRegistry):
        pytest.fail("parametrize with the fake only")
    return shared.registry


only_fake = pytest.mark.parametrize("shared", ["fake"], indirect=True)


@only_fake
def test_a_registry_that_forbids_deleting_is_told(
    shared: Shared, fake: FakeRegistry, prune
) -> None:
    shared.image(keyed(1))
    fake.refuse("delete", "answers 405 Method Not Allowed")
    told = prune("--yes", code=1)
    assert told["deleted"] == []
    assert len(told["failed"]) == 2
    assert "405" in told["failed"][0]["why"]
    assert shared.has(keyed(1), "record")  # the image is still there, so what it says is true


@only_fake
def test_what_is_released_meanwhile_stays(shared: Shared, fake: FakeRegistry, prune) -> None:
    digest = shared.image(keyed(1))
    shared.image(keyed(2))
    looks: list[str] = []

    def release(call: str, repository: str, reference: str) -> None:
        if call == "tags" and repository == A:
            looks.append(call)
            if len(looks) == 2:
                fake.before = None
                shared.tag("9.9.9", keyed(1))

    fake.before = release
    told = prune("--yes", code=1)
    assert fake.head(A, "9.9.9") == digest
    assert names(told["deleted"]) == {
        f"{A}:{kind}-{key_digits(keyed(2))}" for kind in ("key", "record")
    }
    assert f"it became {A}:9.9.9 meanwhile" in {row["why"] for row in told["failed"]}


@only_fake
def test_a_registry_that_ends_in_the_middle_leaves_a_true_report(
    shared: Shared, fake: FakeRegistry, prune, shop: Workshop
) -> None:
    for number in (1, 2, 3):
        shared.image(keyed(number))
    deletes: list[str] = []

    def end(call: str, repository: str, reference: str) -> None:
        if call == "delete":
            deletes.append(reference)
            fake.down = len(deletes) > 2

    fake.before = end
    told = prune("--yes", code=1)
    fake.before, fake.down = None, False
    gone = {row["digest"] for row in told["deleted"]}
    assert gone == set(deletes[:2])
    assert [fake.head(A, digest) for digest in sorted(gone)] == [None, None]
    for row in told["failed"]:
        assert fake.head(A, row["digest"]) is not None
    path = shop.root / ".buildlib" / "reports" / "prune.json"
    assert json.loads(path.read_text()) == told
    again = prune("--yes")
    assert {row["digest"] for row in again["deleted"]} == {row["digest"] for row in told["failed"]}


@only_fake
def test_a_registry_that_does_not_answer_is_an_error(
    fake: FakeRegistry, prune, verb: Verbs
) -> None:
    fake.down = True
    told = verb("prune", "--remote", "--yes")
    assert told.code == 1
    assert "cannot be reached" in told.err
