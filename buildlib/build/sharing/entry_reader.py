"""Read entries of the registry, and doubt them: one at a time, and their history.

It writes nothing and asks no engine. A registry that does not answer is an error; an answer that
cannot be used is `Invalid`, with a message.
"""

from __future__ import annotations

from typing import NamedTuple

from buildlib.build.sharing.checks import check_image
from buildlib.build.sharing.entry import LABEL, LARGEST, Entry, Invalid, decode, record_layer
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.settings import Settings
from buildlib.core.model.target import Target, image_name
from buildlib.core.store import names
from buildlib.errors import ActionError
from buildlib.outside.registry import artifact
from buildlib.outside.registry.protocol import Descriptor, Manifest, Registry, RegistryUnavailable
from buildlib.parallel import map_threads

STORE = "store"
"""Repository, below the organisation, of entries without an image."""
REQUESTS = 8
"""Requests to the registry at a time."""
_LISTED = 500
"""Records of one repository that are read for a comparison, at most."""


class EntryReader(NamedTuple):
    """Reads the entries of one organisation in one registry.

    All methods raise `RegistryUnavailable` when it does not answer, and `ActionError` when it
    refuses.

    Attributes:
        settings: Say how images are named.
        platform: The platform of images whose target names none.
    """

    registry: Registry
    settings: Settings
    platform: str

    def repository(self, target: Target) -> str:
        """Return where a target's entries are, as `names.repository` gives it."""
        if target.rule.is_image:
            return names.repository(self.settings, image_name(target))
        return names.repository(self.settings, STORE)

    def path(self, repository: str) -> str:
        """Return a repository without the registry's host."""
        return names.without_host(repository, self.registry.host)

    def valid(self, target: Target, record: KeyRecord) -> Entry | None:
        """Return the entry of a target, checked with all it names; None where there is none.

        Raises:
            Invalid: There is one, and it cannot be used.
        """
        entry = self.read(self.repository(target), names.record_tag(record.key))
        if entry is not None:
            self.check(entry, target, record)
        return entry

    def check(self, entry: Entry, target: Target, record: KeyRecord) -> None:
        """Check an entry against target and key, and all that it names; raise `Invalid`."""
        if entry.key != record.key:
            raise Invalid(f"its record is that of another key, {entry.key[:12]} of {entry.label}")
        path = self.path(entry.repository)
        if bool(entry.image_id) != target.rule.is_image:
            raise Invalid(f"its record is that of {'an image' if entry.image_id else 'files'}")
        if entry.image_id:
            platform = target.platform or self.platform
            if entry.platform != platform:
                raise Invalid(f"its image is for {entry.platform}, not {platform}")
            tagged = self.registry.head(path, names.key_tag(entry.key))
            image = self._manifest(path, entry.digest) if tagged == entry.digest else None
            check_image(entry, tagged, image, self._config(path, image))
            digests = [blob.digest for blob in (image.blobs if image else ())]
        else:
            digests = [f"sha256:{file.sha256}" for file in entry.files.values()]
        for digest in dict.fromkeys(digests):
            if not self.registry.has_blob(path, digest):
                raise Invalid(f"its blob {digest[:19]} is gone")

    def read(self, repository: str, reference: str) -> Entry | None:
        """Read a record, and check it by itself; None where there is none."""
        path = self.path(repository)
        manifest = self._manifest(path, reference)
        if manifest is None:
            return None
        layer = record_layer(manifest)
        return decode(manifest, self._small(path, layer, "record"), repository)

    def _manifest(self, path: str, reference: str) -> Manifest | None:
        """Return a manifest; None where there is none.

        An error about a tag is the registry's refusal. Under a digest, a registry may also have
        something else than the digest says, and then the entry is invalid.
        """
        try:
            return self.registry.manifest(path, reference)
        except ActionError as error:
            if isinstance(error, RegistryUnavailable) or ":" not in reference:
                raise
            raise Invalid(f"its manifest cannot be had: {error.what}") from None

    def _config(self, path: str, image: Manifest | None) -> bytes:
        """Return an image's configuration; empty where it cannot be had."""
        try:
            return self._small(path, image.config, "configuration") if image else b""
        except ActionError as error:
            if isinstance(error, RegistryUnavailable):
                raise
            return b""

    def _small(self, path: str, blob: Descriptor, what: str) -> bytes:
        """Return a whole blob that must be small."""
        if not self.registry.has_blob(path, blob.digest):
            raise Invalid(f"its {what} is gone")
        data = b""
        try:
            for piece in self.registry.read_blob(path, blob.digest):
                data += piece
                if len(data) > LARGEST:
                    raise Invalid(f"its {what} is larger than any real one")
        except RegistryUnavailable:
            raise
        except ActionError as error:
            raise Invalid(f"its {what} cannot be had: {error.what}") from None
        return data

    def history(self, target: Target, *, limit: int = 50) -> list[Entry]:
        """Return at most `limit` records of a target in the registry, the youngest first.

        They are for comparing keys (`why --against`), so what they name is not checked. Records
        that cannot be read are left out.
        """
        repository = self.repository(target)
        path = self.path(repository)
        tags = [tag for tag in self.registry.tags(path) if tag.startswith(names.RECORD)]

        def read(tag: str) -> tuple[str, str, str]:
            manifest = self._manifest(path, tag)
            annotations = artifact.annotations_of(manifest) if manifest else {}
            return str(annotations.get(artifact.CREATED, "")), str(annotations.get(LABEL, "")), tag

        def entry(tag: str) -> Entry | None:
            try:
                return self.read(repository, tag)
            except Invalid:
                return None

        # All targets with files share a repository; the annotations say whose a record is.
        own = [
            (created, tag)
            for created, label, tag in map_threads(read, tags[:_LISTED], threads=REQUESTS)
            if label == str(target.label) or (label and target.rule.is_image)
        ]
        youngest = [tag for _, tag in sorted(own, reverse=True)[:limit]]
        entries = map_threads(entry, youngest, threads=REQUESTS)
        return [each for each in entries if each is not None]
