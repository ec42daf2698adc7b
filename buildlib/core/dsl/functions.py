"""What a `BUILD.py` may call beside rules: each function returns a value for a declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildlib.core.dsl import glob as globs
from buildlib.core.dsl.absent import why_no_match
from buildlib.core.dsl.declare import BUILD_FILE, current, known_flavours, leads_out
from buildlib.core.model.settings import FILE as SETTINGS_FILE
from buildlib.core.model.settings import refuse_choice
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest


def glob(
    include: Sequence[str], *, exclude: Sequence[str] = (), allow_empty: bool = False
) -> list[str]:
    """Names of the package's files that match, sorted.

    Args:
        include: Patterns: `*` within a folder, `**` across folders. Packages below are left out.
        exclude: Patterns of what to leave out.
        allow_empty: Do not insist that something matches.
    """
    package = current()
    if isinstance(include, str) or isinstance(exclude, str):
        raise InputError("glob takes lists of patterns", fix=f'glob(["{include}"])')
    for pattern in (*include, *exclude):
        if leads_out(pattern):
            raise InputError(
                f"pattern {pattern!r} leads out of the package", fix="make a filegroup there"
            )
    globs.check((*include, *exclude))
    matching = globs.match(package.names, include, (BUILD_FILE, *exclude))
    if not matching and not allow_empty:
        where = package.path or "the workspace root"
        why, fix = why_no_match(package.tree, package.path, include)
        raise InputError(f"glob({list(include)!r}) matches nothing in {where}{why}", fix=fix)
    return matching


def setting(name: str, choices: Sequence[str] = ()) -> str:
    """A value of the family's own tables in `[tool.buildlib]` of pyproject.toml.

    Args:
        name: Table and name, such as `spark.version`.
        choices: What it may be; by default any text.
    """
    package = current()
    package.settings_read.add(name)
    known = package.settings.family
    if name not in known:
        table, _, word = str(name).rpartition(".")
        meant = nearest(str(name), sorted(known))
        missing = f'{word} = "…", in the table [tool.buildlib.{table or "TABLE"}] of pyproject.toml'
        raise InputError(
            f"pyproject.toml has no setting {name}{did_you_mean(str(name), sorted(known))}",
            fix=f'setting("{meant}")' if meant else missing,
        )
    if choices and known[name] not in choices:
        refuse_choice(name, known[name], choices, package.tree.read(SETTINGS_FILE).decode())
    return known[name]


def select(by_flavour: Mapping[str, Any]) -> Any:
    """One of several values: that for the flavour of the workspace.

    Args:
        by_flavour: Flavour -> value.
    """
    if not isinstance(by_flavour, Mapping):
        raise InputError(
            f"select takes a value for each flavour, not {by_flavour!r}",
            fix='select({"debian": …, "docker-stacks": …})',
        )
    known_flavours(by_flavour)
    flavour = current().settings.flavour
    if flavour not in by_flavour:
        raise InputError(
            f"select has no value for the flavour {flavour}",
            fix=f'select({{"{flavour}": …, …}})',
        )
    return by_flavour[flavour]


FUNCTIONS = {function.__name__: function for function in (glob, select, setting)}
