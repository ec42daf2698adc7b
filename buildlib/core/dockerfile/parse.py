"""Parses a Dockerfile into stages, their bases, and the files of the build context they read.

Parsing is kept cheap: it splits only what it must, and replays `ENV` and `ARG` only if a source
holds a variable. What a builder finds wrong in a stage that it builds is no error in others. The
module opens no file and knows nothing of declarations; `check` compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from posixpath import normpath

from buildlib.core.dockerfile.expand import expand, variables
from buildlib.core.dockerfile.glob import is_wild
from buildlib.core.dockerfile.lines import (
    Instruction,
    json_list,
    plain_words,
    read_lines,
    words,
)
from buildlib.core.dockerfile.misread import READ_IN_ALL_STAGES, comment_in_from, misread
from buildlib.core.dockerfile.model import Arg, Dockerfile, Outside, Source, Stage, StageReference
from buildlib.core.dockerfile.mounts import read_mount
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

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

_FROM_WORDS = (1, 3)


def parse(
    text: str, file: str, args: Mapping[str, str] | None = None, target: str = ""
) -> Dockerfile:
    """Parse a Dockerfile.

    Args:
        file: Its path in the workspace, for messages.
        args: Build arguments of the build, including those of the platform (`TARGETARCH`, ...).
        target: Name of the stage that is built; the last one if empty.

    Raises:
        InputError: A line of it is wrong; without a place, if `target` is.
    """
    lines = read_lines(text, file)
    scope = _Scope(lines.escape, args or {})
    declared: list[Arg] = []
    stages: list[_StageReader] = []
    for instruction in lines.instructions:
        try:
            if instruction.name == "FROM":
                stages.append(_StageReader(scope, list(stages)).start(instruction))
            elif stages:
                stages[-1].read(instruction)
            else:
                declared += scope.declare(instruction)
        except InputError as error:
            error.where = Location(file, instruction.line)
            raise
    if not stages:
        end = Location(file, max(text.count("\n"), 1))
        raise InputError("there is no FROM", where=end, fix="FROM IMAGE")
    reached = [stages[place] for place in _reached(stages, _target(stages, target))]
    for line, problem in (each for stage in reached for each in stage.problems):
        problem.where = Location(file, line)
        raise problem
    return Dockerfile(
        file,
        lines.syntax,
        lines.syntax_line,
        tuple(declared),
        tuple(each.stage() for each in stages),
        tuple(each.stage() for each in reached),
        (*scope.outside, *(outside for each in reached for outside in each.outside)),
    )


def _target(stages: Sequence[_StageReader], name: str) -> int:
    """The place of the stage that is built."""
    if not name:
        return len(stages) - 1
    place = _index(name, stages)
    if place is None:
        names = [stage.name for stage in stages if stage.name]
        guess = nearest(name.lower(), names) or (names[-1] if names else "")
        raise InputError(
            f"target is {name!r}, but no FROM names a stage so{did_you_mean(name.lower(), names)}",
            fix=f'target = "{guess}"' if guess else "FROM IMAGE AS NAME, and that NAME as target",
        )
    return place


def _reached(stages: Sequence[_StageReader], target: int) -> list[int]:
    """The places of the stages that one needs, and its own, in order."""
    reached: set[int] = set()
    pending: list[int | None] = [target]
    while pending:
        place = pending.pop()
        if place is not None and place not in reached:
            reached.add(place)
            stage = stages[place]
            pending += [stage.parent, *(reference.stage for reference in stage.references)]
    return sorted(reached)


class _Scope:
    """The common state of all stages: escape character and global variables."""

    def __init__(self, escape: str, given: Mapping[str, str]) -> None:
        self.escape = escape
        self.given = given
        self.globals = {name: given[name] for name in PLATFORM_ARGS if name in given}
        self.defaults = dict(self.globals)
        self.declared: set[str] = set(PLATFORM_ARGS)
        self.outside: list[Outside] = []

    def declare(self, instruction: Instruction) -> list[Arg]:
        """Read an `ARG` before the first `FROM`, where nothing else may be."""
        if instruction.name != "ARG":
            raise InputError(f"{instruction.name} stands before FROM", fix="FROM IMAGE")
        args: list[Arg] = []
        for word in words(instruction.rest, self.escape):
            name, equals, text = word.partition("=")
            self.outside += self.use((name, *variables(text)), instruction)
            default = None
            if equals:
                default = self.defaults[name] = expand(text, self.defaults, self.escape)
                self.globals[name] = expand(text, self.globals, self.escape)
            if name in self.given:
                self.globals[name] = self.given[name]
            self.declared.add(name)
            args.append(Arg(name, default, instruction.line))
        return args

    def use(self, names: Iterable[str], by: Instruction, *, trigger: bool = False) -> list[Outside]:
        """The variables whose values depend on the builder's machine."""
        return [
            Outside("variable", name, by.line, by.name, trigger)
            for name in names
            if name in _BUILDERS_ARGS and (trigger or name not in self.given)
        ]

    def base(self, text: str) -> str:
        """The image of a `FROM` with variables replaced; empty if one has no value."""
        unset: list[str] = []
        image = expand(text, self.globals, self.escape, unset)
        for name in unset:
            if name not in self.declared:
                known = self.declared - PLATFORM_ARGS
                raise InputError(
                    f"FROM {text} uses {name}, but no ARG above it declares that"
                    f"{did_you_mean(name, known)}",
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
            pairs = [word.partition("=") for word in words(rest, self.escape)]
            before, known = dict(env), frozenset(sure)
            if name == "ENV" and pairs and not pairs[0][1]:
                key, value = (*re.split("[ \t]+", rest, maxsplit=1), "")[:2]
                pairs = [(key, "=", value)]
            for key, equals, value in pairs:
                if name == "ENV" or equals:
                    env[key] = expand(value, before, self.escape)
                    sure = sure | {key} if known.issuperset(variables(value)) else sure - {key}
                if name == "ARG" and (key in self.given or (not equals and key in self.globals)):
                    env[key] = self.given.get(key, self.globals.get(key, ""))
                    sure.add(key)
        return env, sure


class _StageReader:
    """Collects what one stage is and reads; `before` are the stages above it."""

    trigger = False
    """Whether the instructions are after `ONBUILD`."""

    def __init__(self, scope: _Scope, before: Sequence[_StageReader]) -> None:
        self.scope = scope
        self.before = before
        self.reads: list[Source] = []
        self.references: list[StageReference] = []
        self.outside: list[Outside] = []
        self.problems: list[tuple[int, InputError]] = []
        """What is wrong if the stage is built, each with its line."""
        self.user = ""
        self.instructions: list[Instruction] = []

    def start(self, instruction: Instruction) -> _StageReader:
        """Read the `FROM`."""
        parts = plain_words(instruction.rest)
        if any(part[0] == "#" for part in parts[1:]):
            raise comment_in_from(parts)
        if len(parts) not in _FROM_WORDS or (len(parts) > 1 and parts[1].upper() != "AS"):
            raise InputError(
                f"FROM {instruction.rest} is not an image with an optional name",
                fix="FROM IMAGE AS NAME",
            )
        name = parts[2].lower() if len(parts) > 1 else ""
        if name and not _STAGE_NAME.match(name):
            raise InputError(
                f"a stage cannot be named {parts[2]}",
                fix=f"FROM {parts[0]} AS {re.sub('[^a-z0-9._-]|^[^a-z]+', '', name) or 'build'}",
            )
        self.name, self.base, self.line = name, parts[0], instruction.line
        self.platform = instruction.flag("platform")
        self.outside += self.scope.use(variables(self.platform), instruction)
        self.image = self.scope.base(self.base)
        self.parent = _index(self.image, self.before, exact=True)
        return self

    def stage(self) -> Stage:
        return Stage(
            self.name,
            self.base,
            self.image,
            variables(self.base),
            self.parent,
            self.platform,
            self.line,
            tuple(self.reads),
            tuple(self.references),
            self.user,
            tuple(self.instructions),
        )

    def read(self, instruction: Instruction) -> None:
        """Read an instruction below the `FROM`."""
        self.instructions.append(instruction)
        if problem := misread(instruction, self.scope.escape):
            if instruction.name in READ_IN_ALL_STAGES:
                raise problem
            self.problems.append((instruction.line, problem))
        match instruction.name:
            case "ADD" | "COPY":
                self.copy(instruction)
            case "ARG":
                self.argument(instruction)
            case "ONBUILD":  # its instruction runs in another build, whose stages are unknown
                if instruction.trigger:
                    later = _TriggerReader(self.scope, [])
                    later.read(instruction.trigger)
                    self.outside += later.outside
                    self.problems += later.problems
            case "RUN":
                self.run(instruction)
            case "USER":
                self.user = instruction.rest

    def argument(self, instruction: Instruction) -> None:
        escape = self.scope.escape
        texts = (word.partition("=")[0] for word in words(instruction.rest, escape))
        names = [expand(text, {}, escape) for text in texts]
        self.outside += self.scope.use(names, instruction, trigger=self.trigger)

    def copy(self, instruction: Instruction) -> None:
        by = instruction.name
        paths = _paths(instruction.rest)
        if not paths[1:]:
            raise InputError(f"{by} needs a source and a destination", fix=f"{by} SOURCE /TARGET")
        if origin := instruction.flag("from"):
            self.refer(origin, instruction)
            return
        for text in paths[:-1]:
            if instruction.heredocs and "<<" in text:
                continue
            try:
                self.source(text, instruction)
            except InputError as error:
                self.problems.append((instruction.line, error))

    def run(self, instruction: Instruction) -> None:
        for key, value in instruction.flags:
            if key == "mount":
                mount = read_mount(value)
                kind, origin = mount["type"], mount.get("from", "")
                if kind == "cache":
                    self.note("cache", f"--mount={value}", instruction)
                if origin and kind in ("bind", "cache"):
                    self.refer(origin, instruction)
                elif kind == "bind":
                    try:
                        self.read_path(mount["source"] or ".", instruction, glob=False)
                    except InputError as error:
                        self.problems.append((instruction.line, error))

    def source(self, text: str, by: Instruction) -> None:
        """Read a source of `COPY` or `ADD`, as it is written."""
        path = self.expanded(text, by)
        if by.name == "ADD" and self.is_address(path):
            self.note("address", path, by)
        else:
            self.read_path(path, by, glob=is_wild(path))

    def note(self, kind: str, name: str, by: Instruction) -> None:
        """Note an input that no key holds."""
        self.outside.append(Outside(kind, name, by.line, by.name, self.trigger))

    def refer(self, name: str, by: Instruction) -> None:
        if "$" in name:
            flag = "from" if by.name == "RUN" else "--from"
            raise InputError(
                f"{by.name} takes from {name}, but variables are not replaced there",
                fix=f"FROM {name} AS NAME, then {flag}=NAME",
            )
        stage = _index(name, self.before)
        if stage is None and by.name == "COPY" and _is_number(name):
            stage = int(name)
            if stage >= len(self.before):
                raise InputError(
                    f"--from={name} is no stage above this one",
                    fix="COPY --from=NAME, with FROM IMAGE AS NAME above",
                )
        self.references.append(StageReference(name, by.line, by.name, stage))

    def read_path(self, text: str, by: Instruction, *, glob: bool) -> None:
        path = normpath(text.lstrip("/") or ".")
        if path == ".." or path.startswith("../"):
            inner = path.rpartition("../")[2] or "SOURCE"
            raise InputError(
                f"{by.name} reads {text}, which is outside the folder of the image",
                fix=f"{by.name} {inner}, with the file in srcs",
            )
        self.reads.append(Source(path, by.line, by.name, glob, text.endswith("/")))

    def is_address(self, text: str) -> bool:
        return _REMOTE.match(text) is not None

    def expanded(self, text: str, instruction: Instruction) -> str:
        """A source with its variables replaced; all must have a value."""
        scope = self.scope
        if "$" not in text:
            return expand(text, {}, scope.escape)
        chain = list(self.instructions)
        parent = self.parent
        while parent is not None:
            chain[:0] = self.before[parent].instructions
            parent = self.before[parent].parent
        unset: list[str] = []
        env, sure = scope.environment([each for each in chain if each.name in ("ARG", "ENV")])
        path = expand(text, env, scope.escape, unset)
        if instruction.name == "ADD":  # a variable of the base may hold an address
            unset += [name for name in variables(text) if name not in sure]
        if unset:
            raise InputError(
                f"{instruction.name} reads {text}, but nothing above it sets "
                f"{unset[0]}{did_you_mean(unset[0], env)}",
                fix=f"ARG {unset[0]}=VALUE",
            )
        return path


class _TriggerReader(_StageReader):
    """Reads the instruction after `ONBUILD`, which uses the context and stages of children."""

    trigger = True

    def refer(self, name: str, by: Instruction) -> None:
        """Any stage or image, of which the child's Dockerfile says nothing."""
        if name != "scratch":
            self.note("image", name, by)

    def read_path(self, text: str, by: Instruction, *, glob: bool) -> None:
        """Ignore a path of the child's context: the child's key holds it."""

    def is_address(self, text: str) -> bool:
        """Also true for a variable, whose value in the child is unknown."""
        return "$" in text or super().is_address(text)

    def expanded(self, text: str, instruction: Instruction) -> str:
        """Unchanged if it holds a variable, whose value in the child is unknown."""
        return text if "$" in text else super().expanded(text, instruction)


def _index(name: str, stages: Sequence[_StageReader], *, exact: bool = False) -> int | None:
    """Index of the last stage with a name; `FROM` compares it as written, `--from` does not."""
    searched = name if exact else name.lower()
    places = reversed(range(len(stages) if name else 0))
    return next((place for place in places if stages[place].name == searched), None)


def _paths(rest: str) -> list[str]:
    items, _ = json_list(rest) or (plain_words(rest), 0)
    if not all(isinstance(word, str) for word in items):
        raise InputError("the list holds something that is no text", fix='["SOURCE", "/TARGET"]')
    return items


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
