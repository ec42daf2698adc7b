"""Macros of the family: what all kernel images have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildlib.rules import docker_image, kernel_check

LAUNCHERS = "//launchers:kernel_image_files"
GATEWAY = "//images/enterprise-gateway"
GATEWAY_PROOF = ["//verify", "//deploy:platforms"]
"""The code of a proof that starts the real gateway."""


def kernel_image(
    *,
    name: str,
    parent: str | Mapping[str, str],
    launchers: list[str],
    description: str,
    doc: str,
    dockerfile: str = "Dockerfile",
    python: str = "",
    srcs: Sequence[str] = (),
    apt: Sequence[str] = (),
    flavours: Sequence[str] = (),
) -> None:
    """An image that the gateway can start a kernel in.

    Args:
        name: Name of the target and of the image.
        parent: Label of the image with the kernel's environment, or one for each flavour.
        launchers: Parts of the launcher tarball it takes; `bootstrap` is always among them.
        description: For the OCI label.
        doc: One line for `doit list`.
        dockerfile: Its Dockerfile.
        python: Requirements of the kernel itself.
        srcs: What the image takes beside its launchers.
        apt: Debian packages of the kernel itself.
        flavours: Where it exists, if not in all.
    """
    docker_image(
        name=name,
        parent=parent,
        dockerfile=dockerfile,
        srcs=[*srcs, f"{LAUNCHERS}[{', '.join(['bootstrap', *launchers])}]"],
        python=python,
        apt=apt,
        flavours=flavours,
        description=description,
        licenses="BSD-3-Clause",
        doc=doc,
    )


def kernel_proofs(*, image: str, kernelspecs: list[str]) -> None:
    """The proofs of a kernel image, which `./doitw verify IMAGE` runs; see docs/verify.md.

    `:verify` holds the image to the contract of all kernel images, `:gateway` runs each of its
    kernelspecs under the real gateway. An edit of one image proves that image anew, and no other.

    Args:
        image: Name of the image's target.
        kernelspecs: Names of its kernelspecs for plain Docker.
    """
    kernel_check(
        name="verify",
        image=f":{image}",
        doc=f"{image} keeps the contract of all kernel images",
    )
    kernel_check(
        name="gateway",
        image=f":{image}",
        arguments=["--kernelspec", *kernelspecs, "--kernels-only"],
        with_images={GATEWAY: "--gateway"},
        srcs=GATEWAY_PROOF,
        doc=f"{image}'s kernelspecs under the real gateway",
    )
