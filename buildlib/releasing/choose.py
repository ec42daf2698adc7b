"""What a release would ship: for each image, one build of its key, and what that build passed.

A key stands for one content, but engines write the time into images, so two machines have two
image IDs for one key. What ships is what was proved: where the registry has a build already, that
one (first writer wins), else the one of this engine; and a proof counts only if its report names
the very image that ships.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from buildlib.errors import ActionError
from buildlib.model.label import Label, Reference
from buildlib.model.target import HERE, Target, image_name
from buildlib.registry.protocol import RegistryUnavailable
from buildlib.releasing.attest import has_run
from buildlib.releasing.model import Proof
from buildlib.rules.kernel_check import REPORT
from buildlib.store import names

if TYPE_CHECKING:
    from buildlib.keys.record import KeyRecord
    from buildlib.sharing.entry import Entry
    from buildlib.workspace import Workspace


class Choice(NamedTuple):
    """The build of an image that ships.

    Attributes:
        key: Its key, for the release.
        image_id: Its identity, the digest of its configuration; empty where there is none yet.
        digest: Of its manifest; empty where that is not known.
        size: Bytes: to be transferred where the registry has it, else of its file system.
        here: Whether the engine has this very build.
        entry: What the registry has; None where it has nothing.
    """

    key: str
    image_id: str
    digest: str
    size: int
    here: bool
    entry: Entry | None

    @property
    def names(self) -> set[str]:
        """By what it is known: two builds that share a name are one image."""
        return {self.image_id, self.digest} - {""}


class Chooser:
    """Looks at one workspace in two channels: as it is developed, and as it is released.

    Args:
        dev: In the channel in which its images were proved.
        final: The same in the channel of the release.
    """

    def __init__(self, dev: Workspace, final: Workspace) -> None:
        self._dev = dev
        self._final = final

    @cached_property
    def images(self) -> list[Label]:
        """The images that are released, parents first."""
        graph, left_out = self._final.graph, self._final.left_out
        return [
            label
            for label in graph.order
            if graph[label].rule.is_image
            and graph[label].rule.origin == HERE
            and not graph[label].internal
            and label not in left_out
        ]

    @cached_property
    def stamped(self) -> list[Label]:
        """The targets to be built whose key is another one in the release: they carry its name."""
        wanted = self._final.resolve((), verb="build")
        return [label for label in wanted if self.is_stamped(label)]

    def is_stamped(self, label: Label) -> bool:
        """Whether a target carries the version, itself or by what is in it."""
        ref = Reference(label)
        return self._dev.keys.key(ref) != self._final.keys.key(ref)

    def choices(self) -> dict[Label, Choice]:
        """What would ship now, for each image that is released."""
        final = self._final
        records = {label: final.keys.record(Reference(label)) for label in self.images}
        entries: Mapping[str, Entry] = {}
        if final.sharing is not None:
            entries = final.sharing.find([(final.graph[at], records[at]) for at in self.images])
            if final.sharing.is_down:  # a build goes on without it; a release must not guess
                raise RegistryUnavailable(
                    f"{final.settings.registry} cannot be asked, and a release goes there",
                    fix="release again when it does, or with REGISTRY= for a local release",
                )
        tags = {
            label: names.content_tag(
                final.settings, image_name(final.graph[label]), records[label].key
            )
            for label in self.images
        }
        there = final.presence(list(tags.values())) or {}
        found: dict[Label, Choice] = {}
        for label in self.images:
            key = records[label].key
            entry, image, made = entries.get(key), there.get(tags[label]), final.records.get(key)
            ours = Choice(key, "", "", 0, True, None)
            if image and made and image.id in made.images:
                identity = made.identities.get(image.id, image.id)
                digest = "" if identity == image.id else image.id
                ours = ours._replace(image_id=identity, digest=digest, size=image.size)
            if entry is not None:
                theirs = Choice(key, entry.image_id, entry.digest, entry.size, True, entry)
                found[label] = theirs._replace(here=bool(theirs.names & ours.names))
            else:
                found[label] = ours
        return found

    def checks_of(self, label: Label) -> list[Label]:
        """The proofs of an image, of those that exist in this flavour."""
        return [
            check
            for check in self._final.graph.checks.get(label, ())
            if check not in self._final.left_out
        ]

    def proofs(self, choices: Mapping[Label, Choice]) -> tuple[list[Proof], list[Label]]:
        """The proofs of what would ship, and the proofs that are still to be made.

        What does not carry the version was proved as it was developed; what does must be proved
        as it ships.

        Args:
            choices: What would ship.
        """
        found: list[Proof] = []
        missing: list[Label] = []
        wanted = [
            (image, check, self._final if self.is_stamped(image) else self._dev)
            for image in choices
            for check in self.checks_of(image)
        ]
        for image, check, workspace in wanted:
            record = workspace.keys.record(Reference(check))
            report = self._report(workspace, workspace.graph[check], record, choices[image])
            if report is None:
                missing.append(check)
            else:
                found.append(Proof(check, image, record.key, report))
        return found, missing

    def _report(
        self, workspace: Workspace, check: Target, record: KeyRecord, choice: Choice
    ) -> Mapping[str, Any] | None:
        """The report of a proof of this very build: the one kept here, or the registry's."""
        report = _kept(workspace, record.key)
        if report is not None and has_run(report, choice.names):
            return report
        if workspace.sharing is None:
            return None
        entry = workspace.sharing.find([(check, record)]).get(record.key)
        if entry is None:
            return None
        from buildlib.engine.transfer import unobserved

        workspace.sharing.bring(entry, workspace.engine, unobserved)
        report = _kept(workspace, record.key)
        return report if report is not None and has_run(report, choice.names) else None


def _kept(workspace: Workspace, key: str) -> Mapping[str, Any] | None:
    """The report of a proof that is in this machine's store."""
    record = workspace.records.get(key)
    made = record.files.get(REPORT) if record else None
    if made is None or not workspace.store.verify(made.sha256, what="the report of a proof"):
        return None
    try:
        with open(workspace.store.path(made.sha256), "rb") as file:
            report = json.load(file)
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) and report.get("verdict") == "works" else None


def refuse_missing(choices: Mapping[Label, Choice], labels: Iterable[Label]) -> None:
    """Refuse a release of images that are not there; a release builds nothing but what it stamps.

    Args:
        choices: What would ship.
        labels: Images that must be there.

    Raises:
        ActionError: One is neither in the engine nor in the registry.
    """
    missing = [label for label in labels if not choices[label].image_id]
    if missing:
        which = f"{missing[0]} is"
        if len(missing) > 1:
            which = f"{missing[0]} and {len(missing) - 1} more are"
        raise ActionError(
            f"{which} not built as it is declared now; a release rebuilds nothing",
            fix="./doitw build && ./doitw verify",
        )
