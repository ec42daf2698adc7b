"""The registry as a store that machines share: entries found, brought and published by key.

An entry is used only where all of it is right (see `entry`); one that is not is told in a line
and counts as a miss. Where the registry does not answer, that is told once, and local work goes
on. Who may write to the registry decides what all run: docs/sharing.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from buildlib.keys.record import KeyRecord
from buildlib.model.output import Output
from buildlib.model.settings import Settings
from buildlib.model.target import Target
from buildlib.sharing.entry import Entry
from buildlib.store.content import ContentStore
from buildlib.store.records import Records

if TYPE_CHECKING:
    from buildlib.engine.protocol import Engine
    from buildlib.engine.transfer import Carrier, Observe
    from buildlib.registry.protocol import Registry


class SharedStore:
    """Entries of one organisation in one registry. Safe for several threads.

    Args:
        registry: The registry of the settings.
        settings: Names of images.
        records: Where records of this machine are.
        store: Where files of this machine are.
        platform: What images are built for, where a target does not say.
        warn: Takes a line about an entry that is not used, or a registry that does not answer.
        clock: Seconds since 1970.
        carrier: Moves images; `buildlib.engine.transfer` when None.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        records: Records,
        store: ContentStore,
        *,
        platform: str,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        carrier: Carrier | None = None,
    ) -> None:
        raise NotImplementedError

    def find(self, wanted: Sequence[tuple[Target, KeyRecord]]) -> dict[str, Entry]:
        """What the registry has for some keys.

        Args:
            wanted: Targets with their key records.

        Returns:
            Key -> entry, of those that are valid. Where the registry does not answer (in time),
            that is told once, and this and all later answers are empty.
        """
        raise NotImplementedError

    def history(self, target: Target, *, limit: int = 50) -> list[Entry]:
        """The records of a target that the registry has, the youngest first.

        What they name is not looked at: they are for comparing keys (`why --against`). Records
        that cannot be read are left out.

        Args:
            target: The target.
            limit: How many records are read at most; which ones is not defined, since a
                registry lists tags by name.

        Raises:
            RegistryUnavailable: It does not answer.
            ActionError: It refuses.
        """
        raise NotImplementedError

    def bring(self, entry: Entry, engine: Engine, observe: Observe) -> Output:
        """Bring what an entry names to this machine, and record it.

        An image gets its content tag, no other. Files go into the content store.

        Args:
            entry: As `find` gave it.
            engine: Where an image goes; not asked for files.
            observe: Told bytes done, and in total.

        Raises:
            ActionError: It cannot be brought, or is not what the entry says; nothing is recorded.
            EngineUnavailable: No engine answers.
        """
        raise NotImplementedError

    def publish(
        self,
        target: Target,
        record: KeyRecord,
        output: Output,
        closure: Iterable[KeyRecord],
        engine: Engine,
        observe: Observe,
    ) -> Entry:
        """Put what was built for a key into the registry: blobs, then names, then the record.

        The first writer wins: where a valid entry is there, nothing is changed, and that entry
        is returned. Its image may be another than `output.image` where a build is not
        reproducible: compare `image_id`.

        Args:
            target: The target.
            record: Its key record.
            output: What was built; an image must be in the engine.
            closure: The key record and all below it: `Keys.closure`.
            engine: Where the image is; not asked for files.
            observe: Told bytes done, and in total.

        Raises:
            RegistryUnavailable: The registry does not answer.
            ActionError: It refuses, or does not keep what it was given.
            EngineUnavailable: No engine answers.
        """
        raise NotImplementedError

    def put_tag(self, repository: str, tag: str, digest: str) -> bool:
        """Put a tag on a manifest that is in the repository; an existing tag is moved.

        Args:
            repository: As `names.repository` gives it; the registry's host may be left out.
            tag: The tag.
            digest: The manifest.

        Returns:
            Whether the tag was put; False where it is there already.

        Raises:
            ActionError: There is no such manifest, or the registry refuses.
        """
        raise NotImplementedError
