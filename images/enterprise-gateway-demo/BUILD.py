"""The demo: HDFS, YARN, Spark and the gateway in one container."""

from buildlib.rules import docker_image, kernel_check
from images.defs import DEMO_PROOF

docker_image(
    name="enterprise-gateway-demo",
    parent="//images/demo-base",
    srcs=[
        "bootstrap-enterprise-gateway.sh",
        "check-demo.sh",
        "jupyter_enterprise_gateway_config.py",
        "sudoers",
        "//kernelspecs:kernelspecs[yarn, distributed]",
    ],
    bases={"GATEWAY": "//images/enterprise-gateway"},
    flavours=["debian"],
    description="Jupyter Enterprise Gateway with YARN, HDFS and Spark in one container",
    licenses="BSD-3-Clause",
    doc="the gateway with YARN, HDFS and Spark in one container",
)

KERNELSPECS = [
    "//kernelspecs:python_distributed",
    *[
        f"//kernelspecs:spark_{language}_yarn_{mode}"
        for mode in ("client", "cluster")
        for language in ("python", "R", "scala")
    ],
]
# Each start of a kernel takes a processor's seconds: so few of them, and each for several cases.
SMOKE = [
    "kernelspecs",
    "ready",
    *[f"python_distributed/{step}" for step in ("start", "execute", "runs-as", "delete")],
    *[
        f"spark_{name}/{step}"
        for name in ("r_yarn_client", "scala_yarn_client")
        for step in ("start", "task", "spark-where", "runs-as", "interrupt", "delete")
    ],
    "two-kernels",
    "neighbours",
    "killed",
    "spark-killed",
    "not-allowed",
    "too-large",
    "hostile-values",
    "leftovers",
]
kernel_check(
    name="verify",
    image=":enterprise-gateway-demo",
    arguments=["--demo", "--gateway"],
    kernelspecs=KERNELSPECS,
    srcs=DEMO_PROOF,
    manual=True,
    doc="all kernelspecs on YARN, as their users; takes ten minutes",
)
kernel_check(
    name="smoke",
    image=":enterprise-gateway-demo",
    arguments=["--demo", "--case", *SMOKE, "--gateway"],
    kernelspecs=KERNELSPECS,
    srcs=DEMO_PROOF,
    doc="the demo in short: a kernel of each language and mode, and what users may not do",
)
