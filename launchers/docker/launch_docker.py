"""Start a kernel in a container of its own: with plain Docker, or as a service of Docker Swarm.

It is the command of a kernelspec: the gateway runs it with its own Python, finds the container by
the label `kernel_id`, and waits for what the kernel reports. An exit code other than 0 ends that
waiting at once; the one line written then is what an administrator sees in the gateway's log.

Whoever may start kernels chooses the values of KERNEL_ variables. So each is checked here, none
goes through a shell, and the kernel gets no variable that was not meant for it. docs/kernelspecs.md
lists variables and exit codes. It is one file, to be copied with a kernelspec; it knows nothing of
what runs in the container.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import posixpath
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

# Exit codes, as in sysexits.h
USAGE, DATA, NO_IMAGE, NO_NETWORK, NO_ENGINE, REFUSED, LATE, DENIED = 64, 65, 66, 68, 69, 70, 75, 77

WATCH = 3  # seconds: a kernel that ends that soon has not been started
GONE, IN_USE = 404, 409  # what the engine answers
DEEP = 300  # brackets in a JSON text: more may nest more deeply than Python can follow
KILLED = 137  # exit code of what the gateway removes: it does so by force
SWARM_FAILED = ("failed", "rejected", "complete", "shutdown", "orphaned", "remove")
SWARM_GPUS = "NVIDIA-GPU"  # the generic resource that Docker's documentation has nodes announce
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


class LaunchError(Exception):
    """The kernel cannot be started: why in one line, the exit code, and what to do about it."""

    def __init__(self, message: str, code: int, fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix


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


def shown(value: object) -> str:
    """A value as it may stand in a line of a log: short, and without line ends."""
    text = ascii(value if isinstance(value, str) else json.dumps(value))
    return text if len(text) < 100 else f"{text[:97]}..."  # noqa: PLR2004


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


def parsed(name: str, value: str, kind: type) -> Any:
    """What a JSON text holds: an object or a list."""
    found = None
    if value.count("[") + value.count("{") < DEEP:
        with contextlib.suppress(ValueError):
            found = json.loads(value)
    wanted = "a JSON object" if kind is dict else "a JSON list"
    return found if isinstance(found, kind) else refuse(name, value, wanted)


def extra_labels(value: str) -> dict[str, str]:
    """KERNEL_LABELS: a JSON object of texts; names that are Docker's own are refused."""
    found: dict[str, str] = parsed("KERNEL_LABELS", value or "{}", dict)
    for name, text in found.items():
        matched("a name in KERNEL_LABELS", name, LABEL, "a label's name that may be set")
        if not isinstance(text, str):
            refuse(f"{name} in KERNEL_LABELS", text, "a text")
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
    """What KERNEL_VOLUMES and KERNEL_VOLUME_MOUNTS say, both JSON lists as Kubernetes has them."""
    names = [name.strip() for name in allowed.split(",")]
    known = {name.removesuffix(":ro"): name.endswith(":ro") for name in names if name}
    sources = {}
    for entry in parsed("KERNEL_VOLUMES", volumes or "[]", list):
        source = volume(entry, known)
        sources[entry["name"]] = source
    found: dict[str, Mount] = {}
    what = "an entry of KERNEL_VOLUME_MOUNTS"
    for place in parsed("KERNEL_VOLUME_MOUNTS", places or "[]", list):
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


# --- What is asked for ---------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise LaunchError(message, USAGE)


def options(argv: list[str]) -> dict[str, str]:
    """The command line, in both spellings: `--kernel-id`, `--RemoteProcessProxy.kernel-id`."""
    parser = _Parser(prog="launch_docker.py", allow_abbrev=False, description=__doc__)
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


# --- Asking the engine ---------------------------------------------------------------------------


