"""Dockerfiles that only add files and configuration to their parent, as typed steps.

Such an image needs no builder: what each instruction does to the image's configuration is known
here, and what it does to the files follows from the context. All is as BuildKit has it, the words
of the history included. Whatever is not fully understood is a `NotPlainError` with its reason, and
no guess: BuildKit builds it then. The module opens no file and knows no engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from posixpath import join, normpath
from typing import Any, NamedTuple

from buildlib.core.dockerfile.expand import expand
from buildlib.core.dockerfile.glob import is_wild
from buildlib.core.dockerfile.lines import Instruction, plain_words, words
from buildlib.core.dockerfile.model import Dockerfile
from buildlib.core.dockerfile.parse import PLATFORM_ARGS, PROXY_ARGS
from buildlib.errors import InputError

SCRATCH = "scratch"
Config = dict[str, Any]
"""The part `config` of an image's configuration, with the names that it has there."""

_SCRATCH_CONFIG: Config = {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "WorkingDir": "/",
}
"""What BuildKit gives an image that starts from nothing."""

_ESCAPE = "\\"
# Few of these are needed for one image: `re` compiles them at their first use.
_ESCAPE_LINE = r"(?im)^\s*#\s*escape\s*="
_BUILDERS_OWN = r"BUILDKIT_|SOURCE_DATE_EPOCH\Z"
"""Build arguments that tell the builder something."""
_NUMBERS = r"(0|[1-9]\d{0,8}):(0|[1-9]\d{0,8})\Z"
_PORT = r"([1-9]\d{0,4})(?:/(tcp|udp|sctp))?\Z"
_LAST_PORT = 65535
_DURATION = r"(?=\d)(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?\Z"
_SECOND = 10**9
_SIGNALS = frozenset(
    f"SIG{name}" for name in ("HUP", "INT", "QUIT", "KILL", "TERM", "USR1", "USR2", "WINCH")
)
_RETRIES = 7
"""Numbers of tries below this are shown as `\\x00` in the history."""
_VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*\Z"


class NotPlainError(Exception):
    """Something that BuildKit has to do, or to decide; the message says what."""


class Copy(NamedTuple):
    """Files of the context that become a layer.

    Attributes:
        sources: Paths in the context, without wildcards.
        dest: Absolute; with a slash at its end if it is a folder.
        owner: Numbers of user and group.
        unpack: Whether the only source is an archive, which is unpacked to `dest`.
    """

    sources: tuple[str, ...]
    dest: str
    owner: tuple[int, int] = (0, 0)
    unpack: bool = False


class MakeFolder(NamedTuple):
    """A working folder, which is made with those above it where there is none.

    Attributes:
        path: Absolute.
        owner: Numbers of user and group; None where only the parent's files tell them.
    """

    path: str
    owner: tuple[int, int] | None


class Step(NamedTuple):
    """One instruction: a line of the image's history, and the layer that it makes, if any."""

    created_by: str
    layer: Copy | MakeFolder | None = None


class Addition(NamedTuple):
    """What a Dockerfile adds to its parent: the whole configuration, and steps in their order."""

    config: Config
    steps: tuple[Step, ...]


def parent_of(dockerfile: Dockerfile, text: str, args: Mapping[str, str]) -> str:
    """The image that a plain Dockerfile stands on, which may be `scratch`.

    Args:
        dockerfile: As parsed from `text`.
        args: Build arguments.

    Raises:
        NotPlainError: It cannot be plain, whatever its parent.
    """
    if len(dockerfile.reached) != 1:
        raise NotPlainError("it needs several stages")
    if dockerfile.syntax or re.search(_ESCAPE_LINE, text):
        raise NotPlainError("it has a directive")
    own = next((name for name in args if re.match(_BUILDERS_OWN, name)), "")
    if own:
        raise NotPlainError(f"the build argument {own} is for the builder")
    stage = dockerfile.reached[0]
    if stage.platform or not stage.image:
        raise NotPlainError("its FROM leaves something to the builder")
    for instruction in stage.instructions:
        if instruction.name not in _HANDLERS:
            raise NotPlainError(f"line {instruction.line} is {instruction.name}")
    return stage.image


