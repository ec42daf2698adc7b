"""The allow list of a gateway: `EG_ALLOWED_KERNELS`, as a text or as a file sets it.

A file may be any in which the variable stands: compose, Kubernetes (also a patch of kustomize),
values of the Helm chart, variables of an env file or of a script.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean
from check.kernelspec import Kernelspec

NAMES = ("EG_ALLOWED_KERNELS", "EG_KERNEL_WHITELIST")
OF_CHART = "allowedKernels"
_OPTION = "--allowed"
_ASSIGNED = re.compile(rf"({'|'.join(NAMES)})=(\"[^\"]*\"|'[^']*'(?!,)|[^\s#\"]+)")
_LIST = re.compile(r"[A-Za-z0-9._,'\"\[\] -]+\Z")


class AllowList(NamedTuple):
    """A list of kernels.

    Attributes:
        form: What sets it, with `{}` for the names.
    """

    names: tuple[str, ...]
    where: Location
    form: str


def read_allowed(given: str) -> list[AllowList]:
    """The lists of a file, or the one that was typed.

    Raises:
        InputError: There is no such file, or it sets none.
    """
    if not os.path.isfile(given):
        looks_like_file = "/" in given or given.endswith((".yaml", ".yml", ".env", ".json"))
        if looks_like_file or not _LIST.match(given):
            raise InputError(
                f"{_OPTION} {given} is neither a file nor a list of kernels",
                fix=f"{_OPTION} python_docker,r_docker",
            )
        return [AllowList(_split(given), Location(_OPTION, 0), f"{_OPTION} {{}}")]
    with open(given, encoding="utf-8", errors="replace") as file:
        text = file.read()
    found = [*_assigned(given, text), *_in_yaml(given, text, 0)]
    if not found:
        raise InputError(
            f"{given} sets no {NAMES[0]}",
            where=Location(given, 0),
            fix=f"{_OPTION} python_docker,r_docker  # or the file that sets it",
        )
    return found


def check(spec: Kernelspec, allowed: list[AllowList]) -> None:
    """Check that a kernelspec is allowed; an empty list allows all."""
    name = spec.name.lower()
    for each in allowed:
        if not each.names or name in each.names:
            continue
        lower = [known.lower() for known in each.names]
        fixed = [*dict.fromkeys([*lower, name])]
        fix = each.form.format(",".join(fixed))
        if name in lower:
            written = each.names[lower.index(name)]
            spec.findings.warn(
                f"{written} stands in the allow list, and the gateway knows kernels in lower case "
                "only: our image reads it anyway, others do not",
                each.where,
                fix,
            )
        else:
            spec.findings.error(
                f"{name} is not in the allow list: the gateway neither lists nor starts it"
                + did_you_mean(name, [known for known in lower if known[:4] == name[:4]]),
                each.where,
                fix,
            )


def _split(text: str) -> tuple[str, ...]:
    """Names in each form that is in use: `a,b`, `'a','b'`, `["a", "b"]`; none for `null`."""
    names = tuple(name for name in re.sub(r"[\[\]'\"\s]", "", text).split(",") if name)
    return () if names == ("null",) else names


def _assigned(file: str, text: str) -> Iterator[AllowList]:
    """`NAME=value`, where the line is no comment."""
    for number, line in enumerate(text.splitlines(), 1):
        found = None if line.lstrip().startswith("#") else _ASSIGNED.search(line)
        if found:
            yield AllowList(_split(found[2]), Location(file, number), f"{found[1]}={{}}")


def _in_yaml(file: str, text: str, above: int) -> Iterator[AllowList]:
    """`NAME: value`, `{name: NAME, value: value}`, also in a patch, which is a text of YAML.

    Args:
        above: Lines of the file before the text.
    """
    try:
        pending: list[Any] = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        return
    for node in pending:
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
        elif isinstance(node, yaml.ScalarNode):
            if "\n" in node.value:  # its text begins on the next line
                yield from _in_yaml(file, node.value, above + node.start_mark.line + 1)
        elif isinstance(node, yaml.MappingNode):
            fields = {key.value: value for key, value in node.value}
            for key, value in node.value:
                pending.append(value)
                if key.value in (*NAMES, OF_CHART):
                    form = (
                        f'{key.value}: "{{}}"' if key.value != OF_CHART else f"{OF_CHART}: [{{}}]"
                    )
                    yield _list(file, value, above, form)
            name = fields.get("name")
            if name is not None and name.value in NAMES and "value" in fields:
                form = f'{{{{name: {name.value}, value: "{{}}"}}}}'
                yield _list(file, fields["value"], above, form)


def _list(file: str, value: Any, above: int, form: str) -> AllowList:
    where = Location(file, above + value.start_mark.line + 1)
    if isinstance(value, yaml.SequenceNode):
        return AllowList(tuple(str(item.value) for item in value.value), where, form)
    return AllowList(_split(str(value.value)), where, form)
