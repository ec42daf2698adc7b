"""The launcher of Python kernels: in kernel images, and in kernelspecs that run without them."""

from buildlib.rules import filegroup, glob

filegroup(
    name="R",
    srcs=[":launch_ipykernel", ":kernel_launcher"],
    doc="starts a Python kernel, and watches over it",
)
filegroup(
    name="launch_ipykernel",
    srcs=["launch_ipykernel.py"],
    doc="the Python launcher's program",
)
filegroup(
    name="kernel_launcher",
    srcs=glob(["kernel_launcher/**/*.py"]),
    doc="the Python launcher's package",
)
