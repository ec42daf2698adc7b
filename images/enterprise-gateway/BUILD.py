"""The gateway's server, with the kernelspecs for its engine."""

from buildlib.rules import docker_image, kernel_check

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
kernel_check(
    name="verify",
    image=":enterprise-gateway",
    arguments=["--kernelspec", "python_docker", "--gateway"],
    with_images={"//images/kernel-py": ""},
    doc="the server, with the Python kernel: also what is the same for each kernelspec",
)
