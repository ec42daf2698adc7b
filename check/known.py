"""What Enterprise Gateway and the launch scripts know: classes, keys, options, placeholders.

tests/unit/test_check_kernelspec.py holds it to the scripts, and to all kernelspecs of the family.
"""

from __future__ import annotations

from typing import NamedTuple

PROXIES = "enterprise_gateway.services.processproxies."
LOCAL = "processproxy.LocalProcessProxy"
IMAGE, EXECUTOR_IMAGE = "image_name", "executor_image_name"
_USERS = ("authorized_users", "unauthorized_users", "port_range")
_IMAGES = (IMAGE, EXECUTOR_IMAGE, *_USERS)


class Proxy(NamedTuple):
    """A class that starts kernels.

    Attributes:
        config: Keys that it reads.
        script: The launch script that starts kernels where it looks; empty where several do.
        master: How the master of Spark begins, where the class finds the kernel in a cluster.
    """

    config: tuple[str, ...]
    script: str = ""
    master: str = ""

    @property
    def in_containers(self) -> bool:
        """Whether its kernels run in images."""
        return IMAGE in self.config


CLASSES = {
    "docker_swarm.DockerProcessProxy": Proxy(_IMAGES, "launch_docker.py"),
    "docker_swarm.DockerSwarmProcessProxy": Proxy(_IMAGES, "launch_docker.py"),
    "k8s.KubernetesProcessProxy": Proxy(_IMAGES, "launch_kubernetes.py", "k8s://"),
    "crd.CustomResourceProcessProxy": Proxy(_IMAGES, "launch_custom_resource.py"),
    "spark_operator.SparkOperatorProcessProxy": Proxy(_IMAGES, "launch_custom_resource.py"),
    "distributed.DistributedProcessProxy": Proxy((*_USERS, "remote_hosts")),
    "yarn.YarnClusterProcessProxy": Proxy(
        (*_USERS, "yarn_endpoint", "alt_yarn_endpoint", "yarn_endpoint_security_enabled"),
        master="yarn",
    ),
    "conductor.ConductorClusterProcessProxy": Proxy((*_USERS, "conductor_endpoint")),
    LOCAL: Proxy(_USERS),
}
CONDUCTOR = "conductor.ConductorClusterProcessProxy"

KEYS = {
    "argv": '["python", "{resource_dir}/scripts/launch_kubernetes.py", …]',
    "display_name": '"My Custom Kernel"',
    "language": '"python"',
}
"""Keys that each kernel.json needs, with an example."""
OTHER_KEYS = (
    *("env", "metadata", "interrupt_mode", "kernel_protocol_version", "name", "mimetype"),
    "resource_dir",
)
"""Further keys that somebody reads."""

PLACEHOLDERS = (
    *("kernel_id", "response_address", "public_key", "port_range"),
    *("resource_dir", "connection_file", "prefix"),
)
"""What the gateway replaces in `argv`, in braces."""

HERE = "{resource_dir}/"
"""In front of paths in `argv`: the folder of the kernelspec, wherever it is installed."""
PREFIX = "--RemoteProcessProxy."
"""In front of options, as all versions of Enterprise Gateway spell them; ours do without, too."""
NEEDED = ("kernel-id", "response-address", "public-key")
FILLED = (*NEEDED, "port-range")
"""Options whose value the gateway fills in: the placeholder is the option's name with `_`."""
MODE = "spark-context-initialization-mode"
MODES = ("none", "lazy", "eager")
_OF_CONTAINERS = (*FILLED, MODE, "kernel-class-name")
_OF_LAUNCHERS = (*_OF_CONTAINERS, "cluster-type", "customAppName")
RUN_SH = "run.sh"
OPTIONS = {
    "launch_docker.py": _OF_CONTAINERS,
    "launch_kubernetes.py": _OF_CONTAINERS,
    "launch_custom_resource.py": _OF_CONTAINERS,
    "launch_ipykernel.py": _OF_LAUNCHERS,
    "launch_IRkernel.R": _OF_LAUNCHERS,
    RUN_SH: _OF_LAUNCHERS,
}
"""What each program that the gateway runs takes."""
TEMPLATES = {
    "launch_kubernetes.py": "kernel-pod.yaml.j2",
    "launch_custom_resource.py": "sparkoperator.k8s.io-v1beta2.yaml.j2",
}
"""The file that such a program reads from its own folder."""
