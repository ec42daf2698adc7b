"""The files of a release in their folder: whole, repeatable, completed by writing again."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.lock import Item
from buildlib.errors import ActionError
from buildlib.shipping.releasing import artifacts, sbom
from buildlib.shipping.releasing.attest import Pin
from buildlib.shipping.releasing.model import Proof, Release, ReleasedImage
from tests.support.workspace import digest

VERSION = "2.5.0"
LISTED = {
    "RELEASE_NOTES.md",
    "SHA256SUMS",
    "images.json",
    "launchers-2.5.0.tar.gz",
    "provenance.intoto.json",
    "sbom/py.cdx.json",
    "site.yaml",
    "test-results.intoto.jsonl",
}


class Scanner:
    """Stands in for syft: says that an image holds what it is called."""

    def __init__(self) -> None:
        self.scanned: list[str] = []

    def __call__(
        self,
        workspace: Workspace,
        images: Mapping[str, str],
        say: Callable[[str], None],
        keep: Callable[[str, dict[str, Any], float], None],
    ) -> None:
        for name, image_id in images.items():
            self.scanned.append(image_id)
            component = {"bom-ref": f"pkg:generic/{name}", "type": "library", "name": name}
            document = {
                "bomFormat": "CycloneDX",
                "specVersion": "1.6",
                "metadata": {"timestamp": str(len(self.scanned))},
                "components": [component],
            }
            keep(name, document, 0.1)


class Shop:
    """A family of one image, one archive and one text, about to be released."""

    def __init__(self, workshop: Workshop, scanner: Scanner) -> None:
        self.workshop = workshop
        self.scanner = scanner
        self.folder = workshop.root / "dist" / VERSION
        self.said: list[str] = []

    def open(self) -> Workspace:
        """The workspace in the channel of the release."""
        return self.workshop.open(version=VERSION)

    def build(self, *words: str) -> None:
        """Build what carries the version, as the step `stamp` does."""
        session = Session(self.open(), say=self.said.append)
        session.start(session.workspace.resolve(words))
        build_in_order(session)

    def release(self, **changes: Any) -> Release:
        workspace = self.open()
        label = parse_label("//images/py")
        key = workspace.keys.key(Reference(label))
        record = workspace.records.get(key)
        assert record is not None
        image = ReleasedImage(
            label, "elyra/py", (VERSION,), "", record.images[0], 1000, key, "", "linux/amd64",
            stamped=False,
        )  # fmt: skip
        found = Release(VERSION, "elyra", "", "c" * 40, 1_700_000_000, (image,), ())
        return found._replace(**changes)

    def write(self, release: Release | None = None) -> list[str]:
        workspace = self.open()
        folder = str(self.folder)
        return artifacts.write(workspace, release or self.release(), folder, self.said.append)

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def checked(self) -> int:
        command = ["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"]
        return subprocess.run(command, cwd=self.folder, check=False, capture_output=True).returncode


@pytest.fixture
def built(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop.file("launchers/site.yaml.in", "image: @PY@\n")
    shop.file("launchers/a.jar").image("images/py", "", "FROM scratch\n")
    shop.file("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- A thing.\n")
    shop.build(
        "launchers",
        """
        tarball(
            name="files", archive="launchers", parts={"all": {"lib/a.jar": "a.jar"}},
            release_names={"lib/a.jar": "lib/a-{version}.jar"},
        )
        rendered(
            name="site", template="site.yaml.in", out="site.yaml", images={"PY": "//images/py"},
            release=True,
        )
        """,
    )
    scanner = Scanner()
    monkeypatch.setattr(sbom, "_scan", scanner)
    monkeypatch.setattr(sbom, "syft_version", lambda: "1.18.1")
    made = Shop(shop, scanner)
    made.build()
    return made


def test_all_files_are_there_and_the_checksums_are_theirs(built: Shop) -> None:
    assert set(built.write()) == set(built.files()) == LISTED
    assert built.checked() == 0
    sums = built.files()["SHA256SUMS"].decode().splitlines()
    assert {line.split("  ")[1] for line in sums} == LISTED - {"SHA256SUMS"}
    with tarfile.open(built.folder / "launchers-2.5.0.tar.gz") as tar:
        assert [entry.name for entry in tar if entry.isfile()] == ["lib/a-2.5.0.jar"]
    assert built.files()["site.yaml"] == b"image: elyra/py:2.5.0\n"
    assert built.files()["RELEASE_NOTES.md"] == b"# 2.5.0\n\n- A thing.\n"
    (statement,) = built.files()["provenance.intoto.json"].splitlines()
    subjects = {each["name"] for each in json.loads(statement)["subject"]}
    assert subjects == LISTED - {"SHA256SUMS", "provenance.intoto.json"} | {"elyra/py"}


def test_writing_again_changes_nothing_and_reads_no_image(built: Shop) -> None:
    built.write()
    before = {path: path.stat().st_mtime_ns for path in built.folder.rglob("*")}
    data = built.files()
    built.write()
    assert built.files() == data
    assert {path: path.stat().st_mtime_ns for path in built.folder.rglob("*")} == before
    assert len(built.scanner.scanned) == 1


def test_another_folder_gets_the_same_bytes(built: Shop) -> None:
    built.write()
    data = built.files()
    built.folder.rename(built.folder.with_name("before"))
    built.write()
    assert built.files() == data


@pytest.mark.parametrize("damaged", sorted(LISTED))
@pytest.mark.parametrize("how", ["gone", "truncated", "another"])
def test_what_is_gone_or_damaged_is_made_again(built: Shop, damaged: str, how: str) -> None:
    built.write()
    data = built.files()
    path = built.folder / damaged
    stamp = path.stat().st_mtime_ns
    if how == "gone":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(data[damaged][:-3])
    else:
        path.write_bytes(gzip.compress(b"x") if damaged.endswith(".gz") else b"x")
        import os

        os.utime(path, ns=(stamp, stamp))
    built.write()
    assert built.files() == data


def test_checksums_come_last(built: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at any file, there is no list that says all is well; one more run completes it."""
    built.write()
    data = built.files()
    replace = artifacts.os.replace
    for at in range(len(LISTED) - 1):
        for path in built.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        moved: list[str] = []

        def stop(source: str, place: str, at: int = at, moved: list[str] = moved) -> None:
            if f"/dist/{VERSION}/" in place:
                if len(moved) == at:
                    raise KeyboardInterrupt
                moved.append(place)
            replace(source, place)

        with monkeypatch.context() as patch:
            patch.setattr(artifacts.os, "replace", stop)
            with pytest.raises(KeyboardInterrupt):
                built.write()
        assert not (built.folder / "SHA256SUMS").exists()
        assert not list((built.workshop.root / ".buildlib").glob("release.*"))
    built.write()
    assert built.files() == data


