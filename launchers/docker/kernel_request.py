"""What is asked for: options and environment, checked and put together as a `Request`.

Whoever may start kernels chooses the values of KERNEL_ variables. So each is checked here, and the
kernel gets no variable that was not meant for it. docs/kernelspecs.md lists the variables. It does
not know Docker's client: no engine is asked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple, NoReturn

from launch_errors import DATA, USAGE, LaunchError, shown

ABOUT = "Start a kernel with Docker or Docker Swarm; docs/kernelspecs.md says what it reads."
REQUIRED = ("kernel-id", "response-address", "public-key")
OPTIONAL = ("port-range", "spark-context-initialization-mode", "kernel-class-name")

# Variables that the gateway adds, or passes on because our start script tells it to.
FOR_LAUNCHERS = {"EG_MIN_PORT_RANGE_SIZE", "EG_MAX_PORT_RANGE_RETRIES", "EG_KERNEL_LAUNCH_TIMEOUT"}
FOR_US = {"EG_DOCKER_NETWORK", "EG_DOCKER_MODE", "EG_IMPERSONATION_ENABLED"}
# What no kernel gets: the gateway's settings, secrets and way to the engine; and what would mean
# something else in the container.
WITHHELD = re.compile(r"(EG_|KG_|DOCKER_).*|PATH|JPY_PARENT_PID")

_NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_TAG = r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
IMAGE = rf"sha256:[0-9a-f]{{64}}|(?=.{{1,400}}\Z)(?:{_HOST}/)?{_NAME}(?:/{_NAME})*{_TAG}"
LABEL = r"(?!(?:com|io|org)\.docker)[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?"
_UNITS = {"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "m": 20, "g": 30}  # powers of two
_DECIMAL_UNITS = {"k": 3, "K": 3, "M": 6, "G": 9, "T": 12}  # powers of ten


Kind = Literal["bind", "volume", "tmpfs"]


class Mount(NamedTuple):
    """What is seen in the container at `target`."""

    kind: Kind
    source: str = ""
    target: str = ""
    read_only: bool = False


class Request(NamedTuple):
    """All that is known of a container before an engine is asked; values are checked."""

    swarm: bool
    name: str
    image: str
    environment: dict[str, str]
    labels: dict[str, str]
    user: str
    groups: list[str]
    working_dir: str
    network: str
    cpus: int  # billionths of a processor, set aside; 0 here and below: not asked for
    cpus_limit: int
    memory: int  # bytes, set aside
    memory_limit: int
    gpus: int  # -1: all
    mounts: list[Mount]
    remove: bool
    timeout: float  # seconds that the gateway waits


# --- Checking values -----------------------------------------------------------------------------


def refuse(name: str, value: object, wanted: str) -> NoReturn:
    """Raise the error for a value."""
    raise LaunchError(f"{name} is {shown(value)}, not {wanted}", DATA)


def matched(name: str, value: str, pattern: str, wanted: str) -> re.Match[str]:
    """The match of a whole value with a pattern."""
    return re.fullmatch(pattern, value) or refuse(name, value, wanted)


def identity(name: str, value: str) -> int:
    """A user's or group's number: Linux has 32 bits for it, and gives the last one to nobody."""
    found = int(matched(name, value, "[0-9]{1,10}", "a number")[0])
    return found if found < 2**32 - 1 else refuse(name, value, "a number of 32 bits")


def cpus(name: str, value: str) -> int:
    """Billionths of a processor: `2`, `0.5`, `500m` as in Kubernetes."""
    found = matched(name, value, r"([0-9]{1,6}(?:\.[0-9]{1,9})?)(m?)", "such as 2, 0.5 or 500m")
    return int(Fraction(found[1]) * (10**6 if found[2] else 10**9))


def memory(name: str, value: str) -> int:
    """Bytes: `512Mi`, `2G` as in Kubernetes, and `512m`, `2g` as in Docker."""
    pattern = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMGT]i|[kKMGTmg]|)"
    found = matched(name, value, pattern, "such as 512Mi or 2G")
    unit = found[2]
    size = 10 ** _DECIMAL_UNITS[unit] if unit in _DECIMAL_UNITS else 2 ** _UNITS[unit]
    wanted = int(Fraction(found[1]) * size)
    return wanted if wanted < 2**62 else refuse(name, value, "a size that memory has")


def gpus(name: str, value: str) -> int:
    """A number, -1 for `all`."""
    found = matched(name, value, "[0-9]{1,3}|all", "a number of GPUs, or all")[0]
    return -1 if found == "all" else int(found)


def folder(name: str, value: object) -> str:
    """An absolute path in its plain form, other than the root."""
    text = value.rstrip("/") if isinstance(value, str) else ""
    if not re.fullmatch(r"/[^/\0\n\r][^\0\n\r]{0,1000}", text) or posixpath.normpath(text) != text:
        refuse(name, value, "an absolute path without . and ..")
    return text


def parsed(name: str, text: str, kind: type) -> Any:
    """What a text in JSON or YAML holds: a list or a mapping, of what JSON can say.

    Args:
        name: The variable, for messages.
        text: Its value; empty for an empty one.
        kind: `list` or `dict`.

    Raises:
        LaunchError: It is something else, refers to parts of itself, or names types of Python.
    """
    wanted = f"a {'list' if kind is list else 'mapping'} in YAML or JSON"
    try:
        found = _loaded(text) if text else kind()
        said = json.dumps(found, allow_nan=False)
        said.encode()
        same = json.loads(said) == found
    except (ValueError, TypeError, RecursionError):
        refuse(name, text, wanted)
    if not same:  # for YAML, 1 and on are no texts, also as names of fields
        refuse(name, text, f"{wanted} whose names are texts: quote them")
    return found if isinstance(found, kind) else refuse(name, text, wanted)


def _loaded(text: str) -> Any:
    with contextlib.suppress(ValueError):  # first: YAML's reader takes no tabs, and some escapes
        return json.loads(text)
    import yaml

    try:
        # An alias makes a short text stand for gigabytes.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("an alias")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError from error


def extra_labels(value: str) -> dict[str, str]:
    """KERNEL_LABELS: a mapping of texts; names that are Docker's own are refused."""
    found: dict[str, str] = parsed("KERNEL_LABELS", value, dict)
    for name, text in found.items():
        matched("a name in KERNEL_LABELS", name, LABEL, "a label's name that may be set")
        if not isinstance(text, str):
            refuse(f"{name} in KERNEL_LABELS", text, "a text: quote it")
    return found


