"""The gateway on Docker, Docker Swarm and Kubernetes, as files that their clients take."""

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
# All that verify/cluster.py imports beside those.
filegroup(
    name="cluster",
    srcs=["kubectl.py", "kubernetes.py", "manifests.py"],
    doc="how a gateway is started on Kubernetes, also for proofs",
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

# Kubernetes: a base and overlays (docs/deploy-kubernetes.md); those that name images are rendered.
ON_KUBERNETES = ["python", "python_tf", "R", "scala", "spark_python", "spark_R", "spark_scala"]
KUBERNETES_KERNELS = [f"//kernelspecs:{kernel}_kubernetes" for kernel in ON_KUBERNETES]

rendered(
    name="kubernetes",
    template="kubernetes/base/enterprise-gateway.yaml.in",
    out="kubernetes/base/enterprise-gateway.yaml",
    images=GATEWAY,
    names={"KERNELS": KUBERNETES_KERNELS},
    doc="the gateway and its kernels on Kubernetes",
)
rendered(
    name="kubernetes_release",
    template="kubernetes/base/enterprise-gateway.yaml.in",
    out="enterprise-gateway.yaml",
    images=GATEWAY,
    names={"KERNELS": KUBERNETES_KERNELS},
    release=True,
    doc="the same, as a file of releases",
)
rendered(
    name="kubernetes_kernelspecs-image",
    template="kubernetes/overlays/kernelspecs-image/gateway.yaml.in",
    out="kubernetes/overlays/kernelspecs-image/gateway.yaml",
    images={"KERNELSPECS": "//images/kernelspecs"},
    doc="overlay: kernelspecs from their own image",
)
rendered(
    name="kubernetes_puller",
    template="kubernetes/overlays/puller/puller.yaml.in",
    out="kubernetes/overlays/puller/puller.yaml",
    images=PULLER,
    doc="overlay: the image puller on each node",
)
rendered(
    name="kubernetes_gpus",
    template="kubernetes/overlays/gpus/gateway.yaml.in",
    out="kubernetes/overlays/gpus/gateway.yaml",
    images={"IMAGE": "//images/kernel-tf-gpu-py"},  # which not every flavour has
    names={"KERNELS": [*KUBERNETES_KERNELS, "//kernelspecs:python_tf_gpu_kubernetes"]},
    doc="overlay: kernels with GPUs",
)
