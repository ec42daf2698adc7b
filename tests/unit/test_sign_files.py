"""A signed release folder passes the checks of docs/signing.md, and any change of it is found."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from Cryptodome.PublicKey import ECC

from buildlib.errors import ActionError
from buildlib.shipping.releasing.verify_signatures import check_folder
from tests.support.signing import PUBLIC, signer_for_tests

PAGE = Path(__file__).parents[2] / "docs" / "signing.md"
STATEMENT = '{"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicate": {}}\n'
RESULTS = [b'{"_type": "https://in-toto.io/Statement/v1", "subject": []}', b"{}"]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A signed release, and the publisher's key beside its folder."""
    folder = tmp_path / "2.5.0"
    (folder / "sbom").mkdir(parents=True)
    (folder / "images.json").write_text("{}\n")
    (folder / "sbom/a.json").write_text("[]\n")
    (folder / "provenance.intoto.json").write_text(STATEMENT)
    (folder / "tests.intoto.jsonl").write_bytes(b"\n".join(RESULTS) + b"\n")
    sign(folder)
    (tmp_path / "cosign.pub").write_text(PUBLIC)
    return folder


def sign(folder: Path) -> None:
    signer = signer_for_tests()
    (folder / "provenance.dsse.json").write_bytes(signer.envelope(STATEMENT.encode()))
    (folder / "tests.dsse.jsonl").write_bytes(b"".join(map(signer.envelope, RESULTS)))
    write_sums(folder)
    signer.sign_file(str(folder / "SHA256SUMS"))


def write_sums(folder: Path) -> None:
    files = sorted(it for it in folder.rglob("*") if it.is_file() and "SHA256" not in it.name)
    lines = [f"{sha256(it)}  {it.relative_to(folder)}\n" for it in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(folder: Path) -> str:
    with pytest.raises(ActionError) as error:
        check_folder(str(folder), PUBLIC)
    return error.value.render()


# --- what receivers do ---


def commands(folder: Path) -> list[str]:
    """The commands of the page that need no cosign."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).splitlines()
    found = [line for line in lines if "openssl dgst" in line or line.startswith("sha256sum")]
    assert len(found) == 2
    return found


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    (folder / "cosign.pub").write_text(PUBLIC)
    words = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_openssl_and_sha256sum_accept_it_as_the_page_says(release: Path) -> None:
    for command in commands(release):
        done = run(release, command)
        assert done.returncode == 0, done.stderr
        assert "OK" in done.stdout


def test_they_refuse_what_was_changed(release: Path) -> None:
    (release / "images.json").write_text("{ }\n")
    assert [run(release, command).returncode for command in commands(release)] == [0, 1]
    write_sums(release)
    assert [run(release, command).returncode for command in commands(release)] == [1, 0]


# --- our own check ---


def test_a_release_as_it_was_signed_passes(release: Path) -> None:
    assert check_folder(str(release), PUBLIC) == [
        "SHA256SUMS", "images.json", "provenance.dsse.json", "provenance.intoto.json",
        "sbom/a.json",
        "tests.dsse.jsonl", "tests.intoto.jsonl",
    ]  # fmt: skip


def test_signing_again_changes_no_byte(release: Path) -> None:
    before = {it: it.read_bytes() for it in release.rglob("*") if it.is_file()}
    sign(release)
    assert before == {it: it.read_bytes() for it in release.rglob("*") if it.is_file()}


def test_a_release_of_another_publisher_does_not_pass(release: Path) -> None:
    key = ECC.generate(curve="P-256").public_key().export_key(format="PEM")
    with pytest.raises(ActionError, match=r"SHA256SUMS\.sig is not a signature"):
        check_folder(str(release), key)


def test_a_changed_file_is_named(release: Path) -> None:
    (release / "sbom/a.json").write_text("[1]\n")
    assert "sbom/a.json is not what SHA256SUMS says" in refused(release)


def test_a_missing_file_is_named(release: Path) -> None:
    (release / "images.json").unlink()
    assert "images.json is not there" in refused(release)


def test_a_file_more_is_named(release: Path) -> None:
    (release / "sbom/b.json").write_text("")
    assert "sbom/b.json has no line" in refused(release)


def test_changed_sums_are_found(release: Path) -> None:
    (release / "images.json").write_text("{ }\n")
    write_sums(release)
    assert "SHA256SUMS.sig is not a signature" in refused(release)


@pytest.mark.parametrize("text", [None, "", "what?", "MEUC"])
def test_a_signature_that_is_none_is_found(release: Path, text: str | None) -> None:
    path = release / "SHA256SUMS.sig"
    path.unlink() if text is None else path.write_text(text)
    assert "SHA256SUMS.sig" in refused(release)


@pytest.mark.parametrize("line", ["", "0123  a", f"{'0' * 64}  /etc/passwd", f"{'0' * 64}  ../a"])
def test_a_signed_line_that_is_none_is_named(release: Path, line: str) -> None:
    sums = release / "SHA256SUMS"
    sums.write_text(f"{line}\n{sums.read_text()}")
    signer_for_tests().sign_file(str(sums))
    assert "SHA256SUMS:1" in refused(release)


# --- statements ---


def test_an_envelope_holds_the_statement_and_its_signature(release: Path) -> None:
    envelope = json.loads((release / "provenance.dsse.json").read_text())
    assert base64.b64decode(envelope["payload"]).decode() == STATEMENT
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    signature = release / "signature"
    signature.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    text = "DSSEv1 28 application/vnd.in-toto+json " + f"{len(STATEMENT)} {STATEMENT}"
    command = ["openssl", "dgst", "-sha256", "-verify", str(release.parent / "cosign.pub")]
    command += ["-signature", str(signature)]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done


def resigned(release: Path, **changes: object) -> Path:
    """The release with another envelope, whose sum is signed."""
    path = release / "provenance.dsse.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    write_sums(release)
    signer_for_tests().sign_file(str(release / "SHA256SUMS"))
    return release


def test_an_envelope_of_another_statement_is_found(release: Path) -> None:
    other = base64.b64encode(STATEMENT.replace("v1", "v2").encode()).decode()
    assert "provenance.dsse.json is not signed" in refused(resigned(release, payload=other))


def test_an_envelope_of_another_type_is_found(release: Path) -> None:
    assert "is not signed" in refused(resigned(release, payloadType="text/plain"))


@pytest.mark.parametrize("signatures", [None, [{}], [{"sig": "!"}], [3]])
def test_an_envelope_that_is_none_is_found(release: Path, signatures: object) -> None:
    assert "is not a DSSE envelope" in refused(resigned(release, signatures=signatures))


def test_an_envelope_without_signatures_is_found(release: Path) -> None:
    assert "is not signed" in refused(resigned(release, signatures=[]))


def test_a_statement_that_the_envelope_does_not_hold_is_found(release: Path) -> None:
    (release / "provenance.intoto.json").write_text(STATEMENT + "\n")
    write_sums(release)
    signer_for_tests().sign_file(str(release / "SHA256SUMS"))
    assert "provenance.dsse.json does not hold what" in refused(release)


def test_each_line_of_results_has_its_envelope(release: Path) -> None:
    path = release / "tests.dsse.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    for envelopes in (first, second + first, first + second + second):
        path.write_bytes(envelopes)
        write_sums(release)
        signer_for_tests().sign_file(str(release / "SHA256SUMS"))
        assert "tests.dsse.jsonl does not hold" in refused(release)
