"""`rootfs`: the root file system of a Debian system, from locked packages.

The packages become one deterministic tar without root and without Debian on the host
(`buildlib.outside.debian.rootfs`). One step in the engine, without network, configures them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import current, declare, image_repository, label, source, sources
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.section import ROOTFS
from buildlib.core.model.target import Pin, Target, Targets
from buildlib.core.rules.base import DockerfileRule
from buildlib.core.rules.docker_image import oci_labels
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context

TAR = "rootfs.tar"


def rootfs(
    *,
    name: str,
    packages: Sequence[str] = (),
    files: Sequence[str] = (),
    strip_prefix: str = "files/",
    dockerfile: str = "Dockerfile",
    srcs: Sequence[str] = (),
    platform: str = "",
    repository: str = "",
    description: str = "",
    licenses: str = "",
    doc: str = "",
) -> None:
    """Declare a Debian root file system as an image.

    Args:
        name: Name of the target.
        packages: Packages beside Debian's required ones and apt; locked with all they need by
            `./doitw lock rootfs`.
        files: Files of the package that go into the file system as they are.
        strip_prefix: Taken off the front of their names; the rest is the path in the system.
        dockerfile: Adds `rootfs.tar` to nothing and configures it.
        srcs: Further files that the Dockerfile copies.
        platform: Such as `linux/amd64`; by default the workspace's.
        repository: The image's name without organisation; by default the target's name.
        description: For the OCI label of the image; it is part of the result, and so of the key.
        licenses: SPDX expression for the OCI label.
        doc: One line for `doit list`.
    """
    declared, deps = sources(srcs)
    laid, foreign = sources(files, attribute="files")
    if foreign:
        raise InputError(
            f"files holds {foreign[0].ref}, but takes files of the package only",
            fix=f"remove {foreign[0].ref} from files",
        )
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={
            "build_args": {},
            "description": description,
            "dockerfile": dockerfile,
            "files": sorted(file.name for file in laid),
            "licenses": licenses,
            "network": False,
            "platform": platform or current().settings.platform,
            "repository": image_repository(repository or name),
            "strip_prefix": strip_prefix,
        },
        files=[*declared, *laid, source(dockerfile, attribute="dockerfile", makes=True)],
        deps=deps,
        pins=[Pin(ROOTFS.name, str(label(f":{name}")), tuple(sorted(set(packages))))],
    )


class Rootfs(DockerfileRule):
    """An image of a tar of all packages, which one build configures and flattens."""

    kind = "rootfs"
    version = 2
    product = "image"

    def staged_names(self, target: Target, targets: Targets) -> list[str]:
        laid = set(target.attrs["files"])
        return [TAR, *(file.name for file in target.files if file.name not in laid)]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        stage = context.stage(target)
        laid = set(target.attrs["files"])
        prefix = target.attrs["strip_prefix"]
        extra: list[tuple[str, FileOutput]] = []
        for file in target.files:
            if file.name in laid:
                extra.append((file.name.removeprefix(prefix), context.keep_source(file)))
            else:
                stage.add_source(file.name, context.source(file))
        stage.add_stored(TAR, context.write_rootfs(context.fetch(target), extra).sha256)
        stage.finish()
        labels = oci_labels(target, context)
        return context.build_image(target, self.request(target), stage, labels=labels)


RULE = Rootfs()
