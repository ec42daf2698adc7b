"""Images of others that the flavour docker-stacks stands on; docs/flavours.md tells of them."""

from buildlib.rules import external_image

# Weekly builds have the date as a tag. All of one date hold the same Python.
for name in ("scipy-notebook", "tensorflow-notebook", "r-notebook"):
    external_image(
        name=name,
        image=f"quay.io/jupyter/{name}:2025-12-31",
        python="3.13",
        repository=f"stacks-{name}",
        flavours=["docker-stacks"],
        doc=f"{name} of docker-stacks",
    )

# The gateway's server needs pyzmq 24, which has wheels for Python 3.11 and none for later ones:
# this is of the last weeks before docker-stacks moved on.
external_image(
    name="minimal-notebook",
    image="quay.io/jupyter/minimal-notebook:2024-10-14",
    python="3.11",
    repository="stacks-minimal-notebook",
    flavours=["docker-stacks"],
    doc="minimal-notebook of docker-stacks, with the last Python that the gateway runs on",
)

# TensorFlow's own, on Ubuntu 22.04; there is none for arm64.
external_image(
    name="tensorflow-gpu",
    image="docker.io/tensorflow/tensorflow:2.20.0-gpu",
    platform="linux/amd64",
    python="3.11",
    repository="stacks-tensorflow-gpu",
    flavours=["docker-stacks"],
    doc="TensorFlow for NVIDIA GPUs",
)
