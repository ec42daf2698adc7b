"""`zip_file`: a deterministic zip, such as a Python package that Spark ships to its nodes.

Members are stored uncompressed, sorted by path, with one date and mode 0644: equal members give
equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import declare
from buildlib.core.dsl.declare import members as split_members
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import Rule, Target, Targets
from buildlib.core.rules.base import member_files, place
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context


def zip_file(*, name: str, members: Mapping[str, str], doc: str = "") -> None:
    """Declare a zip.

    Args:
        name: Name of the target; the file is `NAME.zip`.
        members: Path in the zip -> file of the package, or label of a target. The path of a label
            that ends in `/` is the folder its files go to, `./` the root.
        doc: One line for `doit list`.
    """
    if not members:
        raise InputError("a zip needs a member", fix='members = {"path/in/zip": "file"}')
    files, deps = split_members(members, attribute="members", whole="zip")
    declare(RULE, name=name, doc=doc, attrs={"name": name}, files=files, deps=deps)


class ZipFile(Rule):
    """A zip by the standard library, without compression: zlib differs between hosts."""

    kind = "zip_file"
    product = "files"

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [f"{target.label.name}.zip"]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        import io
        import zipfile

        members: dict[str, FileOutput] = {}
        for path, output in member_files(target, context):
            place(members, path, output, target)
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for path in sorted(members):
                entry = zipfile.ZipInfo(path)  # of 1980-01-01, as early as a zip can say
                entry.create_system = 3  # Unix, also where it is made on Windows
                entry.external_attr = 0o100644 << 16
                with open(context.store.path(members[path].sha256), "rb") as file:
                    archive.writestr(entry, file.read())
        return Output(files={f"{target.label.name}.zip": context.keep_bytes(data.getvalue())})


RULE = ZipFile()
