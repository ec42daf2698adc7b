"""The Python kernel."""

from images.defs import kernel_image

kernel_image(
    name="kernel-py",
    parent="//images/bases/scipy-notebook",
    launchers=["python"],
    python="requirements.in",
    description="IPython kernel for Jupyter Enterprise Gateway",
    doc="IPython kernel",
)
