"""What the builds that ship have passed.

A proof counts only if its report names the very image that ships: the engine may have one build of
a key, and a proof may have run another. What is not proved here may be in the registry, which is
asked for each proof once in a run.
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


class _Wanted(NamedTuple):
    """A proof that a release needs.

    Attributes:
        image: The image that it proves.
        workspace: In the channel in which it is made.
    """

    label: Label
    image: Label
    workspace: Workspace
    record: KeyRecord


class Proofs:
    """The proofs of a release.

    What does not carry the version was proved as it was developed; what does must be proved as it
    ships.

    Args:
        dev: The workspace in the channel in which its images were proved.
        final: The same in the channel of the release.
    """

    def __init__(self, dev: Workspace, final: Workspace, chooser: Chooser) -> None:
        self._dev = dev
        self._final = final
        self._chooser = chooser
        self._asked: set[str] = set()
        """Keys that the registry was asked for."""

    def checks_of(self, label: Label) -> list[Label]:
        """The proofs of an image, of those that exist in this flavour."""
        checks = self._final.graph.checks.get(label, ())
        return [check for check in checks if check not in self._final.left_out]

    def of(self, choices: Mapping[Label, Choice]) -> tuple[list[Proof], list[Label]]:
        """The proofs of what would ship, and the proofs that are still to be made."""
        wanted = [
            self._wanted(image, check) for image in choices for check in self.checks_of(image)
        ]
        unproved = [each for each in wanted if _report(each, choices) is None]
        self._pull([each for each in unproved if choices[each.image].image_id])
        found: list[Proof] = []
        missing: list[Label] = []
        for each in wanted:
            report = _report(each, choices)
            if report is None:
                missing.append(each.label)
            else:
                found.append(Proof(each.label, each.image, each.record.key, report))
        return found, missing

    def required(self, choices: Mapping[Label, Choice]) -> list[Proof]:
        """The proofs of what would ship."""
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
        found: dict[Workspace, list[Label]] = {self._dev: [], self._final: []}
        for proof in proofs:
            found[self._workspace_of(proof.image)].append(proof.label)
        return found

    def _workspace_of(self, image: Label) -> Workspace:
        return self._final if self._chooser.is_stamped(image) else self._dev

    def _wanted(self, image: Label, check: Label) -> _Wanted:
        workspace = self._workspace_of(image)
        return _Wanted(check, image, workspace, workspace.keys.record(Reference(check)))

    def _pull(self, wanted: Sequence[_Wanted]) -> None:
        """Bring the reports of proofs that the registry has, in one question for each channel."""
        new = [each for each in wanted if each.record.key not in self._asked]
        self._asked.update(each.record.key for each in new)
        for workspace in (self._dev, self._final):
            labels = [each.label for each in new if each.workspace is workspace]
            shared = workspace.sharing
            if shared is not None and labels:
                entries = transfers.find(shared, workspace.view, labels)
                transfers.pull(shared, entries, workspace.engine)

    def _how_to_prove(self, checks: Sequence[Label], choices: Mapping[Label, Choice]) -> str:
        """What makes the proofs that are missing.

        A proof that was made of another build of the same key is up to date for a build; and of
        two builds of one key, the engine may have the one that does not ship.
        """
        image_of = {
            check: dep.ref.label
            for check in checks
            for dep in self._final.graph[check].deps
            if dep.kind == IMAGE
        }
        if any(self._chooser.is_stamped(image) for image in image_of.values()):
            return f"./doitw release verify VERSION={self._final.version}"
        absent = {str(image): "" for image in image_of.values() if not choices[image].here}
        commands = [f"./doitw {verb} {' '.join(absent)}" for verb in ("clean", "pull") if absent]
        made = any(self._dev.records.get(self._dev.keys.key(Reference(check))) for check in checks)
        again = f" {' '.join(map(str, checks))} --always" if made else ""
        return " && ".join([*commands, f"./doitw verify{again}"])


def _report(wanted: _Wanted, choices: Mapping[Label, Choice]) -> Mapping[str, Any] | None:
    """The report of a proof that is in this machine's store, if it ran the build that ships."""
    workspace = wanted.workspace
    record = workspace.records.get(wanted.record.key)
    made = record.files.get(REPORT) if record else None
    if made is None or not workspace.store.verify(made.sha256, what="the report of a proof"):
        return None
    try:
        with open(workspace.store.path(made.sha256), "rb") as file:
            report = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(report, dict) or report.get("verdict") != "works":
        return None
    return report if has_run(report, names_of(choices[wanted.image])) else None
