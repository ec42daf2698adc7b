"""Asking apt: the script is safe to run, and its answer is read exactly or not at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildlib.core.model.lock import Item
from buildlib.core.model.settings import Network
from buildlib.errors import ActionError, InputError
from buildlib.outside.debian import apt
from buildlib.outside.debian.apt import Archive

MIRROR = "https://mirror.example.com/linux"
ARCHIVE = Archive(MIRROR)
SHA = "ab" * 32
TINI = "debian/pool/main/t/tini/tini_0.19.0-1%2bb3_amd64.deb"
DMSETUP = "debian-security/pool/updates/main/l/lvm2/dmsetup_1.02%7e1_amd64.deb"
ANSWER = f"""\
'{MIRROR}/{TINI}' tini_0.19.0-1+b3_amd64.deb 9 SHA256:{SHA}
'{MIRROR}/{DMSETUP}' dmsetup_2%3a1.02~1_amd64.deb 8 SHA256:{SHA}
end of answer
"""


def test_name_epoch_version_and_path_are_exact() -> None:
    dmsetup = "debian-security/pool/updates/main/l/lvm2/dmsetup_1.02~1_amd64.deb"
    tini = "debian/pool/main/t/tini/tini_0.19.0-1+b3_amd64.deb"
    assert list(apt.parse_answer(ANSWER, MIRROR).packages.items()) == [
        ("dmsetup", Item("2:1.02~1", SHA, 8, dmsetup)),
        ("tini", Item("0.19.0-1+b3", SHA, 9, tini)),
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
        apt.parse_answer(ANSWER.replace(old, new), MIRROR)


def test_an_empty_answer_is_not_an_empty_list() -> None:
    assert apt.parse_answer("end of answer\n", MIRROR) == ({}, [])
    with pytest.raises(ActionError, match="cut off"):
        apt.parse_answer("", MIRROR)


def test_an_unknown_package_is_named_with_the_nearest() -> None:
    answer = "unknown tinni\nknown bash\nknown tini\nend of answer\n"
    with pytest.raises(InputError, match="no package 'tinni'; did you mean tini"):
        apt.parse_answer(answer, MIRROR)


def test_suites_past_their_time_are_told_beside_the_packages() -> None:
    answer = f"expired bookworm-updates\nexpired bookworm\n{ANSWER}"
    packages, expired = apt.parse_answer(answer, MIRROR)
    assert expired == ["bookworm", "bookworm-updates"]
    assert len(packages) == 2


@pytest.mark.parametrize("name", ["", "Bash", "a;reboot", "$(reboot)", "-y", "a=1", "a b", "a*"])
def test_a_name_that_is_none_never_reaches_a_shell(name: str) -> None:
    with pytest.raises(InputError, match="is not a Debian package name"):
        apt.packages_script([name], ARCHIVE)
    with pytest.raises(InputError, match="is not a Debian package name"):
        apt.system_script([name], ARCHIVE, arch="amd64")


RELEASES = {
    "stable": "Codename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n",
    "updates": "Codename: bookworm-updates\nValid-Until: Sat, 28 Nov 2001 00:53:02 UTC\n",
    "security": "Codename: bookworm-security\nValid-Until: Sat, 28 Nov 2999 00:53:02 UTC\n",
}


@pytest.fixture
def fake_apt(tmp_path, monkeypatch):
    """apt-get and apt-cache that note their configuration and know a few packages."""
    tools = tmp_path / "bin"
    lists = tmp_path / "fetched"
    tools.mkdir()
    lists.mkdir()
    (tools / "apt-cache").write_text(
        "#!/bin/sh\nprintf 'apt\\nlibstdc++6\\nlibstdccc6\\ntini\\nusr-is-merged\\n'\n"
    )
    (tools / "apt-get").write_text(
        f'#!/bin/sh\nown=$(dirname "$APT_CONFIG")\ncat "$APT_CONFIG" > {tmp_path}/conf\n'
        f'cp "$own/sources.list" {tmp_path}; cp {lists}/* "$own/lists" 2> /dev/null\n'
        f"[ ! -e {tmp_path}/failure ] || {{ cat {tmp_path}/failure >&2; exit 100; }}\n"
        'echo noise\ncat >&2; case " $* " in *" install "*) echo "asked $*";; esac\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def run_script(script: str) -> list[str]:
    """Run it as an engine does, but from standard input, which apt must not eat."""
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def settings_of(fake_apt: Path) -> dict[str, str]:
    """What apt was configured with."""
    rows = (line.partition(" ") for line in (fake_apt / "conf").read_text().splitlines())
    return {name: value.strip('";') for name, _, value in rows}


def test_the_script_asks_for_exactly_the_wanted(fake_apt) -> None:
    script = apt.packages_script(["tini", "libstdc++6"], Archive(MIRROR, ca="/ca.pem"))
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
    assert settings_of(fake_apt)["Acquire::https::CAInfo"] == "/ca.pem"


def test_without_certificates_apts_own_are_kept(fake_apt) -> None:
    run_script(apt.packages_script(["tini"], ARCHIVE))
    assert "CAInfo" not in (fake_apt / "conf").read_text()


def test_a_system_is_asked_for_as_if_nothing_were_installed(fake_apt) -> None:
    *_, asked, _end = run_script(apt.system_script(["tini"], ARCHIVE, arch="arm64"))
    assert asked.endswith(
        "--print-uris install ?priority(required) ?essential apt tini usr-is-merged"
    )
    found = settings_of(fake_apt)
    status = Path(found["Dir::State::Status"])
    assert fake_apt in status.parents
    assert status.read_bytes() == b""
    assert found["APT::Architecture"] == "arm64"
    assert found["APT::Architectures"] == '{ "arm64"; }'


def test_what_an_image_has_counts_for_what_is_added_to_it(fake_apt) -> None:
    run_script(apt.packages_script(["tini"], ARCHIVE))
    assert not {"Dir::State::Status", "APT::Architecture"} & settings_of(fake_apt).keys()


@pytest.mark.parametrize("make", [apt.packages_script, apt.system_script])
def test_a_pattern_is_not_taken_for_a_name(fake_apt, make) -> None:
    """`libstdc++6` matches libstdccc6 as a pattern; an unknown `libstd.` must match nothing."""
    options = {"arch": "amd64"} if make is apt.system_script else {}
    answer = run_script(make(["libstd.", "tini"], ARCHIVE, **options))
    assert answer[0] == "unknown libstd."
    assert not any("install" in line for line in answer)
    with pytest.raises(InputError, match=r"no package 'libstd\.'"):
        apt.parse_answer("\n".join(answer), MIRROR)


def test_a_mirror_that_stands_still_is_told(fake_apt) -> None:
    for name, text in RELEASES.items():
        (fake_apt / "fetched" / f"mirror_dists_{name}_InRelease").write_text(text)
    answer = run_script(apt.packages_script(["tini"], ARCHIVE))
    assert [line for line in answer if "expired" in line] == ["expired bookworm-updates"]


@pytest.mark.parametrize(
    ("keyring", "reason"),
    [
        ("/etc/passwd", apt.UNREAD),
        ("/nowhere/keys.gpg", "this is no Debian image: it has no /nowhere/keys.gpg"),
    ],
)
def test_lists_that_cannot_be_had_or_do_not_hold_end_the_script(
    fake_apt, keyring: str, reason: str
) -> None:
    (fake_apt / "failure").write_text("E: The repository is not signed.\n")
    script = apt.packages_script(["tini"], ARCHIVE).replace(apt.KEYRING, keyring)
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 100
    assert done.stdout == ""
    *said, last = done.stderr.splitlines()
    assert said == ["E: The repository is not signed."]
    assert last == reason


@pytest.mark.parametrize("system", [True, False])
def test_apt_runs_on_state_of_its_own(fake_apt, system: bool) -> None:
    run_script(
        apt.system_script(["tini"], ARCHIVE, arch="amd64")
        if system
        else apt.packages_script(["tini"], ARCHIVE)
    )
    conf = (fake_apt / "conf").read_text()
    folders = [line.split('"')[1] for line in conf.splitlines() if line.startswith("Dir::")]
    assert len(folders) == 8 + system
    own = [folder for folder in folders if str(fake_apt) in folder]
    assert len(own) == 3 + system
    assert set(folders) - set(own) == {"/dev/null"}
    assert not any(folder.startswith(("/var", "/etc")) for folder in folders)


def test_the_image_installs_from_the_suites_the_lock_reads() -> None:
    image = Path(__file__).parents[2] / "images/bases/os/files/etc/apt/sources.list.d"
    found = []
    for paragraph in (image / "debian.sources").read_text().split("\n\n"):
        fields = dict(line.split(": ") for line in paragraph.strip().splitlines())
        root = fields["URIs"].removeprefix(f"{Network().apt}/")
        found += [f"{root} {name}" for name in fields["Suites"].split()]
        assert fields["Components"] == "main"
    assert tuple(found) == apt.BOOKWORM
