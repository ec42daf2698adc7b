# As environment.Dockerfile, without Debian's libnss-wrapper: users without an entry in /etc/passwd
# have no name for Hadoop here. docs/flavours.md tells why.
ARG JAVA=elyra/java-files:dev
ARG SPARK=elyra/spark-files:dev
ARG BASE_CONTAINER=elyra/kernel-py-environment:dev
FROM ${JAVA} AS java

FROM ${SPARK} AS spark

FROM ${BASE_CONTAINER}

ENV JAVA_HOME=/opt/java \
    SPARK_HOME=/opt/spark
ENV PATH=${PATH}:${SPARK_HOME}/bin:${JAVA_HOME}/bin \
    PYTHONPATH=${SPARK_HOME}/python \
    PYSPARK_PYTHON=${CONDA_DIR}/bin/python

USER root
# The same layers as in all images with Spark.
# hadolint ignore=DL3067
COPY --from=java / /
# hadolint ignore=DL3067
COPY --from=spark / /

# Python keeps no compiled modules of an archive, and Spark brings py4j as one: every start of a
# driver and of a worker would compile it anew.
RUN python -m zipfile -e "${SPARK_HOME}"/python/lib/py4j-*-src.zip "${SPARK_HOME}/python" \
    && python -m compileall -q -j 0 "${SPARK_HOME}/python"

# Entrypoint and settings, in all images with Spark too.
ADD setup.tar /
USER 1000

ENTRYPOINT ["tini", "-g", "--", "/opt/entrypoint.sh"]
CMD ["/usr/local/bin/bootstrap-kernel.sh"]
