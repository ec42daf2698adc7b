"""A kind of deployment: what `deploy` knows of a platform beside how a gateway runs on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from buildlib.errors import ActionError
from deploy.docker_api import Docker
from deploy.platform import Platform, Say
from deploy.state import Deployment, State

NETWORK = "EG_NETWORK"
"""The variable of an engine's files that has the name of the kernels' network."""


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


class Request(NamedTuple):
    """What a command line asks of a kind.

    Attributes:
        name: Of the deployment.
        port: Of the host; 0 if not given.
        options: Those that were given, besides: an empty text for a flag.
    """

    name: str
    port: int
    options: Mapping[str, str]


class Kind(ABC):
    """One for each platform; `KIND` of its module.

    Attributes:
        word: As typed.
        usual: What a deployment is called where nobody says.
        place: What it is on, in a word.
        target: Label of what has to be built.
        file: The file in `deploy/` that this renders, a description of the gateway.
        asked: Variables of the environment that count, beside those that the file asks for.
        takes: Options that it knows, beside the name and the port.
        brings_back: Whether the former gateway runs again where the new one does not, so that its
            settings are the ones to remember until then.
        client: Variables that a notebook server needs for it, as typed before its command.
    """

    word: str
    usual: str
    place = "engine"
    target: str
    file: str
    asked: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    brings_back = False
    client = ""

    @abstractmethod
    def check(
        self, reach: Reach, request: Request, before: Deployment | None, state: State
    ) -> dict[str, Any]:
        """Refuse, before anything is built, what cannot be deployed.

        Args:
            reach: The way to the engine, which may not answer yet.
            before: What is deployed under this name already.
            state: Of the deployments from this workspace.

        Returns:
            `targets`: labels of what has to be built; `also`: of what is built besides, in flavours
            that have it; `images`: whether the images that the former name have to be, too; `acts`:
            what to run then; `asks`: the cluster that a person has to agree to after `show`.

        Raises:
            BuildError: Why not, and what would help.
        """

    def usual_plan(self) -> dict[str, Any]:
        """What `check` returns for a platform that is an engine."""
        usual: dict[str, Any] = {"targets": [self.target], "also": [], "images": True}
        return {**usual, "acts": ["up"], "asks": ""}

    @abstractmethod
    def settings(self, request: Request, before: Mapping[str, str]) -> dict[str, str]:
        """Variables that stand for what a request says, or said before."""

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

    def way(self, deployment: Deployment, url: str, port: int) -> tuple[str, list[str]]:
        """The address to tell, and lines that say what to do before it is used."""
        del deployment, port
        return url, []

    def where(self, deployment: Deployment) -> str:
        """Where it is, where that is not plain, as the end of a sentence."""
        del deployment
        return ""

    def show(self, gateway: Any, deployment: Deployment, say: Say) -> str:
        """Tell what `up` would do; returns the question, empty where nothing is asked."""
        del gateway, deployment, say
        return ""

    def render(self, deployment: Deployment, folder: str, state: State, say: Say) -> list[str]:
        """Write what would be started into a folder; returns the files."""
        del deployment, folder, state, say
        return []
