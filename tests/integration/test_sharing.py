"""The registry as a shared store: what is published is found, brought, and doubted."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop

from buildlib.build.sharing.entry import Entry
from buildlib.build.sharing.entry_writer import BuiltTarget
from buildlib.build.sharing.shared_store import SharedStore, is_worth_sharing
from buildlib.build.workspace import Workspace
from buildlib.core.keys.record import make_record
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.store import names
from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import OCI_INDEX, Manifest, RegistryUnavailable

A, FILES = "//images/a", "//pack:files"
REPOSITORY, STORE = "elyra/a", "elyra/store"
HOST = "registry.test"


def silent(_done: int, _total: int) -> None:
    """Observes nothing."""


class Machine:
    """One opened workspace with its shared store."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.workspace: Workspace = shop.open()
        self.warned: list[str] = []
        self.now = 1_800_000_000.9
        self.store = SharedStore(
            shop.registry,
            self.workspace.settings,
            self.workspace.records,
            self.workspace.store,
            platform=self.workspace.settings.platform,
            warn=self.warned.append,
            clock=lambda: self.now,
            transport=shop.transport,
        )

    def wanted(self, label: str) -> tuple[Any, Any]:
        parsed = parse_label(label)
        return self.workspace.graph[parsed], self.workspace.keys.record(Reference(parsed))

    def publish(self, label: str) -> Entry:
        target, record = self.wanted(label)
        kept = self.workspace.records.get(record.key)
        assert kept is not None
        output = Output(kept.images[0] if kept.images else "", kept.files)
        closure = self.workspace.keys.closure(Reference(target.label))
        return self.store.writer.publish(
            BuiltTarget(target, record, output, closure), self.shop.engine, silent
        )

    def find(self, *labels: str) -> dict[str, Entry]:
        wanted = [self.wanted(label) for label in labels]
        found = self.store.find(wanted)
        return {str(target.label): found[r.key] for target, r in wanted if r.key in found}

    def found(self, label: str) -> Entry:
        return self.find(label)[str(parse_label(label))]


@pytest.fixture
def two(shop: Workshop) -> Workshop:
    """An image and a tarball below it, built, and a registry in the settings."""
    shop.setting("registry", HOST)
    shop.file("pack/run.py", "1\n")
    shop.build("pack", 'tarball(name="files", parts={"all": {"run.py": "run.py"}})')
    shop.image("images/a", 'srcs=["//pack:files"]', "FROM scratch\nADD files.tar /\n")
    shop.build_targets(A, FILES)
    return shop


def tag_of(shop: Workshop, label: str, kind: Callable[[str], str]) -> str:
    return kind(shop.key(label))


# -- well ----------------------------------------------------------------------------------------


def test_what_one_machine_published_another_finds_and_brings(two: Workshop) -> None:
    image = two.tag(A)
    published = Machine(two).publish(A)
    two.new_machine()
    assert two.action(A) == "build"
    other = Machine(two)
    entry = other.found(A)
    assert entry == published
    assert (entry.label, entry.key, entry.image_id) == (f"{A}", two.key(A), image)
    assert entry.pushed == 1_800_000_000
    output = other.store.pull(entry, two.engine, silent)
    assert output == Output(str(image), identity=str(image))
    assert two.engine.resolve(two.content_tag(A)) == image
    assert two.tag(A) is None, "bringing gives no name that people use"
    assert two.record(A) is not None
    assert two.action(A) == "restore"
    assert other.warned == []


def test_files_go_the_same_way(two: Workshop) -> None:
    made = two.made(FILES, "files.tar").read_bytes()
    published = Machine(two).publish(FILES)
    two.new_machine()
    other = Machine(two)
    told: list[tuple[int, int]] = []
    output = other.store.pull(other.found(FILES), two.engine, lambda *sums: told.append(sums))
    assert two.made(FILES, "files.tar").read_bytes() == made
    assert output.files == published.files
    assert told[-1] == (len(made), len(made))
    assert two.action(FILES) == "fresh"
    assert two.transport.moved == []


