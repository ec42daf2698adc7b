"""`kernelspec`: a kernel's folder, with a `kernel.json` that holds the present name of the image.

A kernelspec carries organisation, registry and tag, so its key holds them. It names the image and
does not contain it: a new kernel image does not change the kernelspec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buildlib.core.dsl.declare import current, declare, label, leads_out, source
from buildlib.core.model.label import Reference, is_label, parse_reference
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import MEMBER, Dep, File, Rule, Target, Targets
from buildlib.core.rules.base import files_of, place
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
    where = current().where()
    files: list[File] = []
    deps: list[Dep] = []
    for path, origin in (resources or {}).items():
        if leads_out(path):
            raise InputError(
                f"{path!r} leads out of the kernelspec", where=where, fix="write a relative path"
            )
        if path == KERNEL_JSON:
            raise InputError(
                "kernel.json is made from the declaration",
                where=where,
                fix="remove it from resources",
            )
        if is_label(origin):
            ref = parse_reference(origin, package=current().path, where=where)
            deps.append(Dep(MEMBER, path, ref))
        else:
            files.append(source(origin, attribute="resources", as_name=path))
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
        folder = target.label.name
        names = [f"{folder}/{KERNEL_JSON}", *(f"{folder}/{file.name}" for file in target.files)]
        for dep in target.deps:
            if not dep.by_name:
                other = targets[dep.ref.label]
                names += _places(folder, dep.name, other.rule.output_names(other, targets))
        return names

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        import json

        del parts
        folder = target.label.name
        attrs = target.attrs
        config = dict(attrs["config"])
        files: dict[str, FileOutput] = {}
        for dep in target.deps:
            if dep.by_name:
                config[dep.kind] = context.channel_tag(dep.ref.label)
            else:
                made = files_of(dep, target, context)
                for name, one in zip(_places(folder, dep.name, made), made.values(), strict=True):
                    place(files, name, one, target)
        for file in target.files:
            place(files, f"{folder}/{file.name}", context.keep_source(file), target)
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


def _places(folder: str, path: str, names: Iterable[str]) -> list[str]:
    return [
        f"{folder}/{path}{name}" if path.endswith("/") else f"{folder}/{path}" for name in names
    ]


RULE = Kernelspec()
