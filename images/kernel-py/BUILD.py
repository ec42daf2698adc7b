"""The Python kernel, and the environment that it shares with the one that has Spark."""

from buildlib.rules import select
from images.defs import INSTALLER, kernel_environment, kernel_image, kernel_proofs

kernel_environment(
    image="kernel-py",
    parent={
        "debian": "//images/bases/scipy-notebook",
        "docker-stacks": "//images/bases/stacks:scipy-notebook",
    },
    bases=INSTALLER,
    python=select({"debian": "requirements.in", "docker-stacks": "docker-stacks/requirements.in"}),
    description="What the IPython kernel runs in",
    doc="what the IPython kernel runs in",
)

kernel_image(
    name="kernel-py",
    parent=":environment",
    launchers=["python"],
    description="IPython kernel for Jupyter Enterprise Gateway",
    doc="IPython kernel",
)

kernel_proofs(image="kernel-py", kernelspecs=["//kernelspecs:python_docker"])