def test_the_record_says_what_all_keys_below_are_made_of(two: Workshop) -> None:
    Machine(two).publish(A)
    two.new_machine()
    machine = Machine(two)
    entry = machine.found(A)
    below = two.open().keys.key(Reference(parse_label(FILES)))
    assert below in entry.records
    assert dict(entry.records[below].parts)["file all: run.py"].startswith("644 ")
    machine.store.pull(entry, two.engine, silent)
    assert two.open().records.parts(below) == entry.records[below], "so that why has a past"


def test_the_record_is_an_artifact_that_any_client_reads(two: Workshop) -> None:
    entry = Machine(two).publish(A)
    record = two.registry.manifest(REPOSITORY, tag_of(two, A, names.record_tag))
    assert record is not None
    assert record.plain["artifactType"] == "application/vnd.buildlib.record.v1+json"
    assert record.plain["subject"]["digest"] == entry.digest
    assert record.plain["annotations"]["org.buildlib.label"] == f"{A}"
    assert record.plain["annotations"]["org.opencontainers.image.created"] == "2027-01-15T08:00:00Z"
    data = b"".join(two.registry.read_blob(REPOSITORY, record.blobs[1].digest))
    plain = json.loads(gzip.decompress(data))
    assert plain["schema"] == 1
    assert plain["image"] == entry.image_id
    for key, parts in plain["records"].items():
        assert make_record([(name, value) for name, value in parts]).key == key


def test_the_first_writer_wins(two: Workshop) -> None:
    Machine(two).publish(A)
    calls, moved = len(two.registry.calls), len(two.transport.moved)
    machine = Machine(two)
    again = machine.publish(A)
    assert again.image_id == two.tag(A)
    assert len(two.transport.moved) == moved
    assert not [call for call in two.registry.calls[calls:] if call.startswith("put")]
    # Another image of the same key, as a build that is not reproducible gives.
    other = two.engine.add("other:1", content="built elsewhere")
    target, record = machine.wanted(A)
    closure = machine.workspace.keys.closure(Reference(target.label))
    kept = machine.store.writer.publish(
        BuiltTarget(target, record, Output(other), closure), two.engine, silent
    )
    assert kept.image_id == again.image_id
    assert machine.found(A) == again


def test_an_image_that_is_here_is_not_pulled_again(two: Workshop) -> None:
    machine = Machine(two)
    machine.publish(A)
    machine.store.pull(machine.found(A), two.engine, silent)
    assert [what for what, _ in two.transport.moved] == ["push"]


def test_history_has_the_records_of_a_target_the_youngest_first(two: Workshop) -> None:
    first = Machine(two).publish(A)
    Machine(two).publish(FILES)
    two.file("pack/run.py", "2\n")
    two.build_targets(A)
    machine = Machine(two)
    machine.store._clock = lambda: 1_900_000_000.0
    second = machine.publish(A)
    target, _ = machine.wanted(A)
    assert [entry.key for entry in machine.store.reader.history(target)] == [second.key, first.key]
    assert [entry.key for entry in machine.store.reader.history(target, limit=1)] == [second.key]
    files, _ = machine.wanted(FILES)
    assert [entry.label for entry in machine.store.reader.history(files)] == [FILES]


def test_a_prefix_of_the_registry_is_part_of_the_repository(two: Workshop) -> None:
    two.setting("registry", f"{HOST}/team")
    two.build_targets(A)
    Machine(two).publish(A)
    assert two.registry.tags("team/elyra/a")
    assert Machine(two).found(A).repository == f"{HOST}/team/elyra/a"


def test_a_file_that_was_damaged_is_not_published(two: Workshop) -> None:
    """It is read in any case, also where nothing seems to have touched it."""
    path = two.made(FILES, "files.tar")
    machine = Machine(two)
    kept = machine.workspace.store
    assert kept.check(path.parent.name + path.name)
    info = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"X" * info.st_size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept._index, "unchanged_stamp", lambda _: path.parent.name + path.name)
        with pytest.raises(ActionError, match="not in the content store as it was made") as refused:
            machine.publish(FILES)
    assert refused.value.fix == f"./doitw build {FILES} && ./doitw push {FILES}"
    assert machine.find(FILES) == {}