def volume(entry: Any, allowed: Mapping[str, bool]) -> Mount:
    """What an entry of KERNEL_VOLUMES stands for; a name stands in `allowed`, as it is.

    A folder below one that is allowed is not: it could be a link that a kernel has made, and lead
    anywhere on the host.

    Args:
        entry: `{"name": …, KIND: {…}}`.
        allowed: Folders of the host, and Docker's volumes -> for reading only?
    """
    kinds: tuple[tuple[str, str, Kind], ...] = (
        ("hostPath", "path", "bind"),
        ("persistentVolumeClaim", "claimName", "volume"),
    )
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        if entry == {"name": entry["name"], "emptyDir": {}}:
            return Mount("tmpfs")
        for key, field, kind in kinds:
            source = entry[key].get(field) if isinstance(entry.get(key), dict) else None
            if entry != {"name": entry["name"], key: {field: source}}:
                continue
            if source not in list(allowed) or (kind == "bind") != str(source).startswith("/"):
                fix = "name it in the gateway's EG_DOCKER_ALLOWED_MOUNTS, if users may have it"
                raise LaunchError(f"KERNEL_VOLUMES may not have {shown(source)}", DATA, fix)
            return Mount(kind, str(source), read_only=allowed[str(source)])
    refuse("an entry of KERNEL_VOLUMES", entry, "a name with hostPath, "
           "persistentVolumeClaim or emptyDir")  # fmt: skip


