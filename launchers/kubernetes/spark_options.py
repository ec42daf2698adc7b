"""Options of spark-submit that follow from a pod: its template, and what it may use.

Spark takes what a template says but for names, images, processors and memory, which it sets itself.
"""

from __future__ import annotations

import math
import shlex
from fractions import Fraction
from typing import Any

from kernel_request import cpus
from kube_values import spark_size


def spark_options(template: str, pod: dict[str, Any]) -> str:
    """One line of options.

    Args:
        template: The file with the pod's template.
        pod: What is in it; its first container becomes Spark's.
    """
    resources = pod["spec"]["containers"][0].get("resources") or {}
    requests, limits = (resources.get(kind) or {} for kind in ("requests", "limits"))
    found: dict[str, str] = {"kubernetes.{role}.podTemplateFile": template}
    account = pod["spec"].get("serviceAccountName")
    if account:
        found["kubernetes.authenticate.{role}.serviceAccountName"] = str(account)
    processors = str(requests.get("cpu") or "")
    if processors:
        # Spark's own cores are tasks at a time, and whole; the pod may ask for less than one.
        whole = max(1, math.ceil(Fraction(cpus("KERNEL_CPUS", processors), 10**9)))
        found["{role}.cores"] = str(whole)
        found["kubernetes.{role}.request.cores"] = processors
    if limits.get("cpu"):
        found["kubernetes.{role}.limit.cores"] = str(limits["cpu"])
    # Spark knows one size and makes both of it, with an overhead on top; the limit is the firmer.
    size = str(limits.get("memory") or requests.get("memory") or "")
    if size:
        found["{role}.memory"] = spark_size(size)
    words = [
        word
        for name, value in found.items()
        for role in ("driver", "executor")
        for word in ("--conf", f"spark.{name.format(role=role)}={value}")
    ]
    return shlex.join(words)
