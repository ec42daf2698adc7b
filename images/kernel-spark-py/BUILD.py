"""The Python kernel with Spark."""

from buildlib.rules import select
from images.defs import SPARK, kernel_environment, kernel_image, kernel_proofs

kernel_environment(
    image="kernel-spark-py",
    parent="//images/kernel-py:environment",
    bases=SPARK,
    srcs=["//images/spark:setup"],
    # Images of others are Ubuntu's, which takes no packages of Debian.
    dockerfile=select(
        {"debian": "environment.Dockerfile", "docker-stacks": "docker-stacks.Dockerfile"}
    ),
    apt=select({"debian": ["libnss-wrapper"], "docker-stacks": []}),
    description="What the IPython kernel with Apache Spark runs in",
    doc="what the IPython kernel with Spark runs in",
)

kernel_image(
    name="kernel-spark-py",
    parent=":environment",
    launchers=["python"],
    description="IPython kernel with Apache Spark for Jupyter Enterprise Gateway",
    doc="IPython kernel with Spark",
)

kernel_proofs(image="kernel-spark-py", kernelspecs=["//kernelspecs:spark_python_docker"])
