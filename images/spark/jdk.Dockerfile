# A JDK for build steps: what makes the Java runtime, and what compiles the Scala kernel's launcher.
# It is no base of any image that is shipped.
ARG BASE_CONTAINER=elyra/os:dev
FROM ${BASE_CONTAINER}

# Unpacked and not installed: build steps need files, and no package is configured by any of them.
# --keep-directory-symlink: /lib is a link to /usr/lib.
RUN --mount=type=tmpfs,target=/tmp --mount=type=bind,source=apt,target=/tmp/apt \
    for package in /tmp/apt/*.deb; do \
        dpkg-deb --fsys-tarfile "$package" >/tmp/files.tar \
        && tar --extract --file=/tmp/files.tar --directory=/ --keep-directory-symlink \
            --exclude=./usr/share/doc --exclude=./usr/share/man || exit; \
    done \
    && ldconfig \
    && ln -s /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/java-17 \
    && rm -f /var/cache/ldconfig/aux-cache

ENV JAVA_HOME=/usr/lib/jvm/java-17
ENV PATH=${JAVA_HOME}/bin:${PATH}
