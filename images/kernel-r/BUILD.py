"""The R kernel, and the environment that it shares with the one that has Spark."""

from buildlib.rules import docker_image
from images.defs import kernel_image, kernel_proofs

docker_image(
    name="environment",
    repository="kernel-r-environment",
    internal=True,
    dockerfile="environment.Dockerfile",
    parent={
        "debian": "//images/bases/r-notebook",
        "docker-stacks": "//images/bases/stacks:r-notebook",
    },
    description="What the R kernel runs in; a base of kernel images, and no kernel image",
    licenses="BSD-3-Clause",
    doc="what the R kernel runs in, without launchers",
)

kernel_image(
    name="kernel-r",
    parent=":environment",
    launchers=["r"],
    description="R kernel for Jupyter Enterprise Gateway",
    doc="R kernel",
)

kernel_proofs(image="kernel-r", kernelspecs=["R_docker"])
