"""The scripts that start kernels on Kubernetes; they lie in kernelspecs, not in kernel images."""

from buildlib.rules import filegroup

SHARED = [
    "//launchers/docker:request",
    "kube_client.py",
    "kube_manifest.py",
    "kube_values.py",
    "kube_volumes.py",
    "kube_watch.py",
]

filegroup(
    name="kubernetes",
    srcs=[*SHARED, "launch_kubernetes.py", "spark_options.py", "kernel-pod.yaml.j2"],
    doc="starts a kernel as a pod",
)
filegroup(
    name="custom_resource",
    srcs=[*SHARED, "launch_custom_resource.py", "sparkoperator.k8s.io-v1beta2.yaml.j2"],
    doc="starts a kernel through Spark's operator for Kubernetes",
)
