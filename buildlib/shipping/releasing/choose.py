"""What a release would ship: for each image, one build of its key.

A key stands for one content, but engines write the time into images, so two machines have two
image IDs for one key. What ships is what was proved: where the registry has a build already, that
one (first writer wins), else the one of this engine. What the registry was asked once is remembered
for the run, until a step changes it; the engine is asked again each time.
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


class Chooser:
    """Looks at one workspace in two channels: as it is developed, and as it is released.

    Args:
        dev: In the channel in which its images were proved.
        final: The same in the channel of the release.
    """

    def __init__(self, dev: Workspace, final: Workspace) -> None:
        self._dev = dev
        self._final = final
        self._entries: dict[Label, Entry | None] = {}
        """What the registry has, of the images that it was asked for."""

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

    @cached_property
    def stamped_images(self) -> list[Label]:
        """Of the images that are released, those that carry its name."""
        return [label for label in self.images if self.is_stamped(label)]

    def is_stamped(self, label: Label) -> bool:
        """Whether a target carries the version, itself or by what is in it."""
        ref = Reference(label)
        return self._dev.keys.key(ref) != self._final.keys.key(ref)

    def choices(self) -> dict[Label, Choice]:
        """What would ship now, for each image that is released."""
        final = self._final
        self._ask()
        keys = {label: final.keys.key(Reference(label)) for label in self.images}
        tags = {
            label: names.content_tag(final.settings, image_name(final.graph[label]), key)
            for label, key in keys.items()
        }
        there = final.presence(list(tags.values())) or {}
        found: dict[Label, Choice] = {}
        for label, key in keys.items():
            image, made = there.get(tags[label]), final.records.get(key)
            ours = Choice(key, "", "", 0, True, None)
            if image and made and image.id in made.images:
                identity = made.identities.get(image.id, image.id)
                digest = "" if identity == image.id else image.id
                ours = ours._replace(image_id=identity, digest=digest, size=image.size)
            entry = self._entries.get(label)
            if entry is not None:
                theirs = Choice(key, entry.image_id, entry.digest, entry.size, True, entry)
                found[label] = theirs._replace(here=bool(names_of(theirs) & names_of(ours)))
            else:
                found[label] = ours
        return found

    def _ask(self) -> None:
        """Ask the registry for the images that it was not asked for yet."""
        unknown = [label for label in self.images if label not in self._entries]
        shared = self._final.sharing
        if shared is None or not unknown:
            return
        found = transfers.find(shared, self._final.view, unknown)
        if shared.is_down:  # a build goes on without it; a release must not guess
            raise RegistryUnavailable(
                f"{self._final.settings.registry} cannot be asked, and a release goes there",
                fix="release again when it does, or with REGISTRY= for a local release",
            )
        self._entries |= {label: found.get(label) for label in unknown}

    def note(self, entries: Mapping[Label, Entry]) -> None:
        """Take note of what the registry has of some images, after they were published."""
        self._entries.update(entries)

    def forget(self, labels: Iterable[Label]) -> None:
        """Ask the registry for some images anew: they were built, and may have been published."""
        for label in labels:
            self._entries.pop(label, None)


def refuse_missing(choices: Mapping[Label, Choice], labels: Iterable[Label]) -> None:
    """Refuse a release that lacks images; it builds nothing but what it stamps."""
    missing = [label for label in labels if not choices[label].image_id]
    if missing:
        which = f"{missing[0]} is"
        if len(missing) > 1:
            which = f"{missing[0]} and {len(missing) - 1} more are"
        raise ActionError(
            f"{which} not built as it is declared now; a release rebuilds nothing",
            fix="./doitw build && ./doitw verify",
        )