def test_small_files_are_not_worth_the_way(two: Workshop) -> None:
    target, record = Machine(two).wanted(FILES)
    kept = two.open().records.get(record.key)
    assert kept is not None
    assert not is_worth_sharing(target, kept._replace(seconds=0.9))
    assert is_worth_sharing(target, kept._replace(seconds=1.0))
    assert is_worth_sharing(Machine(two).wanted(A)[0], kept._replace(seconds=0.1))


# -- tags ----------------------------------------------------------------------------------------


def test_a_tag_is_put_in_the_registry_alone(two: Workshop) -> None:
    machine = Machine(two)
    entry = machine.publish(A)
    moved = len(two.transport.moved)
    assert machine.store.writer.put_tag(entry.repository, "dev", entry.digest)
    assert not machine.store.writer.put_tag(REPOSITORY, "dev", entry.digest), "it is there"
    assert two.registry.head(REPOSITORY, "dev") == entry.digest
    assert len(two.transport.moved) == moved
    with pytest.raises(ActionError, match="has no sha256:00"):
        machine.store.writer.put_tag(REPOSITORY, "dev", "sha256:" + "00" * 32)


# -- what is wrong is told, and is a miss --------------------------------------------------------


def other_image(two: Workshop) -> None:
    digest = two.registry.add_image(REPOSITORY, "evil", two.engine.add("evil:1"), b"evil")
    manifest = two.registry.manifest(REPOSITORY, digest)
    assert manifest is not None
    two.registry.put_manifest(REPOSITORY, tag_of(two, A, names.key_tag), manifest)


def rewrite(change: Callable[[dict[str, Any]], object]) -> Callable[[Workshop], None]:
    """Write the record of the image anew, with something changed."""

    def poison(two: Workshop) -> None:
        tag = tag_of(two, A, names.record_tag)
        manifest = two.registry.manifest(REPOSITORY, tag)
        assert manifest is not None
        data = b"".join(two.registry.read_blob(REPOSITORY, manifest.blobs[1].digest))
        plain = json.loads(gzip.decompress(data))
        changed = change(plain)
        data = changed if isinstance(changed, bytes) else gzip.compress(json.dumps(plain).encode())
        replace(two, data)

    return poison


def replace(two: Workshop, data: bytes) -> None:
    """Put another first layer into the artifact of the image."""
    tag = tag_of(two, A, names.record_tag)
    manifest = two.registry.manifest(REPOSITORY, tag)
    assert manifest is not None
    artifact = manifest.plain
    artifact["layers"][0]["digest"] = two.registry.put_blob(REPOSITORY, data)
    artifact["layers"][0]["size"] = len(data)
    put(two, artifact, manifest.media_type)


def put(two: Workshop, artifact: dict[str, Any], media_type: str) -> None:
    changed = Manifest(media_type, json.dumps(artifact).encode())
    two.registry.put_manifest(REPOSITORY, tag_of(two, A, names.record_tag), changed)


def artifact_without_annotations(two: Workshop) -> None:
    manifest = two.registry.manifest(REPOSITORY, tag_of(two, A, names.record_tag))
    assert manifest is not None
    artifact = dict(manifest.plain)
    del artifact["annotations"]
    put(two, artifact, manifest.media_type)


def annotation_of_another(two: Workshop) -> None:
    manifest = two.registry.manifest(REPOSITORY, tag_of(two, A, names.record_tag))
    assert manifest is not None
    artifact = json.loads(manifest.data)
    artifact["annotations"]["org.buildlib.label"] = "//images/b:b"
    put(two, artifact, manifest.media_type)


def record_tag_on_the_image(two: Workshop) -> None:
    image = two.registry.manifest(REPOSITORY, tag_of(two, A, names.key_tag))
    assert image is not None
    two.registry.put_manifest(REPOSITORY, tag_of(two, A, names.record_tag), image)


