# What the Python kernel with TensorFlow runs in, without launchers. docs/images/kernel-tf-py.md has
# the details.
ARG INSTALLER=elyra/installer:dev
ARG BASE_CONTAINER=elyra/tensorflow-notebook:dev
FROM ${INSTALLER} AS installer

FROM ${BASE_CONTAINER}

RUN --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,from=installer,target=/tmp/installer \
    --mount=type=bind,source=wheels,target=/tmp/wheels \
    --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    umask 002 \
    && python /tmp/installer/install_wheels.py

# A kernel is watched by the gateway; a check inherited from a notebook image would ask a server
# that is not there.
HEALTHCHECK NONE
ENV KERNEL_LANGUAGE=python
CMD ["/usr/local/bin/bootstrap-kernel.sh"]
