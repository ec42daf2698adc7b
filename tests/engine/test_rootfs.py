"""`//images/bases/os` from nothing: lock, packages, tar, engine; then what it is good for.

Fetches about 75 MB from the Debian mirror of the settings, resolves the packages as `./doitw lock`
does, and builds the image twice of what is served now.
"""

from __future__ import annotations

import functools
import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildlib.build.lock.debian import Apt
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import parse_label
from buildlib.core.model.lock import Item, parse_lock
from buildlib.errors import InputError
from buildlib.outside.debian.apt import (
    BOOKWORM,
    MINIMAL,
    UNREAD,
    Archive,
    packages_script,
    parse_answer,
    system_script,
)
from buildlib.outside.debian.rootfs import ExtraFile, write_rootfs
from buildlib.outside.fetch.source import Download
from tests.support.settings import parse_settings

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).parents[2]
FROM_ROOT = ("dodo.py", "VERSION", "images.lock")
"""What is copied by name: tests/support/kept."""
IMAGE = ROOT / "images/bases/os"
FORGED = Path(__file__).with_name("forged")
MIRROR = parse_settings((ROOT / "pyproject.toml").read_text()).network.apt
ARCHIVE = Archive(MIRROR)
OS = parse_label("//images/bases/os")
EPOCH = 1_735_689_600
# dpkg lists what its configuration told it to leave out; anything else it says is damage.
VERIFY = "dpkg --audit; dpkg --verify | grep -v '^missing .*/usr/share/' || true"
LEFT_OVER = (
    "find /var/cache/apt /var/cache/ldconfig /var/log /tmp -type f ! -name lock; "
    "find /var/lib/dpkg /var/cache/debconf -name '*-old'"
)
TAG = f"test-rootfs-{os.getpid()}"
SETUID = {
    *("chfn", "chsh", "gpasswd", "mount", "newgrp", "passwd", "su", "umount"),
    *("chage", "expiry", "unix_chkpwd"),
}


def get(path: str) -> bytes:
    with urllib.request.urlopen(f"{MIRROR}/{path}", timeout=60) as answer:
        return answer.read()


def fetch(workspace: Workspace, packages: dict[str, Item], folder: Path) -> list[Path]:
    """Packages as files of a folder, each under its own name."""
    items = {item.where.rpartition("/")[2]: item for item in packages.values()}
    workspace.fetch(
        [
            Download(item.sha256, item.size, name, (f"debian:{item.where}",))
            for name, item in items.items()
        ]
    )
    folder.mkdir(exist_ok=True)
    for name, item in items.items():
        shutil.copy(workspace.store.path(item.sha256), folder / name)
    return [folder / name for name in items]


@functools.cache
def client() -> str:
    """The first docker on PATH that builds with BuildKit (some lack the component)."""
    for folder in os.get_exec_path():
        found = shutil.which("docker", path=folder)
        if found:
            done = subprocess.run(
                [found, "build", "-q", "-"],
                input=b"FROM scratch\nLABEL probe=1\n",
                env={**os.environ, "DOCKER_BUILDKIT": "1"},
                capture_output=True,
                check=False,
            )
            if done.returncode == 0:
                return found
    raise AssertionError("no docker client on PATH builds with BuildKit")


