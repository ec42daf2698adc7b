"""The Python kernel with Spark."""

from buildlib.rules import kernel_check
from images.defs import kernel_image

kernel_image(
    name="kernel-spark-py",
    parent="//images/kernel-py:environment",
    srcs=["//images/spark:distribution", "//images/spark:java", "//images/spark:setup"],
    apt=["libnss-wrapper"],
    launchers=["python"],
    description="IPython kernel with Apache Spark for Jupyter Enterprise Gateway",
    doc="IPython kernel with Spark",
)

kernel_check(
    name="verify",
    image=":kernel-spark-py",
    doc="the Python kernel with Spark, as the gateway needs it",
)
