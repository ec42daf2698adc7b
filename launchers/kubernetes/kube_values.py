"""What is asked for: command line and environment, checked, as values for a template.

Whoever may start kernels chooses the values of KERNEL_ variables, so each is data and nothing else:
it is checked here, and kube_manifest.py puts it into the made objects without ever writing it as
YAML. Rules that hold for containers of Docker too come from kernel_request.py. It does not know
Kubernetes' client: no cluster is asked.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from kernel_request import (
    IMAGE,
    OPTIONAL,
    REQUIRED,
    cpus,
    folder,
    identity,
    kernel_environment,
    launch_timeout,
    matched,
    memory,
    parsed,
    refuse,
)
from kube_volumes import LABEL, mounts, toleration, volumes
from launch_errors import DATA, USAGE, LaunchError, shown

_PART = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"  # of a name, which may be longer than a label
NAME = rf"(?=.{{1,253}}\Z){_PART}(?:\.{_PART})*"
KERNEL_ID = "[0-9A-Za-z][0-9A-Za-z-]{0,60}"
SELECTOR = r"(?:[a-z0-9][a-z0-9.-]{0,252}/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
# Docker writes m and g where Kubernetes has Mi and Gi; its m would be a thousandth of a byte.
MEMORY_UNITS = {"m": "Mi", "g": "Gi", "K": "k"}
# Set by the node for its own cluster, or the way to ours; no kernel gets them.
OF_THE_CLUSTER = re.compile("KUBERNETES_.*|KUBECONFIG.*|KUBE_.*")
ENVIRONMENT_NAME = re.compile("[-._a-zA-Z][-._a-zA-Z0-9]*")
# An administrator's: pods name no user. OpenShift gives each project one, and refuses others.
GIVES_UIDS = "EG_KUBERNETES_CLUSTER_UIDS"
USUAL_USER = {"KERNEL_UID": "1000", "KERNEL_GID": "100"}
# Of spark-submit: how much Spark gets. All other options say what runs, where, and as whom.
SPARK_OPTIONS = re.compile("--((driver|executor)-(memory|cores)|num-executors)")
SPARK_SETTING = re.compile(
    r"spark[.](?!(kubernetes|submit|jars|kerberos)[.])(?!(master|jars|files|archives)\Z).+"
)


class Request(NamedTuple):
    """All that is known before a cluster is asked; values are checked."""

    kernel_id: str
    values: dict[str, Any]  # for a template: `kernel_image` and so on; without what is not set
    environment: list[dict[str, str]]  # of the kernel, as Kubernetes has it
    timeout: float  # seconds that the gateway waits
    pod_template: str = ""  # file to write instead of starting anything
    spark_opts_out: str = ""


# --- The command line ----------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise LaunchError(message, USAGE)


def options(argv: list[str], about: str, *more: str) -> dict[str, str]:
    """The command line, in both spellings: `--kernel-id`, `--RemoteProcessProxy.kernel-id`.

    Args:
        argv: Arguments, without the program's name.
        about: What the program does.
        more: Names of further options, of one spelling. With `submitted`, no others are needed.
    """
    parser = _Parser(allow_abbrev=False, description=about)
    for name in (*REQUIRED, *OPTIONAL):
        # The plain spelling wins. An option may come without its value.
        parser.add_argument(f"--{name}", nargs="?")
        parser.add_argument(f"--RemoteProcessProxy.{name}", nargs="?", dest=f"old {name}")
    for name in more:
        parser.add_argument(f"--{name}", nargs="?")
    read = vars(parser.parse_args(argv))
    given = {
        name: read[name.replace("-", "_")] or read.get(f"old {name}") or ""
        for name in (*REQUIRED, *OPTIONAL, *more)
    }
    for name in REQUIRED[:1] if given.get("submitted") else REQUIRED:
        if not given[name]:
            raise LaunchError(f"--{name} is missing", USAGE)
    return given


# --- Values --------------------------------------------------------------------------------------


def _text(name: str, value: str) -> str:
    """Any text that can be sent: the gateway's environment may hold bytes that are none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse(name, value, "a text in UTF-8")
    return value


def _pattern(pattern: str, wanted: str) -> Callable[[str, str], str]:
    return lambda name, value: matched(name, value, pattern, wanted)[0]


def _cpus(name: str, value: str) -> str:
    cpus(name, value)
    return value


def _memory(name: str, value: str) -> str:
    memory(name, value)
    return re.sub(r"(?<=[0-9.])[mgK]\Z", lambda unit: MEMORY_UNITS[unit[0]], value)


def _node_selector(name: str, value: str) -> dict[str, str]:
    found: dict[str, str] = parsed(name, value, dict)
    for key, text in found.items():
        matched(f"a name in {name}", key, SELECTOR, "a label's name")
        matched(f"{key} in {name}", text if isinstance(text, str) else json.dumps(text), VALUE,
                "a label's value")  # fmt: skip
        if not isinstance(text, str):
            refuse(f"{key} in {name}", text, "a text: quote it")
    return found


