"""Symlinks among sources: where they lead in a build context, which has only what is declared.

A key holds what a link says and not what it leads to. So what it leads to is a source itself, or is
in the image: an absolute link leads there, and so may one to what the workspace does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from posixpath import dirname, join, normpath, relpath

from buildlib.core.dockerfile.check import follow, in_context
from buildlib.core.dsl.absent import why_absent
from buildlib.core.model.target import Target
from buildlib.core.model.tree import Tree
from buildlib.errors import InputError


def refuse_links(target: Target, staged: Collection[str], tree: Tree) -> None:
    """Refuse links where only the content of files is taken: in all but a build context."""
    for file in target.files:
        if file.path in tree.links and file.name not in staged:
            raise InputError(
                f"{file.path} is a symlink, and only files can be taken here",
                where=target.where,
                fix="name the file it leads to",
            )


def check_links(
    target: Target,
    dockerfile: str,
    context: Collection[str],
    tree: Tree,
    ignored: Callable[[str], bool],
) -> dict[str, str]:
    """Refuse links to what the workspace has and a build context lacks.

    Args:
        dockerfile: May lead nowhere out of its package.

    Returns:
        What the links in the context say, by their names there.
    """
    refuse_links(target, context, tree)
    files = [file for file in target.files if file.path in tree.links]
    stamps = tree.stamps([file.path for file in files])
    links = {
        file.name: stamp.removeprefix("link ")
        for file, stamp in zip(files, stamps, strict=True)
        if stamp.startswith("link ")
    }
    for name, text in links.items():
        place = target.label.path(name)
        led = normpath(join(dirname(place), text))
        absolute = led.startswith(tree.root + "/")
        led = led.removeprefix(tree.root + "/")
        inside = _inside(target, led)
        if name == dockerfile and inside is None:
            raise _leads_out(target, place, text, led)
        if follow(name, links) in links:
            raise InputError(
                f"{place} is a link to {text}, which leads back to it",
                where=target.where,
                fix=f"rm {place}",
            )
        if led.startswith("/") or not tree.exists(led):
            continue  # to what the image has
        if inside is None:
            raise _leads_out(target, place, text, led)
        if absolute:
            raise InputError(
                f"{place} is an absolute link into the workspace, which no image has",
                where=target.where,
                fix=f"ln -sfn {relpath(led, dirname(place) or '.')} {place}",
            )
        reason = why_absent(tree, target.label.package, inside)
        if reason and not in_context(follow(name, links), context) and not ignored(inside):
            raise InputError(
                f"{place} is a link to {text}, which {reason[0]}", where=target.where, fix=reason[1]
            )
    return links


def refuse_link_out(target: Target, place: str, tree: Tree) -> None:
    """Refuse an ignore file that is a link out of its package."""
    if place in tree.links:
        text = tree.stamps([place])[0].removeprefix("link ")
        led = normpath(join(dirname(place), text)).removeprefix(tree.root + "/")
        if _inside(target, led) is None:
            raise _leads_out(target, place, text, led)


def _inside(target: Target, path: str) -> str | None:
    """The path of a file of the workspace in the target's package; None for one outside of it."""
    before = target.label.path("")
    if not path.startswith(before) or path.startswith(("/", "../")):
        return None
    return path[len(before) :]


def _leads_out(target: Target, place: str, text: str, led: str) -> InputError:
    return InputError(
        f"{place} is a link out of its package, to {text}",
        where=target.where,
        fix=f"rm {place} && cp -R {led} {place}",
    )
