"""Pins of Debian packages, resolved by apt in throw-away containers.

An image's packages are resolved in its parent, since the parent's packages count. A root file
system has no parent: any Debian image will do, for its apt and its archive keys.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cached_property

from buildlib.build.workspace import SUITE, Workspace
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.lock import Entry
from buildlib.core.model.target import ELSEWHERE, Pin, Target, image_name
from buildlib.core.store import names
from buildlib.engine.mirror import mirrored
from buildlib.errors import ActionError, EngineUnavailable, InputError
from buildlib.outside.debian.apt import (
    UNREAD,
    Archive,
    packages_script,
    parse_answer,
    system_script,
)
from buildlib.outside.fetch.failures import NotServed

Say = Callable[[str], None]

OFFICIAL = f"debian:{SUITE}-slim"
"""Debian's own image, used where there is no image of a root file system yet."""
_CA = "/buildlib-ca.pem"
"""Path of this machine's CA bundle in a container."""


class Apt:
    """Runs apt for the entries of one run of `lock`.

    Args:
        say: Takes lines of progress and warnings.
        image: The image to resolve root file systems in; by default it is found.
    """

    def __init__(self, workspace: Workspace, say: Say, *, image: str = "") -> None:
        self._workspace = workspace
        self._say = say
        self._image = image
        self._warned: set[str] = set()

    def rootfs_entry(self, target: Target, pin: Pin) -> Entry:
        """Resolve a minimal Debian system with the packages that the declaration adds.

        Raises:
            InputError: A package does not exist.
            ActionError: No Debian image is at hand; apt fails, as where a signature does not hold.
        """
        # Docker and Debian call amd64 and arm64 the same.
        arch = target.platform.split("/")[1]
        script = system_script(pin.asked, self._archive, arch=arch)
        return self._entry(pin, self._run(self._apt_image(target), script))

    def apt_entry(self, target: Target, pin: Pin) -> Entry:
        """Resolve what apt would add to the target's parent, which is built if the engine lacks it.

        Raises:
            InputError: A package does not exist, or the parent is no Debian of our suite.
            ActionError: apt fails, as where a signature does not hold.
        """
        below = list(self._workspace.graph.parents(target))
        parent = below[0].label
        image = self._built(parent, "whose packages count")
        if below[-1].rule.origin == ELSEWHERE:
            _refuse_other_systems(self._run(image, "cat /etc/os-release"), parent)
        return self._entry(pin, self._run(image, packages_script(pin.asked, self._archive)))

    def _apt_image(self, target: Target) -> str:
        """Return the image whose apt resolves a root file system.

        It is the one that was named; else the root file system's own, as the engine has it or as
        the present lock makes it. Where the lock makes none (it is new, was made for another
        request, or names what is no longer served), it is Debian's official one.
        """
        self._workspace.outside.ensure_engine()
        if self._image:
            return self._pulled(self._image)
        settings = self._workspace.settings
        tags = self._workspace.engine.tags(f"{names.repository(settings, image_name(target))}:*")
        if tags:
            return min(tags)
        try:
            return self._built(target.label, "whose apt is asked")
        except (InputError, NotServed):
            official = mirrored(OFFICIAL, settings.network.images)
        self._say(
            f"warning: {target.label} is not in the engine, and the present lock does not make it;"
            f" asking the apt of {official}"
        )
        try:
            return self._pulled(official)
        except EngineUnavailable:
            raise
        except ActionError as error:
            raise ActionError(
                f"no Debian image is at hand whose apt could resolve {target.label}",
                detail=error.what,
                fix=f"./doitw lock rootfs {target.label} --image IMAGE  # any Debian you have",
            ) from None

    def _pulled(self, reference: str) -> str:
        """Pull an image if the engine lacks it; return its reference."""
        if self._workspace.engine.inspect([reference])[reference] is None:
            from buildlib.engine import transfer

            self._say(f"pulling {reference}")
            (self._workspace.outside.transport or transfer).pull(reference)
        return reference

    def _built(self, label: Label, why: str) -> str:
        """Bring a target's image up to date; return its content tag."""
        from buildlib.build.execution.session import Session, build_in_order

        workspace = self._workspace
        session = Session(workspace, say=self._say)
        if session.start([label]).steps:
            self._say(f"building {label}, {why}")
            build_in_order(session)
        key = workspace.keys.key(Reference(label))
        return names.content_tag(workspace.settings, image_name(workspace.graph[label]), key)

    def _run(self, image: str, script: str) -> str:
        files = [(_CA, self._certificates)] if self._certificates else []
        try:
            return self._workspace.engine.run(
                image, script, network="default", files=files, user="root"
            )
        except ActionError as error:
            if UNREAD in (error.detail or ""):
                error.fix = 'set apt = "http://MIRROR" in [tool.buildlib.network] of pyproject.toml'
            raise

    def _entry(self, pin: Pin, output: str) -> Entry:
        mirror = self._archive.mirror
        answer = parse_answer(output, mirror)
        for suite in answer.expired:
            if suite not in self._warned:
                self._warned.add(suite)
                self._say(
                    f"warning: {suite} of {mirror} is past its Valid-Until: is it a live mirror?"
                )
        return Entry(pin.asked, answer.packages)

    @cached_property
    def _archive(self) -> Archive:
        return Archive(self._workspace.settings.network.apt, ca=_CA if self._certificates else "")

    @cached_property
    def _certificates(self) -> bytes:
        """The CA bundle, in PEM, for an https mirror; empty where the image's own will do."""
        from buildlib.outside.web.trust import find_ca

        mirror = self._workspace.settings.network.apt
        bundle = find_ca(os.environ) if mirror.startswith("https://") else ""
        if not bundle:
            return b""
        with open(bundle, "rb") as file:
            return file.read()


def _refuse_other_systems(release: str, image: Label) -> None:
    """Refuse to mix packages of our suite into another distribution or another Debian.

    `release` is the image's /etc/os-release (os-release(5)).
    """
    if f"VERSION_CODENAME={SUITE}" not in release.split():
        name = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
        raise InputError(
            f"{image} is {name[1] if name else 'no Debian'}, which takes no packages of {SUITE}",
            fix="remove apt, or give it to the flavour debian only: "
            'apt = select({"debian": […], "docker-stacks": []})',
        )
