# The files of one archive as an image: other images copy them from here, inside the engine.
FROM scratch
ADD *.tar /
