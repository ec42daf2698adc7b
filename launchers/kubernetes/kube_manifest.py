"""From a template and values to the objects that a cluster is asked for.

The template is the administrator's, the values are the client's. No value is ever written as YAML:
where a template prints one, a mark goes into the text, the text is read as YAML, and then the value
takes the mark's place in what was read. So a value cannot add a field, end a quote, or be code of a
template, whatever it is; and a list or mapping can be printed as it is.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

from launch_errors import DATA, LaunchError, shown


def render(template: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a template.

    Args:
        template: A file of Jinja's and YAML's language. What is not in `values` counts as false in
            its conditions, and is an error where it is printed.
        values: Values by name.

    Raises:
        LaunchError: The template cannot be read, or prints what is not set.
    """
    import jinja2
    import yaml

    marks: dict[str, Any] = {}
    nonce = secrets.token_hex(8)

    def mark(value: Any) -> str:
        if isinstance(value, jinja2.Undefined):
            # Raises, with the name that is not set.
            value._fail_with_undefined_error()  # noqa: SLF001
        found = f"mark{nonce}n{len(marks)}n"
        marks[found] = value
        return found

    environment = jinja2.Environment(finalize=mark, autoescape=False)  # noqa: S701 - no HTML
    # Templates made for the gateway's own script use it on everything they print.
    environment.filters["yaml_safe"] = lambda value: value
    try:
        text = environment.from_string(template.read_text("utf-8")).render(values)
        documents = [item for item in yaml.safe_load_all(text) if item is not None]
    except (OSError, jinja2.TemplateError, yaml.YAMLError, TypeError, ValueError) as error:
        why = re.sub(f"mark{nonce}n[0-9]+n", "...", " ".join(str(error).split()))
        raise LaunchError(f"{template.name}: {why}", DATA, "correct the template") from None
    pattern = re.compile(f"mark{nonce}n[0-9]+n")

    def filled(item: Any) -> Any:
        if isinstance(item, dict):
            # A key without a value is one whose conditions all were false.
            return {
                filled(name): filled(value) for name, value in item.items() if value is not None
            }
        if isinstance(item, list):
            return [filled(value) for value in item]
        if not isinstance(item, str):
            return item
        if item in marks:
            return marks[item]
        return pattern.sub(lambda found: str(marks[found[0]]), item)  # a part of a text

    return [filled(document) for document in documents]


def by_kind(documents: list[Any], kinds: tuple[str, ...], template: str) -> dict[str, Any]:
    """The objects by kind: at most one of each, and no other kind.

    Raises:
        LaunchError: There are others, or more.
    """
    found: dict[str, Any] = {}
    for document in documents:
        kind = document.get("kind") if isinstance(document, dict) else None
        if kind not in kinds:
            raise LaunchError(f"{template} has {shown(kind)}, not one of {', '.join(kinds)}", DATA)
        if kind in found:
            raise LaunchError(f"{template} has more than one {kind}", DATA)
        found[kind] = document
    if kinds[0] not in found:
        raise LaunchError(f"{template} has no {kinds[0]}", DATA)
    return found


def add_environment(holder: Any, environment: list[dict[str, str]]) -> None:
    """Add variables to an object's `env`; those of the same name in the template give way.

    Args:
        holder: What has the `env`: a container, or an application's driver.
        environment: Entries with name and value.
    """
    ours = {entry["name"] for entry in environment}
    kept = [entry for entry in holder.get("env") or [] if entry.get("name") not in ours]
    holder["env"] = [*kept, *(dict(entry) for entry in environment)]
