"""What run.sh reads from the environment stanza: where Spark or Dask is, and with what options."""

from __future__ import annotations

import re

from buildlib.suggest import nearest
from check.kernelspec import Kernelspec
from check.known import RUN_SH

_MASTER = re.compile(r"(?:--master|spark\.master)[ =]+(\S+)")
_PODS = "k8s://"
_MASTERS = {
    _PODS: "k8s://https://${KUBERNETES_SERVICE_HOST:-}:${KUBERNETES_SERVICE_PORT:-}",
    "yarn": "yarn",
}
_SPARK_OPTS, _OF_TOREE = "SPARK_OPTS", "__TOREE_SPARK_OPTS__"
_DASK_OPTS, _SPARK_HOME = "DASK_OPTS", "SPARK_HOME"
_EXAMPLES = {
    _DASK_OPTS: "--name …",
    _SPARK_HOME: "/opt/spark",
    _SPARK_OPTS: "--master … --deploy-mode cluster …",
}


def check(spec: Kernelspec, argv: list[str]) -> None:
    """Check the variables of a kernelspec that run.sh starts."""
    env = spec.document.values.get("env")
    env = env if isinstance(env, dict) else {}
    wanted = _wanted(spec, argv)
    for name in wanted:
        if env.get(name) or (name == _SPARK_OPTS and env.get(_OF_TOREE)):
            continue
        meant = nearest(name, [each for each in env if each not in (*wanted, "LAUNCH_OPTS")])
        spec.findings.error(
            f"env has no {name}, which run.sh reads"
            + (f"; did you mean it by {meant}?" if meant else ""),
            spec.document.where("env", *([meant] if meant else [])),
            f'"{name}": "{_EXAMPLES[name]}"',
        )
    _check_master(spec, env)


def _wanted(spec: Kernelspec, argv: list[str]) -> list[str]:
    """Variables that a kernelspec has to set; what else run.sh needs, it finds on the host."""
    if "dask" in argv:
        return [_DASK_OPTS]
    try:
        with open(f"{spec.path}/bin/{RUN_SH}", encoding="utf-8", errors="replace") as file:
            if _SPARK_OPTS not in file.read():
                return []
    except OSError:
        return []  # which is told elsewhere
    on_kubernetes = spec.proxy is not None and spec.proxy.master == _PODS
    return [*[_SPARK_HOME] * on_kubernetes, _SPARK_OPTS]


def _check_master(spec: Kernelspec, env: dict[str, object]) -> None:
    """Without its cluster as master, Spark runs in the driver alone, or is not found."""
    variable = _SPARK_OPTS if env.get(_SPARK_OPTS) else _OF_TOREE
    options = env.get(variable)
    master = spec.proxy.master if spec.proxy else ""
    if not isinstance(options, str) or not master:
        return
    found = _MASTER.findall(options)
    if not found or not found[-1].startswith(master):
        has = f"--master {found[-1]}" if found else "no --master"
        spec.findings.error(
            f"Spark's options have {has}, and {spec.short_class_name} looks for a driver on "
            f"{master.removesuffix('://')}",
            spec.document.where("env", variable),
            f"--master {_MASTERS[master]}",
        )
