"""`verify`: prove the stamped images exactly as they will ship."""

from __future__ import annotations

from buildlib.errors import ActionError
from buildlib.shipping.releasing.steps.step import Step, Tools


class Verify(Step):
    """Makes missing proofs of the images that carry the version."""

    name = "verify"

    def will(self) -> list[str]:
        run = self.run
        stamped = run.chooser.choices(stamped=True)
        proved = {proof.label for proof in run.proofs.of(stamped)[0]}
        return [
            f"{run.final.graph.task_names[check]}: {'proved already' if check in proved else 'run'}"
            for label in stamped
            for check in run.proofs.checks_of(label)
        ]

    def do(self, tools: Tools) -> str:
        run = self.run
        stamped = run.stamped()
        _, missing = run.proofs.of(stamped)
        if missing:
            run.pull(stamped)
            if tools.prove(run.final, missing):
                raise ActionError(
                    f"what carries {run.version} is not fit to ship",
                    fix=f"./doitw release verify VERSION={run.version}  # after mending it",
                )
        return f"{len(run.proofs.required(stamped))} proofs of what carries the version"
