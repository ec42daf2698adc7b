"""Asking apt: the script is safe to run, and its answer is read exactly or not at all."""

from __future__ import annotations

import subprocess

import pytest

from buildlib.debian import apt
from buildlib.debian.package import DebPackage
from buildlib.errors import ActionError, InputError

MIRROR = "https://mirror.example.com/linux"
SHA = "ab" * 32
TINI = "debian/pool/main/t/tini/tini_0.19.0-1%2bb3_amd64.deb"
DMSETUP = "debian-security/pool/updates/main/l/lvm2/dmsetup_1.02%7e1_amd64.deb"
ANSWER = f"""\
'{MIRROR}/{TINI}' tini_0.19.0-1+b3_amd64.deb 9 SHA256:{SHA}
'{MIRROR}/{DMSETUP}' dmsetup_2%3a1.02~1_amd64.deb 8 SHA256:{SHA}
end of answer
"""


def test_name_epoch_version_and_path_are_exact() -> None:
    assert apt.parse_result(ANSWER, MIRROR) == [
        DebPackage(
            "dmsetup",
            "2:1.02~1",
            "amd64",
            SHA,
            8,
            "debian-security/pool/updates/main/l/lvm2/dmsetup_1.02~1_amd64.deb",
        ),
        DebPackage(
            "tini",
            "0.19.0-1+b3",
            "amd64",
            SHA,
            9,
            "debian/pool/main/t/tini/tini_0.19.0-1+b3_amd64.deb",
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("end of answer\n", ""),
        ("SHA256", "MD5Sum"),
        (MIRROR, "http://elsewhere.example.com"),
        ("tini_0.19.0-1+b3_amd64.deb 9", "tini.deb 9"),
    ],
)
def test_an_answer_that_is_not_apts_is_refused(old: str, new: str) -> None:
    with pytest.raises(ActionError, match="apt's answer"):
        apt.parse_result(ANSWER.replace(old, new), MIRROR)


def test_an_empty_answer_is_not_an_empty_list() -> None:
    assert apt.parse_result("end of answer\n", MIRROR) == []
    with pytest.raises(ActionError, match="cut off"):
        apt.parse_result("", MIRROR)


def test_an_unknown_package_is_named_with_the_nearest() -> None:
    answer = "unknown tinni\nknown bash\nknown tini\nend of answer\n"
    with pytest.raises(InputError, match="no package 'tinni'; did you mean tini"):
        apt.parse_result(answer, MIRROR)


def test_nothing_wanted_starts_no_container() -> None:
    def run(script: str) -> str:
        raise AssertionError(script)

    assert apt.lock_packages([], run, mirror=MIRROR) == []


@pytest.mark.parametrize("name", ["", "Bash", "a;reboot", "$(reboot)", "-y", "a=1", "a b", "a*"])
def test_a_name_that_is_none_never_reaches_a_shell(name: str) -> None:
    with pytest.raises(InputError, match="is not a Debian package name"):
        apt.apt_script([name], mirror=MIRROR)


@pytest.fixture
def fake_apt(tmp_path, monkeypatch):
    """apt-get and apt-cache that note their configuration and know two packages."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-cache").write_text("#!/bin/sh\nprintf 'libstdc++6\\nlibstdccc6\\ntini\\n'\n")
    (tools / "apt-get").write_text(
        f'#!/bin/sh\ncat "$APT_CONFIG" > {tmp_path}/conf\n'
        f'cp "$(dirname "$APT_CONFIG")"/sources.list "$(dirname "$APT_CONFIG")"/ca.pem {tmp_path}\n'
        'echo noise\ncat >&2; case " $* " in *" install "*) echo "asked $*";; esac\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def run_script(script: str) -> list[str]:
    """Run it as the caller does: from standard input, which apt must not eat."""
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_script_asks_for_exactly_the_wanted(fake_apt) -> None:
    script = apt.apt_script(["tini", "libstdc++6"], mirror=MIRROR, ca="-----BEGIN X-----\nabc")
    *answer, asked, end = run_script(script)
    assert end == "end of answer"
    assert asked.endswith(
        "--no-install-recommends --no-remove --print-uris install libstdc++6 tini"
    )
    assert answer == ["noise"], "what `apt-get update` prints must not get into the answer"
    sources = (fake_apt / "sources.list").read_text().splitlines()
    assert [line.split("] ")[1] for line in sources] == [
        f"{MIRROR}/debian bookworm main",
        f"{MIRROR}/debian bookworm-updates main",
        f"{MIRROR}/debian-security bookworm-security main",
    ]
    assert all(f"signed-by={apt.KEYRING}" in line for line in sources)
    assert "CAInfo" in (fake_apt / "conf").read_text()
    assert (fake_apt / "ca.pem").read_text() == "-----BEGIN X-----\nabc\n"


def test_without_certificates_apts_own_are_kept(fake_apt) -> None:
    run_script(apt.apt_script(["tini"], mirror=MIRROR))
    assert "CAInfo" not in (fake_apt / "conf").read_text()


def test_a_pattern_is_not_taken_for_a_name(fake_apt) -> None:
    """`libstdc++6` matches libstdccc6 as a pattern; an unknown `libstd.` must match nothing."""
    answer = run_script(apt.apt_script(["libstd.", "tini"], mirror=MIRROR))
    assert answer[0] == "unknown libstd."
    assert not any("install" in line for line in answer)


def test_apt_runs_on_state_of_its_own(fake_apt) -> None:
    run_script(apt.apt_script(["tini"], mirror=MIRROR))
    conf = (fake_apt / "conf").read_text()
    folders = [line.split('"')[1] for line in conf.splitlines() if line.startswith("Dir::")]
    assert len(folders) == 8
    own = [folder for folder in folders if str(fake_apt) in folder]
    assert len(own) == 3
    assert set(folders) - set(own) == {"/dev/null"}
    assert not any(folder.startswith(("/var", "/etc")) for folder in folders)
