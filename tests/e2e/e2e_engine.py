"""What the engine holds, asked of the engine itself and not through buildlib."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from tests.support.engine_names import names_below

if TYPE_CHECKING:
    import docker


class Images:
    """The images of one organisation.

    Args:
        client: The engine.
        organization: First part of their names.
    """

    def __init__(self, client: docker.DockerClient, organization: str) -> None:
        self.client = client
        self.organization = organization

    def tags(self) -> dict[str, str]:
        """All references of the organisation, each with the ID of its image."""
        names = names_below(self.client, f"{self.organization}/")
        return {name: image for name, image in names.items() if "@" not in name}

    def id(self, name: str, tag: str = "dev") -> str | None:
        """The ID of an image of the organisation; None where there is none of that name."""
        return self.tags().get(f"{self.organization}/{name}:{tag}")

    def tag(self, image: str, name: str, tag: str = "dev") -> None:
        """Give an image a reference."""
        assert self.client.api.tag(image, f"{self.organization}/{name}", tag, force=True)

    def untag(self, reference: str) -> None:
        """What `docker rmi` of a reference does."""
        self.client.images.remove(reference, force=True)

    def remove(self, name: str = "*") -> None:
        """Remove all references of an image (or of all images) of the organisation."""
        stem = f"{self.organization}/{'' if name == '*' else name + ':'}"
        for reference in self.tags():
            if reference.startswith(stem):
                self.untag(reference)

    def content_tags(self, name: str) -> set[str]:
        """The content tags of an image's name."""
        stem = f"{self.organization}/{name}:"
        return {tag.removeprefix(stem) for tag in self.tags() if tag.startswith(stem + "key-")}

    def files(self, name: str, tag: str = "dev") -> dict[str, str]:
        """The text of each file in an image."""
        return files_of(self.client, f"{self.organization}/{name}:{tag}")


def files_of(client: docker.DockerClient, image: str) -> dict[str, str]:
    """The text of each file in an image, by path; a symlink's is `-> target`."""
    container = client.api.create_container(image, "none", labels={"e2e": "test"})["Id"]
    try:
        data = b"".join(client.api.export(container))
    finally:
        client.api.remove_container(container, force=True)
    found: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            if entry.issym():
                found[entry.name] = f"-> {entry.linkname}"
            elif entry.isfile():
                content = archive.extractfile(entry)
                assert content is not None
                found[entry.name] = content.read().decode()
    made_by_docker = ("dev/", "proc/", "sys/", ".dockerenv")
    made_by_docker_in_etc = ("etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab")
    return {
        path: text
        for path, text in found.items()
        if not path.startswith(made_by_docker) and path not in made_by_docker_in_etc
    }
