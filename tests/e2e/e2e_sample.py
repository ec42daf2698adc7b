"""A small family of targets, one of each kind, as files of a workspace.

    images/base     FROM scratch, a file
    images/left     on base: globbed files, a build argument, the parts bootstrap and left
    images/right    on base: the parts bootstrap and right, a container file, a download
    launchers:scripts, //tools:made (container_files), //data:group, //data:fetched, //specs:left

Images are `FROM scratch`, so a build of all takes seconds and no network. Knows nothing of how
commands are run.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout whose build system is under test."""

DOWNLOAD = b"from outside\n"
DOWNLOAD_URL = "http://127.0.0.1:9/outside.txt"
"""An address where nothing answers: what is not in the store cannot be had."""

FILES = {
    "VERSION": "1.0.0.dev0\n",
    "images/base/BUILD.py": """\
from buildlib.rules import docker_image

docker_image(
    name="base",
    srcs=["motd"],
    doc="what the others stand on",
)
""",
    "images/base/Dockerfile": "FROM scratch\nCOPY motd /etc/motd\n",
    "images/base/motd": "welcome\n",
    "images/left/BUILD.py": """\
from buildlib.rules import docker_image, glob

docker_image(
    name="left",
    parent="//images/base",
    srcs=glob(["files/**"]) + ["//launchers:scripts[bootstrap, left]"],
    build_args={"GREETING": "hello"},
    doc="the left one",
)
""",
    "images/left/Dockerfile": """\
ARG BASE_CONTAINER=sample/base:dev
FROM ${BASE_CONTAINER}
ARG GREETING
LABEL greeting=${GREETING}
COPY files /files/
ADD scripts.tar /
""",
    "images/left/.dockerignore": "files/*.tmp\n",
    "images/left/files/one.txt": "one\n",
    "images/left/files/run.sh": "#!/bin/sh\n",
    "images/left/files/scrap.tmp": "scrap\n",
    "images/right/BUILD.py": """\
from buildlib.rules import docker_image

docker_image(
    name="right",
    parent={"debian": "//images/base", "docker-stacks": "//images/other-base"},
    srcs=[
        "//launchers:scripts[bootstrap, right]",
        "//tools:made",
        "//data:fetched",
        "//data:group",
    ],
    doc="the right one",
)
""",
    "images/right/Dockerfile": """\
ARG BASE_CONTAINER
FROM ${BASE_CONTAINER}
COPY made.txt outside.txt shared.txt /data/
ADD scripts.tar /
""",
    "images/other-base/BUILD.py": """\
from buildlib.rules import docker_image

docker_image(name="other-base", repository="base-two", srcs=["motd"], doc="of another flavour")
""",
    "images/other-base/Dockerfile": "FROM scratch\nCOPY motd /etc/motd\n",
    "images/other-base/motd": "welcome to the other one\n",
    "launchers/BUILD.py": """\
from buildlib.rules import glob, tarball

tarball(
    name="scripts",
    parts={
        "bootstrap": {"bootstrap.sh": "bootstrap.sh"},
        "left": {path: path for path in glob(["left/*"])},
        "right": {path: path for path in glob(["right/*"])},
    },
    executables=["bootstrap.sh"],
    prefix="opt/scripts",
    archive="sample_scripts",
    doc="what runs inside",
)
""",
    "launchers/bootstrap.sh": "#!/bin/sh\necho bootstrap\n",
    "launchers/left/left.txt": "left\n",
    "launchers/right/right.txt": "right\n",
    "tools/BUILD.py": """\
from buildlib.rules import container_files

container_files(name="made", outputs=["made.txt"], srcs=["made.txt"], doc="out of a container")
""",
    "tools/Dockerfile": "FROM scratch\nCOPY made.txt /made.txt\n",
    "tools/made.txt": "made\n",
    "data/BUILD.py": """\
from buildlib.rules import download, filegroup

download(name="fetched", urls=["http://127.0.0.1:9/outside.txt"], doc="from outside")
filegroup(name="group", srcs=["shared.txt"], doc="shared by all")
""",
    "data/shared.txt": "shared\n",
    "specs/BUILD.py": """\
from buildlib.rules import kernelspec

kernelspec(
    name="left_spec",
    display_name="Left",
    language="left",
    process_proxy="docker_swarm.DockerSwarmProcessProxy",
    argv=["left", "{kernel_id}"],
    image="//images/left",
    doc="how the left one is started",
)
""",
}

IMAGES = ("base", "left", "other-base", "right")
REPOSITORIES = {"base": "base", "left": "left", "other-base": "base-two", "right": "right"}


def write_sample(folder: Path, organization: str) -> None:
    """Write the family into a folder.

    Args:
        folder: Becomes the workspace.
        organization: First part of the images' names; its tags are the caller's to remove.
    """
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "images/left/files/link").symlink_to("one.txt")
    (folder / "images.lock").write_text(lock_text(DOWNLOAD))
    (folder / "pyproject.toml").write_text(pyproject(organization))
    shutil.copy(ROOT / "dodo.py", folder / "dodo.py")


def pyproject(organization: str, flavour: str = "debian", platform: str = "linux/amd64") -> str:
    """The settings, and doit's commands as the project's own pyproject.toml names them."""
    own = (ROOT / "pyproject.toml").read_text()
    commands = own[own.index("[tool.doit") :]
    return (
        f'[tool.buildlib]\norganization = "{organization}"\nflavour = "{flavour}"\n'
        f'platform = "{platform}"\n\n{commands}'
    )


def lock_text(content: bytes, name: str = "outside.txt") -> str:
    """An images.lock that pins the download to a content."""
    sha256 = hashlib.sha256(content).hexdigest()
    return (
        "schema = 1\n\n"
        '[download."//data:fetched"]\n'
        f'asked = ["{DOWNLOAD_URL}"]\n\n'
        '[download."//data:fetched".items]\n'
        f'"{name}" = "- {sha256} {len(content)} {DOWNLOAD_URL}"\n'
    )
