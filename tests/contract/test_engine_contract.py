"""What every engine and builder must do, the fake as well as the real ones.

The real ones are one: the engine that docker finds on this machine, reached in each way there is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from buildlib.core.model.secret import Secret
from buildlib.engine import builder as real_builder
from buildlib.engine import connect, process
from buildlib.engine.find import Endpoint
from buildlib.engine.protocol import Builder, BuildRequest, Engine, Grant
from buildlib.errors import ActionError, EngineUnavailable, InputError
from tests.fakes.engine import FakeBuilder, FakeEngine
from tests.support.reach import WAYS, reached

KINDS = ["fake", *(pytest.param(way, marks=pytest.mark.engine) for way in WAYS)]
builds = pytest.mark.parametrize("world", KINDS[:2], indirect=True)
"""The builder is a docker client, which has its own ways to the engine."""


class World:
    """An engine with its builder, names of our own in it, and a folder to build from."""

    def __init__(self, engine: Engine, builder: Builder, folder: Path) -> None:
        self.engine = engine
        self.builder = builder
        self.folder = folder
        self.prefix = f"buildlib-test-{os.getpid()}-{os.urandom(3).hex()}"
        self.lines: list[str] = []
        self._built: set[str] = set()

    def ref(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def request(self, dockerfile: str, **files: str) -> BuildRequest:
        """A request to build a Dockerfile with files beside it (`hello_txt` is hello.txt)."""
        context = self.folder / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        path = self.folder / "Dockerfile"
        path.write_text(dockerfile)
        for name, content in files.items():
            (context / name.replace("_", ".")).write_text(content)
        return BuildRequest(str(context), str(path), shown_as="images/x/Dockerfile")

    def build(self, request: BuildRequest) -> str:
        image = self.builder.build(request, self.lines.append).image
        self._built.add(image)
        return image

    def image(self, content: str = "hello", ref: str = "") -> str:
        """An image with this content: of ours alone, for other runs may use the engine, too."""
        text = f"{content} {self.prefix}"
        request = self.request("FROM scratch\nCOPY hello.txt /hello.txt\n", hello_txt=text)
        image = self.build(request)
        if ref:
            self.engine.tag(image, ref)
        return image

    def shell(self) -> str:
        """Reference of an image in which `/bin/sh` runs."""
        self.engine.tag(self.image(ref=""), self.ref("shell"))
        return self.ref("shell")

    def teach(self, script: str, **outcome: object) -> str:
        """Tell a fake what a script does; a real engine finds out by itself."""
        if isinstance(self.engine, FakeEngine):
            self.engine.teach(script, **outcome)  # type: ignore[arg-type]
        return script

    def containers(self) -> int:
        """How many throw-away containers there are."""
        if isinstance(self.engine, FakeEngine):
            return self.engine.containers
        from buildlib.engine.throwaway import LABEL

        argv = ["docker", "ps", "-aq", "--filter", f"label={LABEL}"]
        ours = ["--filter", f"name=buildlib-{os.getpid()}-"]
        return len(subprocess.check_output([*argv, *ours], text=True).split())

    @contextmanager
    def standing(self, image: str) -> Iterator[str]:
        """A container that was made of an image and never started; its name."""
        name = f"{self.prefix}-standing"
        if isinstance(self.engine, FakeEngine):
            self.engine.standing[image] = name
            yield name
            del self.engine.standing[image]
            return
        docker = ["docker", "create", "--name", name, image, "/nothing"]
        subprocess.run(docker, check=True, capture_output=True)
        try:
            yield name
        finally:
            subprocess.run(["docker", "rm", name], check=True, capture_output=True)

    def gone(self) -> Engine:
        """The same kind of engine, which does not answer."""
        if isinstance(self.engine, FakeEngine):
            engine = FakeEngine()
            engine.down = True
            return engine
        return type(self.engine)(Endpoint("unix:///nonexistent/docker.sock"))

    def clean(self) -> None:
        for ref in self.engine.tags(f"{self.prefix}/*"):
            self.engine.untag(ref)
        for image in self._built:
            info = self.engine.inspect([image])[image]
            if info and not info.tags:  # the last reference takes the image along
                self.engine.tag(image, self.ref("trash"))
                self.engine.untag(self.ref("trash"))


class RealWorld(World):
    def shell(self) -> str:
        """The host's shell and what it needs, in an image of its own: no registry is asked."""
        ref = self.ref("shell")
        if self.engine.inspect([ref])[ref]:
            return ref
        request = self.request(f"FROM scratch\nCOPY . /\nLABEL run={self.prefix}\n")
        for program in ("sh", "cat", "sleep", "id"):
            path = shutil.which(program)
            assert path
            self._add(path, f"bin/{program}")
            libraries = subprocess.run(
                ["ldd", path], check=True, capture_output=True, text=True
            ).stdout
            for library in re.findall(r"(/\S+) \(0x", libraries):
                self._add(library, library.lstrip("/"))
        self.engine.tag(self.build(request), ref)
        return ref

    def _add(self, source: str, name: str) -> None:
        target = self.folder / "context" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(source), target)


