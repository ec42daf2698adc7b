"""A workspace with one target of each rule, and edges of each kind: what key tests change."""

from __future__ import annotations

from pathlib import Path

from tests.support.workspace import WorkspaceBuilder

PARTS = ("//pack:files[python]", "//pack:files[r]")
"""References whose keys are asked for beside those of all targets."""


def family(folder: Path, name: str = "ws") -> WorkspaceBuilder:
    """The workspace, locked.

    os <- base <- py, r (each with its part of the tarball); tools, jre: files; a kernelspec that
    names py; a foreign image for the other flavour; a group of files that the kernelspec takes.
    """
    made = WorkspaceBuilder(folder, name)
    made.file("images/os/Dockerfile", "FROM scratch\nADD rootfs.tar /\nCOPY configure.sh /\n")
    made.file("images/os/configure.sh", "#!/bin/sh\n", mode=0o755)
    made.file("images/os/files/etc/motd", "hello\n")
    made.build(
        "images/os",
        """
        rootfs(
            name="os",
            packages=["tini"],
            files=glob(["files/**"]),
            srcs=["configure.sh"],
            doc="the root",
        )
        """,
    )
    made.file("images/foreign/unused", "")
    made.build(
        "images/foreign",
        'external_image(name="foreign", image="docker.io/library/debian:12", doc="not ours")',
    )
    made.file(
        "images/base/Dockerfile", "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nCOPY . /opt/\n"
    )
    made.file("images/base/conf/a.conf", "a\n").file("images/base/conf/b.conf", "b\n")
    made.file("images/base/notes.md", "left out\n").file("images/base/.dockerignore", "*.md\n")
    made.link("images/base/conf/current", "a.conf")
    made.file("images/base/requirements.in", "six\n").file("images/base/requirements.lock", "six\n")
    made.build(
        "images/base",
        """
        docker_image(
            name="base",
            parent={"debian": "//images/os", "docker-stacks": "//images/foreign"},
            srcs=glob(["conf/**", "*.md"]),
            apt=["curl", "wget"],
            python="requirements.in",
            build_args={"LEVEL": "1"},
            description="a base",
            licenses="MIT",
            doc="the base",
        )
        """,
    )
    for language in ("py", "r"):
        part = {"py": "python", "r": "r"}[language]
        dockerfile = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nADD files.tar /\n"
        made.image(f"images/{language}", f'parent="//images/base", srcs=["//pack:files[{part}]"]',
                   dockerfile)  # fmt: skip
    made.file("pack/common.sh", "#!/bin/sh\n", mode=0o755)
    made.file("pack/python/run.py", "pass\n").file("pack/r/run.r", "1\n")
    made.build(
        "pack",
        """
        tarball(
            name="files",
            parts={
                "common": {"common.sh": "common.sh"},
                "python": {path: path for path in glob(["python/**"])},
                "r": {"r/run.r": "r/run.r"},
            },
            executables=["common.sh"],
            prefix="usr/local/bin",
            archive="files",
            doc="launchers",
        )
        """,
    )
    made.file("tools/Dockerfile", "ARG OS\nFROM ${OS} AS make\nCOPY make.sh /\nFROM scratch\n")
    made.file("tools/make.sh", "").file("tools/logo.svg", "<svg/>\n")
    made.build(
        "tools",
        """
        download(name="spark", urls=["https://example.org/spark.tgz"])
        container_files(
            name="jre",
            outputs=["opt/jre/"],
            bases={"OS": "//images/os"},
            srcs=["make.sh"],
            build_args={"DEPTH": "1"},
        )
        filegroup(name="logos", srcs=["logo.svg"])
        """,
    )
    made.build(
        "kernelspecs",
        """
        kernelspec(
            name="python",
            display_name="Python",
            language="python",
            process_proxy="k8s.KubernetesProcessProxy",
            argv=["python", "{kernel_id}"],
            image="//images/py",
            config={"a": "1"},
            metadata={"b": "1"},
            env={"C": "1"},
            resources={"logo.svg": "//tools:logos"},
        )
        """,
    )
    return made.lock_all()
