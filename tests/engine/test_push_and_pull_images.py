"""Images between the real engine and a real registry, on good and on bad lines.

Images are made of a few random bytes each, so what moves is theirs alone. An image leaves the
engine with its last name; nothing is removed by force.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildlib.engine import builder, connect, transfer
from buildlib.engine.protocol import BuildRequest, Engine
from buildlib.errors import ActionError
from buildlib.outside.registry.client import connect as registry_client
from buildlib.outside.registry.protocol import DOCKER_MANIFEST, Manifest
from tests.support.reach import WAYS, reached
from tests.support.registry import PASSWORD, USER, Registry, registry
from tests.support.troubled import Seen, Troubled, troubled

pytestmark = [pytest.mark.slow, pytest.mark.engine]

UPLOADS = "/blobs/uploads/"


SLOW = 24_000_000
"""Bytes, more than the buffers between an engine and a registry hold; and that many a second."""


class Images:
    """Images of random bytes, which go when the test ends."""

    def __init__(self, folder: Path) -> None:
        self.engine: Engine = connect()
        self._folder = folder
        self._refs: list[str] = []
        self._ids: list[str] = []
        self._made = 0

    def make(self, ref: str, *sizes: int) -> str:
        """An image with a layer of each size; its ID."""
        self._made += 1
        context = self._folder / f"image{self._made}"
        context.mkdir()
        lines = ["FROM scratch"]
        for number, size in enumerate(sizes):
            (context / f"layer{number}").write_bytes(os.urandom(size))
            lines.append(f"COPY layer{number} /")
        dockerfile = self._folder / f"Dockerfile{self._made}"
        dockerfile.write_text("\n".join(lines) + "\n")
        request = BuildRequest(str(context), str(dockerfile), shown_as="Dockerfile")
        self.built = builder().build(request, lambda _: None)
        image = self.built.image
        self._ids.append(image)
        self.tag(image, ref)
        return image

    def tag(self, image: str, ref: str) -> None:
        self.engine.tag(image, ref)
        self._refs.append(ref)

    def drop(self, *refs: str) -> None:
        """Take names away; an image goes with its last."""
        for ref in refs:
            self.engine.untag(ref)

    def has(self, image: str) -> bool:
        return self.engine.inspect([image])[image] is not None

    def clean(self) -> None:
        for image in self._ids:  # pulled by a digest, it has no name that could be dropped
            if self.has(image):
                self.tag(image, self._refs[0])
                self.drop(self._refs[0])
        self.drop(*self._refs)


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    made = Images(tmp_path)
    yield made
    made.clean()


@pytest.fixture(scope="module")
def there() -> Iterator[Registry]:
    with registry() as found:
        yield found


@pytest.fixture
def way(there: Registry) -> Iterator[Troubled]:
    """A line to the registry, on which things may go wrong."""
    with troubled(there.host) as found:
        yield found


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pauses between tries, which take no time here."""
    found: list[int] = []
    monkeypatch.setattr(transfer, "back_off", found.append)
    return found


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    return f"elyra/t{os.getpid()}-{os.urandom(4).hex()}"


def login(folder: Path, monkeypatch: pytest.MonkeyPatch, host: str, password: str) -> None:
    """What `docker login` writes."""
    secret = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": secret}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


