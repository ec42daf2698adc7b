"""The script that starts kernel containers: what it accepts, asks the engine for, and says."""

from __future__ import annotations

import base64
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
import requests
from Cryptodome.PublicKey import RSA
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from hypothesis import given
from hypothesis import strategies as st

from tests.support.settings import parse_settings

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "launchers/docker/launch_docker.py"
SETTINGS = parse_settings((ROOT / "pyproject.toml").read_text("utf-8"))
IMAGE = f"{SETTINGS.registry}/{SETTINGS.organization}/kernel-py:dev".removeprefix("/")
ID = "0b6a2c4e-0000-4000-8000-123456789abc"
ARGV = [
    "--RemoteProcessProxy.kernel-id", ID,
    "--RemoteProcessProxy.port-range", "40000..50000",
    "--RemoteProcessProxy.response-address", "10.0.0.1:8877",
    "--RemoteProcessProxy.public-key", "MIGf+/=",
]  # fmt: skip
ENV = {
    "EG_DOCKER_MODE": "docker",
    "KERNEL_IMAGE": IMAGE,
    "KERNEL_USERNAME": "alice",
}


sys.path.append(str(SCRIPT.parent))  # as for the script itself: its modules lie beside it
launcher: Any = importlib.import_module("launch_docker")
reader: Any = importlib.import_module("kernel_request")


def request(stanza: tuple[str, ...] = (), **env: str) -> Any:
    return launcher.read_request(ARGV, {**ENV, **env}, stanza)


def refusal(**env: str) -> Any:
    with pytest.raises(launcher.LaunchError) as caught:
        request(**env)
    return caught.value


def attempt(**env: str) -> Any:
    """The request, or why it is refused."""
    try:
        return request(**env)
    except launcher.LaunchError as error:
        return error


# --- The command line -----------------------------------------------------------------------------


def test_both_spellings_of_options_say_the_same():
    plain = [word.replace("RemoteProcessProxy.", "") for word in ARGV]
    joined = [f"{name}={value}" for name, value in zip(plain[::2], plain[1::2], strict=True)]
    assert [reader.options(argv) for argv in (plain, joined)] == [reader.options(ARGV)] * 2


@pytest.mark.parametrize("missing", ["kernel-id", "response-address", "public-key"])
def test_a_missing_option_is_an_error_of_usage(missing):
    at = ARGV.index(f"--RemoteProcessProxy.{missing}")
    with pytest.raises(launcher.LaunchError, match=missing) as caught:
        launcher.read_request(ARGV[:at] + ARGV[at + 2 :], ENV)
    assert caught.value.code == 64


def test_an_unknown_option_is_an_error_of_usage():
    with pytest.raises(launcher.LaunchError, match="--privileged") as caught:
        launcher.read_request([*ARGV, "--privileged"], ENV)
    assert caught.value.code == 64


# --- What the kernel gets of the environment ------------------------------------------------------

SECRETS = {
    "EG_AUTH_TOKEN": "s", "KG_AUTH_TOKEN": "s", "EG_REMOTE_PWD": "s", "DOCKER_HOST": "tcp://e:1",
    "DOCKER_CERT_PATH": "/certs", "AWS_SECRET_ACCESS_KEY": "s", "HOME": "/home/jovyan",
    "PATH": "/opt/conda/bin", "JPY_PARENT_PID": "7", "EG_PORT": "8888",
}  # fmt: skip
TOLD = {
    "KERNEL_ID": ID, "PORT_RANGE": "40000..50000", "RESPONSE_ADDRESS": "10.0.0.1:8877",
    "PUBLIC_KEY": "MIGf+/=", "KERNEL_IMAGE": IMAGE, "KERNEL_USERNAME": "alice",
}  # fmt: skip


def test_the_kernel_is_told_what_it_needs_and_no_secret():
    assert request(**SECRETS).environment == TOLD


def test_it_works_with_nothing_inherited_not_even_a_path():
    assert request().environment == TOLD


def test_settings_for_launchers_pass():
    ours = {"EG_MIN_PORT_RANGE_SIZE": "10", "EG_KERNEL_LAUNCH_TIMEOUT": "60"}
    assert request(**ours, **SECRETS).environment == {**TOLD, **ours}