@pytest.fixture(params=KINDS)
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    with ExitStack() as stack:
        if request.param == "fake":
            engine = FakeEngine()
            made = World(engine, FakeBuilder(engine), tmp_path)
        else:
            builder = real_builder()
            environ = stack.enter_context(reached(request.param, tmp_path, monkeypatch))
            made = RealWorld(connect(environ=environ), builder, tmp_path)
        yield made
        process._stopping.clear()
        made.clean()


def stop_when(ready: Callable[[], bool]) -> threading.Thread:
    """Stop everything, as a signal handler would, once something is so."""

    def wait() -> None:
        end = time.monotonic() + 30
        while not ready() and time.monotonic() < end:
            time.sleep(0.02)
        process.stop_all()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


# images and references


def test_an_image_is_found_by_its_id_and_its_references(world: World) -> None:
    image = world.image(ref=world.ref("a:one"))
    world.engine.tag(image, world.ref("b"))
    found = world.engine.inspect([image, world.ref("a:one"), world.ref("b"), world.ref("c")])
    info = found[image]
    assert info is not None
    assert info.id == image
    assert info.tags == (world.ref("a:one"), world.ref("b:latest"))
    assert info.size >= len("hello")  # with what the store holds beside it
    assert info.platform == world.engine.platform()
    assert found == {
        image: info,
        world.ref("a:one"): info,
        world.ref("b"): info,
        world.ref("c"): None,
    }


def test_many_images_are_looked_up_at_once(world: World) -> None:
    refs = [world.ref(f"n{number}:x") for number in range(150)]
    image = world.image()
    for ref in refs[::10]:
        world.engine.tag(image, ref)
    found = world.engine.inspect(refs)
    assert list(found) == refs
    assert [ref for ref in refs if found[ref]] == refs[::10]


def test_answers_can_be_read_later(world: World) -> None:
    image = world.image()
    collect = world.engine.start_inspect([image, world.ref("no")])
    other = world.engine.inspect([image])
    assert collect() == {**other, world.ref("no"): None}


def test_nothing_asked_is_nothing_answered(world: World) -> None:
    assert world.engine.inspect([]) == {}


def test_a_reference_in_use_is_moved(world: World) -> None:
    first = world.image("one", ref=world.ref("a:x"))
    world.engine.tag(first, world.ref("keep:x"))
    second = world.image("two", ref=world.ref("a:x"))
    found = world.engine.inspect([world.ref("a:x"), first])
    assert first != second
    assert found[world.ref("a:x")].id == second
    assert found[first].tags == (world.ref("keep:x"),)


def test_an_unknown_image_cannot_be_tagged(world: World) -> None:
    with pytest.raises(ActionError, match="refused to tag") as caught:
        world.engine.tag("sha256:" + "0" * 64, world.ref("a"))
    assert "o such image" in caught.value.detail
    assert world.engine.tags(world.ref("a")) == {}


def test_removing_a_reference_leaves_the_others(world: World) -> None:
    image = world.image(ref=world.ref("a:x"))
    world.engine.tag(image, world.ref("b:x"))
    assert world.engine.untag(world.ref("a:x")) is True
    assert world.engine.untag(world.ref("a:x")) is False
    assert world.engine.inspect([image])[image].tags == (world.ref("b:x"),)


