"""A release under way: what all its steps need.

A run remembers answers of the registry (`Chooser`, `Proofs`). Nothing is kept from run to run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cached_property

from buildlib.build.sharing import transfers
from buildlib.build.sharing.released import RELEASES
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label
from buildlib.core.model.target import BASE, image_name
from buildlib.core.model.version import is_prerelease, next_development
from buildlib.core.store import names
from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import Registry
from buildlib.shipping.releasing import sign
from buildlib.shipping.releasing.choose import Choice, Chooser, refuse_missing
from buildlib.shipping.releasing.model import Release, ReleasedImage
from buildlib.shipping.releasing.preconditions import SourceCommit, check_git, refuse_other_keys
from buildlib.shipping.releasing.proofs import Proofs

LATEST = "latest"
"""Tag of the newest final release; pre-releases do not move it."""


class Run:
    """One release.

    Args:
        dev: The workspace under development.
        final: The workspace in the channel of the release.
        following: The next development version; empty for the usual one.
    """

    def __init__(self, dev: Workspace, final: Workspace, *, following: str = "") -> None:
        self.final = final
        self.version = final.version
        self.chooser = Chooser(dev, final)
        self.proofs = Proofs(dev, final)
        self._following = following
        self._is_of_commit = False

    @cached_property
    def registry(self) -> Registry | None:
        return self.final.registry

    @cached_property
    def signer(self) -> sign.Signer | None:
        """The signer; None if no key is configured."""
        return sign.signer(self.final.settings, os.environ, self.final.root)

    @property
    def signed(self) -> str:
        """What the release says of its signatures; opens the key."""
        return self.signer.describe() if self.signer else "unsigned: no key is configured"

    @property
    def following(self) -> str:
        return next_development(self.version, self._following)

    @property
    def folder(self) -> str:
        """Absolute path of the folder of its files."""
        return self.final.release_folder

    def path(self, repository: str) -> str:
        """A repository without the registry's host."""
        host = self.registry.host if self.registry is not None else ""
        return names.without_host(repository, host)

    @property
    def releases(self) -> str:
        """The repository of the indexes of releases, without the registry's host."""
        return self.path(names.repository(self.final.settings, RELEASES))

    # -- what ships ------------------------------------------------------------------------------

    def origin(self, warn: Callable[[str], None] | None = None) -> SourceCommit:
        """The commit that is released; refuses what `check_git` and `refuse_other_keys` refuse."""
        origin = check_git(self.final.root, self.version, following=self.following, warn=warn)
        if not self._is_of_commit:  # once: a run does not read the sources again
            refuse_other_keys(self.final, origin.commit)
            self._is_of_commit = True
        return origin

    def choices(self) -> dict[Label, Choice]:
        """The builds that ship; refuses a release that lacks one."""
        choices = self.chooser.choices()
        refuse_missing({label: each for label, each in choices.items() if not each.stamped})
        self.stamped()
        return choices

    def stamped(self) -> dict[Label, Choice]:
        """The builds that ship and carry the version; refuses if one is not built."""
        stamped = self.chooser.choices(stamped=True)
        for label, choice in stamped.items():
            if not choice.image_id:
                raise ActionError(
                    f"{label} does not carry {self.version} yet",
                    fix=f"./doitw release stamp VERSION={self.version}",
                )
        return stamped

    def pull(self, labels: Iterable[Label]) -> None:
        """Pull the published builds that ship and that the engine lacks."""
        shared, choices = self.final.shared_store, self.chooser.choices()
        entries = {label: choices[label].entry for label in labels if not choices[label].in_engine}
        published = {label: entry for label, entry in entries.items() if entry is not None}
        if shared is not None:
            transfers.pull(shared, published, self.final.engine)

    def release(self) -> Release:
        """The release as it ships; refuses one that lacks an image, a proof or a digest."""
        final, origin, choices = self.final, self.origin(), self.choices()
        for label, choice in choices.items():
            if self.registry is not None and choice.entry is None:
                raise ActionError(
                    f"{label} is not in the registry",
                    fix=f"./doitw release upload VERSION={self.version}",
                )
        return Release(
            self.version,
            final.settings.organization,
            final.settings.registry,
            origin.commit,
            origin.epoch,
            tuple(self.image(label, choice) for label, choice in choices.items()),
            tuple(self.proofs.required(choices)),
        )

    def image(self, label: Label, choice: Choice) -> ReleasedImage:
        target = self.final.graph[label]
        moved = () if is_prerelease(self.version) else (LATEST, *target.tags)
        base = next((dep.ref.label for dep in target.deps if dep.kind == BASE), None)
        return ReleasedImage(
            label,
            names.repository(self.final.settings, image_name(target)),
            (self.version, *moved),
            choice.digest,
            choice.image_id,
            choice.size,
            choice.key,
            image_name(self.final.graph[base]) if base else "",
            target.platform or self.final.settings.platform,
            choice.stamped,
        )