def test_variables_that_somebody_chose_pass():
    chosen = {"A": "client", "B": "inherited", "C": "kernelspec", "KERNEL_X": "any"}
    lists = {"EG_CLIENT_ENVS": "A,PATH", "EG_INHERITED_ENVS": "PATH,B,DOCKER_HOST,EG_CLIENT_ENVS"}
    found = request(("C", "EG_AUTH_TOKEN"), **chosen, **lists, **SECRETS).environment
    assert found == {**TOLD, **chosen}


def test_a_star_lets_clients_set_anything_but_never_shows_the_gateways_own():
    lists = {"EG_CLIENT_ENVS": "*", "EG_INHERITED_ENVS": "PATH,EG_CLIENT_ENVS,EG_INHERITED_ENVS"}
    with_env = {"ANY": "thing", "PATH": "/bin", "DOCKER_HOST": "tcp://e:1"}
    assert request(**with_env, **lists).environment == {**TOLD, "ANY": "thing"}
    # a request without variables: the gateway gives launch scripts its whole environment
    assert request(**{**with_env, **lists, **SECRETS}).environment == TOLD
    lists["EG_INHERITED_ENVS"] = ""
    assert request(**with_env, **lists).environment == TOLD


def test_spark_mode_and_kernel_class_reach_the_kernel():
    argv = [*ARGV, "--spark-context-initialization-mode", "lazy", "--kernel-class-name", "a.B"]
    found = launcher.read_request(argv, ENV).environment
    assert found["KERNEL_SPARK_CONTEXT_INIT_MODE"] == "lazy"
    assert found["KERNEL_CLASS_NAME"] == "a.B"


# --- Images, users, names -------------------------------------------------------------------------

DIGEST = "a" * 64


@pytest.mark.parametrize(
    "image",
    [
        "kernel", "elyra/kernel-py:dev", "localhost:5000/kernel-py:dev", "host:5000/x",
        "registry.example.com:443/a/b/c_d:1.0-rc.1", f"a/b@sha256:{DIGEST}", "[::1]:5000/x:y",
        f"localhost:5000/a/b:tag@sha256:{DIGEST}", f"sha256:{DIGEST}",
    ],
)  # fmt: skip
def test_names_of_images_that_docker_takes(image):
    assert request(KERNEL_IMAGE=image).image == image


@pytest.mark.parametrize(
    "image",
    [
        "", "a b", "a;rm -rf /", "$(id)", "-v", "--privileged", "A/B", "a:b:c", "a@sha256:12",
        "a/b:", "/a", "a//b", "host:/a", "a\nb", "a\n", "http://x/y", "x" * 500,
    ],
)  # fmt: skip
def test_names_of_images_that_are_none(image):
    error = refusal(KERNEL_IMAGE=image)
    assert error.code == 65
    assert "KERNEL_IMAGE" in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 200


def test_user_and_groups():
    assert (request().user, request().groups) == ("1000:100", [])
    found = request(KERNEL_UID="2000", KERNEL_GID="3000")
    assert (found.user, found.groups) == ("2000:3000", ["100"])


@pytest.mark.parametrize("value", ["-1", "1000:0", "root", "1 ", "4294967295", "0x10", "٣"])
@pytest.mark.parametrize("name", ["KERNEL_UID", "KERNEL_GID"])
def test_users_and_groups_are_numbers(name, value):
    assert refusal(**{name: value}).code == 65


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("alice", f"alice-{ID}"),
        ("a.b@example.com", f"a-b-example-com-{ID}"),
        ("", f"kernel-{ID}"),
        ("--rm -v", f"rm-v-{ID}"),
        ("x" * 99, f"{'x' * 26}-{ID}"),
    ],
)
def test_every_user_gets_a_name_that_hosts_can_have(user, name):
    assert request(KERNEL_USERNAME=user).name == name


def test_labels_that_the_gateway_finds_kernels_by_cannot_be_set():
    given_labels = {"kernel_id": "other", "component": "x", "app": "y", "team": "blue"}
    found = request(KERNEL_LABELS=json.dumps(given_labels)).labels
    ours = {"app": "enterprise-gateway", "component": "kernel", "kernel_id": ID}
    assert found == {**ours, "team": "blue"}


@pytest.mark.parametrize(
    "labels", ["[]", "x", '{"a": 1}', '{"": "x"}', '{"com.docker.swarm.node": "x"}', '{"a b": "x"}']
)
def test_labels_that_are_none(labels):
    assert refusal(KERNEL_LABELS=labels).code == 65


# --- Limits ---------------------------------------------------------------------------------------


