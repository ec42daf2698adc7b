"""`external_image`: an image made elsewhere, locked by digest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import current, declare, image_repository, label
from buildlib.core.model.output import Output
from buildlib.core.model.section import IMAGE
from buildlib.core.model.target import ELSEWHERE, Pin, Rule, Target
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context

_PYTHON = re.compile(r"3\.[0-9]+\Z", re.ASCII)


def external_image(
    *,
    name: str,
    image: str,
    platform: str = "",
    python: str = "",
    repository: str = "",
    flavours: Sequence[str] = (),
    doc: str = "",
) -> None:
    """Declare an image of a registry; `./doitw lock image` pins its digest.

    Args:
        name: Name of the target.
        image: Reference with a tag and without a digest, such as `docker.io/library/debian:12`.
        platform: Platform to take of a multi-platform image; by default the workspace's.
        python: The version of its Python, such as `3.13`: the wheels of images that stand on it
            are chosen for that.
        repository: What the image is called here; by default the target's name.
        flavours: Where it exists, if not in all; elsewhere it is left out, and `plan` says so.
        doc: One line for `doit list`.
    """
    if "@" in image or ":" not in image.rsplit("/", 1)[-1]:
        raise InputError(
            f"{image!r} is not a reference with a tag; the digest stands in the lock",
            fix=f'image = "{image.partition("@")[0]}:TAG"',
        )
    if python and not _PYTHON.match(python):
        raise InputError(f"python is {python!r}, not a version such as 3.13", fix='python = "3.13"')
    chosen = platform or current().settings.platform
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={
            "image": image,
            "platform": chosen,
            "python": python,
            "repository": image_repository(repository or name),
        },
        pins=[Pin(IMAGE.name, str(label(f":{name}")), (image, chosen))],
        flavours=flavours,
    )


class ExternalImage(Rule):
    """An image that is pulled by digest; the tag in the declaration is for people."""

    kind = "external_image"
    product = "image"
    origin = ELSEWHERE

    def from_name(self, target: Target) -> str:
        """The reference in the registry."""
        return str(target.attrs["image"])

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        pin = context.pins(target)[0][1]
        reference = target.attrs["image"].rsplit(":", 1)[0] + "@sha256:" + pin.sha256
        return Output(image=context.pull(reference, target.attrs["platform"]))


RULE = ExternalImage()
