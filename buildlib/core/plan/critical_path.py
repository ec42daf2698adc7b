"""The critical path: the longest chain (in seconds) of targets that each need the one before.

Several targets are made at a time, so a build takes at least as long as its critical path. Targets
at the beginning of long paths are therefore started first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildlib.core.model.label import Label

_BYTES_A_SECOND = 8_000_000
"""Default speed at which fetched files become an image."""
_LEAST = 1.0

Deps = Mapping[Label, Sequence[Label]]
"""Target -> its dependencies, which may include targets that are not in the plan."""


def guess(size: int) -> float:
    """Estimated seconds for a target that was never made here and has `size` pinned bytes."""
    return _LEAST + size / _BYTES_A_SECOND


def path_lengths(
    labels: Sequence[Label], deps: Deps, seconds: Mapping[Label, float]
) -> dict[Label, float]:
    """For each target, the seconds from its start to the end of the longest path from there.

    `labels` has dependencies first.
    """
    lengths = dict.fromkeys(labels, 0.0)  # before a target's turn: the paths after it
    for label in reversed(labels):
        lengths[label] += seconds[label]
        for other in deps[label]:
            if other in lengths:
                lengths[other] = max(lengths[other], lengths[label])
    return lengths


def most_urgent_first(
    labels: Sequence[Label], deps: Deps, seconds: Mapping[Label, float]
) -> list[Label]:
    """The order in which to start targets; arguments as for `path_lengths`, all seconds above 0.

    A target is more urgent than its dependents, so this order has dependencies first.
    """
    lengths = path_lengths(labels, deps, seconds)
    return sorted(labels, key=lambda label: -lengths[label])


def critical_path(
    labels: Sequence[Label], deps: Deps, seconds: Mapping[Label, float]
) -> list[Label]:
    """The targets of the critical path, first to last; arguments as for `path_lengths`."""
    lengths = path_lengths(labels, deps, seconds)
    needed_by: dict[Label, list[Label]] = {label: [] for label in labels}
    for label in labels:
        for other in deps[label]:
            if other in lengths:
                needed_by[other].append(label)
    path: list[Label] = []
    nexts: Sequence[Label] = labels
    while nexts:
        path.append(max(nexts, key=lengths.__getitem__))
        nexts = needed_by[path[-1]]
    return path
