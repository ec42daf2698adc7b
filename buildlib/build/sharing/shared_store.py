"""The registry as a store that machines share: entries found, pulled and published by key.

Only an entry that is right in all its parts is used (see `entry`); any other costs a warning and is
a cache miss. A registry that does not answer costs one warning, and local work goes on. Who may
write to the registry decides what all others run: docs/sharing.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from buildlib.build.sharing.entry import Entry, Invalid
from buildlib.build.sharing.entry_reader import REQUESTS, STORE, EntryReader
from buildlib.build.sharing.entry_writer import EntryWriter
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.output import Output
from buildlib.core.model.settings import Settings
from buildlib.core.model.target import HERE, Target
from buildlib.core.store import names
from buildlib.core.store.content import ContentStore
from buildlib.core.store.records import Record, Records
from buildlib.engine import transfer
from buildlib.engine.protocol import Engine, ImageInfo, first_image
from buildlib.engine.transfer import ImageTransport, Observe
from buildlib.errors import ActionError, BuildError
from buildlib.outside.registry.protocol import Registry
from buildlib.parallel import map_threads

_TIMEOUT = 30.0
"""Seconds that a build waits for the registry's answers; then it goes on without them."""
_WORTH_SECONDS = 1.0
"""Build time from which on a file is pulled and not built again."""


class SharedStore:
    """Entries of one organisation in one registry. Safe for several threads.

    Where methods raise, it is `RegistryUnavailable` when the registry does not answer,
    `ActionError` when it refuses, and `EngineUnavailable` when no engine answers.

    Args:
        settings: Say how images are named.
        platform: The platform of images whose target names none.
        warn: Takes a line about an entry that is not used, or a registry that does not answer.
        transport: Moves images; `buildlib.engine.transfer` when None.
        quick: The registry through a client that gives up soon, for what a build can do without;
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
        self.reader = EntryReader(registry, settings, platform)
        self._quick = EntryReader(quick or registry, settings, platform)
        self._transport = transport or transfer
        self.writer = EntryWriter(self.reader, records, store, self._transport, warn, clock)
        self._records = records
        self._store = store
        self._warn = warn
        self.is_down = False
        """Whether the registry did not answer, so that `find` may have missed entries."""

    # -- finding ---------------------------------------------------------------------------------

    def find(self, targets: Sequence[tuple[Target, KeyRecord]]) -> dict[str, Entry]:
        """Return the valid entries for some targets at their keys, by key.

        Where the registry does not answer (in time), one warning says so, and this and all later
        answers are empty.
        """
        if self.is_down or not targets:
            return {}
        try:
            answers = map_threads(self._look, targets, threads=REQUESTS, timeout=_TIMEOUT)
        except BuildError as error:
            return self._go_on_without(error.what, error.fix)
        except TimeoutError:
            return self._go_on_without(
                f"{self.reader.registry.host} has not answered in {_TIMEOUT:.0f} s"
            )
        entries = {}
        for (target, record), answer in zip(targets, answers, strict=True):
            if isinstance(answer, Entry):
                entries[record.key] = answer
            elif answer is not None:
                self._warn(
                    f"warning: {target.label} in {self.reader.registry.host} is not used"
                    f" (key {record.key[:12]}): {answer}"
                )
        return entries

    def _look(self, target: tuple[Target, KeyRecord]) -> Entry | Invalid | None:
        try:
            return self._quick.valid(*target)
        except Invalid as error:
            return error

    def _go_on_without(self, what: str, fix: str | None = None) -> dict[str, Entry]:
        """Ask the registry no more, and say so."""
        self.is_down = True
        end = f"\n  fix: {fix}" if fix else ""
        self._warn(f"warning: {what}; going on without the shared store{end}")
        return {}

    # -- pulling ---------------------------------------------------------------------------------

    def pull(self, entry: Entry, engine: Engine, observe: Observe) -> Output:
        """Pull what an entry of `find` names, and record it.

        An image gets its content tag, no other. Files go into the content store, and no engine is
        asked. If what came is not what the entry says, that is an `ActionError`, and nothing is
        recorded.
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
        """Pull an image by `host/name@sha256:…`, unless the engine has it.

        Another identity than `image_id` is an `ActionError`. The platform, such as `linux/amd64`,
        is that of the engine when empty.
        """
        digest = reference.partition("@")[2]
        image = first_image(engine, image_id, digest)
        if image is None:
            self._transport.pull(reference, platform=platform, observe=observe)
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
        path = self.reader.path(entry.repository)
        for name, file in entry.files.items():
            if not self._store.check(file.sha256, file.size, what=f"{name} of {entry.label}"):
                with self._store.writer() as out:
                    for piece in self.reader.registry.read_blob(path, f"sha256:{file.sha256}"):
                        out.write(piece)
                        done += len(piece)
                        observe(done, entry.size)
                    out.commit(file.sha256, what=f"{name} of {entry.label}")
            elif file.size:
                done += file.size
                observe(done, entry.size)
        return Output("", entry.files)

    # -- publishing ------------------------------------------------------------------------------

    def try_writing(self) -> None:
        """Upload something small, to learn whether the registry would take a publication.

        The blob is new each time, since a registry takes one that it has without a check of rights.
        No manifest names it, so the registry's garbage collection removes it.
        """
        store = names.repository(self.reader.settings, STORE)
        self._quick.registry.put_blob(self._quick.path(store), os.urandom(16))


def may_be_shared(target: Target) -> bool:
    """Whether a target may be in a shared store: it is built on its own, and here.

    Whoever wants an image from elsewhere gets it from there; it is not ours to hand on.
    """
    return target.rule.is_built and target.rule.origin == HERE


def is_worth_sharing(target: Target, record: Record | None) -> bool:
    """Whether a target is worth its transfer: images, and files that take longer to make.

    `record` is that of its last build; None where this machine knows none.
    """
    if not may_be_shared(target):
        return False
    return target.rule.is_image or record is None or record.seconds >= _WORTH_SECONDS
