"""The Scala kernel: Apache Toree on Spark."""

from images.defs import kernel_image, kernel_proofs

kernel_image(
    name="kernel-scala",
    parent="//images/spark",
    launchers=["scala"],
    description="Apache Toree (Scala, Spark) for Jupyter Enterprise Gateway",
    doc="Scala kernel, Apache Toree",
)

kernel_proofs(
    image="kernel-scala",
    kernelspecs=["//kernelspecs:scala_docker", "//kernelspecs:spark_scala_docker"],
)
