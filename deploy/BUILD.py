"""The gateway on Docker and on Docker Swarm, as files that `docker` takes as they are."""

from buildlib.rules import filegroup, rendered, select

# All that verify/platforms.py imports from here.
filegroup(
    name="platforms",
    srcs=[
        "compose.py",
        "composefile.py",
        "docker_api.py",
        "kind.py",
        "platform.py",
        "state.py",
        "swarm.py",
        "waiting.py",
    ],
    doc="how a gateway is started on each platform, also for proofs",
)

GATEWAY = {"GATEWAY": "//images/enterprise-gateway"}
PULLER = {"PULLER": "//images/kernel-image-puller"}
KERNELS = [
    "python",
    "python_tf",
    "R",
    "scala",
    "spark_python",
    "spark_R",
    "spark_scala",
    *select({"debian": [], "docker-stacks": ["python_tf_gpu"]}),
]

rendered(
    name="compose",
    template="compose.yaml.in",
    out="compose.yaml",
    images={**GATEWAY, **PULLER},
    names={"KERNELS": [f"//kernelspecs:{kernel}_docker" for kernel in KERNELS]},
    doc="the gateway and its kernels on plain Docker",
)
rendered(
    name="stack",
    template="stack.yaml.in",
    out="stack.yaml",
    images=GATEWAY,
    names={"KERNELS": [f"//kernelspecs:{kernel}_swarm" for kernel in KERNELS]},
    doc="the gateway and its kernels on Docker Swarm",
)
