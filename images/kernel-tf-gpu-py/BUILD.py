"""The Python kernel with TensorFlow for NVIDIA GPUs; of the flavour docker-stacks only."""

from buildlib.rules import docker_image

docker_image(
    name="kernel-tf-gpu-py",
    parent={"docker-stacks": "//images/bases/stacks:tensorflow-gpu"},
    srcs=["//launchers:kernel_image_files[bootstrap, python]"],
    python="requirements.in",
    platform="linux/amd64",
    flavours=["docker-stacks"],
    description="IPython kernel with TensorFlow for GPUs, for Jupyter Enterprise Gateway",
    licenses="BSD-3-Clause",
    doc="IPython kernel with TensorFlow for GPUs",
)
