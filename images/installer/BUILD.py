"""How build steps install wheels; docs/images/installer.md tells why."""

from buildlib.rules import docker_image

docker_image(
    name="installer",
    internal=True,
    parent="//images/bases/minimal-notebook",
    srcs=["install_wheels.py"],
    python="requirements.in",
    description="uv and what installs wheels with it, for build steps; no image is shipped with it",
    licenses="MIT OR Apache-2.0",
    doc="installs wheels in build steps",
)
