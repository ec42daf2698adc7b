# A Java runtime without a JDK, put together by jlink from Debian's OpenJDK. Two builds give the same
# bytes (a test builds it twice); docs/images/spark.md says what is in it and why.
ARG JDK
FROM ${JDK} AS linked

# Modules: the whole of Java SE, and those of the JDK that Spark, Hadoop and the Scala kernel reach by
# name or as services: the user of this process (security.auth), Kerberos, elliptic curves, DNS,
# zip file systems, sun.misc.Unsafe, character sets and locales of all languages; jcmd and jfr to
# look into a driver that hangs.
#
# Not compressed: the layers of a registry are, and a class that need not be inflated loads faster.
ARG MODULES=java.se,jdk.charsets,jdk.crypto.cryptoki,jdk.crypto.ec,jdk.dynalink,jdk.httpserver,\
jdk.jcmd,jdk.jfr,jdk.localedata,jdk.management,jdk.management.agent,jdk.naming.dns,jdk.net,\
jdk.nio.mapmode,jdk.random,jdk.security.auth,jdk.security.jgss,jdk.unsupported,jdk.zipfs

# A short run: the second compiler of the virtual machine would cost more than it gains.
RUN jlink -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC --module-path "${JAVA_HOME}/jmods" \
        --add-modules "${MODULES}" --output /opt/java --compress=0 \
        --strip-java-debug-attributes --no-header-files --no-man-pages

FROM scratch
COPY --from=linked /opt/java /java/opt/java
