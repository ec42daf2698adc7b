"""`external_image`: an image made elsewhere, locked by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildlib.dsl.declare import current, declare, label
from buildlib.errors import InputError
from buildlib.model.output import Output
from buildlib.model.target import Pin
from buildlib.rules.base import Rule

if TYPE_CHECKING:
    from buildlib.execution.context import Context
    from buildlib.model.target import Target


def external_image(*, name: str, image: str, platform: str = "", doc: str = "") -> None:
    """Declare an image of a registry; `./doitw lock image` pins its digest.

    Args:
        name: Name of the target.
        image: Reference with a tag and without a digest, such as `docker.io/library/debian:12`.
        platform: Platform to take of a multi-platform image; by default the workspace's.
        doc: One line for `doit list`.
    """
    where = current().where()
    if "@" in image or ":" not in image.rsplit("/", 1)[-1]:
        raise InputError(
            f"{image!r} is not a reference with a tag; the digest stands in the lock",
            where=where,
            fix=f'image = "{image.partition("@")[0]}:TAG"',
        )
    wanted = platform or current().settings.platform
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={"image": image, "platform": wanted},
        pins=[Pin("image", str(label(f":{name}")), (image, wanted))],
    )


class ExternalImage(Rule):
    """Pulled by digest; the tag of the declaration is for people."""

    kind = "external_image"
    product = "image"

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        """See `Rule.build`."""
        del parts
        pin = context.pins(target)[0][1]
        reference = target.attrs["image"].rsplit(":", 1)[0] + "@sha256:" + pin.sha256
        return Output(image=context.pull(reference, target.attrs["platform"]))


RULE = ExternalImage()