def _names(name: str, value: str) -> list[str]:
    found = [part.strip() for part in value.split(",") if part.strip()]
    return [matched(name, part, NAME, "names of secrets with commas between")[0] for part in found]


def _spark_options(name: str, value: str) -> str:
    """Options of spark-submit that a request may add: run.sh hands them over as they are.

    The others could choose what the gateway itself runs, files of it that are sent along, and whose
    rights and namespace the driver has.
    """
    try:
        words = iter(shlex.split(value))
    except ValueError:
        refuse(name, value, "options: a quote has no end")
    for word in words:
        option, joined, text = word.partition("=")
        text = text if joined else next(words, "")
        setting, given, _ = text.partition("=")
        if option in ("--conf", "-c"):
            good = given and SPARK_SETTING.fullmatch(setting)
        else:
            good = SPARK_OPTIONS.fullmatch(option) and text and not text.startswith("-")
        if not good:
            what = " ".join(filter(None, (option, setting)))
            fix = "put it into SPARK_OPTS of the kernelspec's kernel.json, if users may have it"
            raise LaunchError(f"{name} may not have {shown(what)}", DATA, fix)
    return value


_NAME = _pattern(NAME, "a name as Kubernetes has them")
_GPUS = _pattern("[0-9]{1,3}", "a number of GPUs")
CHECKS: Mapping[str, Callable[[str, str], Any]] = {
    "KERNEL_POD_NAME": _NAME,
    "KERNEL_RESOURCE_NAME": _NAME,
    "KERNEL_NAMESPACE": _pattern(LABEL, "the name of a namespace"),
    "KERNEL_SERVICE_ACCOUNT_NAME": _NAME,
    "KERNEL_SPARKAPP_CONFIG_MAP": _NAME,
    "KERNEL_EXTRA_SPARK_OPTS": _spark_options,
    "KERNEL_IMAGE": _pattern(IMAGE, "the name of an image"),
    "KERNEL_EXECUTOR_IMAGE": _pattern(IMAGE, "the name of an image"),
    "KERNEL_UID": identity,
    "KERNEL_GID": identity,
    "KERNEL_CPUS": _cpus,
    "KERNEL_CPUS_LIMIT": _cpus,
    "KERNEL_MEMORY": _memory,
    "KERNEL_MEMORY_LIMIT": _memory,
    "KERNEL_GPUS": _GPUS,
    "KERNEL_GPUS_LIMIT": _GPUS,
    "KERNEL_WORKING_DIR": folder,
    "KERNEL_NODE_SELECTOR": _node_selector,
    "KERNEL_IMAGE_PULL_SECRETS": _names,
    "KERNEL_TOLERATIONS": lambda name, value: [
        toleration(entry) for entry in parsed(name, value, list)
    ],
}


def template_values(env: Mapping[str, str], kernelspec: str) -> dict[str, Any]:
    """The values that a template may use: every KERNEL_ variable that is set, in lower case.

    Args:
        env: Our own environment.
        kernelspec: Name of the kernelspec's folder.

    Raises:
        LaunchError: A value is malformed or not allowed.
    """
    found = {
        name.lower(): CHECKS.get(name, _text)(name, value)
        for name, value in env.items()
        if name.startswith("KERNEL_") and value
    }
    read_only: set[str] = set()
    if "kernel_volumes" in found:
        allowed = env.get("EG_KUBERNETES_ALLOWED_VOLUMES", "")
        found["kernel_volumes"], read_only = volumes(found["kernel_volumes"], allowed)
    if "kernel_volume_mounts" in found:
        found["kernel_volume_mounts"] = mounts(found["kernel_volume_mounts"], read_only)
    for kind in ("cpus", "memory"):
        check = cpus if kind == "cpus" else memory
        least, most = (found.get(f"kernel_{kind}{end}") for end in ("", "_limit"))
        if least and most and check("", least) > check("", most):
            raise LaunchError(
                f"KERNEL_{kind.upper()}_LIMIT is {shown(most)}, less than what is set aside", DATA
            )
    # A cluster wants both to be the same for GPUs, and gives none without a limit.
    gpus = {found[name] for name in ("kernel_gpus", "kernel_gpus_limit") if name in found}
    if len(gpus) > 1:
        refuse("KERNEL_GPUS_LIMIT", found["kernel_gpus_limit"], "what KERNEL_GPUS says")
    if gpus:
        found["kernel_gpus"] = found["kernel_gpus_limit"] = gpus.pop()
    size = found.get("kernel_memory_limit") or found.get("kernel_memory")
    if size:
        found["spark_memory"] = spark_size(size)
    found["kernel_name"] = kernelspec
    return found


