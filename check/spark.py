"""What run.sh reads from the environment stanza: where Spark or Dask is, and with what options."""

from __future__ import annotations

import re

from buildlib.suggest import nearest
from check.kernelspec import Kernelspec

_MASTER = re.compile(r"(?:--master|spark\.master)[ =]+(\S+)")
_MASTERS = {
    "k8s://": "k8s://https://${KUBERNETES_SERVICE_HOST:-}:${KUBERNETES_SERVICE_PORT:-}",
    "yarn": "yarn",
}
_SPARK_OPTS, _OF_TOREE = "SPARK_OPTS", "__TOREE_SPARK_OPTS__"
_DASK = {"DASK_OPTS": "--name …"}
_SPARK = {_SPARK_OPTS: "--master … --deploy-mode cluster …"}
# On hosts and in YARN, run.sh finds Spark by itself.
_KUBERNETES = {"SPARK_HOME": "/opt/spark", **_SPARK}


def check(spec: Kernelspec, argv: list[str]) -> None:
    """Check the variables of a kernelspec that run.sh starts."""
    env = spec.document.values.get("env")
    env = env if isinstance(env, dict) else {}
    wanted = _wanted(spec, argv)
    for name, value in wanted.items():
        if env.get(name) or (name == _SPARK_OPTS and env.get(_OF_TOREE)):
            continue
        meant = nearest(name, [each for each in env if each not in (*wanted, "LAUNCH_OPTS")])
        spec.findings.error(
            f"env has no {name}, which run.sh reads"
            + (f"; did you mean it by {meant}?" if meant else ""),
            spec.document.where("env", *([meant] if meant else [])),
            f'"{name}": "{value}"',
        )
    _check_master(spec, env)


def _wanted(spec: Kernelspec, argv: list[str]) -> dict[str, str]:
    if "dask" in argv:
        return _DASK
    if "none" in argv:  # the mode: a kernel of this host, without Spark
        return {}
    on_kubernetes = spec.proxy is not None and spec.proxy.master.startswith("k8s")
    return _KUBERNETES if on_kubernetes else _SPARK


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
