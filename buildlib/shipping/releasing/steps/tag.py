"""`tag`: make the release visible, in the registry and in the engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import Registry
from buildlib.shipping.releasing import artifacts, publish
from buildlib.shipping.releasing.model import Release, ReleasedImage, Tag, names_of
from buildlib.shipping.releasing.run import Run
from buildlib.shipping.releasing.steps.step import Step, Tools


class PutTags(Step):
    """Puts the release's tag on all images, and moves those that follow it."""

    name = "tag"

    def will(self) -> list[str]:
        where = "" if self.run.registry is not None else " (in the engine only: not published)"
        return [f"{it.repository}:{tag}{where}" for it in self._images() for tag in it.tags]

    def problems(self) -> list[str]:
        problems = []
        for image in self._images():
            taken = self._taken(image)
            if taken and taken not in names_of(image):
                what = f"{image.repository}:{self.run.version} is there and is another image"
                problems.append(f"{what}; a release tag is never moved")
        return problems

    def _images(self) -> list[ReleasedImage]:
        return [self.run.image(at, it) for at, it in self.run.chooser.choices().items()]

    def _taken(self, image: ReleasedImage) -> str:
        """What the release's tag of an image stands for now: a digest, or here an image ID."""
        run = self.run
        if run.registry is not None:
            return run.registry.head(run.path(image.repository), run.version) or ""
        reference = f"{image.repository}:{run.version}"
        there = (run.final.presence([reference]) or {}).get(reference)
        return there.id if there is not None else ""

    def do(self, tools: Tools) -> str:
        run = self.run
        release = run.release()
        files = artifacts.written(release, run.folder, signed=run.signer is not None)
        untagged = untagged_here(run, release)  # at once: a tag taken here must stop all of it
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
        """Make the release visible in the registry; how many tags were put."""
        run = self.run
        index = publish.put_index(registry, run.releases, run.folder, files)
        tags = [tag for image in release.images for tag in self._tags(registry, image)]
        tags.append(Tag(run.releases, run.version, index, moves=False, rank=2))
        publish.free_or_right(registry, tags)
        publish.claim(
            registry, run.releases, run.version, index, claimant=self._claimant(), say=say
        )
        return publish.put_tags(registry, tags)

    def _tags(self, registry: Registry, image: ReleasedImage) -> list[Tag]:
        """The tags of an image, which is signed first."""
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
        """What this workspace is called in claims: a number drawn once."""
        state = self.run.final.state
        known = state.lines("claimant")
        if not known:
            known = [secrets.token_hex(8)]
            state.set_lines("claimant", known)
        return known[0]


def untagged_here(run: Run, release: Release) -> list[tuple[str, str]]:
    """Of the images that the engine has, the tags that they lack: image ID and reference."""
    wanted = {f"{image.repository}:{tag}": image for image in release.images for tag in image.tags}
    there = run.final.engine.inspect(
        [*wanted, *(name for image in release.images for name in sorted(names_of(image)))]
    )
    missing = []
    for reference, image in wanted.items():
        taken = there[reference]
        if taken is not None and taken.id in names_of(image):
            continue
        if taken is not None and reference.endswith(f":{run.version}"):
            raise ActionError(
                f"{reference} exists and is another image; a release tag is never moved",
                fix="release under the next version",
            )
        missing += [(name, reference) for name in names_of(image) if there[name] is not None]
    return missing
