"""`check`: refuse what cannot be released; changes nothing."""

from __future__ import annotations

from buildlib.errors import BuildError
from buildlib.shipping.releasing.choose import refuse_missing
from buildlib.shipping.releasing.preconditions import check_git
from buildlib.shipping.releasing.steps.step import Step, Tools


class Check(Step):
    """Checks git, the images that ship as they are, and their proofs."""

    name = "check"

    def will(self) -> list[str]:
        unstamped = self.run.chooser.choices(stamped=False)
        built = {label: choice for label, choice in unstamped.items() if choice.image_id}
        proofs, _ = self.run.proofs.of(built)
        lines = [f"{len(built)} images ship as they are, proved by {len(proofs)} proofs"]
        task_names = self.run.final.graph.task_names
        bare = [task_names[label] for label in built if not self.run.proofs.checks_of(label)]
        if bare:
            lines.append(f"no proof of their own is declared for {', '.join(bare)}")
        return lines

    def problems(self) -> list[str]:
        run, problems = self.run, []
        try:
            check_git(run.final.root, run.version, following=run.following)
        except BuildError as error:
            problems.append(error.render().removeprefix("error: "))
        unstamped = run.chooser.choices(stamped=False)
        built = {label: choice for label, choice in unstamped.items() if choice.image_id}
        missing = [label for label in unstamped if label not in built]
        problems += [f"{label} is not built as it is declared now" for label in missing]
        _, unproved = run.proofs.of(built)
        problems += [f"{label} did not prove the image that would ship" for label in unproved]
        return problems

    def do(self, tools: Tools) -> str:
        run = self.run
        run.origin(tools.say)
        if run.registry is not None:
            run.registry.ping()
        signed = run.signed  # opens the key, so that a wrong one fails now
        unstamped = run.chooser.choices(stamped=False)
        refuse_missing(unstamped)
        proofs = run.proofs.required(unstamped)
        return f"{len(unstamped)} images are as they were proved, by {len(proofs)} proofs; {signed}"
