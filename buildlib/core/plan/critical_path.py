"""The critical path: the chain of targets, each of which needs the one before, that takes longest.

Several targets are made at a time, so a build takes at least as long as its critical path. What
stands at the beginning of a long path is therefore begun first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildlib.core.model.label import Label

_BYTES_A_SECOND = 8_000_000
"""Of what is fetched for a target: how fast it becomes an image, where that is not known better."""
_LEAST = 1.0

Deps = Mapping[Label, Sequence[Label]]
"""Target -> those that it needs; others than those in question may be among them."""


def guess(size: int) -> float:
    """Seconds that a target may take which was never made here.

    Args:
        size: Bytes of what the lock pins for it.
    """
    return _LEAST + size / _BYTES_A_SECOND


def path_lengths(
    labels: Sequence[Label], deps: Deps, seconds: Mapping[Label, float]
) -> dict[Label, float]:
    """For each target, the seconds from its start to the end of the longest path from there.

    Args:
        labels: The targets, dependencies first.
    """
    found = dict.fromkeys(labels, 0.0)  # until a target's turn: what comes after it
    for label in reversed(labels):
        found[label] += seconds[label]
        for other in deps[label]:
            if other in found:
                found[other] = max(found[other], found[label])
    return found


def most_urgent_first(
    labels: Sequence[Label], deps: Deps, seconds: Mapping[Label, float]
) -> list[Label]:
    """The order in which to begin targets; arguments as for `path_lengths`, all seconds above 0.

    A target is more urgent than all that need it, so this order has dependencies first.
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
