"""Pins of Debian packages: the root file system's by our resolver, an image's by apt itself.

A root file system has no apt yet that could be asked, so its packages are resolved here, from
lists whose signature and checksums hold. An image's list is resolved by the apt of its parent, in
a throw-away container of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from buildlib.debian.apt import lock_packages
from buildlib.debian.archive import Archive, read_archive
from buildlib.debian.package import DebPackage
from buildlib.debian.resolve import minimal_system
from buildlib.errors import InputError
from buildlib.lock.web import get
from buildlib.model.label import Label
from buildlib.model.lock import Entry, Item
from buildlib.model.target import ELSEWHERE, Pin, Target
from buildlib.workspace import SUITE, Workspace

Say = Callable[[str], None]


class Archives:
    """The Debian archive as it is now; read once, when first asked for.

    Args:
        workspace: For the mirror.
        say: Takes warnings.
    """

    def __init__(self, workspace: Workspace, say: Say) -> None:
        self._workspace = workspace
        self._say = say
        self._read: dict[str, Archive] = {}

    def archive(self, arch: str) -> Archive:
        """The newest candidate of each package.

        Args:
            arch: Debian's name of an architecture; it is Docker's, too, for amd64 and arm64.

        Raises:
            ActionError: The mirror does not answer, or a signature does not hold.
        """
        if arch in self._read:
            return self._read[arch]
        mirror = self._workspace.settings.network.apt
        found = self._read[arch] = read_archive(lambda path: get(f"{mirror}/{path}"), arch=arch)
        for suite in found.expired:
            self._say(f"warning: {suite} of {mirror} is past its Valid-Until: is it a live mirror?")
        return found


def rootfs_entry(archives: Archives, target: Target, pin: Pin) -> Entry:
    """The packages of a minimal system with some more.

    Args:
        archives: What Debian offers.
        target: The `rootfs`, for its platform.
        pin: What the declaration asks for.
    """
    arch = target.platform.split("/")[1]
    return _entry(pin, minimal_system(archives.archive(arch).candidates, pin.asked))


def apt_entry(workspace: Workspace, target: Target, pin: Pin, say: Say) -> Entry:
    """What apt would add to the target's parent.

    The parent is built first if it is not there; it is all the engine needs.
    """
    below = list(workspace.graph.parents(target))
    parent = below[0].label
    image = _built(workspace, parent, say)
    mirror = workspace.settings.network.apt

    def run(script: str) -> str:
        return workspace.engine.run(image, script, network="default", user="root")

    if below[-1].rule.origin == ELSEWHERE:
        _refuse_other_systems(run("cat /etc/os-release"), parent)
    ca = ""
    if mirror.startswith("https://"):
        import os

        from buildlib.engine.secrets import find_ca

        bundle = find_ca(os.environ)
        if bundle:
            with open(bundle, encoding="utf-8") as file:
                ca = file.read()
    return _entry(pin, lock_packages(pin.asked, run, mirror=mirror, ca=ca))


def _refuse_other_systems(release: str, image: Label) -> None:
    """Refuse to mix packages of our suite into another distribution or another Debian.

    Args:
        release: The image's /etc/os-release (os-release(5)).
        image: For the message.
    """
    if f"VERSION_CODENAME={SUITE}" not in release.split():
        name = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
        raise InputError(
            f"{image} is {name[1] if name else 'no Debian'}, which takes no packages of {SUITE}",
            fix="remove apt, or give it to the flavour debian only: "
            'apt = select({"debian": […], "docker-stacks": []})',
        )


def _built(workspace: Workspace, label: Label, say: Say) -> str:
    """The content tag of a target's image, after it was brought up to date."""
    from buildlib.execution.session import Session, build_in_order
    from buildlib.model.label import Reference
    from buildlib.model.target import image_name
    from buildlib.store import names

    session = Session(workspace, say=say)
    if session.start([label]).steps:
        say(f"building {label}, whose packages count")
        build_in_order(session)
    key = workspace.keys.key(Reference(label))
    return names.content_tag(workspace.settings, image_name(workspace.graph[label]), key)


def _entry(pin: Pin, packages: Iterable[DebPackage]) -> Entry:
    items = {
        package.name: Item(package.version, package.sha256, package.size, package.path)
        for package in packages
    }
    return Entry(pin.asked, items)
