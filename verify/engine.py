"""This run's corner of the Docker Engine: a network and labelled containers, removed at the end.

Knows nothing of kernels. Everything it makes carries the label `verify=<run>` or lies on the run's
network; `clear` removes what is found by either, so it needs no memory of what was made. What it
makes also says whose it is (`owner`), so that the next run removes what a killed one has left.
"""

from __future__ import annotations

import contextlib
import difflib
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions

from buildlib.errors import ActionError, EngineUnavailable, InputError
from verify import owner
from verify.stopping import held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker.models.containers import Container
    from docker.models.networks import Network

LABEL = "verify"
_ANSWER_SECONDS = 180  # of an engine on a busy machine; one that is gone says so at once
GONE = (docker.errors.NotFound, docker.errors.APIError)  # removing what is being removed: 409


class Engine:
    """The engine, and what this run has made in it.

    Attributes:
        run: The run's name, `verify-<random>`; all names begin with it.
        labels: Of all the run makes: its name, and the process that it belongs to.
        client: The docker SDK's client.
    """

    def __init__(self) -> None:
        """Connect.

        Raises:
            EngineUnavailable: no engine answers.
        """
        self.run = f"verify-{secrets.token_hex(4)}"
        self.labels = {LABEL: self.run, **owner.labels()}
        try:
            self.client = docker.from_env(timeout=_ANSWER_SECONDS)
            self.client.ping()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise EngineUnavailable(
                f"no Docker Engine answers: {error}", fix="docker version  # must show a server"
            ) from error
        self._network: Network | None = None

    def image(self, reference: str) -> dict[str, Any]:
        """What `docker image inspect` shows of an image that is in the engine.

        Raises:
            InputError: it is not there.
        """
        try:
            return self.client.images.get(reference).attrs
        except (docker.errors.ImageNotFound, docker.errors.APIError) as error:
            listed = self.client.api.images()  # all in one answer: an image may go meanwhile
            known = [tag for image in listed for tag in image["RepoTags"] or ()]
            near = difflib.get_close_matches(reference, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            fix = f"python -m verify {near[0]}" if near else f"docker pull {reference}"
            raise InputError(f"image {reference!r} is not in the engine{hint}", fix=fix) from error

    def image_id(self, reference: str) -> str:
        """The id of an image; empty where it is not in the engine."""
        try:
            return str(self.client.images.get(reference).id)
        except docker.errors.APIError:  # not found among them
            return ""

    @property
    def network(self) -> Network:
        """The run's own bridge network, made when first asked for."""
        if self._network is None:
            self._network = self.make_network("bridge")
        return self._network

    def make_network(
        self, driver: str, labels: Mapping[str, str] | None = None, *, internal: bool = False
    ) -> Network:
        """Make the run's network.

        Args:
            driver: `bridge` or `overlay`.
            labels: Further labels.
            internal: With no way out of it.

        Raises:
            ActionError: the engine refuses.
        """
        try:
            with held():
                self._network = self.client.networks.create(
                    self.run,
                    driver=driver,
                    labels={**(labels or {}), **self.labels},
                    internal=internal,
                )
        except docker.errors.APIError as error:
            raise ActionError(
                f"the engine makes no network: {error.explanation}",
                fix="docker network prune  # where its address pools are used up",
            ) from error
        self._network.reload()
        return self._network

    @property
    def host_address(self) -> str:
        """This machine's address on the run's network, under which containers reach us.

        Raises:
            EngineUnavailable: the network is not on this machine.
        """
        address = str(self.network.attrs["IPAM"]["Config"][0]["Gateway"])
        try:
            socket.create_server((address, 0)).close()
        except OSError as error:
            raise EngineUnavailable(
                f"the engine's network is not on this machine ({address}: {error.strerror}); "
                "verify needs a Docker Engine on the Linux it runs on, and must not itself run in "
                "a container, unless with --network host",
                fix="run it where dockerd runs  # DOCKER_HOST, Docker Desktop: inside that machine",
            ) from error
        return address

    def start(
        self,
        image: str,
        name: str,
        *,
        env: Mapping[str, str],
        labels: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Container:
        """Start an image's own command on the run's network.

        Raises:
            ActionError: the engine cannot start it.
        """
        try:
            with held():
                container = self.client.containers.create(
                    image,
                    name=name,
                    hostname=name[:63],
                    environment=dict(env),
                    labels={**self.labels, **(labels or {})},
                    network=self.network.name,
                    detach=True,
                    use_config_proxy=False,  # a proof is the same whoever makes it
                    **settings,
                )
                try:
                    container.start()
                except docker.errors.APIError:
                    self.remove(container)  # its name is free for another try
                    raise
            container.reload()  # it has an address only since it was started
        except docker.errors.APIError as error:
            raise ActionError(f"the engine cannot start {image}: {error.explanation}") from error
        return container

    def start_bare(self, image: str) -> float | None:
        """Start a container of an image that does nothing; seconds until it has ended.

        None where the image has no such program, or the engine no time.
        """
        begun = time.monotonic()
        try:
            with held():
                container = self.client.containers.create(
                    image,
                    entrypoint=["true"],
                    labels=self.labels,
                    network_mode="none",
                    use_config_proxy=False,
                )
            try:
                container.start()
                container.wait()
                return time.monotonic() - begun
            finally:
                self.remove(container)
        except (docker.errors.APIError, requests.exceptions.RequestException):
            return None

    def remove_dead(self) -> list[str]:
        """Remove what runs have left whose process has ended; returns their names.

        What cannot be removed stays for the next run to try.
        """
        found = {
            each.attrs["Labels"][LABEL]: each.attrs["Labels"]
            for each in self.client.networks.list(filters={"label": LABEL})
        }
        for container in self.client.containers.list(
            all=True, filters={"label": LABEL}, ignore_removed=True
        ):
            found.setdefault(container.labels[LABEL], container.labels)
        dead = sorted(run for run, labels in found.items() if run and owner.has_ended(labels))
        for run in dead:
            with contextlib.suppress(ActionError):
                self.clear(run)
        return dead

    def containers(self, run: str = "") -> list[Container]:
        """All of a run, this one or another, also those a gateway has made.

        They are found by label, name and network.
        """
        run = run or self.run
        found = {
            container.id: container
            for key, value in (
                ("label", f"{LABEL}={run}"),
                ("name", run),
                ("network", run),
            )
            for container in self.client.containers.list(
                all=True, filters={key: value}, ignore_removed=True
            )
        }
        return list(found.values())

    def remove(self, container: Container) -> None:
        """Remove a container; one that is gone is no error."""
        with contextlib.suppress(*GONE):
            container.remove(force=True, v=True)

    def clear(self, run: str = "", *, seconds: float = 60) -> None:
        """Remove all that a run has made, this one or another.

        Raises:
            ActionError: something is still there when the time is up.
        """
        run = run or self.run
        end = time.monotonic() + seconds
        while True:
            for service in self._services(run):  # they would replace their containers
                with contextlib.suppress(*GONE):
                    service.remove()
            for container in self.containers(run):
                self.remove(container)
            networks = self.client.networks.list(filters={"label": f"{LABEL}={run}"})
            for network in networks:
                with contextlib.suppress(*GONE):  # an endpoint that is just going
                    network.remove()
            if not networks and not self.containers(run):
                if run == self.run:
                    self._network = None
                return
            if time.monotonic() > end:
                raise ActionError(
                    f"what {run} has made cannot all be removed",
                    fix=f"docker rm -f $(docker ps -aqf name={run}); docker network rm {run}",
                )
            time.sleep(0.1)

    def _services(self, run: str) -> Iterator[Any]:
        """A run's services: the gateway's, and its kernels', which are called by the run's name."""
        with contextlib.suppress(docker.errors.APIError):  # in no swarm, or a worker of one
            for service in self.client.services.list(filters={"name": run}):
                if service.name.startswith(run):
                    yield service
