"""The graph: all targets, their edges, and the errors that need the whole graph."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from buildlib.core.model.label import (
    HOME,
    Label,
    Reference,
    is_label,
    is_pattern,
    main_label,
    match_pattern,
    parse_label,
    task_names,
)
from buildlib.core.model.target import IMAGE, Dep, Target, carries_version, image_name, is_stamped
from buildlib.errors import InputError, UnknownTarget, raise_all
from buildlib.suggest import did_you_mean, nearest

BUILD, VERIFY = "build", "verify"


def _group(word: str) -> tuple[str, str]:
    """Split a task name such as `verify:kernel-py`; without a verb it is `build`."""
    for verb in (BUILD, VERIFY):
        if word.startswith(verb + ":"):
            return verb, word[len(verb) + 1 :]
    return BUILD, word


class Graph:
    """A checked set of targets.

    Args:
        targets: In order of declaration.
        unread: Packages whose targets are not known -> the error.

    Attributes:
        targets: Those whose edges are right.
        errors: What is wrong with others, by itself or in what they need; with each package that
            was not read, under the label that is named as the package; and what `validate` found
            wrong with targets.
        order: All labels, dependencies first.
    """

    order: tuple[Label, ...]

    def __init__(
        self, targets: Mapping[Label, Target], unread: Mapping[str, InputError] | None = None
    ) -> None:
        self._unread = unread or {}
        self.errors: dict[Label, InputError] = {
            main_label(package): error for package, error in self._unread.items()
        }
        self.targets = targets
        while found := self._edge_errors() or self._name_errors() or self._sort():
            self.errors.update(found)
            self.targets = {key: it for key, it in self.targets.items() if key not in found}
        self._rank = {label: rank for rank, label in enumerate(self.order)}
        self._build_deps: dict[Label, tuple[Label, ...]] = {}
        self.task_names = {
            label: name
            for verb in sorted({target.rule.verb for target in targets.values()})
            for label, name in task_names(self.of_verb(verb)).items()
        }

    def __getitem__(self, label: Label) -> Target:
        return self.targets[label]

    def of_verb(self, verb: str) -> list[Label]:
        return [label for label, target in self.targets.items() if target.rule.verb == verb]

    @cached_property
    def checks(self) -> Mapping[Label, list[Label]]:
        """Image -> its proofs that are not manual."""
        proofs: dict[Label, list[Label]] = {}
        for proof in self.of_verb(VERIFY):
            for dep in self[proof].deps if not self[proof].manual else ():
                if dep.kind == IMAGE:
                    proofs.setdefault(dep.ref.label, []).append(proof)
        return proofs

    def deps(self, ref: Reference) -> tuple[Dep, ...]:
        return self.targets[ref.label].deps_of(ref.parts)

    def needs(self, ref: Reference) -> list[Reference]:
        """The dependencies whose keys are in that of a target: not images that it only names."""
        return [dep.ref for dep in self.deps(ref) if not dep.by_name]

    def parents(self, target: Target) -> Iterator[Target]:
        """The parent images of a target, nearest first."""
        while target.parent is not None:
            target = self.targets[target.parent]
            yield target

    def build_deps(self, label: Label) -> Sequence[Label]:
        """The build dependencies of a target: what must be built before it, each with its own step.

        Groups of files and parts of archives have no step: their build dependencies count instead.
        """
        cached = self._build_deps.get(label)
        if cached is None:
            cached = self._build_deps[label] = tuple(self._find_build_deps(label))
        return cached

    def _find_build_deps(self, label: Label) -> dict[Label, None]:
        deps: dict[Label, None] = {}
        visited: set[Reference] = set()
        pending = deque(self.needs(Reference(label)))
        while pending:
            ref = pending.popleft()
            if ref in visited:
                continue
            visited.add(ref)
            if ref.parts or not self.targets[ref.label].rule.is_built:
                pending.extend(self.needs(ref))
            else:
                deps[ref.label] = None
        return deps

    def closure(self, roots: Iterable[Label]) -> list[Label]:
        """The roots and all their dependencies (as wholes), dependencies first."""
        needed: set[Label] = set()
        pending = list(roots)
        while pending:
            label = pending.pop()
            if label not in needed:
                needed.add(label)
                pending += [ref.label for ref in self.needs(Reference(label))]
        return sorted(needed, key=self._rank.__getitem__)

    @cached_property
    def stamped(self) -> set[Label]:
        """The targets whose key depends on the channel: a release builds them again.

        They carry image names or the version, or contain such a target. All others ship as they
        were tested.
        """
        refs_of = {label: {Reference(label)} for label in self.order}
        for target in self.targets.values():
            for dep in target.deps:
                refs_of[dep.ref.label].add(dep.ref)
        stamped: set[Reference] = set()
        for label in self.order:
            for ref in refs_of[label]:
                if self._is_stamped(ref) or not stamped.isdisjoint(self.needs(ref)):
                    stamped.add(ref)
        return {label for label in self.order if Reference(label) in stamped}

    def _is_stamped(self, ref: Reference) -> bool:
        """Whether the key of a target (or of parts of it) holds the channel directly."""
        target = self[ref.label]
        return is_stamped(target) or (not ref.parts and carries_version(target.attrs))

    def resolve(self, words: Iterable[str], *, package: str = "") -> list[Label]:
        """The targets that labels, patterns, task names or folders name, each once.

        Relative names start from `package`.
        """
        labels: dict[Label, None] = {}
        for word in words:
            labels.update(dict.fromkeys(self._resolve(word, package)))
        return list(labels)

    def _resolve(self, word: str, package: str) -> list[Label]:
        if is_pattern(word):
            self._refuse(match_pattern(word, self.errors))
            labels = match_pattern(word, self.order)
            if labels:
                return labels
            raise InputError(f"no target matches {word}", fix="./doitw list")
        if is_label(word):
            label = parse_label(word, package=package)
            if label in self.targets:
                return [label]
            self._refuse([label], [label.package])
        else:
            verb, name = _group(word)
            # Before others are asked: one with the same name below images/ must not take its place.
            self._refuse(it for it in self.errors if it.short[2:] == name)
            for label in self.of_verb(verb):
                if name in (self.task_names[label], label.short[2:]):
                    return [label]
            folder = posixpath.normpath(f"{package}/{name}").strip("/").removesuffix("/BUILD.py")
            packages = (folder, name.partition(":")[0], HOME + name.partition(":")[0])
            wrong = (
                it for it in self.errors if it.package == folder or it.short[2:] == HOME + name
            )
            self._refuse(wrong, packages)
            inside = [label for label in self.order if label.package == folder]
            if inside:
                return inside
        raise self._unknown(word)

    def _refuse(self, labels: Iterable[Label], packages: Iterable[str] = ()) -> None:
        """Raise the errors of some targets and packages, if there are any."""
        errors = [self.errors[label] for label in labels if label in self.errors]
        raise_all([*errors, *(self._unread[it] for it in packages if it in self._unread)])

    def refuse_broken(self, roots: Iterable[Label]) -> None:
        """Raise an error if something is wrong with targets, or with what they need."""
        if self.errors:
            self._refuse(self.closure(roots))

    def _unknown(self, word: str) -> InputError:
        known = [
            *(label.short for label in self.targets),
            *self.task_names.values(),
            *(f"{self[label].rule.verb}:{name}" for label, name in self.task_names.items()),
        ]
        written = Label(*word.partition(":")[::2])  # a label without its slashes
        meant = written.short if written in self.targets else nearest(word, known)
        guess = f"; did you mean {meant}?" if meant else ""
        return UnknownTarget(f"there is no target {word}{guess}", word=word, meant=meant)

    def _edge_errors(self) -> dict[Label, InputError]:
        """The targets with an edge to nothing, or to what cannot be used."""
        found = ((target.label, self._edge_error(target)) for target in self.targets.values())
        return {label: error for label, error in found if error is not None}

    def _edge_error(self, target: Target) -> InputError | None:
        for dep in target.deps:
            label = dep.ref.label
            other = self.targets.get(label)
            if other is None:
                if error := self.errors.get(label) or self._unread.get(label.package):
                    return error
                if fix := self._of_a_file(label):
                    what = f"{label} is a file, and a label names a target"
                    return InputError(what, where=target.where, fix=fix)
                known = [label.short for label in self.targets]
                meant = nearest(str(label), known)
                return InputError(
                    f"{target.label} depends on {label}, which is not declared"
                    f"{did_you_mean(str(label), known)}",
                    where=target.where,
                    fix=f'write "{meant}"' if meant else f"declare it in //{label.package}",
                )
            for part in dep.ref.parts:
                if part not in other.parts:
                    has = ", ".join(other.parts) or "no parts"
                    return InputError(
                        f"{other.label} has no part {part}{did_you_mean(part, other.parts)}",
                        where=target.where,
                        fix=f"its parts: {has} ({other.where})",
                    )
        return None

    def _of_a_file(self, label: Label) -> str:
        """How to get a file of another package, where a label is surely meant as one."""
        packages = {other.package for other in self.targets}
        package = label.package
        if package not in packages and main_label(package) == label:
            package = posixpath.dirname(package)
        if package not in packages or not ("." in label.name or label.name == "Dockerfile"):
            return ""
        group = label.name.partition(".")[0].lower() or "files"
        own = f'filegroup(name="{group}", srcs=["{label.name}"])'
        return f'write "//{package}:{group}", and in {package}/BUILD.py {own}'

    def _name_errors(self) -> dict[Label, InputError]:
        """The second of two targets that make one image: they would fight for its tag."""
        makers: dict[str, Target] = {}
        errors: dict[Label, InputError] = {}
        for target in self.targets.values():
            if target.rule.is_image:
                name = image_name(target)
                first = makers.setdefault(name, target)
                if first is not target:
                    errors[target.label] = InputError(
                        f"{first.label} ({first.where}) and {target.label} both make the image"
                        f" {name}",
                        where=target.where,
                        fix='repository = "another-name"',
                    )
        return errors

    def _sort(self) -> dict[Label, InputError]:
        """Sort all labels into `order`: dependencies first, else in order of declaration.

        Returns:
            The targets of a cycle; then the order is none.
        """
        done: set[Label] = set()
        order: list[Label] = []
        for root in self.targets:
            if root in done:
                continue
            path: list[Label] = [root]
            on_path = {root}
            waiting = [iter(self.needs(Reference(root)))]
            while waiting:
                ref = next(waiting[-1], None)
                if ref is None:
                    waiting.pop()
                    label = path.pop()
                    on_path.remove(label)
                    done.add(label)
                    order.append(label)
                    continue
                label = ref.label
                if label in on_path:
                    cycle = [*path[path.index(label) :], label]
                    return dict.fromkeys(cycle, self._cycle(cycle))
                if label not in done:
                    path.append(label)
                    on_path.add(label)
                    waiting.append(iter(self.needs(Reference(label))))
        self.order = tuple(order)
        return {}

    def _cycle(self, path: list[Label]) -> InputError:
        steps = [f"{label}  ({self.targets[label].where})" for label in path]
        return InputError(
            "targets depend on each other in a circle: " + " -> ".join(str(x) for x in path),
            where=self.targets[path[0]].where,
            detail="\n".join(steps),
            fix=f"remove one of these edges, such as {path[-2]} -> {path[-1]}",
        )
