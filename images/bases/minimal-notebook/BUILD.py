"""The docker-stacks contract: jovyan, $CONDA_DIR, tini; no notebook server."""

from buildlib.rules import docker_image

docker_image(
    name="minimal-notebook",
    parent="//images/bases/os",
    srcs=["fix-permissions"],
    apt=[
        "bzip2",
        "ca-certificates",
        "curl",
        "fonts-liberation",
        "netbase",
        "python3",
        "tini",
        "unzip",
        "wget",
    ],
    python="requirements.in",
    description="The docker-stacks contract for kernels: jovyan, a Python environment, tini",
    licenses="BSD-3-Clause",
    doc="jovyan, a Python environment on PATH, tini",
)
