"""The registry as a store that machines share: entries found, brought and published by key.

An entry is used only where all of it is right (see `entry`); one that is not is told in a line
and counts as a miss. Where the registry does not answer, that is told once, and local work goes
on. Who may write to the registry decides what all run: docs/sharing.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from buildlib.engine.protocol import any_of
from buildlib.errors import ActionError, BuildError
from buildlib.keys.record import KeyRecord
from buildlib.model.output import Output
from buildlib.model.settings import Settings
from buildlib.model.target import ELSEWHERE, Target
from buildlib.registry.protocol import Descriptor, Manifest
from buildlib.sharing.entry import EMPTY, Entry, Invalid, encode
from buildlib.sharing.parallel import at_once
from buildlib.sharing.shelf import ASKING, STORE, Shelf
from buildlib.store import names
from buildlib.store.content import ContentStore
from buildlib.store.records import Record, Records

if TYPE_CHECKING:
    from buildlib.engine.protocol import Engine, ImageInfo
    from buildlib.engine.transfer import Carrier, Observe
    from buildlib.registry.protocol import Registry


_PATIENCE = 30.0
"""Seconds that a build waits for what the registry has; then it goes on without it."""
_WORTH = 1.0
"""Seconds from which on a file is not made again but brought."""


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
        carrier: Carrier | None = None,
        quick: Registry | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._shelf = Shelf(registry, settings, platform)
        self._quick = Shelf(quick or registry, settings, platform)
        self._records = records
        self._store = store
        self._warn = warn
        self._clock = clock
        self._carrier = carrier
        self._down = False

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
            looked = at_once(
                lambda each: _try(self._quick, *each), wanted, threads=ASKING, patience=_PATIENCE
            )
        except BuildError as error:
            return self._without(error.what, error.fix)
        except TimeoutError:
            return self._without(f"{self._registry.host} has not answered in {_PATIENCE:.0f} s")
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

    def _without(self, what: str, fix: str | None = None) -> dict[str, Entry]:
        """Go on without the registry from now on, and say so."""
        self._down = True
        end = f"\n  fix: {fix}" if fix else ""
        self._warn(f"warning: {what}; going on without the shared store{end}")
        return {}

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

    def history(self, target: Target, *, limit: int = 50) -> list[Entry]:
        """The records of a target that the registry has, the youngest first.

        What they name is not looked at: they are for comparing keys (`why --against`). Records
        that cannot be read are left out.

        Args:
            target: The target.
            limit: How many records are read at most.

        Raises:
            RegistryUnavailable: It does not answer.
            ActionError: It refuses.
        """
        return self._shelf.history(target, limit=limit)

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
        if entry.image_id:
            output = self._bring_image(entry, engine, observe)
        else:
            output = self._bring_files(entry, observe)
        for record in entry.records.values():
            self._records.put_parts(record)
        own = entry.records[entry.key]
        self._records.put(own, output, entry.seconds, label=entry.label)
        return output

    def _bring_image(self, entry: Entry, engine: Engine, observe: Observe) -> Output:
        reference = f"{entry.repository}@{entry.digest}"
        image = any_of(engine, entry.image_id, entry.digest)
        if image is None:
            self._moving.pull(reference, platform=entry.platform, observe=observe)
            image = any_of(engine, entry.image_id, entry.digest)
        if image is None:
            engine.untag(reference)  # nobody else would remove it
            raise ActionError(
                f"{reference} was pulled, and is not the image {entry.image_id[:19]}",
                fix=f"docker pull {reference}",
            )
        engine.tag(image.id, f"{entry.repository}:{names.key_tag(entry.key)}")
        return Output(image.id, identity=entry.image_id)

    def _bring_files(self, entry: Entry, observe: Observe) -> Output:
        done = 0
        path = self._shelf.path(entry.repository)
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

    @property
    def _moving(self) -> Carrier:
        if self._carrier is None:
            from buildlib.engine import transfer

            self._carrier = transfer
        return self._carrier

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
        is returned. Its image may be another than that of `output` where a build is not
        reproducible: compare identities. What the registry tells of the image's is recorded.

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
        there, wrong = _try(self._shelf, target, record)
        if there is not None:
            return there
        if wrong:
            self._warn(
                f"warning: {target.label} in {self._registry.host} is replaced"
                f" (key {record.key[:12]}): {wrong}"
            )
        kept = self._records.get(record.key)
        repository = self._shelf.repository(target)
        path = self._shelf.path(repository)
        entry = Entry(
            label=str(target.label),
            key=record.key,
            image_id=output.identity or output.image,
            digest="",
            size=sum(made.size for made in output.files.values()),
            files=output.files,
            pushed=int(self._clock()),
            seconds=kept.seconds if kept else 0.0,
            repository=repository,
            records={each.key: each for each in closure},
        )
        subject = None
        if output.image:
            built = (output.image, *(kept.images if kept else ()))
            image, here = self._push(entry, built, engine, observe)
            identity = image.config.digest
            self._records.identify(record.key, here.id, identity)
            entry = entry._replace(
                image_id=identity, digest=image.digest, size=image.size, platform=here.platform
            )
            subject = Descriptor(image.media_type, image.digest, len(image.data))
        else:
            self._upload(target, entry, observe)
        manifest, data = encode(entry, subject)
        self._registry.put_blob(path, EMPTY)
        self._registry.put_blob(path, data)
        self._registry.put_manifest(path, names.record_tag(record.key), manifest)
        return self._settled(target, record)

    def _push(
        self, entry: Entry, built: Sequence[str], engine: Engine, observe: Observe
    ) -> tuple[Manifest, ImageInfo]:
        """Push that of the images built for a key which the engine has, under the key's tag.

        Returns:
            The manifest it got, and what the engine says of it.
        """
        content = f"{entry.repository}:{names.key_tag(entry.key)}"
        image = any_of(engine, *built)
        if image is None:
            raise ActionError(
                f"the image of {entry.label} is gone from the engine",
                fix=f"./doitw build {entry.label}",
            )
        engine.tag(image.id, content)
        digest = self._moving.push(content, observe=observe)
        path = self._shelf.path(entry.repository)
        manifest = self._registry.manifest(path, digest)
        # What the engine calls the image is either digest, as its store has it.
        if manifest is None or image.id not in (manifest.config.digest, manifest.digest):
            what = manifest.config.digest[:19] if manifest else "nothing"
            raise ActionError(
                f"{content} was pushed as {image.id[:19]}, and the registry has {what}",
                fix=f"./doitw push {entry.label}",
            )
        return manifest, image

    def _upload(self, target: Target, entry: Entry, observe: Observe) -> None:
        """Upload the files of a target, each read once more: what leaves here must be right."""
        done = 0
        path = self._shelf.path(entry.repository)
        for name, made in entry.files.items():
            if not self._store.verify(made.sha256, what=f"{name} of {entry.label}"):
                raise ActionError(
                    f"{name} of {entry.label} is not in the content store as it was made",
                    fix=f"./doitw {target.rule.verb} {entry.label} && ./doitw push {entry.label}",
                )
            self._registry.put_file(path, self._store.path(made.sha256), f"sha256:{made.sha256}")
            done += made.size
            observe(done, entry.size)

    def _settled(self, target: Target, record: KeyRecord) -> Entry:
        """The entry as it is in the registry after it was put.

        Two who publish one key at once may leave the tag of one and the record of the other: the
        record counts, and the tag is put where it says.
        """
        path = self._shelf.path(self._shelf.repository(target))
        found = None
        try:
            found = self._shelf.read(self._shelf.repository(target), names.record_tag(record.key))
            if found is not None and found.image_id:
                self.put_tag(path, names.key_tag(record.key), found.digest)
            found = self._shelf.look(target, record)
        except Invalid as wrong:
            raise self._not_kept(target, str(wrong)) from None
        if found is None:
            raise self._not_kept(target, "its record is gone")
        return found

    def _not_kept(self, target: Target, wrong: str) -> ActionError:
        return ActionError(
            f"{self._registry.host} took {target.label} and did not keep it: {wrong}",
            fix=f"./doitw push {target.label}",
        )

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
        path = self._shelf.path(repository)
        if self._registry.head(path, tag) == digest:
            return False
        manifest = self._registry.manifest(path, digest)
        if manifest is None:
            raise ActionError(f"{self._registry.host}/{path} has no {digest}", fix="./doitw push")
        self._registry.put_manifest(path, tag, manifest)
        return True


def _try(shelf: Shelf, target: Target, wanted: KeyRecord) -> tuple[Entry | None, str]:
    """The entry of a target, or what is wrong with the one that is there."""
    try:
        return shelf.look(target, wanted), ""
    except Invalid as wrong:
        return None, str(wrong)


def is_shared(target: Target, record: Record | None) -> bool:
    """Whether a target is worth the way to a registry and back.

    What comes from elsewhere is not: it is had from there, and not ours to hand on.

    Args:
        target: The target.
        record: When it was made the last time; None where that is not known here.
    """
    if not target.rule.is_built or target.rule.origin == ELSEWHERE:
        return False
    return target.rule.is_image or record is None or record.seconds >= _WORTH
