"""Macros of the family: what all kernel images have in common."""

from __future__ import annotations

from collections.abc import Sequence

from buildlib.rules import docker_image

LAUNCHERS = "//launchers:kernel_image_files"


def kernel_image(
    *,
    name: str,
    parent: str,
    launchers: list[str],
    description: str,
    doc: str,
    python: str = "",
    srcs: Sequence[str] = (),
    apt: Sequence[str] = (),
) -> None:
    """An image that the gateway can start a kernel in.

    Args:
        name: Name of the target and of the image.
        parent: Label of the image with the kernel's environment.
        launchers: Parts of the launcher tarball it takes; `bootstrap` is always among them.
        description: For the OCI label.
        doc: One line for `doit list`.
        python: Requirements of the kernel itself.
        srcs: What the image takes beside its launchers.
        apt: Debian packages of the kernel itself.
    """
    docker_image(
        name=name,
        parent=parent,
        srcs=[*srcs, f"{LAUNCHERS}[{', '.join(['bootstrap', *launchers])}]"],
        python=python,
        apt=apt,
        description=description,
        licenses="BSD-3-Clause",
        doc=doc,
    )
