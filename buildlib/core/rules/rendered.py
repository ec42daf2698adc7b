"""`rendered`: a text that holds the present names of images, written into the workspace.

For files that name images and that other tools read, such as a compose file. `@NAME@` in a template
is a placeholder. The file names images and does not contain them: a new image of the same name does
not change it. The result is beside its template, where those tools expect it. A build that finds it
changed or gone writes it again; it is no source, and git should ignore it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import current, declare, label, leads_out, source
from buildlib.core.model.label import Reference
from buildlib.core.model.output import DIST, Export, Output
from buildlib.core.model.target import IMAGE, NAME, Dep, Rule, Target, Targets, image_name
from buildlib.core.model.text_file import decode
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context

_PLACEHOLDER = re.compile(r"@([A-Z][A-Z0-9_]*)@")


def rendered(
    *,
    name: str,
    template: str,
    out: str,
    images: Mapping[str, str] | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
    values: Mapping[str, str] | None = None,
    release: bool = False,
    doc: str = "",
) -> None:
    """Declare a file made from a template.

    Args:
        name: Name of the target.
        template: A text file of the package. `@NAME@` in it, in capitals, is a placeholder; each
            has to be given below, and each that is given has to stand in the template.
        out: Name of the file, which is written to the folder of the package.
        images: Placeholder -> label of an image: the name people use for it, with registry,
            organisation and tag.
        names: Placeholder -> labels: the names of these targets, with commas between them.
        values: Placeholder -> text.
        release: Whether it is a file of releases: then it is written to `dist/` and not to the
            package.
        doc: One line for `doit list`.
    """
    if leads_out(out) or out == template:
        raise InputError(
            f"{out!r} is no file to write beside {template}",
            fix=f'out = "{template.removesuffix(".in").lstrip("/")}"',
        )
    for key, texts in (names or {}).items():
        if isinstance(texts, str):
            raise InputError(
                f"names: {key} is a text, not a list of labels",
                fix=f'names = {{"{key}": ["{texts}"]}}',
            )
    file = source(template, attribute="template", makes=True)
    deps = [
        Dep(IMAGE, key, Reference(label(text)), by_name=True)
        for key, text in (images or {}).items()
    ]
    lists = {key: [str(label(text)) for text in texts] for key, texts in (names or {}).items()}
    for key, texts in lists.items():
        deps += [Dep(NAME, f"{key} {text}", Reference(label(text)), by_name=True) for text in texts]
    _check_placeholders(file.path, [*(images or {}), *lists, *(values or {})])
    declare(
        RULE,
        name=name,
        doc=doc,
        # Absent if it is not: what was declared before keeps its key.
        attrs={
            "names": lists,
            "out": out,
            "values": values or {},
            **({"release": True} if release else {}),
        },
        files=[file],
        deps=deps,
    )


def _check_placeholders(template: str, given: Iterable[str]) -> None:
    """Refuse a placeholder without a value, and a value without a placeholder."""
    given = list(given)
    lines = decode(current().tree.read(template), template).split("\n")
    used: set[str] = set()
    for number, line in enumerate(lines, 1):
        for key in _PLACEHOLDER.findall(line):
            if key not in given:
                meant = nearest(key, given)
                raise InputError(
                    f"@{key}@ is not given in the declaration{did_you_mean(key, given)}",
                    where=Location(template, number),
                    fix=f"@{meant}@" if meant else f'images={{"{key}": "//images/…"}}',
                )
            used.add(key)
    for key in given:
        if given.count(key) > 1:
            raise InputError(f"{key} is given twice", fix=f"remove one {key}")
        if key not in used:
            meant = nearest(key, used)
            raise InputError(
                f"{key} is given, but no @{key}@ stands in {template}{did_you_mean(key, used)}",
                fix=f"remove {key}, or write @{key}@ in {template}",
            )


class Rendered(Rule):
    """A template with the names of other targets filled in."""

    kind = "rendered"
    product = "files"

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [str(target.attrs["out"])]

    def export(self, target: Target, version: str) -> Export | None:
        out = str(target.attrs["out"])
        return Export(out, f"{DIST}/{out}" if "release" in target.attrs else target.label.path(out))

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        values = dict(target.attrs["values"])
        named: dict[str, str] = {}
        for dep in target.deps:
            other = context.targets[dep.ref.label]
            if dep.kind == NAME:
                named[str(other.label)] = image_name(other)
            elif other.rule.is_image:
                values[dep.name] = context.channel_tag(other.label)
            else:
                raise InputError(
                    f"{other.label} is no image, but a {other.rule.kind}",
                    where=target.where,
                    fix=f'names = {{"{dep.name}": ["{other.label}"]}}',
                )
        for key, labels in target.attrs["names"].items():
            values[key] = ",".join(named[text] for text in labels)
        kept = context.keep_source(target.files[0])
        with open(context.store.path(kept.sha256), encoding="utf-8", newline="") as file:
            text = _PLACEHOLDER.sub(lambda match: values[match[1]], file.read())
        return Output(files={target.attrs["out"]: context.keep_bytes(text.encode())})


RULE = Rendered()
