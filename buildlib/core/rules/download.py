"""`download`: one file from outside, locked by sha256."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import declare, label
from buildlib.core.model.maven import MAVEN, are_coordinates, jar_name
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.section import DOWNLOAD
from buildlib.core.model.target import ELSEWHERE, Pin, Rule, Target, Targets
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context


_IN_INDEX = re.compile(r"pypi:[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._+!-]*\Z")


def download(*, name: str, urls: Sequence[str], filename: str = "", doc: str = "") -> None:
    """Declare a file to be fetched; `./doitw lock download` pins what it is.

    Args:
        name: Name of the target.
        urls: Addresses of the same file, tried in this order. `pypi:PROJECT/FILENAME` is a file
            of the Python index that the workspace uses, such as
            `pypi:pyspark/pyspark-3.5.6.tar.gz`: where it lies there, the index says.
            `maven:GROUP:ARTIFACT:VERSION[:CLASSIFIER]` is a jar of its Maven repository.
        filename: What it is called where it is used; by default the end of the first address.
        doc: One line for `doit list`.
    """
    if not urls:
        raise InputError("urls is a list of addresses, and not empty", fix='urls = ["https://…"]')
    for url in urls:
        if not url.startswith(("https://", "http://")) and not _is_looked_up(url):
            raise InputError(
                f"{url!r} is not an address that can be fetched", fix='urls = ["https://…"]'
            )
    own = label(f":{name}")
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={"filename": filename or _last_part(urls[0])},
        pins=[Pin(DOWNLOAD.name, str(own), tuple(urls))],
    )


def _is_looked_up(url: str) -> bool:
    """Whether an address is one in the workspace's package index or Maven repository."""
    in_repository = url.startswith(MAVEN) and are_coordinates(url.removeprefix(MAVEN))
    return in_repository or _IN_INDEX.match(url) is not None


def _last_part(url: str) -> str:
    """The file name in an address."""
    if url.startswith(MAVEN):
        return jar_name(url.removeprefix(MAVEN))
    return url.partition("?")[0].rsplit("/", 1)[-1]


class Download(Rule):
    """A file that the fetcher has put into the content store."""

    kind = "download"
    origin = ELSEWHERE

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [target.attrs["filename"]]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        (fetched,) = context.fetch(target)
        return Output(files={target.attrs["filename"]: FileOutput(fetched.sha256, fetched.size)})


RULE = Download()
