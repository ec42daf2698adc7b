"""Which docker client builds, on machines with one, several or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from buildlib.core.model.secret import Secret
from buildlib.engine.about import About
from buildlib.engine.build import CliBuilder
from buildlib.engine.client import Client, client_for, find_client
from buildlib.engine.find import Endpoint
from buildlib.engine.protocol import BuildRequest
from buildlib.errors import ActionError, InputError
from tests.fakes.engine import FakeEngine


@pytest.fixture(autouse=True)
def _only_ours(monkeypatch) -> None:
    monkeypatch.setattr("buildlib.engine.client._USUAL", ())


def machine(folder: Path, *clients: tuple[str, bool]) -> tuple[dict[str, str], list[str]]:
    """Clients on PATH, each with what it says its version is and whether it has buildx."""
    paths = []
    for number, (version, buildx) in enumerate(clients):
        path = folder / str(number) / "docker"
        path.parent.mkdir()
        answer = "exit 0" if buildx else "exit 1"
        asked = '[ "$1 $2" = "buildx version" ]'
        path.write_text(f'#!/bin/sh\n{asked} && {answer}\necho "{version}"\n')
        path.chmod(0o755)
        paths.append(str(path))
    return {"PATH": ":".join(str(Path(path).parent) for path in paths)}, paths


def test_the_plugin_goes_before_what_is_built_in(tmp_path: Path) -> None:
    env, paths = machine(
        tmp_path, ("Docker version 20.10.24+dfsg1, build 1", False), ("Docker version 28.2.2", True)
    )
    assert find_client(env) == Client(paths[1], buildx=True)


def test_a_new_client_without_the_plugin_is_passed_over(tmp_path: Path) -> None:
    env, paths = machine(
        tmp_path,
        ("Docker version 28.2.2, build 1", False),
        ("podman version 4.3.1", True),
        ("Docker version 20.10.24", False),
    )
    assert find_client(env) == Client(paths[2], buildx=False)


def test_the_warnings_of_a_client_are_no_answer(tmp_path: Path) -> None:
    env, _ = machine(tmp_path, ("WARNING: bad config\nDocker version 22.0.1, build 1", False))
    assert find_client(env).buildx is False


def test_no_client_that_can_build(tmp_path: Path) -> None:
    env, paths = machine(
        tmp_path, ("Docker version 23.0.0, build 1", False), ("podman version 4", False)
    )
    with pytest.raises(ActionError, match="can build") as caught:
        find_client(env)
    assert f"{paths[0]}: Docker version 23.0 has no buildx plugin" in caught.value.detail
    assert f"{paths[1]}: is no docker client" in caught.value.detail
    assert "docker-buildx" in caught.value.fix


def test_no_client_at_all(tmp_path: Path) -> None:
    with pytest.raises(ActionError) as caught:
        find_client({"PATH": str(tmp_path)})
    assert "no docker on PATH" in caught.value.detail
    assert "docker.io" in caught.value.fix


def test_a_machine_is_asked_once(tmp_path: Path) -> None:
    env, paths = machine(tmp_path, ("Docker version 28.2.2", True))
    endpoint = Endpoint("unix:///x.sock")
    found = client_for(endpoint, env)
    Path(paths[0]).unlink()
    assert client_for(endpoint, env) == found


# clients and the engine they have to fit

OLD = "Docker version 20.10.24+dfsg1, build 297e128"
NEW = "Docker version 28.2.2, build e6534b4"
ENGINE = About("Docker Engine", "29.0.0", "1.52", "1.44")
TOO_OLD = (
    "1.41\nError response from daemon: client version 1.41 is too old. "
    "Minimum supported API version is 1.44, please upgrade your client to a newer version"
)
INSPECTED = "Name:   default\nDriver: docker\n\nNodes:\nName:    default\nEndpoint: default\n"
"""What `buildx inspect default` says of an engine's own builder (0.38), up to here."""