def test_the_last_reference_takes_the_image_along(world: World) -> None:
    image = world.image(os.urandom(8).hex(), ref=world.ref("a:x"))
    world.engine.untag(world.ref("a:x"))
    assert world.engine.inspect([image])[image] is None


def test_references_are_listed_by_pattern(world: World) -> None:
    image = world.image()
    for name in ("a:key-1", "a:key-2", "a:dev", "b:key-1"):
        world.engine.tag(image, world.ref(name))
    listed = world.engine.tags(world.ref("a:key-*"))
    assert listed == {world.ref("a:key-1"): image, world.ref("a:key-2"): image}
    assert set(world.engine.tags(world.ref("*:key-1"))) == {
        world.ref("a:key-1"),
        world.ref("b:key-1"),
    }
    assert len(world.engine.tags(world.ref("a"))) == 3


def test_images_that_containers_stand_on_are_known(world: World) -> None:
    image, other = world.image("used", ref=world.ref("a")), world.image("unused")
    with world.standing(image) as name:
        used = world.engine.in_use()
        assert used[image] == name
        assert other not in used
    assert image not in world.engine.in_use()


def test_an_engine_that_is_not_there_says_so(world: World) -> None:
    engine = world.gone()
    for ask in (
        engine.ping,
        engine.platform,
        lambda: engine.inspect(["a"]),
        lambda: engine.tags("a"),
        lambda: engine.tag("a", "b"),
        lambda: engine.untag("a"),
        lambda: engine.run("a", "true"),
    ):
        with pytest.raises(EngineUnavailable, match="does not exist") as caught:
            ask()
        assert caught.value.fix
    world.engine.ping()


# scripts in containers


def test_a_script_hands_back_what_it_wrote(world: World) -> None:
    script = world.teach("echo out; echo err >&2", stdout="out\n", stderr="err\n")
    assert world.engine.run(world.shell(), script) == "out\n"
    assert world.containers() == 0


def test_a_script_sees_its_files_and_user(world: World) -> None:
    script = "cat /in/a/file; id -u; id -g"
    world.teach(script, stdout="content\n1000\n100\n")
    written = world.engine.run(
        world.shell(),
        script,
        files=[("/in/a/file", b"content\n")],
        user="1000:100",
    )
    assert written == "content\n1000\n100\n"


def test_a_failing_script_is_an_error_with_its_words(world: World) -> None:
    script = world.teach("echo some; echo no luck >&2; exit 4", stderr="no luck\n", code=4)
    with pytest.raises(ActionError, match="ended with code 4") as caught:
        world.engine.run(world.shell(), script)
    assert caught.value.detail == "no luck"
    assert world.containers() == 0


def test_a_script_needs_an_image_that_is_there(world: World) -> None:
    with pytest.raises(ActionError, match="refused to start") as caught:
        world.engine.run(world.ref("nothing"), "true")
    assert "o such image" in caught.value.detail


def test_a_script_that_is_stopped_leaves_no_container(world: World) -> None:
    script = world.teach("sleep 61", seconds=61)
    image = world.shell()
    stopper = stop_when(lambda: world.containers() == 1)
    began = time.monotonic()
    with pytest.raises(process.Stopped):
        world.engine.run(image, script)
    stopper.join()
    assert time.monotonic() - began < 30
    assert world.containers() == 0


# builds


@builds
def test_equal_input_gives_an_equal_image_without_a_reference(world: World) -> None:
    first = world.image("one")
    assert world.engine.inspect([first])[first].tags == ()
    assert world.image("two") != first
    assert world.image("one") == first


@builds
def test_without_cache_every_step_runs_again(world: World) -> None:
    request = world.request("FROM scratch\nCOPY hello.txt /hello.txt\n", hello_txt="one")
    first = world.build(request)
    assert world.build(request) == first
    assert world.build(request._replace(no_cache=True)) != first


@builds
def test_arguments_and_parents_count(world: World) -> None:
    world.image(ref=world.ref("parent:x"))
    text = "ARG PARENT\nFROM $PARENT\nARG WORD=\nLABEL word=$WORD\n"
    request = world.request(text)
    args = (("PARENT", world.ref("parent:x")),)
    plain = world.build(request._replace(args=args))
    other = world.build(request._replace(args=(*args, ("WORD", "bird"))))
    assert plain != other
    assert world.engine.inspect([other])[other].size >= len(
        "hello"
    )  # with what the store holds beside it