@pytest.mark.parametrize("how", WAYS)
def test_an_image_moves_however_the_engine_is_reached(
    images: Images,
    there: Registry,
    name: str,
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ref = f"{there.host}/{name}:key-1"
    image = images.make(ref, 1000)
    with reached(how, tmp_path, monkeypatch) as environ:
        for variable, value in environ.items():
            monkeypatch.setenv(variable, value)
        digest = transfer.push(ref)
        images.drop(ref)
        assert not images.has(image)
        assert transfer.pull(ref) == digest
    assert images.has(image)


def test_an_image_goes_and_comes_back_by_its_digest(
    images: Images, there: Registry, name: str
) -> None:
    ref = f"{there.host}/{name}:key-1"
    image = images.make(ref, 300_000, 200_000)
    told: list[tuple[int, int]] = []
    digest = transfer.push(ref, observe=lambda *sums: told.append(sums))
    client = registry_client(there.host)
    found = client.manifest(name, "key-1")
    assert found is not None
    assert found.digest == digest
    assert image in (found.config.digest, found.digest), "it depends on the engine's store"
    assert found.config.digest == (images.built.identity or image)
    assert told == sorted(told)
    if image != digest:  # with the containerd store, what is short may not be told
        assert told[-1][0] == told[-1][1] >= 500_000
    images.drop(ref)
    assert not images.has(image)
    assert transfer.pull(f"{there.host}/{name}@{digest}") == digest
    assert images.has(image)
    images.tag(image, ref)
    images.drop(ref)
    assert not images.has(image), "its digest is no name that keeps it"


def test_over_tls_with_dockers_credentials(
    images: Images,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    waits: list[int],
) -> None:
    with registry(auth=True, tls=True) as safe:
        ref = f"{safe.host}/{name}:1"
        image = images.make(ref, 1000)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(ActionError) as refused:
            transfer.push(ref)
        assert refused.value.fix == f"docker login {safe.host}"
        login(tmp_path, monkeypatch, safe.host, "wrong pass")
        with pytest.raises(ActionError) as refused:
            transfer.push(ref)
        assert refused.value.fix == f"docker login {safe.host}"
        assert "wrong pass" not in refused.value.render()
        assert waits == [], "what is denied is not tried again"
        login(tmp_path, monkeypatch, safe.host, PASSWORD)
        digest = transfer.push(ref)
        images.drop(ref)
        assert transfer.pull(f"{safe.host}/{name}@{digest}") == digest
        assert images.has(image)
        images.tag(image, ref)


def test_what_is_not_there_is_told_at_once(
    images: Images, there: Registry, name: str, waits: list[int]
) -> None:
    with pytest.raises(ActionError, match=r"cannot be pulled: .*(unknown|not found)"):
        transfer.pull(f"{there.host}/{name}:none")
    with pytest.raises(ActionError, match=r"cannot be pushed: .*does not exist"):
        transfer.push(f"{there.host}/{name}:none")
    with pytest.raises(ActionError, match="cannot be pulled"):
        transfer.pull(f"{there.host}/{name}@sha256:{'0' * 64}")
    assert waits == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(
    status: int, images: Images, way: Troubled, name: str, waits: list[int]
) -> None:
    ref = f"{way.host}/{name}:1"
    image = images.make(ref, 1000)
    way.answer(status, times=2, method="PUT", path="/manifests/")
    digest = transfer.push(ref)
    assert waits == [1, 2][: len(waits)], "or the engine has tried again by itself"
    images.drop(ref)
    way.answer(status, times=1, path="/manifests/")
    assert transfer.pull(f"{way.host}/{name}@{digest}") == digest
    assert len(waits) <= 3
    assert images.has(image)
    images.tag(image, ref)


def test_a_registry_that_is_away_is_tried_some_times(
    images: Images, name: str, waits: list[int]
) -> None:
    with registry() as gone:
        ref = f"{gone.host}/{name}:1"
        images.make(ref, 1000)
    with pytest.raises(ActionError, match=f"after {transfer.TRIES} tries: .*refused"):
        transfer.push(ref)
    assert waits == list(range(1, transfer.TRIES))


def test_a_registry_that_is_killed_and_restarted_gets_the_rest(
    images: Images, name: str, waits: list[int]
) -> None:
    with registry() as there, troubled(there.host) as way:
        ref = f"{way.host}/{name}:1"
        image = images.make(ref, 400_000, 300_000)
        killed = threading.Event()

        def kill(seen: Seen) -> None:
            if seen.uploaded > 100_000 and not killed.is_set():
                killed.set()
                there.kill()
                there.start()

        way.during = kill
        digest = transfer.push(ref)
        assert killed.is_set()
        found = registry_client(there.host).manifest(name, "1")
        assert found is not None
        assert found.digest == digest
        assert image in (found.config.digest, digest)
        # What is there is not sent again.
        sent = sum(seen.uploaded for seen in way.requests if UPLOADS in seen.path)
        assert transfer.push(ref) == digest
        again = sum(seen.uploaded for seen in way.requests if UPLOADS in seen.path)
        assert again == sent
        client = registry_client(there.host)
        for blob in found.blobs:
            assert len(b"".join(client.read_blob(name, blob.digest))) == blob.size


def test_a_second_run_sends_only_what_is_missing(
    images: Images, way: Troubled, name: str, waits: list[int]
) -> None:
    ref = f"{way.host}/{name}:1"
    images.make(ref, 500_000)
    way.answer(403, times=1, method="PUT", path="/manifests/")
    with pytest.raises(ActionError):
        transfer.push(ref)
    sent = sum(seen.uploaded for seen in way.requests if UPLOADS in seen.path)
    assert sent > 500_000
    transfer.push(ref)
    assert sum(seen.uploaded for seen in way.requests if UPLOADS in seen.path) == sent


def test_a_slow_line_shows_how_far_it_is(images: Images, way: Troubled, name: str) -> None:
    ref = f"{way.host}/{name}:1"
    images.make(ref, SLOW)
    way.slow(SLOW)
    told: list[tuple[int, int]] = []
    transfer.push(ref, observe=lambda *sums: told.append(sums))
    assert [done for done, total in told if 0 < done < total], "not only beginning and end"
    assert told[-1][0] == told[-1][1] >= SLOW


def test_what_was_built_elsewhere_comes_and_shows_how_far_it_is(
    images: Images, there: Registry, way: Troubled, name: str
) -> None:
    image, digest = built_elsewhere(there.host, name, SLOW)
    way.slow(SLOW)
    told: list[tuple[int, int]] = []
    reference = f"{way.host}/{name}@{digest}"
    assert transfer.pull(reference, observe=lambda *sums: told.append(sums)) == digest
    image = image if images.has(image) else digest  # as the engine's store calls it
    assert images.has(image)
    images.tag(image, f"{way.host}/{name}:1")
    images.drop(reference)
    assert [done for done, total in told if 0 < done < total]
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] >= SLOW


