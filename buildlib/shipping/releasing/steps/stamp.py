"""`stamp`: build the targets that carry the version, and nothing else."""

from __future__ import annotations

from buildlib.errors import ActionError
from buildlib.shipping.releasing.choose import refuse_missing
from buildlib.shipping.releasing.steps.step import Step, Tools

_FEW = 8
"""Targets of a kind that are listed by name; more are counted."""


class Stamp(Step):
    """Builds the targets whose key changes with the version."""

    name = "stamp"

    def will(self) -> list[str]:
        final, stamped = self.run.final, self.run.chooser.stamped
        stale = {step.label for step in final.plan(stamped).steps}
        by_kind: dict[tuple[str, str], list[str]] = {}
        for label in stamped:
            rule = final.graph[label].rule
            if rule.is_built:
                state = "to be built" if label in stale else "there already"
                by_kind.setdefault((rule.kind, state), []).append(final.graph.task_names[label])
        lines = []
        for (kind, state), names in by_kind.items():
            shown = ", ".join(names) if len(names) <= _FEW else f"{len(names)} of them"
            lines.append(f"{kind} {state}: {shown}")
        return lines

    def do(self, tools: Tools) -> str:
        run, chooser = self.run, self.run.chooser
        plan = run.final.plan(chooser.stamped)
        inputs = {step.label for step in plan.steps if step.action == "build"} - {*chooser.stamped}
        if not inputs.isdisjoint(chooser.images):
            unstamped = chooser.choices(stamped=False).items()
            refuse_missing({label: choice for label, choice in unstamped if label in inputs})
        if plan.steps:
            chooser.forget(chooser.stamped_images)
            if tools.build(run.final, chooser.stamped):
                raise ActionError("what carries the version could not be built")
        images = len(chooser.stamped_images)
        return f"{len(chooser.stamped)} targets carry {run.version}, {images} of them images"