def addition(
    dockerfile: Dockerfile,
    parent: Config | None,
    args: Mapping[str, str],
    labels: Mapping[str, str],
) -> Addition:
    """What a Dockerfile adds.

    Args:
        dockerfile: One that has passed `parent_of`.
        parent: The parent's configuration; None for `scratch`.
        args: Build arguments.
        labels: Given with the build, and not in the Dockerfile.

    Raises:
        NotPlainError: An instruction is not understood.
    """
    if parent is not None and parent.get("OnBuild"):
        raise NotPlainError("its parent has ONBUILD instructions")
    config = dict(_SCRATCH_CONFIG if parent is None else parent)
    if not any(text.startswith("PATH=") for text in config.get("Env") or ()):
        raise NotPlainError("its parent has no PATH, which some builders then set")
    replay = _Replay(dockerfile, config, args)
    steps = []
    for instruction in dockerfile.reached[0].instructions:
        try:
            steps.append(_HANDLERS[instruction.name](replay, instruction))
        except InputError as error:
            raise NotPlainError(f"line {instruction.line}: {error.what}") from None
    if labels:
        config["Labels"] = {**(config.get("Labels") or {}), **labels}
    return Addition(config, tuple(steps))


class _Replay:
    """Applies instructions to a configuration, one after the other."""

    def __init__(self, dockerfile: Dockerfile, config: Config, args: Mapping[str, str]) -> None:
        self.config = config
        self.given = args
        self.globals = {arg.name: args.get(arg.name, arg.default) for arg in dockerfile.args}
        self.args: dict[str, str] = {}
        """Values of the stage's `ARG`s so far, which `ENV` may not hide."""
        self.declared: set[str] = set()
        self.sets_command = False

    # -- words ---------------------------------------------------------------------------------

    def variables(self) -> dict[str, str]:
        """What `$NAME` stands for in the next instruction."""
        pairs = (text.partition("=") for text in self.config.get("Env") or ())
        return {**self.args, **{name: value for name, _, value in pairs}}

    def expanded(self, word: str) -> str:
        return expand(word, self.variables(), _ESCAPE)

    def pairs(self, instruction: Instruction) -> list[tuple[str, str]]:
        """The `NAME=VALUE` words of `ENV` and `LABEL`."""
        found = []
        for word in words(instruction.rest, _ESCAPE):
            name, equals, value = word.partition("=")
            if not equals:
                raise _unclear(instruction)
            found.append((self.expanded(name), self.expanded(value)))
        if not found or not all(name for name, _ in found):
            raise _unclear(instruction)
        return found

    def list_or_words(self, instruction: Instruction) -> list[str]:
        """The paths of an instruction; of plain text, that quotes and escapes do not change."""
        found = _json_list(instruction)
        if found is None:
            if set(instruction.rest) & set("\"'\\"):
                raise _unclear(instruction)
            found = plain_words(instruction.rest)
        elif any("$" in word or "\\" in word or '"' in word or "'" in word for word in found):
            raise _unclear(instruction)
        if not found or not all(found):
            raise _unclear(instruction)
        return [self.expanded(word) for word in found]

    def word(self, instruction: Instruction) -> str:
        """The one word of an instruction."""
        text = self.expanded(instruction.rest)
        if not text or text != text.strip() or len(text.split()) != 1:
            raise _unclear(instruction)
        return text

    def command(self, instruction: Instruction) -> list[str]:
        """The program that an instruction names, through the shell if it is no list."""
        listed = _json_list(instruction)
        if listed is None:
            return [*(self.config.get("Shell") or ["/bin/sh", "-c"]), _one_line(instruction)]
        if not listed:
            raise _unclear(instruction)
        return listed

    # -- instructions --------------------------------------------------------------------------

    def arg(self, instruction: Instruction) -> Step:
        shown = []
        for word in words(instruction.rest, _ESCAPE):
            name, equals, text = word.partition("=")
            if not re.match(_VARIABLE_NAME, name) or name in self.declared:
                raise _unclear(instruction)
            if name in PLATFORM_ARGS or name in PROXY_ARGS or name in self.variables():
                raise NotPlainError(f"line {instruction.line}: the builder may set {name}")
            default = self.expanded(text) if equals else None
            shown.append(name if default is None else f"{name}={default}")
            value = self.given.get(name, default)
            value = self.globals.get(name) if value is None else value
            if value is not None:
                self.args[name] = value
            self.declared.add(name)
        return Step(f"ARG {' '.join(shown)}")

    def env(self, instruction: Instruction) -> Step:
        pairs = self.pairs(instruction)
        values = list(self.config.get("Env") or ())
        for name, value in pairs:
            if name in self.declared:  # which of the two counts differs between builders
                raise _unclear(instruction)
            at = [i for i, text in enumerate(values) if text.partition("=")[0] == name]
            if at:
                values[at[0]] = f"{name}={value}"
            else:
                values.append(f"{name}={value}")
        self.config["Env"] = values
        return Step(f"ENV {_shown_pairs(pairs)}")

    def label(self, instruction: Instruction) -> Step:
        pairs = self.pairs(instruction)
        self.config["Labels"] = {**(self.config.get("Labels") or {}), **dict(pairs)}
        return Step(f"LABEL {_shown_pairs(pairs)}")

    def user(self, instruction: Instruction) -> Step:
        user = self.config["User"] = self.word(instruction)
        return Step(f"USER {user}")

    def workdir(self, instruction: Instruction) -> Step:
        text = self.word(instruction)
        if text.startswith("/") and text != normpath(text):  # which some builders mend
            raise _unclear(instruction)
        path = normpath(join("/", self.config.get("WorkingDir") or "/", text))
        path = "/" + path.lstrip("/")
        self.config["WorkingDir"] = path
        user = self.config.get("User") or "0:0"
        numbers = re.match(_NUMBERS, "0:0" if user == "0" else user)
        folder = MakeFolder(path, numbers and (int(numbers[1]), int(numbers[2])))
        return Step(f"WORKDIR {path}", folder if path != "/" else None)

    def expose(self, instruction: Instruction) -> Step:
        ports = []
        for word in self.list_or_words(instruction):
            port = re.match(_PORT, word)
            if port is None or int(port[1]) > _LAST_PORT:
                raise _unclear(instruction)
            ports.append(f"{port[1]}/{port[2] or 'tcp'}")
        added: dict[str, Any] = {port: {} for port in ports}
        self.config["ExposedPorts"] = {**(self.config.get("ExposedPorts") or {}), **added}
        return Step(f"EXPOSE map[{' '.join(f'{port}:{{}}' for port in sorted(added))}]")

    def volume(self, instruction: Instruction) -> Step:
        paths = self.list_or_words(instruction)
        if any(path != path.strip() for path in paths):
            raise _unclear(instruction)
        added: dict[str, Any] = {path: {} for path in paths}
        self.config["Volumes"] = {**(self.config.get("Volumes") or {}), **added}
        return Step(f"VOLUME [{' '.join(paths)}]")

    def stop_signal(self, instruction: Instruction) -> Step:
        signal = self.word(instruction)
        if signal not in _SIGNALS:
            raise _unclear(instruction)
        self.config["StopSignal"] = signal
        return Step(f"STOPSIGNAL {signal}")

    def shell(self, instruction: Instruction) -> Step:
        shell = _json_list(instruction)
        if not shell:
            raise _unclear(instruction)
        self.config["Shell"] = shell
        return Step(f"SHELL [{' '.join(shell)}]")

    def cmd(self, instruction: Instruction) -> Step:
        command = self.config["Cmd"] = self.command(instruction)
        self.config["ArgsEscaped"] = True
        self.sets_command = True
        return Step(f"CMD {_quoted_list(command)}")

    def entrypoint(self, instruction: Instruction) -> Step:
        command = self.config["Entrypoint"] = self.command(instruction)
        if not self.sets_command:  # the parent's arguments are not for this program
            self.config["Cmd"] = None
        return Step(f"ENTRYPOINT {_quoted_list(command)}")

    def healthcheck(self, instruction: Instruction) -> Step:
        kind, _, rest = instruction.rest.partition(" ")
        kind, rest = kind.upper(), rest.strip()
        check: Config = {}
        if kind == "NONE" and not rest and not instruction.flags:
            check["Test"] = ["NONE"]
        elif kind == "CMD" and rest:
            command = instruction._replace(rest=rest)
            listed = _json_list(command)
            if listed == []:
                raise _unclear(instruction)
            check["Test"] = ["CMD", *listed] if listed else ["CMD-SHELL", _one_line(command)]
        else:
            raise _unclear(instruction)
        for flag, name in _TIMES.items():
            if text := instruction.flag(flag):
                check[name] = _nanoseconds(text, instruction)
        retries = instruction.flag("retries") or "0"
        if not retries.isdecimal() or int(retries) >= _RETRIES:
            raise _unclear(instruction)
        if int(retries):
            check["Retries"] = int(retries)
        if any(flag not in (*_TIMES, "retries") for flag, _ in instruction.flags):
            raise _unclear(instruction)
        self.config["Healthcheck"] = check
        times = " ".join(f'"{_go_duration(check.get(name, 0))}"' for name in _TIMES.values())
        test = _quoted_list(check["Test"])
        return Step(f"HEALTHCHECK &{{{test} {times} '\\x{int(retries):02x}'}}")

    def copy(self, instruction: Instruction) -> Step:
        name = instruction.name
        flags = dict(instruction.flags)
        owner = re.match(_NUMBERS, flags.pop("chown", "0:0"))
        if flags or owner is None or instruction.heredocs or "<<" in instruction.rest:
            raise NotPlainError(f"line {instruction.line}: {name} with a flag or a heredoc")
        *sources, dest = self.list_or_words(instruction)
        if not sources or any(is_wild(source) or "://" in source for source in sources):
            raise NotPlainError(f"line {instruction.line}: {name} of a pattern or an address")
        at = normpath(join("/", self.config.get("WorkingDir") or "/", dest))
        at = "/" + at.lstrip("/")
        if (dest.endswith("/") or dest == ".") and at != "/":
            at += "/"
        if len(sources) > 1 and not at.endswith("/"):
            raise _unclear(instruction)
        numbers = int(owner[1]), int(owner[2])
        if name == "ADD" and (len(sources) > 1 or at != "/" or instruction.flags):
            raise NotPlainError(f"line {instruction.line}: ADD of more than an archive to /")
        origins = tuple(normpath(source.lstrip("/") or ".") for source in sources)
        if any(origin == ".." or origin.startswith("../") for origin in origins):
            raise _unclear(instruction)
        made = Copy(origins, at, numbers, unpack=name == "ADD")
        return Step(f"{name} {' '.join((*sources, dest))} # buildkit", made)


