"""The script that starts kernel containers; it lies in kernelspecs, not in kernel images."""

from buildlib.rules import filegroup

filegroup(
    name="docker",
    srcs=["launch_docker.py", ":request"],
    doc="starts a kernel with Docker or Docker Swarm",
)
filegroup(
    name="request",
    srcs=["kernel_request.py", "launch_errors.py"],
    doc="what a kernel may be asked for with, and why it cannot be started",
)
