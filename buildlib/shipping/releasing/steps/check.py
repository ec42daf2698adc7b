"""`check`: refuse what is not fit to be released; nothing is changed."""

from __future__ import annotations

from buildlib.core.model.label import Label
from buildlib.errors import BuildError
from buildlib.shipping.releasing.choose import Choice, refuse_missing
from buildlib.shipping.releasing.origin import check_git
from buildlib.shipping.releasing.steps.step import Step, Tools


class Check(Step):
    """Looks at git, at the images that ship as they are, and at their proofs."""

    name = "check"

    def _stable(self) -> dict[Label, Choice]:
        """What ships as it is: all that does not carry the version."""
        chooser = self.run.chooser
        return {at: it for at, it in chooser.choices().items() if not chooser.is_stamped(at)}

    def will(self) -> list[str]:
        there = {label: choice for label, choice in self._stable().items() if choice.image_id}
        proofs, _ = self.run.proofs.of(there)
        lines = [f"{len(there)} images ship as they are, proved by {len(proofs)} proofs"]
        task_names = self.run.final.graph.task_names
        bare = [task_names[label] for label in there if not self.run.proofs.checks_of(label)]
        if bare:
            lines.append(f"no proof of their own is declared for {', '.join(bare)}")
        return lines

    def problems(self) -> list[str]:
        run, problems = self.run, []
        try:
            check_git(run.final.root, run.version, following=run.following)
        except BuildError as error:
            problems.append(error.render().removeprefix("error: "))
        stable = self._stable()
        there = {label: choice for label, choice in stable.items() if choice.image_id}
        missing = [label for label in stable if label not in there]
        problems += [f"{label} is not built as it is declared now" for label in missing]
        _, unproved = run.proofs.of(there)
        problems += [f"{label} did not prove the image that would ship" for label in unproved]
        return problems

    def do(self, tools: Tools) -> str:
        run = self.run
        run.origin(tools.say)
        if run.registry is not None:
            run.registry.ping()
        signed = run.signed  # at once: a key that does not open must not be found half way
        stable = self._stable()
        refuse_missing(stable, stable)
        proofs = run.proofs.required(stable)
        return f"{len(stable)} images are as they were proved, by {len(proofs)} proofs; {signed}"