def record_of_another_key(two: Workshop) -> None:
    tag = tag_of(two, A, names.record_tag)
    two.file("pack/run.py", "2\n")
    two.build_targets(A)
    Machine(two).publish(A)
    other = two.registry.manifest(REPOSITORY, tag_of(two, A, names.record_tag))
    two.file("pack/run.py", "1\n")
    assert other is not None
    two.registry.put_manifest(REPOSITORY, tag, other)


def lost(which: int) -> Callable[[Workshop], None]:
    """The configuration (0) or a layer of the image is gone."""

    def lose(two: Workshop) -> None:
        image = two.registry.manifest(REPOSITORY, tag_of(two, A, names.key_tag))
        assert image is not None
        two.registry.lose(REPOSITORY, image.blobs[which].digest)

    return lose


def lost_record(two: Workshop) -> None:
    artifact = two.registry.manifest(REPOSITORY, tag_of(two, A, names.record_tag))
    assert artifact is not None
    two.registry.lose(REPOSITORY, artifact.blobs[1].digest)


def spoilt_record(two: Workshop) -> None:
    artifact = two.registry.manifest(REPOSITORY, tag_of(two, A, names.record_tag))
    assert artifact is not None
    two.registry.spoil(REPOSITORY, artifact.blobs[1].digest)


def index_in_place_of_the_image(two: Workshop) -> None:
    image = two.registry.manifest(REPOSITORY, tag_of(two, A, names.key_tag))
    assert image is not None
    index = Manifest(OCI_INDEX, json.dumps({"schemaVersion": 2, "manifests": []}).encode())
    two.registry.put_manifest(REPOSITORY, tag_of(two, A, names.key_tag), index)
    rewrite(lambda plain: plain.update(digest=index.digest))(two)


def image_of_fewer_layers(two: Workshop) -> None:
    image = two.registry.manifest(REPOSITORY, tag_of(two, A, names.key_tag))
    assert image is not None
    plain = json.loads(image.data)
    plain["layers"].pop()
    cut = Manifest(image.media_type, json.dumps(plain).encode())
    two.registry.put_manifest(REPOSITORY, tag_of(two, A, names.key_tag), cut)
    rewrite(lambda record: record.update(digest=cut.digest))(two)


def other_parts(plain: dict[str, Any]) -> None:
    plain["records"][plain["key"]].append(["file evil", "644 00"])


