"""The files of a release, in `dist/VERSION/`: archives, lists, statements, checksums.

They are written to a scratch folder and then renamed into place one by one, the checksums last.
So a release that was stopped has no checksums, and writing it again completes it. The same release
gives the same bytes. docs/release-files.md says what each file is for.

`attest`, `sbom` and `notes` make the contents. This module knows no registry, and the caller signs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

from buildlib.build.workspace import Workspace
from buildlib.core.keys.index import file_sha256
from buildlib.core.model.label import Reference
from buildlib.core.model.output import DIST, FileOutput
from buildlib.core.rules.kernel_check import REPORT
from buildlib.errors import ActionError
from buildlib.shipping.releasing import attest, notes
from buildlib.shipping.releasing.model import Release

IMAGES = "images.json"
CHECKSUMS = "SHA256SUMS"
NOTES = "RELEASE_NOTES.md"
PROVENANCE = "provenance.intoto.json"
TEST_RESULTS = "test-results.intoto.jsonl"
SEALED = {PROVENANCE: "provenance.dsse.json", TEST_RESULTS: "test-results.dsse.jsonl"}
"""The files with the signed statements, which exist if there is a key."""
SBOMS = "sbom"
SBOM_ENDING = ".cdx.json"


def write(
    workspace: Workspace,
    release: Release,
    folder: str,
    say: Callable[[str], None],
    seal: Callable[[bytes], bytes] | None = None,
) -> list[str]:
    """Write the files of a release; files that are right already stay as they are.

    Args:
        workspace: In the channel of the release, its archives and other files built.
        folder: Absolute, in the workspace.
        seal: Turns a statement into a line with the signed statement; None to sign nothing.

    Returns:
        The names of all files of the release, sorted, relative to the folder.
    """
    import shutil

    scratch = workspace.state.path(f"release.{os.getpid()}")
    try:
        files = _ReleaseFiles(folder, scratch)
        files.take_built(workspace)
        files.add(IMAGES, attest.images_json(release))
        files.add(NOTES, notes.release_notes(_changelog(workspace), release.version).encode())
        reports = {proof.key: _report(workspace, proof.key) for proof in release.proofs}
        results = attest.test_results(release, reports)
        files.add(TEST_RESULTS, results)
        files.take_sboms(workspace, release, say)
        flavour = workspace.settings.flavour
        pins = pins_of(workspace, release)
        provenance = attest.provenance(release, files.sha256, pins, flavour=flavour)
        files.add(PROVENANCE, provenance)
        if seal:
            files.add(SEALED[PROVENANCE], seal(provenance))
            files.add(SEALED[TEST_RESULTS], b"".join(map(seal, results.splitlines())))
        files.add(CHECKSUMS, attest.checksums(files.sha256))
        files.move()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return sorted(files.sha256)


def written_files(release: Release, folder: str, *, signed: bool) -> list[str]:
    """The names of the files that `write` left; refuses files that are incomplete or outdated.

    Between writing and publishing, an image may have been built anew or found elsewhere, and
    writing may have been stopped.

    Args:
        signed: There is a key, so there must be a signature.

    Returns:
        Their names, `images.json` first.
    """
    names = files_below(folder)
    sums = {name: _sha256(f"{folder}/{name}") for name in names}
    listed = {name: sums[name] for name in names if name != CHECKSUMS and not _is_signature(name)}
    wrong = ""
    if IMAGES not in listed or _bytes(f"{folder}/{IMAGES}") != attest.images_json(release):
        wrong = f"{IMAGES} does not list the images that would ship"
    elif _bytes(f"{folder}/{CHECKSUMS}") != attest.checksums(listed):
        wrong = f"its files are not those of {CHECKSUMS}"
    elif signed and f"{CHECKSUMS}.sig" not in sums:
        wrong = "it is not signed"
    if wrong:
        raise ActionError(
            f"dist/{release.version} is not written as it would be now: {wrong}",
            fix=f"./doitw release artifacts VERSION={release.version}",
        )
    return [IMAGES, *(name for name in names if name != IMAGES)]


def built_files(workspace: Workspace) -> dict[str, FileOutput]:
    """What is built for a release: the name of each file, and its content or its tar."""
    found = {}
    for label in workspace.graph.order:
        target = workspace.graph[label]
        export = target.rule.export(target, workspace.version)
        folder, _, name = export.path.partition("/") if export else ("", "", "")
        if export is None or folder != DIST or label in workspace.left_out:
            continue
        record = workspace.records.get(workspace.keys.key(Reference(label)))
        output = record.files.get(export.file) if record else None
        if output is None or not workspace.store.verify(
            output.sha256, what=f"{export.file} of {label}"
        ):
            raise ActionError(
                f"{label} was not built for {workspace.version}",
                fix=f"./doitw release stamp VERSION={workspace.version}",
            )
        found[name] = output
    return found


def pins_of(workspace: Workspace, release: Release) -> set[attest.Pin]:
    """All entries of images.lock that the images of a release use."""
    from buildlib.core.keys.compute import pinned

    pins = set()
    for label in workspace.graph.closure([image.label for image in release.images]):
        target = workspace.graph[label]
        for pin in target.pins:
            for name, item in pinned(workspace.lock, pin, target).items.items():
                pins.add(attest.Pin(pin.section, name, item.version, item.sha256))
    return pins


class _ReleaseFiles:
    """The files of one release, written to a scratch folder and moved to their own.

    Args:
        scratch: On the file system of `folder`.
    """

    def __init__(self, folder: str, scratch: str) -> None:
        self._folder = folder
        self._scratch = scratch
        self.sha256: dict[str, str] = {}
        """sha256 of each file, in the order in which they will be moved."""

    def add(self, name: str, data: bytes) -> None:
        with self._new(name) as out:
            out.write(data)
        self._add_checksum(name)

    def take_built(self, workspace: Workspace) -> None:
        """Add what was built; an archive that is right in the folder is not compressed again."""
        from buildlib.core.pack.compress import compress, unpacked_sha256

        for name, tar_file in built_files(workspace).items():
            if not name.endswith(".gz"):
                with open(workspace.store.path(tar_file.sha256), "rb") as file:
                    self.add(name, file.read())
                continue
            if unpacked_sha256(f"{self._folder}/{name}") == tar_file.sha256:
                self.sha256[name] = _sha256(f"{self._folder}/{name}")
                continue
            with open(workspace.store.path(tar_file.sha256), "rb") as tar, self._new(name) as out:
                compress(tar, out)
            self._add_checksum(name)

    def take_sboms(
        self, workspace: Workspace, release: Release, say: Callable[[str], None]
    ) -> None:
        from buildlib.shipping.releasing.sbom import sboms

        images = {attest.name_of(release, image): image for image in release.images}
        for name, sbom in sorted(sboms(workspace, images, say).items()):
            with open(workspace.store.path(sbom.sha256), "rb") as file:
                self.add(f"{SBOMS}/{name.replace('/', '-')}{SBOM_ENDING}", file.read())

    def move(self) -> None:
        """Move all files into place, and remove files of an earlier release of the version."""
        stale = self._stale()
        for name, digest in self.sha256.items():
            source, target = f"{self._scratch}/{name}", f"{self._folder}/{name}"
            if not os.path.exists(source) or _sha256(target) == digest:
                continue
            self._remove_checksums()
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(source, target)
        for name in stale:
            os.unlink(f"{self._folder}/{name}")

    def _stale(self) -> list[str]:
        """Files in the folder that the release lacks now: of images or a key that it had before."""
        foreign = [name for name in files_below(self._folder) if name not in self.sha256]
        foreign = [name for name in foreign if not _is_signature(name)]
        unknown = [
            name
            for name in foreign
            if name not in SEALED.values()
            and not (name.startswith(f"{SBOMS}/") and name.endswith(SBOM_ENDING))
        ]
        if unknown:
            raise ActionError(
                f"{self._folder}/{unknown[0]} is no file of this release",
                fix=f"rm {self._folder}/{unknown[0]}  # or move it elsewhere",
            )
        return foreign

    def _remove_checksums(self) -> None:
        """Remove checksums and their signatures, until all files are in place."""
        for name in files_below(self._folder):
            if name == CHECKSUMS or _is_signature(name):
                os.unlink(f"{self._folder}/{name}")

    def _new(self, name: str) -> IO[bytes]:
        path = f"{self._scratch}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "xb")

    def _add_checksum(self, name: str) -> None:
        self.sha256[name] = _sha256(f"{self._scratch}/{name}")


def _changelog(workspace: Workspace) -> str:
    try:
        return workspace.tree.read(notes.FILE).decode()
    except FileNotFoundError:
        return ""


def _report(workspace: Workspace, key: str) -> str:
    """The sha256 of a proof's report in the store."""
    record = workspace.records.get(key)
    if record is None or REPORT not in record.files:
        raise ActionError(
            f"the report of the proof {key} is gone from the store", fix="./doitw verify"
        )
    return record.files[REPORT].sha256


def _is_signature(name: str) -> bool:
    """Whether a file is a signature of the checksums, of any tool."""
    return name.startswith(f"{CHECKSUMS}.")


def files_below(folder: str) -> list[str]:
    """The files in a folder and its folders, sorted, relative to it."""
    return sorted(
        os.path.relpath(f"{above}/{name}", folder)
        for above, _, names in os.walk(folder)
        for name in names
    )


def _bytes(path: str) -> bytes:
    """Content of a file; empty if it is missing."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _sha256(path: str) -> str:
    """The sha256 of a file; empty if it is missing."""
    try:
        return file_sha256(path)
    except FileNotFoundError:
        return ""
