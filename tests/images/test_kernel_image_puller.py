"""The kernel image puller as it runs on a node: real engines, a real registry, a gateway."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import docker.errors
import pytest
import requests

from tests.support.containerd import Containerd, containerd
from tests.support.engine_names import forget
from tests.support.pace import promptly
from tests.support.registry import PASSWORD, USER, Registry, registry

pytestmark = [pytest.mark.slow, pytest.mark.engine]
NAME = "kernel-image-puller"
LIMIT = 180_000_000  # bytes
SOCKET = "/var/run/docker.sock"
# The image's own command, without the five seconds before the first round.
AT_ONCE = "from kernel_image_puller import main; main.HASTE = 0.2; raise SystemExit(main.main([]))"


class DockerNode:
    """A node whose runtime is the Docker Engine of these tests."""

    socket = SOCKET
    endpoint = "unix:///run/docker.sock"  # where the puller finds it: the name says what it speaks

    def __init__(self, engine: docker.DockerClient) -> None:
        self.engine = engine

    def digest(self, image: str) -> str | None:
        """What the node has under a name."""
        try:
            return str(self.engine.images.get(image).attrs["RepoDigests"])
        except docker.errors.ImageNotFound:
            return None

    def remove(self, image: str) -> None:
        # By its ID: a removed tag leaves the name with the digest behind.
        self.engine.images.remove(self.engine.images.get(image).id, force=True)


class ContainerdNode:
    """A node whose runtime is containerd, by CRI."""

    endpoint = "unix:///run/containerd.sock"

    def __init__(self, there: Containerd) -> None:
        self.there = there
        self.socket = str(there.socket)

    def digest(self, image: str) -> str | None:
        lines = self.there._ctr("images", "list").splitlines()
        found = [line.split()[2] for line in lines if line.startswith(f"{image} ")]
        return found[0] if found else None

    def remove(self, image: str) -> None:
        self.there.remove(image)


@pytest.fixture(scope="module")
def own_containerd() -> Iterator[Containerd]:
    with containerd() as there:
        yield there


@pytest.fixture(params=["docker", "containerd"])
def node(request, engine, own_containerd) -> Any:
    """Each kind of node; a test with it holds for both."""
    return DockerNode(engine) if request.param == "docker" else ContainerdNode(own_containerd)


@pytest.fixture(scope="module")
def open_registry(engine) -> Iterator[Registry]:
    with registry() as there:
        yield there
        forget(engine, f"{there}/")


@pytest.fixture(scope="module")
def private_registry(engine) -> Iterator[Registry]:
    with registry(auth=True) as there:
        yield there
        forget(engine, f"{there}/")


def push(engine: docker.DockerClient, there: Registry, name: str) -> str:
    """Put a small new image into a registry, and nowhere else; gives its name."""
    content, data = os.urandom(20_000), io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    repository, _, tag = f"{there}/{name}".rpartition(":")
    engine.api.import_image_from_data(data.getvalue(), repository=repository, tag=tag)
    who = {"username": USER, "password": PASSWORD}
    said = engine.api.push(repository, tag=tag, auth_config=who)
    assert "digest: sha256:" in said, said
    DockerNode(engine).remove(f"{repository}:{tag}")
    return f"{repository}:{tag}"


class Puller:
    """A puller's container."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def log(self) -> str:
        return self.container.logs().decode()

    def wait(self, pattern: str, seconds: float = 30) -> str:
        """Wait for a line; gives all that was said so far."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.log()):
            assert time.monotonic() < end, f"no {pattern!r} in:\n{self.log()}"
            time.sleep(0.1)
        return self.log()


@pytest.fixture
def start(engine, image, tmp_path):
    """`start(node, KIP_IMAGES=...)` runs a puller as jovyan, with the socket's group alone."""
    containers = []

    def start(
        node: Any,
        auths: dict[str, str] | None = None,
        group: bool = True,
        command: Sequence[str] | None = ("python", "-c", AT_ONCE),
        **env: str,
    ) -> Puller:
        volumes = {node.socket: {"bind": node.endpoint.removeprefix("unix://"), "mode": "ro"}}
        if auths:
            text = {
                host: {"auth": base64.b64encode(f"{USER}:{word}".encode()).decode()}
                for host, word in auths.items()
            }
            secret = tmp_path / "secret"
            secret.mkdir()
            (secret / ".dockerconfigjson").write_text(json.dumps({"auths": text}))
            volumes[str(tmp_path)] = {"bind": "/credentials", "mode": "ro"}
            env["DOCKER_CONFIG"] = "/credentials"
            tmp_path.chmod(0o755)
        container = engine.containers.run(
            image(NAME), command and list(command), detach=True,
            network_mode="host", read_only=True, tmpfs={"/tmp": ""},
            cap_drop=["ALL"], security_opt=["no-new-privileges"],
            group_add=[os.stat(node.socket).st_gid] if group else [], volumes=volumes,
            environment={"KIP_CRI_ENDPOINT": node.endpoint,
                         "KIP_IMAGE_FETCHER": "StaticListFetcher", **env},
        )  # fmt: skip
        containers.append(container)
        return Puller(container)

    yield start
    for container in containers:
        container.remove(force=True)