def built_elsewhere(host: str, name: str, size: int) -> tuple[str, str]:
    """Put an image into a registry whose layer this engine never had; its ID, its digest.

    What this engine built stays in BuildKit's cache, and is not pulled again.
    """
    client = registry_client(host)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("data")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    layer = gzip.compress(packed.getvalue(), 1)
    plain = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(packed.getvalue()).hexdigest()],
        },
    }
    config = json.dumps(plain).encode()
    kind = "application/vnd.docker"
    blobs = [
        {"mediaType": media_type, "digest": client.put_blob(name, data), "size": len(data)}
        for media_type, data in (
            (f"{kind}.container.image.v1+json", config),
            (f"{kind}.image.rootfs.diff.tar.gzip", layer),
        )
    ]
    text = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": blobs[0],
        "layers": blobs[1:],
    }
    manifest = Manifest(DOCKER_MANIFEST, json.dumps(text).encode())
    client.put_manifest(name, manifest.digest, manifest)
    return str(blobs[0]["digest"]), manifest.digest


_PUSH = """
import sys
from buildlib.engine import transfer
transfer.push(sys.argv[1], observe=lambda done, total: print(done, flush=True))
"""


def test_a_push_that_is_stopped_ends_and_a_second_completes_it(
    images: Images, way: Troubled, name: str
) -> None:
    ref = f"{way.host}/{name}:1"
    images.make(ref, 3_000_000)
    way.slow(500_000)
    child = subprocess.Popen(
        [sys.executable, "-c", _PUSH, ref],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    child.stdout.readline()  # it is on its way
    child.send_signal(2)
    child.stdout.close()
    assert child.wait(20) != 0
    way.slow(0)
    assert registry_client(way.host).head(name, "1") is None
    transfer.push(ref)
    assert registry_client(way.host).head(name, "1")
