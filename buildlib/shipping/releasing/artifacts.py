"""The files of a release, in `dist/VERSION/`: archives, lists, statements, checksums.

All of them are made beside the folder and then renamed into it, one by one, the checksums last: a
release that was stopped has no checksums for half of its files, and writing again completes it.
The same release gives the same bytes. What each file is for is in docs/release-files.md.

It puts files together; what stands in them is made by `attest`, `sbom` and `notes`. It knows no
registry, and signs nothing: statements are sealed by whoever can.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference
from buildlib.core.model.output import DIST, FileOutput
from buildlib.core.rules.kernel_check import REPORT
from buildlib.core.store.content import sha256_of
from buildlib.errors import ActionError
from buildlib.shipping.releasing import attest, notes
from buildlib.shipping.releasing.model import Release

IMAGES = "images.json"
CHECKSUMS = "SHA256SUMS"
NOTES = "RELEASE_NOTES.md"
PROVENANCE = "provenance.intoto.json"
TEST_RESULTS = "test-results.intoto.jsonl"
SEALED = {PROVENANCE: "provenance.dsse.json", TEST_RESULTS: "test-results.dsse.jsonl"}
"""The files that hold the signed statements, where there is a key."""
SBOMS = "sbom"
SBOM_ENDING = ".cdx.json"


def write(
    workspace: Workspace,
    release: Release,
    folder: str,
    say: Callable[[str], None],
    seal: Callable[[bytes], bytes] | None = None,
) -> list[str]:
    """Write the files of a release; those that are there and right are left as they are.

    Args:
        workspace: In the channel of the release, its archives built.
        folder: Where to; absolute, in the workspace.
        seal: Makes a line with a signed statement of a statement; None where nothing is signed.

    Returns:
        The names of all files of the release, sorted, relative to the folder.
    """
    import shutil

    beside = workspace.state.path(f"release.{os.getpid()}")
    try:
        made = _Files(folder, beside)
        made.take_archives(workspace)
        made.add(IMAGES, attest.images_json(release))
        made.add(NOTES, notes.release_notes(_changelog(workspace), release.version).encode())
        reports = {proof.key: _report(workspace, proof.key) for proof in release.proofs}
        results = attest.test_results(release, reports)
        made.add(TEST_RESULTS, results)
        made.take_sboms(workspace, release, say)
        flavour = workspace.settings.flavour
        pins = pins_of(workspace, release)
        provenance = attest.provenance(release, made.sha256, pins, flavour=flavour)
        made.add(PROVENANCE, provenance)
        if seal:
            made.add(SEALED[PROVENANCE], seal(provenance))
            made.add(SEALED[TEST_RESULTS], b"".join(map(seal, results.splitlines())))
        made.add(CHECKSUMS, attest.checksums(made.sha256))
        made.move()
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return sorted(made.sha256)


def written(release: Release, folder: str, *, signed: bool) -> list[str]:
    """The files of a release that were written before, if they are whole and of this release.

    Between writing and publishing, an image may have been built anew or found elsewhere, and a
    writing may have been stopped.

    Args:
        signed: Whether there is a key, so that there must be a signature.

    Returns:
        Their names, `images.json` first.
    """
    names = _names(folder)
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


def archives(workspace: Workspace) -> dict[str, FileOutput]:
    """The archives of a release: their names, and the tars that they hold."""
    found = {}
    for label in workspace.graph.order:
        target = workspace.graph[label]
        export = target.rule.export(target, workspace.version)
        folder, _, name = export.path.partition("/") if export else ("", "", "")
        if export is None or folder != DIST or label in workspace.left_out:
            continue
        record = workspace.records.get(workspace.keys.key(Reference(label)))
        made = record.files.get(export.file) if record else None
        if made is None or not workspace.store.verify(
            made.sha256, what=f"{export.file} of {label}"
        ):
            raise ActionError(
                f"{label} was not built for {workspace.version}",
                fix=f"./doitw release stamp VERSION={workspace.version}",
            )
        found[name] = made
    return found


def pins_of(workspace: Workspace, release: Release) -> set[attest.Pin]:
    """All that the images of a release have from outside, as images.lock says."""
    from buildlib.core.keys.compute import pinned

    found = set()
    for label in workspace.graph.closure([image.label for image in release.images]):
        target = workspace.graph[label]
        for pin in target.pins:
            for name, item in pinned(workspace.lock, pin, target).items.items():
                found.add(attest.Pin(pin.section, name, item.version, item.sha256))
    return found


class _Files:
    """The files of one release on their way into its folder.

    Args:
        beside: Where they are made; on the same file system.
    """

    def __init__(self, folder: str, beside: str) -> None:
        self._folder = folder
        self._beside = beside
        self.sha256: dict[str, str] = {}
        """Of each file, in the order in which they will be moved."""

    def add(self, name: str, data: bytes) -> None:
        """Add a file of these bytes."""
        with self._new(name) as out:
            out.write(data)
        self._note(name)

    def take_archives(self, workspace: Workspace) -> None:
        """Add the archives; one that is in the folder already is read, and not packed again."""
        from buildlib.core.pack.compress import compress, unpacked_sha256

        for name, made in archives(workspace).items():
            if unpacked_sha256(f"{self._folder}/{name}") == made.sha256:
                self.sha256[name] = _sha256(f"{self._folder}/{name}")
                continue
            with open(workspace.store.path(made.sha256), "rb") as tar, self._new(name) as out:
                compress(tar, out)
            self._note(name)

    def take_sboms(
        self, workspace: Workspace, release: Release, say: Callable[[str], None]
    ) -> None:
        """Add what is in each image."""
        from buildlib.shipping.releasing.sbom import sboms

        named = [(image, attest.name_of(release, image)) for image in release.images]
        for (_, name), made in zip(named, sboms(workspace, named, say), strict=True):
            with open(workspace.store.path(made.sha256), "rb") as file:
                self.add(f"{SBOMS}/{name.replace('/', '-')}{SBOM_ENDING}", file.read())

    def move(self) -> None:
        """Give all files their places, and remove what an earlier writing left of others."""
        stale = self._stale()
        for name, digest in self.sha256.items():
            source, place = f"{self._beside}/{name}", f"{self._folder}/{name}"
            if not os.path.exists(source) or _sha256(place) == digest:
                continue
            self._unseal()
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.replace(source, place)
        for name in stale:
            os.unlink(f"{self._folder}/{name}")

    def _stale(self) -> list[str]:
        """Files that the folder has and the release has not: of images or a key that it had."""
        foreign = [name for name in _names(self._folder) if name not in self.sha256]
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

    def _unseal(self) -> None:
        """Remove checksums and their signatures: until all files are there, nothing is whole."""
        for name in _names(self._folder):
            if name == CHECKSUMS or _is_signature(name):
                os.unlink(f"{self._folder}/{name}")

    def _new(self, name: str) -> IO[bytes]:
        path = f"{self._beside}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "xb")

    def _note(self, name: str) -> None:
        self.sha256[name] = _sha256(f"{self._beside}/{name}")


def _changelog(workspace: Workspace) -> str:
    try:
        return workspace.tree.read(notes.FILE).decode()
    except FileNotFoundError:
        return ""


def _report(workspace: Workspace, key: str) -> str:
    """The sha256 of a proof's report."""
    record = workspace.records.get(key)
    if record is None or REPORT not in record.files:
        raise ActionError(
            f"the report of the proof {key} is gone from the store", fix="./doitw verify"
        )
    return record.files[REPORT].sha256


def _is_signature(name: str) -> bool:
    """Whether a file is made from the checksums, by whoever signs them."""
    return name.startswith(f"{CHECKSUMS}.")


def _names(folder: str) -> list[str]:
    return sorted(
        os.path.relpath(f"{above}/{name}", folder)
        for above, _, names in os.walk(folder)
        for name in names
    )


def _bytes(path: str) -> bytes:
    """Of a file; empty where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _sha256(path: str) -> str:
    """Of a file; empty where there is none."""
    try:
        return sha256_of(path)
    except FileNotFoundError:
        return ""
