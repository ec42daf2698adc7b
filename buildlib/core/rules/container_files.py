"""`container_files`: files made inside a container and copied out of it.

For files that must be compiled or resolved on the target's own system (a jar, a small Java
runtime): BuildKit exports the last stage of a Dockerfile, which holds just these files. Folders
become deterministic tars in the content store, without the builder's times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import current, declare, source, sources
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import Target, Targets
from buildlib.core.rules.base import DockerfileRule, base_deps
from buildlib.core.rules.docker_image import without_ignored
from buildlib.errors import InputError

if TYPE_CHECKING:
    import tarfile

    from buildlib.core.pack.tar import Member
    from buildlib.core.rules.context import Context


def container_files(
    *,
    name: str,
    outputs: Sequence[str],
    bases: Mapping[str, str] | None = None,
    dockerfile: str = "Dockerfile",
    srcs: Sequence[str] = (),
    build_args: Mapping[str, str] | None = None,
    platform: str = "",
    doc: str = "",
) -> None:
    """Declare files that a container build makes.

    Args:
        name: Name of the target.
        outputs: Paths in the file system of the Dockerfile's last stage: a file is taken as it
            is, a folder (with a `/` at its end) becomes a deterministic `FOLDER.tar`.
        bases: Images that the Dockerfile builds on, as for `docker_image`.
        dockerfile: The Dockerfile, a file of the package.
        srcs: Files of the package, and labels.
        build_args: Values of the Dockerfile's `ARG`s.
        platform: Such as `linux/amd64`; by default the workspace's.
        doc: One line for `doit list`.
    """
    if not outputs:
        raise InputError("outputs is a list of paths, and not empty", fix="outputs = ['opt/jre/']")
    named = [_output_name(path) for path in outputs]
    twice = next((name for name in named if named.count(name) > 1), "")
    if twice:
        raise InputError(
            f"two outputs would both be called {twice}",
            fix="give one of them another name in the Dockerfile's last stage",
        )
    files, deps = sources(srcs)
    files = without_ignored(files, dockerfile)
    files.append(source(dockerfile, attribute="dockerfile", makes=True))
    deps += base_deps(bases or {})
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={
            "build_args": build_args or {},
            "dockerfile": dockerfile,
            "network": False,
            "outputs": sorted(path.lstrip("/") for path in outputs),
            "platform": platform or current().settings.platform,
        },
        files=files,
        deps=deps,
    )


class ContainerFiles(DockerfileRule):
    """BuildKit exports a tar, which the outputs are taken from."""

    kind = "container_files"
    version = 3
    product = "files"
    uses_engine = True

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [_output_name(path) for path in target.attrs["outputs"]]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        import os
        import tarfile

        from buildlib.core.rules.docker_image import stage_image

        stage = stage_image(target, context)
        exported = context.build_tar(target, self.request(target), stage)
        files: dict[str, FileOutput] = {}
        try:
            with tarfile.open(exported) as tar:
                entries = {entry.name.strip("/").removeprefix("./"): entry for entry in tar}
                for output in target.attrs["outputs"]:
                    if not output.endswith("/"):
                        entry = entries.get(output)
                        data = tar.extractfile(entry) if entry is not None else None
                        if entry is None or data is None:
                            raise _missing(target, output)
                        kept = context.keep_bytes(data.read())
                        executable = bool(entry.mode & 0o100)
                        files[_output_name(output)] = kept._replace(executable=executable)
                        continue
                    members: list[Member] = []
                    for path, entry in entries.items():
                        if path.startswith(output):
                            members += _member(tar, entry, path[len(output) :])
                    if not members:
                        raise _missing(target, output)
                    files[_output_name(output)] = context.keep_tar(members)
        finally:
            os.unlink(exported)
        return Output(files=files)


def _output_name(output: str) -> str:
    """The file name of an output: a folder becomes a tar."""
    name = output.rstrip("/").rsplit("/", 1)[-1]
    return f"{name}.tar" if output.endswith("/") else name


def _member(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> list[Member]:
    """An exported entry as a member of a deterministic tar, without the builder's times."""
    from buildlib.core.pack.tar import Member

    if entry.isdir():
        return [Member(path, entry.mode, kind="dir")]
    if entry.issym():
        return [Member(path, entry.mode, kind="link", target=entry.linkname)]
    data = tar.extractfile(entry)  # follows a hard link
    return [Member(path, entry.mode, data.read())] if data is not None else []


def _missing(target: Target, output: str) -> InputError:
    return InputError(
        f"{target.label} made no {output}",
        where=target.where,
        fix=f"COPY it to /{output} in the last stage of {target.attrs['dockerfile']}",
    )


RULE = ContainerFiles()
