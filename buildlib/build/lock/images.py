"""Pins of images made elsewhere: the digest behind a tag, asked of its registry."""

from __future__ import annotations

from contextlib import closing

from buildlib.build.workspace import Workspace
from buildlib.core.model.lock import Entry, Item
from buildlib.core.model.target import Pin
from buildlib.engine.find import find_engine
from buildlib.engine.mirror import mirrored
from buildlib.errors import ActionError


def image_entry(workspace: Workspace, pin: Pin) -> Entry:
    """Ask the registry through the engine; the credentials are those of the docker client.

    Raises:
        ActionError: The registry does not answer, or has no such image.
    """
    from docker.errors import DockerException
    from requests import RequestException

    from buildlib.engine.sdk import client_of

    reference = pin.asked[0]
    source = mirrored(reference, workspace.settings.network.images)
    workspace.engine.ping()
    try:
        with closing(client_of(find_engine(), timeout=60)) as client:
            distribution = client.inspect_distribution(source)
        digest = str(distribution["Descriptor"]["digest"])
    except (DockerException, RequestException) as error:
        raise ActionError(
            f"the registry of {source} does not say what it is: {error}",
            fix=f"docker pull {source}  # does it exist, and are you logged in?",
        ) from None
    tag = reference.rsplit(":", 1)[-1]
    return Entry(pin.asked, {reference: Item(tag, digest.removeprefix("sha256:"), 0, reference)})
