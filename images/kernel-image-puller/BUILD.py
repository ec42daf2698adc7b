"""The kernel image puller: has each node's images before the first kernel asks for them."""

from buildlib.rules import docker_image, glob
from images.defs import INSTALLER

docker_image(
    name="kernel-image-puller",
    parent="//images/bases/minimal-notebook",
    srcs=glob(["kernel_image_puller/*.py"]),
    bases=INSTALLER,
    python="requirements.in",
    description="Pulls the kernel images of Jupyter Enterprise Gateway to a node ahead of time",
    licenses="BSD-3-Clause",
    doc="pulls kernel images ahead of time",
)