def test_resources_as_kubernetes_and_docker_write_them():
    found = request(
        KERNEL_CPUS="500m", KERNEL_CPUS_LIMIT="1.5", KERNEL_MEMORY="512Mi", KERNEL_MEMORY_LIMIT="2g"
    )
    assert (found.cpus, found.cpus_limit) == (500_000_000, 1_500_000_000)
    assert (found.memory, found.memory_limit) == (512 << 20, 2 << 30)
    assert request(KERNEL_MEMORY_LIMIT="1.5G").memory_limit == 1_500_000_000
    assert request(KERNEL_MEMORY_LIMIT="123456789").memory_limit == 123_456_789


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KERNEL_CPUS", "two"), ("KERNEL_CPUS", "-1"), ("KERNEL_CPUS_LIMIT", "1e9"),
        ("KERNEL_CPUS_LIMIT", "1/2"), ("KERNEL_MEMORY", "1 G"), ("KERNEL_MEMORY", "5x"),
        ("KERNEL_MEMORY_LIMIT", "inf"), ("KERNEL_MEMORY_LIMIT", "999999999999T"),
        ("KERNEL_GPUS", "some"), ("KERNEL_GPUS_LIMIT", "-1"),
    ],
)  # fmt: skip
def test_resources_that_are_none(name, value):
    error = refusal(**{name: value})
    assert error.code == 65
    assert name in str(error)


def test_a_limit_below_what_is_asked_for_is_refused():
    assert refusal(KERNEL_MEMORY="2G", KERNEL_MEMORY_LIMIT="1G").code == 65
    assert refusal(KERNEL_CPUS="2", KERNEL_CPUS_LIMIT="1").code == 65
    assert refusal(KERNEL_GPUS="2", KERNEL_GPUS_LIMIT="1").code == 65


def test_gpus():
    counts = [request(KERNEL_GPUS=n).gpus for n in ("", "0", "2", "all")]
    assert counts == [0, 0, 2, -1]
    assert request(KERNEL_GPUS_LIMIT="3").gpus == 3
    assert refusal(KERNEL_GPUS="all", EG_DOCKER_MODE="swarm").code == 65


# --- Mounts ---------------------------------------------------------------------------------------


def volumes(*entries: dict[str, Any]) -> str:
    return json.dumps(entries)


HOST = {"name": "data", "hostPath": {"path": "/srv/data"}}
NAMED = {"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}
EMPTY = {"name": "scratch", "emptyDir": {}}


def test_mounts_that_the_administrator_allows():
    found = request(
        KERNEL_VOLUMES=volumes(HOST, NAMED, EMPTY),
        KERNEL_VOLUME_MOUNTS=json.dumps([
            {"name": "data", "mountPath": "/data"},
            {"name": "home", "mountPath": "/home/jovyan/work/"},
            {"name": "home", "mountPath": "/mnt/home", "readOnly": True},
            {"name": "scratch", "mountPath": "/scratch"},
        ]),
        EG_DOCKER_ALLOWED_MOUNTS=" /srv/data:ro, homes",
    ).mounts  # fmt: skip
    assert found == [
        ("bind", "/srv/data", "/data", True),
        ("volume", "homes", "/home/jovyan/work", False),
        ("volume", "homes", "/mnt/home", True),
        ("tmpfs", "", "/scratch", False),
    ]


@pytest.mark.parametrize(
    ("written", "places"),
    [
        ("[{name: data, hostPath: {path: /srv/data}}]", "[{name: data, mountPath: /d}]"),
        ("- name: data\n  hostPath:\n    path: /srv/data\n", "- {name: data, mountPath: /d}"),
        (volumes(HOST), volumes({"name": "data", "mountPath": "/d"})),
        (json.dumps([HOST], indent="\t"), '[\t{"name": "d\\u0061ta", "mountPath": "\\/d"}]'),
    ],
    ids=["short", "block", "JSON", "JSON with tabs"],
)
def test_mounts_may_be_written_in_yaml_and_in_json(written, places):
    given = {"KERNEL_VOLUMES": written, "KERNEL_VOLUME_MOUNTS": places}
    found = request(**given, EG_DOCKER_ALLOWED_MOUNTS="/srv/data").mounts
    assert found == [("bind", "/srv/data", "/d", False)]


def test_labels_may_be_written_in_yaml_and_in_json():
    for written in ("{team: a, tier: '1'}", '{"team": "a", "tier": "1"}', "team: a\ntier: '1'"):
        found = request(KERNEL_LABELS=written).labels
        assert (found["team"], found["tier"]) == ("a", "1")
    for written, wrong in (("{tier: 1}", "quote it"), ("{1: a}", "names are texts: quote them")):
        assert wrong in str(refusal(KERNEL_LABELS=written))


@pytest.mark.parametrize(
    "text",
    ["[&a {name: v, emptyDir: {}}, *a]", "[{name: !!python/x v}]", "[" * 3000, "{}", "x", "[",
     "[{name: v, emptyDir: {x: 2001-01-01}}]", "[.nan]", '["\\ud800"]', "- " * 2000],
)  # fmt: skip
def test_texts_that_are_no_lists_are_refused_by_name(text):
    for name in ("KERNEL_VOLUMES", "KERNEL_VOLUME_MOUNTS"):
        error = refusal(**{name: text})
        assert (error.code, name in str(error)) == (65, True)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/srv",
        "/srv/data/sub",
        "/srv/data/../..",
        "/srv/data/",
        "/var/run/docker.sock",
        "homes",
    ],
)
def test_no_folder_of_the_host_but_those_allowed_as_they_are(path):
    entry = {"name": "x", "hostPath": {"path": path}}
    error = refusal(KERNEL_VOLUMES=volumes(entry), EG_DOCKER_ALLOWED_MOUNTS="/srv/data,homes")
    assert error.code == 65


