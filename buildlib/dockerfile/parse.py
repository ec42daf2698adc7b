"""A Dockerfile as data: stages, what they build on, and what of the folder they read.

`parse` is on the way of every build that has nothing to do, for each image: it splits only what it
must, and replays `ENV` and `ARG` only where a source holds a variable. The module opens no file
and knows nothing of declarations; `check` compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import normpath

from buildlib.dockerfile.expand import expand, variables
from buildlib.dockerfile.glob import is_wild
from buildlib.dockerfile.lines import Instruction, read_lines, words
from buildlib.dockerfile.model import Arg, Dockerfile, Reference, Source, Stage
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean

PLATFORM_ARGS = frozenset(
    f"{side}{part}"
    for side in ("BUILD", "TARGET")
    for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
)
"""What BuildKit sets by itself; `FROM` may use them, a stage after `ARG NAME`."""

_STAGE_NAME = re.compile(r"[a-z][a-z0-9._-]*\Z")
_REMOTE = re.compile(r"https?://|git@|git://|ssh://")
_MOUNT_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_MOUNT_KEYS = (
    *("type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro"),
    *("readwrite", "rw", "required", "id", "sharing", "mode", "uid", "gid", "env", "size"),
)
_FROM_WORDS = (1, 3)


def parse(text: str, file: str, args: Mapping[str, str] | None = None) -> Dockerfile:
    """Read a Dockerfile.

    Args:
        text: Its content.
        file: Its path in the workspace, for messages.
        args: Build arguments that will be given, those of the platform (`TARGETARCH`, ...)
            included where the file uses them.

    Raises:
        InputError: With the line, where the file cannot be built or cannot be understood.
    """
    lines = read_lines(text, file)
    given = args or {}
    instructions = lines.instructions
    first = next((i for i, found in enumerate(instructions) if found.name != "ARG"), None)
    if first is None or instructions[first].name != "FROM":
        at = instructions[first].line if first is not None else max(text.count("\n"), 1)
        what = f"{instructions[first].name} stands before" if first is not None else "there is no"
        raise InputError(f"{what} FROM", where=Location(file, at), fix="FROM IMAGE")
    scope = _Scope(file, lines.escape, given)
    declared = scope.declare(instructions[:first])
    starts = [i for i, found in enumerate(instructions) if found.name == "FROM"]
    stages: list[Stage] = []
    for start, end in zip(starts, [*starts[1:], len(instructions)], strict=True):
        stages.append(_stage(instructions[start], instructions[start + 1 : end], stages, scope))
    return Dockerfile(file, lines.syntax, lines.syntax_line, declared, tuple(stages))


class _Scope:
    """What all stages of one file share: its name, escape character and global variables."""

    def __init__(self, file: str, escape: str, given: Mapping[str, str]) -> None:
        self.file = file
        self.escape = escape
        self.given = given
        self.globals = {name: given[name] for name in PLATFORM_ARGS if name in given}
        self.declared: set[str] = set(PLATFORM_ARGS)

    def declare(self, instructions: list[Instruction]) -> tuple[Arg, ...]:
        """Take in the `ARG`s before the first `FROM`."""
        found: list[Arg] = []
        defaults = dict(self.globals)
        for line, _, _, rest, _ in instructions:
            where = Location(self.file, line)
            for word in words(rest, self.escape):
                name, equals, text = word.partition("=")
                default = None
                if equals:
                    default = defaults[name] = expand(text, defaults, where, self.escape)
                    self.globals[name] = expand(text, self.globals, where, self.escape)
                if name in self.given:
                    self.globals[name] = self.given[name]
                self.declared.add(name)
                found.append(Arg(name, default, line))
        return tuple(found)

    def base(self, text: str, where: Location) -> str:
        """What `FROM` names once its variables are replaced; empty where one has no value."""
        unset: list[str] = []
        image = expand(text, self.globals, where, self.escape, unset)
        for name in unset:
            if name not in self.declared:
                known = self.declared - PLATFORM_ARGS
                raise InputError(
                    f"FROM {text} uses {name}, but no ARG above it declares that"
                    f"{did_you_mean(name, known)}",
                    where=where,
                    fix=f"ARG {name}=IMAGE",
                )
        return "" if unset else image

    def environment(self, chain: list[Instruction]) -> dict[str, str]:
        """The variables that `ENV` and `ARG` instructions leave behind."""
        env: dict[str, str] = {}
        for line, name, _, rest, _ in chain:
            where = Location(self.file, line)
            pairs = [word.partition("=") for word in words(rest, self.escape)]
            before = dict(env)
            if name == "ENV" and pairs and not pairs[0][1]:
                key, _, value = rest.partition(" ")
                env[key] = expand(value.strip(), before, where, self.escape)
                continue
            for key, equals, value in pairs:
                if name == "ENV" or equals:
                    env[key] = expand(value, before, where, self.escape)
                if name == "ARG" and key in self.given:
                    env[key] = self.given[key]
                elif name == "ARG" and not equals and key in self.globals:
                    env[key] = self.globals[key]
        return env


def _stage(
    start: Instruction, body: list[Instruction], before: list[Stage], scope: _Scope
) -> Stage:
    """Read one stage; `before` are those above it."""
    where = Location(scope.file, start.line)
    parts = start.rest.split()
    if len(parts) not in _FROM_WORDS or (len(parts) > 1 and parts[1].upper() != "AS"):
        raise InputError(
            f"FROM {start.rest} is not an image with an optional name",
            where=where,
            fix="FROM IMAGE AS NAME",
        )
    name = parts[2].lower() if len(parts) > 1 else ""
    if name and not _STAGE_NAME.match(name):
        raise InputError(
            f"a stage cannot be named {parts[2]}",
            where=where,
            fix=f"FROM {parts[0]} AS {re.sub('[^a-z0-9._-]|^[^a-z]+', '', name) or 'build'}",
        )
    base = parts[0]
    image = scope.base(base, where)
    reader = _Reader(scope, before, _index(image, before, exact=True))
    for instruction in body:
        handle = _HANDLERS.get(instruction.name)
        if handle is not None:
            handle(reader, instruction)
    return Stage(
        name,
        base,
        image,
        variables(base),
        reader.parent,
        start.flag("platform"),
        start.line,
        tuple(reader.reads),
        tuple(reader.references),
        tuple(reader.remotes),
        reader.user,
        tuple(body),
    )


def _index(name: str, stages: list[Stage], *, exact: bool = False) -> int | None:
    """Index of the last stage of a name; `FROM` compares it as written, `--from` does not."""
    wanted = name if exact else name.lower()
    for index in range(len(stages) - 1, -1, -1):
        if wanted and stages[index].name == wanted:
            return index
    return None


class _Reader:
    """Collects what the instructions of one stage read."""

    def __init__(self, scope: _Scope, before: list[Stage], parent: int | None) -> None:
        self.scope = scope
        self.before = before
        self.parent = parent
        self.reads: list[Source] = []
        self.references: list[Reference] = []
        self.remotes: list[Reference] = []
        self.settings: list[Instruction] = []
        self.user = ""

    def setting(self, instruction: Instruction) -> None:
        self.settings.append(instruction)

    def switch_user(self, instruction: Instruction) -> None:
        self.user = instruction.rest

    def copy(self, instruction: Instruction) -> None:
        """`COPY` and `ADD`."""
        line, by, flags, rest, heredocs = instruction
        where = Location(self.scope.file, line)
        found = _list(rest, where)
        if not found[1:]:
            raise InputError(
                f"{by} needs a source and a destination", where=where, fix=f"{by} SOURCE /TARGET"
            )
        origin = instruction.flag("from") if flags else ""
        if origin:
            self.refer(origin, by, where)
            return
        for text in found[:-1]:
            if heredocs and "<<" in text:
                continue
            path = self.expanded(text, instruction)
            if by == "ADD" and _REMOTE.match(path):
                self.remotes.append(Reference(path, line, by))
            else:
                self.read(path, by, where, glob=is_wild(path))

    def run(self, instruction: Instruction) -> None:
        """`RUN`, for its mounts."""
        for key, value in instruction.flags:
            if key == "mount":
                self.mount(value, Location(self.scope.file, instruction.line))

    def mount(self, text: str, where: Location) -> None:
        fields = dict(_field(field) for field in _fields(text))
        for key in fields:
            if key not in _MOUNT_KEYS:
                raise InputError(
                    f"--mount has no key {key}{did_you_mean(key, _MOUNT_KEYS)}",
                    where=where,
                    fix="--mount=type=bind,source=PATH,target=/PATH",
                )
        kind = fields.get("type", "bind").lower()
        if kind not in _MOUNT_TYPES:
            raise InputError(
                f"--mount has no type {kind}{did_you_mean(kind, _MOUNT_TYPES)}",
                where=where,
                fix=f"--mount=type={{{','.join(_MOUNT_TYPES)}}}",
            )
        origin = fields.get("from", "")
        if origin and kind in ("bind", "cache"):
            self.refer(origin, "RUN", where)
        elif kind == "bind":
            source = fields.get("source", fields.get("src", ""))
            if "$" in source:
                raise InputError(
                    f"RUN mounts {source}, but engine 20.10 replaces no variables there",
                    where=where,
                    fix="--mount=type=bind,source=PATH,target=/PATH",
                )
            self.read(source or ".", "RUN", where, glob=False)

    def refer(self, name: str, by: str, where: Location) -> None:
        """Note a `--from` or `from=`."""
        if "$" in name:
            raise InputError(
                f"{by} takes from {name}, but variables are not replaced there",
                where=where,
                fix=f"FROM {name} AS NAME, then {'from' if by == 'RUN' else '--from'}=NAME",
            )
        stage = _index(name, self.before)
        if stage is None and by == "COPY" and name.isdigit():
            stage = int(name)
            if stage >= len(self.before):
                raise InputError(
                    f"--from={name} is no stage above this one",
                    where=where,
                    fix="COPY --from=NAME, with FROM IMAGE AS NAME above",
                )
        self.references.append(Reference(name, where.line, by, stage))

    def read(self, text: str, by: str, where: Location, *, glob: bool) -> None:
        """Note a path of the context."""
        path = normpath(text.lstrip("/") or ".")
        if path == ".." or path.startswith("../"):
            raise InputError(
                f"{by} reads {text}, which is outside the folder of the image",
                where=where,
                fix=f"{by} {path.rpartition('../')[2] or 'SOURCE'}, with the file in srcs",
            )
        self.reads.append(Source(path, where.line, by, glob, text.endswith("/")))

    def expanded(self, text: str, instruction: Instruction) -> str:
        """A source with its variables replaced, all of which must be known."""
        scope = self.scope
        where = Location(scope.file, instruction.line)
        if "$" not in text:
            return expand(text, {}, where, scope.escape)
        chain = list(self.settings)
        parent = self.parent
        while parent is not None:
            above = self.before[parent]
            chain[:0] = [found for found in above.instructions if found.name in ("ARG", "ENV")]
            parent = above.parent
        unset: list[str] = []
        env = scope.environment(chain)
        path = expand(text, env, where, scope.escape, unset)
        if unset:
            raise InputError(
                f"{instruction.name} reads {text}, but nothing above it sets "
                f"{unset[0]}{did_you_mean(unset[0], env)}",
                where=where,
                fix=f"ARG {unset[0]}=VALUE",
            )
        return path


_HANDLERS = {
    "ADD": _Reader.copy,
    "ARG": _Reader.setting,
    "COPY": _Reader.copy,
    "ENV": _Reader.setting,
    "RUN": _Reader.run,
    "USER": _Reader.switch_user,
}


def _list(rest: str, where: Location) -> list[str]:
    """The words of a `COPY`, in either form."""
    if not rest.startswith("["):
        return rest.split()
    import json

    try:
        found, _ = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        return rest.split()  # as Docker does: a name may begin with a bracket
    if not all(isinstance(word, str) for word in found):
        raise InputError(
            "the list holds something that is no text", where=where, fix='["SOURCE", "/TARGET"]'
        )
    return [str(word) for word in found]


def _fields(text: str) -> list[str]:
    """The comma-separated fields of a mount."""
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text]))


def _field(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.strip().lower(), value
