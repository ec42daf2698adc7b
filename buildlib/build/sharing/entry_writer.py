"""Publish what was built for one key: blobs, then tags, then the record.

The order makes a publication complete or a cache miss: without its record, nobody uses the rest.
The first writer wins. `transfers` runs several at once, and shows their progress.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from buildlib.build.sharing.entry import Entry, Invalid, encode
from buildlib.build.sharing.entry_reader import EntryReader
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.output import Output
from buildlib.core.model.target import Target
from buildlib.core.store import names
from buildlib.core.store.content import ContentStore
from buildlib.core.store.records import Records
from buildlib.engine.protocol import Engine, first_image
from buildlib.engine.transfer import ImageTransport, Observe
from buildlib.errors import ActionError
from buildlib.outside.registry import artifact
from buildlib.outside.registry.protocol import Descriptor, Registry


class BuiltTarget(NamedTuple):
    """What was built for a key, to be published.

    Attributes:
        record: Its key record.
        output: An image must be in the engine.
        closure: The key record and all below it: `Keys.closure`.
    """

    target: Target
    record: KeyRecord
    output: Output
    closure: Sequence[KeyRecord]


class EntryWriter(NamedTuple):
    """Puts entries of one organisation into one registry. Safe for several threads.

    Attributes:
        reader: Reads the same entries.
        warn: Takes a line about an entry that is replaced.
        clock: Seconds since 1970.
    """

    reader: EntryReader
    records: Records
    store: ContentStore
    transport: ImageTransport
    warn: Callable[[str], None]
    clock: Callable[[], float]

    @property
    def registry(self) -> Registry:
        return self.reader.registry

    def publish(self, built: BuiltTarget, engine: Engine, observe: Observe) -> Entry:
        """Publish what was built for a key; returns the entry that counts.

        The first writer wins: a valid entry stays as it is, and is returned. Its image may differ
        from that of `built` where a build is not reproducible: compare identities. The image's
        identity in the registry is recorded. For files, no engine is asked.
        """
        target, record = built.target, built.record
        try:
            existing = self.reader.valid(target, record)
        except Invalid as error:
            existing = None
            self.warn(
                f"warning: {target.label} in {self.registry.host} is replaced"
                f" (key {record.key[:12]}): {error}"
            )
        if existing is not None:
            return existing
        local = self.records.get(record.key)
        repository = self.reader.repository(target)
        path = self.reader.path(repository)
        entry = Entry(
            label=str(target.label),
            key=record.key,
            image_id=built.output.identity or built.output.image,
            digest="",
            size=sum(file.size for file in built.output.files.values()),
            files=built.output.files,
            pushed=int(self.clock()),
            seconds=local.seconds if local else 0.0,
            repository=repository,
            records={each.key: each for each in built.closure},
        )
        subject = None
        if built.output.image:
            images = (built.output.image, *(local.images if local else ()))
            entry, subject = self._push(entry, images, engine, observe)
        else:
            self._upload(target, entry, observe)
        manifest, data = encode(entry, subject)
        self.registry.put_blob(path, artifact.EMPTY)
        self.registry.put_blob(path, data)
        self.registry.put_manifest(path, names.record_tag(record.key), manifest)
        return self._read_back(target, record)

    def _push(
        self, entry: Entry, images: Sequence[str], engine: Engine, observe: Observe
    ) -> tuple[Entry, Descriptor]:
        """Push the image of a key that the engine has, under the key's tag.

        Returns:
            The entry with the registry's digests, and a descriptor of the image's manifest.
        """
        content = f"{entry.repository}:{names.key_tag(entry.key)}"
        image = first_image(engine, *images)
        if image is None:
            raise ActionError(
                f"the image of {entry.label} is gone from the engine",
                fix=f"./doitw build {entry.label}",
            )
        engine.tag(image.id, content)
        digest = self.transport.push(content, observe=observe)
        manifest = self.registry.manifest(self.reader.path(entry.repository), digest)
        # The engine's id is one of the two digests; which one depends on its store.
        if manifest is None or image.id not in (manifest.config.digest, manifest.digest):
            what = manifest.config.digest[:19] if manifest else "nothing"
            raise ActionError(
                f"{content} was pushed as {image.id[:19]}, and the registry has {what}",
                fix=f"./doitw push {entry.label}",
            )
        identity = manifest.config.digest
        self.records.identify(entry.key, image.id, identity)
        entry = entry._replace(
            image_id=identity, digest=manifest.digest, size=manifest.size, platform=image.platform
        )
        return entry, Descriptor(manifest.media_type, manifest.digest, len(manifest.data))

    def _upload(self, target: Target, entry: Entry, observe: Observe) -> None:
        """Upload the files of a target, each verified by reading it once more."""
        done = 0
        path = self.reader.path(entry.repository)
        for name, file in entry.files.items():
            if not self.store.verify(file.sha256, what=f"{name} of {entry.label}"):
                raise ActionError(
                    f"{name} of {entry.label} is not in the content store as it was made",
                    fix=f"./doitw {target.rule.verb} {entry.label} && ./doitw push {entry.label}",
                )
            self.registry.put_file(path, self.store.path(file.sha256), f"sha256:{file.sha256}")
            done += file.size
            observe(done, entry.size)

    def _read_back(self, target: Target, record: KeyRecord) -> Entry:
        """Return the entry as the registry has it after the upload.

        Two builds that publish one key at once may leave the tag of one and the record of the
        other: the record counts, and the tag is moved to its image.
        """
        repository = self.reader.repository(target)
        reason = "its record is gone"
        try:
            entry = self.reader.read(repository, names.record_tag(record.key))
            if entry is not None:
                if entry.image_id:
                    self.put_tag(repository, names.key_tag(record.key), entry.digest)
                self.reader.check(entry, target, record)
                return entry
        except Invalid as error:
            reason = str(error)
        raise ActionError(
            f"{self.registry.host} took {target.label} and did not keep it: {reason}",
            fix=f"./doitw push {target.label}",
        )

    def put_tag(self, repository: str, tag: str, digest: str) -> bool:
        """Put a tag on a manifest of the repository; False where it is there already.

        A tag on another manifest is moved. `repository` is as `names.repository` gives it, with or
        without the registry's host.
        """
        path = self.reader.path(repository)
        if self.registry.head(path, tag) == digest:
            return False
        manifest = self.registry.manifest(path, digest)
        if manifest is None:
            raise ActionError(f"{self.registry.host}/{path} has no {digest}", fix="./doitw push")
        self.registry.put_manifest(path, tag, manifest)
        return True