def check_place(
    values: dict[str, Any], env: Mapping[str, str], kernel_id: str, *, for_spark: bool
) -> None:
    """Refuse a namespace and an account that are not for kernels; give Spark an account of its own.

    The gateway takes both from the request, if it names them: it may be a namespace of the cluster
    itself, with an account that reads all secrets.

    Args:
        values: Of the template; the account is set.
        env: Our own environment, with the administrator's settings.
        kernel_id: The kernel's id.
        for_spark: Whether the kernel is Spark's driver, which needs rights.
    """
    namespace = values.get("kernel_namespace", "")
    allowed = _listed(env, "EG_KERNEL_NAMESPACES")
    if env.get("EG_SHARED_NAMESPACE", "").lower() == "true":
        allowed.append(env.get("EG_NAMESPACE") or "default")
    # One that the gateway has made for this kernel has the pod's name. By the id, it is no other.
    own = namespace == values.get("kernel_pod_name") and kernel_id.lower() in namespace
    if namespace and not own and namespace not in allowed:
        fix = "name it in the gateway's EG_KERNEL_NAMESPACES, if users may have it"
        if namespace == values.get("kernel_pod_name"):
            fix += ", or have {{ kernel_id }} in KERNEL_POD_NAME"
        raise LaunchError(f"KERNEL_NAMESPACE may not be {shown(namespace)}", DATA, fix)
    default = env.get("EG_DEFAULT_KERNEL_SERVICE_ACCOUNT_NAME") or "default"
    setting = "EG_SPARK_SERVICE_ACCOUNTS" if for_spark else "EG_KERNEL_SERVICE_ACCOUNTS"
    accounts = _listed(env, setting)
    account = values.get("kernel_service_account_name", default)
    if account == default and accounts and for_spark:  # the request said none, or that one
        account = default if default in accounts else accounts[0]
    elif account not in (*accounts, default):
        fix = f"name it in the gateway's {setting}, if users may have it"
        what = f"KERNEL_SERVICE_ACCOUNT_NAME may not be {shown(account)}"
        raise LaunchError(what + (" for Spark" if for_spark else ""), DATA, fix)
    values["kernel_service_account_name"] = account


def without_users(env: Mapping[str, str]) -> dict[str, str]:
    """What is asked for, without user and group: the cluster gives each namespace its own.

    The gateway sends its default where a request says nothing.

    Raises:
        LaunchError: A request asks for another one.
    """
    for name, usual in USUAL_USER.items():
        if env.get(name, usual) != usual:
            fix = f"leave {name} out of the request"
            raise LaunchError(f"{name} may not be said: the cluster chooses it", DATA, fix)
    return {name: value for name, value in env.items() if name not in USUAL_USER}


def _listed(env: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in env.get(name, "").split(",") if part.strip()]


def spark_size(size: str) -> str:
    """A size of memory in Spark's words: whole MiB; it does not know `Mi`."""
    return f"{max(1, memory('KERNEL_MEMORY', size) // 2**20)}m"


def pod_environment(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """The kernel's variables, as Kubernetes has them.

    It would take `$(NAME)` in a value for a reference to another variable, and `$$` for a dollar.
    """
    return [
        {"name": name, "value": _text(name, value).replace("$", "$$")}
        for name, value in sorted(environment.items())
        if ENVIRONMENT_NAME.fullmatch(name) and not OF_THE_CLUSTER.fullmatch(name)
    ]


def id_of(given: Mapping[str, str]) -> str:
    """The kernel's id on the command line, checked: it becomes part of questions to a cluster."""
    return matched("--kernel-id", given["kernel-id"], KERNEL_ID, "the id of a kernel")[0]


def read_request(
    given: Mapping[str, str], env: Mapping[str, str], folder: Path, *, for_spark: bool
) -> Request:
    """Check everything, and put it together.

    Args:
        given: The command line, from `options`.
        env: The environment that the gateway gives to launch scripts.
        folder: The kernelspec's folder.
        for_spark: Whether the kernel is Spark's driver.

    Raises:
        LaunchError: Something is missing, malformed or not allowed.
    """
    kernel_id = id_of(given)
    gives_uids = env.get(GIVES_UIDS, "").lower() == "true"
    if gives_uids:
        env = without_users(env)
    values = template_values(env, folder.name)
    check_place(values, env, kernel_id, for_spark=for_spark)
    values |= {
        "for_spark": for_spark,
        "cluster_gives_uids": gives_uids,
        "kernel_id": kernel_id,
        "eg_response_address": given["response-address"],
        "eg_public_key": given["public-key"],
        "eg_port_range": given["port-range"] or "0..0",
        "spark_context_initialization_mode": given["spark-context-initialization-mode"] or "none",
    }
    if given.get("spark-opts-out") and not given.get("pod-template"):
        raise LaunchError("--spark-opts-out needs --pod-template", USAGE)
    return Request(
        kernel_id=kernel_id,
        values=values,
        environment=pod_environment(kernel_environment(env, names_in_stanza(folder), given)),
        timeout=launch_timeout(env),
        pod_template=given.get("pod-template", ""),
        spark_opts_out=given.get("spark-opts-out", ""),
    )


def names_in_stanza(folder: Path) -> list[str]:
    """Names of the variables in the `env` of a kernelspec."""
    try:
        spec = json.loads((folder / "kernel.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return list(spec.get("env", {}))
