"""The R kernel with Spark."""

from images.defs import kernel_image, kernel_proofs

kernel_image(
    name="kernel-spark-r",
    parent="//images/kernel-r:environment",
    srcs=["//images/spark:distribution", "//images/spark:java", "//images/spark:setup"],
    apt=["libnss-wrapper", "libpython3.11", "r-cran-reticulate"],
    python="requirements.in",
    flavours=["debian"],  # reticulate is Debian's; images of others take no packages of Debian
    launchers=["r"],
    description="R kernel with Apache Spark for Jupyter Enterprise Gateway",
    doc="R kernel with Spark",
)

kernel_proofs(image="kernel-spark-r", kernelspecs=["spark_R_docker"])
