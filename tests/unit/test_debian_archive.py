"""Reading an archive: nothing unsigned, nothing altered, the newest version of each package."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

import pysequoia
import pytest

from buildlib.debian import archive
from buildlib.debian.archive import Suite, read_archive, verify_signature
from buildlib.errors import ActionError, InputError
from buildlib.model.settings import Network

STABLE = Suite("debian", "bookworm")
SECURITY = Suite("debian-security", "bookworm-security")
FIELDS = "Architecture: amd64\nSize: 5\nSHA256: {sha}\nFilename: pool/{file}\n"


def stanza(name: str, version: str, extra: str = "") -> str:
    fields = FIELDS.format(sha="ab" * 32, file=f"{name}_{version}_amd64.deb")
    return f"Package: {name}\nVersion: {version}\n{extra}{fields}"


def mirror(*suites: tuple[Suite, list[str]], valid_until: str = "") -> dict[str, bytes]:
    files = {}
    for suite, stanzas in suites:
        packages = lzma.compress("\n".join(stanzas).encode())
        digest = hashlib.sha256(packages).hexdigest()
        files[f"{suite.folder}/main/binary-amd64/Packages.xz"] = packages
        files[f"{suite.folder}/InRelease"] = (
            f"Suite: {suite.name}\n{valid_until}SHA256:\n"
            f" {digest} {len(packages):>8} main/binary-amd64/Packages.xz\n"
        ).encode()
    return files


def read(files: dict[str, bytes], *suites: Suite, arch: str = "amd64") -> archive.Archive:
    return read_archive(
        files.__getitem__, suites=suites, arch=arch, verify=lambda data, _name: data
    )


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """An archive key of our own, trusted instead of Debian's."""
    made = pysequoia.Tsk.generate("Archive of a test <archive@example.com>")
    folder = tmp_path_factory.mktemp("keys")
    (folder / "archive.gpg").write_bytes(bytes(made.extract_certificate()))
    monkeypatch.setattr(archive, "KEYS", folder)
    return made


def clear_sign(key, text: bytes) -> bytes:
    return pysequoia.sign(key.signer(), text, mode=pysequoia.SignatureMode.CLEAR)


def test_the_newest_version_wins_and_its_suite_is_its_path() -> None:
    files = mirror(
        (STABLE, [stanza("bash", "5.2-9"), stanza("dash", "0.5-2")]),
        (SECURITY, [stanza("bash", "5.2-10"), stanza("dash", "0.5-1")]),
    )
    found = read(files, STABLE, SECURITY).candidates
    assert found["bash"].package.path == "debian-security/pool/bash_5.2-10_amd64.deb"
    assert found["dash"].package.path == "debian/pool/dash_0.5-2_amd64.deb"


def test_of_equal_versions_the_first_suite_is_taken() -> None:
    files = mirror((STABLE, [stanza("bash", "5")]), (SECURITY, [stanza("bash", "5")]))
    assert read(files, STABLE, SECURITY).candidates["bash"].package.path.startswith("debian/")
    assert read(files, SECURITY, STABLE).candidates["bash"].package.path.startswith("debian-sec")


def test_fields_a_resolver_needs_are_read() -> None:
    fields = "Priority: required\nEssential: yes\nPre-Depends: a (>= 1)\nDepends: b | c\n"
    found = read(mirror((STABLE, [stanza("bash", "5", fields)])), STABLE).candidates["bash"]
    assert (found.priority, found.essential) == ("required", True)
    assert (found.pre_depends, found.depends) == ("a (>= 1)", "b | c")


def test_an_altered_index_is_refused() -> None:
    files = mirror((STABLE, [stanza("bash", "5")]))
    files["debian/dists/bookworm/main/binary-amd64/Packages.xz"] = lzma.compress(b"Package: evil")
    with pytest.raises(ActionError, match="not the file that the signed InRelease names"):
        read(files, STABLE)


def test_an_architecture_the_suite_does_not_have_is_named() -> None:
    with pytest.raises(InputError) as caught:
        read(mirror((STABLE, [])), STABLE, arch="vax")
    assert "no packages for architecture vax" in caught.value.render()
    assert "amd64" in caught.value.render()


@pytest.mark.parametrize(("year", "expired"), [(2001, ("bookworm",)), (2999, ())])
def test_a_mirror_that_stands_still_is_reported(year: int, expired: tuple[str, ...]) -> None:
    until = f"Valid-Until: Sat, 28 Nov {year} 00:53:02 UTC\n"
    assert read(mirror((STABLE, []), valid_until=until), STABLE).expired == expired


def test_a_signed_release_is_accepted_and_only_its_signed_text_read(key) -> None:
    signed = b"smuggled: in front\n" + clear_sign(key, b"Suite: bookworm\n")
    assert verify_signature(signed, "InRelease").strip() == b"Suite: bookworm"


@pytest.mark.parametrize("harm", ["altered", "unsigned", "other key"])
def test_what_the_archive_did_not_sign_is_refused(key, harm: str) -> None:
    signer = key if harm != "other key" else pysequoia.Tsk.generate("Other <o@example.com>")
    text = clear_sign(signer, b"Suite: bookworm\n")
    if harm == "altered":
        text = text.replace(b"bookworm", b"bullworm")
    elif harm == "unsigned":
        text = b"Suite: bookworm\n"
    with pytest.raises(ActionError) as caught:
        verify_signature(text, "debian/dists/bookworm/InRelease")
    shown = caught.value.render()
    assert "debian/dists/bookworm/InRelease is not signed by the Debian archive" in shown
    assert "fix:" in shown
    assert "backtrace" not in shown.lower()


def test_the_committed_keys_are_those_their_readme_names() -> None:
    readme = (archive.KEYS / "README.md").read_text()
    files = sorted(archive.KEYS.glob("*.gpg"))
    assert len(files) == 3
    for path in files:
        certificate = pysequoia.Cert.from_file(str(path))
        row = next(line for line in readme.splitlines() if path.name in line)
        assert certificate.fingerprint.upper() in row
        assert hashlib.sha256(path.read_bytes()).hexdigest() in row


def test_the_image_installs_from_the_suites_the_lock_reads() -> None:
    image = Path(__file__).parents[2] / "images/bases/os/files/etc/apt/sources.list.d"
    found = []
    for paragraph in (image / "debian.sources").read_text().split("\n\n"):
        fields = dict(line.split(": ") for line in paragraph.strip().splitlines())
        root = fields["URIs"].removeprefix(f"{Network().apt}/")
        found += [Suite(root, name) for name in fields["Suites"].split()]
        assert fields["Components"] == "main"
    assert tuple(found) == archive.BOOKWORM
