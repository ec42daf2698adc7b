"""The script that starts kernel containers; it lies in kernelspecs, not in kernel images."""

from buildlib.rules import filegroup

filegroup(
    name="docker",
    srcs=["launch_docker.py", "kernel_request.py", "launch_errors.py"],
    doc="starts a kernel with Docker or Docker Swarm",
)
