# What the Python kernel with TensorFlow runs in, without launchers. docs/images/kernel-tf-py.md has
# the details.
ARG BASE_CONTAINER=elyra/tensorflow-notebook:dev
FROM ${BASE_CONTAINER}

RUN --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,source=wheels,target=/tmp/wheels \
    --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    umask 002 \
    && pip install --no-cache-dir --no-index --find-links=/tmp/wheels \
        --no-deps --require-hashes --requirement=/tmp/requirements.lock

# A kernel is watched by the gateway; a check inherited from a notebook image would ask a server
# that is not there.
HEALTHCHECK NONE
ENV KERNEL_LANGUAGE=python
CMD ["/usr/local/bin/bootstrap-kernel.sh"]
