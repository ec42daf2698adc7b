"""`kernelspec`: a kernel's folder, with a `kernel.json` that holds the present name of the image.

A kernelspec carries organisation, registry and tag, so its key holds them. It names the image and
does not contain it: a new kernel image does not change the kernelspec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buildlib.core.dsl.declare import declare, label, members
from buildlib.core.model.label import Reference
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import Dep, Rule, Target, Targets
from buildlib.core.rules.base import member_files, member_path, place
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context

KERNEL_JSON = "kernel.json"


def kernelspec(
    *,
    name: str,
    display_name: str,
    language: str,
    process_proxy: str,
    argv: Sequence[str],
    image: str = "",
    executor_image: str = "",
    config: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    resources: Mapping[str, str] | None = None,
    doc: str = "",
) -> None:
    """Declare a kernelspec folder of the same name.

    Args:
        name: Name of the target and of the folder; the gateway lists it in lower case.
        display_name: What a notebook's menu shows.
        language: Language of the kernel.
        process_proxy: Class that starts it, below `enterprise_gateway.services.processproxies.`.
        argv: Command, with the gateway's placeholders such as `{kernel_id}`.
        image: Label of the image that runs the kernel.
        executor_image: Label of the image that runs Spark's executors.
        config: Further settings of the process proxy.
        metadata: Further metadata of the kernelspec.
        env: Environment stanza.
        resources: Path in the folder -> file of the package, or label; a path that ends in `/`
            takes all files of a label.
        doc: One line for `doit list`.
    """
    resources = resources or {}
    if KERNEL_JSON in resources:
        raise InputError("kernel.json is made from the declaration", fix="remove it from resources")
    files, deps = members(resources, attribute="resources", whole="kernelspec")
    for field, text in (("image_name", image), ("executor_image_name", executor_image)):
        if text:
            deps.append(Dep(field, "", Reference(label(text)), by_name=True))
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={
            "argv": list(argv),
            "config": config or {},
            "display_name": display_name,
            "env": env or {},
            "language": language,
            "metadata": metadata or {},
            "name": name,  # of the folder
            "process_proxy": process_proxy,
        },
        files=files,
        deps=deps,
    )


class Kernelspec(Rule):
    """A folder of files, with `kernel.json` written from the declaration."""

    kind = "kernelspec"
    product = "files"

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        names = [KERNEL_JSON, *(file.name for file in target.files)]
        for dep in target.deps:
            if not dep.by_name:
                other = targets[dep.ref.label]
                made = other.rule.output_names(other, targets)
                names += [member_path(dep, name) for name in made]
        return [f"{target.label.name}/{name}" for name in names]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        import json

        folder = target.label.name
        attrs = target.attrs
        names = {dep.kind: dep.ref.label for dep in target.deps if dep.by_name}
        images = {kind: context.channel_tag(label) for kind, label in names.items()}
        config = {**attrs["config"], **images}
        files: dict[str, FileOutput] = {}
        for path, output in member_files(target, context):
            place(files, f"{folder}/{path}", output, target)
        proxy = {"class_name": PROXIES + attrs["process_proxy"], "config": config}
        spec = {
            "language": attrs["language"],
            "display_name": attrs["display_name"],
            "metadata": {**attrs["metadata"], "process_proxy": proxy},
            "env": attrs["env"],
            "argv": attrs["argv"],
        }
        text = json.dumps(spec, indent=2, ensure_ascii=False) + "\n"
        place(files, f"{folder}/{KERNEL_JSON}", context.keep_bytes(text.encode()), target)
        return Output(files=files)


PROXIES = "enterprise_gateway.services.processproxies."


RULE = Kernelspec()
