"""The sections of images.lock: one for each kind of external input."""

from __future__ import annotations

from typing import NamedTuple

DEBIAN, INDEX, ADDRESS = "debian", "index", "address"
REPOSITORY, REGISTRY = "repository", "registry"
"""The sources: Debian's archive, a package index, addresses, a repository of Maven, a registry."""


class Section(NamedTuple):
    """A section.

    Attributes:
        name: Its name in the lock and on the command line.
        source: `DEBIAN`, `INDEX`, `ADDRESS`, `REPOSITORY` or `REGISTRY`.
        folder: Folder of its files in a build context; empty if they are not put there.
        resolved: Whether its entries depend on the target's parents, beside the request.
    """

    name: str
    source: str
    folder: str = ""
    resolved: bool = False

    @property
    def is_fetched(self) -> bool:
        """Whether its items are files in the content store; images are pulled instead."""
        return self.source != REGISTRY

    def file_name(self, name: str, where: str) -> str:
        """The file name of an item.

        Args:
            name: The item's name: that of a package, or of the file itself.
            where: Its location, which ends in the file name of a Debian package.
        """
        return where.rpartition("/")[2] if self.source == DEBIAN else name


ROOTFS = Section("rootfs", DEBIAN, resolved=True)
APT = Section("apt", DEBIAN, folder="apt", resolved=True)
PYTHON = Section("python", INDEX, folder="wheels", resolved=True)
IMAGE = Section("image", REGISTRY)
DOWNLOAD = Section("download", ADDRESS)
MAVEN = Section("maven", REPOSITORY)
SECTIONS = {section.name: section for section in (ROOTFS, APT, PYTHON, IMAGE, DOWNLOAD, MAVEN)}
"""By name, in the order in which they are made: each after those that it depends on."""
