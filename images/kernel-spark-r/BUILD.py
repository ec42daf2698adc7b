"""The R kernel with Spark."""

from buildlib.rules import kernel_check
from images.defs import kernel_image

kernel_image(
    name="kernel-spark-r",
    parent="//images/kernel-r:environment",
    srcs=["//images/spark:distribution", "//images/spark:java", "//images/spark:setup"],
    apt=["libnss-wrapper", "libpython3.11", "r-cran-reticulate"],
    python="requirements.in",
    launchers=["r"],
    description="R kernel with Apache Spark for Jupyter Enterprise Gateway",
    doc="R kernel with Spark",
)

kernel_check(
    name="verify",
    image=":kernel-spark-r",
    doc="the R kernel with Spark, as the gateway needs it",
)
