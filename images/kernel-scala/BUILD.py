"""The Scala kernel: Apache Toree on Spark."""

from buildlib.rules import kernel_check
from images.defs import kernel_image

kernel_image(
    name="kernel-scala",
    parent="//images/spark",
    launchers=["scala"],
    description="Apache Toree (Scala, Spark) for Jupyter Enterprise Gateway",
    doc="Scala kernel, Apache Toree",
)

kernel_check(
    name="verify",
    image=":kernel-scala",
    doc="the Scala kernel, as the gateway needs it",
)
