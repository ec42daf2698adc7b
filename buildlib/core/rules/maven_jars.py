"""`maven_jars`: jars of a Maven repository with all that they need to run, as one tar.

Maven resolves them once, for `./doitw lock maven`, which pins each jar. A build asks no Maven: the
jars are fetched as all downloads are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import declare, label, leads_out
from buildlib.core.model.maven import are_coordinates, is_exclusion
from buildlib.core.model.output import Output
from buildlib.core.model.section import MAVEN
from buildlib.core.model.target import Pin, Rule, Target, Targets
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context

EXCLUDE = "exclude "
"""How the request for an exclusion begins, in the lock."""


def maven_jars(
    *, name: str, artifacts: Sequence[str], folder: str, exclude: Sequence[str] = (), doc: str = ""
) -> None:
    """Declare jars; `./doitw lock maven` pins them, and all that they need to run.

    Args:
        name: Name of the target; the file is `NAME.tar`, to be `ADD`ed to `/`.
        artifacts: `GROUP:ARTIFACT:VERSION`, or `GROUP:ARTIFACT:VERSION:CLASSIFIER`.
        folder: Folder of all jars in the tar, such as `opt/hadoop/lib`.
        exclude: `GROUP:ARTIFACT` that is left out with what only it needs; `GROUP:*` for a group.
        doc: One line for `doit list`.
    """
    if not artifacts:
        raise InputError("artifacts is empty", fix='artifacts = ["GROUP:ARTIFACT:VERSION"]')
    for artifact in artifacts:
        if not are_coordinates(artifact):
            raise InputError(
                f"{artifact!r} in artifacts is not GROUP:ARTIFACT:VERSION",
                fix='artifacts = ["GROUP:ARTIFACT:VERSION"]',
            )
    for excluded in exclude:
        if not is_exclusion(excluded):
            raise InputError(
                f"{excluded!r} in exclude is not GROUP:ARTIFACT", fix='exclude = ["GROUP:ARTIFACT"]'
            )
    if leads_out(folder):
        raise InputError(f"{folder!r} leads out of the tar", fix=f'folder = "{folder.strip("/.")}"')
    asked = (*sorted(artifacts), *(EXCLUDE + each for each in sorted(exclude)))
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={"folder": folder.strip("/"), "name": name},
        pins=[Pin(MAVEN.name, str(label(f":{name}")), asked)],
    )


class MavenJars(Rule):
    """A tar of the pinned jars."""

    kind = "maven_jars"
    product = "files"

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        return [f"{target.label.name}.tar"]

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        from buildlib.core.pack.tar import Member

        folder = target.attrs["folder"]
        members = [
            Member(f"{folder}/{jar.path}", data=context.store.path(jar.sha256))
            for jar in context.fetch(target)
        ]
        return Output(files={f"{target.label.name}.tar": context.keep_tar(members)})


RULE = MavenJars()
