"""The declared images that a Dockerfile builds on: which `FROM` or `--from` means which of them.

A key of `bases` is a build argument, or the name of an image without its tag, which may hold `*`.
An image that is declared by name stands in a Dockerfile that nobody has to edit: builders are
handed a copy in which it is called as it is called at present. The module opens no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from buildlib.core.dockerfile.lines import Instruction, fields, read_lines
from buildlib.core.dockerfile.model import Arg, Dockerfile, Stage
from buildlib.core.dockerfile.parse import parse
from buildlib.core.model.target import PARENT_ARG
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

_ALONE = re.compile(r'"?\$(?:(\w+)|\{(\w+)(?::-[^{}]*)?\})"?\Z')
"""One variable with an optional default, and nothing else."""
_TO_QUOTE = re.compile(r"""[\s'"]""")
"""What cannot stand in a flag without quotes."""


def without_tag(image: str) -> str:
    """An image's name without tag and digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def repository(image: str) -> str:
    """The last part of an image's name: `elyra/scipy-notebook:dev` is `scipy-notebook`."""
    return without_tag(image).rpartition("/")[2]


def by_name(image: str, bases: Collection[str]) -> str:
    """The key of `bases` that is an image's name, or else the longest pattern of it; or empty."""
    name = without_tag(image)
    if not name or name in bases:
        return name
    from fnmatch import fnmatchcase

    matching = [key for key in bases if "*" in key and fnmatchcase(name, key)]
    return max(matching, key=lambda key: (len(key), key), default="")


def declared_base(stage: Stage, bases: Collection[str]) -> tuple[str, bool]:
    """The key of `bases` for what a stage builds on, or empty; and whether it is a name.

    Args:
        stage: One that builds on an image.
    """
    alone = _ALONE.match(stage.base)
    variable = (alone[1] or alone[2]) if alone else ""
    return (variable, False) if variable in bases else (by_name(stage.image, bases), True)


# -- the check -------------------------------------------------------------------------------------


def check_parent(
    dockerfile: Dockerfile,
    bases: Mapping[str, str],
    declared: Location,
    label_of: Callable[[str], str] = lambda _: "",
) -> None:
    """Require the images that the Dockerfile builds on to be exactly the declared ones.

    Args:
        bases: Key of each declared base -> last part of its image's name, such as
            `scipy-notebook`.
        declared: Where the target is declared.
        label_of: The target whose image has such a name; empty for none.
    """
    used = set()
    for line, image, key, what in _images(dockerfile, bases):
        if not key:
            fix = _fix(dockerfile, line, image, bases, label_of)
            where = Location(dockerfile.file, line)
            raise InputError(what, where=where, declared=declared, fix=fix)
        used.add(key)
    images = {bases[key] for key in used}
    for key, image in bases.items():
        if key not in used and image not in images:
            raise _unused(dockerfile, key, image, declared)
    for arg in dockerfile.args:
        if arg.name in used and arg.default:
            _check_default(dockerfile, arg, bases[arg.name], declared)


def _check_default(dockerfile: Dockerfile, arg: Arg, expected: str, declared: Location) -> None:
    """Require an `ARG` to say by default what the declaration says."""
    default = str(arg.default)
    if repository(default) != expected:
        path, slash, last = default.partition("@")[0].rpartition("/")
        _, colon, tag = last.partition(":")
        name = "" if arg.name == PARENT_ARG else f'  # or "{without_tag(default)}" in bases'
        raise InputError(
            f"the parent is {expected}, but {arg.name} is {default} here",
            where=Location(dockerfile.file, arg.line),
            declared=declared,
            fix=f"ARG {arg.name}={path}{slash}{expected}{colon}{tag}{name}",
        )


def _images(dockerfile: Dockerfile, bases: Collection[str]) -> Iterable[tuple[int, str, str, str]]:
    """Each image that is built on: line, image, key of `bases` or empty, what is wrong then.

    Builders refuse a `FROM` of nothing in the stages that they do not build, too.
    """
    for stage in dockerfile.stages:
        reached = stage in dockerfile.reached
        if stage.parent is None and stage.image != "scratch" and (reached or not stage.image):
            key, _ = declared_base(stage, bases)
            yield stage.line, stage.image, key, _what(stage, dockerfile, bases)
        for reference in stage.references if reached else ():
            if reference.stage is None and reference.name != "scratch":
                what = f"{reference.by} takes from {reference.name}, which is neither a stage above"
                key = by_name(reference.name, bases)
                yield reference.line, reference.name, key, f"{what} it nor a declared base"


def _what(stage: Stage, dockerfile: Dockerfile, bases: Collection[str]) -> str:
    """What is wrong with what a stage builds on, if nothing declares it."""
    if stage.image in _below(stage, dockerfile):
        return f"this builds on the stage {stage.image}, which stands below it"
    shown = stage.image or stage.base
    written = f" (FROM {stage.base})" if stage.image and stage.variables else ""
    if any(variable in bases for variable in stage.variables):
        return f"this builds on {stage.base}, which is more than the declared base"
    if not stage.image:
        return f"this builds on {shown}, which has no value and is no declared base"
    guess = did_you_mean(stage.variables[0], bases) if stage.variables else ""
    return f"this builds on {shown}{written}, which is not a declared base{guess}"


def _below(stage: Stage, dockerfile: Dockerfile) -> list[str]:
    return [other.name for other in dockerfile.stages if other.line > stage.line and other.name]


def _fix(
    dockerfile: Dockerfile,
    line: int,
    image: str,
    bases: Mapping[str, str],
    label_of: Callable[[str], str],
) -> str:
    """How to declare an image, or to name in its place what is declared."""
    stage = next((stage for stage in dockerfile.stages if stage.line == line), None)
    variables = stage.variables if stage else ()
    if stage and image in _below(stage, dockerfile):
        return f"move FROM ... AS {image} above line {line}"
    unused = set(bases) - {declared_base(other, bases)[0] for other in dockerfile.stages}
    meant = next((variable for variable in variables if variable in bases), "")
    if not meant and stage:
        same = [key for key in bases if image and bases[key] == repository(image)]
        near = [nearest(variable, bases) for variable in variables]
        meant = next((key for key in (*same, *near, *sorted(unused)) if key), "")
    if meant and _is_argument(meant, dockerfile):
        if image and not variables and all(arg.name != meant for arg in dockerfile.args):
            more = "..., " if len(bases) > 1 + (meant == PARENT_ARG) else ""
            place = "parent" if meant == PARENT_ARG else meant
            declared = f'bases = {{{more}"{without_tag(image)}": "{label_of(bases[meant])}"}}'
            return f"{declared}  # in the place of {place}"
        return f"FROM ${{{meant}}}" + (f" AS {stage.name}" if stage and stage.name else "")
    alone = _ALONE.match(stage.base) if stage else None
    key = (alone[1] or alone[2]) if alone else without_tag(image)
    if not key:
        return f'build_args = {{"{variables[0]}": "…"}}'
    label = label_of(repository(image)) if image else "//FOLDER:NAME"
    before = ""
    if not label:
        label, name = f":{repository(image)}", repository(image)
        tagged = image.partition("@")[0]
        tagged += "" if tagged != without_tag(image) else ":latest"
        before = f'external_image(name="{name}", image="{tagged}") and '
    more = "..., " if bases else ""
    given = f'parent = "{label}"' if key == PARENT_ARG else f'bases = {{{more}"{key}": "{label}"}}'
    return before + given


def _is_argument(key: str, dockerfile: Dockerfile) -> bool:
    """Whether a key of `bases` is meant as a build argument; names of images have no capitals."""
    return key.isidentifier() and (
        key != key.lower() or any(arg.name == key for arg in dockerfile.args)
    )


def _unused(dockerfile: Dockerfile, key: str, image: str, declared: Location) -> InputError:
    """The error for a declared base that nothing is built on."""
    where = Location(dockerfile.file, dockerfile.reached[-1].line)
    stages = [stage for stage in dockerfile.stages if stage.parent is None and stage.image]
    others = [stage for stage in stages if declared_base(stage, (key,))[0]]
    if others:
        name = others[-1].name or f"of line {others[-1].line}"
        what = f"the parent {image} is declared as {key}, but only the stage {name} uses that"
        what += ", which is not built"
        fix = f'target = "{others[-1].name}"' if others[-1].name else f"remove {key} from bases"
    elif _is_argument(key, dockerfile):
        guess = did_you_mean(key, [arg.name for arg in dockerfile.args])
        what = f"the parent {image} is declared as {key}, but no FROM uses that{guess}"
        fix = f"FROM ${{{key}}}"
    else:
        names = [without_tag(stage.image) for stage in stages if stage.image != "scratch"]
        meant = nearest(key, names)
        what = f"bases has {key}, but no image is called so here{did_you_mean(key, names)}"
        fix = f'bases = {{"{meant}": "…"}}' if meant else f"remove {key} from bases"
    return InputError(what, where=where, declared=declared, fix=fix)


# -- what a builder is handed ----------------------------------------------------------------------


def with_present_names(
    text: str, file: str, args: Mapping[str, str], images: Mapping[str, str], target: str = ""
) -> str:
    """A Dockerfile in which images that are declared by name have their present names.

    Each line stays where it is. The text is returned as it is where it names none of them.

    Args:
        args: As for the check of it: those of the platform and of the declaration.
        images: Key of `bases` -> name of the image.
        target: As for the check of it: what is wrong in other stages is no error.
    """
    lines = text.split("\n")
    stages = list(parse(text, file, args, target).stages)
    stage = stages[0]
    for instruction in read_lines(text, file).instructions:
        changed = None
        if instruction.name == "FROM":
            stage = stages.pop(0)
            if stage.parent is None and stage.image != "scratch":
                key, named = declared_base(stage, images)
                if key and named:
                    rest = images[key] + instruction.rest[len(stage.base) :]
                    changed = instruction._replace(rest=rest)
        else:
            found = {
                reference.name: by_name(reference.name, images)
                for reference in stage.references
                if reference.line == instruction.line and reference.stage is None
            }
            present = {name: images[key] for name, key in found.items() if key}
            changed = _renamed(instruction, present) if present else None
        if changed:
            blank = [""] * (instruction.end - instruction.line)
            lines[instruction.line - 1 : instruction.end] = [_written(changed), *blank]
    return "\n".join(lines)


def _renamed(instruction: Instruction, names: Mapping[str, str]) -> Instruction:
    """A `COPY` or `RUN` that takes from images of other names."""
    flags = []
    for key, value in instruction.flags:
        if key == "from":
            flags.append((key, names.get(value, value)))
        elif key == "mount":
            flags.append((key, ",".join(_renamed_field(field, names) for field in fields(value))))
        else:
            flags.append((key, value))
    return instruction._replace(flags=tuple(flags))


def _renamed_field(field: str, names: Mapping[str, str]) -> str:
    key, equals, value = field.partition("=")
    changed = f"{key}{equals}{names.get(value, value) if key.lower() == 'from' else value}"
    if "," in changed or '"' in changed:
        changed = '"{}"'.format(changed.replace('"', '""'))
    return changed


def _written(instruction: Instruction) -> str:
    """An instruction in one line, as all builders read it."""
    import shlex

    shown = [instruction.name]
    for key, value in instruction.flags:
        quoted = shlex.quote(value) if _TO_QUOTE.search(value) else value
        shown.append(f"--{key}={quoted}" if value else f"--{key}")
    return " ".join([*shown, instruction.rest])
