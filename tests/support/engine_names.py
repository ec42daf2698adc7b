"""What an engine calls its images, asked at once: other tests make and remove some meanwhile."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker


def names_below(client: docker.DockerClient, start: str) -> dict[str, str]:
    """Tags and digests that begin with this, each with the ID of its image."""
    return {
        name: image["Id"]
        for image in client.api.images()
        for name in [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
        if name.startswith(start)
    }


def forget(client: docker.DockerClient, start: str) -> None:
    """Take such names from images; what has no other name is gone."""
    import docker.errors

    for name in names_below(client, start):
        with contextlib.suppress(docker.errors.NotFound):  # a digest goes with its tag
            client.images.remove(name, force=True)
