"""What a step of a release is.

A step looks at what is there and does what is missing, so it can be run again, alone, after
whatever stopped it. What it would do and what would stop it are told by the object that does it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label
from buildlib.shipping.releasing.run import Run


class Tools(NamedTuple):
    """What a release has others do.

    Attributes:
        build: Brings targets of a workspace up to date; returns an exit code.
        prove: Makes proofs in a workspace, though they may have been made of other builds of the
            same keys; returns an exit code.
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
        """What it would do, in lines; nothing is changed."""

    def problems(self) -> list[str]:
        """What would stop it, as far as that can be seen now; as errors are told."""
        return []

    @abstractmethod
    def do(self, tools: Tools) -> str:
        """Do what is missing; what was done, in words."""
