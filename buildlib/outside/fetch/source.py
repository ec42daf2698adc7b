"""What a download is: a digest and addresses, as the lock has them, without URLs of mirrors.

It loads nothing that sends a request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from buildlib.core.store.content import ContentStore

DEBIAN = "debian:"
"""`debian:PATH` is a file below the apt mirror's root: `debian/pool/main/d/dash/dash_1_all.deb`."""
PYPI = "pypi:"
"""`pypi:PROJECT/FILENAME` is a file of the package index; the project may be in any spelling."""


class Download(NamedTuple):
    """One file that a build needs from outside.

    Attributes:
        sha256: In lower-case hexadecimal.
        size: In bytes, or None where the lock does not say.
        filename: For messages.
        addresses: `debian:`, `pypi:`, `maven:`, http or https, tried in this order.
    """

    sha256: str
    size: int | None
    filename: str
    addresses: tuple[str, ...]

    def is_of(self, scheme: str) -> bool:
        """Whether it is fetched by an address of this scheme first."""
        return "".join(self.addresses[:1]).startswith(scheme)


def missing(store: ContentStore, downloads: Iterable[Download]) -> list[Download]:
    """The downloads that a store lacks, each digest once. Sends no request."""
    distinct = {download.sha256: download for download in downloads}.values()
    return [d for d in distinct if not store.check(d.sha256, d.size, what=d.filename)]
