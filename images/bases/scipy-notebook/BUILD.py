"""The scientific Python stack."""

from buildlib.rules import docker_image
from images.defs import INSTALLER

docker_image(
    name="scipy-notebook",
    parent="//images/bases/minimal-notebook",
    bases=INSTALLER,
    python="requirements.in",
    flavours=["debian"],
    description="The scientific Python stack of docker-stacks' scipy-notebook, for kernels",
    licenses="BSD-3-Clause",
    doc="the scientific Python stack",
)
