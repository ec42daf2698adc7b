"""Targets, which declarations become and which have one form for all rules; and rules.

`attrs` holds a rule's own attributes, already checked. The key of a target holds exactly what a
`Target` holds (files, dependencies, attributes, lock entries). So a rule cannot forget to put an
input into the key: its action sees nothing that was not declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Export, Output
from buildlib.core.model.secret import Secret
from buildlib.errors import Location


class File(NamedTuple):
    """A source file of a target.

    Attributes:
        name: Its name inside the target: relative to the package, or its path in an archive.
        path: Relative to the workspace.
        part: The part of the target it belongs to; empty if the target has no parts.
    """

    name: str
    path: str
    part: str = ""


PARENT_ARG = "BASE_CONTAINER"
"""The build argument that names an image's parent."""


SRC = "src"
"""Kind of an edge: files that go into the target, or into its build context."""
BASE = "base"
"""An image that the target's Dockerfile builds on; the edge is named for its key in `bases`."""
IMAGE = "image"
"""An image that the target proves, or names in a text."""
NAME = "name"
"""A target whose own name is used."""
MEMBER = "member"
"""Files that go to a path in the target; the edge is named for the path."""
WITH = "with"
"""A further image that a proof runs."""
ARCHIVE = "archive"
"""The archive that the target is extracted from."""


class Dep(NamedTuple):
    """An edge of the graph.

    Attributes:
        kind: `SRC`, `BASE`, …, or a word of the rule's own.
        name: Tells edges of one kind apart; empty if there is one at most.
        ref: The dependency.
        part: The part of the target that needs it; empty if the target has no parts.
        by_name: The target uses the name of the image, not its content. It then carries
            organisation, registry and tag.
    """

    kind: str
    name: str
    ref: Reference
    part: str = ""
    by_name: bool = False

    @property
    def role(self) -> str:
        """Its name in keys, unique in its target: `base BASE_CONTAINER`, `src //x:y`."""
        name = f"{self.part}:{self.name}" if self.part else self.name
        return f"{self.kind} {name}" if name else self.kind


class Pin(NamedTuple):
    """A lock entry that a target needs, such as `("apt", "//images/bases/os")`.

    An entry that was locked for another request than `asked` is stale.
    """

    section: str
    name: str
    asked: tuple[str, ...] = ()


