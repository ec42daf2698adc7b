"""Which key signs a release, and what is said of one that cannot."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from Cryptodome.PublicKey import ECC

from buildlib.core.model.settings import Settings, Signing
from buildlib.errors import InputError
from buildlib.shipping.releasing.cosign_key import PrivateKey, PublicKey, open_key
from buildlib.shipping.releasing.sign import signer
from tests.support.settings import parse_settings
from tests.support.signing import KEY, PASSPHRASE, PUBLIC, signer_for_tests

TEXT = KEY.read_text()
PASSWORD = {"COSIGN_PASSWORD": PASSPHRASE}


def refused(settings: Settings, environ: dict[str, str], root: str = "/nowhere") -> str:
    with pytest.raises(InputError) as error:
        signer(settings, environ, root)
    assert error.value.fix
    return error.value.render()


def settings_with(path: object) -> Settings:
    return Settings(signing=Signing(str(path)))


def encrypted(**changes: object) -> str:
    """The key for tests, with something else written in its PEM."""
    box = json.loads(base64.b64decode("".join(TEXT.splitlines()[1:-1])))
    box.update(changes)
    body = base64.b64encode(json.dumps(box).encode()).decode()
    name = "ENCRYPTED SIGSTORE PRIVATE KEY"
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n"


# --- which key ---


def test_nothing_is_signed_where_nothing_is_configured() -> None:
    assert signer(Settings(), {}, "/nowhere") is None
    assert signer(Settings(), PASSWORD, "/nowhere") is None


def test_the_environment_names_another_key_than_the_settings() -> None:
    made = signer(settings_with("/not/there"), {**PASSWORD, "COSIGN_KEY": str(KEY)}, "/nowhere")
    assert made is not None
    assert made.path == str(KEY)
    assert PublicKey.read(PUBLIC).verifies(b"text", made.key.sign(b"text"))


def test_a_relative_path_is_below_the_workspace_and_a_tilde_is_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/cosign.key").write_text(TEXT)
    assert signer(settings_with("keys/cosign.key"), PASSWORD, str(tmp_path)) is not None
    monkeypatch.setenv("HOME", str(tmp_path))
    assert signer(settings_with("~/keys/cosign.key"), PASSWORD, "/nowhere") is not None


def test_a_release_says_with_which_key_it_is_signed() -> None:
    said = signer_for_tests().describe()
    der = ["openssl", "pkey", "-pubin", "-in", str(KEY.with_suffix(".pub")), "-outform", "DER"]
    public = subprocess.run(der, capture_output=True, check=True).stdout
    digest = subprocess.run(["sha256sum"], input=public, capture_output=True, check=True).stdout
    assert f"sha256:{digest.decode().split()[0]}" in said
    assert str(KEY) in said


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[tool.buildlib]\nsigning = 'cosign.key'\n", "pyproject.toml:2"),
        ("[tool.buildlib.signing]\nkey = 3\n", "pyproject.toml:2"),
        ("[tool.buildlib.network]\napt = 'http://a'\n[tool.buildlib.signing]\nkeys = 'x'\n",
         "pyproject.toml:4"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_with_its_line(text: str, where: str) -> None:
    with pytest.raises(InputError) as error:
        parse_settings(text)
    assert str(error.value.where) == where


def test_the_setting_names_the_key() -> None:
    text = "[tool.buildlib.signing]\nkey = '~/cosign.key'\n"
    assert parse_settings(text).signing.key == "~/cosign.key"


# --- keys that cannot sign ---


def test_a_key_that_is_not_there_is_named_with_who_named_it() -> None:
    assert "/not/there (COSIGN_KEY)" in refused(
        Settings(), {**PASSWORD, "COSIGN_KEY": "/not/there"}
    )
    assert "[tool.buildlib.signing]" in refused(settings_with("/not/there"), PASSWORD)


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    refused(settings_with(tmp_path), PASSWORD)


def test_a_passphrase_has_to_be_given_but_may_be_empty() -> None:
    assert "COSIGN_PASSWORD is not set" in refused(settings_with(KEY), {})
    assert "does not open" in refused(settings_with(KEY), {"COSIGN_PASSWORD": ""})


def test_a_wrong_passphrase_is_refused_and_never_shown() -> None:
    said = refused(settings_with(KEY), {"COSIGN_PASSWORD": "swordfish 1"})
    assert "does not open" in said
    assert "swordfish" not in said


def test_a_key_handed_over_instead_of_its_path_is_not_shown() -> None:
    said = refused(Settings(), {**PASSWORD, "COSIGN_KEY": TEXT})
    assert TEXT.splitlines()[1] not in said
    assert "COSIGN_KEY holds a key" in said


def test_no_secret_is_in_the_names_of_objects() -> None:
    made = signer_for_tests()
    shown = f"{made!r} {made} {made.key!r} {vars(made.key.public)!r}"
    assert PASSPHRASE not in shown
    secret = open_key(TEXT, PASSPHRASE.encode(), "key")._key
    assert str(int(secret.d)) not in shown
    assert f"{int(secret.d):x}" not in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a private key"),
        ("hello\n", "not a private key"),
        (PUBLIC, "the public half"),
        (ECC.generate(curve="P-256").export_key(format="PEM"), "not cosign's"),
        (TEXT.replace("SIGSTORE", "OPENSSH"), "not cosign's"),
        (TEXT[:200] + TEXT[300:], "damaged"),
        (TEXT.replace("-----END", "!\n-----END"), "damaged"),
        (encrypted(kdf={}), "damaged"),
        (encrypted(cipher={"name": "rot13"}), "rot13"),
        (encrypted(kdf={"name": "scrypt", "params": {"N": 3, "r": 8, "p": 1}, "salt": "AAAA"}),
         "damaged"),
        (encrypted(kdf={"name": "scrypt", "params": {"N": 1 << 40, "r": 8, "p": 1},
                        "salt": "AAAA"}), "damaged"),
        (encrypted(ciphertext="AAAA"), "does not open"),
        (encrypted(ciphertext=7), "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_key_of_cosigns_is_told_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        open_key(text, PASSPHRASE.encode(), "the-key")
    assert said in error.value.what
    assert "the-key" in error.value.what
    assert error.value.fix


def test_the_older_name_of_the_format_is_known() -> None:
    old = TEXT.replace("SIGSTORE", "COSIGN")
    signature = open_key(old, PASSPHRASE.encode(), "key").sign(b"text")
    assert PublicKey.read(PUBLIC).verifies(b"text", signature)


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="P-256"):
        PublicKey.read(ECC.generate(curve="P-384").public_key().export_key(format="PEM"))
    with pytest.raises(InputError, match="P-256"):
        PublicKey.read("what?")


# --- signatures ---


def test_a_signature_is_of_these_bytes_and_of_this_key_alone() -> None:
    key, other = (PrivateKey(ECC.generate(curve="P-256")) for _ in range(2))
    signature = key.sign(b"text")
    assert key.public.verifies(b"text", signature)
    assert not key.public.verifies(b"text ", signature)
    assert not other.public.verifies(b"text", signature)
    assert not key.public.verifies(b"text", signature[:-1])
    assert not key.public.verifies(b"text", b"")


def test_a_text_has_one_signature() -> None:
    first, second = (open_key(TEXT, PASSPHRASE.encode(), "key").sign(b"text") for _ in range(2))
    assert first == second
    assert first != open_key(TEXT, PASSPHRASE.encode(), "key").sign(b"other")
