"""Our client of registries when things go wrong on the way: a real registry behind a bad line."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildlib.build.workspace import Outside
from buildlib.errors import ActionError
from buildlib.outside.registry.client import connect
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest, RegistryUnavailable
from buildlib.outside.registry.upload import CHUNK
from buildlib.outside.web.retry import Retry
from tests.support.registry import Registry, registry
from tests.support.troubled import Seen, Troubled, troubled

HASTY = Retry(attempts=4, first_delay=0.01, longest_delay=0.05, connect_timeout=5, read_timeout=30)
HERE = "elyra/kernel-py"
UPLOADS = "/blobs/uploads/"


class World:
    """A registry, the bad line to it, our client, and how long it waited."""

    def __init__(self, there: Registry, way: Troubled, retry: Retry = HASTY) -> None:
        self.there = there
        self.way = way
        self.waits: list[float] = []
        self.client = connect(way.host, retry=retry, wait=self.waits.append)


@pytest.fixture
def world() -> Iterator[World]:
    with registry() as there, troubled(there.host) as way:
        yield World(there, way)


@pytest.fixture
def big(tmp_path: Path) -> tuple[str, str]:
    """A file of two and a half chunks, and its digest."""
    data = os.urandom(CHUNK // 2) * 5
    path = tmp_path / "big"
    path.write_bytes(data)
    return str(path), "sha256:" + hashlib.sha256(data).hexdigest()


def manifest(client) -> Manifest:
    digest = client.put_blob(HERE, b"{}")
    config = (
        f'{{"mediaType": "application/vnd.oci.empty.v1+json", "digest": "{digest}", "size": 2}}'
    )
    plain = (
        f'{{"schemaVersion": 2, "mediaType": "{OCI_MANIFEST}", "config": {config}, "layers": []}}'
    )
    return Manifest(OCI_MANIFEST, plain.encode())


def content(client, digest: str) -> str:
    return "sha256:" + hashlib.sha256(b"".join(client.read_blob(HERE, digest))).hexdigest()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_fails_for_a_while_is_asked_again(world, status):
    made = manifest(world.client)
    world.way.answer(status, times=2, method="PUT", path="/manifests/")
    world.way.answer(status, times=2, method="HEAD", path="/manifests/")
    world.way.answer(status, times=2, method="GET", path="/manifests/")
    world.client.put_manifest(HERE, "dev", made)
    assert world.client.head(HERE, "dev") == made.digest
    assert world.client.manifest(HERE, "dev").data == made.data
    assert world.way.count("PUT", "/manifests/") == 3
    assert len(world.waits) == 6


def test_the_wait_is_as_long_as_the_registry_asks(world):
    made = manifest(world.client)
    patient = World(world.there, world.way, HASTY._replace(longest_delay=60))
    world.way.answer(429, method="PUT", path="/manifests/", retry_after=7)
    patient.client.put_manifest(HERE, "dev", made)
    assert patient.waits == [7]


def test_what_is_asked_again_is_said_to_who_waits(world, capsys):
    world.way.answer(503, times=1, method="HEAD", path="/manifests/", retry_after=1)
    assert Outside().registry(world.way.host, quick=False).head(HERE, "dev") is None
    assert re.fullmatch(
        rf"warning: registry {world.way.host} answers 503 .*; trying again in 1\.0 s"
        r" \(attempt 2 of 8\)\n",
        capsys.readouterr().err,
    )


def test_what_fails_for_ever_is_told_as_unavailable(world):
    world.client.ping()
    world.way.answer(503, times=99)
    with pytest.raises(RegistryUnavailable, match="503"):
        world.client.head(HERE, "dev")
    assert world.way.count("HEAD") == HASTY.attempts


def test_what_is_refused_is_not_asked_again(world):
    world.client.ping()
    before = len(world.way.requests)
    world.way.answer(403, times=99)
    with pytest.raises(ActionError, match="403") as told:
        world.client.head(HERE, "dev")
    assert not isinstance(told.value, RegistryUnavailable)
    assert len(world.way.requests) == before + 1


def test_an_upload_goes_on_behind_the_chunks_that_arrived(world, big):
    """The second chunk is refused twice; the first is not sent again."""
    path, digest = big

    patches = 0

    def before(seen: Seen) -> None:
        nonlocal patches
        patches += seen.method == "PATCH"
        if seen.method == "PATCH" and patches == 1:
            world.way.answer(500, method="PATCH")
            world.way.answer(429, method="PATCH")

    world.way.before = before
    world.client.put_file(HERE, path, digest)
    assert content(world.client, digest) == digest
    assert world.way.uploaded == os.path.getsize(path)
    assert world.way.count("POST") == 1


def test_an_upload_cut_in_a_chunk_is_completed(world, big):
    """This registry gives up such an upload: at once, or when it has noticed, within a chunk."""
    path, digest = big
    world.way.cut_upload(after=1000, method="PATCH")
    world.client.put_file(HERE, path, digest)
    assert content(world.client, digest) == digest
    again = world.way.uploaded - os.path.getsize(path)
    assert 1000 <= again <= 1000 + CHUNK


@pytest.mark.parametrize("after", [-1, 0])
def test_an_upload_whose_last_answer_is_lost_is_not_sent_again(world, big, after):
    path, digest = big
    world.way.cut_answer(after, method="PUT", path=UPLOADS)
    world.client.put_file(HERE, path, digest)
    assert world.way.uploaded == os.path.getsize(path)
    small = world.client.put_blob(HERE, b"small")
    assert content(world.client, small) == small


def test_a_manifest_or_a_deletion_whose_answer_is_lost_is_done(world):
    made = manifest(world.client)
    world.way.cut_answer(-1, method="PUT", path="/manifests/")
    world.client.put_manifest(HERE, "dev", made)
    world.way.cut_answer(-1, method="DELETE")
    assert world.client.delete(HERE, made.digest) is True
    assert world.client.head(HERE, "dev") is None


def test_a_blob_cut_on_its_way_here_goes_on_where_it_was(world):
    data = os.urandom(300_000)
    digest = world.client.put_blob(HERE, data)
    world.way.cut_answer(100_000, times=2, method="GET", path="/blobs/")
    assert b"".join(world.client.read_blob(HERE, digest)) == data
    asked = [seen.headers.get("range") for seen in world.way.requests if seen.method == "GET"][-3:]
    assert asked[0] is None
    assert all(each and int(each[6:-1]) > 0 for each in asked[1:])


def test_wrong_bytes_of_a_blob_are_noticed(world):
    digest = world.client.put_blob(HERE, b"right")
    (stored,) = world.there.folder.rglob(f"{digest[7:]}/data")
    stored.write_bytes(b"wrong")
    with pytest.raises(ActionError, match="in its place"):
        list(world.client.read_blob(HERE, digest))


@pytest.mark.parametrize("moment", ["between requests", "in a chunk"])
def test_a_registry_killed_and_restarted_gets_the_whole_file(world, big, moment):
    path, digest = big
    killed = []

    def kill(seen: Seen) -> None:
        late = seen.method == "PATCH" and world.way.uploaded > CHUNK
        if late and not killed:
            killed.append(seen)
            world.there.kill()

    def wait(_: float) -> None:
        if killed and killed[-1] != "back":
            killed.append("back")
            world.there.start()

    setattr(world.way, "before" if moment == "between requests" else "during", kill)
    client = connect(world.way.host, retry=HASTY, wait=wait)
    client.put_file(HERE, path, digest)
    assert killed[1:] == ["back"]
    assert content(client, digest) == digest
    if moment == "between requests":
        assert world.way.uploaded == os.path.getsize(path)


def test_a_registry_that_stays_away_is_told(world, big):
    world.client.ping()
    world.there.kill()
    with pytest.raises(RegistryUnavailable):
        world.client.put_file(HERE, *big)
    assert len(world.waits) == HASTY.attempts - 1


def test_a_slow_registry_is_no_trouble(world):
    world.way.slow(400_000)
    data = os.urandom(200_000)
    digest = world.client.put_blob(HERE, data)
    assert b"".join(world.client.read_blob(HERE, digest)) == data
    assert world.waits == []


def test_a_registry_without_space_is_told_as_such_and_not_asked_again(big):
    with registry(space="8m") as full:
        waits: list[float] = []
        client = connect(full.host, retry=HASTY, wait=waits.append)
        with pytest.raises(ActionError, match="has no space left") as told:
            client.put_file(HERE, *big)
        assert not isinstance(told.value, RegistryUnavailable)
        assert "garbage-collect" in str(told.value.fix)
        assert waits == []


def test_a_registry_that_deletes_nothing_says_what_would_allow_it():
    with registry(delete=False) as there:
        client = connect(there.host, retry=HASTY)
        made = manifest(client)
        client.put_manifest(HERE, "dev", made)
        with pytest.raises(ActionError) as told:
            client.delete(HERE, made.digest)
        assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in str(told.value.fix)
        assert client.head(HERE, "dev") == made.digest


def test_connections_are_kept(world):
    for _ in range(5):
        world.client.ping()
    assert len(world.way.requests) == 6  # the first asked what is spoken
    assert world.way.connections == 1
