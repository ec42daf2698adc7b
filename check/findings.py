"""What a check finds: mistakes, each with its place and what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from buildlib.errors import Location

ERROR, WARNING = "error", "warning"


class Finding(NamedTuple):
    """One mistake.

    Attributes:
        severity: `ERROR`, or `WARNING` for what may be meant, or is not to be seen from here.
        what: One sentence.
        where: Its file as it was named on the command line, and line.
        fix: A line to paste.
    """

    severity: str
    what: str
    where: Location
    fix: str

    def lines(self) -> Iterator[str]:
        """For people, as errors of the build are told."""
        yield f"{self.where}: {self.severity}: {self.what}"
        yield f"  fix: {self.fix}"

    def plain(self) -> dict[str, Any]:
        """For programs."""
        file, line = self.where
        return {
            "severity": self.severity,
            "what": self.what,
            "file": file,
            "line": line or None,
            "fix": self.fix,
        }


class Findings:
    """The findings of one kernelspec."""

    def __init__(self) -> None:
        self._all: list[Finding] = []

    def error(self, what: str, where: Location, fix: str) -> None:
        """Add what keeps the kernel from starting, or from being listed."""
        self._all.append(Finding(ERROR, what, where, fix))

    def warn(self, what: str, where: Location, fix: str) -> None:
        """Add what may be meant, or is not to be seen from here."""
        self._all.append(Finding(WARNING, what, where, fix))

    @property
    def sorted(self) -> Sequence[Finding]:
        """By file and line; what is alike is told once."""
        return sorted(dict.fromkeys(self._all), key=lambda each: each.where)

    def count(self, severity: str) -> int:
        """How many there are of a severity."""
        return sum(each.severity == severity for each in self.sorted)