def test_nothing_of_the_host_by_default():
    for entry in (HOST, NAMED):
        error = refusal(KERNEL_VOLUMES=volumes(entry))
        assert error.code == 65
        assert "EG_DOCKER_ALLOWED_MOUNTS" in error.fix


def test_a_volumes_name_cannot_be_a_folder():
    entry = {"name": "x", "persistentVolumeClaim": {"claimName": "/srv/data"}}
    assert refusal(KERNEL_VOLUMES=volumes(entry), EG_DOCKER_ALLOWED_MOUNTS="/srv/data").code == 65


@pytest.mark.parametrize(
    "entry",
    [
        {}, {"name": "x"}, {"name": 1, "emptyDir": {}}, "x", None, {**HOST, "emptyDir": {}},
        {"name": "x", "hostPath": {"path": "/srv/data", "type": "Socket"}},
        {"name": "x", "hostPath": {"path": ["/srv/data"]}}, {"name": "x", "hostPath": "/srv/data"},
        {"name": "x", "emptyDir": {"medium": "Memory"}}, {"name": "x", "nfs": {"server": "s"}},
    ],
)  # fmt: skip
def test_entries_of_volumes_that_are_none(entry):
    error = refusal(KERNEL_VOLUMES=volumes(entry), EG_DOCKER_ALLOWED_MOUNTS="/srv/data")
    assert error.code == 65


@pytest.mark.parametrize(
    "place",
    [
        {}, "x", {"name": "other", "mountPath": "/x"}, {"name": ["scratch"], "mountPath": "/x"},
        {"name": "scratch"}, {"name": "scratch", "mountPath": "/"},
        {"name": "scratch", "mountPath": "relative"}, {"name": "scratch", "mountPath": "/a/../etc"},
        {"name": "scratch", "mountPath": "//etc"}, {"name": "scratch", "mountPath": "/a\n"},
        {"name": "scratch", "mountPath": "/a", "subPath": "b"},
        {"name": "scratch", "mountPath": "/a", "readOnly": "yes"},
    ],
)  # fmt: skip
def test_places_of_mounts_that_are_none(place):
    env = {"KERNEL_VOLUMES": volumes(EMPTY), "KERNEL_VOLUME_MOUNTS": volumes(place)}
    assert refusal(**env).code == 65


def test_two_mounts_cannot_have_one_place():
    place = {"name": "scratch", "mountPath": "/x"}
    env = {"KERNEL_VOLUMES": volumes(EMPTY), "KERNEL_VOLUME_MOUNTS": volumes(place, place)}
    assert refusal(**env).code == 65


# --- Hostile values -------------------------------------------------------------------------------