def mounts(volumes: str, places: str, allowed: str) -> list[Mount]:
    """What KERNEL_VOLUMES and KERNEL_VOLUME_MOUNTS say, both lists as Kubernetes has them."""
    names = [name.strip() for name in allowed.split(",")]
    known = {name.removesuffix(":ro"): name.endswith(":ro") for name in names if name}
    sources = {}
    for entry in parsed("KERNEL_VOLUMES", volumes, list):
        source = volume(entry, known)
        sources[entry["name"]] = source
    found: dict[str, Mount] = {}
    what = "an entry of KERNEL_VOLUME_MOUNTS"
    for place in parsed("KERNEL_VOLUME_MOUNTS", places, list):
        if not isinstance(place, dict) or not place.keys() <= {"name", "mountPath", "readOnly"}:
            refuse(what, place, "an object with name, mountPath and perhaps readOnly")
        target, read_only = folder(what, place.get("mountPath")), place.get("readOnly", False)
        if place.get("name") not in list(sources) or target in found:
            refuse(what, place, "one of KERNEL_VOLUMES at a place of its own")
        if not isinstance(read_only, bool):
            refuse(what, place, "readOnly true or false")
        source = sources[place["name"]]
        found[target] = source._replace(target=target, read_only=source.read_only or read_only)
    return list(found.values())


# --- Putting them together -----------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise LaunchError(message, USAGE)


def options(argv: list[str]) -> dict[str, str]:
    """The command line, in both spellings: `--kernel-id`, `--RemoteProcessProxy.kernel-id`."""
    parser = _Parser(prog="launch_docker.py", allow_abbrev=False, description=ABOUT)
    for name in (*REQUIRED, *OPTIONAL):
        parser.add_argument(f"--{name}", f"--RemoteProcessProxy.{name}", dest=name, default="")
    given: dict[str, str] = vars(parser.parse_args(argv))
    for name in REQUIRED:
        if not given[name]:
            raise LaunchError(f"--{name} is missing", USAGE)
    return given


def kernel_environment(
    env: Mapping[str, str], stanza: Iterable[str], given: Mapping[str, str]
) -> dict[str, str]:
    """The variables of the kernel: what it is told, and what somebody chose for it.

    Chosen are KERNEL_ variables, those of the kernelspec's `env`, and those that EG_CLIENT_ENVS and
    EG_INHERITED_ENVS name. `*` counts only if the request had variables: for one without any, the
    gateway hands us all of its own, which shows in settings that nobody asked it to pass on.

    Args:
        env: Our own environment.
        stanza: Names in the kernelspec's `env`.
        given: The command line.
    """
    clients, inherited = (
        set(env.get(name, "").split(",")) for name in ("EG_CLIENT_ENVS", "EG_INHERITED_ENVS")
    )
    settings = {name for name in env if name.startswith(("EG_", "KG_"))}
    everything = clients == {"*"} and settings <= inherited | FOR_LAUNCHERS | FOR_US
    chosen = clients | inherited | set(stanza)
    found = {}
    for name, value in env.items():
        wanted = everything or name in chosen or name.startswith("KERNEL_")
        if name in FOR_LAUNCHERS or (wanted and not WITHHELD.fullmatch(name)):
            found[name] = value
    told = {
        "KERNEL_ID": given["kernel-id"],
        "PORT_RANGE": given["port-range"] or "0..0",
        "RESPONSE_ADDRESS": given["response-address"],
        "PUBLIC_KEY": given["public-key"],
        "KERNEL_SPARK_CONTEXT_INIT_MODE": given["spark-context-initialization-mode"],
        "KERNEL_CLASS_NAME": given["kernel-class-name"],
    }
    return found | {name: value for name, value in told.items() if value}