class Answers:
    """Plays the docker clients of `machine`, with what each is taught to answer."""

    def __init__(self, *taught: tuple[str, str, int, str]) -> None:
        self._taught = taught
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], *, environ: Mapping[str, str]) -> tuple[int, str]:
        del environ
        words = " ".join(argv)
        self.asked.append(words)
        for path, asked, code, text in self._taught:
            if words.startswith(f"{path} {asked}".strip()):
                return code, text
        return 1, ""


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    """Lets programs answer as they are taught, instead of running them."""

    def teach(*answers: tuple[str, str, int, str]) -> Answers:
        found = Answers(*answers)
        monkeypatch.setattr("buildlib.engine.process.capture", found)
        return found

    return teach


def old(path: str, *, fits: bool) -> list[tuple[str, str, int, str]]:
    """A client with BuildKit built in."""
    answer = (0, "1.44") if fits else (1, TOO_OLD)
    return [(path, "--version", 0, OLD), (path, "version", *answer)]


def with_buildx(path: str, inspected: str) -> list[tuple[str, str, int, str]]:
    """A client with the plugin, and what that says of the builder."""
    return [
        (path, "--version", 0, NEW),
        (path, "buildx version", 0, "github.com/docker/buildx v0.38.2"),
        (path, "buildx inspect default", 0, inspected),
    ]


def test_a_client_that_is_too_old_for_the_engine_is_refused_with_its_own_words(
    tmp_path: Path, taught: Callable[..., Answers]
) -> None:
    env, (path,) = machine(tmp_path, (OLD, False))
    candidate = ("apt-cache", "policy", 0, "docker-buildx:\n  Candidate: 0.13.1")
    taught(*old(path, fits=False), candidate)
    with pytest.raises(ActionError, match=r"can build images on Docker Engine 29\.0\.0") as caught:
        find_client(env, engine=ENGINE)
    assert f"{path}: client version 1.41 is too old. Minimum" in caught.value.detail
    assert caught.value.fix == "sudo apt-get install -y docker-buildx"


def test_where_apt_has_no_plugin_it_is_downloaded(
    tmp_path: Path, taught: Callable[..., Answers]
) -> None:
    env, (path,) = machine(tmp_path, (OLD, False))
    folder = tmp_path / "config"
    taught(*old(path, fits=False))
    with pytest.raises(ActionError) as caught:
        find_client({**env, "DOCKER_CONFIG": str(folder)}, engine=ENGINE)
    assert f"curl -fLo {folder}/cli-plugins/docker-buildx https://github.com/" in caught.value.fix


@pytest.mark.parametrize(
    "inspected",
    [
        INSPECTED.replace("docker\n", "docker-container\n"),
        INSPECTED + "Error:    Error response from daemon: client version 1.43 is too old.",
    ],
    ids=["a builder elsewhere", "too old"],
)
def test_of_several_clients_the_one_that_fits_the_engine_builds(
    tmp_path: Path, inspected: str, taught: Callable[..., Answers]
) -> None:
    env, (a, b, c) = machine(tmp_path, (OLD, False), (NEW, True), (OLD, False))
    taught(*old(a, fits=False), *with_buildx(b, inspected), *old(c, fits=True))
    assert find_client(env, engine=ENGINE, builder="default") == Client(c, buildx=False)
    taught(*old(a, fits=True), *with_buildx(b, INSPECTED))
    assert find_client(env, engine=ENGINE, builder="default") == Client(b, buildx=True)


def test_a_builder_that_has_the_name_of_the_context_is_not_taken_for_the_engines(
    tmp_path: Path, taught: Callable[..., Answers]
) -> None:
    env, (path,) = machine(tmp_path, (NEW, True))
    shadow = (path, "buildx inspect box", 0, "Name: box\nDriver: docker-container\n")
    taught(shadow, *with_buildx(path, ""))
    with pytest.raises(ActionError) as caught:
        find_client(env, engine=ENGINE, builder="box")
    assert "its builder box is not the engine's own (docker-container)" in caught.value.detail
    assert caught.value.fix.startswith("docker buildx rm box")


def test_a_builder_that_someone_chose_is_not_looked_at(
    tmp_path: Path, taught: Callable[..., Answers]
) -> None:
    env, (path,) = machine(tmp_path, (NEW, True))
    answers = taught(*with_buildx(path, "Driver: remote"))
    assert find_client(env, engine=ENGINE, builder="") == Client(path, buildx=True)
    assert not any("inspect" in words for words in answers.asked)