CHECKED = (
    "KERNEL_IMAGE", "KERNEL_UID", "KERNEL_GID", "KERNEL_USERNAME", "KERNEL_LABELS", "KERNEL_CPUS",
    "KERNEL_CPUS_LIMIT", "KERNEL_MEMORY", "KERNEL_MEMORY_LIMIT", "KERNEL_GPUS", "KERNEL_GPUS_LIMIT",
    "KERNEL_VOLUMES", "KERNEL_VOLUME_MOUNTS", "KERNEL_WORKING_DIR", "KERNEL_LAUNCH_TIMEOUT",
)  # fmt: skip
hostile = (
    st.text(max_size=200)
    | st.sampled_from(["$(id)", "`id`", "; rm -rf /", "--privileged", "\n", "../..", "[" * 3000])
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps)
    | st.dictionaries(st.text(), st.text() | st.lists(st.integers())).map(json.dumps)
    | st.lists(
        st.fixed_dictionaries(
            {"name": st.text(max_size=3)},
            optional={
                "hostPath": st.fixed_dictionaries({"path": st.text() | st.just("/")}),
                "persistentVolumeClaim": st.fixed_dictionaries({"claimName": st.text()}),
                "emptyDir": st.just({}),
                "mountPath": st.text() | st.just("/x"),
            },
        )
    ).map(json.dumps)
)


@given(st.dictionaries(st.sampled_from(CHECKED), hostile, min_size=1))
def test_whatever_is_asked_for_is_refused_in_a_line_or_harmless(env):
    found = attempt(**env)
    if isinstance(found, Exception):
        assert found.code in (64, 65)
        assert "\n" not in str(found)
        assert len(str(found)) < 300
        return
    settings = launcher.container_settings(found)
    assert settings["environment"]["KERNEL_ID"] == ID
    assert settings["labels"]["kernel_id"] == ID
    assert settings["labels"]["component"] == "kernel"
    assert all(mount["Type"] == "tmpfs" for mount in settings.get("mounts", ()))
    uid, gid = settings["user"].split(":")
    assert 0 <= int(uid) < 2**32
    assert 0 <= int(gid) < 2**32
    assert set(settings["name"]) <= set(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"
    )
    assert len(settings["name"]) <= 63
    # nothing that gives a container power over its host is ever among what is asked for
    assert settings.keys() <= {
        "name", "hostname", "auto_remove", "environment", "labels", "user", "group_add", "network",
        "mounts", "working_dir", "cpu_shares", "nano_cpus", "mem_reservation", "mem_limit",
        "device_requests",
    }  # fmt: skip


@given(st.dictionaries(st.from_regex(r"\A(EG|KG|DOCKER)_[A-Z_]{1,12}\Z"), st.text(), min_size=1))
def test_no_setting_of_the_gateway_reaches_a_kernel(env):
    found = reader.kernel_environment(
        {**env, "EG_CLIENT_ENVS": ",".join(env), "EG_INHERITED_ENVS": ",".join(env)},
        tuple(env),
        reader.options(ARGV),
    )
    assert not found.keys() & (env.keys() - reader.FOR_LAUNCHERS)


# --- The engine -----------------------------------------------------------------------------------


def answer(status: int, explanation: str, kind: type[APIError] = APIError) -> APIError:
    response = SimpleNamespace(status_code=status, reason="", url="", text=explanation)
    return kind("refused", response=response, explanation=explanation)


class FakeContainer:
    """A container that stays, or ends with an exit code and a log."""

    def __init__(self, engine: FakeEngine, settings: Mapping[str, Any]) -> None:
        self.engine = engine
        self.settings = settings

    def start(self) -> None:
        if self.engine.cannot_start:
            raise self.engine.cannot_start

    def wait(self, timeout: float) -> dict[str, int]:
        if self.engine.ends_with is None:
            raise requests.exceptions.ReadTimeout
        return {"StatusCode": self.engine.ends_with}

    def logs(self, **_: Any) -> Iterator[bytes]:
        yield b"starting\nKERNEL_ID is"
        yield b" not set\n"

    def remove(self, *, force: bool = False) -> None:
        assert force != self.engine.swarm
        if self in self.engine.made:
            self.engine.made.remove(self)

    def tasks(self) -> list[dict[str, Any]]:
        states = self.engine.task_states
        return [{"Status": states.pop(0) if len(states) > 1 else states[0]}]


class FakeNodes:
    """The nodes of a swarm."""

    count = 1

    def list(self) -> list[str]:
        return ["node"] * self.count


