"""`push` and `pull` between the real engine and a real registry."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.core.store import names
from buildlib.engine import connect
from buildlib.outside.registry.client import connect as registry_client
from tests.support.registry import PASSWORD, USER, Registry, registry

pytestmark = pytest.mark.engine

A, B = "//images/a", "//images/b"


@pytest.fixture(params=["plain", "tls and a password"])
def there(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registry]:
    safe = request.param != "plain"
    with registry(auth=safe, tls=safe) as found:
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = {"auths": {found.host: {"auth": secret}}} if safe else {}
        folder = tmp_path / "docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
        yield found


@pytest.fixture
def real(shop: Workshop, there: Registry) -> Iterator[Workshop]:
    """Two images, one on the other, on the engine of this machine."""
    shop.real = True
    shop.setting("organization", f"buildlib-test-{os.getpid()}-{os.urandom(3).hex()}")
    shop.setting("registry", there.host)
    shop.file("images/a/data", os.urandom(1000))
    shop.image("images/a", 'srcs=["data"]', "FROM scratch\nCOPY data /\n")
    shop.file("images/b/more", os.urandom(1000))
    child = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nCOPY more /\n"
    shop.image("images/b", f'parent="{A}", srcs=["more"]', child)
    yield shop
    forget(shop)


def forget(shop: Workshop) -> None:
    """Take all names of the workshop's images from the engine."""
    engine, settings = connect(), shop.open().settings
    for tag in engine.tags(f"{settings.registry}/{settings.organization}/*"):
        engine.untag(tag)


def ids(shop: Workshop) -> dict[str, str]:
    engine, settings = connect(), shop.open().settings
    refs = {name: names.channel_tag(settings, name) for name in "ab"}
    there = engine.inspect(list(refs.values()))
    return {name: there[ref].id for name, ref in refs.items() if there[ref] is not None}


def test_what_one_machine_built_another_pulls(real: Workshop, there: Registry, verb: Verbs) -> None:
    assert verb("build").code == 0
    made = ids(real)
    assert sorted(made) == ["a", "b"]
    told = verb("push", "--json")
    assert told.code == 0, told.err
    rows = {row["label"]: row for row in json.loads(told.out)["targets"]}
    assert {label: row["image_id"] for label, row in rows.items()} == {A: made["a"], B: made["b"]}
    assert all(row["pushed"] and row["moved"] == ["dev"] for row in rows.values())

    forget(real)
    real.store = real.store.with_name("another machine")
    assert ids(real) == {}
    told = verb("pull")
    assert told.code == 0, told.err
    assert ids(real) == made
    assert verb("plan").out.startswith("nothing to build")

    # A tag alone moves in the registry; no engine is asked.
    settings = real.open().settings
    client = registry_client(there.host)
    path = f"{settings.organization}/a"
    told = verb("push", "a", "--remote")
    assert told.code == 0, told.err
    assert client.head(path, "dev") == rows[A]["digest"]

    # The key's tag on another image: told, and not taken.
    other = client.manifest(f"{settings.organization}/b", "dev")
    assert other is not None
    for blob in other.blobs:
        data = b"".join(client.read_blob(f"{settings.organization}/b", blob.digest))
        client.put_blob(path, data)
    client.put_manifest(path, names.key_tag(real.key(A)), other)
    forget(real)
    real.store = real.store.with_name("a third machine")
    told = verb("pull", "a")
    assert told.code == 1
    assert f"warning: {A} in {there.host} is not used" in told.err
    assert ids(real) == {}

    # Whoever builds and pushes mends it.
    assert verb("build", "a").code == 0
    told = verb("push", "a")
    assert told.code == 0, told.err
    assert "is replaced" in told.err
    tagged = client.manifest(path, names.key_tag(real.key(A)))
    assert tagged is not None
    assert tagged.config.digest == ids(real)["a"]