@builds
def test_the_log_has_the_steps(world: World) -> None:
    request = world.request("FROM scratch\nCOPY hello.txt /\n", hello_txt="a")
    world.build(request)
    assert any("COPY hello.txt /" in line for line in world.lines)


@builds
def test_a_failing_step_is_named_with_its_line(world: World) -> None:
    text = "FROM scratch\n\nCOPY hello.txt /\nCOPY \\\n  missing.txt /there/\n"
    request = world.request(text, hello_txt="a")
    with pytest.raises(ActionError) as caught:
        world.build(request)
    error = caught.value
    assert "images/x/Dockerfile failed at COPY" in error.what
    assert "missing.txt" in error.what
    assert str(error.where) == "images/x/Dockerfile:4"
    assert "not found" in error.detail
    assert any("COPY hello.txt /" in line for line in world.lines)


@builds
def test_a_parent_that_is_not_there_is_named(world: World) -> None:
    request = world.request("# nobody has it\nFROM localhost:9/nobody/has:it\n")
    with pytest.raises(ActionError, match="FROM localhost:9/nobody/has:it") as caught:
        world.build(request)
    assert str(caught.value.where) == "images/x/Dockerfile:2"


@builds
def test_a_failing_command_is_named_with_its_line(world: World) -> None:
    request = world.request(f"FROM {world.shell()}\n# one\nRUN exit 7\n")
    with pytest.raises(ActionError, match="RUN exit 7") as caught:
        world.build(request)
    assert str(caught.value.where) == "images/x/Dockerfile:3"
    assert "exit code: 7" in caught.value.detail


@builds
def test_a_platform_that_cannot_run_here_is_refused(world: World) -> None:
    request = world.request("FROM scratch\nCOPY hello.txt /\n", hello_txt="a")
    world.build(request._replace(platform=world.engine.platform()))
    with pytest.raises(InputError, match="cannot build linux/mips64le"):
        world.build(request._replace(platform="linux/mips64le"))


@builds
def test_a_build_that_is_stopped_leaves_nothing(world: World) -> None:
    request = world.request(f"FROM {world.shell()}\nRUN echo {os.urandom(4).hex()}; sleep 61\n")
    if isinstance(world.builder, FakeBuilder):
        world.builder.delay = 61
    stopper = stop_when(lambda: any("sleep 61" in line for line in world.lines))
    before = world.engine.tags("*")
    began = time.monotonic()
    with pytest.raises(process.Stopped):
        world.build(request)
    stopper.join()
    assert time.monotonic() - began < 30
    assert world.engine.tags("*") == before
    with pytest.raises(process.Stopped):
        world.build(request)


@builds
def test_a_result_can_be_had_as_a_tar(world: World) -> None:
    request = world.request("FROM scratch\nCOPY hello.txt /out/\n", hello_txt="hello")
    dest = world.folder / "result, final.tar"
    world.builder.build_tar(request, str(dest), world.lines.append)
    with tarfile.open(dest) as tar:
        member = tar.extractfile("out/hello.txt")
        assert member is not None
        assert member.read() == b"hello"
    assert [path.name for path in world.folder.glob("*tar*")] == [dest.name]


@builds
def test_a_failed_tar_leaves_no_file(world: World) -> None:
    request = world.request("FROM scratch\nCOPY missing.txt /\n")
    with pytest.raises(ActionError):
        world.builder.build_tar(request, str(world.folder / "x.tar"), world.lines.append)
    assert list(world.folder.glob("*tar*")) == []


@builds
def test_the_command_can_be_typed_by_hand(world: World) -> None:
    text = f"FROM {world.shell()}\nCOPY hello.txt /\nRUN exit 0\n"  # RUN: BuildKit builds it
    request = world.request(text, hello_txt="a")
    words = world.builder.command(request)
    assert words[-3:] == ["--file", request.dockerfile, request.context]
    if isinstance(world.builder, FakeBuilder):
        return
    assignments = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    argv = words[len(assignments) :]
    iid = world.folder / "iid"
    subprocess.run(
        [*argv, "--iidfile", str(iid)],
        env={**os.environ, **assignments},
        check=True,
        capture_output=True,
    )
    built = world.builder.build(request, world.lines.append)
    assert iid.read_text() in (built.image, built.identity), "by which name depends on buildx"


