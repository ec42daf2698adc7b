"""The R kernel with Spark."""

from images.defs import INSTALLER, SPARK, kernel_environment, kernel_image, kernel_proofs

# reticulate is Debian's; images of others take no packages of Debian.
FLAVOURS = ["debian"]

kernel_environment(
    image="kernel-spark-r",
    parent="//images/kernel-r:environment",
    bases={**INSTALLER, **SPARK},
    srcs=["//images/spark:setup"],
    apt=["libnss-wrapper", "libpython3.11", "r-cran-reticulate"],
    python="requirements.in",
    flavours=FLAVOURS,
    description="What the R kernel with Apache Spark runs in",
    doc="what the R kernel with Spark runs in",
)

kernel_image(
    name="kernel-spark-r",
    parent=":environment",
    launchers=["r"],
    flavours=FLAVOURS,
    description="R kernel with Apache Spark for Jupyter Enterprise Gateway",
    doc="R kernel with Spark",
)

kernel_proofs(image="kernel-spark-r", kernelspecs=["//kernelspecs:spark_R_docker"])
