"""The root file system that all images of the family stand on."""

from buildlib.rules import glob, rootfs

rootfs(
    name="os",
    repository="os",
    files=glob(["files/**"]),
    srcs=["configure.sh"],
    description="Debian 12, from locked packages",
    doc="Debian 12, from locked packages",
)
