"""The gateway's server, with the kernelspecs for Docker, Docker Swarm and Kubernetes."""

from buildlib.rules import docker_image, kernel_check, select
from images.defs import GATEWAY_PROOF, INSTALLER, SPARK

# YARN's kernelspecs want a cluster's own Spark and Python: demo images have them, this one has not.
KERNELSPECS = select(
    {
        "debian": "//kernelspecs:kernelspecs[docker, kubernetes]",
        "docker-stacks": "//kernelspecs:kernelspecs[docker, kubernetes, gpu]",
    }
)

docker_image(
    name="enterprise-gateway",
    parent={
        "debian": "//images/bases/minimal-notebook",
        "docker-stacks": "//images/bases/stacks:minimal-notebook",
    },
    srcs=[
        "apply_backports.py",
        "check-enterprise-gateway.sh",
        "jupyter_enterprise_gateway_config.py",
        "start-enterprise-gateway.sh",
        KERNELSPECS,
    ],
    bases={**INSTALLER, **SPARK},
    python="requirements.in",
    description="Jupyter Enterprise Gateway: starts kernels in containers for remote notebooks",
    licenses="BSD-3-Clause",
    doc="the gateway's server",
)
kernel_check(
    name="verify",
    image=":enterprise-gateway",
    arguments=["--gateway"],
    with_images={"//images/kernel-py": ""},
    kernelspecs=["//kernelspecs:python_docker"],
    srcs=GATEWAY_PROOF,
    doc="the server, with the Python kernel: also what is the same for each kernelspec",
)
