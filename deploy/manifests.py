"""The Kubernetes objects of a deployment: what was rendered, under a name, with its settings.

Plain data in, plain data out: no cluster is asked.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from buildlib.errors import InputError
from deploy.kubectl import Object

USUAL = "enterprise-gateway"
"""What the files call the deployment, the namespace of its gateway, and the gateway."""
INSTANCE = "app.kubernetes.io/instance"
"""The label that has the name of a deployment, on all that is made for it."""
PULL_SECRET = "registry"  # noqa: S105 - a name
_PULLS_WITH = {"name": PULL_SECRET}
_REVISION = "enterprise-gateway/revision"
_NAMESPACE_KEYS = ("namespace", "kubernetes.io/metadata.name")
_EXAMPLE = "example.com"
_YAML = "apiVersion", "kind", "metadata"


def read(text: str, source: str) -> list[Object]:
    """The objects of a YAML text.

    Raises:
        InputError: It is none, or holds something else.
    """
    try:
        objects = [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        raise InputError(f"{source} is no YAML", detail=str(error), fix="./doitw build") from None
    for each in objects:
        if not isinstance(each, dict) or not all(each.get(key) for key in _YAML):
            raise InputError(f"{source} holds what is no object of Kubernetes", fix="./doitw build")
    return objects


def write(objects: Sequence[Object]) -> str:
    """Objects as YAML."""
    return yaml.safe_dump_all(objects, sort_keys=False, width=1000)


def renamed(objects: Sequence[Object], name: str) -> list[Object]:
    """Objects of a deployment of another name.

    Namespaces and whatever else belongs to no namespace are called as the deployment, with an
    ending; so are all references to them. Names within a namespace stay.
    """
    own = [each["metadata"]["name"] for each in objects if "namespace" not in each["metadata"]]
    new = {old: name + old.removeprefix(USUAL) for old in own if old.startswith(USUAL)}
    new[USUAL] = name

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {inner: walk(each, inner) for inner, each in value.items()}
        if isinstance(value, list):
            return [walk(each, key) for each in value]
        if not isinstance(value, str):
            return value
        if value in new and (value != USUAL or key in _NAMESPACE_KEYS):
            return new[value]
        return value.replace(f".{USUAL}.svc", f".{name}.svc")  # in an address

    changed = [walk(each) for each in objects]
    for each in changed:
        meta = each["metadata"]
        if "namespace" not in meta:
            meta["name"] = new.get(meta["name"], meta["name"])
    return changed


def labelled(objects: Sequence[Object], name: str) -> None:
    """Give objects the label by which they are found again."""
    for each in objects:
        each["metadata"].setdefault("labels", {})[INSTANCE] = name


def set_env(objects: Sequence[Object], values: Mapping[str, str]) -> None:
    """Set variables of the gateway's container."""
    for each in objects:
        if each["kind"] != "Deployment":
            continue
        for container in each["spec"]["template"]["spec"]["containers"]:
            rows = {row["name"]: row for row in container.get("env", [])}
            rows |= {key: {"name": key, "value": value} for key, value in values.items()}
            container["env"] = [*rows.values()]


def set_revision(objects: Sequence[Object], revision: str) -> None:
    """Have pods made anew where this text is another one than before."""
    for each in objects:
        if template := each.get("spec", {}).get("template"):
            notes = template["metadata"].setdefault("annotations", {})
            notes[_REVISION] = revision


def images(objects: Sequence[Object]) -> list[str]:
    """All images that the objects name, sorted."""
    return sorted({container["image"] for each in objects for container in _containers(each)})


def set_images(objects: Sequence[Object], known: Mapping[str, str]) -> None:
    """Name images otherwise: by the last part of their name, without the tag.

    Raises:
        InputError: One is not known.
    """
    for each in objects:
        for container in _containers(each):
            name = short(container["image"])
            if name not in known:
                raise InputError(
                    f"the release has no image {name}",
                    fix=f'--overlay ""  # or without the one that needs {name}',
                )
            container["image"] = known[name]


def short(image: str) -> str:
    """`registry:5000/elyra/kernel-py:dev` -> `kernel-py`."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def released(path: str, version: str) -> dict[str, str]:
    """Images of a release's images.json: by digest where they were published, else by tag.

    Raises:
        InputError: There is no such file, or it is of another release.
    """
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if document["version"] != version:
            raise InputError(f"{path} is of {document['version']}", fix=f"--release {version}")
        return {
            each["name"]: f"{each['repository']}@{each['digest']}"
            if each["digest"]
            else f"{each['repository']}:{version}"
            for each in document["images"]
        }
    except FileNotFoundError:
        raise InputError(
            f"there is no {os.path.relpath(path)}: the files of the release are not here",
            fix=f"./doitw release VERSION={version}  # or put its images.json there",
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no images.json: {error}", fix=f"rm {path}") from None


def secret(name: str, namespace: str, kind: str, key: str, value: bytes) -> Object:
    """A Secret with one value."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": USUAL}},
        "type": kind,
        "data": {key: base64.b64encode(value).decode()},
    }


def secrets(objects: Sequence[Object], token: str, pull_config: str) -> list[Object]:
    """The Secrets that objects name: the token, and a login to a registry.

    Args:
        token: The gateway's.
        pull_config: A file as `docker login` writes it; empty if there is none.
    """
    made = []
    for namespace in sorted({each["metadata"].get("namespace", "") for each in objects} - {""}):
        inside = [each for each in objects if each["metadata"].get("namespace") == namespace]
        if any(_asks_for_token(container) for each in inside for container in _containers(each)):
            made.append(secret(USUAL, namespace, "Opaque", "token", token.encode()))
        if pull_config and any(_PULLS_WITH in each.get("imagePullSecrets", []) for each in inside):
            kind, key = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"
            made.append(secret(PULL_SECRET, namespace, kind, key, _login(pull_config)))
    return made


def _asks_for_token(container: Mapping[str, Any]) -> bool:
    sources = [row.get("valueFrom", {}) for row in container.get("env", [])]
    return any(each.get("secretKeyRef", {}).get("name") == USUAL for each in sources)


def _login(path: str) -> bytes:
    full = os.path.expanduser(path)
    try:
        with open(full, "rb") as file:
            data = file.read()
        if any(each.get("auth") for each in json.loads(data)["auths"].values()):
            return data
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"EG_PULL_CONFIG: {path} is no file of logins: {error}",
            fix="export EG_PULL_CONFIG=~/.docker/config.json",
        ) from None
    raise InputError(
        f"EG_PULL_CONFIG: {path} has no login; a helper of this machine keeps them",
        fix="docker --config /tmp/login login HOST; export EG_PULL_CONFIG=/tmp/login/config.json",
    )


def examples(objects: Sequence[Object]) -> list[str]:
    """Objects that still have an address of ours, which stands for the user's own."""
    return [title(each) for each in objects if _EXAMPLE in json.dumps(each.get("spec", {}))]


def name_of(found: Object) -> str:
    """The name that an object has in its namespace."""
    return str(found["metadata"]["name"])


def title(found: Object) -> str:
    """An object in words."""
    return f"{found['kind']} {name_of(found)}"


def key_of(found: Object) -> tuple[str, str, str]:
    """What tells an object from all others of a cluster."""
    meta = found["metadata"]
    group = found["apiVersion"].rpartition("/")[0]
    return f"{found['kind']}.{group}", meta.get("namespace", ""), meta["name"]


def _containers(found: Object) -> Iterator[dict[str, Any]]:
    pod = found.get("spec", {}).get("template", {}).get("spec", {})
    yield from pod.get("initContainers", [])
    yield from pod.get("containers", [])