POISON: dict[str, tuple[Callable[[Workshop], None], str]] = {
    "the key's tag was moved to another image": (other_image, "the tag of its key names sha256:"),
    "the record is that of another key": (record_of_another_key, "that of another key"),
    "parts do not give the key": (rewrite(other_parts), "do not give that key"),
    "its own parts are missing": (
        rewrite(lambda plain: plain["records"].clear()),
        "lacks the parts of its own key",
    ),
    "another image ID": (
        rewrite(lambda plain: plain.update(image="sha256:" + "0" * 64)),
        "and its record says sha256:000",
    ),
    "no image ID": (rewrite(lambda plain: plain.update(image="latest")), "names no image"),
    "another platform": (
        rewrite(lambda plain: plain.update(platform="linux/arm64")),
        "its image is for linux/arm64, not linux/amd64",
    ),
    "another schema": (rewrite(lambda plain: plain.update(schema=2)), "is of schema 2"),
    "a time of a strange type": (rewrite(lambda plain: plain.update(pushed=[])), "lacks what"),
    "a time that is none": (
        rewrite(lambda plain: plain.update(seconds=float("nan"))),
        "a time or a size that cannot be",
    ),
    "a part of the record missing": (rewrite(lambda plain: plain.pop("files")), "lacks what"),
    "the wrong types": (rewrite(lambda plain: plain.update(records=[1])), "lacks what"),
    "no JSON": (rewrite(lambda plain: gzip.compress(b"{")), "not a JSON object"),
    "a JSON list": (rewrite(lambda plain: gzip.compress(b"[]")), "not a JSON object"),
    "not packed": (rewrite(lambda plain: b"{}"), "not packed with gzip"),
    "cut off": (rewrite(lambda plain: gzip.compress(b"{}" * 999)[:-9]), "cut off"),
    "no annotations": (artifact_without_annotations, "its artifact says None"),
    "annotation of another": (annotation_of_another, "says //images/b:b"),
    "the record's tag on an image": (record_tag_on_the_image, "of the type None"),
    "the record gone": (lost_record, "its record is gone"),
    "the record spoilt": (spoilt_record, "its record cannot be had"),
    "the configuration gone": (lost(0), "its configuration is gone"),
    "a layer gone": (lost(1), "is gone"),
    "an index instead of an image": (index_in_place_of_the_image, "is no image"),
    "fewer layers": (image_of_fewer_layers, "has 1 layers, and its configuration 2"),
    "both image and files": (
        rewrite(lambda plain: plain.update(files={"x": ["0" * 64, 1, False]})),
        "neither an image nor files, or both",
    ),
}


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_entry_is_told_in_a_line_and_replaced_by_a_writer(
    name: str, two: Workshop
) -> None:
    poison, sentence = POISON[name]
    image = two.tag(A)
    Machine(two).publish(A)
    poison(two)
    two.build_targets(A)  # some have changed a source to and fro
    machine = Machine(two)
    assert machine.find(A) == {}
    [line] = machine.warned
    assert line.startswith(f"warning: {A} in {HOST} is not used (key {two.key(A)[:12]}): ")
    assert sentence in line
    assert "\n" not in line
    # Whoever writes mends it, and says so.
    machine.now = 1_800_000_001.0
    mended = machine.publish(A)
    assert "is replaced" in machine.warned[1]
    assert mended.image_id == image
    assert Machine(two).found(A) == mended


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "a//b", ""])
def test_a_file_that_would_lie_elsewhere_is_refused(name: str, two: Workshop) -> None:
    machine = Machine(two)
    machine.publish(FILES)
    tag = tag_of(two, FILES, names.record_tag)
    manifest = two.registry.manifest(STORE, tag)
    assert manifest is not None
    data = b"".join(two.registry.read_blob(STORE, manifest.blobs[1].digest))
    plain = json.loads(gzip.decompress(data))
    plain["files"] = dict.fromkeys([name], *plain["files"].values())
    changed = gzip.compress(json.dumps(plain).encode())
    artifact = json.loads(manifest.data)
    artifact["layers"][0].update(digest=two.registry.put_blob(STORE, changed), size=len(changed))
    two.registry.put_manifest(
        STORE, tag, Manifest(manifest.media_type, json.dumps(artifact).encode())
    )
    assert machine.find(FILES) == {}
    assert "a file with the name" in machine.warned[0]


def test_a_file_that_is_gone_is_a_miss_and_one_that_is_spoilt_is_not_taken(two: Workshop) -> None:
    entry = Machine(two).publish(FILES)
    [made] = entry.files.values()
    two.registry.spoil(STORE, f"sha256:{made.sha256}")
    two.new_machine()
    machine = Machine(two)
    with pytest.raises(ActionError):
        machine.store.pull(machine.found(FILES), two.engine, silent)
    assert two.record(FILES) is None
    assert not machine.workspace.store.has(made.sha256)
    two.registry.lose(STORE, f"sha256:{made.sha256}")
    assert machine.find(FILES) == {}
    assert "its blob" in machine.warned[0]


def test_a_key_without_a_record_is_no_entry(two: Workshop) -> None:
    two.transport.push(two.content_tag(A))
    machine = Machine(two)
    assert machine.find(A) == {}
    assert machine.warned == [], "whoever published it was stopped in the middle, which is usual"


def test_what_comes_in_place_of_the_image_is_not_recorded(two: Workshop) -> None:
    entry = Machine(two).publish(A)
    two.new_machine()
    machine = Machine(two)
    lying = entry._replace(image_id="sha256:" + "1" * 64)
    with pytest.raises(ActionError, match="is not the image"):
        machine.store.pull(lying, two.engine, silent)
    assert two.record(A) is None