def test_an_answer_is_kept_for_the_engine_and_the_builder_it_was_found_for(tmp_path: Path) -> None:
    env, (path,) = machine(tmp_path, (OLD, False))
    notes = tmp_path / "client"
    notes.write_text("as an earlier version\nwrote it\nbuildx\nwith more")
    asked = tmp_path / "asked"
    script = Path(path)
    script.write_text(script.read_text() + f"echo >>{asked}\n")

    def find(engine: About, builder: str = "default") -> int:
        """How often the client was asked."""
        asked.write_text("")
        found = find_client(env, notes=str(notes), engine=engine, builder=builder)
        assert found == Client(path, buildx=False)
        return len(asked.read_text())

    assert find(ENGINE)
    assert not find(ENGINE)
    assert find(ENGINE._replace(version="29.1.0"))
    assert find(ENGINE, "box")
    assert not find(ENGINE, "box")
    instance = tmp_path / "config/buildx/instances/box"
    env["DOCKER_CONFIG"] = str(tmp_path / "config")
    assert find(ENGINE, "box")
    instance.parent.mkdir(parents=True)
    instance.write_text("{}")
    assert find(ENGINE, "box")


@pytest.mark.parametrize(
    ("context", "variables", "inspected"),
    [("", {}, ["default"]), ("box", {}, ["box"]), ("", {"BUILDX_BUILDER": "farm"}, [])],
)
def test_the_builder_that_is_looked_at_is_the_one_that_builds(
    tmp_path: Path, monkeypatch, context: str, variables: dict[str, str], inspected: list[str]
) -> None:
    monkeypatch.setattr("buildlib.engine.client.about", lambda _: ENGINE)
    env, (path,) = machine(tmp_path, (NEW, True))
    asked = tmp_path / "asked"
    Path(path).write_text(
        f"""#!/bin/sh
        [ "$2" = inspect ] && echo "$3" >>{asked}
        echo "{NEW}"; echo "Driver: docker"
        """
    )
    endpoint = Endpoint("unix:///x.sock", context=context)
    assert client_for(endpoint, {**env, **variables}) == Client(path, buildx=True)
    assert (asked.read_text().split() if asked.exists() else []) == inspected


def test_no_client_builds_on_podman(tmp_path: Path, monkeypatch) -> None:
    podman = About("podman", "4.3.1", "1.41", "1.24")
    monkeypatch.setattr("buildlib.engine.client.about", lambda _: podman)
    env, _ = machine(tmp_path, (OLD, False))
    with pytest.raises(InputError, match="no Docker Engine"):
        client_for(Endpoint("unix:///x.sock"), env)


# the command that is made of it


def builder(folder: Path, endpoint: Endpoint, *, buildx: bool, **environ: str) -> CliBuilder:
    env, _ = machine(folder, ("Docker version 20.10.24", buildx))
    return CliBuilder(endpoint, FakeEngine(), {**env, **environ})


REQUEST = BuildRequest(
    "ctx",
    "Dockerfile",
    args=(("A", "b c"),),
    labels=(("l", "1"),),
)


def test_the_command_of_a_plain_client(tmp_path: Path) -> None:
    endpoint = Endpoint("unix:///var/run/docker.sock")
    assert builder(tmp_path, endpoint, buildx=False).command(REQUEST) == [
        "DOCKER_BUILDKIT=1",
        str(tmp_path / "0/docker"),
        "build",
        "--progress=plain",
        "--network=none",
        "--build-arg",
        "A=b c",
        "--label",
        "l=1",
        "--file",
        "Dockerfile",
        "ctx",
    ]


def test_buildx_builds_where_our_parents_are(tmp_path: Path) -> None:
    endpoint = Endpoint("tcp://box:1", "docker context box", "box")
    words = builder(tmp_path, endpoint, buildx=True).command(REQUEST)
    assert words[:2] == ["BUILDX_NO_DEFAULT_ATTESTATIONS=1", "DOCKER_CONTEXT=box"]
    assert words[words.index("--builder") + 1] == "box"
    assert words[words.index("--output") + 1].startswith("type=docker,")  # as --load does


TOKEN = Secret("npm-token", variable="NPM_TOKEN")
NETRC = Secret("netrc", file="/home/ada/.netrc")


