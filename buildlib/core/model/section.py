"""The sections of images.lock: one for each way in which something comes from outside."""

from __future__ import annotations

from typing import NamedTuple

DEBIAN, INDEX, ADDRESS, REGISTRY = "debian", "index", "address", "registry"
"""Where things come from: an archive of Debian, a package index, addresses, a registry."""


class Section(NamedTuple):
    """A section.

    Attributes:
        name: What it is called in the lock, and by people.
        source: Where its items come from: `DEBIAN`, `INDEX`, `ADDRESS` or `REGISTRY`.
        folder: Where its files lie in a build context; empty for one in which they are not laid.
        resolved: Its entries follow from what the target stands on, too, and not from what it asks
            for alone.
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
        """What the file of an item is called.

        Args:
            name: The item's name: that of a package, or of the file itself.
            where: Where it is found; a package has its file's name there.
        """
        return where.rpartition("/")[2] if self.source == DEBIAN else name


ROOTFS = Section("rootfs", DEBIAN, resolved=True)
APT = Section("apt", DEBIAN, folder="apt", resolved=True)
PYTHON = Section("python", INDEX, folder="wheels", resolved=True)
IMAGE = Section("image", REGISTRY)
DOWNLOAD = Section("download", ADDRESS)
SECTIONS = {section.name: section for section in (ROOTFS, APT, PYTHON, IMAGE, DOWNLOAD)}
"""By name, in the order in which they are made: each after those that it is resolved on."""
