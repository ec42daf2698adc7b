"""The Python kernel with TensorFlow."""

from buildlib.rules import select
from images.defs import INSTALLER, kernel_environment, kernel_image, kernel_proofs

kernel_environment(
    image="kernel-tf-py",
    parent={
        "debian": "//images/bases/tensorflow-notebook",
        "docker-stacks": "//images/bases/stacks:tensorflow-notebook",
    },
    bases=INSTALLER,
    python=select({"debian": "requirements.in", "docker-stacks": "docker-stacks/requirements.in"}),
    description="What the IPython kernel with TensorFlow runs in",
    doc="what the IPython kernel with TensorFlow runs in",
)

kernel_image(
    name="kernel-tf-py",
    parent=":environment",
    launchers=["python"],
    description="IPython kernel with TensorFlow for Jupyter Enterprise Gateway",
    doc="IPython kernel with TensorFlow",
)

kernel_proofs(image="kernel-tf-py", kernelspecs=["//kernelspecs:python_tf_docker"])
