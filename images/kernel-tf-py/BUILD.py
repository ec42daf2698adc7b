"""The Python kernel with TensorFlow."""

from buildlib.rules import kernel_check
from images.defs import kernel_image

kernel_image(
    name="kernel-tf-py",
    parent="//images/bases/tensorflow-notebook",
    launchers=["python"],
    python="requirements.in",
    description="IPython kernel with TensorFlow for Jupyter Enterprise Gateway",
    doc="IPython kernel with TensorFlow",
)

kernel_check(
    name="verify",
    image=":kernel-tf-py",
    doc="the Python kernel with TensorFlow, as the gateway needs it",
)
