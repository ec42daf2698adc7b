"""`upload`: push every image by key, which gives its digest."""

from __future__ import annotations

from collections.abc import Sequence

from buildlib.build.sharing import transfers
from buildlib.build.sharing.entry import Entry
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label
from buildlib.errors import ActionError
from buildlib.shipping.releasing.model import names_of
from buildlib.shipping.releasing.steps.step import Step, Tools


class Upload(Step):
    """Pushes images and proofs by key; puts no tag that people use."""

    name = "upload"

    def will(self) -> list[str]:
        run = self.run
        if run.registry is None:
            return ["nothing: no registry is set, so the release is local"]
        choices = run.chooser.choices()
        missing = {label: choice for label, choice in choices.items() if choice.entry is None}
        present = len(choices) - len(missing)
        lines = [f"{present} images are in {run.final.settings.registry}"] if present else []
        for label, choice in missing.items():
            size = f"up to {choice.size / 1e6:.0f} MB" if choice.image_id else "not built yet"
            lines.append(f"{run.final.graph.task_names[label]}: upload, {size}")
        return lines

    def do(self, tools: Tools) -> str:
        run = self.run
        if run.final.shared_store is None:
            return "no registry is set: nothing is uploaded"
        choices = run.choices()
        missing = [label for label, choice in choices.items() if choice.entry is None]
        entries = _publish(run.final, missing)
        run.chooser.note(entries)
        for label, entry in entries.items():
            if not names_of(entry) & names_of(choices[label]):
                raise ActionError(
                    f"another machine has published its own build of {label} just now",
                    fix=f"./doitw release VERSION={run.version}  # ships that one, if proved",
                )
        # With the proofs, another machine can release these images.
        proofs, _ = run.proofs.of(choices)
        for workspace, labels in run.proofs.by_workspace(proofs, choices).items():
            _publish(workspace, labels)
        return f"{len(missing)} images uploaded, {len(choices) - len(missing)} were there"


def _publish(workspace: Workspace, labels: Sequence[Label]) -> dict[Label, Entry]:
    if workspace.shared_store is None:
        return {}
    outputs = transfers.built_targets(workspace.view, workspace.records, labels)
    return transfers.publish(workspace.shared_store, outputs, workspace.engine, verb="push")
