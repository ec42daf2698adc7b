"""TensorFlow for CPUs, on the scientific stack."""

from buildlib.rules import docker_image
from images.defs import INSTALLER

docker_image(
    name="tensorflow-notebook",
    parent="//images/bases/scipy-notebook",
    bases=INSTALLER,
    python="requirements.in",
    flavours=["debian"],
    description="TensorFlow for CPUs on the scientific Python stack, for kernels",
    licenses="BSD-3-Clause AND Apache-2.0",
    doc="TensorFlow on the scientific Python stack",
)
