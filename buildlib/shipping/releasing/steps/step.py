"""The base class of the steps of a release.

A step is idempotent: it does what is missing, so it can run again, alone, whatever stopped it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label
from buildlib.shipping.releasing.run import Run


class Tools(NamedTuple):
    """Functions of the caller that a release needs.

    Attributes:
        build: Brings targets of a workspace up to date; returns an exit code.
        prove: Runs proofs in a workspace, even if a proof of another build of the same key is
            recorded; returns an exit code.
    """

    build: Callable[[Workspace, Sequence[Label]], int]
    prove: Callable[[Workspace, Sequence[Label]], int]
    say: Callable[[str], None]


class Step(ABC):
    """One step of a release."""

    name: ClassVar[str]
    """As typed: `release NAME`."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @abstractmethod
    def will(self) -> list[str]:
        """What it would do, in lines; changes nothing."""

    def problems(self) -> list[str]:
        """What would stop it, as far as known now, in the words of the errors."""
        return []

    @abstractmethod
    def do(self, tools: Tools) -> str:
        """Do what is missing; returns what was done, in a sentence."""
