"""A package index (PEP 503 and 691): which one to ask, and which wheel of it fits this machine.

Pure functions over texts and names. Must not know how pages are fetched, nor what uv is for.
"""

from __future__ import annotations

import configparser
import json
import os
import platform
import re
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PUBLIC = "https://pypi.org/simple"
ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.1"
)
_PLATFORM = re.compile(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_(\w+)\Z")


class Machine(NamedTuple):
    """What decides whether a binary wheel runs here.

    Attributes:
        family: `manylinux` (glibc), `musllinux` or `macosx`, as wheel names spell it.
        version: The newest version of that family's interface this machine offers.
        arch: `x86_64`, `aarch64`, `arm64` and so on.
    """

    family: str
    version: tuple[int, int]
    arch: str


class File(NamedTuple):
    """One file an index page lists.

    Attributes:
        name: File name of the wheel or archive.
        url: Absolute address.
        sha256: What the page says of its content; empty when it says nothing.
        size: Bytes, or 0 when the page does not say.
    """

    name: str
    url: str
    sha256: str
    size: int


def index_address(root: Path, environ: Mapping[str, str]) -> str:
    """The index to install from, without a trailing slash.

    The first of: `UV_DEFAULT_INDEX`, `UV_INDEX_URL`, `PIP_INDEX_URL`; a mirror named as `pypi`
    under `[tool.buildlib.network]`; `index-url` of pip's configuration files; the public index.
    """
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := environ.get(name, "").strip():
            # uv also takes `name=https://...`
            return re.sub(r"\A[A-Za-z0-9._-]+=(?=https?://)", "", value).rstrip("/")
    configured = _mirror_of_workspace(root)
    if configured and configured != PUBLIC:
        return configured
    return _index_of_pip(environ) or PUBLIC


def _mirror_of_workspace(root: Path) -> str:
    """`pypi` of `[tool.buildlib.network]`, read by line: Python 3.10 has no tomllib."""
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""  # whoever reads the settings in earnest says what is wrong with them
    _, _, rest = text.partition("\n[tool.buildlib.network]")
    table = re.split(r"\n\s*\[", rest, maxsplit=1)[0]
    value = re.search(r"\n\s*pypi\s*=\s*([\"'])([^\"'\n]+)\1", table)
    return value.group(2).rstrip("/") if value else ""


def _index_of_pip(environ: Mapping[str, str]) -> str:
    """`index-url` of pip's configuration: the user's before the machine's, as pip has it."""
    home = environ.get("HOME") or os.path.expanduser("~")
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    files = [
        environ.get("PIP_CONFIG_FILE", ""),
        f"{home}/Library/Application Support/pip/pip.conf",
        f"{config}/pip/pip.conf",
        f"{home}/.pip/pip.conf",
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
    ]
    for name in filter(None, files):
        parser = configparser.RawConfigParser()
        try:
            parser.read(name, encoding="utf-8")
            value = parser.get("global", "index-url", fallback="")
        except (configparser.Error, UnicodeDecodeError):
            continue
        if value.strip():
            return value.strip().rstrip("/")
    return ""


def without_credentials(address: str) -> tuple[str, str]:
    """Split `https://user:word@host/x` into `https://host/x` and `user:word` (empty if none)."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=host).geturl(), unquote(user) if at else ""


def files_of(page: str, content_type: str, address: str) -> list[File]:
    """The files listed on an index page.

    Args:
        page: Text of the page.
        content_type: Its media type: JSON (PEP 691) or HTML (PEP 503).
        address: Where the page came from, after redirects: file addresses may be relative to it.

    Raises:
        ValueError: The page is JSON by its type and not by its content.
    """
    if "json" in content_type:
        return [
            File(
                str(file["filename"]),
                urljoin(address, str(file["url"])),
                str((file.get("hashes") or {}).get("sha256", "")),
                int(file.get("size") or 0),
            )
            for file in json.loads(page).get("files", [])
        ]
    parser = _Links(address)
    parser.feed(page)
    return [_file_of_link(url) for url in parser.links]


def _file_of_link(link: str) -> File:
    url, fragment = urldefrag(link)
    digest = fragment[len("sha256=") :] if fragment.startswith("sha256=") else ""
    return File(unquote(url.rpartition("/")[2]), url, digest, 0)


class _Links(HTMLParser):
    """Collects the absolute address of every link of a page."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.base = address
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if tag == "base" and target:
            self.base = urljoin(self.base, target)
        elif tag == "a" and target:
            self.links.append(urljoin(self.base, target))


def fitting_wheel(
    files: Iterable[File], project: str, version: str, machine: Machine
) -> File | None:
    """The wheel of one version that runs on a machine: of several the one built for the newest."""
    best: tuple[tuple[int, int], File] | None = None
    for file in files:
        if not (file.name.startswith(f"{project}-{version}-") and file.name.endswith(".whl")):
            continue
        for tag in file.name[: -len(".whl")].rpartition("-")[2].split("."):
            match = _PLATFORM.match(tag)
            if not match:
                continue
            family, arch = match.group(1), match.group(4)
            needs = (int(match.group(2)), int(match.group(3)))
            fits = family == machine.family and arch == machine.arch and needs <= machine.version
            if fits and (best is None or needs > best[0]):
                best = needs, file
    return best[1] if best else None


def this_machine() -> Machine:
    """The machine this process runs on."""
    arch = platform.machine()
    if sys.platform == "darwin":
        return Machine("macosx", _version(platform.mac_ver()[0]), arch)
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        libc = ""
    if libc.startswith("glibc "):
        return Machine("manylinux", _version(libc[len("glibc ") :]), arch)
    return Machine("musllinux", (1, 2), arch)  # musl cannot be asked; 1.2 is of 2020


def _version(text: str) -> tuple[int, int]:
    numbers = [int(word) for word in re.findall(r"\d+", text)] + [0, 0]
    return numbers[0], numbers[1]
