"""`//images/bases/os` from nothing: archive, packages, tar, engine; then what it is good for.

Fetches about 35 MB from the Debian mirror of the settings and builds the image twice.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildlib.debian import apt
from buildlib.debian.archive import read_archive
from buildlib.debian.resolve import minimal_system
from buildlib.debian.rootfs import ExtraFile, write_rootfs
from buildlib.errors import InputError
from buildlib.model.settings import parse_settings

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "images/bases/os"
MIRROR = parse_settings((ROOT / "pyproject.toml").read_text()).network.apt
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


def fetch(packages, folder: Path) -> list[Path]:
    def one(package) -> Path:
        data = get(package.path)
        assert hashlib.sha256(data).hexdigest() == package.sha256
        path = folder / package.filename
        path.write_bytes(data)
        return path

    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, packages))


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


def docker(*words: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [client(), *words],
        input=stdin,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def system():
    return minimal_system(read_archive(get).candidates)


@pytest.fixture(scope="module")
def images(system, tmp_path_factory):
    """The image, built twice from scratch, in folders and under umasks of their own."""
    folder = tmp_path_factory.mktemp("rootfs")
    debs = fetch(system, folder / "debs")
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


def run_script(image: str):
    return lambda script: docker("run", "--rm", "-i", image, "sh", stdin=script)


def test_two_builds_give_one_layer_of_equal_bytes(images) -> None:
    layers = [json.loads(docker("inspect", "-f", "{{json .RootFS.Layers}}", t)) for t in images]
    assert len(layers[0]) == 1
    assert layers[0] == layers[1]


def test_size_is_below_100_mb(os_image) -> None:
    assert int(docker("inspect", "-f", "{{.Size}}", os_image)) < 100_000_000


def test_all_packages_are_installed_and_intact(os_image, system) -> None:
    listed = inside(os_image, "dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\\n'")
    assert listed.splitlines() == [f"ii {p.name} {p.version}" for p in system]
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


def test_locked_packages_install_without_network(os_image, tmp_path) -> None:
    """openjdk, the hardest: its scripts want manual pages, certificates and /proc."""
    packages = apt.lock_packages(
        ["openjdk-17-jre-headless", "bash"], run_script(os_image), mirror=MIRROR
    )
    names = [package.name for package in packages]
    assert names == sorted(names)
    assert "openjdk-17-jre-headless" in names
    assert "bash" not in names, "what the image has is not fetched again"
    fetch(packages, tmp_path / "debs")
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
    run = run_script(os_image)
    settings = """
        printf 'Package: libcurl4\\nPin: version *\\nPin-Priority: -1\\n' > /etc/apt/preferences.d/x
        printf 'Package: less\\nPin: version *\\nPin-Priority: -1\\n' > /etc/apt/preferences
        echo 'APT::Install-Suggests "true";' > /etc/apt/apt.conf.d/99x
        echo 'APT::Default-Release "bookworm-updates";' > /etc/apt/apt.conf
    """
    plain = apt.lock_packages(["curl", "less"], run, mirror=MIRROR)
    changed = apt.lock_packages(
        ["curl", "less"], lambda script: run(settings + script), mirror=MIRROR
    )
    assert changed == plain
    assert {"curl", "less", "libcurl4"} <= {package.name for package in plain}


def test_asking_apt_for_an_unknown_package_says_which_one_was_meant(os_image) -> None:
    with pytest.raises(InputError, match="no package 'tinni'; did you mean tini"):
        apt.lock_packages(["tinni"], run_script(os_image), mirror=MIRROR)
