"""The longest chain of a plan: what to begin with, and what a build could not be shorter than.

Several targets are made at a time, so a build takes at least as long as the longest row of targets
of which each needs the one before. What stands at the head of a long row is therefore begun first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildlib.model.label import Label

_BYTES_A_SECOND = 8_000_000
"""Of what is fetched for a target: how fast it becomes an image, where that is not known better."""
_LEAST = 1.0


def guess(size: int) -> float:
    """Seconds that a target may take which was never made here.

    Args:
        size: Bytes of what the lock pins for it.
    """
    return _LEAST + size / _BYTES_A_SECOND


def urgency(
    labels: Sequence[Label], below: Mapping[Label, Sequence[Label]], seconds: Mapping[Label, float]
) -> dict[Label, float]:
    """For each target, the seconds from its start to the end of the longest row that begins there.

    Args:
        labels: The targets, dependencies first.
        below: What each needs.
        seconds: How long each takes.
    """
    found = dict.fromkeys(labels, 0.0)  # until a target's turn: what comes after it
    for label in reversed(labels):
        found[label] += seconds[label]
        for other in below[label]:
            if other in found:
                found[other] = max(found[other], found[label])
    return found


def longest(
    labels: Sequence[Label], below: Mapping[Label, Sequence[Label]], seconds: Mapping[Label, float]
) -> list[Label]:
    """The row of targets that takes longest, first to last; arguments as for `urgency`."""
    rows = urgency(labels, below, seconds)
    if not rows:
        return []
    label = max(labels, key=rows.__getitem__)
    row = [label]
    while True:
        above = [other for other in labels if label in below[other]]
        if not above:
            return row
        label = max(above, key=rows.__getitem__)
        row.append(label)