@contextmanager
def serving(answer) -> Iterator[str]:
    """An HTTP server on this machine; `answer(handler)` answers each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_configuration(config, engine, image):
    found = config(NAME)
    assert found["User"] == "1000"
    assert found["Entrypoint"] == ["tini", "-g", "--"]
    assert found["Cmd"] == ["python", "-m", "kernel_image_puller"]
    assert found["Healthcheck"]["Test"][1:] == ["python", "-m", "kernel_image_puller", "--check"]
    assert found["Labels"]["org.opencontainers.image.title"] == NAME
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT
    code = next(layer for layer in engine.images.get(image(NAME)).history() if layer["Size"])
    assert "COPY kernel_image_puller" in code["CreatedBy"]
    assert code["Size"] < 100_000


def test_nobody_may_change_its_code(run):
    assert run(NAME, "find", "/opt/kernel-image-puller", "-writable") == ""
    assert run(NAME, "find", "/opt/kernel-image-puller", "-name", "*.pyc") == ""


def test_images_of_kernelspecs_come_from_a_private_registry_and_no_secret_is_said(
    node, engine, start, private_registry
):
    kernel = push(engine, private_registry, "team/kernel:1")
    executor = push(engine, private_registry, "team/executor:1")
    token, asked = "token-of-the-gateway", []

    def answer(handler):
        asked.append((handler.path, handler.headers["Authorization"]))
        config = {"image_name": kernel, "executor_image_name": executor}
        broken = {"image_name": "No Such: Name"}
        specs = {
            "one": {"spec": {"metadata": {"process_proxy": {"config": config}}}},
            "two": {"spec": {"metadata": {"kernel_provisioner": {"config": config}}}},
            "bad": {"spec": {"metadata": {"process_proxy": {"config": broken}}}},
        }
        body = json.dumps({"default": "one", "kernelspecs": specs}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with serving(answer) as gateway:
        puller = start(
            node,
            {str(private_registry): PASSWORD},
            command=None,
            KIP_IMAGE_FETCHER="KernelSpecsFetcher",
            KIP_GATEWAY_HOST=f"http://{gateway}",
            KIP_AUTH_TOKEN=token,
            KIP_LOG_LEVEL="DEBUG",
        )
        log = puller.wait("2 images: 2 pulled, 0 there, 0 failed")
    assert asked == [("/api/kernelspecs", f"token {token}")]
    assert node.digest(kernel)
    assert node.digest(executor)
    assert "'No Such: Name'" in log
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert not [secret for secret in (token, PASSWORD, encoded) if secret in log]
    code, said = puller.container.exec_run(["python", "-m", "kernel_image_puller", "--check"])
    assert (code, said) == (0, b"2 images: 2 pulled, 0 there, 0 failed\n")


@pytest.mark.parametrize("word", ["wrong password", None])
def test_what_is_not_for_us_is_given_up_at_once_and_the_others_come(
    node, engine, start, private_registry, open_registry, word
):
    mine = push(engine, open_registry, "for/all:1")
    not_mine = push(engine, private_registry, "for/others:1")
    missing = f"{open_registry}/for/nobody:1"
    puller = start(
        node,
        {str(private_registry): word} if word else None,
        KIP_IMAGES=f"{not_mine}, {missing}, {mine}, ,{mine}",
        KIP_NUM_PULLERS="1",
    )
    log = puller.wait("3 images: 1 pulled, 0 there, 2 failed")
    assert node.digest(mine)
    assert len(re.findall("gave up .*: try 1, ", log)) == 2
    assert "next in 300 s" in log
    assert not word or word not in log
    code, said = puller.container.exec_run(["python", "-m", "kernel_image_puller", "--check"])
    assert code == 0  # the puller is well: it is the list that is not
    assert missing in said.decode()
    node.remove(mine)


def test_a_registry_that_is_down_is_asked_again(node, engine, start):
    with registry() as there:
        wanted = push(engine, there, "x:1")
        there.stop()
        puller = start(node, KIP_IMAGES=wanted)
        puller.wait(rf"{wanted}: try 1 failed, next in \d s: .*refused")
        there.start()
        puller.wait(rf"pulled {wanted} in ")
        assert node.digest(wanted)
        node.remove(wanted)


def test_always_follows_a_tag_and_if_not_present_does_not(node, engine, start, open_registry):
    wanted = push(engine, open_registry, "moving:1")
    other = push(engine, open_registry, "other:1")
    puller = start(node, KIP_IMAGES=f"{wanted},{other}", KIP_INTERVAL="2")
    puller.wait("2 images: 2 pulled")
    before = node.digest(wanted)
    moved = move(open_registry, push(engine, open_registry, "temporary:1"), "moving")
    node.remove(other)  # what goes missing comes back, without a new start
    puller.wait(f"pulled {other}(.|\n)*pulled {other}")
    assert node.digest(wanted) == before
    following = start(node, KIP_IMAGES=wanted, KIP_PULL_POLICY="Always")
    following.wait("1 images: 1 pulled")
    assert moved in node.digest(wanted) != before
    node.remove(wanted)


def move(there: Registry, new: str, name: str) -> str:
    """Let tag 1 of a name mean another image, behind the back of all nodes; gives its digest."""
    api, source = f"{there.url}/v2", new.removeprefix(f"{there}/").removesuffix(":1")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    answer = requests.get(f"{api}/{source}/manifests/1", headers={"Accept": kind}, timeout=9)
    for blob in [answer.json()["config"], *answer.json()["layers"]]:
        mount = {"mount": blob["digest"], "from": source}
        done = requests.post(f"{api}/{name}/blobs/uploads/", params=mount, timeout=9)
        assert done.status_code == 201
    head = {"Content-Type": kind}
    done = requests.put(f"{api}/{name}/manifests/1", answer.content, headers=head, timeout=9)
    assert done.status_code == 201
    return str(done.headers["Docker-Content-Digest"])


def test_it_pulls_over_tls_too(engine, start):
    node = DockerNode(engine)
    with registry(auth=True, tls=True) as there:
        wanted = push(engine, there, "x:1")
        start(node, {str(there): PASSWORD}, KIP_IMAGES=wanted).wait(f"pulled {wanted} in ")
        node.remove(wanted)


def test_it_stops_within_two_seconds_in_the_midst_of_a_pull(node, start):
    asked = threading.Event()

    def hang(handler):
        asked.set()
        time.sleep(60)

    with serving(hang) as slow:
        puller = start(node, KIP_IMAGES=f"{slow}/never/comes:1")
        assert asked.wait(30), puller.log()
        with promptly(2):
            puller.container.stop(timeout=60)
    puller.container.reload()
    assert puller.container.attrs["State"]["ExitCode"] == 0
    assert puller.log().splitlines()[-1].endswith("stopped")


def test_without_the_sockets_group_it_says_how_to_give_it_and_is_not_well(node, start):
    puller = start(node, group=False, KIP_IMAGES="localhost:1/x:1", KIP_NUM_RETRIES="0")
    log = puller.wait("1 failed, in .* next in 0 s")
    assert f"--group-add {os.stat(node.socket).st_gid}" in log
    assert "Traceback" not in log
    code, said = puller.container.exec_run(["python", "-m", "kernel_image_puller", "--check"])
    assert (code, said) == (1, b"no round has succeeded yet\n")


def test_a_containerd_without_cri_is_told_apart(start):
    with containerd(cri=False) as there:
        puller = start(ContainerdNode(there), KIP_IMAGES="localhost:1/x:1", KIP_NUM_RETRIES="0")
        assert "KIP_CRI_ENDPOINT=unix:///var/run/docker.sock" in puller.wait("gave up")


def test_an_empty_list_pulls_nothing_and_wrong_settings_are_all_named(engine, start):
    node = DockerNode(engine)
    puller = start(node, KIP_IMAGES="")
    puller.wait("0 images: 0 pulled, 0 there, 0 failed, .* next in 300 s")
    puller = start(node, KIP_INTERVAL="soon", KIP_PULL_POLICY="Never")
    assert puller.container.wait(timeout=120)["StatusCode"] == 2
    lines = puller.log().splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["KIP_INTERVAL", "KIP_PULL_POLICY"]
