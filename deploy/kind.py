"""A kind of deployment: what `deploy` knows of a platform beside how a gateway runs on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from buildlib.errors import ActionError, InputError
from deploy.docker_api import Docker
from deploy.platform import Platform, Say
from deploy.state import Deployment, State


class Reach(Protocol):
    """The way from here to the engine."""

    @property
    def docker(self) -> Docker:
        """The engine."""

    def run(
        self, words: Sequence[str], variables: Mapping[str, str], say: Say, *, fix: str
    ) -> None:
        """Run a docker client that uses the engine, handing on what it prints.

        Args:
            words: After `docker`.
            variables: Added to its environment.
            say: Takes each line.
            fix: What helps where it fails.

        Raises:
            ActionError: There is none, or it failed.
        """

    def socket(self, variables: Mapping[str, str], image: str) -> dict[str, str]:
        """The engine's socket as a path on its own machine, and the number of its group there.

        Args:
            variables: Those of the deployment: the path may have been given before.
            image: The gateway's.

        Returns:
            Variables of the deployment that say so.

        Raises:
            InputError: None leads to this engine.
        """


class Kind(ABC):
    """One for each platform; `KIND` of its module.

    Attributes:
        word: As typed.
        usual: What a deployment is called where nobody says.
        target: Label of what has to be built.
        file: The file in `deploy/` that this renders, a description of the gateway.
        asked: Variables of the environment that count, beside those that the file asks for.
        brings_back: Whether the former gateway runs again where the new one does not, so that its
            settings are the ones to remember until then.
    """

    word: str
    usual: str
    target: str
    file: str
    asked: tuple[str, ...] = ()
    brings_back = False

    def check(self, reach: Reach, name: str, *, may_make: bool) -> None:
        """Refuse, before anything is built, what cannot be deployed.

        Args:
            reach: The way to the engine, which may not answer yet.
            name: Of the deployment.
            may_make: Whether the platform itself may be made where it is missing.

        Raises:
            BuildError: Why not, and what would help.
        """
        if may_make:
            raise InputError("--init makes a swarm", fix="./doitw deploy swarm --init")
        del reach, name

    @abstractmethod
    def settings(self, name: str, port: int) -> dict[str, str]:
        """Variables that stand for a deployment's name and port; port 0 is not given."""

    @abstractmethod
    def prepare(
        self, reach: Reach, variables: Mapping[str, str], image: str, say: Say
    ) -> dict[str, str]:
        """Make the platform ready for a gateway.

        Args:
            reach: The way to the engine.
            variables: Those of the deployment.
            image: The gateway's image, as the engine has it.
            say: Takes lines of progress.

        Returns:
            Variables that come of it; they are remembered with the others.

        Raises:
            BuildError: It cannot be.
        """

    @abstractmethod
    def gateway(self, reach: Reach, deployment: Deployment, state: State) -> Platform:
        """The gateway of a deployment; its file is read when it is started, and not before."""

    @abstractmethod
    def fix(self, name: str, error: ActionError) -> str:
        """The line that helps where a deployment does not start."""