def test_a_command_names_secrets_and_has_no_value(tmp_path: Path) -> None:
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=False, NPM_TOKEN="s3cr3t")
    words = made.command(REQUEST._replace(secrets=(TOKEN, NETRC)))
    assert [words[at + 1] for at, word in enumerate(words) if word == "--secret"] == [
        "id=npm-token,env=NPM_TOKEN",
        "id=netrc,src=/home/ada/.netrc",
    ]
    assert "s3cr3t" not in " ".join(words)


@pytest.mark.parametrize("buildx", [False, True])
def test_secrets_go_to_the_client_and_into_no_line(tmp_path: Path, buildx: bool) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine x\npassword hunter2\n")
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=buildx, NPM_TOKEN="s3cr3t")
    client = tmp_path / "0/docker"
    seen = tmp_path / "seen"
    told = "echo '#7 0.1 s3cr3t password hunter2' >&2"
    script = (
        f'case "$*" in *--file*) /usr/bin/env >{seen}; echo "$@" >>{seen}; {told}; exit 1;; esac\n'
    )
    client.write_text(client.read_text() + script)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN x\n")
    request = BuildRequest(
        str(tmp_path),
        str(tmp_path / "Dockerfile"),
        secrets=(TOKEN, NETRC._replace(file=str(netrc))),
    )
    lines: list[str] = []
    with pytest.raises(ActionError) as error:
        made.build(request, lines.append)
    handed = seen.read_text()
    assert "BUILDLIB_SECRET_0=s3cr3t" in handed.splitlines()
    assert "id=npm-token,env=BUILDLIB_SECRET_0" in handed
    assert f"id=netrc,src={netrc}" in handed
    assert "NPM_TOKEN=" not in handed
    told = "\n".join(lines) + error.value.render()
    assert "#7 0.1 *** ***" in told
    assert "s3cr3t" not in told
    assert "hunter2" not in told


def test_a_builder_that_someone_chose_is_used(tmp_path: Path) -> None:
    endpoint = Endpoint("tcp://box:1", "DOCKER_HOST")
    made = builder(tmp_path, endpoint, buildx=True, BUILDX_BUILDER="farm")
    words = made.command(REQUEST)
    assert "DOCKER_HOST=tcp://box:1" in words
    assert "--builder" not in words
    assert words[words.index("--output") + 1].startswith("type=docker,")  # as --load does


NEEDED = {
    "HOME": "/home/ada",
    "TMPDIR": "/tmp",
    "XDG_RUNTIME_DIR": "/run/user/1",
    "BUILDX_BUILDER": "farm",
    "BUILDX_CONFIG": "/home/ada/buildx",
    "DOCKER_CERT_PATH": "/home/ada/certificates",
    "DOCKER_CONFIG": "/home/ada/docker",
    "DOCKER_TLS_VERIFY": "1",
    "KUBECONFIG": "/home/ada/kube",
    "SSH_AUTH_SOCK": "/run/agent",
    "SSL_CERT_FILE": "/etc/site.pem",
    "https_proxy": "http://proxy.example.com",
    "NO_PROXY": "localhost",
    "AWS_PROFILE": "builds",
}
HIDDEN_INPUTS = (
    "BUILDKIT_COLORS",
    "BUILDKIT_HOST",
    "BUILDKIT_NO_CLIENT_TOKEN",
    "BUILDKIT_PROGRESS",
    "BUILDKIT_SYNTAX",
    "BUILDX_DEFAULT_POLICY",
    "BUILDX_EXPERIMENTAL",
    "BUILDX_GIT_CHECK_DIRTY",
    "BUILDX_GIT_INFO",
    "BUILDX_GIT_LABELS",
    "BUILDX_METADATA_PROVENANCE",
    "BUILDX_NO_DEFAULT_ATTESTATIONS",
    "BUILDX_NO_DEFAULT_LOAD",
    "BUILD_STREAM_PROTOCOL",
    "COMPOSE_FILE",
    "DOCKER_API_VERSION",
    "DOCKER_BUILDKIT",
    "DOCKER_CONTENT_TRUST",
    "DOCKER_CONTEXT",
    "DOCKER_DEFAULT_PLATFORM",
    "DOCKER_HOST",
    "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY",
    "GITHUB_ACTIONS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "SOURCE_DATE_EPOCH",
    "TERM",
    "TRACEPARENT",
    "X",
)


