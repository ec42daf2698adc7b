"""`extract`: members of an archive, as single files or as one deterministic tar.

Downloads are often archives (a source distribution, a wheel, a release) of which an image needs
some folders at other paths. Extraction needs no engine, and unpacks nothing under names from the
archive: members are read one after the other and written under names of the declaration.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl import glob as globs
from buildlib.core.dsl.declare import declare, leads_out, reference
from buildlib.core.model.label import is_label
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import ARCHIVE, Dep, Rule, Target, Targets
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.pack.tar import Member
    from buildlib.core.pack.unpack import ArchiveEntry
    from buildlib.core.rules.context import Context

_ROOT = "./"


def extract(
    *,
    name: str,
    archive: str,
    files: Mapping[str, str],
    exclude: Sequence[str] = (),
    out: str = "",
    doc: str = "",
) -> None:
    """Declare members of an archive.

    Args:
        name: Name of the target.
        archive: Label of a target with one file: a tar, compressed or not, or a zip, as wheels
            and jars are.
        files: Path in the archive -> path in the result. Both end in `/` for a folder with all
            that is below it, `./` is the root; the nearest mapping counts.
        exclude: Patterns of members to leave out, as in `glob`, matched on their paths in the
            archive.
        out: Name of one tar for all of it, such as `spark.tar`, to be `ADD`ed to `/`; by default
            each file is laid into the build context by itself, and `files` names no folders.
        doc: One line for `doit list`.
    """
    if not is_label(archive):
        raise InputError(
            f"archive is {archive!r}, which is no label of a target",
            fix='archive = ":download", with download(name="download", urls=["…"])',
        )
    globs.check(exclude)
    _check_files(files, name, folders=bool(out))
    if "/" in out or out.startswith("."):
        raise InputError(f"out is {out!r}, not a file's name", fix=f'"{name}.tar"')
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={"exclude": sorted(exclude), "files": files, "out": out},
        deps=[Dep(ARCHIVE, "", reference(archive))],
    )


def _check_files(files: Mapping[str, str], name: str, *, folders: bool) -> None:
    """Refuse a mapping that is empty, or leads out of the archive or the result."""
    if not files:
        raise InputError("extract takes nothing out", fix='files = {"folder/": "opt/folder/"}')
    for inside, outside in files.items():
        if inside.endswith("/") != outside.endswith("/"):
            raise InputError(
                f"{inside} -> {outside}: one is a folder and the other a file",
                fix="end both with / for a folder, or neither",
            )
        for path in (inside, outside):
            if leads_out(path):
                raise InputError(f"{path!r} leads out of the archive", fix="write a relative path")
        if inside.endswith("/") and not folders:
            raise InputError(
                f"{inside} is a folder, and folders come out as one tar",
                fix=f'out = "{name}.tar"',
            )


class Extract(Rule):
    """Members of an archive, which is read once, in chunks, from its beginning to its end."""

    kind = "extract"
    product = "files"

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [target.attrs["out"]] if target.attrs["out"] else [*target.attrs["files"].values()]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        (dep,) = target.deps
        output = context.output(dep.ref).files
        if len(output) != 1:
            raise InputError(
                f"{dep.ref} has {len(output)} files, and an archive is one",
                where=target.where,
                fix="name a target with one file",
            )
        ((filename, made),) = output.items()
        selection = _Selection(target)
        make = _one_tar if target.attrs["out"] else _single_files
        try:
            result = make(selection, context.store.path(made.sha256), context)
        except InputError as error:
            error.where = error.where or target.where
            error.fix = error.fix or "leave it out with exclude = [...]"
            raise
        except _broken() as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # an error of our disk, not of the archive
            raise InputError(
                f"{filename} cannot be read as an archive: {error}",
                where=target.where,
                fix="name a .tar, .tar.gz, .tgz, .zip, .whl or .jar",
            ) from None
        selection.check_all_found()
        return Output(files=result)


class _Selection:
    """The members to take, and their paths in the result."""

    def __init__(self, target: Target) -> None:
        self._where = target.where
        self._files: Mapping[str, str] = target.attrs["files"]
        self._missing = dict.fromkeys(self._files)
        self._exclude = globs.compile_patterns(tuple(target.attrs["exclude"]))
        self._any_excluded = bool(target.attrs["exclude"])
        self.out: str = target.attrs["out"]

    def excluded(self, path: str) -> bool:
        return self._any_excluded and self._exclude.match(path) is not None

    def place(self, path: str, *, folder: bool = False) -> str | None:
        """Path of a member in the result; None if it is not taken.

        Args:
            path: In the archive.
            folder: Whether it is a folder, which the mapping may name itself.
        """
        key = f"{path}/" if folder else path
        rest = ""
        while key not in self._files:
            above, slash, last = key.rstrip("/").rpartition("/")
            rest = f"{last}/{rest}" if rest else last
            key = above + slash if slash else _ROOT
            if not slash and _ROOT not in self._files:
                return None
        self._missing.pop(key, None)
        place = self._files[key]
        if not rest:  # the folder itself; the root of the result is no member
            return None if place == _ROOT else place.rstrip("/")
        return posixpath.normpath(place + rest)

    def check_all_found(self) -> None:
        """Refuse a path that no member has: it is misspelt, or of another version."""
        for inside in self._missing:
            raise InputError(
                f"the archive has no {inside}",
                where=self._where,
                fix="correct that path in files (tar -tf, unzip -l list an archive)",
            )


def _single_files(selection: _Selection, archive: str, context: Context) -> dict[str, FileOutput]:
    result: dict[str, FileOutput] = {}
    for entry, place in _wanted(selection, archive):
        if entry.kind == "link":
            raise InputError(
                f"{entry.path} is a link to {entry.target}", fix="name what it leads to in files"
            )
        if entry.kind == "file":
            _take(result, place)
            with entry.open() as stream:
                kept = context.keep_stream(stream)
            result[place] = kept._replace(executable=entry.executable)
    return result


def _one_tar(selection: _Selection, archive: str, context: Context) -> dict[str, FileOutput]:
    """One tar with all taken members.

    A temporary folder keeps their contents: a deterministic tar is sorted, the archive is not.
    """
    import shutil

    from buildlib.core.pack.tar import Member

    members: dict[str, Member] = {}
    links: list[tuple[ArchiveEntry, str]] = []
    placed: dict[str, str] = {}  # path in the archive -> in the result
    with context.scratch() as folder:
        for number, (entry, place) in enumerate(_wanted(selection, archive)):
            placed[entry.path] = place
            if entry.kind == "dir":
                members.setdefault(place, Member(place, kind="dir"))
                continue
            _take(members, place)
            members[place] = Member(place)
            if entry.kind == "link":
                links.append((entry, place))
                continue
            content = f"{folder}/{number}"
            with entry.open() as stream, open(content, "wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            members[place] = Member(place, 0o755 if entry.executable else 0o644, content)
        for entry, place in links:
            target = _link(entry, place, placed, selection)
            members[place] = Member(place, kind="link", target=target)
        return {selection.out: context.keep_tar([*members.values()])}


def _wanted(selection: _Selection, archive: str) -> Iterator[tuple[ArchiveEntry, str]]:
    from buildlib.core.pack.unpack import entries

    for entry in entries(archive, selection.excluded):
        place = selection.place(entry.path, folder=entry.kind == "dir")
        if place is None:
            continue
        if entry.kind == "special":
            raise InputError(f"{entry.path} is a device or a pipe, and no file")
        yield entry, place


def _take(taken: Mapping[str, object], place: str) -> None:
    if place in taken:
        raise InputError(f"two members of the archive would both be {place}")


def _link(entry: ArchiveEntry, place: str, placed: Mapping[str, str], selection: _Selection) -> str:
    """The target of a symbolic link in the result, where the member may have another path."""
    origin = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.target))
    if entry.target.startswith("/") or origin.startswith("../") or origin in (".", ".."):
        raise InputError(
            f"{entry.path} is a link to {entry.target}, which leads out of the archive"
        )
    leads_to = placed.get(origin)
    if leads_to is None and any(path.startswith(f"{origin}/") for path in placed):
        leads_to = selection.place(origin, folder=True)  # a folder without an entry of its own
    if leads_to is None:
        raise InputError(
            f"{entry.path} is a link to {origin}, which is not taken",
            fix=f'add "{origin}" to files, or "{entry.path}" to exclude',
        )
    return posixpath.relpath(leads_to, posixpath.dirname(place) or ".")


def _broken() -> tuple[type[Exception], ...]:
    from buildlib.core.pack.unpack import BROKEN

    return (*BROKEN, RuntimeError)


RULE = Extract()
