"""Sharing SBOMs through the registry, so that only one machine makes each.

An SBOM has a key like anything built, so it is shared like anything built. A machine that releases
what others built and proved then needs none of those images.
"""

from __future__ import annotations

from buildlib.build.sharing import transfers
from buildlib.build.sharing.entry_writer import BuiltTarget
from buildlib.build.workspace import Workspace
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label
from buildlib.core.model.target import Rule, Target
from buildlib.shipping.releasing.attest import name_of
from buildlib.shipping.releasing.model import Release, ReleasedImage
from buildlib.shipping.releasing.sbom import key_record, stored, syft_version


class _Sbom(Rule):
    """The rule of an SBOM, which nobody declares: every released image has one."""

    kind = "sbom"
    product = "files"


_RULE = _Sbom()


def pull(workspace: Workspace, release: Release) -> list[ReleasedImage]:
    """Pull the SBOMs that the registry has.

    Returns:
        The images that have no SBOM yet; the engine must have them, to make it.
    """
    targets = [(image, *_target(workspace, release, image)) for image in release.images]
    unmade = [each for each in targets if stored(workspace, each[2]) is None]
    shared, entries = workspace.shared_store, {}
    if shared is not None and unmade:
        entries = shared.find([(target, record) for _, target, record in unmade])
        transfers.pull(shared, entries, workspace.engine)
    return [image for image, _, record in unmade if record.key not in entries]


def publish(workspace: Workspace, release: Release) -> None:
    """Push the SBOMs of a release that the registry lacks."""
    if workspace.shared_store is None:
        return
    to_publish = {}
    for image in release.images:
        target, record = _target(workspace, release, image)
        recorded = workspace.records.get(record.key)
        if recorded is not None:
            to_publish[target.label] = BuiltTarget(target, record, recorded.output, [record])
    transfers.publish(workspace.shared_store, to_publish, workspace.engine)


def _target(
    workspace: Workspace, release: Release, image: ReleasedImage
) -> tuple[Target, KeyRecord]:
    """The SBOM of an image as a target and its key record; no BUILD.py declares it."""
    declared = workspace.graph[image.label]
    label = Label(image.label.package, f"{image.label.name}.sbom")
    target = Target(label, _RULE, declared.where, f"what is in {image.label}", {})
    return target, key_record(image, name_of(release, image), syft_version())
