"""Choosing what a release ships: for each image, one build of its key.

A key stands for one content, but engines write the time into images, so two machines have two
image IDs for one key. The build that was proved has to ship: the registry's if it has one (first
writer wins), else that of this engine. Answers of the registry are kept for the run, until a step
changes them; the engine is asked each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from buildlib.build.sharing import transfers
from buildlib.build.sharing.entry import Entry
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import HERE, image_name
from buildlib.core.store import names
from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import RegistryUnavailable
from buildlib.shipping.releasing.model import names_of


class Choice(NamedTuple):
    """The build of an image that ships.

    Attributes:
        key: Its key, for the release.
        image_id: The digest of its configuration; empty if it is not built yet.
        digest: Of its manifest; empty if unknown.
        size: Bytes to transfer if the registry has it, else bytes of its file system.
        in_engine: Whether the engine has this very build.
        stamped: Whether its key changes with the version, so it is built for the release.
        entry: The entry of the registry; None if it has none.
    """

    key: str
    image_id: str
    digest: str
    size: int
    in_engine: bool
    stamped: bool
    entry: Entry | None


class Chooser:
    """Compares a workspace in two channels, under development and as the release.

    Args:
        dev: In the channel in which the images were proved.
        final: In the channel of the release.
    """

    def __init__(self, dev: Workspace, final: Workspace) -> None:
        self._dev = dev
        self._final = final
        self._entries: dict[Label, Entry | None] = {}
        """Answers of the registry so far; None: it lacks the image."""

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
        """The buildable targets whose key changes with the version."""
        buildable = self._final.resolve((), verb="build")
        return [label for label in buildable if self.is_stamped(label)]

    @cached_property
    def stamped_images(self) -> list[Label]:
        """The released images whose key changes with the version."""
        return [label for label in self.images if self.is_stamped(label)]

    def is_stamped(self, label: Label) -> bool:
        """Whether the key of a target changes with the version, by itself or by a dependency."""
        ref = Reference(label)
        return self._dev.keys.key(ref) != self._final.keys.key(ref)

    def choices(self, *, stamped: bool | None = None) -> dict[Label, Choice]:
        """The build that would ship now, for each released image.

        Args:
            stamped: Only of images whose key changes with the version, or only of the others.
        """
        final = self._final
        self._ask_registry()
        keys = {label: final.keys.key(Reference(label)) for label in self.images}
        tags = {
            label: names.content_tag(final.settings, image_name(final.graph[label]), key)
            for label, key in keys.items()
        }
        images = final.presence(list(tags.values())) or {}
        choices: dict[Label, Choice] = {}
        for label, key in keys.items():
            image, record = images.get(tags[label]), final.records.get(key)
            choice = Choice(key, "", "", 0, True, self.is_stamped(label), None)
            if image and record and image.id in record.images:
                identity = record.identities.get(image.id, image.id)
                digest = "" if identity == image.id else image.id
                choice = choice._replace(image_id=identity, digest=digest, size=image.size)
            entry = self._entries.get(label)
            if entry is not None:
                choice = choice._replace(
                    image_id=entry.image_id,
                    digest=entry.digest,
                    size=entry.size,
                    in_engine=bool(names_of(entry) & names_of(choice)),
                    entry=entry,
                )
            if stamped in (None, choice.stamped):
                choices[label] = choice
        return choices

    def _ask_registry(self) -> None:
        """Ask the registry for images that it was not asked for yet."""
        unknown = [label for label in self.images if label not in self._entries]
        shared = self._final.shared_store
        if shared is None or not unknown:
            return
        entries = transfers.find(shared, self._final.view, unknown)
        if shared.is_down:  # a build goes on without it; a release must not guess
            raise RegistryUnavailable(
                f"{self._final.settings.registry} cannot be asked, and a release goes there",
                fix="release again when it does, or with REGISTRY= for a local release",
            )
        self._entries |= {label: entries.get(label) for label in unknown}

    def note(self, entries: Mapping[Label, Entry]) -> None:
        """Record entries of the registry, after images were published."""
        self._entries.update(entries)

    def forget(self, labels: Iterable[Label]) -> None:
        """Drop answers of the registry: the images were built, and maybe published."""
        for label in labels:
            self._entries.pop(label, None)


def refuse_missing(choices: Mapping[Label, Choice]) -> None:
    """Refuse a release that lacks images; it builds nothing but what it stamps."""
    missing = [label for label, choice in choices.items() if not choice.image_id]
    if missing:
        which = f"{missing[0]} is"
        if len(missing) > 1:
            which = f"{missing[0]} and {len(missing) - 1} more are"
        raise ActionError(
            f"{which} not built as it is declared now; a release rebuilds nothing",
            fix="./doitw build && ./doitw verify",
        )
