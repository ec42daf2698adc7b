"""A shared store in memory, for builds that pull and publish: what they ask, and when.

shelf = Shelf()                              # the registry
shop.shelf = shelf                           # each machine asks it in its own name
shelf.down = True                            # it does not answer
shelf.fails.add("//images/a")                # that target can be neither pulled nor published
shelf.asked, shelf.pulled, shelf.published   # labels, in the order of the questions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from buildlib.build.sharing.entry import Entry
from buildlib.build.sharing.entry_writer import BuiltTarget
from buildlib.build.workspace import Workspace
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.output import Output
from buildlib.core.model.target import Target, image_name
from buildlib.core.store import names
from buildlib.engine.protocol import Engine
from buildlib.engine.transfer import Observe
from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import RegistryUnavailable
from tests.fakes.engine import FakeEngine

SIZE = 2_500_000


class Shelf:
    """What all machines see."""

    def __init__(self) -> None:
        self.down = False
        self.refuses = False
        self.fails: set[str] = set()
        self.invalid: set[str] = set()
        self.now = 1_700_000_000
        self.asked: list[str] = []
        self.read_only = False
        self.pulled: list[str] = []
        self.published: list[str] = []
        self.entries: dict[str, Entry] = {}
        self.files: dict[str, bytes] = {}

    def keys_of(self, label: str) -> list[str]:
        """The keys that a target has entries of."""
        return [entry.key for entry in self.entries.values() if entry.label == label]


class FakeLine:
    """As much of a `Registry` as a build asks by itself."""

    def __init__(self, shelf: Shelf, registry: str) -> None:
        self._shelf = shelf
        self._registry = registry

    def ping(self) -> None:
        if self._shelf.down:
            raise RegistryUnavailable(f"{self._registry} does not answer", fix="try again")


class FakeShared:
    """A `SharedStore` of one machine.

    Args:
        shelf: What all machines see.
        workspace: The machine's.
        registry: What the registry is called.
        warn: Takes warnings.
    """

    def __init__(
        self, shelf: Shelf, workspace: Workspace, registry: str, warn: Callable[[str], None]
    ) -> None:
        self._shelf = shelf
        self._workspace = workspace
        self._registry = registry
        self._warn = warn
        self.is_down = False
        self.reader = self.writer = self

    def find(self, wanted: Sequence[tuple[Target, KeyRecord]]) -> dict[str, Entry]:
        if self.is_down:
            return {}
        self._shelf.asked += [str(target.label) for target, _ in wanted]
        if self._shelf.refuses:
            raise ActionError(f"{self._registry} does not let you in", fix="docker login")
        if self._shelf.down:
            self.is_down = True
            self._warn(f"warning: {self._registry} does not answer; going on without it")
            return {}
        found = {}
        for target, record in wanted:
            if str(target.label) in self._shelf.invalid:
                self._warn(f"warning: {target.label} in {self._registry} is not used: poison")
            elif record.key in self._shelf.entries:
                found[record.key] = self._shelf.entries[record.key]
        return found

    def try_writing(self) -> None:
        self._answer("")
        self._refuse()

    def _refuse(self) -> None:
        if self._shelf.read_only:
            raise ActionError(f"{self._registry} takes nothing from you", fix="docker login")

    def history(self, target: Target, *, limit: int = 50) -> list[Entry]:
        self._answer(str(target.label))
        ours = [x for x in self._shelf.entries.values() if x.label == str(target.label)]
        return sorted(ours, key=lambda entry: -entry.pushed)[:limit]

    def pull(self, entry: Entry, engine: Engine, observe: Observe) -> Output:
        self._shelf.pulled.append(entry.label)
        self._answer(entry.label)
        observe(entry.size, entry.size)
        output = Output(entry.image_id, entry.files)
        if entry.image_id:
            assert isinstance(engine, FakeEngine)
            engine.put(entry.image_id, entry.size, entry.platform)
            engine.tag(entry.image_id, f"{entry.repository}:key-{entry.key[:32]}")
        for made in entry.files.values():
            self._workspace.store.add_bytes(self._shelf.files[made.sha256])
        for record in entry.records.values():
            self._workspace.records.put_parts(record)
        own = entry.records[entry.key]
        self._workspace.records.put(own, output, entry.seconds, label=entry.label)
        return output

    def publish(self, built: BuiltTarget, engine: Engine, observe: Observe) -> Entry:
        target, record, output, closure = built
        label = str(target.label)
        self._answer(label)
        self._refuse()
        there = self._shelf.entries.get(record.key)
        if there is not None and label not in self._shelf.invalid:
            return there
        self._shelf.published.append(label)
        self._shelf.invalid.discard(label)
        for made in output.files.values():
            path = Path(self._workspace.store.path(made.sha256))
            self._shelf.files[made.sha256] = path.read_bytes()
        kept = self._workspace.records.get(record.key)
        observe(SIZE, SIZE)
        entry = Entry(
            label=label,
            key=record.key,
            image_id=output.image,
            digest="sha256:" + record.key,
            size=SIZE,
            files=output.files,
            pushed=self._shelf.now,
            seconds=kept.seconds if kept else 0.0,
            platform="linux/amd64",
            repository=names.repository(self._workspace.settings, image_name(target)),
            records={each.key: each for each in closure},
        )
        self._shelf.entries[record.key] = entry
        return entry

    def _answer(self, label: str) -> None:
        if self._shelf.down:
            raise RegistryUnavailable(f"{self._registry} does not answer", fix="try again")
        if label in self._shelf.fails:
            raise ActionError(f"{self._registry} cut the line", fix="try again")
