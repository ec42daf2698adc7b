"""What a `BUILD.py` may import: one function for each rule; and `glob`, `select`, `setting`.

Rules are found by their module's name (see `buildlib.dsl.registry`), so that a new rule is one new
module. The imports below are for editors and type checkers, which read and do not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildlib.rules.container_files import container_files as container_files
    from buildlib.rules.docker_image import docker_image as docker_image
    from buildlib.rules.download import download as download
    from buildlib.rules.external_image import external_image as external_image
    from buildlib.rules.extract import extract as extract
    from buildlib.rules.filegroup import filegroup as filegroup
    from buildlib.rules.glob import glob as glob
    from buildlib.rules.kernel_check import kernel_check as kernel_check
    from buildlib.rules.kernelspec import kernelspec as kernelspec
    from buildlib.rules.rendered import rendered as rendered
    from buildlib.rules.rootfs import rootfs as rootfs
    from buildlib.rules.select import select as select
    from buildlib.rules.setting import setting as setting
    from buildlib.rules.tarball import tarball as tarball
    from buildlib.rules.zip_file import zip_file as zip_file


def __getattr__(name: str) -> Any:
    from buildlib.dsl import registry

    if name in registry.names():
        return registry.function(name)
    raise AttributeError(name)
