"""What every registry must do: the fake, and Debian's own, plain and by TLS with a password."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildlib.errors import ActionError
from buildlib.outside.registry.client import connect
from buildlib.outside.registry.protocol import (
    DOCKER_MANIFEST,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Registry,
    RegistryUnavailable,
)
from buildlib.outside.web.retry import Retry
from tests.fakes.registry import FakeRegistry
from tests.support.registry import PASSWORD, USER
from tests.support.registry import Registry as RealRegistry

HASTY = Retry(attempts=3, first_delay=0.01, longest_delay=0.05, connect_timeout=5, read_timeout=30)
HERE = "elyra/kernel-py"
NOWHERE = "sha256:" + "0" * 64


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def log_in(folder: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `docker login` leaves behind."""
    entry = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], RealRegistry]]:
    """The real registries, each started when first asked for."""
    started: dict[str, RealRegistry] = {}

    def server(kind: str) -> RealRegistry:
        if kind not in started:
            locked = kind == "tls"
            started[kind] = RealRegistry(tmp_path_factory.mktemp(kind), auth=locked, tls=locked)
            started[kind].start()
        return started[kind]

    yield server
    for each in started.values():
        each.stop()


@pytest.fixture(params=["fake", "plain", "tls"])
def registry(
    request: pytest.FixtureRequest,
    servers: Callable[[str], RealRegistry],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Registry:
    if request.param == "fake":
        return FakeRegistry()
    host = servers(request.param).host
    log_in(tmp_path, host if request.param == "tls" else "elsewhere.example.com", monkeypatch)
    # While a tag is written, Debian's registry answers 500 to who asks for it.
    return connect(host, retry=HASTY._replace(attempts=6, longest_delay=1.0))


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository of this test alone."""
    return f"elyra/{digest_of(request.node.name.encode())[7:17]}"


def described(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def image(
    registry: Registry, repository: str, content: bytes, kind: str = OCI_MANIFEST
) -> Manifest:
    """Upload the blobs of a small image; its manifest, which is not put."""
    config = b'{"architecture": "amd64", "os": "linux", "comment": "%s"}' % content
    for data in (config, content):
        registry.put_blob(repository, data)
    docker = kind == DOCKER_MANIFEST
    plain = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": described(
            "application/vnd.docker.container.image.v1+json"
            if docker
            else "application/vnd.oci.image.config.v1+json",
            config,
        ),
        "layers": [
            described(
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
                if docker
                else "application/vnd.oci.image.layer.v1.tar+gzip",
                content,
            )
        ],
    }
    return Manifest(kind, json.dumps(plain).encode())


def test_it_answers(registry):
    registry.ping()


@pytest.mark.parametrize("kind", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image_is_found_by_tag_and_by_digest(registry, repository, kind):
    made = image(registry, repository, b"layer", kind)
    registry.put_manifest(repository, "dev", made)
    for reference in ("dev", made.digest):
        assert registry.head(repository, reference) == made.digest
        found = registry.manifest(repository, reference)
        assert (found.data, found.digest, found.media_type) == (made.data, made.digest, kind)
    assert [blob.digest for blob in made.blobs] == [made.config.digest, digest_of(b"layer")]


def test_an_image_may_be_put_by_digest_alone_and_get_its_tags_later(registry, repository):
    made = image(registry, repository, b"layer")
    registry.put_manifest(repository, made.digest, made)
    assert registry.head(repository, made.digest) == made.digest
    assert registry.tags(repository) == []
    registry.put_manifest(repository, "2.5.0", made)
    assert registry.tags(repository) == ["2.5.0"]


def test_an_index_of_images_is_kept_as_it_is(registry, repository):
    made = image(registry, repository, b"layer")
    registry.put_manifest(repository, made.digest, made)
    child = {"mediaType": OCI_MANIFEST, "digest": made.digest, "size": len(made.data)}
    child["platform"] = {"architecture": "amd64", "os": "linux"}
    plain = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}
    index = Manifest(OCI_INDEX, json.dumps(plain).encode())
    registry.put_manifest(repository, "all", index)
    found = registry.manifest(repository, "all")
    assert (found.media_type, found.digest) == (OCI_INDEX, index.digest)


def test_an_artifact_says_what_it_is_about(registry, repository):
    about = image(registry, repository, b"layer")
    registry.put_manifest(repository, "dev", about)
    for data in (b"{}", b"a record"):
        registry.put_blob(repository, data)
    plain = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.buildlib.record.v1+json",
        "config": described(OCI_EMPTY, b"{}"),
        "layers": [described("application/gzip", b"a record")],
        "subject": {"mediaType": OCI_MANIFEST, "digest": about.digest, "size": len(about.data)},
        "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    }
    made = Manifest(OCI_MANIFEST, json.dumps(plain).encode())
    registry.put_manifest(repository, "record-1", made)
    assert registry.manifest(repository, "record-1").plain == plain


def test_what_is_not_there_is_none(registry, repository):
    assert registry.head(repository, "dev") is None
    assert registry.manifest(repository, "dev") is None
    assert registry.manifest(repository, NOWHERE) is None
    assert not registry.has_blob(repository, NOWHERE)
    assert registry.tags(repository) == []
    assert registry.delete(repository, NOWHERE) is False
    with pytest.raises(ActionError, match="404"):
        list(registry.read_blob(repository, NOWHERE))


def test_a_tag_is_moved(registry, repository):
    first, second = (image(registry, repository, data) for data in (b"first", b"second"))
    registry.put_manifest(repository, "dev", first)
    registry.put_manifest(repository, "dev", second)
    assert registry.head(repository, "dev") == second.digest
    assert registry.head(repository, first.digest) == first.digest


def test_a_manifest_of_blobs_that_are_not_there_is_refused(registry, repository):
    made = image(registry, repository, b"layer")
    lacking = Manifest(
        OCI_MANIFEST, made.data.replace(digest_of(b"layer").encode(), NOWHERE.encode())
    )
    with pytest.raises(ActionError) as refused:
        registry.put_manifest(repository, "dev", lacking)
    assert not isinstance(refused.value, RegistryUnavailable)
    assert registry.head(repository, "dev") is None


def test_a_manifest_is_not_put_under_the_digest_of_another(registry, repository):
    made = image(registry, repository, b"layer")
    with pytest.raises(ActionError, match="is given"):
        registry.put_manifest(repository, NOWHERE, made)
    assert registry.manifest(repository, NOWHERE) is None


@pytest.mark.parametrize("data", [b"", b"x", b"some bytes" * 20_000])
def test_bytes_go_in_and_come_out(registry, repository, data):
    digest = registry.put_blob(repository, data)
    assert digest == digest_of(data)
    assert registry.has_blob(repository, digest)
    assert b"".join(registry.read_blob(repository, digest)) == data
    assert registry.put_blob(repository, data) == digest


def test_a_file_goes_in_and_comes_out(registry, repository, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789abcdef" * (1 << 17) * 9)  # 18 MB: more than one chunk
    digest = digest_of(path.read_bytes())
    registry.put_file(repository, str(path), digest)
    assert b"".join(registry.read_blob(repository, digest)) == path.read_bytes()
    path.write_bytes(b"not read again")
    registry.put_file(repository, str(path), digest)


def test_a_file_that_is_not_what_its_digest_says_is_refused(registry, repository, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"other bytes")
    with pytest.raises(ActionError):
        registry.put_file(repository, str(path), NOWHERE)
    assert not registry.has_blob(repository, NOWHERE)


def test_a_file_that_cannot_be_read_is_told(registry, repository, tmp_path):
    with pytest.raises(ActionError, match="No such file"):
        registry.put_file(repository, str(tmp_path / "none"), NOWHERE)


def test_blobs_belong_to_one_repository(registry, repository):
    digest = registry.put_blob(repository, b"mine")
    assert not registry.has_blob(f"{repository}/other", digest)


def test_deleting_an_image_takes_its_tags_along_and_no_others(registry, repository):
    gone, kept = (image(registry, repository, data) for data in (b"gone", b"kept"))
    for tag, made in (("a", gone), ("b", gone), ("c", kept)):
        registry.put_manifest(repository, tag, made)
    assert registry.delete(repository, gone.digest) is True
    assert registry.delete(repository, gone.digest) is False
    assert registry.tags(repository) == ["c"]
    assert registry.head(repository, "a") is None
    assert registry.head(repository, gone.digest) is None
    assert registry.head(repository, "c") == kept.digest


def test_tags_are_sorted(registry, repository):
    made = image(registry, repository, b"layer")
    for tag in ("dev", "2.5.0", "Key", "2.10.0"):
        registry.put_manifest(repository, tag, made)
    assert registry.tags(repository) == sorted(["dev", "2.5.0", "Key", "2.10.0"])


def test_several_threads_may_ask_at_once(registry, repository):
    made = image(registry, repository, b"layer")

    def one(number: int) -> str | None:
        data = b"blob %d" % number
        digest = registry.put_blob(repository, data)
        assert b"".join(registry.read_blob(repository, digest)) == data
        registry.put_manifest(repository, f"tag-{number}", made)
        return registry.head(repository, f"tag-{number}")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(24))) == {made.digest}
    assert len(registry.tags(repository)) == 24


def test_a_registry_that_is_away_is_told_as_such():
    fake = FakeRegistry()
    fake.down = True
    real = connect("127.0.0.1:1", retry=HASTY)
    for registry in (fake, real):
        for ask in (
            registry.ping,
            lambda: registry.head(HERE, "dev"),  # noqa: B023
            lambda: registry.put_blob(HERE, b"x"),  # noqa: B023
            lambda: list(registry.read_blob(HERE, NOWHERE)),  # noqa: B023
        ):
            with pytest.raises(RegistryUnavailable) as told:
                ask()
            assert told.value.fix