@pytest.mark.parametrize("buildx", [False, True])
def test_a_client_is_told_what_it_needs_to_reach_an_engine_and_nothing_else(
    tmp_path: Path, buildx: bool
) -> None:
    hidden = dict.fromkeys(HIDDEN_INPUTS, "hidden")
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=buildx, **NEEDED, **hidden)
    seen = tmp_path / "environment"
    client = tmp_path / "0/docker"
    client.write_text(f"{client.read_text()}/usr/bin/env >{seen}\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG X\n")
    request = BuildRequest(str(tmp_path), str(tmp_path / "Dockerfile"))
    with pytest.raises(ActionError, match="does not have the result"):
        made.build(request, lambda _: None)
    lines = dict(line.split("=", 1) for line in seen.read_text().splitlines())
    ours = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"} if buildx else {"DOCKER_BUILDKIT": "1"}
    of_the_shell = {"OLDPWD", "PATH", "PWD", "SHLVL", "_"}
    assert {name: value for name, value in lines.items() if name not in of_the_shell} == {
        **NEEDED,
        "DOCKER_HOST": "unix:///x.sock",
        **ours,
    }


PROXIES = '{"proxies": {"tcp://box:1": {"httpProxy": "http://ada:hunter2@proxy.example.com"}}}'


def build_args(words: list[str]) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == "--build-arg"]


@pytest.mark.parametrize("config", [PROXIES, PROXIES.replace("proxies", "PROXIES"), f"{PROXIES}}}"])
@pytest.mark.parametrize("place", ["HOME", "DOCKER_CONFIG"])
def test_proxies_of_a_clients_configuration_are_kept_from_steps_without_a_network(
    tmp_path: Path, config: str, place: str
) -> None:
    folder = tmp_path / ".docker"
    folder.mkdir()
    (folder / "config.json").write_text(config)
    variables = {place: str(tmp_path if place == "HOME" else folder)}
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=False, **variables)
    kinds = ("ALL", "FTP", "HTTP", "HTTPS", "NO")
    empty = {f"{name}=" for kind in kinds for name in (f"{kind}_PROXY", f"{kind.lower()}_proxy")}
    words = made.command(REQUEST)
    assert set(build_args(words)) == {"A=b c", *empty}
    assert "hunter2" not in " ".join(words)
    assert build_args(made.command(REQUEST._replace(network="default"))) == ["A=b c"]


def test_a_declared_proxy_stays_and_has_one_value_in_both_spellings(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(PROXIES)
    folder = str(tmp_path)
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=False, DOCKER_CONFIG=folder)
    found = build_args(made.command(REQUEST._replace(args=(("http_proxy", "x"),))))
    assert {"http_proxy=x", "HTTP_PROXY=x", "https_proxy=", "HTTPS_PROXY="} <= set(found)
    assert len(found) == 10


@pytest.mark.parametrize("config", ["", '{"auths": {}, "credsStore": "pass"}'])
def test_without_proxies_a_command_is_no_longer_than_it_must_be(
    tmp_path: Path, config: str
) -> None:
    if config:
        (tmp_path / "config.json").write_text(config)
    folder = str(tmp_path)
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=False, DOCKER_CONFIG=folder)
    assert build_args(made.command(REQUEST)) == ["A=b c"]


def test_a_platform_with_an_emulator_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildlib.engine.build._BINFMT", str(tmp_path / "binfmt"))
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=False)
    arm = REQUEST._replace(platform="linux/arm64")
    with pytest.raises(InputError, match="no emulator") as caught:
        made._check_platform(arm)
    assert "qemu-user-static" in caught.value.fix
    (tmp_path / "binfmt").mkdir()
    (tmp_path / "binfmt/qemu-aarch64").touch()
    made._check_platform(arm)
    remote = CliBuilder(Endpoint("tcp://box:1"), FakeEngine(), {})
    with pytest.raises(InputError):  # this machine's emulators say nothing of another's
        remote._check_platform(arm)


def test_a_field_of_an_option_may_hold_a_comma():
    """`--secret` and `--output` take comma-separated fields (RFC 4180 quoting, as docker reads)."""
    from buildlib.engine.build import _csv

    assert _csv("id=token", "src=/a,b") == 'id=token,"src=/a,b"'
