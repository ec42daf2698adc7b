"""The names that a `BUILD.py` may import: the rules, and `glob`, `select`, `setting`.

`core.dsl.registry` finds rules by their module's name in `core/rules`, so a new rule is one new
module. The imports below are for editors and type checkers, which do not run this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildlib.core.dsl.functions import glob as glob
    from buildlib.core.dsl.functions import select as select
    from buildlib.core.dsl.functions import setting as setting
    from buildlib.core.rules.container_files import container_files as container_files
    from buildlib.core.rules.docker_image import docker_image as docker_image
    from buildlib.core.rules.download import download as download
    from buildlib.core.rules.external_image import external_image as external_image
    from buildlib.core.rules.extract import extract as extract
    from buildlib.core.rules.filegroup import filegroup as filegroup
    from buildlib.core.rules.kernel_check import kernel_check as kernel_check
    from buildlib.core.rules.kernelspec import kernelspec as kernelspec
    from buildlib.core.rules.maven_jars import maven_jars as maven_jars
    from buildlib.core.rules.rendered import rendered as rendered
    from buildlib.core.rules.rootfs import rootfs as rootfs
    from buildlib.core.rules.tarball import tarball as tarball
    from buildlib.core.rules.zip_file import zip_file as zip_file


def __getattr__(name: str) -> Any:
    from buildlib.core.dsl import registry

    if name in registry.names():
        return registry.function(name)
    raise AttributeError(name)
