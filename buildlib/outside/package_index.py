"""Package indexes (PEP 503 and 691): which one to use, and parsing its pages.

Set-up, fetching, locking and build steps with a network all call `index_url`, so that they use the
same index. Set-up runs before any package is installed, so this needs the standard library alone.
Sends no request.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

PUBLIC = "https://pypi.org/simple"
ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.1"
)
"""The Accept header of a request for a page."""
_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")


class File(NamedTuple):
    """One wheel or archive that a page of an index lists.

    Attributes:
        url: Absolute.
        sha256: "" where the page does not tell.
        size: In bytes; 0 where the page does not tell.
    """

    name: str
    url: str
    sha256: str
    size: int


# which index


def index_url(configured: str, environ: Mapping[str, str] = os.environ) -> str:
    """URL of the index to use, without a trailing slash; it may hold user and password.

    The first one set of: the environment (`UV_DEFAULT_INDEX`, `UV_INDEX_URL`, `PIP_INDEX_URL`),
    the workspace's settings (`configured`, if not the public index), pip's configuration, uv's
    configuration. Else the public index.
    """
    for name in _VARIABLES:
        if value := environ.get(name, "").strip():
            # uv also takes `name=https://...`
            return re.sub(r"\A[A-Za-z0-9._-]+=(?=https?://)", "", value).rstrip("/")
    if configured not in ("", PUBLIC):
        return configured
    return _index_of_pip(environ) or _index_of_uv(environ) or PUBLIC


def configured_in(pyproject: str) -> str:
    """`pypi` of `[tool.buildlib.network]` in the text of a pyproject.toml; "" if it is not a text.

    For set-up, which has no settings yet; errors are reported later, when the settings are loaded.
    """
    value: Any = _toml(pyproject)
    for name in ("tool", "buildlib", "network", "pypi"):
        value = value.get(name) if isinstance(value, dict) else None
    return value.rstrip("/") if isinstance(value, str) else ""


def _index_of_pip(environ: Mapping[str, str]) -> str:
    """`index-url` of pip's configuration, the user's before the machine's as in pip."""
    from configparser import Error, RawConfigParser

    named, home = environ.get("PIP_CONFIG_FILE", ""), _home(environ)
    if named == os.devnull:  # pip: no configuration at all
        return ""
    files = [
        named,
        f"{home}/Library/Application Support/pip/pip.conf",
        f"{_user_configuration(environ)}/pip/pip.conf",
        f"{home}/.pip/pip.conf",
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
    ]
    for name in filter(None, files):
        parser = RawConfigParser()
        try:
            parser.read(name, encoding="utf-8")
            value = parser.get("global", "index-url", fallback="").strip()
        except (Error, UnicodeDecodeError):
            continue
        if value:
            return value.rstrip("/")
    return ""


def _index_of_uv(environ: Mapping[str, str]) -> str:
    """The default index of uv's configuration, the user's before the machine's as in uv."""
    if environ.get("UV_NO_CONFIG"):
        return ""
    named = environ.get("UV_CONFIG_FILE", "")
    user = f"{_user_configuration(environ)}/uv/uv.toml"
    for name in [named] if named else [user, "/etc/xdg/uv/uv.toml", "/etc/uv/uv.toml"]:
        try:
            with open(name, encoding="utf-8") as file:
                document = _toml(file.read())
        except (OSError, UnicodeDecodeError):
            continue
        if value := _default_index(document):
            return value.rstrip("/")
    return ""


def _default_index(uv_toml: Mapping[str, Any]) -> str:
    indexes = uv_toml.get("index")
    for index in indexes if isinstance(indexes, list) else ():
        if isinstance(index, dict) and index.get("default") is True:
            return str(index.get("url", ""))
    older = uv_toml.get("pip")
    return str(
        (older.get("index-url") if isinstance(older, dict) else "") or uv_toml.get("index-url", "")
    )


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")


def _user_configuration(environ: Mapping[str, str]) -> str:
    return environ.get("XDG_CONFIG_HOME") or f"{_home(environ)}/.config"


def _toml(text: str) -> dict[str, Any]:
    """Parse TOML; an invalid document counts as empty."""
    if sys.version_info < (3, 11):
        return toml_by_line(text)
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


_TABLE = re.compile(r"\s*(\[\[?)\s*([\w.-]+)\s*\]")
_VALUE = re.compile(r"""\s*([\w.-]+)\s*=\s*(?:"([^"\\]*)"|'([^']*)'|(true)\b)""")


def toml_by_line(text: str) -> dict[str, Any]:
    """Parse TOML line by line: tables, and texts or `true` in them; all else is ignored.

    Python 3.10 has no TOML parser, and set-up cannot import a package with one.
    """
    document: dict[str, Any] = {}
    table = document
    for line in text.splitlines():
        if header := _TABLE.match(line):
            *path, last = header[2].split(".")
            table = _inner(document, path)
            if header[1] == "[[" and isinstance(several := table.setdefault(last, []), list):
                several.append({})
            table = _inner(table, [last])
        elif value := _VALUE.match(line):
            *path, last = value[1].split(".")
            _inner(table, path)[last] = True if value[4] else value[2] or value[3] or ""
    return document


def _inner(table: dict[str, Any], path: Iterable[str]) -> dict[str, Any]:
    """The table at a path; of an array of tables the last."""
    for name in path:
        inner = table.setdefault(name, {})
        if isinstance(inner, list):
            inner = inner[-1]
        table = inner if isinstance(inner, dict) else {}
    return table


# what its pages list


def project_page(index: str, project: str) -> str:
    """URL of a project's page (PEP 503, "Normalized Names")."""
    return f"{index}/{re.sub(r'[-_.]+', '-', project).lower()}/"


def files_of(page: str, media_type: str, address: str) -> list[File]:
    """The files that a page lists, yanked ones (PEP 592) too, as a lock may pin them.

    Args:
        page: Its text.
        media_type: JSON (PEP 691) or HTML (PEP 503).
        address: The page's URL after redirects; URLs of files may be relative to it.

    Raises:
        ValueError: It is not a page of an index.
    """
    if "json" not in media_type:
        return _links(page, address)
    try:
        return [
            File(
                str(file["filename"]),
                urljoin(address, str(file["url"])),
                str((file.get("hashes") or {}).get("sha256", "")),
                int(file.get("size") or 0),
            )
            for file in json.loads(page)["files"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a page of a package index") from error


def _links(page: str, address: str) -> list[File]:
    from html.parser import HTMLParser

    base, files = address, []

    class Links(HTMLParser):
        """Collects the files that the anchors of a page link to."""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            nonlocal base
            target = dict(attrs).get("href")
            if tag == "base" and target:
                base = urljoin(base, target)
            elif tag == "a" and target:
                url, fragment = urldefrag(urljoin(base, target))
                digest = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
                name = unquote(urlsplit(url).path.rpartition("/")[2])
                files.append(File(name, url, digest, 0))

    Links().feed(page)
    return files
