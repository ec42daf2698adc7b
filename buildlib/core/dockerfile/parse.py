"""Parses a Dockerfile into stages, their bases, and the files of the build context they read.

Parsing is kept cheap: it splits only what it must, and replays `ENV` and `ARG` only if a source
holds a variable. The module opens no file and knows nothing of declarations; `check` compares the
two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from posixpath import normpath

from buildlib.core.dockerfile.expand import expand, variables
from buildlib.core.dockerfile.glob import is_wild
from buildlib.core.dockerfile.lines import Instruction, fields, read_lines, words
from buildlib.core.dockerfile.model import Arg, Dockerfile, Outside, Source, Stage, StageReference
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean

PROXY_ARGS = tuple(
    name
    for scheme in ("ALL", "FTP", "HTTP", "HTTPS", "NO")
    for name in (f"{scheme}_PROXY", f"{scheme}_PROXY".lower())
)
"""Build arguments that docker clients set from the user's config.json."""

_PARTS = ("PLATFORM", "OS", "ARCH", "VARIANT")
PLATFORM_ARGS = frozenset(f"{side}{part}" for side in ("BUILD", "TARGET") for part in _PARTS)
"""Arguments that BuildKit sets by itself; `FROM` may use them, a stage after `ARG NAME`."""

_BUILDERS_ARGS = frozenset((*(f"BUILD{part}" for part in _PARTS), *PROXY_ARGS))
"""Arguments that depend on the builder's machine; keys hold the values of `TARGET…`."""
_STAGE_NAME = re.compile(r"[a-z][a-z0-9._-]*\Z")
_REMOTE = re.compile(r"[A-Za-z][\w+.-]*://|[\w.-]+@[\w.-]+:")
"""An address, or one of git over ssh, for some released frontend."""

_MOUNT_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_MOUNT_SWITCHES = ("readonly", "ro", "readwrite", "rw", "required")
_MOUNT_KEYS = (
    *("type", "from", "source", "src", "target", "dst", "destination", *_MOUNT_SWITCHES),
    *("id", "sharing", "mode", "uid", "gid", "env", "size"),
)
_FROM_WORDS = (1, 3)


def parse(text: str, file: str, args: Mapping[str, str] | None = None) -> Dockerfile:
    """Parse a Dockerfile.

    Args:
        file: Its path in the workspace, for messages.
        args: Build arguments of the build, including those of the platform (`TARGETARCH`, ...).
    """
    lines = read_lines(text, file)
    given = args or {}
    instructions = lines.instructions
    first = next(
        (i for i, instruction in enumerate(instructions) if instruction.name != "ARG"), None
    )
    if first is None or instructions[first].name != "FROM":
        at = instructions[first].line if first is not None else max(text.count("\n"), 1)
        what = f"{instructions[first].name} stands before" if first is not None else "there is no"
        raise InputError(f"{what} FROM", where=Location(file, at), fix="FROM IMAGE")
    scope = _Scope(file, lines.escape, given)
    declared = scope.declare(instructions[:first])
    starts = [i for i, instruction in enumerate(instructions) if instruction.name == "FROM"]
    stages: list[Stage] = []
    for start, end in zip(starts, [*starts[1:], len(instructions)], strict=True):
        stages.append(_stage(instructions[start], instructions[start + 1 : end], stages, scope))
    outside = tuple(scope.outside)
    return Dockerfile(file, lines.syntax, lines.syntax_line, declared, tuple(stages), outside)


class _Scope:
    """The common state of all stages: file name, escape character and global variables."""

    def __init__(self, file: str, escape: str, given: Mapping[str, str]) -> None:
        self.file = file
        self.escape = escape
        self.given = given
        self.globals = {name: given[name] for name in PLATFORM_ARGS if name in given}
        self.declared: set[str] = set(PLATFORM_ARGS)
        self.outside: list[Outside] = []

    def declare(self, instructions: list[Instruction]) -> tuple[Arg, ...]:
        """Read the `ARG`s before the first `FROM`."""
        args: list[Arg] = []
        defaults = dict(self.globals)
        for instruction in instructions:
            line = instruction.line
            where = Location(self.file, line)
            for word in words(instruction.rest, self.escape):
                name, equals, text = word.partition("=")
                self.use((name, *variables(text)), line, "ARG")
                default = None
                if equals:
                    default = defaults[name] = expand(text, defaults, where, self.escape)
                    self.globals[name] = expand(text, self.globals, where, self.escape)
                if name in self.given:
                    self.globals[name] = self.given[name]
                self.declared.add(name)
                args.append(Arg(name, default, line))
        return tuple(args)

    def use(self, names: Iterable[str], line: int, by: str, *, trigger: bool = False) -> None:
        """Note variables whose values depend on the builder's machine."""
        for name in names:
            if name in _BUILDERS_ARGS and (trigger or name not in self.given):
                self.outside.append(Outside("variable", name, line, by, trigger))

    def base(self, text: str, where: Location) -> str:
        """The image of a `FROM` with variables replaced; empty if one has no value."""
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

    def environment(self, chain: list[Instruction]) -> tuple[dict[str, str], set[str]]:
        """The variables that `ENV` and `ARG` instructions set.

        Returns:
            Their values, and the names of those that depend on no variable of the base.
        """
        env: dict[str, str] = {}
        sure: set[str] = set()
        for instruction in chain:
            name, rest = instruction.name, instruction.rest
            where = Location(self.file, instruction.line)
            pairs = [word.partition("=") for word in words(rest, self.escape)]
            before, known = dict(env), frozenset(sure)
            if name == "ENV" and pairs and not pairs[0][1]:
                key, _, value = rest.partition(" ")
                pairs = [(key, "=", value.strip())]
            for key, equals, value in pairs:
                if name == "ENV" or equals:
                    env[key] = expand(value, before, where, self.escape)
                    sure = sure | {key} if known.issuperset(variables(value)) else sure - {key}
                if name == "ARG" and (key in self.given or (not equals and key in self.globals)):
                    env[key] = self.given.get(key, self.globals.get(key, ""))
                    sure.add(key)
        return env, sure


