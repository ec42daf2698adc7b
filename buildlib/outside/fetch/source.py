"""What a download is: a digest and addresses. Plain data from the lock, without URLs of mirrors."""

from __future__ import annotations

from typing import NamedTuple

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
        addresses: `debian:`, `pypi:`, http or https, tried in this order.
    """

    sha256: str
    size: int | None
    filename: str
    addresses: tuple[str, ...]

    def is_of(self, scheme: str) -> bool:
        """Whether it is fetched by `DEBIAN` or `PYPI` first."""
        return "".join(self.addresses[:1]).startswith(scheme)
