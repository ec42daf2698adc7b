"""Rules on a real engine: files out of containers, and steps with and without a network.

The images are made of the shell of this machine, so nothing is pulled and nothing must be built
before. Names are of an organisation of our own, and go when a test ends.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.engine import connect

pytestmark = pytest.mark.engine

SHELL = "ARG SHELL_IMAGE\nFROM ${SHELL_IMAGE}"


@pytest.fixture
def real(shop: Workshop) -> Iterator[Workshop]:
    """The workshop on the engine of this machine, with an image in which `/bin/sh` runs."""
    shop.real = True
    shop.setting("organization", f"buildlib-test-{os.getpid()}-{os.urandom(3).hex()}")
    for program in ("sh", "cat", "ls", "mkdir", "ln", "date", "env"):
        path = shutil.which(program)
        assert path, f"this machine has no {program}"
        listed = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
        libraries = re.findall(r"(/\S+) \(0x", listed)
        for source, name in [(path, f"bin/{program}"), *((lib, lib[1:]) for lib in libraries)]:
            data = Path(os.path.realpath(source)).read_bytes()
            shop.file(f"images/shell/root/{name}", data, mode=0o755)
    for name in ("passwd", "group"):  # BuildKit looks users up in them, also those with a number
        shop.file(f"images/shell/root/etc/{name}", "root:x:0:0::/:/bin/sh\n")
    shop.image("images/shell", 'srcs=glob(["root/**"])', "FROM scratch\nCOPY root/ /\n")
    yield shop
    shop.build_targets("//images/shell")  # so that there is an engine to clean up in
    engine = connect()
    for tag in engine.tags(f"{shop.open().settings.organization}/*"):
        engine.untag(tag)


def in_shell(shop: Workshop, package: str, arguments: str, *steps: str) -> Workshop:
    """An image on the shell."""
    dockerfile = "\n".join(["ARG BASE_CONTAINER", "FROM ${BASE_CONTAINER}", *steps, ""])
    return shop.image(package, f'parent="//images/shell", {arguments}', dockerfile)


def docker(*arguments: str) -> bytes:
    """What a docker command writes."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True).stdout


