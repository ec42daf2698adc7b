"""Targets for programs: every verb that lists targets has these fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildlib.core.graph.graph import Graph
    from buildlib.core.model.label import Label


def plain_targets(graph: Graph, labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Targets as plain values, in the given order."""
    stamped = graph.stamped
    return [
        {
            "label": str(label),
            "task": f"{graph[label].rule.verb}:{graph.task_names[label]}",
            "rule": graph[label].rule.kind,
            "doc": graph[label].doc,
            "stamped": label in stamped,
            "where": str(graph[label].where),
            "deps": list(dict.fromkeys(str(dep.ref.label) for dep in graph[label].deps)),
        }
        for label in labels
    ]