class FakeEngine:
    """Stands in for `docker.DockerClient`: containers, services, images and pulls."""

    def __init__(self, *, swarm: bool = False) -> None:
        self.swarm = swarm
        self.made: list[FakeContainer] = []
        self.asked: list[Mapping[str, Any]] = []
        self.filters: list[Any] = []
        self.has_image = True
        self.pull_lines: list[dict[str, str]] = []
        self.pulled: list[tuple[str, str]] = []
        self.cannot_create: list[Exception] = []
        self.cannot_start: Exception | None = None
        self.ends_with: int | None = None
        self.task_states: list[dict[str, str]] = [{"State": "running"}]
        self.containers = self.services = self.images = self.api = self
        self.nodes = FakeNodes()

    def list(self, *, filters: Any, **more: bool) -> list[FakeContainer]:
        assert bool(more) != self.swarm  # stopped containers too; services know no such thing
        self.filters.append(filters)
        return list(self.made)

    def create(self, image: str, **settings: Any) -> FakeContainer:
        if self.cannot_create:
            raise self.cannot_create.pop(0)
        self.asked.append({"image": image, **settings})
        self.made.append(FakeContainer(self, settings))
        return self.made[-1]

    def get(self, image: str) -> str:
        if not self.has_image:
            raise answer(404, "No such image", ImageNotFound)
        return image

    def pull(self, repository: str, tag: str, **_: Any) -> list[dict[str, str]]:
        self.pulled.append((repository, tag))
        return self.pull_lines


def failure(engine: FakeEngine, **env: str) -> Any:
    """What is said of a start that fails."""
    env.setdefault("EG_DOCKER_MODE", "swarm" if engine.swarm else "docker")
    with pytest.raises(Exception) as caught:
        launcher.start(engine, request(**env))
    return launcher.explain(caught.value, env)


def test_a_container_is_started_as_asked_for():
    engine = FakeEngine()
    launcher.start(
        engine,
        request(
            KERNEL_UID="2000", KERNEL_GPUS="1", KERNEL_CPUS="2", KERNEL_MEMORY_LIMIT="1Gi",
            EG_DOCKER_NETWORK="net", KERNEL_WORKING_DIR="/home/alice",
        ),
    )  # fmt: skip
    [asked] = engine.asked
    assert asked["image"] == IMAGE
    assert asked["name"] == asked["hostname"] == f"alice-{ID}"
    assert asked["user"] == "2000:100"
    assert asked["network"] == "net"
    assert asked["auto_remove"] is True
    assert asked["working_dir"] == "/home/alice"
    assert (asked["cpu_shares"], asked["mem_limit"]) == (2048, 1 << 30)
    [devices] = asked["device_requests"]
    assert (devices["Count"], devices["Capabilities"]) == (1, [["gpu"]])


@pytest.mark.parametrize("swarm", [False, True])
def test_what_is_left_of_the_same_kernel_makes_room(swarm):
    engine = FakeEngine(swarm=swarm)
    mode = "swarm" if swarm else "docker"
    for _ in range(2):
        launcher.start(engine, request(EG_DOCKER_MODE=mode))
    assert len(engine.made) == 1
    assert engine.filters[0] == {"label": [f"kernel_id={ID}", "component=kernel"]}


def test_a_name_that_is_still_in_use_is_tried_again():
    engine = FakeEngine()
    engine.cannot_create = [answer(409, "Conflict. The container name is already in use")] * 2
    launcher.start(engine, request())
    assert len(engine.made) == 1


def test_containers_are_kept_if_the_administrator_wants_to_look_into_them():
    assert request(EG_REMOVE_CONTAINER="False").remove is False
    assert "auto_remove" not in launcher.container_settings(request(EG_REMOVE_CONTAINER="false"))


def test_a_container_that_ends_at_once_is_told_with_its_last_words():
    engine = FakeEngine()
    engine.ends_with = 64
    error = failure(engine)
    assert "exit code 64" in str(error)
    assert "KERNEL_ID is not set" in str(error)
    assert engine.made == []


def test_a_container_that_the_gateway_has_removed_is_no_failure():
    engine = FakeEngine()
    engine.ends_with = 137
    launcher.start(engine, request())


def test_an_image_that_is_not_there_is_pulled():
    engine = FakeEngine()
    engine.has_image = False
    engine.pull_lines = [{"status": "Pulling"}, {"status": "Downloaded"}]
    launcher.start(engine, request(KERNEL_IMAGE="localhost:5000/x"))
    assert engine.pulled == [("localhost:5000/x", "latest")]
    assert len(engine.made) == 1


def test_an_image_that_nobody_has_is_told():
    engine = FakeEngine()
    engine.has_image = False
    engine.pull_lines = [{"status": "Pulling"}, {"error": "manifest unknown"}]
    error = failure(engine)
    assert error.code == 66
    assert IMAGE in str(error)
    assert "manifest unknown" in str(error)
    assert engine.asked == []


