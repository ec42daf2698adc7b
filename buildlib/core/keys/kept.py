"""Keys of an earlier run, which hold for targets whose files are as they were then.

They are kept for one state of the digest index, and for the same declarations, lock and stamp. Only
the index has to be asked, then, which files differ. The key of a target with such a file, or with a
dependency of another key, is computed anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from buildlib.core.graph.graph import Graph
from buildlib.core.model.label import Label
from buildlib.core.model.tree import Index

_DIGITS = 64
_UNKNOWN = "-" * _DIGITS


def to_text(keys: Mapping[Label, str], graph: Graph) -> str:
    """The keys that are known, in the order of a graph."""
    return "".join([keys.get(label, _UNKNOWN) for label in graph.order])


def from_text(text: str, graph: Graph) -> dict[Label, str]:
    """The keys of `to_text`, of the same graph."""
    keys = [text[start : start + _DIGITS] for start in range(0, len(text), _DIGITS)]
    return {label: key for label, key in zip(graph.order, keys, strict=True) if key != _UNKNOWN}


def holding(keys: Mapping[Label, str], graph: Graph, index: Index) -> dict[Label, str]:
    """The keys of an index that hold for the files as they are now."""
    differing = index.differing()
    if not differing:
        return dict(keys)
    stale = {
        target.label
        for target in graph.targets.values()
        for _, path, _ in target.files
        if path in differing
    }
    for label in graph.order:
        deps = graph[label].deps
        if deps and not stale.isdisjoint([dep.ref.label for dep in deps]):
            stale.add(label)
    return {label: key for label, key in keys.items() if label not in stale}


def worth_keeping(
    keys: Mapping[Label, str], stamps: Mapping[str, str], graph: Graph, index: Index
) -> dict[Label, str]:
    """The keys that an index stands for: it has all their files, as they were when computed.

    Args:
        stamps: What the keys were computed from, by path, where the index was not trusted.
    """
    of_index = index.stamp_in_index
    unlike: set[Label] = set()
    for label in keys:
        for _, path, _ in graph[label].files:
            stamp = of_index(path)
            if not stamp or stamps.get(path, stamp) != stamp:
                unlike.add(label)
                break
    return {label: key for label, key in keys.items() if label not in unlike}
