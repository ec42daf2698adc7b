"""Records what an engine answers, for the tests that have no such engine; see README.md.

    DOCKER_HOST=unix:///run/docker.sock .venv/bin/python -m tests.fakes.engines.record STORE

It makes one image of two small layers and one container that is never started, moves the image
to a registry of its own and back, and removes all of it.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import docker
import docker.errors

from tests.support.registry import registry

HERE = Path(__file__).parent
IMAGE = "recorded/small:dev"
_DOCKERFILE = 'FROM scratch\nCOPY one /one\nCOPY two /two\nCMD ["/one"]\n'
_INFO = ("ServerVersion", "Driver", "DriverStatus", "OSType", "Architecture")


def record(store: str, client: docker.APIClient) -> Path:
    """Ask an engine everything; returns the file that was written.

    Args:
        store: How the engine keeps images, `graph` or `containerd`, for the name of the file.
        client: The engine.
    """
    version = _ask(client, "GET", "/version")
    number = version["Version"].lstrip("v").partition("+")[0]
    path = HERE / f"docker-{number}-{store}.json"
    builds = json.loads(path.read_text())["builds"] if path.exists() else {}
    info = _ask(client, "GET", "/info")
    answers: dict[str, Any] = {
        "version": version,
        "info": {key: info[key] for key in _INFO},
    }
    name, built = _build()
    builds[name] = built
    try:
        image = _ask(client, "GET", f"/images/{IMAGE}/json")
        digest = built["metadata"].get("containerimage.config.digest", "")
        answers["builds"] = builds
        answers["inspect"] = image
        answers["inspect by the digest of the configuration"] = _ask(
            client, "GET", f"/images/{digest or image['Id']}/json"
        )
        answers["images"] = _images(client, IMAGE)
        answers["containers"] = _container(client)
        answers["save"] = _save(client)
        with registry() as there:
            _transfers(client, f"{there}/recorded/small", answers)
    finally:
        answers["remove the last tag"] = _ask(client, "DELETE", f"/images/{IMAGE}")
    # Nothing of the machine: its kernel, the engine's folder, the registry's port.
    text = _text(answers).replace(there.host, "registry.test:5000")
    text = text.replace(info["DockerRootDir"], "/var/lib/docker")
    path.write_text(text.replace(info["KernelVersion"], "6.1.0"))
    return path


def _text(answers: dict[str, Any]) -> str:
    """JSON with a line for each answer, and for each element of a list."""
    lines = []
    for key, each in answers.items():
        value = json.dumps(each)
        if isinstance(each, list):
            value = "[\n  " + ",\n  ".join(map(json.dumps, each)) + "\n ]"
        lines.append(f" {json.dumps(key)}: {value}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _ask(client: docker.APIClient, method: str, path: str, **more: Any) -> Any:
    """The body of an answer, and its code where it is an error."""
    answer = client.request(method, f"{client.base_url}{path}", timeout=60, **more)
    body = json.loads(answer.content)
    return {"code": answer.status_code, **body} if answer.status_code >= 400 else body


def _build() -> tuple[str, dict[str, Any]]:
    """Build the image with the client on PATH, by `buildx` where it has that."""
    ours = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    asked = subprocess.run(
        ["docker", "buildx", "version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"v?\d+\.\d+\.\d+\S*", asked.stdout) if asked.returncode == 0 else None
    name = os.environ.get("BUILDX", found[0] if found else "docker build")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "Dockerfile").write_text(_DOCKERFILE)
        (place / "one").write_text("1\n" * 1000)
        (place / "two").write_text("2\n" * 1000)
        argv = ["docker", "buildx", "build"] if found else ["docker", "build"]
        argv += ["--iidfile", folder + "/iid", "--tag", IMAGE]
        if found:
            argv += ["--builder", "default", "--metadata-file", folder + "/metadata"]
        subprocess.run([*argv, folder], check=True, env=ours)
        metadata = json.loads((place / "metadata").read_text()) if found else {}
        metadata.pop("buildx.build.ref", None)
        return name, {"iidfile": (place / "iid").read_text().strip(), "metadata": metadata}


def _images(client: docker.APIClient, name: str) -> Any:
    filters = json.dumps({"reference": [name]})
    return _ask(client, "GET", "/images/json", params={"filters": filters})


def _container(client: docker.APIClient) -> dict[str, Any]:
    """How a container names its image, in the list and looked up."""
    made = client.create_container(IMAGE)["Id"]
    try:
        filters = json.dumps({"id": [made]})
        listed = _ask(client, "GET", "/containers/json", params={"all": 1, "filters": filters})
        looked_up = _ask(client, "GET", f"/containers/{made}/json")
        names = ("Image", "ImageID", "ImageManifestDescriptor")
        return {
            where: {key: each for key, each in answer.items() if key in names}
            for where, answer in {"list": listed[0], "inspect": looked_up}.items()
        }
    finally:
        client.remove_container(made)


def _save(client: docker.APIClient) -> dict[str, Any]:
    """What `docker save` gives: names and sizes of its members, and those that are JSON."""
    packed = io.BytesIO(b"".join(client.get_image(IMAGE)))
    members, texts = [], {}
    with tarfile.open(fileobj=packed) as tar:
        for member in tar.getmembers():
            file = tar.extractfile(member)
            if file is None:
                continue
            content = file.read()
            members.append([member.name, member.size])
            if content.startswith((b"{", b"[")):
                texts[member.name] = json.loads(content)
    return {"members": members, "texts": texts}


def _transfers(client: docker.APIClient, repository: str, answers: dict[str, Any]) -> None:
    def push(tag: str) -> list[Any]:
        return list(client.push(repository, tag, stream=True, decode=True))

    def pull(tag: str) -> list[Any]:
        return list(client.pull(repository, tag, stream=True, decode=True))

    def inspect(name: str) -> Any:
        return _ask(client, "GET", f"/images/{name}/json")

    def remove(name: str) -> Any:
        return _ask(client, "DELETE", f"/images/{name}")

    client.tag(IMAGE, repository, "dev")
    answers["push"] = push("dev")
    answers["push again"] = push("dev")
    answers["inspect after the push"] = inspect(IMAGE)
    answers["remove one tag of two"] = remove(f"{repository}:dev")
    remove(IMAGE)
    pull("dev")
    answers["inspect after the pull of what was pushed"] = inspect(f"{repository}:dev")
    client.tag(f"{repository}:dev", IMAGE.partition(":")[0], "dev")
    remove(f"{repository}:dev")
    # What was built stays in the builder's cache, and is not downloaded; so this one is not built.
    client.import_image_from_data(_layer(), repository=repository, tag="imported")
    digest = ""
    try:
        push("imported")
        (found,) = inspect(f"{repository}:imported")["RepoDigests"]
        digest = found.partition("@")[2]
        remove(f"{repository}:imported")
        answers["pull by tag"] = pull("imported")
        answers["pull by tag again"] = pull("imported")
        remove(f"{repository}:imported")
        answers["pull by digest"] = pull(digest)
        answers["inspect after the pull by digest"] = inspect(f"{repository}@{digest}")
        answers["images after the pull by digest"] = _images(client, repository)
        answers["pull of what is not there"] = _ask(
            client, "POST", "/images/create", params={"fromImage": repository, "tag": "absent"}
        )
    finally:
        remove(f"{repository}:imported")
        remove(f"{repository}@{digest}")


def _layer() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("three")
        member.size = 100_000
        tar.addfile(member, io.BytesIO(os.urandom(member.size)))
    return packed.getvalue()


if __name__ == "__main__":
    print(record(sys.argv[1], docker.from_env(version="auto", timeout=60).api))
