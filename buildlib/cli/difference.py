"""What differs between two trees, in each format that `affected` has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """What differs between two trees, as plain values.

    Attributes:
        since: The older commit, as given.
        to: The newer commit, as given; None for the working tree.
        rows: Targets that differ, dependencies first.
        reasons: The changed parts at the end of each one's path, in a line.
        why: Whether to show the paths.
    """

    since: str
    to: str | None
    rows: list[dict[str, Any]]
    reasons: list[str]
    removed: list[str]
    why: bool


Format = Callable[[Difference], Iterator[str]]


def _lines(difference: Difference) -> Iterator[str]:
    for row, reason in zip(difference.rows, difference.reasons, strict=True):
        yield row["label"]
        if difference.why:
            yield f"  {reason}"
            if len(row["path"]) > 1:
                yield f"  {len(row['path'])} long: " + " <- ".join(row["path"])


def _json(difference: Difference) -> Iterator[str]:
    ends = {"schema": 1, "since": difference.since, "to": difference.to}
    yield json.dumps({**ends, "affected": difference.rows, "removed": difference.removed}, indent=2)


def _github(difference: Difference) -> Iterator[str]:
    """Lines for the file that `$GITHUB_OUTPUT` names: a matrix for `fromJSON`, and its length."""
    rows = [{name: row[name] for name in ("label", "task", "rule")} for row in difference.rows]
    yield f"matrix={json.dumps({'include': rows}, separators=(',', ':'))}"
    yield f"count={len(rows)}"


def _markdown(difference: Difference) -> Iterator[str]:
    """A comment for a pull request."""
    count = len(difference.rows)
    what = "1 target is" if count == 1 else f"{count or 'No'} targets are"
    yield f"### {what} affected since `{difference.since}`\n"
    if count:
        yield "| target | rule | why |\n|---|---|---|"
    for row, reason in zip(difference.rows, difference.reasons, strict=True):
        path = " ← ".join(f"`{ref}`" for ref in row["path"])
        chain = f"<br>{path}" if difference.why and len(row["path"]) > 1 else ""
        yield f"| `{row['label']}` | {row['rule']} | {reason}{chain} |".replace("\n", " ")
    if difference.removed:
        yield "\nRemoved: " + ", ".join(f"`{label}`" for label in difference.removed)


FORMATS: dict[str, Format] = {
    "lines": _lines,
    "json": _json,
    "github": _github,
    "markdown": _markdown,
}
