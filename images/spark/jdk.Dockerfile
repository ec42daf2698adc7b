# A JDK for build steps: what makes the Java runtime, and what compiles the Scala kernel's launcher.
# It is no base of any image that is shipped.
ARG BASE_CONTAINER=elyra/os:dev
FROM ${BASE_CONTAINER}

RUN --mount=type=tmpfs,target=/tmp --mount=type=bind,source=apt,target=/tmp/apt \
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends /tmp/apt/*.deb \
    && ln -s /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/java-17 \
    && rm -rf /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/lib/dpkg/*-old \
        /var/log/alternatives.log /var/log/apt/* /var/log/dpkg.log

ENV JAVA_HOME=/usr/lib/jvm/java-17
