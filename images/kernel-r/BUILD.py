"""The R kernel, and the environment that it shares with the one that has Spark."""

from images.defs import kernel_environment, kernel_image, kernel_proofs

kernel_environment(
    image="kernel-r",
    parent={
        "debian": "//images/bases/r-notebook",
        "docker-stacks": "//images/bases/stacks:r-notebook",
    },
    description="What the R kernel runs in",
    doc="what the R kernel runs in",
)

kernel_image(
    name="kernel-r",
    parent=":environment",
    launchers=["r"],
    description="R kernel for Jupyter Enterprise Gateway",
    doc="R kernel",
)

kernel_proofs(image="kernel-r", kernelspecs=["//kernelspecs:R_docker"])
