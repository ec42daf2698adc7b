"""The Python kernel with TensorFlow."""

from buildlib.rules import kernel_check, select
from images.defs import kernel_image

kernel_image(
    name="kernel-tf-py",
    parent={
        "debian": "//images/bases/tensorflow-notebook",
        "docker-stacks": "//images/bases/stacks:tensorflow-notebook",
    },
    launchers=["python"],
    python=select({"debian": "requirements.in", "docker-stacks": "docker-stacks/requirements.in"}),
    description="IPython kernel with TensorFlow for Jupyter Enterprise Gateway",
    doc="IPython kernel with TensorFlow",
)

kernel_check(
    name="verify",
    image=":kernel-tf-py",
    doc="the Python kernel with TensorFlow, as the gateway needs it",
)
