"""Entries as they are in the registry, read with distrust: one at a time, and their history.

It writes nothing and asks no engine. Questions that a registry does not answer are errors; an
answer that cannot be used is `Invalid`, with the sentence of what is wrong.
"""

from __future__ import annotations

from buildlib.build.sharing.checks import check_image, check_key, check_platform
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
"""Repository, below the organisation, of what is no image."""
ASKING = 8
"""Questions to the registry at a time."""
_LISTED = 500
"""Records of one repository that are looked at for a comparison."""


class EntryReader:
    """The entries of one organisation in one registry, for reading.

    Args:
        registry: The registry of the settings.
        settings: Names of images.
        platform: What images are built for, where a target does not say.
    """

    def __init__(self, registry: Registry, settings: Settings, platform: str) -> None:
        self.registry = registry
        self._settings = settings
        self._platform = platform

    def repository(self, target: Target) -> str:
        """Where a target's entries are, as `names.repository` gives it."""
        if target.rule.is_image:
            return names.repository(self._settings, image_name(target))
        return names.repository(self._settings, STORE)

    def path(self, repository: str) -> str:
        """A repository without the registry's host."""
        return names.without_host(repository, self.registry.host)

    def valid(self, target: Target, wanted: KeyRecord) -> Entry | None:
        """The entry of a target, checked whole; None where there is none.

        Raises:
            Invalid: There is one, and it cannot be used.
            RegistryUnavailable: The registry does not answer.
            ActionError: It refuses.
        """
        entry = self.read(self.repository(target), names.record_tag(wanted.key))
        if entry is not None:
            self.check(entry, target, wanted)
        return entry

    def check(self, entry: Entry, target: Target, wanted: KeyRecord) -> None:
        """Hold an entry that was read against what was asked for, and all that it names.

        Raises:
            Invalid: It cannot be used.
            RegistryUnavailable: The registry does not answer.
            ActionError: It refuses.
        """
        check_key(entry, wanted)
        path = self.path(entry.repository)
        if bool(entry.image_id) != target.rule.is_image:
            raise Invalid(f"its record is that of {'an image' if entry.image_id else 'files'}")
        if entry.image_id:
            check_platform(entry, target.platform or self._platform)
            tagged = self.registry.head(path, names.key_tag(entry.key))
            image = self._manifest(path, entry.digest) if tagged == entry.digest else None
            check_image(entry, tagged, image, self._config(path, image))
            missing = [blob.digest for blob in (image.blobs if image else ())]
        else:
            missing = [f"sha256:{made.sha256}" for made in entry.files.values()]
        for digest in dict.fromkeys(missing):
            if not self.registry.has_blob(path, digest):
                raise Invalid(f"its blob {digest[:19]} is gone")

    def read(self, repository: str, reference: str) -> Entry | None:
        """A record, checked as far as it goes by itself; None where there is none."""
        path = self.path(repository)
        manifest = self._manifest(path, reference)
        if manifest is None:
            return None
        layer = record_layer(manifest)
        return decode(manifest, self._small(path, layer, "record"), repository)

    def _manifest(self, path: str, reference: str) -> Manifest | None:
        """A manifest; None where there is none.

        Of a tag, a registry refuses to tell anything. What it has under a digest may also be
        something else than the digest says, and then it is the entry that is wrong.
        """
        try:
            return self.registry.manifest(path, reference)
        except ActionError as error:
            if isinstance(error, RegistryUnavailable) or ":" not in reference:
                raise
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
        repository = self.repository(target)
        path = self.path(repository)
        tags = [tag for tag in self.registry.tags(path) if tag.startswith(names.RECORD)]

        def read(tag: str) -> tuple[str, str, str]:
            manifest = self._manifest(path, tag)
            said = artifact.annotations_of(manifest) if manifest else {}
            return str(said.get(artifact.CREATED, "")), str(said.get(LABEL, "")), tag

        def entry(tag: str) -> Entry | None:
            try:
                return self.read(repository, tag)
            except Invalid:
                return None

        # What lies in the repository of files is of all targets: whose is in the annotations.
        ours = [
            (created, tag)
            for created, label, tag in map_threads(read, tags[:_LISTED], threads=ASKING)
            if label == str(target.label) or (label and target.rule.is_image)
        ]
        youngest = [tag for _, tag in sorted(ours, reverse=True)[:limit]]
        found = map_threads(entry, youngest, threads=ASKING)
        return [each for each in found if each is not None]
