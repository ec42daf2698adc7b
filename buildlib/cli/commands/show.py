"""`show`: all that is known of a target: its declaration, its edges, its pins, its key and records.

Nothing is asked but files of this machine: whether an image is still in the engine, `plan` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import open_workspace, print_json, say
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, Call, Verb
from buildlib.core.model.label import Reference
from buildlib.core.model.target import image_name
from buildlib.core.store import names
from buildlib.errors import InputError
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.model.label import Label
    from buildlib.core.model.target import Dep, Target

_WIDTH = 12
_MANY = 8
"""Entries of a list that are shown to people; the rest is counted."""


def run(call: Call) -> int:
    if not call.words:
        raise InputError("show needs a target", fix="./doitw show //images/kernel-py")
    workspace = open_workspace(call)
    labels = workspace.resolve(call.words, folder=call.folder, left_out=True)
    found = [facts(workspace, label) for label in labels]
    if call.flag("json"):
        print_json(found)
    else:
        for each in found:
            for line in _lines(each):
                say(line)
    workspace.save()
    return 0


def facts(workspace: Workspace, label: Label) -> dict[str, Any]:
    """All that is known of a target, as plain values; what it does not have is left out."""
    graph = workspace.graph
    target = graph[label]
    (told,) = plain_targets(graph, [label])
    return {
        **told,
        "rule_version": target.rule.version,
        "left_out": workspace.left_out.get(label),
        **{name: True for name in ("manual", "internal") if getattr(target, name)},
        "flavours": list(target.flavours),
        "attributes": {name: _plain(value) for name, value in target.attrs.items()},
        "parts": list(target.parts),
        "files": [file.path for file in target.files],
        "needs": [_edge(dep) for dep in target.deps],
        "needed_by": [
            str(other)
            for other in graph.order
            if any(dep.ref.label == label for dep in graph[other].deps)
        ],
        "pins": {pin.section: _pinned(workspace, pin.section, pin.name) for pin in target.pins},
        **({} if label in workspace.left_out else _made(workspace, target)),
    }


def _made(workspace: Workspace, target: Target) -> dict[str, Any]:
    """What its key is, and what was made for it here."""
    key = workspace.keys.key(Reference(target.label))
    record = workspace.records.get(key) if target.rule.is_built else None
    made: dict[str, Any] = {"key": key}
    if target.rule.is_image:
        name, settings = image_name(target), workspace.settings
        tags = names.names_of(settings, name, target.tags, workspace.channel)
        made["names"] = [*tags, names.content_tag(settings, name, key)]
    if record is not None:
        files = {name: [file.sha256, file.size] for name, file in record.files.items()}
        made["built"] = {"seconds": record.seconds, "images": list(record.images), "files": files}
    return made


def _edge(dep: Dep) -> dict[str, Any]:
    return {"role": dep.role, "target": str(dep.ref), "by_name": dep.by_name}


def _pinned(workspace: Workspace, section: str, name: str) -> dict[str, str]:
    """The versions that the lock has for a target in one section."""
    entry = workspace.lock.get(section, {}).get(name)
    return {item: pin.version for item, pin in sorted(entry.items.items())} if entry else {}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _lines(found: Mapping[str, Any]) -> list[str]:
    """The facts for people; what is empty is not shown."""
    built = found.get("built")
    when = f"in {duration(built['seconds'])}" if built else "not here, at this key"
    marks = [name for name in ("stamped", "manual", "internal") if found.get(name)]
    rows = {
        "rule": [f"{found['rule']} (version {found['rule_version']}), {found['where']}"],
        "task": [found["task"]],
        "marks": marks,
        "flavours": found["flavours"],
        "left out": [found["left_out"]] if found["left_out"] else [],
        "attributes": [f"{it} = {value!r}" for it, value in found["attributes"].items() if value],
        "parts": found["parts"],
        "files": found["files"],
        "needs": [f"{dep['target']}  ({_role(dep)})" for dep in found["needs"]],
        "needed by": found["needed_by"],
        "pins": [
            f"{section}: {', '.join(_some([f'{name} {it}' for name, it in pins.items()]))}"
            for section, pins in found["pins"].items()
        ],
        "key": [found["key"]] if "key" in found else [],
        "names": found.get("names", []),
        "built": [when, *(built["images"] if built else ())] if "key" in found else [],
    }
    out = [f"{found['label']}: {found['doc']}" if found["doc"] else found["label"]]
    for name, values in rows.items():
        for at, value in enumerate(_some(values)):
            out.append(f"  {'' if at else name:{_WIDTH}}{value}")
    return out


def _role(dep: Mapping[str, Any]) -> str:
    """What an edge is for, without the name of the target again."""
    role = str(dep["role"]).replace(dep["target"], "").strip()
    return f"{role}, by name" if dep["by_name"] else role


def _some(values: Iterable[str]) -> list[str]:
    """The first of many."""
    values = list(values)
    more = [f"… {len(values) - _MANY} more"] if len(values) > _MANY else []
    return values[:_MANY] + more


VERB = Verb("show", "all that is known of a target", run, words="TARGET…", options=(JSON,))
