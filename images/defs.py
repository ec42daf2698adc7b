"""Macros of the family: what all kernel images have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildlib.rules import docker_image, kernel_check

LAUNCHERS = "//launchers:kernel_image_files"
INSTALLER = {"INSTALLER": "//images/installer"}
"""The base that a step mounts to install its wheels; see docs/images/installer.md."""
SPARK = {"JAVA": "//images/spark:java-files", "SPARK": "//images/spark:spark-files"}
"""The bases that an image copies Java and Spark from, each in a layer of its own."""
GATEWAY = "//images/enterprise-gateway"
GATEWAY_PROOF = ["//verify", "//deploy:platforms"]
"""The code of a proof that starts the real gateway."""
DEMO_PROOF = [*GATEWAY_PROOF, "//deploy:demo", "//deploy:demo-platform"]
"""The code of a proof that starts the demo, and the file that describes it."""


def kernel_environment(
    *,
    image: str,
    parent: str | Mapping[str, str],
    doc: str,
    description: str,
    dockerfile: str = "environment.Dockerfile",
    bases: Mapping[str, str] | None = None,
    srcs: Sequence[str] = (),
    apt: Sequence[str] = (),
    python: str = "",
    platform: str = "",
    flavours: Sequence[str] = (),
) -> None:
    """What a kernel runs in: all of a kernel image but its launchers, as the target `environment`.

    So an edited launcher makes one small layer anew, which takes no builder.

    Args:
        image: Name of the kernel image's target.
        parent: Label of the image that it adds to, or one for each flavour.
        doc: One line for `doit list`.
        description: For the OCI label.
        dockerfile: Its Dockerfile.
        bases: Further images: build argument -> label.
        srcs: What it takes beside packages.
        apt: Debian packages of the kernel.
        python: Requirements of the kernel.
        platform: Where it runs, if not on the workspace's.
        flavours: Where it exists, if not in all.
    """
    docker_image(
        name="environment",
        repository=f"{image}-environment",
        internal=True,
        dockerfile=dockerfile,
        parent=parent,
        bases=bases or {},
        srcs=srcs,
        apt=apt,
        python=python,
        platform=platform,
        flavours=flavours,
        description=f"{description}; a base of kernel images, and no kernel image",
        licenses="BSD-3-Clause",
        doc=f"{doc}, without launchers",
    )


def kernel_image(
    *,
    name: str,
    parent: str,
    launchers: list[str],
    description: str,
    doc: str,
    platform: str = "",
    flavours: Sequence[str] = (),
) -> None:
    """An image that the gateway can start a kernel in: launchers on an environment.

    Args:
        name: Name of the target and of the image.
        parent: Label of the image with the kernel's environment.
        launchers: Parts of the launcher tarball it takes; `bootstrap` is always among them.
        description: For the OCI label.
        doc: One line for `doit list`.
        platform: Where it runs, if not on the workspace's.
        flavours: Where it exists, if not in all.
    """
    docker_image(
        name=name,
        parent=parent,
        srcs=[f"{LAUNCHERS}[{', '.join(['bootstrap', *launchers])}]"],
        platform=platform,
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
        kernelspecs: Labels of its kernelspecs for plain Docker.
    """
    kernel_check(
        name="verify",
        image=f":{image}",
        doc=f"{image} keeps the contract of all kernel images",
    )
    kernel_check(
        name="gateway",
        image=f":{image}",
        arguments=["--kernels-only"],
        with_images={GATEWAY: "--gateway"},
        kernelspecs=kernelspecs,
        srcs=GATEWAY_PROOF,
        doc=f"{image}'s kernelspecs under the real gateway",
    )
