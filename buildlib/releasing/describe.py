"""What a release would do, told without doing any of it: `./doitw plan release VERSION=2.5.0`.

It asks the engine and the registry what is there, and changes nothing. What would stop the release
is told with the step it would stop, all of it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from buildlib.errors import BuildError
from buildlib.model.label import Label
from buildlib.releasing.check import check_git
from buildlib.releasing.choose import Choice
from buildlib.releasing.model import ReleasedImage
from buildlib.releasing.run import STEPS, Run

_FEW = 8
"""Targets of a kind that are told by name."""


class Told(NamedTuple):
    """What one step would do.

    Attributes:
        step: Its name.
        lines: What it would do.
        problems: What would stop it, as errors are told.
    """

    step: str
    lines: list[str]
    problems: list[str]


class Description:
    """The steps of a release in words.

    Args:
        run: The release.
        choices: What would ship.
    """

    def __init__(self, run: Run, choices: dict[Label, Choice]) -> None:
        self._run = run
        self._choices = choices
        self._names = run.final.graph.task_names
        self._stamped = [label for label in choices if run.chooser.is_stamped(label)]

    def check(self) -> tuple[list[str], list[str]]:
        """See `Run.check`."""
        run = self._run
        problems = _problems(
            lambda: check_git(run.final.root, run.version, following=run.following)
        )
        stable = {at: it for at, it in self._choices.items() if at not in self._stamped}
        missing = [label for label, choice in stable.items() if not choice.image_id]
        problems += [f"{label} is not built as it is declared now" for label in missing]
        there = {label: choice for label, choice in stable.items() if choice.image_id}
        proofs, unproved = run.chooser.proofs(there)
        problems += [f"{label} did not prove the image that would ship" for label in unproved]
        bare = [self._names[label] for label in there if not run.chooser.checks_of(label)]
        lines = [f"{len(there)} images ship as they are, proved by {len(proofs)} proofs"]
        if bare:
            lines.append(f"no proof of their own is declared for {', '.join(bare)}")
        return lines, problems

    def stamp(self) -> tuple[list[str], list[str]]:
        """See `Run.stamp`."""
        run = self._run
        stale = {step.label for step in run.final.plan(run.chooser.stamped).steps}
        by_kind: dict[tuple[str, str], list[str]] = {}
        for label in run.chooser.stamped:
            rule = run.final.graph[label].rule
            if rule.is_built:
                state = "to be built" if label in stale else "there already"
                by_kind.setdefault((rule.kind, state), []).append(self._names[label])
        lines = []
        for (kind, state), names in by_kind.items():
            shown = ", ".join(names) if len(names) <= _FEW else f"{len(names)} of them"
            lines.append(f"{kind} {state}: {shown}")
        return lines, []

    def verify(self) -> tuple[list[str], list[str]]:
        """See `Run.verify`."""
        run = self._run
        there = {at: self._choices[at] for at in self._stamped}
        proved = {proof.label for proof in run.chooser.proofs(there)[0]}
        lines = []
        for label in self._stamped:
            for check in run.chooser.checks_of(label):
                state = "proved already" if check in proved else "run"
                lines.append(f"{self._names[check]}: {state}")
        return lines, []

    def upload(self) -> tuple[list[str], list[str]]:
        """See `Run.upload`."""
        if self._run.registry is None:
            return ["nothing: no registry is set, so the release is local"], []
        missing = {at: it for at, it in self._choices.items() if it.entry is None}
        there = len(self._choices) - len(missing)
        lines = [f"{there} images are in {self._run.final.settings.registry}"] if there else []
        for label, choice in missing.items():
            size = f"up to {choice.size / 1e6:.0f} MB" if choice.image_id else "not built yet"
            lines.append(f"{self._names[label]}: upload, {size}")
        return lines, []

    def artifacts(self) -> tuple[list[str], list[str]]:
        """See `Run.artifacts`."""
        files = "archives, images.json, SHA256SUMS, SBOMs, statements, notes"
        return [f"dist/{self._run.version}/: {files}", self._run.signed], []

    def tag(self) -> tuple[list[str], list[str]]:
        """See `Run.tag`."""
        where = "" if self._run.registry is not None else " (in the engine only: not published)"
        run = self._run
        images = [run.image(label, choice) for label, choice in self._choices.items()]
        problems = []
        for image in images:
            taken = self._taken(image)
            if taken and taken not in (image.digest, image.image_id):
                what = f"{image.repository}:{run.version} is there and is another image"
                problems.append(f"{what}; a release tag is never moved")
        return [f"{it.repository}:{tag}{where}" for it in images for tag in it.tags], problems

    def _taken(self, image: ReleasedImage) -> str:
        """What the release's tag of an image stands for now: a digest, or here an image ID."""
        run = self._run
        if run.registry is not None:
            path = image.repository.removeprefix(f"{run.registry.host}/")
            return run.registry.head(path, run.version) or ""
        reference = f"{image.repository}:{run.version}"
        there = (run.final.presence([reference]) or {}).get(reference)
        return there.id if there is not None else ""

    def commit(self) -> tuple[list[str], list[str]]:
        """See `Run.commit`."""
        run = self._run
        return [
            f"commit VERSION and CHANGELOG as {run.version}, tag v{run.version}",
            f"commit VERSION as {run.following}; nothing is pushed",
        ], []


def describe(run: Run) -> list[Told]:
    """What each step of a release would do, and what would stop it."""
    description = Description(run, run.chooser.choices())
    return [Told(step, *getattr(description, step)()) for step in STEPS]


def _problems(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except BuildError as error:
        return [error.render().removeprefix("error: ")]
    return []