# only the real ones


@pytest.mark.engine
def test_lent_files_reach_every_run_and_no_layer(tmp_path: Path) -> None:
    world = RealWorld(connect(), real_builder(), tmp_path)
    try:
        shell = world.shell()
        bundle = tmp_path / "bundle.pem"
        bundle.write_text("BUNDLE-OF-THE-HOST\n")
        request = world.request(
            f"FROM {shell} AS one\n"
            f"ENV NEVER_KEPT={os.urandom(4).hex()}\n"
            'RUN cat "$SSL_CERT_FILE"\n'
            f"FROM {shell}\n"
            f"ENV NEVER_KEPT={os.urandom(4).hex()}\n"
            "USER 1000:100\n"
            'RUN ["/bin/cat", "/run/secrets/buildlib-ca"]\n'
            "RUN cat \\\n  # the mirror\n  $PIP_CONFIG_FILE && exit 0\n"
            "COPY --from=one /bin/cat /\n"
            "RUN exit 9\n"
        )._replace(
            grants=(
                Grant("buildlib-ca", ("SSL_CERT_FILE",), path=str(bundle)),
                Grant("buildlib-pip.conf", ("PIP_CONFIG_FILE",), text="MIRROR-OF-THE-SITE\n"),
            )
        )
        with pytest.raises(ActionError) as caught:
            world.build(request)
        assert str(caught.value.where) == "images/x/Dockerfile:12"  # as the author wrote it
        assert caught.value.what.endswith("RUN exit 9")
        output = "\n".join(world.lines)
        assert len(re.findall(r"\d BUNDLE-OF-THE-HOST", output)) == 2
        assert len(re.findall(r"\d MIRROR-OF-THE-SITE", output)) == 1

        text = Path(request.dockerfile).read_text().replace("RUN exit 9\n", "")
        Path(request.dockerfile).write_text(text)
        image = world.build(request)
        saved = tmp_path / "saved.tar"
        subprocess.run(["docker", "save", "-o", str(saved), image], check=True)
        content = saved.read_bytes()  # layers in it are not compressed
        assert b"OF-THE-" not in content
        config = subprocess.check_output(["docker", "inspect", "-f", "{{.Config.Env}}", image])
        assert b"run/secrets" not in config
        request = request._replace(grants=())
        assert "--secret" not in world.builder.command(request)
    finally:
        world.clean()


@pytest.mark.engine
def test_secrets_reach_the_steps_that_mount_them_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RealWorld(connect(), real_builder(), tmp_path)
    token, netrc = (f"SECRET-{os.urandom(8).hex()}" for _ in range(2))
    monkeypatch.setenv("MY_TOKEN", token)
    (tmp_path / "netrc").write_text(f"machine x\npassword {netrc}\n")
    try:
        shell = world.shell()
        request = world.request(
            f"FROM {shell}\n"
            f"ENV NEVER_KEPT={os.urandom(4).hex()}\n"
            "RUN --mount=type=secret,id=token,required=true"
            " --mount=type=secret,id=netrc,target=/x/netrc,mode=0444"
            " cat /run/secrets/token /x/netrc && got=$(cat /run/secrets/token)"
            f' && [ "${{#got}}" = {len(token)} ]\n'
            "RUN [ ! -s /run/secrets/token ]\n"
        )._replace(
            secrets=(
                Secret("netrc", file=str(tmp_path / "netrc")),
                Secret("token", variable="MY_TOKEN"),
            )
        )
        image = world.build(request)
        output = "\n".join(world.lines)
        assert "***" in output
        assert token not in output
        assert netrc not in output
        saved = tmp_path / "saved.tar"
        subprocess.run(["docker", "save", "-o", str(saved), image], check=True)
        content = saved.read_bytes()  # layers in it are not compressed
        assert token.encode() not in content
        assert netrc.encode() not in content
        command = world.builder.command(request)
        assert "id=token,env=MY_TOKEN" in command
        assert token not in " ".join(command)
    finally:
        world.clean()