def test_a_registry_that_takes_nothing_is_found_before_a_build(two: Workshop) -> None:
    machine = Machine(two)
    machine.publish(FILES)
    machine.store.try_writing()
    two.registry.refuse("put_blob")
    with pytest.raises(ActionError, match="answers 403 Forbidden"):
        machine.store.try_writing()


def test_what_was_forgotten_while_it_was_published_stays_forgotten(two: Workshop) -> None:
    machine = Machine(two)
    two.transport.during = lambda _: machine.workspace.records.forget(two.key(A))
    machine.publish(A)
    assert two.record(A) is None
    assert machine.workspace.records.is_forgotten(two.key(A))


# -- races and failures --------------------------------------------------------------------------


def test_two_that_publish_one_key_at_once_end_with_one_valid_entry(two: Workshop) -> None:
    """The second pushes its image between the first one's push and its record."""
    machine = Machine(two)
    other = two.engine.add("other:1", content="built elsewhere")
    target, record = machine.wanted(A)
    closure = machine.workspace.keys.closure(Reference(target.label))
    mine = two.tag(A)

    def between(call: str, repository: str, reference: str) -> None:
        if call == "put_manifest" and reference.startswith("record-"):
            two.registry.before = None
            two.engine.tag(other, two.content_tag(A))
            two.transport.push(two.content_tag(A))  # and is killed before its record

    two.registry.before = between
    made = BuiltTarget(target, record, Output(str(mine)), closure)
    entry = machine.store.writer.publish(made, two.engine, silent)
    assert entry.image_id == mine
    assert Machine(two).found(A) == entry, "the record counts, and the tag is where it says"


def test_a_registry_that_does_not_answer_is_told_once(two: Workshop) -> None:
    Machine(two).publish(A)
    machine = Machine(two)
    two.registry.down = True
    assert machine.find(A, FILES) == {}
    calls = len(two.registry.calls)
    assert machine.find(A) == {}
    assert len(two.registry.calls) == calls, "it is not asked again"
    [line] = machine.warned
    assert HOST in line
    assert "going on without the shared store" in line
    with pytest.raises(RegistryUnavailable):
        Machine(two).publish(A)


def test_a_registry_that_refuses_is_told_once(two: Workshop) -> None:
    machine = Machine(two)
    two.registry.refuse("manifest")
    assert machine.find(A, FILES) == {}
    assert machine.find(A) == {}
    [line] = machine.warned
    assert "403 Forbidden; going on without the shared store" in line


def test_a_registry_that_is_too_slow_is_given_up(
    two: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine(two).publish(A)
    answer = threading.Event()
    monkeypatch.setattr("buildlib.build.sharing.shared_store._TIMEOUT", 0.05)
    two.registry.before = lambda *_: answer.wait(30)
    machine = Machine(two)
    try:
        assert machine.find(A) == {}
    finally:
        answer.set()
    [line] = machine.warned
    assert "has not answered" in line


def test_a_push_that_failed_leaves_nothing_that_is_found_and_is_done_again(two: Workshop) -> None:
    machine = Machine(two)
    two.registry.fail_next(1, "put_manifest")
    with pytest.raises(RegistryUnavailable):
        machine.publish(A)
    assert machine.find(A) == {}
    machine = Machine(two)
    uploaded = two.registry.uploaded
    entry = machine.publish(A)
    assert machine.found(A) == entry
    assert two.registry.uploaded > uploaded >= 0


def test_an_image_that_is_gone_from_the_engine_cannot_be_published(two: Workshop) -> None:
    machine = Machine(two)
    two.engine.remove(str(two.tag(A)))
    with pytest.raises(ActionError, match="gone from the engine"):
        machine.publish(A)


def test_a_file_of_the_same_name_keeps_its_mode(two: Workshop, tmp_path: Path) -> None:
    machine = Machine(two)
    target, record = machine.wanted(FILES)
    sha256 = machine.workspace.store.add_bytes(b"#!/bin/sh\n")
    output = Output("", {"bin/run": FileOutput(sha256, 10, executable=True)})
    machine.store.writer.publish(BuiltTarget(target, record, output, [record]), two.engine, silent)
    assert machine.found(FILES).files == output.files
