"""`kernel_check`: proof that a built image runs a kernel, kept by key like any result.

The proof is a run of `python -m verify` (see docs/verify.md) against the image in the engine. Its
report is the result. The key holds the image's key and the code of the proof, so a check runs again
if either changed, and `plan` and `why` treat it like any target. A failed check leaves no record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import declare, label, sources
from buildlib.core.model.label import Reference
from buildlib.core.model.output import Output
from buildlib.core.model.target import IMAGE, NAME, WITH, Dep, Rule, Target, Targets
from buildlib.errors import ActionError

if TYPE_CHECKING:
    from buildlib.core.model.label import Label
    from buildlib.core.rules.context import Context

CLUSTER = "--kubernetes"
"""The argument of a proof that is made on a cluster."""
CONTEXT = "VERIFY_CONTEXT"
"""The variable that names the cluster; a proof takes it as its `--context`."""
REPORT = "report.json"
MODULE = "verify"


def kernel_check(
    *,
    name: str,
    image: str,
    arguments: Sequence[str] = (),
    with_images: Mapping[str, str] | None = None,
    kernelspecs: Sequence[str] = (),
    srcs: Sequence[str] = ("//verify",),
    manual: bool = False,
    cluster: bool = False,
    doc: str = "",
) -> None:
    """Declare a proof.

    Args:
        name: Name of the target; `verify` beside the image gives the task `verify:IMAGE`.
        image: Label of the image to prove; it comes first among the arguments.
        arguments: Further arguments of `python -m verify`.
        with_images: Label of images that the run needs too -> the option that names them, empty
            where they are plain arguments.
        kernelspecs: Labels of the kernelspecs that the run starts, each named by `--kernelspec`.
        srcs: Labels of the code of the proof.
        manual: Run only when asked for by name: the proof changes more than its own containers.
        cluster: It is made on a Kubernetes cluster, which the user has to name; implies `manual`.
        doc: One line for `doit list`.
    """
    files, deps = sources(srcs)
    deps.append(Dep(IMAGE, "", Reference(label(image))))
    needed = {str(label(text)): option for text, option in (with_images or {}).items()}
    deps += [Dep(WITH, text, Reference(label(text))) for text in needed]
    started = [label(text) for text in kernelspecs]
    deps += [Dep(NAME, str(each), Reference(each)) for each in started]
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={
            "arguments": [*([CLUSTER] if cluster else []), *arguments],
            "with_images": needed,
        },
        files=files,
        deps=deps,
        manual=manual or cluster,
    )


class KernelCheck(Rule):
    """Runs a child process that starts containers and writes a report."""

    kind = "kernel_check"
    version = 2
    product = "files"
    verb = "verify"
    uses_engine = True

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [REPORT]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        (image,) = (dep.ref.label for dep in target.deps if dep.kind == IMAGE)
        others = {dep.name: dep.ref.label for dep in target.deps if dep.kind == WITH}
        started = [dep.ref.label.name for dep in target.deps if dep.kind == NAME]
        arguments = [f"--kernelspec={name}" for name in started]
        arguments += [*target.attrs["arguments"], context.image_reference(image)]
        for text, option in target.attrs["with_images"].items():
            reference = context.image_reference(others[text])
            arguments += [option, reference] if option else [reference]
        code, report = context.run_module(target, MODULE, arguments)
        if code not in (0, 1):
            raise ActionError(
                f"the proof of {image} could not be made (exit code {code})",
                where=target.where,
                detail=context.tail(),
                fix=f"./doitw verify {target.label} -v 2",
            )
        if code:
            raise ActionError(
                f"{image} does not run a kernel as the gateway needs it",
                where=target.where,
                detail=context.tail(),
                fix=f"./doitw verify {target.label} -v 2",
            )
        whole = _with_identities(report, [image, *others.values()], context)
        return Output(files={REPORT: context.keep_bytes(whole)})


def _with_identities(report: bytes, images: Iterable[Label], context: Context) -> bytes:
    """Add the identities of the proved images, by which other engines know them, to a report."""
    identities: dict[str, str] = {}
    for image in images:
        identities |= context.identities(image)
    if not identities:
        return report
    return json.dumps({**json.loads(report), "identities": identities}, indent=1).encode()


RULE = KernelCheck()
