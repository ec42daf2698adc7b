"""Which docker client builds, on machines with one, several or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from buildlib.engine.build import CliBuilder
from buildlib.engine.client import Client, find_client
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
        path.write_text(f'#!/bin/sh\n[ "$1" = buildx ] && {answer}\necho "{version}"\n')
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
    asked: list[Sequence[str]] = []

    def probe(argv: Sequence[str], env: Mapping[str, str]) -> tuple[int, str]:
        asked.append(argv)
        return 0, "Docker version 28.2.2"

    env, paths = machine(tmp_path, ("Docker version 28.2.2", True))
    found = find_client(env)
    Path(paths[0]).unlink()
    assert find_client(env) == found
    assert asked == []


# the command that is made of it


def builder(folder: Path, endpoint: Endpoint, *, buildx: bool, **environ: str) -> CliBuilder:
    env, _ = machine(folder, ("Docker version 20.10.24", buildx))
    return CliBuilder(endpoint, FakeEngine(), {**env, **environ}, binfmt=str(folder / "binfmt"))


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
    assert "--load" in words


def test_a_builder_that_someone_chose_is_used(tmp_path: Path) -> None:
    endpoint = Endpoint("tcp://box:1", "DOCKER_HOST")
    made = builder(tmp_path, endpoint, buildx=True, BUILDX_BUILDER="farm")
    words = made.command(REQUEST)
    assert "DOCKER_HOST=tcp://box:1" in words
    assert "--builder" not in words
    assert "--load" in words


def test_what_would_change_results_behind_a_keys_back_is_not_handed_on(tmp_path: Path) -> None:
    env, paths = machine(tmp_path, ("Docker version 20.10.24", False))
    seen = tmp_path / "environment"
    engine = FakeEngine()
    variables = {"SOURCE_DATE_EPOCH": "1", "DOCKER_DEFAULT_PLATFORM": "linux/arm64", "KEPT": "1"}
    made = CliBuilder(Endpoint("unix:///x.sock"), engine, {**env, **variables})
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    Path(paths[0]).write_text(
        '#!/bin/sh\n[ "$1" = buildx ] && exit 1\necho "Docker version 20.10.24"\n'
        f"/usr/bin/env >{seen}\n"
    )
    with pytest.raises(ActionError, match="does not have the result"):
        made.build(BuildRequest(str(tmp_path), str(tmp_path / "Dockerfile")), lambda _: None)
    environment = seen.read_text().splitlines()
    assert {"DOCKER_BUILDKIT=1", "DOCKER_HOST=unix:///x.sock", "KEPT=1"} <= set(environment)
    assert not [line for line in environment if line.startswith(tuple(variables)[:2])]


def test_a_platform_with_an_emulator_is_built(tmp_path: Path) -> None:
    made = builder(tmp_path, Endpoint("unix:///x.sock"), buildx=False)
    arm = REQUEST._replace(platform="linux/arm64")
    with pytest.raises(InputError, match="no emulator") as caught:
        made._check_platform(arm)
    assert "qemu-user-static" in caught.value.fix
    (tmp_path / "binfmt").mkdir()
    (tmp_path / "binfmt/qemu-aarch64").touch()
    made._check_platform(arm)
    remote = CliBuilder(Endpoint("tcp://box:1"), FakeEngine(), {}, binfmt=str(tmp_path / "binfmt"))
    with pytest.raises(InputError):  # this machine's emulators say nothing of another's
        remote._check_platform(arm)


def test_a_field_of_an_option_may_hold_a_comma():
    """`--secret` and `--output` take comma-separated fields (RFC 4180 quoting, as docker reads)."""
    from buildlib.engine.build import _csv

    assert _csv("id=token", "src=/a,b") == 'id=token,"src=/a,b"'