class Target(NamedTuple):
    """One declared thing.

    Attributes:
        doc: One line for people; part of neither key nor result.
        attrs: The rule's attributes; values are text, numbers, booleans, None, and tuples and
            dicts of them.
        files: Source files, sorted by name.
        deps: Edges, sorted by role.
        parts: Names of its parts; empty if it has none.
        manual: Made only when a person names it; not part of the key.
        flavours: Flavours that have it; empty for all. Not part of the key.
        tags: Tags of its image beside the channel's; not part of the key.
        internal: Only used to make other targets, and never released; not part of the key.
        secrets: For the steps of its Dockerfile; not part of the key, where their ids are an
            attribute.
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
    secrets: tuple[Secret, ...] = ()

    @property
    def platform(self) -> str:
        """Empty for a target that is the same on all platforms."""
        return str(self.attrs.get("platform", ""))

    @property
    def parent(self) -> Label | None:
        bases = (dep for dep in self.deps if dep.kind == BASE)
        return next((dep.ref.label for dep in bases if dep.name == PARENT_ARG), None)

    def deps_of(self, parts: tuple[str, ...]) -> tuple[Dep, ...]:
        """The edges of some parts; all edges if no parts are named."""
        if not parts:
            return self.deps
        return tuple(dep for dep in self.deps if not dep.part or dep.part in parts)


Targets = Mapping[Label, Target]


class Request(NamedTuple):
    """The request to build a Dockerfile, as the declaration gives it.

    Attributes:
        dockerfile: Its name in the package, and in the build context.
        args: Values of build arguments.
        bases: Build argument, or name of an image in the Dockerfile -> the image whose present
            name becomes its value, or takes its place.
        network: Whether steps may use the network.
        target: The stage that is built; the last one if empty.
        secrets: What steps may mount.
    """

    dockerfile: str
    args: Mapping[str, str]
    bases: Mapping[str, Label]
    platform: str
    network: bool
    target: str = ""
    secrets: tuple[Secret, ...] = ()

    @property
    def known_args(self) -> dict[str, str]:
        """`args`, and what BuildKit sets by itself (docs.docker.com, "Global scope")."""
        system, _, rest = self.platform.partition("/")
        machine, _, variant = rest.partition("/")
        values = {"PLATFORM": self.platform, "OS": system, "ARCH": machine, "VARIANT": variant}
        return {**{f"TARGET{name}": value for name, value in values.items()}, **self.args}

    @property
    def impurity(self) -> str:
        """What of the declaration lets steps see what no key holds; empty for nothing."""
        return " and ".join([*["network=True"] * self.network, *["secrets"] * bool(self.secrets)])


HERE, ELSEWHERE = "here", "elsewhere"


class Rule:
    """One kind of target; its module in `buildlib.core.rules` declares and makes such targets.

    Attributes:
        kind: The name of the rule's function.
        version: Raised when the action changes what it makes; part of every key.
        product: `image`, `files`, or `none` if there is nothing to build.
        origin: `HERE`, or `ELSEWHERE` for what is only fetched or pulled.
        uses_engine: Whether making it takes an engine though it is no image.
        takes_secrets: Whether a declaration may name secrets for the steps of its Dockerfile.
        verb: The verb that makes it, and the group of its tasks: `build` or `verify`.
    """

    kind: str = ""
    version: int = 1
    product: str = "none"
    origin: str = HERE
    uses_engine: bool = False
    takes_secrets: bool = False
    verb: str = "build"

    @property
    def is_image(self) -> bool:
        return self.product == "image"

    @property
    def is_built(self) -> bool:
        """Whether a build has a step for it; else each consumer assembles its files."""
        return self.product != "none"

    @property
    def takes_engine(self) -> bool:
        return self.is_image or self.uses_engine

    def attrs_of(self, target: Target, parts: tuple[str, ...]) -> Mapping[str, Any]:
        """The attributes that enter the key of some parts (at least one) of a target."""
        return target.attrs

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        """Names of the target's files, as far as declarations tell."""
        return []

    def request(self, target: Target) -> Request | None:
        """The request to build the target's Dockerfile; None for a rule without one."""
        return None

    def staged_names(self, target: Target, targets: Targets) -> list[str]:
        """Paths in the build context of the target's Dockerfile; those of folders end in `/`."""
        return []

    def from_name(self, target: Target) -> str:
        """The name of the target's image in the `FROM` of other Dockerfiles."""
        return image_name(target)

    def export(self, target: Target, version: str) -> Export | None:
        """The target's file that is also written into the workspace (at a relative path)."""
        return None

    def build(self, target: Target, parts: tuple[str, ...], context: Any) -> Output:
        """Make the target, or some parts of it; the caller records the result.

        Args:
            parts: Empty for the whole.
            context: A `rules.context.Context`: the only access to inputs, engine and store.
        """
        raise NotImplementedError(self.kind)


def image_name(target: Target) -> str:
    """The name of a target's image, without organisation and tag."""
    return str(target.attrs.get("repository") or target.label.name)


RELEASE_NAMES = "release_names"
"""Attribute of an archive: the names of members in its release file."""
VERSION_FIELD = "{version}"
"""Placeholder of the version in such a name."""


def carries_version(attrs: Mapping[str, Any]) -> bool:
    """Whether the result of these attributes holds the version, in the names of a release file."""
    names: Mapping[str, str] = attrs.get(RELEASE_NAMES) or {}
    return any(VERSION_FIELD in name for name in names.values())


def is_stamped(target: Target) -> bool:
    """Whether a target carries names of images, and so organisation, registry and channel."""
    return any(dep.by_name for dep in target.deps)
