"""The gateway's server, with the kernelspecs for its engine."""

from buildlib.rules import docker_image

docker_image(
    name="enterprise-gateway",
    parent="//images/bases/minimal-notebook",
    srcs=[
        "check-enterprise-gateway.sh",
        "start-enterprise-gateway.sh",
        "//kernelspecs:kernelspecs[docker]",
    ],
    python="requirements.in",
    description="Jupyter Enterprise Gateway: starts kernels in containers for remote notebooks",
    licenses="BSD-3-Clause",
    doc="the gateway's server",
)
