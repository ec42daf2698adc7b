"""The proofs of the builds that ship.

A proof counts only if its report names the very image that ships: it may have run another build of
the same key. A proof that this machine lacks may be in the registry, which is asked once a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from buildlib.build.sharing import transfers
from buildlib.build.workspace import Workspace
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import IMAGE
from buildlib.core.rules.kernel_check import REPORT
from buildlib.errors import ActionError
from buildlib.shipping.releasing.attest import has_run
from buildlib.shipping.releasing.choose import Choice, Chooser
from buildlib.shipping.releasing.model import Proof, names_of


class _NeededProof(NamedTuple):
    """A proof that a release needs.

    Attributes:
        image: The image that it proves.
        workspace: In the channel in which the proof is made.
    """

    label: Label
    image: Label
    workspace: Workspace
    record: KeyRecord


class Proofs:
    """The proofs of a release.

    An image without the version was proved under development; one with it must be proved as it
    ships.

    Args:
        dev: The workspace under development.
        final: The workspace in the channel of the release.
    """

    def __init__(self, dev: Workspace, final: Workspace, chooser: Chooser) -> None:
        self._dev = dev
        self._final = final
        self._chooser = chooser
        self._asked: set[str] = set()
        """Keys of proofs that the registry was asked for."""

    def checks_of(self, label: Label) -> list[Label]:
        """The proofs that are declared for an image in this flavour."""
        checks = self._final.graph.checks.get(label, ())
        return [check for check in checks if check not in self._final.left_out]

    def of(self, choices: Mapping[Label, Choice]) -> tuple[list[Proof], list[Label]]:
        """The proofs of what would ship, and the proofs that are missing."""
        needed = [
            self._needed(image, check) for image in choices for check in self.checks_of(image)
        ]
        unproved = [each for each in needed if _report(each, choices) is None]
        self._pull([each for each in unproved if choices[each.image].image_id])
        proofs: list[Proof] = []
        missing: list[Label] = []
        for each in needed:
            report = _report(each, choices)
            if report is None:
                missing.append(each.label)
            else:
                proofs.append(Proof(each.label, each.image, each.record.key, report))
        return proofs, missing

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

    def by_workspace(self, proofs: Sequence[Proof]) -> dict[Workspace, list[Label]]:
        """Proofs by the workspace in whose channel they were made."""
        by_workspace: dict[Workspace, list[Label]] = {self._dev: [], self._final: []}
        for proof in proofs:
            by_workspace[self._workspace_of(proof.image)].append(proof.label)
        return by_workspace

    def _workspace_of(self, image: Label) -> Workspace:
        return self._final if self._chooser.is_stamped(image) else self._dev

    def _needed(self, image: Label, check: Label) -> _NeededProof:
        workspace = self._workspace_of(image)
        return _NeededProof(check, image, workspace, workspace.keys.record(Reference(check)))

    def _pull(self, needed: Sequence[_NeededProof]) -> None:
        """Pull reports of proofs from the registry, in one request for each channel."""
        new = [each for each in needed if each.record.key not in self._asked]
        self._asked.update(each.record.key for each in new)
        for workspace in (self._dev, self._final):
            labels = [each.label for each in new if each.workspace is workspace]
            shared = workspace.shared_store
            if shared is not None and labels:
                entries = transfers.find(shared, workspace.view, labels)
                transfers.pull(shared, entries, workspace.engine)

    def _how_to_prove(self, checks: Sequence[Label], choices: Mapping[Label, Choice]) -> str:
        """The commands that make the missing proofs.

        `--always` is needed if a proof ran another build of the same key: for a build, it is up to
        date. If the engine has a build that does not ship, that is replaced first.
        """
        image_of = {
            check: dep.ref.label
            for check in checks
            for dep in self._final.graph[check].deps
            if dep.kind == IMAGE
        }
        if any(self._chooser.is_stamped(image) for image in image_of.values()):
            return f"./doitw release verify VERSION={self._final.version}"
        absent = {str(image): "" for image in image_of.values() if not choices[image].in_engine}
        commands = [f"./doitw {verb} {' '.join(absent)}" for verb in ("clean", "pull") if absent]
        recorded = any(
            self._dev.records.get(self._dev.keys.key(Reference(check))) for check in checks
        )
        again = f" {' '.join(map(str, checks))} --always" if recorded else ""
        return " && ".join([*commands, f"./doitw verify{again}"])


def _report(needed: _NeededProof, choices: Mapping[Label, Choice]) -> Mapping[str, Any] | None:
    """The report of a proof from this machine's store, if it ran the build that ships."""
    workspace = needed.workspace
    record = workspace.records.get(needed.record.key)
    output = record.files.get(REPORT) if record else None
    if output is None or not workspace.store.verify(output.sha256, what="the report of a proof"):
        return None
    try:
        with open(workspace.store.path(output.sha256), "rb") as file:
            report = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(report, dict) or report.get("verdict") != "works":
        return None
    return report if has_run(report, names_of(choices[needed.image])) else None
