"""`tag`: make the release visible, in the registry and in the engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import Registry
from buildlib.shipping.releasing import artifacts, claims_and_tags
from buildlib.shipping.releasing.model import Release, ReleasedImage, Tag, names_of
from buildlib.shipping.releasing.run import Run
from buildlib.shipping.releasing.steps.step import Step, Tools


class PutTags(Step):
    """Puts the tag of the release on all images, and moves tags such as `latest`."""

    name = "tag"

    def will(self) -> list[str]:
        where = "" if self.run.registry is not None else " (in the engine only: not published)"
        return [
            f"{image.repository}:{tag}{where}" for image in self._images() for tag in image.tags
        ]

    def problems(self) -> list[str]:
        problems = []
        for image in self._images():
            taken = self._tagged_now(image)
            if taken and taken not in names_of(image):
                what = f"{image.repository}:{self.run.version} is there and is another image"
                problems.append(f"{what}; a release tag is never moved")
        return problems

    def _images(self) -> list[ReleasedImage]:
        choices = self.run.chooser.choices().items()
        return [self.run.image(label, choice) for label, choice in choices]

    def _tagged_now(self, image: ReleasedImage) -> str:
        """What the release tag is on: a digest, an image ID without a registry, or empty."""
        run = self.run
        if run.registry is not None:
            return run.registry.head(run.path(image.repository), run.version) or ""
        reference = f"{image.repository}:{run.version}"
        image_info = (run.final.presence([reference]) or {}).get(reference)
        return image_info.id if image_info is not None else ""

    def do(self, tools: Tools) -> str:
        run = self.run
        release = run.release()
        files = artifacts.written_files(release, run.folder, signed=run.signer is not None)
        untagged = missing_engine_tags(run, release)  # first: a taken tag must stop the whole step
        done = f"{len(untagged)} tags set in the engine; not published, since no registry is set"
        if run.registry is not None:
            put = self._publish(run.registry, release, files, tools.say)
            done = f"{put} tags put; {release.version} is published at {release.registry}"
        for image_id, reference in untagged:
            run.final.engine.tag(image_id, reference)
        return done

    def _publish(
        self,
        registry: Registry,
        release: Release,
        files: Sequence[str],
        say: Callable[[str], None],
    ) -> int:
        """Make the release visible in the registry; returns how many tags were put."""
        run = self.run
        index = claims_and_tags.put_index(registry, run.releases, run.folder, files)
        tags = [tag for image in release.images for tag in self._tags(registry, image)]
        tags.append(Tag(run.releases, run.version, index, moves=False, rank=2))
        claims_and_tags.missing_tags(registry, tags)
        claims_and_tags.claim(
            registry, run.releases, run.version, index, claimant=self._claimant(), say=say
        )
        return claims_and_tags.put_tags(registry, tags)

    def _tags(self, registry: Registry, image: ReleasedImage) -> list[Tag]:
        """Sign an image, and list its tags."""
        run, repository = self.run, self.run.path(image.repository)
        manifest = registry.manifest(repository, image.digest)
        if manifest is None:
            raise ActionError(
                f"{image.repository}@{image.digest} is gone from the registry",
                fix=f"./doitw release upload VERSION={run.version}",
            )
        if run.signer is not None:
            run.signer.sign_image(registry, repository, image.digest, image.repository)
        return [
            Tag(repository, tag, manifest, moves=tag != run.version, rank=int(image.stamped))
            for tag in image.tags
        ]

    def _claimant(self) -> str:
        """The random name of this workspace in claims, drawn once."""
        state = self.run.final.state
        lines = state.lines("claimant")
        if not lines:
            lines = [secrets.token_hex(8)]
            state.set_lines("claimant", lines)
        return lines[0]


def missing_engine_tags(run: Run, release: Release) -> list[tuple[str, str]]:
    """The tags that images in the engine lack, as image ID and reference."""
    by_tag = {f"{image.repository}:{tag}": image for image in release.images for tag in image.tags}
    infos = run.final.engine.inspect(
        [*by_tag, *(name for image in release.images for name in sorted(names_of(image)))]
    )
    missing = []
    for reference, image in by_tag.items():
        taken = infos[reference]
        if taken is not None and taken.id in names_of(image):
            continue
        if taken is not None and reference.endswith(f":{run.version}"):
            raise ActionError(
                f"{reference} exists and is another image; a release tag is never moved",
                fix="release under the next version",
            )
        missing += [(name, reference) for name in names_of(image) if infos[name] is not None]
    return missing
