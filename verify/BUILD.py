"""The code of the proofs: a part of every proof's key."""

from buildlib.rules import filegroup, glob

filegroup(
    name="verify",
    srcs=glob(["**/*.py"]),
    doc="code that proves images",
)
