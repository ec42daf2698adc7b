"""The launcher of R kernels: in kernel images, and in kernelspecs that run without them."""

from buildlib.rules import filegroup, glob

filegroup(
    name="R",
    srcs=[":launch_IRkernel", ":kernel_launcher"],
    doc="starts an R kernel, and watches over it",
)
filegroup(
    name="launch_IRkernel",
    srcs=["launch_IRkernel.R"],
    doc="the R launcher's program",
)
filegroup(
    name="kernel_launcher",
    srcs=glob(["kernel_launcher/*.R"]),
    doc="the R launcher's modules",
)