def start(client: Any, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
    """Start the kernel's container or service, and see that it stays.

    Args:
        client: A `docker.DockerClient`.
        request: What to start.
        clock: Seconds that go by.

    Raises:
        LaunchError: It did not start, or ended at once.
    """
    end = clock() + request.timeout
    if request.swarm:
        settings = service_settings(request)
        if len(client.nodes.list()) == 1:
            # The gateway removes a rejected service, and this script with it, before it can say
            # why. With one node it is known beforehand; with more, another may have the image.
            pull_if_missing(client, request)
        service = create(client.services, request, settings)
        watch_service(service, request, end, clock)
        return
    pull_if_missing(client, request)
    if clock() >= end:  # or it would run for a gateway that expects it no more
        raise LaunchError(
            f"pulling {request.image} took longer than the {request.timeout:g} s that the gateway "
            "waits", LATE, "start the kernel again: the image is here now",
        )  # fmt: skip
    container = create(client.containers, request, container_settings(request))
    try:
        container.start()
        watch_container(container)
    except BaseException:
        remove(container, request)
        raise


def create(collection: Any, request: Request, settings: dict[str, Any]) -> Any:
    """Create it in place of what is left of the same kernel: a restart uses the name again."""
    from docker.errors import APIError

    labels = [f"kernel_id={request.labels['kernel_id']}", "component=kernel"]
    stopped = {} if request.swarm else {"all": True, "ignore_removed": True}
    for attempt in range(50):
        for old in collection.list(filters={"label": labels}, **stopped):
            remove(old, request)
        try:
            return collection.create(request.image, **settings)
        except APIError as error:  # while it is being removed, its name is in use
            if error.status_code != IN_USE or attempt == 49:  # noqa: PLR2004
                raise
            time.sleep(0.1)
    return None


def remove(made: Any, request: Request) -> None:
    """Remove a container or service, even if somebody else is about to do so."""
    from docker.errors import APIError

    try:
        made.remove(**({} if request.swarm else {"force": True}))
    except APIError as error:
        if error.status_code not in (GONE, IN_USE):
            raise


def pull_if_missing(client: Any, request: Request) -> None:
    """Fetch an image that the engine does not have, with the docker client's credentials."""
    from docker.errors import APIError, ImageNotFound
    from docker.utils import parse_repository_tag

    try:
        client.images.get(request.image)
    except ImageNotFound:
        repository, tag = parse_repository_tag(request.image)
        why = ""
        try:
            for line in client.api.pull(repository, tag or "latest", stream=True, decode=True):
                why = line.get("error") or why
        except APIError as error:
            why = str(error.explanation or error)
        if why:
            message = f"the engine has no image {request.image} and cannot pull it: {why}"
            fix = "correct KERNEL_IMAGE, or image_name in kernel.json"
            raise LaunchError(message, NO_IMAGE, fix) from None


def watch_container(container: Any) -> None:
    """See that a container lives for a while: the gateway would wait in vain for one that ended."""
    from docker.errors import NotFound
    from requests.exceptions import RequestException

    log = bytearray()

    def follow() -> None:  # while it runs: the engine removes it with its log
        try:
            for piece in container.logs(stream=True, follow=True, tail=5):
                log.extend(piece[-1000:])
        except Exception:  # noqa: BLE001 - not every log can be read; nothing depends on it
            return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        code = container.wait(timeout=WATCH)["StatusCode"]
    except NotFound:
        code = "unknown"
    except RequestException:  # no answer in that time: it lives
        return
    if code == KILLED:
        return
    thread.join(1)
    lines = log.decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "none")
    raise LaunchError(
        f"the kernel's container ended at once, with exit code {code}; last words: {shown(last)}",
        REFUSED,
    )


def watch_service(service: Any, request: Request, end: float, clock: Callable[[], float]) -> None:
    """See that a service's only task gets to run, as long as the gateway waits."""
    begun = clock()
    while clock() < end:
        for task in service.tasks():
            state, why = task["Status"]["State"].lower(), task["Status"].get("Err", "")
            if state == "running":
                return
            if state in SWARM_FAILED or (why and clock() - begun > WATCH):
                remove(service, request)
                code = NO_IMAGE if "no such image" in why.lower() else REFUSED
                raise LaunchError(f"no node starts {request.image}: {why or state}", code)
        time.sleep(0.2)


