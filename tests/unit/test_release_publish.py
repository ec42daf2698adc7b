"""How a release becomes visible: claims, tags that never move, the order of tags."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest
from buildlib.shipping.releasing import detached_tags
from buildlib.shipping.releasing.claims_and_tags import (
    STALE,
    claim,
    missing_tags,
    put_index,
    put_tags,
)
from buildlib.shipping.releasing.model import Tag
from tests.fakes.registry import FakeRegistry

LISTED = "elyra/releases"


def manifest(text: str) -> Manifest:
    return Manifest(OCI_MANIFEST, json.dumps({"text": text}).encode())


def tag(name: str, text: str = "one", *, moves: bool = False, rank: int = 0) -> Tag:
    return Tag(f"elyra/{name}", "2.5.0", manifest(text), moves, rank)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.meanwhile: list[object] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for action in self.meanwhile:
            action()  # type: ignore[operator]


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def claims(registry: FakeRegistry, clock: Clock, text: str, who: str = "a") -> list[str]:
    said: list[str] = []
    claim(
        registry,
        LISTED,
        "2.5.0",
        manifest(text),
        claimant=who,
        say=said.append,
        clock=clock,
        wait=clock.wait,
    )
    return said


def test_the_index_is_the_same_for_the_same_files(registry: FakeRegistry, tmp_path: Path) -> None:
    (tmp_path / "sbom").mkdir()
    (tmp_path / "images.json").write_text("{}")
    (tmp_path / "sbom" / "a.json").write_text("{}")
    names = ["images.json", "sbom/a.json"]
    first = put_index(registry, LISTED, str(tmp_path), names)
    again = put_index(registry, LISTED, str(tmp_path), names)
    assert first.data == again.data
    titles = [
        layer["annotations"]["org.opencontainers.image.title"] for layer in first.plain["layers"]
    ]
    assert titles == names
    assert registry.tags(LISTED) == []  # it is there by digest only
    assert registry.manifest(LISTED, first.digest) is not None


def test_a_second_release_of_another_content_stops(registry: FakeRegistry, clock: Clock) -> None:
    claims(registry, clock, "mine", "a")
    clock.now += 5
    with pytest.raises(ActionError, match=r"another release of 2.5.0 is under way"):
        claims(registry, clock, "theirs", "b")


def test_the_same_content_is_no_conflict(registry: FakeRegistry, clock: Clock) -> None:
    claims(registry, clock, "same", "a")
    assert claims(registry, clock, "same", "b") == []


def test_who_is_overwritten_in_the_wait_stops(registry: FakeRegistry, clock: Clock) -> None:
    def barge_in() -> None:
        clock.meanwhile.clear()
        registry.put_manifest(LISTED, "claim-2.5.0", manifest("somebody else's claim"))

    clock.meanwhile.append(barge_in)
    with pytest.raises(ActionError, match="under way"):
        claims(registry, clock, "mine")


def test_a_claim_that_led_to_nothing_is_taken_over(registry: FakeRegistry, clock: Clock) -> None:
    claims(registry, clock, "gone", "a")
    clock.now += STALE + 1
    said = claims(registry, clock, "mine", "b")
    assert "is taken over" in said[0]


def test_a_workspace_may_claim_anew_at_once(registry: FakeRegistry, clock: Clock) -> None:
    claims(registry, clock, "mended later", "a")
    assert claims(registry, clock, "mended", "a") == []


def test_a_claim_that_took_long_is_made_again(registry: FakeRegistry, clock: Clock) -> None:
    """Whoever was slow between looking and putting cannot know who came between."""
    put, slow = registry.put_manifest, [5.0]

    def slowly(repository: str, reference: str, what: Manifest) -> None:
        clock.now += slow.pop() if slow else 0.0
        put(repository, reference, what)

    registry.put_manifest = slowly  # type: ignore[method-assign]
    claims(registry, clock, "mine")
    assert slow == []
    there = registry.manifest(LISTED, "claim-2.5.0")
    assert there is not None
    assert there.plain["annotations"]["buildlib.release.index"] == manifest("mine").digest


def test_a_version_that_is_out_is_never_claimed(registry: FakeRegistry, clock: Clock) -> None:
    registry.put_manifest(LISTED, "2.5.0", manifest("released"))
    with pytest.raises(ActionError, match=r"2.5.0 is released at .*; a release is never changed"):
        claims(registry, clock, "other")


def test_what_is_right_is_not_put_again(registry: FakeRegistry) -> None:
    registry.put_manifest("elyra/a", "2.5.0", manifest("one"))
    missing = missing_tags(registry, [tag("a"), tag("b")])
    assert [it.repository for it in missing] == ["elyra/b"]


def test_a_release_tag_never_moves(registry: FakeRegistry) -> None:
    registry.put_manifest("elyra/b", "2.5.0", manifest("another"))
    with pytest.raises(ActionError, match=r"elyra/b:2.5.0 is there and is another image") as told:
        put_tags(registry, [tag("a"), tag("b")])
    assert told.value.fix == "release under the next version"
    assert registry.tags("elyra/a") == []


def test_latest_moves(registry: FakeRegistry) -> None:
    registry.put_manifest("elyra/b", "2.5.0", manifest("another"))
    assert len(missing_tags(registry, [tag("b", moves=True)])) == 1


def test_tags_are_put_by_a_process_of_its_own(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the parent tells and what the child does, without a process between them."""

    class Child:
        returncode = 0

        def __init__(self, *_: object, **options: object) -> None:
            assert options["start_new_session"]

        def communicate(self, request: bytes) -> tuple[bytes, bytes]:
            monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(request)))
            self.returncode = detached_tags.main(lambda _: registry)
            return b"", b""

    monkeypatch.setattr(detached_tags.subprocess, "Popen", Child)
    monkeypatch.setattr(detached_tags.signal, "signal", lambda *_: None)
    tags = [tag("server", "server", rank=1), tag("a"), tag("b")]
    assert put_tags(registry, tags) == 3
    assert [registry.head(it.repository, "2.5.0") for it in tags] == [
        it.manifest.digest for it in tags
    ]
    assert put_tags(registry, tags) == 0


def test_the_process_takes_no_modules_of_the_callers_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ActionError, match="not all tags") as told:
        detached_tags.put_detached("no host", [tag("a")])
    assert "is not a registry" in (told.value.detail or "")


def test_half_of_what_a_child_is_told_is_never_done(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached_tags.signal, "signal", lambda *_: None)
    request = pickle.dumps((registry.host, [tag("a")]))
    for end in range(len(request)):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(request[:end])))
        assert detached_tags.main(lambda _: registry) == 1


def test_a_higher_rank_waits_for_the_lower(registry: FakeRegistry) -> None:
    order: list[str] = []
    put = registry.put_manifest

    def noting(repository: str, reference: str, what: Manifest) -> None:
        order.append(repository)
        put(repository, reference, what)

    registry.put_manifest = noting  # type: ignore[method-assign]
    tags = [("elyra/releases", 2), ("elyra/server", 1), ("elyra/a", 0), ("elyra/b", 0)]
    manifest = Manifest(OCI_MANIFEST, b"{}")
    ranked = [Tag(name, "2.5.0", manifest, moves=False, rank=rank) for name, rank in tags]
    detached_tags.put_all(registry, ranked)
    assert set(order[:2]) == {"elyra/a", "elyra/b"}
    assert order[2:] == ["elyra/server", "elyra/releases"]
