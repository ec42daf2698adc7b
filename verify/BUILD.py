"""The code of the proofs, a part of every proof's key; and the proofs of no single image.

What starts a real gateway is `//deploy:platforms`, a part of the keys of those proofs that do.
"""

from buildlib.rules import filegroup, glob, kernel_check
from kernelspecs.defs import CONTAINER_KERNELS

filegroup(
    name="verify",
    srcs=glob(["**/*.py"], exclude=["BUILD.py"]),
    doc="code that proves images",
)

kernel_check(
    name="swarm",
    image="//images/enterprise-gateway",
    arguments=["--swarm", "--gateway"],
    with_images={"//images/kernel-py": "", "//images/kernel-r": "", "//images/kernel-scala": ""},
    kernelspecs=[f"//kernelspecs:{kernel}_swarm" for kernel in ("python", "R", "scala")],
    srcs=["//verify", "//deploy:platforms"],
    manual=True,
    doc="all languages under the real gateway, in a swarm; changes the engine's mode for a while",
)
kernel_check(
    name="kubernetes",
    image="//images/enterprise-gateway",
    arguments=["--gateway"],
    with_images={
        f"//images/{image}": ""
        for image in (
            "kernel-py",
            "kernel-r",
            "kernel-scala",
            "kernel-spark-py",
            "kernel-spark-r",
            "kernel-tf-py",
        )
    },
    kernelspecs=[f"//kernelspecs:{kernel}_kubernetes" for kernel in CONTAINER_KERNELS],
    srcs=["//verify", "//deploy:platforms", "//deploy:cluster", "//deploy:kubernetes"],
    cluster=True,
    doc="all kernelspecs for Kubernetes under the real gateway, on the cluster of a --context",
)
