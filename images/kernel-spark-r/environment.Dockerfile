# What the R kernel with Spark runs in, without launchers: what kernel-r has, Spark at /opt/spark on
# a Java runtime, and reticulate, by which R uses Spark's Python API. docs/images/kernel-spark-r.md
# has the details.
ARG JAVA=elyra/java-files:dev
ARG SPARK=elyra/spark-files:dev
ARG INSTALLER=elyra/installer:dev
ARG BASE_CONTAINER=elyra/kernel-r-environment:dev
FROM ${JAVA} AS java

FROM ${SPARK} AS spark

FROM ${INSTALLER} AS installer

FROM ${BASE_CONTAINER}

ENV JAVA_HOME=/opt/java \
    SPARK_HOME=/opt/spark
ENV PATH=${PATH}:${SPARK_HOME}/bin:${JAVA_HOME}/bin \
    PYTHONPATH=${SPARK_HOME}/python \
    PYSPARK_PYTHON=${CONDA_DIR}/bin/python \
    RETICULATE_PYTHON=${CONDA_DIR}/bin/python

USER root
RUN --mount=type=tmpfs,target=/tmp --mount=type=bind,source=apt,target=/tmp/apt \
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends /tmp/apt/*.deb \
    && rm -rf /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/lib/dpkg/*-old \
        /var/log/alternatives.log /var/log/apt/* /var/log/dpkg.log

USER 1000
RUN --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,from=installer,target=/tmp/installer \
    --mount=type=bind,source=wheels,target=/tmp/wheels \
    --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    umask 002 \
    && python /tmp/installer/install_wheels.py

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
