"""What runs inside a kernel image: the bootstrap script and a launcher for each language."""

from buildlib.rules import tarball

SCALA = "kernel-launchers/scala/lib/"

tarball(
    name="kernel_image_files",
    parts={
        "bootstrap": {"bootstrap-kernel.sh": "bootstrap/bootstrap-kernel.sh"},
        "python": {"kernel-launchers/python/scripts/": "//launchers/python"},
        "scala": {
            SCALA + "toree-launcher.jar": "//launchers/scala:toree_launcher",
            SCALA + "toree-assembly.jar": "//launchers/scala:toree",
        },
        "r": {"kernel-launchers/R/scripts/": "//launchers/R"},
    },
    executables=["bootstrap-kernel.sh"],
    prefix="usr/local/bin",
    archive="jupyter_enterprise_gateway_kernel_image_files",
    release_names={
        SCALA + "toree-launcher.jar": SCALA + "toree-launcher_2.12-{version}.jar",
        SCALA + "toree-assembly.jar": SCALA + "toree-assembly-0.5.0-incubating.jar",
    },
    doc="bootstrap script and launchers, for kernel images",
)