def run_docker(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [client(), *words],
        input=stdin,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def docker(*words: str, stdin: str | None = None) -> str:
    done = run_docker(*words, stdin=stdin)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Iterator[Workspace]:
    """The root file system alone, with its lock, and with a store and names of its own."""
    root = tmp_path_factory.mktemp("family")
    for name in ("dodo.py", "VERSION", "images.lock"):
        shutil.copy(ROOT / name, root)
    (root / "pyproject.toml").write_text(
        f'[tool.buildlib]\norganization = "{TAG}"\n[tool.buildlib.network]\napt = "{MIRROR}"\n'
    )
    shutil.copytree(IMAGE, root / OS.package)
    made = Workspace(str(root), store_root=str(tmp_path_factory.mktemp("store")))
    yield made
    for name in made.engine.tags(f"{TAG}/*:*"):
        made.engine.untag(name)


@pytest.fixture(scope="module")
def system(workspace: Workspace) -> dict[str, Item]:
    """The packages as `./doitw lock rootfs` resolves them on a machine that has no image yet."""
    said: list[str] = []
    target = workspace.graph[OS]
    entry = Apt(workspace, said.append).rootfs_entry(target, target.pins[0])
    assert f"building {OS}, whose apt is asked" in said, "the lock is too old to build of it"
    return dict(entry.items)


@pytest.fixture(scope="module")
def images(workspace, system, tmp_path_factory):
    """The image, built twice from scratch, in folders and under umasks of their own."""
    folder = tmp_path_factory.mktemp("rootfs")
    debs = fetch(workspace, system, folder / "debs")
    files = IMAGE / "files"
    extra = [
        ExtraFile(str(path.relative_to(files)), path.read_bytes(), path.stat().st_mode & 0o100 > 0)
        for path in files.rglob("*")
        if path.is_file()
    ]
    tags = []
    for number, mask in enumerate((0o022, 0o077)):
        context = folder / f"context{number}"
        previous = os.umask(mask)
        try:
            context.mkdir()
            for name in ("Dockerfile", "configure.sh"):
                (context / name).write_bytes((IMAGE / name).read_bytes())
            with (context / "rootfs.tar").open("wb") as out:
                write_rootfs(debs, out, epoch=EPOCH, extra=extra)
        finally:
            os.umask(previous)
        tags.append(f"{TAG}:{number}")
        docker("build", "--network=none", "--no-cache", "-t", tags[-1], str(context))
    yield tags
    docker("image", "rm", "-f", *tags)


@pytest.fixture(scope="module")
def os_image(images) -> str:
    return images[0]


@pytest.fixture(scope="module")
def layer(os_image) -> dict[str, tarfile.TarInfo]:
    """The members of the image's one layer."""
    done = subprocess.run([client(), "save", os_image], stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as saved:
        manifest = json.load(saved.extractfile("manifest.json"))
        (name,) = manifest[0]["Layers"]
        with tarfile.open(fileobj=saved.extractfile(name)) as inner:
            return {info.name: info for info in inner}


def inside(image: str, script: str, *options: str) -> str:
    return docker("run", "--rm", "-i", *options, image, "sh", "-eu", stdin=script)


def added(image: str, *wanted: str, before: str = "") -> dict[str, Item]:
    """What apt would add to an image, after a script was run."""
    script = packages_script(wanted, ARCHIVE)
    return parse_answer(inside(image, f"{before}\n{script}"), MIRROR).packages


def test_a_minimal_system_is_of_the_packages_that_the_lock_names(system) -> None:
    """Versions move in Debian; which packages it takes does not."""
    locked = parse_lock((ROOT / "images.lock").read_text())["rootfs"][str(OS)]
    assert sorted(system) == sorted(locked.items)


def test_a_system_of_another_architecture_is_resolved_as_well(os_image, system) -> None:
    script = system_script(["tini"], ARCHIVE, arch="arm64")
    found = parse_answer(inside(os_image, script), MIRROR).packages
    assert {item.where.rpartition("_")[2] for item in found.values()} == {"arm64.deb", "all.deb"}
    assert {"tini", "libc6", "perl-base", *MINIMAL} <= found.keys()


@pytest.fixture(scope="module")
def genuine(tmp_path_factory) -> Path:
    """A mirror in a folder: bookworm as Debian signed it."""
    folder = tmp_path_factory.mktemp("mirror") / "debian/dists/bookworm"
    for name in ("InRelease", "main/binary-amd64/Packages.xz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(get(f"debian/dists/bookworm/{name}"))
    return folder.parents[2]


def ask(image: str, mirror: Path) -> subprocess.CompletedProcess[str]:
    """Let apt of an image resolve a package with a mirror that lies in a folder."""
    archive = Archive("file:/mirror", suites=BOOKWORM[:1])
    mount = f"type=bind,source={mirror},target=/mirror,readonly"
    script = packages_script(["tini"], archive)
    words = ("run", "--rm", "-i", "--network=none", "--mount", mount, image, "sh")
    return run_docker(*words, stdin=script)


def test_an_archive_that_debian_signed_is_read(os_image, genuine) -> None:
    done = ask(os_image, genuine)
    assert done.returncode == 0, done.stderr
    assert list(parse_answer(done.stdout, "file:/mirror").packages) == ["tini"]


@pytest.mark.parametrize(
    ("forgery", "said"),
    [
        ("altered", "The following signatures were invalid"),
        ("unsigned", "is not signed"),
        ("signed by another", "public key is not available"),
        ("other packages", "Hash Sum mismatch"),
    ],
)
def test_a_forged_archive_is_refused(os_image, genuine, tmp_path, forgery: str, said: str) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(genuine, mirror)
    suite = mirror / "debian/dists/bookworm"
    release, packages = suite / "InRelease", suite / "main/binary-amd64/Packages"
    signed = release.read_text()
    if forgery == "altered":
        release.write_text(signed.replace("Description: Debian", "Description: Xebian"))
    elif forgery == "unsigned":
        text = signed.partition("\n\n")[2].partition("-----BEGIN")[0]
        (suite / "Release").write_text(text)
        release.unlink()
    elif forgery == "signed by another":
        shutil.copy(FORGED / "InRelease", release)
        shutil.copy(FORGED / "Packages", packages)
    else:
        packages.with_name("Packages.xz").write_bytes(lzma.compress(b"Package: tini\n"))
    done = ask(os_image, mirror)
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stderr.splitlines()[-1] == UNREAD
    assert done.stdout == ""


def test_two_builds_give_one_layer_of_equal_bytes(images) -> None:
    layers = [json.loads(docker("inspect", "-f", "{{json .RootFS.Layers}}", t)) for t in images]
    assert len(layers[0]) == 1
    assert layers[0] == layers[1]


def test_size_is_below_100_mb(os_image) -> None:
    assert int(docker("inspect", "-f", "{{.Size}}", os_image)) < 100_000_000


def test_all_packages_are_installed_and_intact(os_image, system) -> None:
    listed = inside(os_image, "dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\\n'")
    installed = [f"ii {name} {item.version}" for name, item in sorted(system.items())]
    assert listed.splitlines() == installed
    assert inside(os_image, "dpkg --audit; dpkg --verify; apt-get check -qq") == ""


def test_no_trace_of_host_or_hour_is_left(layer) -> None:
    files = {name: info for name, info in layer.items() if not info.isdir()}
    assert max(info.mtime for info in layer.values()) <= EPOCH
    traces = ("var/log/", "var/cache/apt/", "var/cache/ldconfig/", "var/lib/apt/", "tmp/", "dev/")
    assert [name for name in files if name.startswith((*traces, "run/", "proc/", "sys/"))] == []
    gone = {"configure.sh", "rootfs.tar", "etc/machine-id", "etc/hostname", "etc/mtab"}
    assert gone & files.keys() == set()
    assert [name for name in files if name.endswith(("-old", "-", ".dpkg-new", ".dpkg-tmp"))] == []
    assert files["etc/hosts"].size == files["etc/resolv.conf"].size == 0


def test_modes_owners_and_hard_links_survive(layer) -> None:
    special = {
        name.rpartition("/")[2] for name, i in layer.items() if i.isfile() and i.mode & 0o6000
    }
    assert special == SETUID
    assert layer["etc/shadow"].gid == 42
    modes = {name: layer[name].mode & 0o7777 for name in ("tmp", "var/tmp", "root")}
    assert modes == {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}
    assert {layer["usr/bin/perl"].islnk(), layer["usr/bin/perl5.36.0"].islnk()} == {True, False}
    assert layer["bin"].linkname == "usr/bin"


def test_the_locale_is_utf8(os_image) -> None:
    script = "locale charmap; perl -e 'print 1'; id -un; getent group users"
    assert inside(os_image, script).split() == ["UTF-8", "1root", "users:x:100:"]


def test_apt_works_with_the_network_and_keeps_no_packages(os_image) -> None:
    script = f"""
        sed -i 's|http://deb.debian.org|{MIRROR}|' /etc/apt/sources.list.d/debian.sources
        apt-get update -qq >&2 && apt-get install -qq --no-install-recommends tini >&2
        tini --version
        {VERIFY}
        {LEFT_OVER}; find /usr/share/man -type f
    """
    assert inside(os_image, script) == "tini version 0.19.0\n"


def test_locked_packages_install_without_network(workspace, os_image, tmp_path) -> None:
    """openjdk, the hardest: its scripts want manual pages, certificates and /proc."""
    packages = added(os_image, "openjdk-17-jre-headless", "bash")
    names = list(packages)
    assert names == sorted(names)
    assert "openjdk-17-jre-headless" in names
    assert "bash" not in names, "what the image has is not fetched again"
    fetch(workspace, packages, tmp_path / "debs")
    script = f"""
        apt-get install -qq --no-install-recommends /debs/*.deb >&2
        java -version 2>&1 | grep -o 'openjdk version "17'
        {VERIFY}
        {LEFT_OVER}; find /var/lib/apt/lists -type f ! -name lock
    """
    mount = f"type=bind,source={tmp_path / 'debs'},target=/debs,readonly"
    answer = inside(os_image, script, "--network=none", "--mount", mount)
    assert answer == 'openjdk version "17\n'


def test_settings_of_apt_in_an_image_change_no_answer(os_image) -> None:
    """They are in no request: whoever edits them in a Dockerfile would not lock anew."""
    settings = """
        printf 'Package: libcurl4\\nPin: version *\\nPin-Priority: -1\\n' > /etc/apt/preferences.d/x
        printf 'Package: less\\nPin: version *\\nPin-Priority: -1\\n' > /etc/apt/preferences
        echo 'APT::Install-Suggests "true";' > /etc/apt/apt.conf.d/99x
        echo 'APT::Default-Release "bookworm-updates";' > /etc/apt/apt.conf
    """
    plain = added(os_image, "curl", "less")
    changed = added(os_image, "curl", "less", before=settings)
    assert changed == plain
    assert {"curl", "less", "libcurl4"} <= plain.keys()


def test_asking_apt_for_an_unknown_package_says_which_one_was_meant(os_image) -> None:
    with pytest.raises(InputError, match="no package 'tinni'; did you mean tini"):
        added(os_image, "tinni")