def _stage(
    start: Instruction, body: list[Instruction], before: list[Stage], scope: _Scope
) -> Stage:
    """Read one stage; `before` are the stages above it."""
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
    base, platform = parts[0], start.flag("platform")
    scope.use(variables(platform), start.line, "FROM")
    image = scope.base(base, where)
    reader = _StageReader(scope, before, _index(image, before, exact=True))
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
        platform,
        start.line,
        tuple(reader.reads),
        tuple(reader.references),
        reader.user,
        tuple(body),
    )


def _index(name: str, stages: list[Stage], *, exact: bool = False) -> int | None:
    """Index of the last stage with a name; `FROM` compares it as written, `--from` does not."""
    searched = name if exact else name.lower()
    for index in range(len(stages) - 1, -1, -1):
        if searched and stages[index].name == searched:
            return index
    return None


class _StageReader:
    """Collects what the instructions of one stage read."""

    trigger = False
    """Whether the instructions are after `ONBUILD`."""

    def __init__(self, scope: _Scope, before: list[Stage], parent: int | None) -> None:
        self.scope = scope
        self.before = before
        self.parent = parent
        self.reads: list[Source] = []
        self.references: list[StageReference] = []
        self.settings: list[Instruction] = []
        self.user = ""

    def setting(self, instruction: Instruction) -> None:
        self.settings.append(instruction)

    def argument(self, instruction: Instruction) -> None:
        scope, where = self.scope, Location(self.scope.file, instruction.line)
        texts = (word.partition("=")[0] for word in words(instruction.rest, scope.escape))
        names = [expand(text, {}, where, scope.escape) for text in texts]
        scope.use(names, where.line, "ARG", trigger=self.trigger)
        self.settings.append(instruction)

    def switch_user(self, instruction: Instruction) -> None:
        self.user = instruction.rest

    def on_build(self, instruction: Instruction) -> None:
        """`ONBUILD`: its instruction runs in another build, whose stages are unknown."""
        trigger = instruction.trigger
        handle = _HANDLERS.get(trigger.name) if trigger is not None else None
        if trigger is not None and handle is not None:
            handle(_TriggerReader(self.scope, [], None), trigger)

    def copy(self, instruction: Instruction) -> None:
        line, by, rest = instruction.line, instruction.name, instruction.rest
        where = Location(self.scope.file, line)
        paths = _list(rest, where)
        if not paths[1:]:
            raise InputError(
                f"{by} needs a source and a destination", where=where, fix=f"{by} SOURCE /TARGET"
            )
        origin = instruction.flag("from") if instruction.flags else ""
        if origin:
            self.refer(origin, by, where)
            return
        for text in paths[:-1]:
            if instruction.heredocs and "<<" in text:
                continue
            path = self.expanded(text, instruction)
            if by == "ADD" and self.is_address(path):
                self.note("address", path, by, line)
            else:
                self.read(path, by, where, glob=is_wild(path))

    def run(self, instruction: Instruction) -> None:
        for key, value in instruction.flags:
            if key == "mount":
                self.mount(value, Location(self.scope.file, instruction.line))

    def mount(self, text: str, where: Location) -> None:
        options: dict[str, str] = {}
        for field in fields(text, where):
            key, equals, value = field.partition("=")
            key = key.lower()
            if key not in _MOUNT_KEYS or not (equals or key in _MOUNT_SWITCHES):
                raise InputError(
                    f"--mount has no key {key}{did_you_mean(key, _MOUNT_KEYS)}"
                    if key not in _MOUNT_KEYS
                    else f"{key} of --mount has no value",
                    where=where,
                    fix="--mount=type=bind,source=PATH,target=/PATH",
                )
            options[key] = value
        kind = options.get("type", "bind").lower()
        if kind not in _MOUNT_TYPES:
            raise InputError(
                f"--mount has no type {kind}{did_you_mean(kind, _MOUNT_TYPES)}",
                where=where,
                fix=f"--mount=type={{{','.join(_MOUNT_TYPES)}}}",
            )
        if kind == "cache":
            self.note("cache", f"--mount={text}", "RUN", where.line)
        origin = options.get("from", "")
        if origin and kind in ("bind", "cache"):
            self.refer(origin, "RUN", where)
        elif kind == "bind":
            source = options.get("source", options.get("src", ""))
            if "$" in source:
                raise InputError(
                    f"RUN mounts {source}, but engine 20.10 replaces no variables there",
                    where=where,
                    fix="--mount=type=bind,source=PATH,target=/PATH",
                )
            self.read(source or ".", "RUN", where, glob=False)

    def note(self, kind: str, name: str, by: str, line: int) -> None:
        """Note an input that no key holds."""
        self.scope.outside.append(Outside(kind, name, line, by, self.trigger))

    def refer(self, name: str, by: str, where: Location) -> None:
        if "$" in name:
            raise InputError(
                f"{by} takes from {name}, but variables are not replaced there",
                where=where,
                fix=f"FROM {name} AS NAME, then {'from' if by == 'RUN' else '--from'}=NAME",
            )
        stage = _index(name, self.before)
        if stage is None and by == "COPY" and _is_number(name):
            stage = int(name)
            if stage >= len(self.before):
                raise InputError(
                    f"--from={name} is no stage above this one",
                    where=where,
                    fix="COPY --from=NAME, with FROM IMAGE AS NAME above",
                )
        self.references.append(StageReference(name, where.line, by, stage))

    def read(self, text: str, by: str, where: Location, *, glob: bool) -> None:
        path = normpath(text.lstrip("/") or ".")
        if path == ".." or path.startswith("../"):
            raise InputError(
                f"{by} reads {text}, which is outside the folder of the image",
                where=where,
                fix=f"{by} {path.rpartition('../')[2] or 'SOURCE'}, with the file in srcs",
            )
        self.reads.append(Source(path, where.line, by, glob, text.endswith("/")))

    def is_address(self, text: str) -> bool:
        return _REMOTE.match(text) is not None

    def expanded(self, text: str, instruction: Instruction) -> str:
        """A source with its variables replaced; all must have a value."""
        scope = self.scope
        where = Location(scope.file, instruction.line)
        if "$" not in text:
            return expand(text, {}, where, scope.escape)
        chain = list(self.settings)
        parent = self.parent
        while parent is not None:
            above = self.before[parent]
            chain[:0] = [each for each in above.instructions if each.name in ("ARG", "ENV")]
            parent = above.parent
        unset: list[str] = []
        env, sure = scope.environment(chain)
        path = expand(text, env, where, scope.escape, unset)
        if instruction.name == "ADD":  # a variable of the base may hold an address
            unset += [name for name in variables(text) if name not in sure]
        if unset:
            raise InputError(
                f"{instruction.name} reads {text}, but nothing above it sets "
                f"{unset[0]}{did_you_mean(unset[0], env)}",
                where=where,
                fix=f"ARG {unset[0]}=VALUE",
            )
        return path


