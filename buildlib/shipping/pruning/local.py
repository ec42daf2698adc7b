"""Content tags in the engine: which there are, which of them are ours, and their removal.

Only the tag is removed, and with an image's last tag the engine removes the image, but for layers
that others use: never an image by its ID, never by force. An image is ours where the record of the
tag's key names its ID; a tag that merely looks like ours is left alone. Knows neither git nor
registries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from buildlib.core.store import names
from buildlib.engine.protocol import split_ref
from buildlib.errors import BuildError
from buildlib.shipping.pruning.policy import Content, Keep, digests, recorded

if TYPE_CHECKING:
    from buildlib.core.model.settings import Settings
    from buildlib.core.store.records import Records
    from buildlib.engine.protocol import Engine, ImageInfo

_CONTENT = re.compile(r"key-([0-9a-f]{32})\Z")


def content_tags(engine: Engine, settings: Settings) -> dict[str, str]:
    """All content tags of our organisation in an engine, each with the ID of its image."""
    pattern = f"{names.repository(settings, '*')}:key-*"
    found = engine.tags(pattern)
    return {ref: found[ref] for ref in sorted(found) if _CONTENT.match(split_ref(ref)[1])}


def contents(
    tags: Iterable[tuple[str, str]], records: Records, sizes: Callable[[str], int] = lambda _: 0
) -> list[Content]:
    """Content tags with what is recorded of them.

    Args:
        tags: References with the IDs of their images.
        records: The records of this machine.
        sizes: Bytes of an image, by its ID.
    """
    found = []
    for ref, image in tags:
        repository, tag = split_ref(ref)
        key = tag.removeprefix("key-")
        made = _made(records, key, image)
        found.append(Content(ref, repository, key, image, ref, sizes(image), made))
    return found


def _made(records: Records, start: str, image: str) -> float | None:
    """When a record was written that names an image for a key; None where there is none."""
    times = []
    for key, seconds in records.find(start):
        record = records.get(key)
        if record is not None and image in record.images:
            times.append(seconds)
    return max(times, default=None)


def look(engine: Engine, settings: Settings, records: Records) -> tuple[list[Content], list[Keep]]:
    """All content tags of an engine, and the rules that hold for every one of them.

    Raises:
        EngineUnavailable: No engine answers.
    """
    tags = content_tags(engine, settings)
    there = engine.inspect(list(dict.fromkeys(tags.values())))
    found = contents(tags.items(), records, lambda image: _size(there.get(image)))
    return found, in_use(engine, there)


def _size(info: ImageInfo | None) -> int:
    return info.size if info else 0


def in_use(engine: Engine, there: dict[str, ImageInfo | None]) -> list[Keep]:
    """The rules that keep what is not ours, and what somebody uses.

    Args:
        engine: The engine.
        there: What it says of the images, by ID.
    """
    used = {
        ("", image): f"the container {name} stands on it" for image, name in engine.in_use().items()
    }
    named = {
        ("", image): f"it is {other}"
        for image, info in there.items()
        if info is not None and (other := _other_name(info))
    }
    return [recorded, digests(used), digests(named)]


def _other_name(info: ImageInfo) -> str:
    """A tag of an image that is no content tag, such as `dev` or that of a release."""
    return next((tag for tag in info.tags if not _CONTENT.match(split_ref(tag)[1])), "")


def remove(engine: Engine, going: Sequence[Content]) -> dict[Content, str]:
    """Remove content tags, each only if it still is what was looked at.

    Args:
        engine: The engine.
        going: What is to go.

    Returns:
        Why, for each that was not removed; the rest is gone.
    """
    failed: dict[Content, str] = {}
    for content in going:
        try:
            info = engine.inspect([content.name])[content.name]
            if info is None:
                failed[content] = "it was gone already"
            elif info.id != content.digest:
                failed[content] = "it was built again meanwhile"
            elif other := _other_name(info):
                failed[content] = f"it became {other} meanwhile"
            else:
                engine.untag(content.name)
        except BuildError as error:
            failed[content] = f"{error.what}: {error.detail}" if error.detail else error.what
    return failed
