"""`tarball`: a deterministic archive with named parts.

A consumer takes parts: an image of one language uses
`//launchers:kernel_image_files[bootstrap, python]`, and its key holds the files of those parts
only. Images get an uncompressed tar with entries for its folders, so that its layer has the same
digest on every parent. The release file is the same tar, compressed, named
`archive-VERSION.tar.gz`. Its members may have other names, which may hold the version: then the key
of the whole holds the version, and no key of a part does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from buildlib.core.dsl.declare import declare, freeze, leads_out, members
from buildlib.core.model.output import DIST, EXPORT, Export, Output
from buildlib.core.model.target import (
    RELEASE_NAMES,
    VERSION_FIELD,
    Dep,
    File,
    Rule,
    Target,
    Targets,
)
from buildlib.core.rules.base import files_of, member_path
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.pack.tar import Member
    from buildlib.core.rules.context import Context


def tarball(
    *,
    name: str,
    parts: Mapping[str, Mapping[str, str]],
    executables: tuple[str, ...] | list[str] = (),
    prefix: str = "",
    archive: str = "",
    release_names: Mapping[str, str] | None = None,
    doc: str = "",
) -> None:
    """Declare an archive.

    Args:
        name: Name of the target; `NAME.tar` where an image uses it.
        parts: Part -> path in the archive -> file of the package, or label of a target. The path
            of a label that ends in `/` is the folder its files go to, `./` the archive's root.
        executables: Paths in the archive that get mode 0755, also below a folder that a label
            fills; all others get 0644.
        prefix: Folder in an image that the archive is unpacked to, such as `usr/local/bin`. It
            is part of the paths in `NAME.tar`, which is `ADD`ed to `/`: only a folder that has an
            entry in the archive is the same in the layers of all images.
        archive: Name of the release file, without version and ending; none is made where empty.
        release_names: Path in the archive -> path in the release file, which may hold `{version}`.
            A development version reads `2.5.0.SNAPSHOT` there.
        doc: One line for `doit list`.
    """
    files: list[File] = []
    deps: list[Dep] = []
    taken: dict[str, str] = {}
    if not parts:
        raise InputError(
            "a tarball needs at least one part",
            fix='parts = {"all": {"path/in/archive": "file"}}',
        )
    for part, given in parts.items():
        for path in given:
            if path in taken and not path.endswith("/"):
                raise InputError(
                    f"{path} stands in the parts {taken[path]} and {part}",
                    fix=f"remove it from {part}",
                )
            taken[path] = part
        own_files, own_deps = members(given, attribute="parts", whole="archive", part=part)
        files += own_files
        deps += own_deps
    unknown = [path for path in executables if not _below(path, taken)]
    if unknown:
        raise InputError(
            f"executables names {unknown[0]}, which is not in the archive",
            fix="write a path that stands in parts",
        )
    renamed = dict(release_names or {})
    _check_renamed(renamed, taken, archive)
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={
            # Absent if empty: archives without it keep the keys that they always had.
            **({RELEASE_NAMES: freeze(renamed, RELEASE_NAMES)} if renamed else {}),
            "executables": freeze(sorted(executables), "executables"),
            "archive": archive,
            "name": name,  # of the file that an image finds
            "prefix": prefix.strip("/"),
        },
        files=files,
        deps=deps,
        parts=parts,
    )


class Tarball(Rule):
    """A tar by `buildlib.core.pack.tar`, with modes 0644 and 0755, whatever the checkout has."""

    kind = "tarball"
    product = "files"

    def attrs_of(self, target: Target, parts: tuple[str, ...]) -> Mapping[str, Any]:
        """Without those of the release file, and with the executables of these parts."""
        own = [file.name for file in target.files if file.part in parts]
        own += [dep.name for dep in target.deps if dep.part in parts]
        executables = tuple(path for path in target.attrs["executables"] if _below(path, own))
        attrs = {**target.attrs, "archive": "", "executables": executables}
        attrs.pop(RELEASE_NAMES, None)
        return attrs

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [f"{target.label.name}.tar"]

    def export(self, target: Target, version: str) -> Export | None:
        archive = target.attrs["archive"]
        return Export(EXPORT, f"{DIST}/{archive}-{version}.tar.gz") if archive else None

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        from buildlib.core.pack.tar import Member

        executables = set(target.attrs["executables"])
        members: list[Member] = []

        def add(path: str, content: str) -> None:
            mode = 0o755 if path in executables else 0o644
            members.append(Member(path, mode, content))

        for file in target.files:
            if not parts or file.part in parts:
                add(file.name, context.store.path(context.keep_source(file).sha256))
        for dep in target.deps_of(parts):
            for name, made in files_of(dep, target, context).items():
                add(member_path(dep, name), context.store.path(made.sha256))
        absent = executables - {member.path for member in members}
        if absent and not parts:  # below the folder of a label, which may have no such file
            raise InputError(
                f"executables names {min(absent)}, which is not in the archive",
                where=target.where,
                fix="write the path of a file of the archive",
            )
        prefix = target.attrs["prefix"]
        placed = [m._replace(path=f"{prefix}/{m.path}") for m in members] if prefix else members
        files = {f"{target.label.name}.tar": context.keep_tar(placed)}
        if target.attrs["archive"] and not parts:
            files[EXPORT] = context.keep_tar(self._renamed(target, members, context.file_version))
        return Output(files=files)

    @staticmethod
    def _renamed(target: Target, members: list[Member], version: str) -> list[Member]:
        renames: Mapping[str, str] = target.attrs.get(RELEASE_NAMES, {})
        missing = set(renames) - {member.path for member in members}
        if missing:  # below the folder of a label, which may have no such file
            raise InputError(
                f"{RELEASE_NAMES} names {min(missing)}, which is not in the archive",
                where=target.where,
                fix="write the path of a file of the archive",
            )
        names = {path: name.replace(VERSION_FIELD, version) for path, name in renames.items()}
        return [member._replace(path=names.get(member.path, member.path)) for member in members]


def _check_renamed(renamed: Mapping[str, str], taken: Mapping[str, str], archive: str) -> None:
    """Refuse names for missing members, and names that lead out of the release file."""
    if renamed and not archive:
        raise InputError(
            f"{RELEASE_NAMES} are for a release file, and this archive has none",
            fix='archive = "NAME"',
        )
    for path, name in renamed.items():
        if not _below(path, taken):
            raise InputError(
                f"{RELEASE_NAMES} names {path}, which is not in the archive",
                fix="write a path that stands in parts",
            )
        if leads_out(name) or name.endswith("/"):
            raise InputError(
                f"{name!r} cannot be a file of the archive",
                fix="write a relative path",
            )
        if "{" in name.replace(VERSION_FIELD, ""):
            raise InputError(
                f"{name!r} holds a placeholder other than {VERSION_FIELD}",
                fix=f"write {VERSION_FIELD}",
            )


def _below(path: str, members: Iterable[str]) -> bool:
    """Whether a path is a member, or may be a file of a label that goes to a folder."""
    return any(
        path.startswith(member.removeprefix("./")) if member.endswith("/") else path == member
        for member in members
    )


RULE = Tarball()
