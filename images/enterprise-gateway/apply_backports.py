"""Puts fixes into the installed server that no release of it has yet; runs as the image is built.

A fix is written for one file as one release has it, known by its sha256. Every other file is
refused, so that after an upgrade somebody looks whether the release has the fix by itself.
docs/images/enterprise-gateway.md lists what is carried, and what of upstream is not.

It changes the environment of the Python that runs it, so it is of use to other servers, too.
"""

from __future__ import annotations

import hashlib
import os
import py_compile
import shutil
import sys
import sysconfig
from typing import NamedTuple


class Backport(NamedTuple):
    """A fix of one file.

    Attributes:
        upstream: The commit of upstream's that mends the same.
        file: The file, below site-packages.
        sha256: Of the file that the fix was written for.
        changes: Texts that are in it once, and what takes their place.
    """

    upstream: str
    file: str
    sha256: str
    changes: tuple[tuple[str, str], ...]


BACKPORTS = (
    # A kernel on another host is started by a shell there, and the client's variables are part of
    # the command. In double quotes, $(…) and `…` of a value were run, and names were not looked at.
    Backport(
        upstream="83f54a88",
        file="enterprise_gateway/services/processproxies/distributed.py",
        sha256="726566c74a08ecf0a1487ad1a6349790a51c0edde24c4c1c257f65c99a405e3f",
        changes=(
            ("import os\nimport signal\n", "import os\nimport shlex\nimport signal\n"),
            (
                """\
            for key, value in env_dict.items():
                cmd += "export {}={};".format(key, json.dumps(value).replace("'", "''"))
""",
                """\
            for key, value in env_dict.items():
                # No shell can export what is not a name: it would be read as commands.
                if key.isascii() and key.isidentifier():
                    cmd += f"export {key}={shlex.quote(str(value))};"
""",
            ),
        ),
    ),
)


class Refused(Exception):
    """A fix does not fit, or is there already."""


def mended(backport: Backport, data: bytes) -> bytes:
    """The file with the fix.

    Raises:
        Refused: It is not the file that the fix was written for.
    """
    text, found = data.decode(), hashlib.sha256(data).hexdigest()
    if all(new in text for _, new in backport.changes):
        raise Refused(
            f"{backport.file} has the fix already\n"
            "  fix: pip install --force-reinstall --no-deps jupyter_enterprise_gateway==3.3.0"
            "  # if it has to be put in anew"
        )
    if found != backport.sha256:
        raise Refused(
            f"{backport.file} is not the file that the fix was written for (sha256 {found},"
            f" not {backport.sha256})\n"
            f"  fix: if this release of the server has upstream's {backport.upstream}, remove the"
            " entry in BACKPORTS of apply_backports.py, its commit in the label of the Dockerfile,"
            " and its row in docs/images/enterprise-gateway.md; if not, write the entry anew"
        )
    for old, new in backport.changes:
        if text.count(old) != 1:
            raise Refused(f"{backport.file}: not once in it is {old!r}")
        text = text.replace(old, new)
    return text.encode()


def apply(folder: str) -> None:
    """Mend the server that is installed in a site-packages folder: all fixes, or none.

    Raises:
        Refused: A fix does not fit.
    """
    ready = []
    for backport in BACKPORTS:
        path = os.path.join(folder, backport.file)
        try:
            with open(path, "rb") as file:
                ready.append((backport, path, mended(backport, file.read())))
        except FileNotFoundError:
            fix = "pip install jupyter_enterprise_gateway==3.3.0  # or run this with its Python"
            raise Refused(f"there is no {path}\n  fix: {fix}") from None
    for backport, path, data in ready:
        # A new file in its place: an installer may have linked the old one to a cache of its own.
        with open(f"{path}.new", "wb") as file:
            file.write(data)
        shutil.copymode(path, f"{path}.new")
        os.replace(f"{path}.new", path)
        py_compile.compile(path, doraise=True)
        print(f"{backport.file}: has the fix of {backport.upstream} now")


if __name__ == "__main__":
    try:
        apply(sysconfig.get_path("purelib"))
    except Refused as refused:
        sys.exit(f"apply_backports: error: {refused}")