def test_a_file_that_nobody_knows_is_not_published(built: Shop) -> None:
    built.write()
    (built.folder / "notes.txt").write_text("mine")
    with pytest.raises(ActionError, match=r"notes.txt is no file of this release") as caught:
        built.write()
    assert (caught.value.fix or "").startswith("rm ")
    assert (built.folder / "notes.txt").read_text() == "mine"


def test_what_an_earlier_writing_left_goes(built: Shop) -> None:
    built.write()
    (built.folder / "sbom/old.cdx.json").write_text("{}")
    built.write()
    assert set(built.files()) == LISTED


def test_a_signature_stays_with_the_checksums_that_it_is_of(built: Shop) -> None:
    built.write()
    signature = built.folder / "SHA256SUMS.sig"
    signature.write_text("signed")
    assert "SHA256SUMS.sig" not in built.write()
    assert signature.exists()
    built.write(built.release(commit="d" * 40))
    assert not signature.exists(), "it was of other checksums"


def test_an_archive_that_was_not_built_is_named(built: Shop) -> None:
    built.workshop.file("launchers/a.jar", "edited")
    with pytest.raises(ActionError, match=r"//launchers:files was not built for 2.5.0") as caught:
        built.write()
    assert caught.value.fix == "./doitw release stamp VERSION=2.5.0"
    assert not (built.folder / "SHA256SUMS").exists()


def test_an_image_that_is_gone_has_no_sbom(built: Shop) -> None:
    release = built.release()
    built.workshop.engine.remove(release.images[0].image_id)
    with pytest.raises(ActionError, match="is not in the engine") as caught:
        built.write(release)
    assert caught.value.fix == "./doitw build //images/py"
    published = release.images[0]._replace(digest="sha256:" + "d" * 64, repository="r.test/a/py")
    built.workshop.setting("registry", "r.test")
    built.build("//launchers:site")
    with pytest.raises(ActionError) as caught:
        built.write(release._replace(images=(published,), registry="r.test", organization="a"))
    assert caught.value.fix == f"docker pull r.test/a/py@{published.digest}"


def test_what_was_read_before_needs_no_engine(built: Shop) -> None:
    release = built.release()
    built.write(release)
    built.workshop.engine.down = True
    built.write(release)


def test_a_report_is_named_by_the_digest_it_is_kept_under(built: Shop) -> None:
    release = built.release()
    image = release.images[0]
    cases = [{"name": "report", "ok": True}]
    report = {"image": "py", "image_id": image.image_id, "verdict": "works", "cases": cases}
    data = json.dumps(report).encode()
    workspace = built.open()
    kept = proof_record(workspace, data)
    proof = Proof(parse_label("//images/py:verify"), image.label, kept, report)
    built.write(release._replace(proofs=(proof,)))
    statement = json.loads(built.files()["test-results.intoto.jsonl"])
    (configuration,) = statement["predicate"]["configuration"]
    assert configuration["digest"] == {"sha256": hashlib.sha256(data).hexdigest()}
    workspace.records.forget(kept)
    with pytest.raises(ActionError, match="is gone from the store"):
        built.write(release._replace(proofs=(proof,)))


def proof_record(workspace: Workspace, report: bytes) -> str:
    """Keep a report as a proof does; its key."""
    from buildlib.core.keys.record import make_record
    from buildlib.core.model.output import FileOutput, Output

    record = make_record([("rule", "proof")])
    made = FileOutput(workspace.store.add_bytes(report), len(report))
    workspace.records.put(record, Output(files={"report.json": made}), 1.0, label="proof")
    return record.key


def test_the_pins_of_images_are_in_the_provenance(built: Shop) -> None:
    """Of those that are released, and of what they are made of; of nothing else."""
    shop = built.workshop
    for name in ("needed", "other"):
        address = f"https://example.org/{name}.tar"
        shop.build(f"{name}s", f'download(name="{name}", urls=["{address}"])')
    shop.image("images/r", 'srcs=["//neededs:needed"]', "FROM scratch\nADD needed.tar /\n")
    for name in ("needed", "other"):
        shop.pin("download", f"//{name}s:{name}", {f"{name}.tar": Item("1", digest(name), 0, "-")})
    (image,) = built.release().images
    others = built.release(images=(image._replace(label=parse_label("//images/r")),))
    assert artifacts.pins_of(built.open(), built.release()) == set()
    assert artifacts.pins_of(built.open(), others) == {
        Pin("download", "needed.tar", "1", digest("needed"))
    }


def test_files_are_made_in_the_workspace_not_beside_it(built: Shop) -> None:
    above = {path.name for path in Path(built.workshop.root).iterdir()}
    built.write()
    assert {path.name for path in Path(built.workshop.root).iterdir()} - above == set()
