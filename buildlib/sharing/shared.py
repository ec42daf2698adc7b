"""The registry as a store that machines share: entries found, brought and published by key.

An entry is used only where all of it is right (see `entry`); one that is not is told in a line
and counts as a miss. Where the registry does not answer, that is told once, and local work goes
on. Who may write to the registry decides what all run: docs/sharing.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from buildlib.errors import ActionError, BuildError
from buildlib.keys.record import KeyRecord
from buildlib.model.output import Output
from buildlib.model.settings import Settings
from buildlib.model.target import Target, image_name
from buildlib.registry.protocol import Descriptor, Manifest, RegistryUnavailable
from buildlib.sharing.entry import (
    EMPTY,
    LARGEST,
    Entry,
    Invalid,
    check_asked,
    check_image,
    check_platform,
    decode,
    encode,
    noted,
    record_layer,
)
from buildlib.sharing.entry import closure as closure_of
from buildlib.sharing.parallel import at_once
from buildlib.store import names
from buildlib.store.content import ContentStore
from buildlib.store.records import Record, Records

if TYPE_CHECKING:
    from buildlib.engine.protocol import Engine
    from buildlib.engine.transfer import Carrier, Observe
    from buildlib.registry.protocol import Registry


STORE = "store"
"""Repository, below the organisation, of what is no image."""
_RECORD = "record-"
_ASKING = 8
"""Questions to the registry at a time."""
_PATIENCE = 30.0
"""Seconds that a build waits for what the registry has; then it goes on without it."""
_LISTED = 500
"""Records of one repository that are looked at for a comparison."""
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
        self._registry = registry
        self._settings = settings
        self._records = records
        self._store = store
        self._platform = platform
        self._warn = warn
        self._clock = clock
        self._carrier = carrier
        self._down = False

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
            looked = at_once(self._try, wanted, threads=_ASKING, patience=_PATIENCE)
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

    def _try(self, wanted: tuple[Target, KeyRecord]) -> tuple[Entry | None, str]:
        """The entry of a target, or what is wrong with the one that is there."""
        try:
            return self._look(*wanted), ""
        except Invalid as wrong:
            return None, str(wrong)

    def _look(self, target: Target, wanted: KeyRecord) -> Entry | None:
        """The entry of a target; None where there is none.

        Raises:
            Invalid: There is one, and it cannot be used.
            RegistryUnavailable: The registry does not answer.
            ActionError: It refuses.
        """
        entry = self._read(self._repository(target), _record_tag(wanted.key))
        if entry is None:
            return None
        check_asked(entry, wanted)
        path = self._path(entry.repository)
        if entry.image_id:
            if target.rule.product != "image":
                raise Invalid("its record is that of an image")
            check_platform(entry, str(target.attrs.get("platform") or self._platform))
            tagged = self._registry.head(path, _key_tag(entry.key))
            image = self._manifest(path, entry.digest) if tagged == entry.digest else None
            check_image(entry, tagged, image, self._config(path, image))
            missing = [blob.digest for blob in (image.blobs if image else ())]
        else:
            missing = [f"sha256:{made.sha256}" for made in entry.files.values()]
        for digest in dict.fromkeys(missing):
            if not self._registry.has_blob(path, digest):
                raise Invalid(f"its blob {digest[:19]} is gone")
        return entry

    def _read(self, repository: str, reference: str) -> Entry | None:
        """A record, checked as far as it goes by itself; None where there is none."""
        path = self._path(repository)
        manifest = self._manifest(path, reference)
        if manifest is None:
            return None
        layer = record_layer(manifest)
        return decode(manifest, self._small(path, layer, "record"), repository)

    def _manifest(self, path: str, reference: str) -> Manifest | None:
        try:
            return self._registry.manifest(path, reference)
        except RegistryUnavailable:
            raise
        except ActionError as error:
            raise Invalid(f"its manifest cannot be had: {error.what}") from None

    def _config(self, path: str, image: Manifest | None) -> bytes:
        """The configuration of an image; empty where it cannot be had."""
        try:
            return self._small(path, image.config, "configuration") if image else b""
        except ActionError as error:
            if isinstance(error, RegistryUnavailable):
                raise
            return b""

    def _small(self, path: str, blob: Descriptor, what: str) -> bytes:
        """A small blob, whole."""
        if not self._registry.has_blob(path, blob.digest):
            raise Invalid(f"its {what} is gone")
        data = b""
        try:
            for piece in self._registry.read_blob(path, blob.digest):
                data += piece
                if len(data) > LARGEST:
                    raise Invalid(f"its {what} is larger than any real one")
        except RegistryUnavailable:
            raise
        except ActionError as error:
            raise Invalid(f"its {what} cannot be had: {error.what}") from None
        return data

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
        repository = self._repository(target)
        path = self._path(repository)
        tags = [tag for tag in self._registry.tags(path) if tag.startswith(_RECORD)]

        def read(tag: str) -> tuple[str, str, str]:
            try:
                manifest = self._manifest(path, tag)
            except Invalid:
                manifest = None
            return (*noted(manifest), tag) if manifest else ("", "", tag)

        def entry(tag: str) -> Entry | None:
            try:
                return self._read(repository, tag)
            except Invalid:
                return None

        # What lies in the repository of files is of all targets: whose is in the annotations.
        ours = [
            (created, tag)
            for created, label, tag in at_once(read, tags[:_LISTED], threads=_ASKING)
            if label == str(target.label) or (label and target.rule.product == "image")
        ]
        youngest = [tag for _, tag in sorted(ours, reverse=True)[:limit]]
        found = at_once(entry, youngest, threads=_ASKING)
        return [each for each in found if each is not None]

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
        if engine.inspect([entry.image_id])[entry.image_id] is None:
            self._moving.pull(reference, platform=entry.platform, observe=observe)
            if engine.inspect([entry.image_id])[entry.image_id] is None:
                raise ActionError(
                    f"{reference} was pulled, and is not the image {entry.image_id[:19]}",
                    fix=f"docker pull {reference}",
                )
        engine.tag(entry.image_id, f"{entry.repository}:{_key_tag(entry.key)}")
        return Output(entry.image_id)

    def _bring_files(self, entry: Entry, observe: Observe) -> Output:
        done = 0
        path = self._path(entry.repository)
        for name, made in entry.files.items():
            if not self._store.has(made.sha256, made.size):
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
        there, wrong = self._try((target, record))
        if there is not None:
            return there
        if wrong:
            self._warn(
                f"warning: {target.label} in {self._registry.host} is replaced"
                f" (key {record.key[:12]}): {wrong}"
            )
        kept = self._records.get(record.key)
        repository = self._repository(target)
        path = self._path(repository)
        entry = Entry(
            label=str(target.label),
            key=record.key,
            image_id=output.image,
            digest="",
            size=sum(made.size for made in output.files.values()),
            files=output.files,
            pushed=int(self._clock()),
            seconds=kept.seconds if kept else 0.0,
            repository=repository,
            records=closure_of(closure),
        )
        subject = None
        if output.image:
            image, platform = self._push(entry, engine, observe)
            entry = entry._replace(digest=image.digest, size=image.size, platform=platform)
            subject = Descriptor(image.media_type, image.digest, len(image.data))
        else:
            self._upload(entry, observe)
        manifest, data = encode(entry, subject)
        self._registry.put_blob(path, EMPTY)
        self._registry.put_blob(path, data)
        self._registry.put_manifest(path, _record_tag(record.key), manifest)
        return self._settled(target, record)

    def _push(self, entry: Entry, engine: Engine, observe: Observe) -> tuple[Manifest, str]:
        """Push an image under its key's tag; the manifest it got, and its platform."""
        content = f"{entry.repository}:{_key_tag(entry.key)}"
        found = engine.inspect([content, entry.image_id])
        image, tagged = found[entry.image_id], found[content]
        if image is None:
            raise ActionError(
                f"the image of {entry.label} is gone from the engine",
                fix=f"./doitw build {entry.label}",
            )
        if tagged is None or tagged.id != image.id:
            engine.tag(image.id, content)
        digest = self._moving.push(content, observe=observe)
        path = self._path(entry.repository)
        manifest = self._registry.manifest(path, digest)
        if manifest is None or manifest.config.digest != entry.image_id:
            what = manifest.config.digest[:19] if manifest else "nothing"
            raise ActionError(
                f"{content} was pushed as {entry.image_id[:19]}, and the registry has {what}",
                fix=f"./doitw push {entry.label}",
            )
        return manifest, image.platform

    def _upload(self, entry: Entry, observe: Observe) -> None:
        """Upload the files of a target."""
        done = 0
        path = self._path(entry.repository)
        for made in entry.files.values():
            self._registry.put_file(path, self._store.path(made.sha256), f"sha256:{made.sha256}")
            done += made.size
            observe(done, entry.size)

    def _settled(self, target: Target, record: KeyRecord) -> Entry:
        """The entry as it is in the registry after it was put.

        Two who publish one key at once may leave the tag of one and the record of the other: the
        record counts, and the tag is put where it says.
        """
        path = self._path(self._repository(target))
        found = None
        try:
            found = self._read(self._repository(target), _record_tag(record.key))
            if found is not None and found.image_id:
                self.put_tag(path, _key_tag(record.key), found.digest)
            found = self._look(target, record)
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
        path = self._path(repository)
        if self._registry.head(path, tag) == digest:
            return False
        manifest = self._registry.manifest(path, digest)
        if manifest is None:
            raise ActionError(f"{self._registry.host}/{path} has no {digest}", fix="./doitw push")
        self._registry.put_manifest(path, tag, manifest)
        return True

    def _repository(self, target: Target) -> str:
        """Where a target's entries are, as `names.repository` gives it."""
        if target.rule.product == "image":
            return names.repository(self._settings, image_name(target))
        return names.repository(self._settings, STORE)

    def _path(self, repository: str) -> str:
        """A repository without the registry's host."""
        return repository.removeprefix(f"{self._registry.host}/")


def is_shared(target: Target, record: Record) -> bool:
    """Whether a target that was built is worth the way to a registry and back."""
    return target.rule.product != "none" and (
        target.rule.product == "image" or record.seconds >= _WORTH
    )


def _key_tag(key: str) -> str:
    return f"key-{key[:32]}"


def _record_tag(key: str) -> str:
    return f"{_RECORD}{key[:32]}"
