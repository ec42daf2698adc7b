"""A release, step by step: check, stamp, verify, upload, artifacts, tag, commit.

Each step looks at what is there and does what is missing, so each can be run again, alone, after
whatever stopped it; nothing is remembered between them but in the engine, the registry, `dist/`
and git. Nothing that people see changes before `tag`, and nothing in git before `commit`.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from buildlib.errors import ActionError
from buildlib.model.label import Label, Reference
from buildlib.model.target import BASE, IMAGE, image_name
from buildlib.model.version import is_prerelease, next_development
from buildlib.releasing.check import Origin, check_git, refuse_other_keys
from buildlib.releasing.choose import Choice, Chooser, refuse_missing
from buildlib.releasing.git import commit_release
from buildlib.releasing.model import Proof, Release, ReleasedImage
from buildlib.sharing.released import RELEASES
from buildlib.store import names
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.registry.protocol import Registry
    from buildlib.releasing.publish import Tag
    from buildlib.releasing.sign import Signer
    from buildlib.workspace import Workspace

STEPS = ("check", "stamp", "verify", "upload", "artifacts", "tag", "commit")
LATEST = "latest"
"""Tag of the newest final release; pre-releases leave it."""


class Tools(NamedTuple):
    """What a release has others do.

    Attributes:
        build: Brings targets of a workspace up to date; returns an exit code.
        prove: Makes proofs in a workspace, though they may have been made of other builds of the
            same keys; returns an exit code.
        upload: Publishes images of a workspace by key, and shows how far they are.
        say: Takes lines for people.
    """

    build: Callable[[Workspace, Sequence[Label]], int]
    prove: Callable[[Workspace, Sequence[Label]], int]
    upload: Callable[[Workspace, Sequence[Label]], None]
    say: Callable[[str], None]


class Run:
    """One release.

    Args:
        dev: The workspace as it is developed.
        final: The same in the channel of the release.
        tools: What others do.
        following: The version under development afterwards; by default the next one.
    """

    def __init__(
        self, dev: Workspace, final: Workspace, tools: Tools, *, following: str = ""
    ) -> None:
        self._dev = dev
        self.final = final
        self._tools = tools
        self._following = following
        self.version = final.version
        self.chooser = Chooser(dev, final)
        self._is_of_commit = False

    # -- what is known ---------------------------------------------------------------------------

    @cached_property
    def registry(self) -> Registry | None:
        """Where it is published; None for a local release."""
        return self.final.registry

    @cached_property
    def signer(self) -> Signer | None:
        """What signs; None where no key is configured."""
        from buildlib.releasing.sign import signer

        return signer(self.final.settings, os.environ, self.final.root)

    @property
    def signed(self) -> str:
        """What the release says of its signatures; the key is opened for it."""
        return self.signer.describe() if self.signer else "unsigned: no key is configured"

    @property
    def following(self) -> str:
        """The version under development afterwards."""
        return next_development(self.version, self._following)

    @property
    def folder(self) -> str:
        """Where its files go, absolute."""
        return f"{self.final.root}/dist/{self.version}"

    # -- steps -----------------------------------------------------------------------------------

    def run(self, steps: Sequence[str] = STEPS) -> dict[str, str]:
        """Run some steps, in their order.

        Args:
            steps: Names out of `STEPS`.

        Returns:
            Step -> what it did, in words.

        Raises:
            BuildError: One cannot be done; those before it are done.
        """
        done = {}
        for name in STEPS:
            if name in steps:
                started = time.monotonic()
                done[name] = getattr(self, name)()
                took = duration(time.monotonic() - started)
                self._tools.say(f"{name:10}{done[name]} ({took})")
        return done

    def check(self) -> str:
        """Refuse what is not fit to be released."""
        self._origin(self._tools.say)
        if self.registry is not None:
            self.registry.ping()
        signed = self.signed  # at once: a key that does not open must not be found half way
        choices = self.chooser.choices()
        stable = [label for label in choices if not self.chooser.is_stamped(label)]
        refuse_missing(choices, stable)
        proofs = self._proved({label: choices[label] for label in stable})
        return f"{len(stable)} images are as they were proved, by {len(proofs)} proofs; {signed}"

    def stamp(self) -> str:
        """Build what carries the version, and nothing else."""
        stamped = self.chooser.stamped
        others = self._others(stamped)
        if others:
            refuse_missing(self.chooser.choices(), others)
        stale = [step.label for step in self.final.plan(stamped).steps]
        if stale and self._tools.build(self.final, stamped):
            raise ActionError("what carries the version could not be built")
        images = [label for label in self.chooser.images if self.chooser.is_stamped(label)]
        return f"{len(stamped)} targets carry {self.version}, {len(images)} of them images"

    def verify(self) -> str:
        """Prove what was stamped, exactly as it will ship."""
        choices = self._stamped(self.chooser.choices())
        _, missing = self.chooser.proofs(choices)
        if missing:
            self._bring(choices)
            if self._tools.prove(self.final, missing):
                raise ActionError(
                    f"what carries {self.version} is not fit to ship",
                    fix=f"./doitw release verify VERSION={self.version}  # after mending it",
                )
        proofs = self._proved(choices)
        return f"{len(proofs)} proofs of what carries the version"

    def upload(self) -> str:
        """Put the content of every image into the registry, by key, and learn its digest."""
        shared = self.final.sharing
        if shared is None:
            return "no registry is set: nothing is uploaded"
        choices = self._choices()
        missing = [label for label, choice in choices.items() if choice.entry is None]
        self._tools.upload(self.final, missing)
        for label, choice in self.chooser.choices().items():
            if choice.entry is None:
                raise ActionError(
                    f"{label} was uploaded and is not in the registry",
                    fix=f"./doitw release upload VERSION={self.version}",
                )
            if not choice.names & choices[label].names:
                raise ActionError(
                    f"another machine has published its own build of {label} just now",
                    fix=f"./doitw release VERSION={self.version}  # ships that one, if proved",
                )
        # With them, another machine can release what this one has proved.
        for workspace, proofs in self._proofs_by_channel(choices).items():
            self._tools.upload(workspace, proofs)
        return f"{len(missing)} images uploaded, {len(choices) - len(missing)} were there"

    def artifacts(self) -> str:
        """Write the files of the release."""
        from buildlib.releasing import artifacts, sboms

        release = self._release()
        seal = self.signer.envelope if self.signer else None
        unread = sboms.bring(self.final, release)
        choices = self.chooser.choices() if unread else {}
        self._bring({image.label: choices[image.label] for image in unread})
        written = artifacts.write(self.final, release, self.folder, self._tools.say, seal)
        if self.signer is not None:
            self.signer.sign_file(f"{self.folder}/SHA256SUMS")
        sboms.publish(self.final, release)
        shown = os.path.relpath(self.folder, self.final.root)
        return f"{len(written)} files in {shown}; {self.signed}"

    def tag(self) -> str:
        """Make the release visible."""
        from buildlib.releasing import artifacts

        release = self._release()
        files = artifacts.written(release, self.folder, signed=self.signer is not None)
        untagged = self._untagged(release)  # at once: a tag that is taken here must stop all of it
        put = self._publish(self.registry, release, files) if self.registry is not None else 0
        for image_id, reference in untagged:
            self.final.engine.tag(image_id, reference)
        if self.registry is not None:
            return f"{put} tags put; {release.version} is published at {release.registry}"
        return f"{len(untagged)} tags set in the engine; not published, since no registry is set"

    def commit(self) -> str:
        """Write the release into git, here only.

        Raises:
            ActionError: Nothing was released that the commit could stand for.
        """
        self._refuse_hidden(self._release())
        today = time.strftime("%Y-%m-%d", time.gmtime())
        made = commit_release(self.final.root, self.version, self.following, date=today)
        return (
            f"{made.tag} is on {made.release[:12]}, VERSION is {made.following};"
            f" to push: git push origin HEAD {made.tag}"
        )

    # -- what steps have in common ---------------------------------------------------------------

    def _origin(self, warn: Callable[[str], None] | None = None) -> Origin:
        """The commit that is released, after git was found fit."""
        origin = check_git(self.final.root, self.version, following=self.following, warn=warn)
        if not self._is_of_commit:  # once: what this run sees of the sources does not change
            refuse_other_keys(self.final, origin.commit)
            self._is_of_commit = True
        return origin

    def _choices(self) -> dict[Label, Choice]:
        """What ships; all of it is there, built by whomever.

        Raises:
            ActionError: An image is missing.
        """
        choices = self.chooser.choices()
        refuse_missing(choices, [it for it in choices if not self.chooser.is_stamped(it)])
        self._stamped(choices)
        return choices

    def _stamped(self, choices: Mapping[Label, Choice]) -> dict[Label, Choice]:
        """Of what ships, what carries the version.

        Raises:
            ActionError: It was not built yet.
        """
        stamped = [label for label in choices if self.chooser.is_stamped(label)]
        missing = [label for label in stamped if not choices[label].image_id]
        if missing:
            raise ActionError(
                f"{missing[0]} does not carry {self.version} yet",
                fix=f"./doitw release stamp VERSION={self.version}",
            )
        return {label: choices[label] for label in stamped}

    def _others(self, stamped: Sequence[Label]) -> list[Label]:
        """Images without the version that a build of what carries it would have to make."""
        plan = self.final.plan(stamped)
        return [
            step.label
            for step in plan.steps
            if step.action == "build"
            and step.label in self.chooser.images
            and not self.chooser.is_stamped(step.label)
        ]

    def _proved(self, choices: Mapping[Label, Choice]) -> list[Proof]:
        """The proofs of what would ship.

        Raises:
            ActionError: One is missing.
        """
        proofs, missing = self.chooser.proofs(choices)
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ActionError(
                f"{missing[0]}{more} did not prove the image that would ship",
                where=self.final.graph[missing[0]].where,
                fix=self._how_to_prove(missing, choices),
            )
        return proofs

    def _how_to_prove(self, checks: Sequence[Label], choices: Mapping[Label, Choice]) -> str:
        """What makes the proofs that are missing.

        A proof that was made of another build of the same key is up to date for a build; and of
        two builds of one key, the engine may have the one that does not ship.
        """
        image_of = {
            check: dep.ref.label
            for check in checks
            for dep in self.final.graph[check].deps
            if dep.kind == IMAGE
        }
        if any(self.chooser.is_stamped(image) for image in image_of.values()):
            return f"./doitw release verify VERSION={self.version}"
        absent = {str(image): "" for image in image_of.values() if not choices[image].here}
        commands = [f"./doitw {verb} {' '.join(absent)}" for verb in ("clean", "pull") if absent]
        made = any(self._dev.records.get(self._dev.keys.key(Reference(check))) for check in checks)
        again = f" {' '.join(map(str, checks))} --always" if made else ""
        return " && ".join([*commands, f"./doitw verify{again}"])

    def _bring(self, choices: Mapping[Label, Choice]) -> None:
        """Have the very builds that ship in the engine."""
        shared = self.final.sharing
        for choice in choices.values():
            if shared is not None and choice.entry is not None and not choice.here:
                from buildlib.engine.transfer import unobserved

                shared.bring(choice.entry, self.final.engine, unobserved)

    def _proofs_by_channel(self, choices: Mapping[Label, Choice]) -> dict[Workspace, list[Label]]:
        """The proofs of what would ship, by the workspace in whose channel they were made."""
        found: dict[Workspace, list[Label]] = {self._dev: [], self.final: []}
        for proof in self.chooser.proofs(choices)[0]:
            stamped = self.chooser.is_stamped(proof.image)
            found[self.final if stamped else self._dev].append(proof.label)
        return found

    def _release(self) -> Release:
        """The release as it ships; all of it was checked.

        Raises:
            ActionError: An image or a proof is missing, or a digest.
        """
        final = self.final
        origin = self._origin()
        choices = self._choices()
        if self.registry is not None:
            absent = [label for label, choice in choices.items() if choice.entry is None]
            if absent:
                raise ActionError(
                    f"{absent[0]} is not in the registry",
                    fix=f"./doitw release upload VERSION={self.version}",
                )
        return Release(
            self.version,
            final.settings.organization,
            final.settings.registry,
            origin.commit,
            origin.epoch,
            tuple(self.image(label, choice) for label, choice in choices.items()),
            tuple(self._proved(choices)),
        )

    def image(self, label: Label, choice: Choice) -> ReleasedImage:
        """An image as the release lists it."""
        target = self.final.graph[label]
        moved = () if is_prerelease(self.version) else (LATEST, *target.tags)
        base = next((dep.ref.label for dep in target.deps if dep.kind == BASE), None)
        return ReleasedImage(
            label,
            names.repository(self.final.settings, image_name(target)),
            (self.version, *moved),
            choice.digest,
            choice.image_id,
            choice.size,
            choice.key,
            image_name(self.final.graph[base]) if base else "",
            target.platform or self.final.settings.platform,
            self.chooser.is_stamped(label),
        )

    def _untagged(self, release: Release) -> list[tuple[str, str]]:
        """Of the images that the engine has, the tags that they lack: image ID and reference.

        Raises:
            ActionError: The version's tag is on another image.
        """
        wanted = {
            f"{image.repository}:{tag}": image for image in release.images for tag in image.tags
        }
        there = self.final.engine.inspect(
            [*wanted, *(name for image in release.images for name in sorted(image.names))]
        )
        missing = []
        for reference, image in wanted.items():
            taken = there[reference]
            if taken is not None and taken.id in image.names:
                continue
            if taken is not None and reference.endswith(f":{self.version}"):
                raise ActionError(
                    f"{reference} exists and is another image; a release tag is never moved",
                    fix="release under the next version",
                )
            missing += [(name, reference) for name in image.names if there[name] is not None]
        return missing

    def _refuse_hidden(self, release: Release) -> None:
        """Refuse to write down a release that is not visible yet.

        Raises:
            ActionError: It is not.
        """
        if self.registry is not None:
            there = self.registry.head(self._listed(self.registry), self.version) is not None
        else:
            mine = {f"{image.repository}:{self.version}" for image in release.images}
            there = not any(reference in mine for _, reference in self._untagged(release))
        if not there:
            raise ActionError(
                f"{self.version} has no tags yet, and git is told last",
                fix=f"./doitw release tag commit VERSION={self.version}",
            )

    def _listed(self, registry: Registry) -> str:
        """The repository of releases, without the registry's host."""
        path = names.repository(self.final.settings, RELEASES)
        return path.removeprefix(f"{registry.host}/")

    def _publish(self, registry: Registry, release: Release, files: Sequence[str]) -> int:
        from buildlib.releasing import publish

        host = f"{registry.host}/"
        listed = self._listed(registry)
        index = publish.put_index(registry, listed, self.folder, files)
        tags: list[Tag] = []
        for image in release.images:
            repository = image.repository.removeprefix(host)
            manifest = registry.manifest(repository, image.digest)
            if manifest is None:
                raise ActionError(
                    f"{image.repository}@{image.digest} is gone from the registry",
                    fix=f"./doitw release upload VERSION={self.version}",
                )
            if self.signer is not None:
                self.signer.sign_image(registry, repository, image.digest, image.repository)
            tags += [
                publish.Tag(repository, tag, manifest, tag != self.version, int(image.stamped))
                for tag in image.tags
            ]
        tags.append(publish.Tag(listed, self.version, index, moves=False, rank=2))
        publish.free_or_right(registry, tags)
        publish.claim(
            registry, listed, self.version, index, claimant=self._claimant(), say=self._tools.say
        )
        return publish.put_tags(registry, tags)

    def _claimant(self) -> str:
        """What this workspace is called in claims: a number drawn once."""
        known = self.final.state.lines("claimant")
        if not known:
            known = [secrets.token_hex(8)]
            self.final.state.set_lines("claimant", known)
        return known[0]
