"""The Python kernel with TensorFlow for NVIDIA GPUs; of the flavour docker-stacks only."""

from images.defs import kernel_environment, kernel_image

FLAVOURS = ["docker-stacks"]
PLATFORM = "linux/amd64"

kernel_environment(
    image="kernel-tf-gpu-py",
    parent={"docker-stacks": "//images/bases/stacks:tensorflow-gpu"},
    python="requirements.in",
    platform=PLATFORM,
    flavours=FLAVOURS,
    description="What the IPython kernel with TensorFlow for GPUs runs in",
    doc="what the IPython kernel with TensorFlow for GPUs runs in",
)

kernel_image(
    name="kernel-tf-gpu-py",
    parent=":environment",
    launchers=["python"],
    platform=PLATFORM,
    flavours=FLAVOURS,
    description="IPython kernel with TensorFlow for GPUs, for Jupyter Enterprise Gateway",
    doc="IPython kernel with TensorFlow for GPUs",
)
