"""Several targets to or from a registry at once, with one progress line.

All that is published or pulled goes through here: by a build, by `push` and `pull`, by a release
with its proofs and SBOMs. `SharedStore` moves one target.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

from buildlib.build.sharing.entry import Entry
from buildlib.build.sharing.entry_writer import BuiltTarget
from buildlib.build.sharing.shared_store import SharedStore
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Output
from buildlib.core.store.records import Records
from buildlib.core.view import View
from buildlib.engine.protocol import Engine
from buildlib.engine.transfer import Observe
from buildlib.errors import BuildError
from buildlib.outside.fetch.progress import Observer
from buildlib.outside.registry.protocol import RegistryUnavailable
from buildlib.parallel import map_threads

Name = TypeVar("Name")
Result = TypeVar("Result")
AT_ONCE = 4
"""Targets transferred at a time; an engine moves several layers of each."""


def transfer(
    verb: str,
    works: Mapping[Name, Callable[[Observe], Result]],
    *,
    failed: dict[Name, Exception] | None = None,
) -> dict[Name, Result]:
    """Run transfers, some at a time, and show their progress.

    Args:
        verb: Begins the line on standard error; nothing is shown when empty.
        works: By name, what to call with an observer.
        failed: Takes the errors by name, so that the other transfers go on. A registry that did not
            answer one transfer is not waited for again by each of the others.

    Returns:
        What each returned, by name; those that failed are left out.

    Raises:
        Exception: The first error, where `failed` is None; transfers that were running were
            finished.
    """
    if not works:
        return {}
    done: dict[Name, Result] = {}
    errors: dict[Name, Exception] = {}
    unanswered: list[RegistryUnavailable] = []
    moved = dict.fromkeys(works, (0, 0))

    def run(name: Name) -> None:
        def observe(now: int, total: int) -> None:
            moved[name] = now, total

        try:
            if unanswered:
                raise unanswered[0]
            done[name] = works[name](observe)
        except (BuildError, OSError) as error:
            if failed is None:
                raise
            errors[name] = error
            if isinstance(error, RegistryUnavailable):
                unanswered.append(error)

    with _shown(verb) as show:

        def tell() -> None:
            now, total = map(sum, zip(*moved.values(), strict=True))
            show(now, total, len(done) + len(errors), len(works))

        map_threads(run, works, threads=AT_ONCE, tick=tell)
        tell()
    if failed is not None:
        failed.update({name: errors[name] for name in works if name in errors})
    return {name: done[name] for name in works if name in done}


def _shown(verb: str) -> AbstractContextManager[Observer]:
    if not verb:
        return nullcontext(lambda *_: None)
    from buildlib.outside.fetch.progress import progress_for

    return progress_for(sys.stderr, verb=verb, things="targets")


def find(store: SharedStore, view: View, labels: Iterable[Label]) -> dict[Label, Entry]:
    """Return the entries that a store has for some targets at their present keys."""
    records = {label: view.keys.record(Reference(label)) for label in labels}
    entries = store.find([(view.graph[label], record) for label, record in records.items()])
    return {
        label: entries[record.key] for label, record in records.items() if record.key in entries
    }


def built_targets(
    view: View, records: Records, labels: Iterable[Label]
) -> dict[Label, BuiltTarget]:
    """Return what was built of some targets, to be published.

    Keys and records are read now, and not in the threads that publish: files may change.
    """
    built = {}
    for label in labels:
        record, closure = view.keys.record(Reference(label)), view.keys.closure(Reference(label))
        kept = records.get(record.key)
        built[label] = BuiltTarget(
            view.graph[label], record, kept.output if kept else Output(), closure
        )
    return built


def publish(
    store: SharedStore,
    built: Mapping[Label, BuiltTarget],
    engine: Engine,
    *,
    verb: str = "",
    failed: dict[Label, Exception] | None = None,
) -> dict[Label, Entry]:
    """Publish what was built of some targets; `verb` and `failed` are those of `transfer`.

    Returns:
        The entries that count; the first writer wins, so another build may have made them.
    """
    works = {label: partial(store.writer.publish, each, engine) for label, each in built.items()}
    return transfer(verb, works, failed=failed)


def pull(
    store: SharedStore,
    entries: Mapping[Name, Entry],
    engine: Engine,
    *,
    verb: str = "",
    adopt: Callable[[Name, Callable[[], object]], object] | None = None,
    failed: dict[Name, Exception] | None = None,
) -> list[Name]:
    """Pull some entries of `find`; `verb` and `failed` are those of `transfer`.

    `adopt` is called for each with its name and the function that pulls it: it may skip what is no
    longer needed, and name what came (`Executor.adopt`).

    Returns:
        The names of those that came.
    """

    def bring(name: Name, observe: Observe) -> object:
        pull_one = partial(store.pull, entries[name], engine, observe)
        return adopt(name, pull_one) if adopt else pull_one()

    works = {name: partial(bring, name) for name in entries}
    return [*transfer(verb, works, failed=failed)]