def layers(image: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of all files of all layers of an image, and its configuration."""
    archive = folder / "saved.tar"
    docker("save", "-o", str(archive), image)
    with tarfile.open(archive) as saved:
        for entry in saved:
            file = saved.extractfile(entry) if entry.isfile() else None
            if file is None:
                continue
            if not entry.name.endswith("layer.tar") and "/blobs/" not in f"/{entry.name}":
                yield entry.name, file.read()
                continue
            try:
                with tarfile.open(fileobj=file) as layer:
                    for inner in layer:
                        content = layer.extractfile(inner) if inner.isfile() else None
                        yield inner.name, content.read() if content else b""
            except tarfile.ReadError:
                file.seek(0)
                yield entry.name, file.read()


# -- container_files -------------------------------------------------------------------------------

MAKE = """\
ARG OS
FROM ${OS} AS make
RUN mkdir -p /out/jre/bin /out/jre/empty; \\
    date +%N > /ignored; \\
    cat /bin/sh > /out/jre/bin/java; \\
    ln -s bin/java /out/jre/java; \\
    echo one > /out/one.txt; \\
    ln /out/one.txt /out/jre/same.txt; \\
    echo $DEPTH > /out/jre/depth
FROM scratch
COPY --from=make /out/ /
"""


@pytest.fixture
def tools(real: Workshop) -> Workshop:
    """Files that a container makes: a file, and a folder of all kinds of things."""
    real.file("t/Dockerfile", MAKE)
    return real.build(
        "t",
        """
        container_files(name="f", bases={"OS": "//images/shell"}, outputs=["one.txt", "jre/"])
        """,
    )


def test_a_file_and_a_folder_come_out_of_a_container(tools: Workshop) -> None:
    tools.build_targets("//t:f")
    assert tools.made("//t:f", "one.txt").read_text() == "one\n"
    found = tools.members("//t:f", "jre.tar")
    assert {name: entry.type for name, entry in found.items()} == {
        "bin": tarfile.DIRTYPE,
        "bin/java": tarfile.REGTYPE,
        "depth": tarfile.REGTYPE,
        "empty": tarfile.DIRTYPE,
        "java": tarfile.SYMTYPE,
        "same.txt": tarfile.REGTYPE,
    }
    assert found["java"].linkname == "bin/java"
    with tarfile.open(tools.made("//t:f", "jre.tar")) as tar:
        same = tar.extractfile("same.txt")
        assert same is not None
        assert same.read() == b"one\n"
    assert {entry.mtime for entry in found.values()} == {1_700_000_000}
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(0, 0)}
    assert list((tools.root / ".buildlib/stage").glob("*.tar")) == []


def test_what_comes_out_is_the_same_each_time(tools: Workshop) -> None:
    tools.build_targets("//t:f")
    first = tools.record("//t:f")
    # Another step, so that nothing comes from the builder's cache; what it makes is the same.
    tools.replace("t/Dockerfile", "date +%N", "date +%s%N")
    tools.build_targets("//t:f")
    second = tools.record("//t:f")
    assert first is not None
    assert second is not None
    assert first.files == second.files


def test_files_of_a_container_are_used_by_an_image(tools: Workshop, verb: Verbs) -> None:
    in_shell(tools, "images/a", 'srcs=["//t:f"]', "ADD jre.tar /opt/jre/", "COPY one.txt /")
    assert verb("build").code == 0
    image = tools.content_tag("//images/a")
    assert connect().run(image, "cat /one.txt /opt/jre/same.txt") == "one\none\n"
    assert verb("build").out.startswith("nothing to build")


# -- network ---------------------------------------------------------------------------------------

MARK = "CERTIFICATE-OF-A-TEST-THAT-STAYS-OUTSIDE"
HAS_BUNDLE = f'RUN case "$(cat "$SSL_CERT_FILE")" in *{MARK[:11]}*) ;; *) exit 7;; esac'
HAS_NETWORK = (
    "RUN while read -r line; do case $line in eth0:*) exit 0;; esac; done </proc/net/dev; exit 8"
)
HAS_NONE = "RUN while read -r line; do case $line in eth0:*) exit 9;; esac; done </proc/net/dev"


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The CA bundle of the host, as the builder finds it."""
    path = tmp_path / "ca-of-this-host.pem"
    path.write_text(f"{MARK}\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def test_steps_with_a_network_are_lent_the_trust_of_the_host(
    real: Workshop, bundle: Path, tmp_path: Path
) -> None:
    in_shell(real, "images/a", "network=True", HAS_BUNDLE, HAS_NETWORK, "USER 1000", HAS_BUNDLE)
    real.build_targets("//images/a")
    image = real.content_tag("//images/a")
    found = dict(layers(image, tmp_path))
    assert "bin/sh" in found, "the layers were looked into"
    for name, content in found.items():
        assert MARK.encode() not in content, name
        assert str(bundle).encode() not in content, name
    assert (
        connect()
        .run(image, 'echo "[$SSL_CERT_FILE]"; ls /run/secrets 2>&1 || true')
        .startswith("[]")
    )


def test_steps_have_no_network_unless_it_is_declared(real: Workshop, bundle: Path) -> None:
    in_shell(real, "images/a", "", HAS_NONE, 'RUN case "$SSL_CERT_FILE" in "") ;; *) exit 7;; esac')
    real.build_targets("//images/a")


PROXY = "http://ada:hunter2-of-a-test@proxy.example.com:3128"
KINDS = ("httpProxy", "httpsProxy", "ftpProxy", "noProxy", "allProxy")


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A docker client that is configured to give proxies to all steps, and a user who has some."""
    config = {"proxies": {"default": dict.fromkeys(KINDS, PROXY)}}
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("no_proxy", "*")  # for what we fetch ourselves
    monkeypatch.setenv("ALL_PROXY", PROXY)


def environment_of(shop: Workshop, arguments: str, *steps: str) -> dict[str, str]:
    """Build an image that keeps the environment of a step."""
    in_shell(shop, "images/a", arguments, *steps, f"RUN env > /env; echo {os.urandom(8).hex()}")
    shop.build_targets("//images/a")
    text = connect().run(shop.content_tag("//images/a"), "cat /env")
    return dict(line.partition("=")[::2] for line in text.splitlines())


def test_proxies_of_the_client_reach_no_step_without_a_network(
    real: Workshop, proxies: None, tmp_path: Path
) -> None:
    found = environment_of(real, 'build_args={"X": "1"}', "ARG X")
    assert found["X"] == "1"
    assert not [name for name in found if "proxy" in name.lower()]
    for name, content in layers(real.content_tag("//images/a"), tmp_path):
        assert b"hunter2" not in content, name
        assert b"PROXY" not in content, name
    logs = list((real.root / ".buildlib/logs").rglob("*"))
    text = b"".join(log.read_bytes() for log in logs if log.is_file())
    assert b"docker build " in text or b"buildx build " in text, "there is a log"
    assert b"hunter2" not in text
    assert "hunter2" not in "".join(real.said)


def test_a_proxy_that_is_declared_reaches_the_steps(real: Workshop, proxies: None) -> None:
    found = environment_of(real, 'build_args={"HTTP_PROXY": "http://declared.example.com"}')
    proxies_found = {name: value for name, value in found.items() if "proxy" in name.lower()}
    assert proxies_found == dict.fromkeys(
        ("HTTP_PROXY", "http_proxy"), "http://declared.example.com"
    )


def test_steps_with_a_network_have_the_proxies_of_the_client(
    real: Workshop, proxies: None, tmp_path: Path
) -> None:
    step = 'RUN case "$https_proxy" in *proxy.example.com:3128) ;; *) exit 7;; esac'
    in_shell(real, "images/a", "network=True", step)
    real.build_targets("//images/a")
    for name, content in layers(real.content_tag("//images/a"), tmp_path):
        assert b"hunter2" not in content, name


def test_trust_and_mirrors_are_in_no_key(
    real: Workshop, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_shell(real, "images/a", "network=True", HAS_BUNDLE)
    before = real.key("//images/a")
    other = tmp_path / "other.pem"
    other.write_text("another\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    real.network(apt="http://apt.example.com", pypi="https://pypi.example.com/simple")
    assert real.key("//images/a") == before
    in_shell(real, "images/a", "network=False", HAS_BUNDLE)
    assert real.key("//images/a") != before


def test_the_mirrors_of_the_site_reach_the_steps_and_stay_outside(
    real: Workshop, bundle: Path, tmp_path: Path
) -> None:
    real.network(pypi="https://pypi.example.com/simple")
    step = 'RUN case "$(cat "$PIP_CONFIG_FILE")" in *pypi.example.com*) ;; *) exit 7;; esac'
    in_shell(real, "images/a", "network=True", step)
    real.build_targets("//images/a")
    for name, content in layers(real.content_tag("//images/a"), tmp_path):
        assert b"pypi.example.com/simple" not in content, name


def test_a_plan_marks_what_is_not_hermetic(real: Workshop, verb: Verbs) -> None:
    in_shell(real, "images/a", "network=True", HAS_NETWORK)
    in_shell(real, "images/b", "", HAS_NONE)
    lines = verb("plan", "//images/a", "//images/b").out.splitlines()
    marked = [line.split()[1] for line in lines if "[not hermetic: network=True]" in line]
    assert marked == ["a"]


# -- executor --------------------------------------------------------------------------------------


def test_an_untagged_image_is_restored_and_a_removed_one_rebuilt(
    real: Workshop, verb: Verbs
) -> None:
    in_shell(real, "images/a", "", f"RUN echo {os.urandom(8).hex()} > /unique")
    assert verb("build").code == 0
    organization = real.open().settings.organization
    content, channel = real.content_tag("//images/a"), f"{organization}/a:dev"
    engine = connect()
    image = engine.inspect([channel])[channel]
    assert image is not None
    engine.untag(channel)
    assert real.action("//images/a") == "restore"
    assert verb("build").code == 0
    again = engine.inspect([channel])[channel]
    assert again is not None
    assert again.id == image.id
    engine.untag(channel)
    engine.untag(content)
    assert real.action("//images/a") == "build"
    assert verb("build").code == 0
    assert engine.inspect([channel])[channel]


@pytest.mark.parametrize("how", ["always", "forget"])
def test_a_step_runs_again_where_that_was_asked_for(
    real: Workshop, verb: Verbs, tmp_path: Path, how: str
) -> None:
    in_shell(real, "images/a", "", "RUN date +%N > /now")

    def now() -> bytes:
        return dict(layers(real.content_tag("//images/a"), tmp_path))["now"]

    assert verb("build").code == 0
    first = now()
    if how == "always":
        assert verb("build", "-a", "a").code == 0
    else:
        assert verb("forget", "a").code == 0
        assert verb("build", "a").code == 0
    assert now() != first


@pytest.mark.parametrize("by_label", [False, True], ids=["by path", "by label"])
def test_an_edit_that_only_a_mode_or_a_digest_tells_is_in_the_image(
    real: Workshop, tmp_path: Path, by_label: bool
) -> None:
    """The two contents have one length, and their stamps in the build context are equal."""
    real.build("fg", 'filegroup(name="fg", srcs=["tool.sh"])')
    package = "fg" if by_label else "images/x"
    real.image(
        "images/x",
        f'srcs=["{"//fg" if by_label else "tool.sh"}"]',
        "FROM scratch\nCOPY tool.sh /\n",
    )
    edits = [
        ("content 0001546\n", 0o644),
        ("content 0001546\n", 0o755),
        ("content 0003695\n", 0o755),
    ]
    for text, mode in [*edits, *reversed(edits)]:
        real.file(f"{package}/tool.sh", text, mode=mode)
        for name in {"fg", "images/x"} - {package}:
            real.file(f"{name}/tool.sh", "")
        real.build_targets("//images/x")
        tag = real.content_tag("//images/x")
        assert dict(layers(tag, tmp_path))["tool.sh"] == text.encode()
        container = docker("create", tag, "x").decode().strip()
        try:
            exported = docker("export", container)
        finally:
            docker("rm", container)
        with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
            assert bool(tar.getmember("tool.sh").mode & 0o111) == bool(mode & 0o111)


def test_an_image_that_says_nothing_of_itself_does_not_say_what_its_parent_says(
    real: Workshop,
) -> None:
    real.image("images/p", 'description="of the parent", licenses="MIT"')
    dockerfile = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
    real.image("images/c", 'parent="//images/p"', dockerfile)
    real.build_targets("//images/c")
    labels = json.loads(
        docker("inspect", "-f", "{{json .Config.Labels}}", real.content_tag("//images/c"))
    )
    prefix = "org.opencontainers.image"
    assert [labels[f"{prefix}.{name}"] for name in ("description", "licenses")] == ["", ""]


def test_a_step_that_fails_leaves_no_tag_and_names_its_line(real: Workshop, verb: Verbs) -> None:
    in_shell(real, "images/a", "", "RUN echo before", "RUN exit 3")
    told = verb("build", "//images/a")
    assert told.code == 1
    assert "images/a/Dockerfile:4" in told.err
    organization = real.open().settings.organization
    assert connect().tags(f"{organization}/a") == {}
    assert real.record("//images/a") is None
    assert real.action("//images/shell") == "fresh"
