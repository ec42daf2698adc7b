"""SBOMs through the registry: what one machine has read out of an image, no other reads again.

An SBOM is kept under a key as anything made, so it is shared as anything is. A machine that
releases what others built and proved then needs none of those images.
"""

from __future__ import annotations

from buildlib.build.sharing import transfers
from buildlib.build.sharing.writer import Made
from buildlib.build.workspace import Workspace
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label
from buildlib.core.model.target import Rule, Target
from buildlib.shipping.releasing.attest import name_of
from buildlib.shipping.releasing.model import Release, ReleasedImage
from buildlib.shipping.releasing.sbom import key_record, syft_version


class _Sbom(Rule):
    """Never declared: every released image has one."""

    kind = "sbom"
    product = "files"


_RULE = _Sbom()


def pull(workspace: Workspace, release: Release) -> list[ReleasedImage]:
    """Pull the SBOMs that the registry has.

    Returns:
        The images whose SBOM nobody has made yet: they must be in the engine to be read.
    """
    wanted = [
        (image, *_target(workspace, release, image))
        for image in release.images
        if not _is_here(workspace, _target(workspace, release, image)[1])
    ]
    shared = workspace.sharing
    if shared is None or not wanted:
        return [image for image, _, _ in wanted]
    found = shared.find([(target, record) for _, target, record in wanted])
    transfers.pull(shared, found, workspace.engine)
    return [image for image, _, record in wanted if record.key not in found]


def publish(workspace: Workspace, release: Release) -> None:
    """Share the SBOMs of a release; what is there is not sent."""
    if workspace.sharing is None:
        return
    made = {}
    for image in release.images:
        target, record = _target(workspace, release, image)
        kept = workspace.records.get(record.key)
        if kept is not None:
            made[target.label] = Made(target, record, kept.output, [record])
    transfers.publish(workspace.sharing, made, workspace.engine)


def _target(
    workspace: Workspace, release: Release, image: ReleasedImage
) -> tuple[Target, KeyRecord]:
    """An image's SBOM as a target, which no declaration has to name."""
    declared = workspace.graph[image.label]
    label = Label(image.label.package, f"{image.label.name}.sbom")
    target = Target(label, _RULE, declared.where, f"what is in {image.label}", {})
    return target, key_record(image, name_of(release, image), syft_version())


def _is_here(workspace: Workspace, record: KeyRecord) -> bool:
    kept = workspace.records.get(record.key)
    return kept is not None and all(
        workspace.store.check(made.sha256, made.size) for made in kept.files.values()
    )
