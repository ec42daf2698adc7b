# Java's files as an image: other images copy them from here, inside the engine.
FROM scratch
ADD java.tar /