def test_no_kernel_is_started_after_the_gateway_has_stopped_waiting():
    engine = FakeEngine()
    times = iter([0.0, 61.0])
    with pytest.raises(launcher.LaunchError, match="took longer than the 60 s") as caught:
        launcher.start(engine, request(EG_KERNEL_LAUNCH_TIMEOUT="60"), lambda: next(times))
    assert caught.value.code == 75
    assert engine.asked == []


def test_a_container_that_cannot_start_leaves_nothing():
    engine = FakeEngine()
    engine.cannot_start = answer(404, "network egnet not found", NotFound)
    error = failure(engine)
    assert error.code == 68
    assert "egnet" in str(error)
    assert "network create" in error.fix
    assert engine.made == []


def refused_socket(error: OSError) -> DockerException:
    """As the HTTP libraries wrap what a socket says."""
    inner = requests.exceptions.ConnectionError(RuntimeError("Connection aborted.", error))
    outer = DockerException(f"Error while fetching server API version: {inner}")
    outer.__context__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (refused_socket(PermissionError(13, "Permission denied")), 77, "--group-add"),
        (refused_socket(FileNotFoundError(2, "No such file")), 69, "-v /var/run/docker.sock"),
        (refused_socket(ConnectionRefusedError(111, "refused")), 69, "DOCKER_HOST"),
        (requests.exceptions.ReadTimeout("timed out"), 69, "DOCKER_HOST"),
        (answer(404, "network x not found"), 68, "network create"),
        (answer(404, "No such image: x:y"), 66, "KERNEL_IMAGE"),
        (answer(503, "This node is not a swarm manager."), 70, "swarm init"),
        (answer(500, "could not select device driver"), 70, "NVIDIA"),
        (answer(400, "Range of CPUs is from 0.01 to 2.00"), 70, "Range of CPUs"),
        (RuntimeError("a\nb"), 70, "RuntimeError"),
    ],
)
def test_each_way_to_fail_has_its_words_and_code(error, code, said):
    found = launcher.explain(error, {})
    assert found.code == code
    assert said in f"{found} {found.fix}"


# --- Swarm ----------------------------------------------------------------------------------------


def test_a_service_is_made_as_asked_for():
    engine = FakeEngine(swarm=True)
    found = request(
        EG_DOCKER_MODE="swarm", EG_DOCKER_NETWORK="overlay", KERNEL_GPUS="2", KERNEL_CPUS="1",
        KERNEL_MEMORY_LIMIT="1Gi", KERNEL_GID="3000",
    )  # fmt: skip
    launcher.start(engine, found)
    [asked] = engine.asked
    assert asked["networks"] == ["overlay"]
    assert (asked["user"], asked["groups"]) == ("1000:3000", ["100"])
    assert asked["labels"] == asked["container_labels"] == found.labels
    assert f"KERNEL_ID={ID}" in asked["env"]
    assert asked["endpoint_spec"]["Mode"] == "dnsrr"
    assert asked["restart_policy"]["Condition"] == "none"
    resources = asked["resources"]
    assert resources["Limits"] == {"MemoryBytes": 1 << 30}
    assert resources["Reservations"] == {
        "NanoCPUs": 10**9,
        "GenericResources": [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}],
    }


def test_a_service_that_no_node_starts_is_told_and_removed():
    engine = FakeEngine(swarm=True)
    engine.task_states = [
        {"State": "preparing"},
        {"State": "rejected", "Err": f"No such image: {IMAGE}"},
    ]
    error = failure(engine)
    assert error.code == 66
    assert "No such image" in str(error)
    assert engine.made == []


def test_a_missing_image_is_told_before_a_service_of_the_only_node_is_made():
    """The gateway removes a rejected service before the launcher could say why."""
    engine = FakeEngine(swarm=True)
    engine.has_image = False
    engine.pull_lines = [{"error": "pull access denied"}]
    error = failure(engine)
    assert error.code == 66
    assert IMAGE in str(error)
    assert engine.asked == []


def test_an_image_that_only_another_node_may_have_is_left_to_the_swarm():
    engine = FakeEngine(swarm=True)
    engine.has_image = False
    engine.nodes.count = 2
    launcher.start(engine, request(EG_DOCKER_MODE="swarm", EG_DOCKER_NETWORK="overlay"))
    assert engine.pulled == []
    assert len(engine.asked) == 1


