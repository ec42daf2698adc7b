"""The kernelspecs as an image: what an init container copies into a gateway's pod."""

from buildlib.rules import docker_image, select

docker_image(
    name="kernelspecs",
    parent="//images/bases/os",
    apt=["busybox-static"],
    srcs=[
        select(
            {
                "debian": "//kernelspecs:kernels[docker, kubernetes]",
                "docker-stacks": "//kernelspecs:kernels[docker, kubernetes, gpu]",
            }
        )
    ],
    description="Kernelspecs of Jupyter Enterprise Gateway in /kernels, and a shell to copy them",
    licenses="BSD-3-Clause AND GPL-2.0-only",
    doc="the kernelspecs in /kernels, to be copied into a gateway",
)
