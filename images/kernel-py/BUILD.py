"""The Python kernel, and the environment that it shares with the one that has Spark."""

from buildlib.rules import docker_image, select
from images.defs import kernel_image, kernel_proofs

docker_image(
    name="environment",
    repository="kernel-py-environment",
    internal=True,
    dockerfile="environment.Dockerfile",
    parent={
        "debian": "//images/bases/scipy-notebook",
        "docker-stacks": "//images/bases/stacks:scipy-notebook",
    },
    python=select({"debian": "requirements.in", "docker-stacks": "docker-stacks/requirements.in"}),
    description="What the IPython kernel runs in; a base of kernel images, and no kernel image",
    licenses="BSD-3-Clause",
    doc="what the IPython kernel runs in, without launchers",
)

kernel_image(
    name="kernel-py",
    parent=":environment",
    launchers=["python"],
    description="IPython kernel for Jupyter Enterprise Gateway",
    doc="IPython kernel",
)

kernel_proofs(image="kernel-py", kernelspecs=["python_docker"])
