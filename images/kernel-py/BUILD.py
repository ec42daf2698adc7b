"""The Python kernel."""

from buildlib.rules import kernel_check
from images.defs import kernel_image

kernel_image(
    name="kernel-py",
    parent="//images/bases/scipy-notebook",
    launchers=["python"],
    python="requirements.in",
    description="IPython kernel for Jupyter Enterprise Gateway",
    doc="IPython kernel",
)

kernel_check(
    name="verify",
    image=":kernel-py",
    doc="the Python kernel, as the gateway needs it",
)