def test_the_mode_is_swarm_unless_the_gateway_says_otherwise():
    env = {name: value for name, value in ENV.items() if name != "EG_DOCKER_MODE"}
    assert launcher.read_request(ARGV, env).swarm
    assert not launcher.read_request(ARGV, {**env, "DOCKER_MODE": "docker"}).swarm
    assert refusal(EG_DOCKER_MODE="podman").code == 65


# --- As a program ---------------------------------------------------------------------------------


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *argv], env=env, capture_output=True, text=True, check=False
    )


def test_it_says_one_line_and_ends_with_the_code(tmp_path):
    done = run(*ARGV, **ENV, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 69
    [line] = done.stderr.splitlines()
    assert line.startswith("launch_docker: error: no engine answers at unix://")
    done = run(*ARGV, **{**ENV, "KERNEL_IMAGE": "a\nb"})
    assert done.returncode == 65
    assert len(done.stderr.splitlines()) == 1


def test_names_in_the_kernelspecs_env_are_found(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "kernel.json").write_text('{"env": {"SPARK_HOME": "/opt/spark"}}')
    for name in ("launch_docker.py", "kernel_request.py", "launch_errors.py"):
        shutil.copy(SCRIPT.parent / name, tmp_path / "scripts")
    code = "import launch_docker; print(launch_docker.names_in_stanza())"
    found = subprocess.check_output(
        [sys.executable, "-c", code], cwd=tmp_path / "scripts", text=True
    )
    assert found.strip() == "['SPARK_HOME']"
    assert launcher.names_in_stanza() == []


@pytest.fixture
def kernel_id() -> Iterator[str]:
    """An id whose containers are gone when the test ends."""
    found = str(uuid.uuid4())
    yield found
    client = docker.from_env()
    filters = {"label": f"kernel_id={found}"}
    for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
        container.remove(force=True)
    client.close()


@pytest.mark.engine
def test_a_real_engine_starts_replaces_and_limits_a_container(kernel_id):
    argv = [kernel_id if word == ID else word for word in ARGV]
    extra = {"KERNEL_UID": "2000", "KERNEL_MEMORY_LIMIT": "512Mi", "KERNEL_CPUS_LIMIT": "500m"}
    scratch = {"KERNEL_VOLUMES": volumes(EMPTY)}
    scratch["KERNEL_VOLUME_MOUNTS"] = volumes({"name": "scratch", "mountPath": "/scratch"})
    # nobody takes its report, and so it stays for as long as it tries to
    key = base64.b64encode(RSA.generate(1024).public_key().export_key("DER")).decode()
    argv[argv.index("MIGf+/=")] = key
    argv[argv.index("10.0.0.1:8877")] = "127.0.0.1:9"
    client = docker.from_env()
    ids = set()
    for _ in range(2):
        reach = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        done = run(*argv, **{**ENV, **extra, **scratch, **reach, "EG_AUTH_TOKEN": "secret"})
        assert done.returncode == 0, done.stderr
        [container] = client.containers.list(filters={"label": f"kernel_id={kernel_id}"})
        ids.add(container.id)
    assert len(ids) == 2
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    assert container.name == config["Hostname"] == f"alice-{kernel_id}"
    assert config["User"] == "2000:100"
    assert not [line for line in config["Env"] if "secret" in line]
    assert (host["Memory"], host["NanoCpus"], host["AutoRemove"]) == (512 << 20, 500_000_000, True)
    code, groups = container.exec_run(["sh", "-c", "id -u; id -G; touch /scratch/x"])
    assert (code, groups.split()) == (0, [b"2000", b"100"])
    client.close()


@pytest.mark.engine
def test_a_real_engine_says_what_is_missing(kernel_id):
    argv = [kernel_id if word == ID else word for word in ARGV]
    begun = time.monotonic()
    reach = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    env = {**ENV, **reach, "EG_DOCKER_NETWORK": "there-is-none"}
    done = run(*argv, **env)
    assert (done.returncode, len(done.stderr.splitlines())) == (68, 1)
    assert "there-is-none" in done.stderr
    done = run(*argv, **{**env, "KERNEL_IMAGE": "localhost:9/there/is:none"})
    assert (done.returncode, len(done.stderr.splitlines())) == (66, 1)
    assert time.monotonic() - begun < 20
    client = docker.from_env()
    assert client.containers.list(all=True, filters={"label": f"kernel_id={kernel_id}"}) == []
    client.close()
