"""What was built for one key, put into the registry: blobs, then names, then the record.

The order makes a publication whole or a miss: without its record, nobody uses what lies there. The
first writer wins. Knows nothing of several at once, nor how far a transfer is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from buildlib.build.sharing.entry import Entry, Invalid, encode
from buildlib.build.sharing.reader import EntryReader
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.output import Output
from buildlib.core.model.target import Target
from buildlib.core.store import names
from buildlib.core.store.content import ContentStore
from buildlib.core.store.records import Record, Records
from buildlib.engine.protocol import first_image
from buildlib.errors import ActionError
from buildlib.outside.registry import artifact
from buildlib.outside.registry.protocol import Descriptor, Manifest

if TYPE_CHECKING:
    from buildlib.engine.protocol import Engine, ImageInfo
    from buildlib.engine.transfer import ImageTransport, Observe


class BuiltTarget(NamedTuple):
    """What was built for a key, to be published.

    Attributes:
        target: The target.
        record: Its key record.
        output: What was built; an image must be in the engine.
        closure: The key record and all below it: `Keys.closure`.
    """

    target: Target
    record: KeyRecord
    output: Output
    closure: Sequence[KeyRecord]


class EntryWriter:
    """Puts entries of one organisation into one registry. Safe for several threads.

    Args:
        reader: The same entries, for reading.
        records: Where records of this machine are.
        store: Where files of this machine are.
        transport: Moves images.
        warn: Takes a line about an entry that is replaced.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        reader: EntryReader,
        records: Records,
        store: ContentStore,
        transport: Callable[[], ImageTransport],
        warn: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._registry = reader.registry
        self._records = records
        self._store = store
        self._transport = transport
        self._warn = warn
        self._clock = clock

    def publish(self, made: BuiltTarget, engine: Engine, observe: Observe) -> Entry:
        """See `SharedStore.publish`."""
        target, record = made.target, made.record
        try:
            there = self._reader.valid(target, record)
        except Invalid as wrong:
            there = None
            self._warn(
                f"warning: {target.label} in {self._registry.host} is replaced"
                f" (key {record.key[:12]}): {wrong}"
            )
        if there is not None:
            return there
        kept = self._records.get(record.key)
        repository = self._reader.repository(target)
        path = self._reader.path(repository)
        entry = Entry(
            label=str(target.label),
            key=record.key,
            image_id=made.output.identity or made.output.image,
            digest="",
            size=sum(file.size for file in made.output.files.values()),
            files=made.output.files,
            pushed=int(self._clock()),
            seconds=kept.seconds if kept else 0.0,
            repository=repository,
            records={each.key: each for each in made.closure},
        )
        subject = None
        if made.output.image:
            entry, subject = self._push(entry, made.output, kept, engine, observe)
        else:
            self._upload(target, entry, observe)
        manifest, data = encode(entry, subject)
        self._registry.put_blob(path, artifact.EMPTY)
        self._registry.put_blob(path, data)
        self._registry.put_manifest(path, names.record_tag(record.key), manifest)
        return self._read_back(target, record)

    def _push(
        self, entry: Entry, output: Output, kept: Record | None, engine: Engine, observe: Observe
    ) -> tuple[Entry, Descriptor]:
        """Push that of the images built for a key which the engine has, under the key's tag.

        Returns:
            The entry with what the registry made of the image, and the image's manifest.
        """
        image, here = self._pushed(
            entry, (output.image, *(kept.images if kept else ())), engine, observe
        )
        identity = image.config.digest
        self._records.identify(entry.key, here.id, identity)
        entry = entry._replace(
            image_id=identity, digest=image.digest, size=image.size, platform=here.platform
        )
        return entry, Descriptor(image.media_type, image.digest, len(image.data))

    def _pushed(
        self, entry: Entry, built: Sequence[str], engine: Engine, observe: Observe
    ) -> tuple[Manifest, ImageInfo]:
        """Push the image; the manifest it got, and what the engine says of it."""
        content = f"{entry.repository}:{names.key_tag(entry.key)}"
        image = first_image(engine, *built)
        if image is None:
            raise ActionError(
                f"the image of {entry.label} is gone from the engine",
                fix=f"./doitw build {entry.label}",
            )
        engine.tag(image.id, content)
        digest = self._transport().push(content, observe=observe)
        manifest = self._registry.manifest(self._reader.path(entry.repository), digest)
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
        path = self._reader.path(entry.repository)
        for name, made in entry.files.items():
            if not self._store.verify(made.sha256, what=f"{name} of {entry.label}"):
                raise ActionError(
                    f"{name} of {entry.label} is not in the content store as it was made",
                    fix=f"./doitw {target.rule.verb} {entry.label} && ./doitw push {entry.label}",
                )
            self._registry.put_file(path, self._store.path(made.sha256), f"sha256:{made.sha256}")
            done += made.size
            observe(done, entry.size)

    def _read_back(self, target: Target, record: KeyRecord) -> Entry:
        """The entry as it is in the registry after it was put.

        Two who publish one key at once may leave the tag of one and the record of the other: the
        record counts, and the tag is put where it says.
        """
        repository = self._reader.repository(target)
        wrong = "its record is gone"
        try:
            found = self._reader.read(repository, names.record_tag(record.key))
            if found is not None:
                if found.image_id:
                    self.put_tag(repository, names.key_tag(record.key), found.digest)
                self._reader.check(found, target, record)
                return found
        except Invalid as error:
            wrong = str(error)
        raise ActionError(
            f"{self._registry.host} took {target.label} and did not keep it: {wrong}",
            fix=f"./doitw push {target.label}",
        )

    def put_tag(self, repository: str, tag: str, digest: str) -> bool:
        """See `SharedStore.put_tag`."""
        path = self._reader.path(repository)
        if self._registry.head(path, tag) == digest:
            return False
        manifest = self._registry.manifest(path, digest)
        if manifest is None:
            raise ActionError(f"{self._registry.host}/{path} has no {digest}", fix="./doitw push")
        self._registry.put_manifest(path, tag, manifest)
        return True
