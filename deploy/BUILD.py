"""The gateway on Docker and on Docker Swarm, as files that `docker` takes as they are."""

from buildlib.rules import rendered

GATEWAY = {"GATEWAY": "//images/enterprise-gateway"}
LANGUAGES = ["python"]

rendered(
    name="compose",
    template="compose.yaml.in",
    out="compose.yaml",
    images=GATEWAY,
    names={"KERNELS": [f"//kernelspecs:{language}_docker" for language in LANGUAGES]},
    doc="the gateway and its kernels on plain Docker",
)
rendered(
    name="stack",
    template="stack.yaml.in",
    out="stack.yaml",
    images=GATEWAY,
    names={"KERNELS": [f"//kernelspecs:{language}_swarm" for language in LANGUAGES]},
    doc="the gateway and its kernels on Docker Swarm",
)
