"""Content tags in the engine: listing them, telling ours from others, removing them.

Only tags are removed, never an image by its ID, never by force. The engine removes an image with
its last tag, except layers that other images use. An image is ours if the record of the tag's key
names its ID; a tag that merely looks like ours stays. This module knows neither git nor registries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from buildlib.core.model.settings import Settings
from buildlib.core.store import names
from buildlib.core.store.records import Records
from buildlib.engine.protocol import Engine, ImageInfo, split_ref
from buildlib.errors import BuildError
from buildlib.parallel import map_threads
from buildlib.shipping.pruning.policy import Content, Keep, digests, recorded

_AT_A_TIME = 4
"""Images that the engine removes at a time: it waits for its disk between."""
_CONTENT = re.compile(r"key-([0-9a-f]{32})\Z")


def content_tags(engine: Engine, settings: Settings) -> dict[str, str]:
    """All content tags of our organisation in an engine, each with the ID of its image."""
    pattern = f"{names.repository(settings, '*')}:key-*"
    images = engine.tags(pattern)
    return {ref: images[ref] for ref in sorted(images) if _CONTENT.match(split_ref(ref)[1])}


def contents(
    tags: Iterable[tuple[str, str]], records: Records, images: Mapping[str, ImageInfo | None] = {}
) -> list[Content]:
    """Content tags with what the records say of them.

    Args:
        images: What the engine says of them, by ID; their sizes count as 0 without.
    """
    result = []
    for ref, image in tags:
        repository, tag = split_ref(ref)
        key = tag.removeprefix("key-")
        recorded_at = _recorded_at(records, key, image)
        size = info.size if (info := images.get(image)) else 0
        result.append(Content(ref, repository, key, image, ref, size, recorded_at))
    return result


def _recorded_at(records: Records, start: str, image: str) -> float | None:
    """When we recorded an image under a key; None if no record names it."""
    times = []
    for key, seconds in records.find(start):
        record = records.get(key)
        if record is not None and image in record.images:
            times.append(seconds)
    return max(times, default=None)


def look(engine: Engine, settings: Settings, records: Records) -> tuple[list[Content], list[Keep]]:
    """All content tags of an engine, and the rules that apply to each of them."""
    tags = content_tags(engine, settings)
    images = engine.inspect(list(dict.fromkeys(tags.values())))
    return contents(tags.items(), records, images), in_use(engine, images)


def in_use(engine: Engine, images: dict[str, ImageInfo | None]) -> list[Keep]:
    """Rules that keep images which are not ours, or which somebody uses.

    Args:
        images: What the engine says of them, by ID.
    """
    by_containers = {
        ("", image): f"the container {name} stands on it" for image, name in engine.in_use().items()
    }
    by_tags = {
        ("", image): f"it is {other}"
        for image, info in images.items()
        if info is not None and (other := _other_name(info))
    }
    return [recorded, digests(by_containers), digests(by_tags)]


def _other_name(info: ImageInfo) -> str:
    """A tag that is not a content tag, such as `dev` or that of a release; empty for none."""
    return next((tag for tag in info.tags if not _CONTENT.match(split_ref(tag)[1])), "")


def remove(engine: Engine, going: Sequence[Content]) -> dict[Content, str]:
    """Remove content tags, each only if it still stands for the same image.

    Returns:
        Why, for each that could not be removed.
    """
    failed: dict[Content, str] = {}

    def remove_one(content: Content) -> None:
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

    map_threads(remove_one, going, threads=_AT_A_TIME)
    return {content: failed[content] for content in going if content in failed}
