"""Paths through the graph: dependencies, reverse dependencies, and a shortest path.

Edges are those that enter keys. A target that takes a part of an archive depends on the sources of
that part alone; a target that only names an image does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from buildlib.core.graph.graph import Graph
from buildlib.core.model.label import Label, Reference


class Paths:
    """Paths from targets (or parts of them) to others."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._needs: dict[Reference, list[Reference]] = {}

    def below(self, start: Iterable[Label], depth: int | None = None) -> set[Label]:
        """The targets and their dependencies, up to `depth` edges away."""
        return {ref.label for ref in _reach(map(Reference, start), self._edges, depth)}

    def above(
        self, universe: Iterable[Label], targets: Iterable[Label], depth: int | None = None
    ) -> set[Label]:
        """The targets and all that depend on them, among the dependencies of a universe."""
        within = _reach(map(Reference, universe), self._edges, None)
        needed_by: dict[Reference, list[Reference]] = {}
        for ref in within:
            for other in self._edges(ref):
                needed_by.setdefault(other, []).append(ref)
        ends = set(targets)
        start = [ref for ref in within if ref.label in ends]
        return {ref.label for ref in _reach(start, lambda ref: needed_by.get(ref, []), depth)}

    def shortest(self, start: Iterable[Label], end: Iterable[Label]) -> list[Label]:
        """A shortest path from one of some targets to one of others; empty if there is none."""
        ends = set(end)
        came_from: dict[Reference, Reference | None] = {}
        for ref in _reach(map(Reference, start), self._edges, None, came_from):
            if ref.label in ends:
                path: list[Label] = []
                step: Reference | None = ref
                while step is not None:
                    path.append(step.label)
                    step = came_from[step]
                return path[::-1]
        return []

    def _edges(self, ref: Reference) -> list[Reference]:
        edges = self._needs.get(ref)
        if edges is None:
            edges = self._graph.needs(ref)
            self._needs[ref] = edges
        return edges


def _reach(
    start: Iterable[Reference],
    edges: Callable[[Reference], Iterable[Reference]],
    depth: int | None,
    came_from: dict[Reference, Reference | None] | None = None,
) -> list[Reference]:
    """All references that edges lead to from `start`, which is included; nearest first.

    Args:
        depth: The length of paths, in edges; None for any.
        came_from: Gets the predecessor of each on a shortest path; None for those of `start`.
    """
    before = {} if came_from is None else came_from
    before.update(dict.fromkeys(start))
    level, reached = list(before), list(before)
    while level and (depth is None or depth > 0):
        depth = None if depth is None else depth - 1
        following: list[Reference] = []
        for ref in level:
            for other in edges(ref):
                if other not in before:
                    before[other] = ref
                    following.append(other)
        level = following
        reached += following
    return reached