def container_settings(request: Request) -> dict[str, Any]:
    """Arguments for plain Docker."""
    from docker.types import DeviceRequest

    devices = [DeviceRequest(count=request.gpus, capabilities=[["gpu"]])] if request.gpus else []
    found = {
        "name": request.name,
        "hostname": request.name,
        "auto_remove": request.remove,
        "environment": request.environment,
        "labels": request.labels,
        "user": request.user,
        "group_add": request.groups,
        "network": request.network,
        "mounts": docker_mounts(request),
        "working_dir": request.working_dir,
        # As Kubernetes does: what is set aside counts while there is not enough for all.
        "cpu_shares": request.cpus and max(2, min(1024 * request.cpus // 10**9, 262144)),
        "nano_cpus": request.cpus_limit,
        "mem_reservation": request.memory,
        "mem_limit": request.memory_limit,
        "device_requests": devices,
    }
    return {name: value for name, value in found.items() if value}


def service_settings(request: Request) -> dict[str, Any]:
    """Arguments for Docker Swarm."""
    from docker.types import EndpointSpec, Resources, RestartPolicy

    resources = Resources(
        cpu_limit=request.cpus_limit or None,
        mem_limit=request.memory_limit or None,
        cpu_reservation=request.cpus or None,
        mem_reservation=request.memory or None,
        generic_resources={SWARM_GPUS: request.gpus} if request.gpus else None,
    )
    found = {
        "name": request.name,
        "hostname": request.name,
        "env": [f"{name}={value}" for name, value in request.environment.items()],
        "labels": request.labels,
        "container_labels": request.labels,
        "user": request.user,
        "groups": request.groups,
        "networks": [request.network],
        "mounts": docker_mounts(request),
        "workdir": request.working_dir,
        "resources": resources,
        "endpoint_spec": EndpointSpec(mode="dnsrr"),
        "restart_policy": RestartPolicy(condition="none"),
    }
    return {name: value for name, value in found.items() if value}


def docker_mounts(request: Request) -> list[Any]:
    """The mounts, as the engine wants them."""
    from docker.types import Mount as Made

    return [
        Made(mount.target, mount.source or None, type=mount.kind, read_only=mount.read_only)
        for mount in request.mounts
    ]


# --- Saying what went wrong ----------------------------------------------------------------------


def causes(error: object) -> Iterator[BaseException]:
    """An error with all that led to it; the HTTP libraries hide some of it in arguments."""
    if isinstance(error, BaseException):
        yield error
        for hidden in (error.__cause__, error.__context__, *error.args):
            yield from causes(hidden)


ANSWERS = (
    (
        r"network .*not found",
        NO_NETWORK,
        "correct EG_DOCKER_NETWORK, or: docker network create NAME",
    ),
    (r"no such image", NO_IMAGE, "correct KERNEL_IMAGE, or image_name in kernel.json"),
    (r"swarm manager", REFUSED, "docker swarm init, or take a kernelspec for plain Docker"),
    (r"device driver", REFUSED, "install the NVIDIA container toolkit on the engine's host"),
)


def explain(error: Exception, env: Mapping[str, str]) -> LaunchError:
    """What an error of the engine, or on the way to it, means."""
    from docker.errors import APIError, DockerException

    if isinstance(error, LaunchError):
        return error
    if isinstance(error, APIError):
        why = str(error.explanation or error)
        found = (row for row in ANSWERS if re.search(row[0], why, re.IGNORECASE))
        _, code, fix = next(found, ("", REFUSED, ""))
        return LaunchError(f"the engine refuses: {why}", code, fix)
    engine = env.get("DOCKER_HOST") or "/var/run/docker.sock"
    led_to_it = list(causes(error))
    if any(isinstance(one, PermissionError) for one in led_to_it):
        fix = f"docker run --group-add $(stat -c %g {engine}) … for the gateway"
        return LaunchError(f"no permission to use the engine at {engine}", DENIED, fix)
    if any(isinstance(one, (OSError, DockerException)) for one in led_to_it):
        fix = f"docker run -v {engine}:{engine} … for the gateway, or correct its DOCKER_HOST"
        return LaunchError(f"no engine answers at {engine}", NO_ENGINE, fix)
    return LaunchError(f"{type(error).__name__}: {error}", REFUSED)


def names_in_stanza() -> list[str]:
    """Names of the variables in the `env` of the kernelspec that this file lies in."""
    try:
        spec = json.loads((Path(__file__).parent.parent / "kernel.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return list(spec.get("env", {}))


def main() -> int:
    """Start a kernel; returns the exit code."""
    try:
        request = read_request(sys.argv[1:], os.environ, names_in_stanza())
        import docker

        start(docker.DockerClient.from_env(), request)
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        known = explain(error, os.environ)
        fix = f"; fix: {known.fix}" if known.fix else ""
        print(f"launch_docker: error: {' '.join(str(known).split())}{fix}", file=sys.stderr)
        return known.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
