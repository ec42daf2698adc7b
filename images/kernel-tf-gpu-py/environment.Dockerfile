# What the Python kernel runs in, on TensorFlow's own image for NVIDIA GPUs, without launchers.
# docs/images/kernel-tf-gpu-py.md has the details.
ARG BASE_CONTAINER=docker.io/tensorflow/tensorflow:2.20.0-gpu
FROM ${BASE_CONTAINER}

# The user of docker-stacks; TensorFlow's image has root only.
ENV NB_USER=jovyan \
    NB_UID=1000 \
    NB_GID=100
ENV HOME=/home/${NB_USER}
RUN useradd --no-log-init --create-home --shell /bin/bash \
        --uid "${NB_UID}" --gid "${NB_GID}" "${NB_USER}" \
    && chmod g+rwxs "${HOME}" \
    && rm -f /etc/*- /var/log/faillog /var/log/lastlog

# The packages are root's, as all others of this image are.
RUN --mount=type=tmpfs,target=/tmp \
    --mount=type=bind,source=wheels,target=/tmp/wheels \
    --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    python3 -m pip install --no-cache-dir --no-index --find-links=/tmp/wheels \
        --no-deps --require-hashes --requirement=/tmp/requirements.lock

# The number of jovyan: Kubernetes' runAsNonRoot understands no names.
USER 1000
WORKDIR ${HOME}
HEALTHCHECK NONE
ENV KERNEL_LANGUAGE=python
CMD ["/usr/local/bin/bootstrap-kernel.sh"]