class _TriggerReader(_StageReader):
    """Reads the instruction after `ONBUILD`, which uses the context and stages of children."""

    trigger = True

    def refer(self, name: str, by: str, where: Location) -> None:
        """A number is a stage of the child; a name may be any image."""
        if name != "scratch" and not (by == "COPY" and _is_number(name)):
            self.note("image", name, by, where.line)

    def read(self, text: str, by: str, where: Location, *, glob: bool) -> None:
        """Ignore a path of the child's context: the child's key holds it."""

    def is_address(self, text: str) -> bool:
        """Also true for a variable, whose value in the child is unknown."""
        return "$" in text or super().is_address(text)

    def expanded(self, text: str, instruction: Instruction) -> str:
        """Unchanged if it holds a variable, whose value in the child is unknown."""
        return text if "$" in text else super().expanded(text, instruction)


_HANDLERS = {
    "ADD": _StageReader.copy,
    "ARG": _StageReader.argument,
    "COPY": _StageReader.copy,
    "ENV": _StageReader.setting,
    "ONBUILD": _StageReader.on_build,
    "RUN": _StageReader.run,
    "USER": _StageReader.switch_user,
}


def _list(rest: str, where: Location) -> list[str]:
    if not rest.startswith("["):
        return rest.split()
    import json

    try:
        items, _ = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        return rest.split()  # as Docker does: a name may begin with a bracket
    if not all(isinstance(word, str) for word in items):
        raise InputError(
            "the list holds something that is no text", where=where, fix='["SOURCE", "/TARGET"]'
        )
    return [str(word) for word in items]


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
