"""The Python kernel with Spark."""

from images.defs import kernel_image, kernel_proofs

kernel_image(
    name="kernel-spark-py",
    parent="//images/kernel-py:environment",
    srcs=["//images/spark:distribution", "//images/spark:java", "//images/spark:setup"],
    apt=["libnss-wrapper"],
    launchers=["python"],
    description="IPython kernel with Apache Spark for Jupyter Enterprise Gateway",
    doc="IPython kernel with Spark",
)

kernel_proofs(image="kernel-spark-py", kernelspecs=["spark_python_docker"])
