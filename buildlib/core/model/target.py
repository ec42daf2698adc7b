"""What a declaration becomes: a frozen target, the same for every rule; and what a rule is.

A rule's own attributes live in `attrs`, already checked. What enters the key of a target is
exactly what stands here (files, dependencies, attributes, lock entries), so a rule cannot forget
to key an input: what it did not declare, its action cannot see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Export, Output
from buildlib.errors import Location


class File(NamedTuple):
    """A source file of a target.

    Attributes:
        name: Its name inside the target (relative to the package, or where it goes in an archive).
        path: Where it is, relative to the workspace.
        part: The part of the target it belongs to; empty where the target has no parts.
    """

    name: str
    path: str
    part: str = ""


PARENT_ARG = "BASE_CONTAINER"
"""The build argument that names an image's parent."""


SRC = "src"
"""Kind of an edge: files that are laid into the target, or into its build context."""
BASE = "base"
"""An image that the target's Dockerfile builds on; its name is that of a build argument."""
IMAGE = "image"
"""An image that the target is about: the one that is proved, or that is named in a text."""
NAME = "name"
"""A target whose own name is used."""
MEMBER = "member"
"""Files that go to a path in the target; its name is the path."""
WITH = "with"
"""A further image that a proof runs."""
ARCHIVE = "archive"
"""What the target is taken out of."""


class Dep(NamedTuple):
    """An edge of the graph.

    Attributes:
        kind: What it is to the target: `SRC`, `BASE`, …, or a word of the rule's own.
        name: Which of those of its kind it is; empty where there is one at most.
        ref: What is depended on.
        part: The part of the target that needs it; empty where the target has no parts.
        by_name: Only the name of the other's image is used, not what is in it. The target then
            carries organisation, registry and tag.
    """

    kind: str
    name: str
    ref: Reference
    part: str = ""
    by_name: bool = False

    @property
    def role(self) -> str:
        """What a key calls it, unique in its target: `base BASE_CONTAINER`, `src //x:y`."""
        name = f"{self.part}:{self.name}" if self.part else self.name
        return f"{self.kind} {name}" if name else self.kind


class Pin(NamedTuple):
    """An entry of the lock that a target needs, such as `("apt", "//images/bases/os")`.

    Attributes:
        asked: What the declaration asks for; an entry that was locked for something else is stale.
    """

    section: str
    name: str
    asked: tuple[str, ...] = ()


class Target(NamedTuple):
    """One declared thing.

    Attributes:
        doc: One line for people; never part of the key or of the result.
        attrs: The rule's attributes; values are text, numbers, booleans, None, and tuples and
            dicts of them.
        files: Source files, sorted by name.
        deps: Edges, sorted by role.
        parts: Names of the parts it has, where it has any.
        manual: Only made when it is asked for by name; never part of the key.
        flavours: Where it exists; empty for everywhere. Never part of the key.
        tags: Tags that its image has beside the channel's; never part of the key.
        internal: Made to make others of; never released, never part of the key.
    """

    label: Label
    rule: Rule
    where: Location
    doc: str
    attrs: Mapping[str, Any]
    files: tuple[File, ...] = ()
    deps: tuple[Dep, ...] = ()
    pins: tuple[Pin, ...] = ()
    parts: tuple[str, ...] = ()
    manual: bool = False
    flavours: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    internal: bool = False

    @property
    def platform(self) -> str:
        """What it is built for; empty where that makes no difference."""
        return str(self.attrs.get("platform", ""))

    @property
    def parent(self) -> Label | None:
        """The image that it stands on."""
        bases = (dep for dep in self.deps if dep.kind == BASE)
        return next((dep.ref.label for dep in bases if dep.name == PARENT_ARG), None)

    def deps_of(self, parts: tuple[str, ...]) -> tuple[Dep, ...]:
        """The edges of some parts; those of the whole where none are named."""
        if not parts:
            return self.deps
        return tuple(dep for dep in self.deps if not dep.part or dep.part in parts)


Targets = Mapping[Label, Target]


class Request(NamedTuple):
    """A build of a Dockerfile, as far as the declaration tells it.

    Attributes:
        dockerfile: Its name in the package, and in the build context.
        bases: Build argument -> the image whose present name is its value.
        network: Whether its steps may use the network.
    """

    dockerfile: str
    args: Mapping[str, str]
    bases: Mapping[str, Label]
    platform: str
    network: bool


HERE, ELSEWHERE = "here", "elsewhere"


class Rule:
    """One kind of target; its module in `buildlib.rules` declares such targets and makes them.

    Attributes:
        kind: The name of the rule's function.
        version: Raised when the action changes what it makes; part of every key.
        product: `image`, `files`, or `none` where there is nothing to build.
        origin: Where what it stands for is made: `HERE`, or `ELSEWHERE`, so that it is only had
            from there.
        uses_engine: Whether making it takes an engine though it is no image.
        verb: The verb that makes it, and the group of its tasks: `build` or `verify`.
    """

    kind: str = ""
    version: int = 1
    product: str = "none"
    origin: str = HERE
    uses_engine: bool = False
    verb: str = "build"

    @property
    def is_image(self) -> bool:
        """Whether it makes an image, and not files."""
        return self.product == "image"

    @property
    def is_built(self) -> bool:
        """Whether a build has a step for it; else it is put together by whoever needs it."""
        return self.product != "none"

    @property
    def takes_engine(self) -> bool:
        """Whether making it takes an engine."""
        return self.is_image or self.uses_engine

    def attrs_of(self, target: Target, parts: tuple[str, ...]) -> Mapping[str, Any]:
        """The attributes that can change some parts of a target; they enter the parts' key."""
        del parts
        return target.attrs

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        """Names of the files the target will have, as far as declarations tell."""
        del target, targets
        return []

    def request(self, target: Target) -> Request | None:
        """The build of a target's Dockerfile; None for a rule without one."""
        del target
        return None

    def staged_names(self, target: Target, targets: Targets) -> list[str]:
        """Paths that the target's Dockerfile finds in its context; a folder's ends in `/`."""
        del target, targets
        return []

    def from_name(self, target: Target) -> str:
        """What a Dockerfile that builds on the target's image may call it in its `FROM`."""
        return image_name(target)

    def export(self, target: Target, version: str) -> Export | None:
        """The file of a target that is also written into the workspace; None where none is."""
        del target, version
        return None

    def build(self, target: Target, parts: tuple[str, ...], context: Any) -> Output:
        """Make the target (or some parts of it).

        Args:
            parts: The parts wanted; empty for the whole.
            context: The only way to inputs, engine and store; see `rules.context.Context`.
        """
        raise NotImplementedError(self.kind)


def image_name(target: Target) -> str:
    """The name of a target's image, without organisation and tag."""
    return str(target.attrs.get("repository") or target.label.name)


RELEASE_NAMES = "release_names"
"""Attribute of an archive: what members are called in its release file."""
VERSION_FIELD = "{version}"
"""What stands for the version in such a name."""


def carries_version(attrs: Mapping[str, Any]) -> bool:
    """Whether what is made by these attributes holds the version: names in a release file do."""
    names: Mapping[str, str] = attrs.get(RELEASE_NAMES) or {}
    return any(VERSION_FIELD in name for name in names.values())


def is_stamped(target: Target) -> bool:
    """Whether a target carries names of images, and so organisation, registry and channel."""
    return any(dep.by_name for dep in target.deps)
