"""Packages to a tar: same bytes always, nothing hostile, a database that dpkg can go on from."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import lzma
import os
import random
import tarfile
from pathlib import Path

import pytest

from buildlib.errors import ActionError
from buildlib.outside.debian.deb import Deb
from buildlib.outside.debian.rootfs import EXCLUDED, INCLUDED, ExtraFile, write_rootfs

EPOCH = 1_700_000_000
IMAGE = Path(__file__).parents[2] / "images/bases/os"


def member(name: str, data: bytes | None = None, **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.mode = 0o755 if data is None else 0o644
    info.size = len(data or b"")
    info.mtime = 1_600_000_000
    info.uname, info.gname = "builder", "builders"
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data or b""


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=kind, linkname=target, size=0)


def tar(members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ar(*parts: tuple[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in parts:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    return out


@pytest.fixture
def make_deb(tmp_path):
    """Writes a small package; control files by name, data members in order."""

    def make(name, members=(), control=None, fields="", pack=("xz", lzma.compress)) -> Path:
        text = f"Package: {name}\nVersion: 1\nArchitecture: amd64\n{fields}Description: {name}\n"
        files = {"control": text.encode(), **(control or {})}
        scripts = ("preinst", "postinst", "prerm", "postrm")
        inner = [
            member(f"./{n}", data, mode=0o755 if n in scripts else 0o644)
            for n, data in files.items()
        ]
        suffix, compress = pack
        folder = tmp_path / "debs"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}_1_amd64.deb"
        path.write_bytes(
            ar(
                ("debian-binary", b"2.0\n"),
                (f"control.tar.{suffix}", compress(tar(inner))),
                (f"data.tar.{suffix}", compress(tar(members))),
            )
        )
        return path

    return make


def written(debs, **options) -> tuple[bytes, dict[str, tarfile.TarInfo], tarfile.TarFile]:
    out = io.BytesIO()
    write_rootfs(debs, out, epoch=EPOCH, **options)
    data = out.getvalue()
    archive = tarfile.open(fileobj=io.BytesIO(data))  # noqa: SIM115  (it holds no file)
    infos = {info.name: info for info in archive}
    assert len(archive.getmembers()) == len(infos), "a name is there twice"
    return data, infos, archive


def content(archive: tarfile.TarFile, name: str) -> str:
    stream = archive.extractfile(name)
    assert stream is not None
    return stream.read().decode()


# --- a package file ---------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [("xz", lzma.compress), ("gz", gzip.compress)])
def test_both_compressions_are_read(make_deb, pack) -> None:
    deb = Deb(make_deb("tool", [member("./usr/bin/tool", b"run")], pack=pack))
    assert (deb.name, deb.arch) == ("tool", "amd64")
    assert [(m.name, m.data) for m in deb.members()] == [("usr/bin/tool", b"run")]


def test_another_compression_is_a_clear_error(make_deb) -> None:
    path = make_deb("tool", pack=("zst", lambda data: data))
    with pytest.raises(ActionError, match=r"tool_1_amd64.deb .* compressed as zst"):
        Deb(path)


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"no archive at all",
        lambda data: data[:-10],
        lambda data: data.replace(b"data.tar.xz", b"beta.tar.xz"),
        lambda data: data[:200] + b"\0\0\0\0" + data[204:],
    ],
)
def test_a_damaged_package_is_a_clear_error(make_deb, harm) -> None:
    path = make_deb("tool", [member("./usr/bin/tool", b"run" * 100)])
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ActionError, match=r"tool_1_amd64.deb is not a Debian package that can"):
        list(Deb(path).members())


@pytest.mark.parametrize(
    "hostile",
    [
        member("../etc/passwd", b"x"),
        member("./usr/../../etc/passwd", b"x"),
        member("/etc/passwd", b"x"),
        member("./dev/sda", b"", type=tarfile.BLKTYPE),
        link("./usr/bin/hard", "../../outside", tarfile.LNKTYPE),
        link("./usr/bin/hard", "/outside", tarfile.LNKTYPE),
    ],
    ids=lambda pair: f"{pair[0].name}->{pair[0].linkname}",
)
def test_what_leads_out_of_the_root_is_refused(make_deb, hostile) -> None:
    path = make_deb("evil", [hostile])
    with pytest.raises(ActionError, match=r"evil_1_amd64\.deb is not a Debian package"):
        write_rootfs([path], io.BytesIO(), epoch=EPOCH)


# --- the tar ----------------------------------------------------------------------------------


def test_same_packages_same_bytes(make_deb, tmp_path, monkeypatch) -> None:
    debs = [
        make_deb(name, [member("./usr"), member(f"./usr/{name}", name.encode(), mtime=2**31)])
        for name in ("zebra", "base-files", "ant")
    ]
    first = written(debs)[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C")
    previous = os.umask(0o077)
    try:
        for order in itertools.permutations(debs):
            assert written([Path(os.path.relpath(path)) for path in order])[0] == first
    finally:
        os.umask(previous)


def test_nothing_of_host_or_builder_is_in_a_header(make_deb) -> None:
    late = member("./usr/bin/late", b"x", mtime=EPOCH + 5, uid=0, gid=42, mode=0o2755)
    infos = written([make_deb("a", [late, member("./usr/bin/early", b"x")])])[1]
    assert {info.uname + info.gname for info in infos.values()} == {""}
    assert max(info.mtime for info in infos.values()) == EPOCH
    assert infos["usr/bin/early"].mtime == 1_600_000_000
    assert (infos["usr/bin/late"].gid, infos["usr/bin/late"].mode) == (42, 0o2755)


def test_usr_is_merged(make_deb) -> None:
    members = [member("./bin"), member("./bin/sh", b"sh"), member("./lib64/ld.so", b"ld")]
    infos = written([make_deb("a", [*members, link("./bin/bash", "./bin/sh", tarfile.LNKTYPE)])])[1]
    assert infos["bin"].issym()
    assert infos["bin"].linkname == "usr/bin"
    assert infos["lib64"].linkname == "usr/lib64"
    assert infos["usr/bin/sh"].isfile()
    assert infos["usr/lib64/ld.so"].isfile()
    assert infos["usr/bin/bash"].linkname == "usr/bin/sh"
    assert not any(name.startswith(("bin/", "lib64/")) for name in infos)


def test_folders_before_what_they_hold_and_hard_links_last(make_deb) -> None:
    first = make_deb("a", [link("./opt/x/hard", "./opt/x/file", tarfile.LNKTYPE)])
    second = make_deb("b", [member("./opt/x/file", b"x"), member("./opt/x", mode=0o700)])
    infos = written([first, second])[1]
    order = list(infos)
    for place, name in enumerate(order):
        parent = name.rpartition("/")[0]
        assert not parent or order.index(parent) < place
    assert order[-1] == "opt/x/hard"


def test_documentation_is_left_out_but_for_licences(make_deb) -> None:
    deb = make_deb(
        "a",
        [
            member("./"),
            member("./usr/share/doc/a"),
            member("./usr/share/doc/a/copyright", b"free"),
            member("./usr/share/doc/a/README", b"long"),
            link("./usr/share/doc/b", "a"),
            member("./usr/share/man/man1"),
            member("./usr/share/man/man1/a.1.gz", b"page"),
            member("./usr/share/man/de"),
            member("./usr/share/man/de/man1"),
            member("./usr/share/man/de/man1/a.1.gz", b"seite"),
            member("./usr/share/locale/de/LC_MESSAGES/a.mo", b"wort"),
            member("./usr/lib/locale/C.utf8/LC_CTYPE", b"utf8"),
        ],
        control={"md5sums": b"1  usr/share/doc/a/copyright\n2  usr/share/doc/a/README\n"},
    )
    _, infos, archive = written([deb])
    kept = {name for name in infos if name.startswith(("usr/share/", "usr/lib/"))}
    assert kept == {
        "usr/share/doc",
        "usr/share/doc/a",
        "usr/share/doc/a/copyright",
        "usr/share/doc/b",
        "usr/share/man",
        "usr/share/man/man1",
        "usr/lib/locale",
        "usr/lib/locale/C.utf8",
        "usr/lib/locale/C.utf8/LC_CTYPE",
    }
    listed = content(archive, "var/lib/dpkg/info/a.list")
    assert "/usr/share/doc/a/copyright\n" in listed
    assert "README" not in listed
    assert content(archive, "var/lib/dpkg/info/a.md5sums") == "1  usr/share/doc/a/copyright\n"


def test_the_images_own_dpkg_leaves_out_the_same() -> None:
    text = (IMAGE / "files/etc/dpkg/dpkg.cfg.d/container").read_text().splitlines()
    assert tuple(line[13:] for line in text if line.startswith("path-exclude=")) == EXCLUDED
    assert tuple(line[13:] for line in text if line.startswith("path-include=")) == INCLUDED


@pytest.mark.parametrize("other", [member("./etc/x", b"2"), member("./etc/x/y", b"2")])
def test_two_packages_cannot_hold_one_path(make_deb, other) -> None:
    debs = [make_deb("a", [member("./etc/x", b"1")]), make_deb("b", [other])]
    if other[0].name == "./etc/x":
        with pytest.raises(ActionError, match=r"/etc/x of package b .* a file of package a"):
            written(debs)
    else:
        debs.reverse()
        debs[0], debs[1] = make_deb("a", [other]), make_deb("b", [member("./etc/x", b"1")])
        with pytest.raises(ActionError, match=r"/etc/x of package b .* a folder already"):
            written(debs)


def test_a_package_given_twice_is_refused(make_deb, tmp_path) -> None:
    path = make_deb("a")
    (tmp_path / "other.deb").write_bytes(path.read_bytes())
    with pytest.raises(ActionError, match="package a is given twice"):
        written([path, tmp_path / "other.deb"])


@pytest.mark.parametrize("target", ["./opt/nowhere", "./usr/share/doc/a/README"])
def test_a_hard_link_to_what_is_not_laid_down_is_refused(make_deb, target) -> None:
    members = [member("./usr/share/doc/a/README", b"x"), link("./opt/x", target, tarfile.LNKTYPE)]
    with pytest.raises(ActionError, match=r"/opt/x is a hard link to /.*, which is not there"):
        written([make_deb("a", members)])


def test_extra_files_have_modes_of_their_own_and_replace_nothing(make_deb) -> None:
    deb = make_deb("a", [member("./etc/x", b"1")])
    extra = [ExtraFile("usr/sbin/policy", b"#!", executable=True), ExtraFile("etc/y", b"y")]
    infos = written([deb], extra=extra)[1]
    assert infos["usr/sbin/policy"].mode == 0o755
    assert infos["etc/y"].mode == 0o644
    assert written([deb], extra=reversed(extra))[0] == written([deb], extra=extra)[0]
    with pytest.raises(ActionError, match=r"/etc/x of the image .* a file of package a"):
        written([deb], extra=[ExtraFile("etc/x", b"2")])


# --- the dpkg database ------------------------------------------------------------------------


def test_the_database_says_unpacked(make_deb) -> None:
    deb = make_deb(
        "lib",
        [member("./"), member("./etc"), member("./etc/lib.conf", b"conf")],
        control={
            "conffiles": b"/etc/lib.conf\n",
            "postinst": b"#!/bin/sh\n",
            "triggers": b"# why\ninterest-noawait /usr/lib/x\ninterest ldconfig\nactivate z\n",
        },
        fields="Multi-Arch: same\nDepends: libc6\n",
    )
    _, infos, archive = written([deb, make_deb("app")])
    info = "var/lib/dpkg/info"
    app, lib = content(archive, "var/lib/dpkg/status").split("\n\n")
    assert app.startswith("Package: app\nStatus: install ok unpacked\nVersion: 1\n")
    assert "Depends: libc6\n" in lib
    assert lib.endswith(f"Conffiles:\n /etc/lib.conf {hashlib.md5(b'conf').hexdigest()}\n")
    assert content(archive, f"{info}/lib:amd64.list") == "/.\n/etc\n/etc/lib.conf\n"
    assert infos[f"{info}/lib:amd64.postinst"].mode == 0o755
    assert content(archive, "var/lib/dpkg/triggers/File") == "/usr/lib/x lib:amd64/noawait\n"
    assert content(archive, "var/lib/dpkg/triggers/ldconfig") == "lib:amd64\n"
    assert "var/lib/dpkg/triggers/z" not in infos
    assert f"{info}/app.list" in infos
    assert infos[f"{info}/format"].mtime == EPOCH


def test_paths_are_listed_as_the_package_spells_them(make_deb) -> None:
    archive = written([make_deb("a", [member("./bin"), member("./bin/sh", b"sh")])])[2]
    assert content(archive, "var/lib/dpkg/info/a.list") == "/bin\n/bin/sh\n"


def test_a_flagged_conffile_is_not_taken_for_a_file(make_deb) -> None:
    deb = make_deb("a", control={"conffiles": b"remove-on-upgrade /etc/old\n"})
    assert "Conffiles" not in content(written([deb])[2], "var/lib/dpkg/status")


def test_bytes_do_not_hang_on_a_lucky_order(make_deb) -> None:
    rng = random.Random(7)
    debs = [
        make_deb(f"p{number:02}", [member(f"./opt/{number}/{n}", bytes([n])) for n in range(3)])
        for number in range(12)
    ]
    first = written(debs)[0]
    for _ in range(5):
        rng.shuffle(debs)
        assert written(debs)[0] == first
