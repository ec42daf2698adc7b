"""The registry as a store that machines share: entries found, pulled and published by key.

An entry is used only where all of it is right (see `entry`); one that is not is told in a line
and counts as a miss. Where the registry does not answer, that is told once, and local work goes
on. Who may write to the registry decides what all run: docs/sharing.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from buildlib.build.sharing.entry import Entry, Invalid
from buildlib.build.sharing.reader import ASKING, STORE, EntryReader
from buildlib.build.sharing.writer import BuiltTarget, EntryWriter
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.output import Output
from buildlib.core.model.settings import Settings
from buildlib.core.model.target import HERE, Target
from buildlib.core.store import names
from buildlib.core.store.content import ContentStore
from buildlib.core.store.records import Record, Records
from buildlib.engine.protocol import first_image
from buildlib.errors import ActionError, BuildError
from buildlib.parallel import map_threads

if TYPE_CHECKING:
    from buildlib.engine.protocol import Engine, ImageInfo
    from buildlib.engine.transfer import ImageTransport, Observe
    from buildlib.outside.registry.protocol import Registry


_PATIENCE = 30.0
"""Seconds that a build waits for what the registry has; then it goes on without it."""
_WORTH_SECONDS = 1.0
"""Seconds from which on a file is not made again but pulled."""


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
        transport: Moves images; `buildlib.engine.transfer` when None.
        quick: The registry through a client of little patience, for what a build can do without;
            the same as `registry` when None.
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
        transport: ImageTransport | None = None,
        quick: Registry | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._reader = EntryReader(registry, settings, platform)
        self._quick = EntryReader(quick or registry, settings, platform)
        self._writer = EntryWriter(self._reader, records, store, self._transport, warn, clock)
        self._records = records
        self._store = store
        self._warn = warn
        self._given_transport = transport
        self._down = False

    def _transport(self) -> ImageTransport:
        """What moves images."""
        if self._given_transport is None:
            from buildlib.engine import transfer

            self._given_transport = transfer
        return self._given_transport

    # -- finding ---------------------------------------------------------------------------------

    @property
    def is_down(self) -> bool:
        """Whether the registry did not answer, so that what was found is not all there is."""
        return self._down

    def find(self, wanted: Sequence[tuple[Target, KeyRecord]]) -> dict[str, Entry]:
        """What the registry has for some keys.

        Args:
            wanted: Targets with their key records.

        Returns:
            Key -> entry, of those that are valid. Where the registry does not answer (in time),
            that is told once, and this and all later answers are empty.
        """
        if self._down or not wanted:
            return {}
        try:
            looked = map_threads(
                lambda each: _valid_or_reason(self._quick, *each),
                wanted,
                threads=ASKING,
                timeout=_PATIENCE,
            )
        except BuildError as error:
            return self._go_on_without(error.what, error.fix)
        except TimeoutError:
            return self._go_on_without(
                f"{self._registry.host} has not answered in {_PATIENCE:.0f} s"
            )
        found = {}
        for (target, record), (entry, wrong) in zip(wanted, looked, strict=True):
            if entry is not None:
                found[record.key] = entry
            elif wrong:
                self._warn(
                    f"warning: {target.label} in {self._registry.host} is not used"
                    f" (key {record.key[:12]}): {wrong}"
                )
        return found

    def _go_on_without(self, what: str, fix: str | None = None) -> dict[str, Entry]:
        """Go on without the registry from now on, and say so."""
        self._down = True
        end = f"\n  fix: {fix}" if fix else ""
        self._warn(f"warning: {what}; going on without the shared store{end}")
        return {}

    def history(self, target: Target, *, limit: int = 50) -> list[Entry]:
        """The records of a target that the registry has; see `EntryReader.history`."""
        return self._reader.history(target, limit=limit)

    # -- pulling ---------------------------------------------------------------------------------

    def pull(self, entry: Entry, engine: Engine, observe: Observe) -> Output:
        """Have what an entry names on this machine, and record it.

        An image gets its content tag, no other. Files go into the content store.

        Args:
            entry: As `find` gave it.
            engine: Where an image goes; not asked for files.
            observe: Told bytes done, and in total.

        Raises:
            ActionError: It cannot be pulled, or is not what the entry says; nothing is recorded.
            EngineUnavailable: No engine answers.
        """
        if entry.image_id:
            reference = f"{entry.repository}@{entry.digest}"
            image = self.pull_image(reference, entry.image_id, engine, observe, entry.platform)
            engine.tag(image.id, f"{entry.repository}:{names.key_tag(entry.key)}")
            output = Output(image.id, identity=entry.image_id)
        else:
            output = self._pull_files(entry, observe)
        for record in entry.records.values():
            self._records.put_parts(record)
        own = entry.records[entry.key]
        self._records.put(own, output, entry.seconds, label=entry.label)
        return output

    def pull_image(
        self, reference: str, image_id: str, engine: Engine, observe: Observe, platform: str = ""
    ) -> ImageInfo:
        """Have an image in the engine, by its digest; one that is there is not pulled again.

        Args:
            reference: `host/name@sha256:…`.
            image_id: Its identity, which is checked.
            engine: Where it goes.
            observe: Told bytes done, and in total.
            platform: Such as `linux/amd64`; that of the engine when empty.

        Raises:
            ActionError: It cannot be pulled, or has another identity.
            EngineUnavailable: No engine answers.
        """
        digest = reference.partition("@")[2]
        image = first_image(engine, image_id, digest)
        if image is None:
            self._transport().pull(reference, platform=platform, observe=observe)
            image = first_image(engine, image_id, digest)
        if image is None:
            engine.untag(reference)  # nobody else would remove it
            raise ActionError(
                f"{reference} was pulled, and is not the image {image_id[:19]}",
                fix=f"docker pull {reference}",
            )
        return image

    def _pull_files(self, entry: Entry, observe: Observe) -> Output:
        done = 0
        path = self._reader.path(entry.repository)
        for name, made in entry.files.items():
            if not self._store.check(made.sha256, made.size, what=f"{name} of {entry.label}"):
                with self._store.writer() as out:
                    for piece in self._registry.read_blob(path, f"sha256:{made.sha256}"):
                        out.write(piece)
                        done += len(piece)
                        observe(done, entry.size)
                    out.commit(made.sha256, what=f"{name} of {entry.label}")
            elif made.size:
                done += made.size
                observe(done, entry.size)
        return Output("", entry.files)

    # -- publishing ------------------------------------------------------------------------------

    def try_writing(self) -> None:
        """Have the registry take something small, as a publication will.

        It is another blob each time: of one that is there a registry takes nothing, and nobody
        would be refused. No manifest names it, so the registry's garbage collection removes it.

        Raises:
            RegistryUnavailable: It does not answer.
            ActionError: It refuses.
        """
        store = names.repository(self._settings, STORE)
        self._quick.registry.put_blob(self._quick.path(store), os.urandom(16))

    def publish(self, made: BuiltTarget, engine: Engine, observe: Observe) -> Entry:
        """Put what was built for a key into the registry.

        The first writer wins: where a valid entry is there, nothing is changed, and that entry
        is returned. Its image may be another than that of `made` where a build is not
        reproducible: compare identities. What the registry tells of the image's is recorded.

        Args:
            made: What was built.
            engine: Where the image is; not asked for files.
            observe: Told bytes done, and in total.

        Raises:
            RegistryUnavailable: The registry does not answer.
            ActionError: It refuses, or does not keep what it was given.
            EngineUnavailable: No engine answers.
        """
        return self._writer.publish(made, engine, observe)

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
        return self._writer.put_tag(repository, tag, digest)


def _valid_or_reason(
    reader: EntryReader, target: Target, wanted: KeyRecord
) -> tuple[Entry | None, str]:
    """The entry of a target, or what is wrong with the one that is there."""
    try:
        return reader.valid(target, wanted), ""
    except Invalid as wrong:
        return None, str(wrong)


def may_be_shared(target: Target) -> bool:
    """Whether a target may be in a shared store: what is made by itself, and here.

    What comes from elsewhere is had from there, and not ours to hand on.
    """
    return target.rule.is_built and target.rule.origin == HERE


def is_worth_sharing(target: Target, record: Record | None) -> bool:
    """Whether a target is worth the way to a registry and back.

    Args:
        target: The target.
        record: When it was made the last time; None where that is not known here.
    """
    if not may_be_shared(target):
        return False
    return target.rule.is_image or record is None or record.seconds >= _WORTH_SECONDS
