"""The proofs of the builds that ship.

A proof counts only if its report names the very image that ships: it may have run another build of
the same key. A proof that this machine lacks may be in the registry, which is asked once a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from buildlib.build.sharing import transfers
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label, Reference
from buildlib.core.rules.kernel_check import REPORT
from buildlib.errors import ActionError
from buildlib.shipping.releasing.attest import WORKS, has_run
from buildlib.shipping.releasing.choose import Choice
from buildlib.shipping.releasing.model import Proof, names_of


class Proofs:
    """The proofs of a release.

    An image without the version was proved under development; one with it must be proved as it
    ships.

    Args:
        dev: The workspace under development.
        final: The workspace in the channel of the release.
    """

    def __init__(self, dev: Workspace, final: Workspace) -> None:
        self._dev = dev
        self._final = final
        self._asked: set[Label] = set()
        """Proofs that the registry was asked for."""

    def checks_of(self, label: Label) -> list[Label]:
        """The proofs that are declared for an image in this flavour."""
        checks = self._final.graph.checks.get(label, ())
        return [check for check in checks if check not in self._final.left_out]

    def of(self, choices: Mapping[Label, Choice]) -> tuple[list[Proof], list[Label]]:
        """The proofs of what would ship, and the proofs that are missing."""
        image_of = {check: image for image in choices for check in self.checks_of(image)}
        proofs = {check: self._proof(check, image, choices) for check, image in image_of.items()}
        unproved = {
            check: choices[image]
            for check, image in image_of.items()
            if proofs[check] is None and choices[image].image_id
        }
        self._pull(unproved)
        proofs |= {check: self._proof(check, image_of[check], choices) for check in unproved}
        missing = [check for check, proof in proofs.items() if proof is None]
        return [proof for proof in proofs.values() if proof is not None], missing

    def required(self, choices: Mapping[Label, Choice]) -> list[Proof]:
        """The proofs of what would ship; refuses a release that lacks one."""
        proofs, missing = self.of(choices)
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ActionError(
                f"{missing[0]}{more} did not prove the image that would ship",
                where=self._final.graph[missing[0]].where,
                fix=self._how_to_prove(missing, choices),
            )
        return proofs

    def by_workspace(
        self, proofs: Iterable[Proof], choices: Mapping[Label, Choice]
    ) -> dict[Workspace, list[Label]]:
        """Proofs by the workspace in whose channel they were made."""
        by_workspace: dict[Workspace, list[Label]] = {self._dev: [], self._final: []}
        for proof in proofs:
            by_workspace[self._workspace_of(choices[proof.image])].append(proof.label)
        return by_workspace

    def _workspace_of(self, choice: Choice) -> Workspace:
        return self._final if choice.stamped else self._dev

    def _pull(self, checks: Mapping[Label, Choice]) -> None:
        """Pull reports of proofs from the registry, in one request for each channel."""
        new = {check: choice for check, choice in checks.items() if check not in self._asked}
        self._asked.update(new)
        for workspace in (self._dev, self._final):
            labels = [label for label in new if self._workspace_of(new[label]) is workspace]
            shared = workspace.shared_store
            if shared is not None and labels:
                entries = transfers.find(shared, workspace.view, labels)
                transfers.pull(shared, entries, workspace.engine)

    def _how_to_prove(self, checks: Sequence[Label], choices: Mapping[Label, Choice]) -> str:
        """The commands that make the missing proofs.

        `--always` is needed if a proof ran another build of the same key: for a build, it is up to
        date. If the engine has a build that does not ship, that is replaced first.
        """
        images = [image for image in choices if {*self.checks_of(image)} & {*checks}]
        if any(choices[image].stamped for image in images):
            return f"./doitw release verify VERSION={self._final.version}"
        absent = [str(image) for image in images if not choices[image].in_engine]
        commands = [f"./doitw {verb} {' '.join(absent)}" for verb in ("clean", "pull") if absent]
        recorded = any(
            self._dev.records.get(self._dev.keys.key(Reference(check))) for check in checks
        )
        again = f" {' '.join(map(str, checks))} --always" if recorded else ""
        return " && ".join([*commands, f"./doitw verify{again}"])

    def _proof(self, check: Label, image: Label, choices: Mapping[Label, Choice]) -> Proof | None:
        """A proof from this machine's store, if it ran the build that ships."""
        workspace = self._workspace_of(choices[image])
        key = workspace.keys.key(Reference(check))
        record = workspace.records.get(key)
        output = record.files.get(REPORT) if record else None
        if output is None or not workspace.store.verify(
            output.sha256, what="the report of a proof"
        ):
            return None
        try:
            with open(workspace.store.path(output.sha256), "rb") as file:
                report = json.load(file)
        except (OSError, ValueError):
            return None
        if not isinstance(report, dict) or report.get("verdict") != WORKS:
            return None
        if not has_run(report, names_of(choices[image])):
            return None
        return Proof(check, image, key, report)
