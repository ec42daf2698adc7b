"""The Python kernel with TensorFlow."""

from buildlib.rules import select
from images.defs import kernel_image, kernel_proofs

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

kernel_proofs(image="kernel-tf-py", kernelspecs=["python_tf_docker"])
