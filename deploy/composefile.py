"""What a compose file says, in the words of the engine's API.

Reads as much of compose's language as the files of `deploy/` are written in, and refuses the rest:
a key that is not understood is not left out. Knows no engine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from docker.errors import DockerException
from docker.utils import parse_bytes
from docker.utils.ports import split_port

from buildlib.errors import InputError, Location

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\}|)")
_ODD = (AttributeError, DockerException, KeyError, TypeError, ValueError)
"""What reading ends with where a file is not as ours are."""
_SECOND = 1_000_000_000
"""The engine counts nanoseconds."""
_NETWORK = {"name": "Name", "driver": "Driver"}
_MOUNT = {"type": "Type", "source": "Source", "target": "Target", "read_only": "ReadOnly"}
_BODY = {"command": "Cmd", "hostname": "Hostname"}
_LOG = {"driver": "Type", "options": "Config"}
_HEALTH = {"interval": "Interval"}


class Service(NamedTuple):
    """A container to be.

    Attributes:
        name: Of the service.
        body: What the engine is asked for, without image and labels.
        image: Name of its image.
    """

    name: str
    body: dict[str, Any]
    image: str

    def digest(self, image_id: str) -> str:
        """Changes with all that makes the container another one; with the image, not its name."""
        text = json.dumps([self.body, image_id], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Project(NamedTuple):
    """What a compose file describes.

    Attributes:
        network: Body of the network's creation.
        key: What the file calls the network.
        services: Those that are to run, in the file's order.
        volumes: What the file calls each volume -> its name.
    """

    network: dict[str, Any]
    key: str
    services: list[Service]
    volumes: Mapping[str, str] = {}


def read(path: str, variables: Mapping[str, str]) -> Project:
    """Read a compose file.

    Args:
        path: The file.
        variables: Values for `${NAME}` in it; `COMPOSE_PROFILES` chooses among the services.

    Raises:
        InputError: It says something that is not understood here.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        document = _filled(yaml.safe_load(text), variables)
        if further := document.keys() - {"networks", "services", "volumes"}:
            raise ValueError(min(further))
        ((key, network),) = document["networks"].items()
        network = _named(network, _NETWORK)
        volumes = {name: said["name"] for name, said in document.get("volumes", {}).items()}
        profiles = set(variables.get("COMPOSE_PROFILES", "").split(","))
        services = [
            _service(name, said, (key, network["Name"]), volumes)
            for name, said in document["services"].items()
            if profiles & {*said.pop("profiles", profiles)}
        ]
    except (*_ODD, yaml.YAMLError) as error:
        raise InputError(
            f"not understood here: {error}",
            where=Location(path, 0),
            fix=f"docker compose -f {path} up --detach  # or change {path}.in",
        ) from None
    return Project(network, key, services, volumes)


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """A value with its variables filled in: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`."""
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]

    def fill(match: re.Match[str]) -> str:
        name, sign, rest = match.groups()
        if match[0] == "$$":
            return "$"
        if not name or (sign == "?" and not variables.get(name)):
            raise ValueError(f"{name}: {rest}" if name else f"$ in {value!r}")
        return variables.get(name) or rest or ""

    return _VARIABLE.sub(fill, value) if isinstance(value, str) else value


def _service(
    name: str, said: dict[str, Any], networks: tuple[str, str], volumes: Mapping[str, str]
) -> Service:
    """A service.

    Args:
        name: Its name.
        said: What the file says of it; what is understood is taken out.
        networks: What the file calls the network, and its name.
        volumes: See `Project`.
    """
    take, (key, network) = said.pop, networks
    ports = [split_port(each) for each in take("ports", [])]
    health = _named(take("healthcheck", {}), _HEALTH)
    host = {
        "CapDrop": take("cap_drop", []),
        "GroupAdd": take("group_add", []),
        "LogConfig": _named(take("logging", {}), _LOG),
        "Memory": parse_bytes(take("mem_limit", "0")),
        "Mounts": [_mount(each, volumes) for each in take("volumes", [])],
        "NetworkMode": network,
        "PidsLimit": take("pids_limit", None),
        "PortBindings": {f"{int(inner)}/tcp": [_outer(each)] for (inner,), (each,) in ports},
        "ReadonlyRootfs": take("read_only", False),
        "RestartPolicy": {"Name": take("restart", "no")},
        "SecurityOpt": take("security_opt", []),
        "Tmpfs": dict.fromkeys(take("tmpfs", []), ""),
    }
    body = {
        "Env": [f"{key}={_plain(value)}" for key, value in take("environment", {}).items()],
        "ExposedPorts": {port: {} for port in host["PortBindings"]},
        "Healthcheck": {key: _seconds(text) * _SECOND for key, text in health.items()},
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [name]}}},
        "StopTimeout": _seconds(take("stop_grace_period", "10s")),
    }
    if "cap_add" in said:
        host["CapAdd"] = take("cap_add")
    body |= {_BODY[key]: take(key) for key in _BODY.keys() & said.keys()}
    image = take("image")
    if take("networks") != [key]:
        raise ValueError(f"networks of {name}")
    if said:
        raise ValueError(f"{next(iter(said))} of {name}")
    return Service(name, body, image)


def _mount(said: Any, volumes: Mapping[str, str]) -> dict[str, Any]:
    mount = _named(said, _MOUNT)
    if mount["Type"] == "volume":
        mount["Source"] = volumes[mount["Source"]]
    return mount


def _named(said: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """A mapping with the engine's names for compose's."""
    if not isinstance(said, dict):
        raise ValueError(said)  # noqa: TRY004 - one class for all that is not understood
    return {names[key]: value for key, value in said.items()}


def _plain(value: Any) -> str:
    """A variable's value; what YAML makes of `true` or of nothing is not what compose would."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004 - one class for all that is not understood
    return str(value)


def _outer(port: tuple[str, str] | str) -> dict[str, str]:
    address, number = ("", port) if isinstance(port, str) else port
    return {"HostIp": address, "HostPort": number}


def _seconds(text: str) -> int:
    return int(text.removesuffix("s"))
