"""The packages of a minimal Debian system, from the candidates of an archive. Pure.

Only for the root file system, where no apt exists yet to ask. What images add on top is resolved
by apt itself (`apt.py`). So this is a small closure, not a solver: where packages conflict it says
so and chooses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from buildlib.debian import version
from buildlib.debian.archive import Candidate
from buildlib.debian.package import DebPackage
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean

MINIMAL = ("apt", "usr-is-merged")
"""What a minimal system has besides the required packages. `usr-is-merged` states what
`rootfs.py` does (bin, sbin and lib are links into usr), else `usrmerge` and perl would come."""

_PRIORITIES = ("required", "important", "standard", "optional", "extra")
_RELATION = re.compile(
    r"\s*(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*"
    r"(?:\((?P<relation><<|<=|=|>=|>>)\s*(?P<version>[^)\s]+)\s*\))?\s*\Z"
)


class Relation(NamedTuple):
    """One alternative of a relationship field: a name, with a version bound or without."""

    name: str
    relation: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} ({self.relation} {self.version})" if self.relation else self.name


def parse_relations(field: str) -> list[tuple[Relation, ...]]:
    """Groups of alternatives of a field such as Depends (deb-control(5)).

    Raises:
        InputError: The text is no relationship field.
    """
    return [
        tuple(_relation(alternative) for alternative in group.split("|"))
        for group in field.split(",")
        if group.strip()
    ]


def _relation(text: str) -> Relation:
    match = _RELATION.match(text)
    if match is None:
        raise InputError(f"cannot read the package relation {text.strip()!r}")
    return Relation(match["name"], match["relation"] or "", match["version"] or "")


def minimal_system(
    candidates: Mapping[str, Candidate], wanted: Iterable[str] = ()
) -> list[DebPackage]:
    """The required packages, `MINIMAL`, `wanted`, and all that these depend on.

    Depends and Pre-Depends count, Recommends do not. Of alternatives the one already chosen is
    taken, else the first that can be had; single dependencies are followed before any alternative
    is decided, so the result does not hang on the order of anything.

    Args:
        candidates: Package name to candidate (`archive.read_archive`).
        wanted: Names of further packages.

    Returns:
        Packages sorted by name.

    Raises:
        InputError: A name is unknown, a dependency cannot be met, or two packages conflict.
    """
    seeds = {name for name, c in candidates.items() if c.priority == "required" or c.essential}
    for name in (*MINIMAL, *wanted):
        if name not in candidates:
            raise InputError(
                f"Debian has no package {name!r} for this system{did_you_mean(name, candidates)}"
            )
        seeds.add(name)
    names = _Closure(candidates).run(sorted(seeds))
    _refuse_conflicts([candidates[name] for name in names])
    return [candidates[name].package for name in names]


class _Closure:
    """The growing set of chosen packages."""

    def __init__(self, candidates: Mapping[str, Candidate]) -> None:
        self.candidates = candidates
        self.chosen: dict[str, None] = {}
        self.open: list[tuple[str, tuple[Relation, ...]]] = []
        self.providers: dict[str, list[str]] = {}
        for name in sorted(candidates, key=lambda n: (_rank(candidates[n]), n)):
            for group in parse_relations(candidates[name].provides):
                self.providers.setdefault(group[0].name, []).append(name)

    def run(self, seeds: Sequence[str]) -> list[str]:
        """Choose until no group of alternatives is open; sorted names."""
        for name in seeds:
            self.choose(name)
        while self.open:
            still_open = [
                (owner, group)
                for owner, group in sorted(self.open)
                if not any(self.met(relation) for relation in group)
            ]
            self.open = still_open[1:]
            for owner, group in still_open[:1]:
                self.choose(self.pick(owner, group))
        return sorted(self.chosen)

    def choose(self, first: str) -> None:
        """Add a package and, without recursion, all that single dependencies bring."""
        pending = [first]
        while pending:
            name = pending.pop()
            if name in self.chosen:
                continue
            self.chosen[name] = None
            candidate = self.candidates[name]
            for group in parse_relations(candidate.pre_depends) + parse_relations(
                candidate.depends
            ):
                real = group[0].name in self.candidates
                if len(group) == 1 and real and _meets(self.candidates[group[0].name], group[0]):
                    pending.append(group[0].name)
                else:
                    self.open.append((name, group))

    def met(self, relation: Relation) -> bool:
        """Whether a chosen package is or provides what is asked for."""
        return any(name in self.chosen for name in self.offers(relation))

    def offers(self, relation: Relation) -> Iterator[str]:
        """Packages that meet a relation: the package of that name, then providers by rank."""
        real = self.candidates.get(relation.name)
        if real is not None and _meets(real, relation):
            yield relation.name
        for name in self.providers.get(relation.name, ()):
            if _provides(self.candidates[name], relation):
                yield name

    def pick(self, owner: str, group: tuple[Relation, ...]) -> str:
        """The first package that meets one of the alternatives, in their order."""
        for relation in group:
            for name in self.offers(relation):
                return name
        wanted = " | ".join(map(str, group))
        raise InputError(f"package {owner} depends on {wanted}, which the archive does not have")


def _rank(candidate: Candidate) -> int:
    known = candidate.priority in _PRIORITIES
    return _PRIORITIES.index(candidate.priority) if known else len(_PRIORITIES)


def _meets(candidate: Candidate, relation: Relation) -> bool:
    return version.satisfies(candidate.package.version, relation.relation, relation.version)


def _provides(candidate: Candidate, relation: Relation) -> bool:
    """Whether `candidate` provides the name; a bound needs a versioned Provides."""
    for given, *_rest in parse_relations(candidate.provides):
        if given.name == relation.name and (
            not relation.relation
            or (given.version and version.satisfies(given.version, *relation[1:]))
        ):
            return True
    return False


def _refuse_conflicts(chosen: Sequence[Candidate]) -> None:
    for candidate in chosen:
        for group in parse_relations(candidate.conflicts) + parse_relations(candidate.breaks):
            for other in chosen:
                if other is not candidate and (
                    (other.package.name == group[0].name and _meets(other, group[0]))
                    or _provides(other, group[0])
                ):
                    raise InputError(
                        f"packages {candidate.package.name} and {other.package.name} "
                        "cannot be installed together"
                    )
