"""`show`: a target's declaration, edges, pins, key and record.

It reads only files of this machine; `plan` says whether an image is still in the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import answer, needs_target, with_workspace
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, Call, Verb
from buildlib.core.model.label import Reference
from buildlib.core.model.target import image_name
from buildlib.core.store import names
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.model.label import Label
    from buildlib.core.model.target import Target

_WIDTH = 12
_MANY = 8
"""Entries of a list that are shown to people; the rest is counted."""


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    if not call.words:
        raise needs_target(workspace, "show")
    labels = workspace.resolve(call.words, folder=call.folder, left_out=True)
    targets = [facts(workspace, label) for label in labels]
    answer(call, lambda: targets, (line for each in targets for line in _lines(each)))


def facts(workspace: Workspace, label: Label) -> dict[str, Any]:
    """All facts of a target, as plain values; facts that do not apply are left out."""
    graph = workspace.graph
    target = graph[label]
    (plain,) = plain_targets(graph, [label])
    return {
        **plain,
        "rule_version": target.rule.version,
        "left_out": workspace.left_out.get(label),
        **{name: True for name in ("manual", "internal") if getattr(target, name)},
        "flavours": list(target.flavours),
        "attributes": json.loads(json.dumps(target.attrs)),  # lists of tuples
        "parts": list(target.parts),
        "files": [file.path for file in target.files],
        "needs": [
            {"role": dep.role, "target": str(dep.ref), "by_name": dep.by_name}
            for dep in target.deps
        ],
        "needed_by": [
            str(other)
            for other in graph.order
            if any(dep.ref.label == label for dep in graph[other].deps)
        ],
        "pins": {pin.section: _pinned(workspace, pin.section, pin.name) for pin in target.pins},
        **({} if label in workspace.left_out else _built_facts(workspace, target)),
    }


def _built_facts(workspace: Workspace, target: Target) -> dict[str, Any]:
    """The key of a target, and what this machine built for it."""
    key = workspace.keys.key_or_none(Reference(target.label))
    facts: dict[str, Any] = {"key": key}
    if not key:
        return facts
    record = workspace.records.get(key) if target.rule.is_built else None
    if target.rule.is_image:
        name, settings = image_name(target), workspace.settings
        tags = names.names_of(settings, name, target.tags, workspace.channel)
        facts["names"] = [*tags, names.content_tag(settings, name, key)]
    if record is not None:
        files = {name: [file.sha256, file.size] for name, file in record.files.items()}
        facts["built"] = {"seconds": record.seconds, "images": list(record.images), "files": files}
    return facts


def _pinned(workspace: Workspace, section: str, name: str) -> dict[str, str]:
    """The versions that one section of the lock has for a target."""
    entry = workspace.lock.get(section, {}).get(name)
    return {item: pin.version for item, pin in sorted(entry.items.items())} if entry else {}


def _lines(target: Mapping[str, Any]) -> Iterator[str]:
    """The facts for people, without empty ones."""
    built = target.get("built")
    when = f"in {duration(built['seconds'])}" if built else "not here, at this key"
    rows = {
        "rule": [f"{target['rule']} (version {target['rule_version']}), {target['where']}"],
        "task": [target["task"]],
        "marks": [name for name in ("stamped", "manual", "internal") if target.get(name)],
        "flavours": target["flavours"],
        "left out": [target["left_out"]] if target["left_out"] else [],
        "attributes": [f"{it} = {value!r}" for it, value in target["attributes"].items() if value],
        "parts": target["parts"],
        "files": target["files"],
        "needs": [f"{dep['target']}  ({_role(dep)})" for dep in target["needs"]],
        "needed by": target["needed_by"],
        "pins": [
            f"{section}: {', '.join(_some([f'{name} {it}' for name, it in pins.items()]))}"
            for section, pins in target["pins"].items()
        ],
        "key": [target["key"] or "not known before ./doitw lock"] if "key" in target else [],
        "names": target.get("names", []),
        "built": [when, *(built["images"] if built else ())] if "key" in target else [],
    }
    yield f"{target['label']}: {target['doc']}" if target["doc"] else target["label"]
    for name, values in rows.items():
        for number, value in enumerate(_some(values)):
            yield f"  {'' if number else name:{_WIDTH}}{value}"


def _role(dep: Mapping[str, Any]) -> str:
    """The role of an edge, without the name of the target in it."""
    role = str(dep["role"]).replace(dep["target"], "").strip()
    return f"{role}, by name" if dep["by_name"] else role


def _some(values: list[str]) -> list[str]:
    """The first entries, and how many more there are."""
    more = [f"… {len(values) - _MANY} more"] if len(values) > _MANY else []
    return values[:_MANY] + more


VERB = Verb("show", "all that is known of a target", run, words="TARGET…", options=(JSON,))