def read_request(argv: list[str], env: Mapping[str, str], stanza: Iterable[str] = ()) -> Request:
    """Check everything, and put it together.

    Args:
        argv: Arguments, without the program's name.
        env: The environment that the gateway gives to launch scripts.
        stanza: Names of the variables in the kernelspec's `env`.

    Raises:
        LaunchError: Something is missing, malformed or not allowed.
    """
    given = options(argv)

    def value(*names: str, default: str = "") -> str:
        return next((env[name] for name in names if env.get(name)), default)

    def read(check: Callable[[str, str], int], name: str, default: str = "0") -> int:
        return check(name, value(name, default=default))

    kernel_id = given["kernel-id"]
    matched("--kernel-id", kernel_id, "[0-9A-Za-z][0-9A-Za-z-]{0,60}", "the id of a kernel")
    matched("KERNEL_IMAGE", value("KERNEL_IMAGE"), IMAGE, "the name of an image")
    mode = value("DOCKER_MODE", "EG_DOCKER_MODE", default="swarm").lower()
    matched("EG_DOCKER_MODE", mode, "docker|swarm", "docker or swarm")
    # It is the host's name as well: 63 characters, and fewer kinds than users' names (a@b.c) have.
    user = re.sub("[^0-9A-Za-z]+", "-", value("KERNEL_USERNAME")).strip("-") or "kernel"
    labels = extra_labels(value("KERNEL_LABELS"))
    labels |= {"app": "enterprise-gateway", "component": "kernel", "kernel_id": kernel_id}
    gid = read(identity, "KERNEL_GID", "100")
    all_mounts = ("KERNEL_VOLUMES", "KERNEL_VOLUME_MOUNTS", "EG_DOCKER_ALLOWED_MOUNTS")
    directory = value("KERNEL_WORKING_DIR")
    request = Request(
        swarm=mode == "swarm",
        name=f"{user[: 62 - len(kernel_id)]}-{kernel_id}",
        image=value("KERNEL_IMAGE"),
        environment=kernel_environment(env, stanza, given),
        labels=labels,
        user=f"{read(identity, 'KERNEL_UID', '1000')}:{gid}",
        groups=[] if gid == 100 else ["100"],  # noqa: PLR2004 - users: home and libraries are theirs
        working_dir=folder("KERNEL_WORKING_DIR", directory) if directory else "",
        network=value("DOCKER_NETWORK", "EG_DOCKER_NETWORK", default="bridge"),
        cpus=read(cpus, "KERNEL_CPUS"),
        cpus_limit=read(cpus, "KERNEL_CPUS_LIMIT"),
        memory=read(memory, "KERNEL_MEMORY"),
        memory_limit=read(memory, "KERNEL_MEMORY_LIMIT"),
        gpus=read(gpus, "KERNEL_GPUS") or read(gpus, "KERNEL_GPUS_LIMIT"),
        mounts=mounts(*(value(name) for name in all_mounts)),
        remove=value("REMOVE_CONTAINER", "EG_REMOVE_CONTAINER", default="true").lower() == "true",
        timeout=launch_timeout(env),
    )
    if 0 < request.cpus_limit < request.cpus or 0 < request.memory_limit < request.memory:
        raise LaunchError(
            "a limit is smaller than what KERNEL_CPUS or KERNEL_MEMORY asks for", DATA
        )
    if request.gpus != (read(gpus, "KERNEL_GPUS_LIMIT") or request.gpus):
        refuse("KERNEL_GPUS_LIMIT", value("KERNEL_GPUS_LIMIT"), "what KERNEL_GPUS says")
    if request.swarm and request.gpus < 0:
        refuse("KERNEL_GPUS", "all", "a number, as a swarm needs it")
    return request


def launch_timeout(env: Mapping[str, str]) -> float:
    """Seconds that the gateway waits; values that are no such number are passed over."""
    for name in ("KERNEL_LAUNCH_TIMEOUT", "EG_KERNEL_LAUNCH_TIMEOUT"):
        if re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,9})?", env.get(name, "")):
            return float(env[name])
    return 30.0
