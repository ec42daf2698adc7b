# What the R kernel runs in, without launchers: kernel-r and kernel-spark-r stand on it, so that an
# edited launcher makes neither of their layers anew. All that the launcher needs is in r-notebook.
ARG BASE_CONTAINER=elyra/r-notebook:dev
FROM ${BASE_CONTAINER}

# A kernel is watched by the gateway; a check inherited from a notebook image would ask a server
# that is not there.
HEALTHCHECK NONE
ENV KERNEL_LANGUAGE=R
CMD ["/usr/local/bin/bootstrap-kernel.sh"]
