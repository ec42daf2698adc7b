"""Why a path of a package is not among its files, or not among those of a target.

And files that are there, but as links to what no tree has.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from buildlib.core.dsl.glob import is_glob
from buildlib.core.model.tree import Tree, is_junk
from buildlib.errors import InputError, Location

BUILD_FILE = "BUILD.py"
NOT_DECLARED = "is not in srcs"


def why_absent(tree: Tree, package: str, name: str) -> tuple[str, str] | None:
    """Why `srcs` lacks what a package has at a path, and the fix; None if nothing is there."""
    before = f"{package}/" if package else ""
    path = before + name
    if any(map(is_junk, name.split("/"))):
        why = "has a name of what tools leave behind, which is never seen"
        return why, f"give {path} another name, or leave it out"
    if not tree.exists(path):
        return None
    listed = tree.files(path)
    homes = {folder for folder, names in listed if BUILD_FILE in names}
    pieces = name.split("/")
    above = (before + "/".join(pieces[:depth]) for depth in range(1, len(pieces)))
    homes.update(folder for folder in above if tree.exists(f"{folder}/{BUILD_FILE}"))
    own = any(names and not _is_in(folder, homes) for folder, names in listed)
    if homes and not own:
        home = min(homes, key=len)
        group = f'in {home}/{BUILD_FILE} filegroup(name="files", srcs=glob(["**"]))'
        why = f"belongs to the package //{home}"
        return why, f'srcs = [..., "//{home}:files"], and {group}'
    if own:
        return NOT_DECLARED, f'srcs = [..., *glob(["{name}/**"])]'
    if listed:
        return (
            "is an empty folder: git keeps none, and so does no build context",
            f'touch {path}/.gitkeep  # and srcs = [..., "{name}/.gitkeep"]',
        )
    return NOT_DECLARED, f'srcs = [..., "{name}"]'


def why_no_match(tree: Tree, package: str, patterns: Sequence[str]) -> tuple[str, str]:
    """Why patterns match nothing, to end a sentence with, and the fix."""
    for pattern in patterns:
        folders = takewhile(lambda piece: not is_glob(piece), pattern.split("/")[:-1])
        name = "/".join(folders)
        reason = why_absent(tree, package, name) if name else None
        if reason and reason[0] != NOT_DECLARED:
            return f": {name} {reason[0]}", reason[1]
    return "", "correct the pattern, or say allow_empty=True"


def _is_in(folder: str, homes: set[str]) -> bool:
    return any(folder == home or folder.startswith(home + "/") for home in homes)


def read_linked(tree: Tree, path: str, where: Location | None = None) -> bytes:
    """The content of a file that is there; an error where it is a link out of the tree."""
    try:
        return tree.read(path)
    except FileNotFoundError:
        raise InputError(
            f"{path} is a link out of its package, to what the workspace does not have",
            where=where,
            fix=f"rm {path}, and write it as a file",
        ) from None
