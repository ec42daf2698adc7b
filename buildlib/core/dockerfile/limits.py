"""Limits of the BuildKit inside engine 20.10.

Dockerfiles of this project must build there without a frontend from a registry. Each limit was
found by trying (tests/engine/test_dockerfile_limits.py).
"""

from __future__ import annotations

import re

from buildlib.core.dockerfile.lines import Instruction, fields
from buildlib.core.dockerfile.model import Dockerfile
from buildlib.errors import InputError, Location

_NEWER_FLAGS = {
    "ADD": ("link", "checksum", "keep-git-dir", "exclude", "unpack"),
    "COPY": ("link", "parents", "exclude"),
    "HEALTHCHECK": ("start-interval",),
    "RUN": ("network", "security", "device"),
}
_NEWER_MOUNT_KEYS = ("env", "size")
_NEWER_EXPANSION = re.compile(r"(?<!\\)\$\{[A-Za-z_]\w*[-+#%/]")
_NOT_EXPANDED = ("CMD", "ENTRYPOINT", "HEALTHCHECK", "MAINTAINER", "ONBUILD", "RUN", "SHELL")
_OCTAL = re.compile(r"[0-7]{3,4}\Z")


def check_engine_limits(dockerfile: Dockerfile) -> None:
    """Refuse what engine 20.10 refuses, or silently treats differently."""
    file = dockerfile.file
    if dockerfile.syntax:
        raise InputError(
            f"# syntax={dockerfile.syntax} makes every build ask a registry for that frontend",
            where=Location(file, dockerfile.syntax_line),
            fix="remove the line; the engine's own frontend is enough",
        )
    for stage in dockerfile.stages:
        reached = stage in dockerfile.reached
        for instruction in stage.instructions:
            where = Location(file, instruction.line)
            for part in (instruction, instruction.trigger):
                problem = part and (_not_read(part) or (_not_done(part) if reached else None))
                if problem:
                    raise InputError(problem[0], where=where, fix=problem[1])


def _not_read(instruction: Instruction) -> tuple[str, str] | None:
    """The error and fix if engine 20.10 cannot read an instruction, in whatever stage it is."""
    name, rest = instruction.name, instruction.rest
    if instruction.heredocs:
        return (
            f"{name} has a heredoc (<<{instruction.heredocs[0]}), which engine 20.10 does not know",
            "RUN a && \\" if name == "RUN" else f"{name} FILE /TARGET",
        )
    for flag, value in instruction.flags:
        if flag in _NEWER_FLAGS.get(name, ()):
            return f"{name} --{flag} is not known to engine 20.10", f"{name} {rest}"
        if flag == "mount":
            keyed = [(field.partition("=")[0].lower(), field) for field in fields(value)]
            newer = next((key for key, _ in keyed if key in _NEWER_MOUNT_KEYS), "")
            if newer:
                kept = ",".join(field for key, field in keyed if key != newer)
                return (
                    f"{name} --mount has {newer}=, which engine 20.10 does not know",
                    f"{name} --mount={kept} {rest}",
                )
    return None


def _not_done(instruction: Instruction) -> tuple[str, str] | None:
    """The error and fix if engine 20.10 cannot do what an instruction of a stage says."""
    name, rest = instruction.name, instruction.rest
    newer = _NEWER_EXPANSION.search(rest) if "${" in rest and name not in _NOT_EXPANDED else None
    if newer:
        variable = newer.group()[2:-1]
        return (
            f"{name} holds {newer.group()}...}}, which engine 20.10 does not know",
            f"write ${{{variable}}}, ${{{variable}:-default}} or ${{{variable}:+value}}",
        )
    mode = instruction.flag("chmod")
    if mode and not _OCTAL.match(mode):
        return (
            f"{name} --chmod={mode} does nothing on engine 20.10, which wants a number",
            f"{name} --chmod=0755 {rest}",
        )
    return None