_TIMES = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
_HANDLERS: dict[str, Callable[[_Replay, Instruction], Step]] = {
    "ADD": _Replay.copy,
    "ARG": _Replay.arg,
    "CMD": _Replay.cmd,
    "COPY": _Replay.copy,
    "ENTRYPOINT": _Replay.entrypoint,
    "ENV": _Replay.env,
    "EXPOSE": _Replay.expose,
    "HEALTHCHECK": _Replay.healthcheck,
    "LABEL": _Replay.label,
    "SHELL": _Replay.shell,
    "STOPSIGNAL": _Replay.stop_signal,
    "USER": _Replay.user,
    "VOLUME": _Replay.volume,
    "WORKDIR": _Replay.workdir,
}


def _unclear(instruction: Instruction) -> NotPlainError:
    return NotPlainError(f"line {instruction.line}: this form of {instruction.name}")


def _json_list(instruction: Instruction) -> list[str] | None:
    """The list that an instruction has; None for a text. Something between is not understood."""
    if not instruction.rest.startswith("["):
        return None
    import json

    try:
        listed = json.loads(instruction.rest)
    except ValueError:
        raise _unclear(instruction) from None
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise _unclear(instruction)
    return listed


def _one_line(instruction: Instruction) -> str:
    """A command for the shell, which builders join from several lines in different ways."""
    if instruction.line != instruction.end or not instruction.rest:
        raise _unclear(instruction)
    return instruction.rest


def _shown_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    return " ".join(f"{name}={value}" for name, value in pairs)


def _quoted_list(texts: Sequence[str]) -> str:
    import json

    return f"[{' '.join(json.dumps(text, ensure_ascii=False) for text in texts)}]"


def _nanoseconds(text: str, instruction: Instruction) -> int:
    match = re.match(_DURATION, text)
    if match is None:
        raise _unclear(instruction)
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = (hours * 60 + minutes) * 60 + seconds
    if not total:
        raise _unclear(instruction)
    return total * _SECOND


def _go_duration(nanoseconds: int) -> str:
    """A duration as Go writes it: `1m0s`."""
    seconds = nanoseconds // _SECOND
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
