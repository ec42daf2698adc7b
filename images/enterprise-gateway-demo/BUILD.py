"""The demo: HDFS, YARN, Spark and the gateway in one container."""

from buildlib.rules import docker_image

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
