"""A Debian archive, read and checked: signature, then checksums, then candidates.

Imported only to refresh the lock. Knows no network (`get` brings bytes for a path below the mirror
root, whatever the mirror) and trusts nothing but the keys committed beside it: a mirror can
withhold, but not alter.
"""

from __future__ import annotations

import hashlib
import lzma
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from buildlib.debian import version
from buildlib.debian.package import DebPackage
from buildlib.errors import ActionError, InputError

KEYS = Path(__file__).with_name("keys")
_FIELD = re.compile(
    r"^(Package|Version|Architecture|Priority|Essential|Pre-Depends|Depends|Conflicts|Breaks"
    r"|Provides|Filename|Size|SHA256): (.*)$",
    re.MULTILINE,
)
_INDEX = re.compile(r"^ ([0-9a-f]{64}) +(\d+) (\S+)$", re.MULTILINE)


class Suite(NamedTuple):
    """One suite of an archive.

    Attributes:
        root: The archive's folder below the mirror root: `debian`, `debian-security`.
        name: Folder below `dists/`.
    """

    root: str
    name: str

    @property
    def folder(self) -> str:
        """Path of the suite below the mirror root."""
        return f"{self.root}/dists/{self.name}"


BOOKWORM = (
    Suite("debian", "bookworm"),
    Suite("debian", "bookworm-updates"),
    Suite("debian-security", "bookworm-security"),
)
"""The suites of `/etc/apt/sources.list.d/debian.sources` in `//images/bases/os`."""


class Candidate(NamedTuple):
    """The newest version of a package, with the fields a resolver needs (see deb-control(5))."""

    package: DebPackage
    priority: str
    essential: bool
    pre_depends: str
    depends: str
    conflicts: str
    breaks: str
    provides: str


class Archive(NamedTuple):
    """What the suites offer.

    Attributes:
        candidates: Package name to its newest version.
        expired: Suites whose signed `Valid-Until` lies in the past: the mirror stands still, or
            withholds updates. Worth a warning; a frozen mirror on purpose is common in companies.
    """

    candidates: Mapping[str, Candidate]
    expired: tuple[str, ...]


def read_archive(
    get: Callable[[str], bytes],
    *,
    arch: str = "amd64",
    suites: Sequence[Suite] = BOOKWORM,
    verify: Callable[[bytes, str], bytes] | None = None,
) -> Archive:
    """Read component main of the suites.

    Args:
        get: Brings the file at a path below the mirror root.
        arch: Debian architecture.
        suites: Suites to read; of equal versions the first suite's file is taken.
        verify: Checks a clear-signed text (bytes, name) and returns what was signed; the default
            is `verify_signature`.

    Raises:
        ActionError: A signature or checksum does not hold, or the suite lacks the architecture.
    """
    best: dict[str, Candidate] = {}
    expired = []
    for suite in suites:
        name = f"{suite.folder}/InRelease"
        release = (verify or verify_signature)(get(name), name).decode()
        if _has_expired(release):
            expired.append(suite.name)
        for candidate in _packages(_packages_text(get, suite, release, arch), suite.root):
            package = candidate.package
            known = best.get(package.name)
            if known is None or version.key(package.version) > version.key(known.package.version):
                best[package.name] = candidate
    return Archive(best, tuple(expired))


def verify_signature(data: bytes, name: str) -> bytes:
    """Check a clear-signed text against the committed Debian archive keys.

    Args:
        data: The whole file (`InRelease`).
        name: Its name, for the error.

    Returns:
        The signed text only: nothing outside the signature is ever read.

    Raises:
        ActionError: No valid signature by one of the keys, or the checker is not installed.
    """
    try:
        from pysequoia import Cert, verify
    except ModuleNotFoundError as error:
        raise ActionError(
            "signatures of the Debian archive cannot be checked: pysequoia is not installed",
            fix="run through ./doitw, which installs it",
        ) from error
    certificates = [Cert.from_file(str(path)) for path in sorted(KEYS.glob("*.gpg"))]
    try:
        signed = verify(bytes=data, store=lambda _ids: certificates).bytes
    except RuntimeError as error:
        raise ActionError(
            f"{name} is not signed by the Debian archive",
            detail=str(error).partition("\n")[0],
            fix="set [tool.buildlib.network] apt in pyproject.toml to a genuine Debian mirror",
        ) from error
    if not signed:
        raise ActionError(f"{name} holds no signed text")
    return bytes(signed)


def _has_expired(release: str) -> bool:
    found = re.search(r"^Valid-Until: (.*)$", release, re.MULTILINE)
    if not found:
        return False
    until = parsedate_to_datetime(found.group(1).replace("UTC", "+0000"))
    return until < datetime.now(timezone.utc)


def _packages_text(get: Callable[[str], bytes], suite: Suite, release: str, arch: str) -> str:
    """The text of the suite's Packages.xz, checked against its signed Release."""
    path = f"main/binary-{arch}/Packages.xz"
    sums = {name: (digest, int(size)) for digest, size, name in _INDEX.findall(release)}
    listed = sums.get(path)
    if listed is None:
        offered = {name.split("/")[1] for name in sums if name.startswith("main/binary-")}
        raise InputError(
            f"suite {suite.name} has no packages for architecture {arch}",
            detail="It has: " + ", ".join(sorted(name.removeprefix("binary-") for name in offered)),
        )
    data = get(f"{suite.folder}/{path}")
    if (hashlib.sha256(data).hexdigest(), len(data)) != listed:
        raise ActionError(
            f"{suite.folder}/{path} is not the file that the signed InRelease names",
            detail="The mirror was updated between the two reads, or altered the file.",
            fix="./doitw lock",
        )
    return lzma.decompress(data).decode()


def _packages(text: str, root: str) -> Iterator[Candidate]:
    """The stanzas of a Packages file; those without a file to fetch are passed over."""
    for stanza in text.split("\n\n"):
        field = dict(_FIELD.findall(stanza))
        if "Filename" not in field:
            continue
        yield Candidate(
            DebPackage(
                field["Package"],
                field["Version"],
                field["Architecture"],
                field["SHA256"],
                int(field["Size"]),
                f"{root}/{field['Filename']}",
            ),
            field.get("Priority", "optional"),
            field.get("Essential") == "yes",
            field.get("Pre-Depends", ""),
            field.get("Depends", ""),
            field.get("Conflicts", ""),
            field.get("Breaks", ""),
            field.get("Provides", ""),
        )
