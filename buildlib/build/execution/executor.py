"""Building one target: wait for whoever builds the same, act, record, name.

The order is what makes a build safe to kill at any point: the action's result is complete before
the record is written, the record before the tag that people use. What is killed in between is
found again, or made again, by the next run.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from buildlib.build.execution.context import ActionContext
from buildlib.core.graph.graph import VERIFY
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Output
from buildlib.core.model.target import Target, image_name
from buildlib.core.plan.plan import BUILD, unnamed
from buildlib.core.store import names
from buildlib.core.store.content import stamp_ns
from buildlib.core.store.names import DEV
from buildlib.core.store.state import flat
from buildlib.errors import ActionError

if TYPE_CHECKING:
    from buildlib.build.execution.timeline import Span, SpanRecorder
    from buildlib.build.workspace import Workspace
    from buildlib.core.rules.context import Context

Say = Callable[[str], None]
_SHOWN = 60
"""Characters of an instruction that are shown while it is carried out."""


class Executor:
    """Builds targets of one workspace.

    Args:
        workspace: The workspace.
        say: Takes lines for the person who waits.
        verbose: Also say what the builder says.
    """

    def __init__(self, workspace: Workspace, *, say: Say, verbose: bool = False) -> None:
        self._workspace = workspace
        self._say = say
        self._verbose = verbose
        self.spans: list[Span] = []
        """The targets that were made, with their times."""
        self._begin = time.monotonic()
        self._noted: set[str] = set()
        """Keys of which it is noted what they are made of, with all below."""
        self.doing: dict[Label, str] = {}
        """The step that the builder of each running target is at, as it says itself."""

    def execute(self, label: Label, *, force: bool = False) -> bool:
        """Bring one target up to date; what it depends on must be.

        Args:
            label: The target.
            force: Build it even if it is fresh, and from its sources: no cache answers.

        Returns:
            Whether anything was built (and not just named again).

        Raises:
            ActionError: It cannot be built; nothing was recorded.
        """
        workspace = self._workspace
        target = workspace.graph[label]
        key = workspace.keys.key(Reference(label))
        with self._exclusive(label, key), _system_errors(label):
            built = workspace.step(label, force=force).action == BUILD
            if built:
                if target.rule.verb == VERIFY:  # a proof that fails now is no proof any more
                    workspace.records.remove(key)
                self._build(target, rebuild=force or workspace.records.is_forgotten(key))
            self._name(target, key)
        return built

    def adopt(self, label: Label, bring: Callable[[], object]) -> None:
        """Take a target that was built elsewhere, unless it was made here meanwhile.

        Args:
            label: The target.
            bring: Brings it, and records it.

        Raises:
            ActionError: It cannot be brought, or not be named.
        """
        workspace = self._workspace
        key = workspace.keys.key(Reference(label))
        with self._exclusive(label, key), _system_errors(label):
            step = workspace.step(label)
            if step.action == BUILD:
                bring()
                step = workspace.step(label)
            if step.action == BUILD:
                raise ActionError(
                    f"what was brought of {label} is not what its rule makes: {step.reason}",
                    fix=f"./doitw {workspace.graph[label].rule.verb} {label}",
                )
            self._name(workspace.graph[label], key)

    def forget(self, labels: Iterable[Label]) -> None:
        """See to it that targets and their parts are made again from their sources."""
        workspace = self._workspace
        wanted = {label: {Reference(label): None} for label in labels}
        for target in workspace.graph.targets.values():
            for dep in target.deps:
                if dep.ref.label in wanted:
                    wanted[dep.ref.label][dep.ref] = None
        keys = {  # all, before the first is forgotten: one that there is not is an error
            label: [workspace.keys.key(ref) for ref in refs] for label, refs in wanted.items()
        }
        for label, (key, *of_parts) in keys.items():
            with self._exclusive(label, key):  # a build would record it
                for each in (key, *of_parts):
                    workspace.records.forget(each)

    def _name(self, target: Target, key: str) -> None:
        """Give what there is of a key the names that people use, and remember the key."""
        if target.rule.is_image:
            self._name_image(target, key)
        else:
            self._export(target, key)
        self._workspace.state.set_last_key(target.label, key)

    def note_fresh(self, label: Label) -> None:
        """Remember that a target was found up to date here, so that `why` has a past."""
        key = self._workspace.keys.key(Reference(label))
        if self._workspace.state.last_key(label) != key:
            self._workspace.state.set_last_key(label, key)
            self._put_parts(Reference(label))

    def _put_parts(self, root: Reference) -> None:
        """Keep what the keys of a target and of all below it are made of, each once."""
        for record in self._workspace.keys.closure(root, self._noted):
            self._workspace.records.put_parts(record)

    @contextlib.contextmanager
    def _exclusive(self, label: Label, key: str) -> Iterator[None]:
        """No other build touches this target's folder, nor makes the same key, meanwhile."""
        workspace = self._workspace
        with (
            _locked(workspace.state.path(f"locks/{flat(label)}"), str(label), self._say),
            _locked(f"{workspace.store.root}/locks/{key[:32]}", str(label), self._say),
        ):
            yield

    def _build(self, target: Target, *, rebuild: bool) -> None:
        from buildlib.build.execution.timeline import SpanRecorder
        from buildlib.engine.progress import Resumed, Started, instruction_of

        workspace = self._workspace
        started = time.monotonic()
        ref = Reference(target.label)
        log_path = workspace.state.path(f"logs/{flat(target.label)}.log")
        os.makedirs(os.path.dirname(log_path), exist_ok=True)
        recorder = SpanRecorder(target.label, self._begin)
        with open(log_path, "w", encoding="utf-8", errors="replace") as log_file:

            def log(line: str) -> None:
                event = recorder.feed(line)
                log_file.write(line + "\n")
                log_file.flush()
                if isinstance(event, (Started, Resumed)) and (step := instruction_of(event.name)):
                    shown = event.name[: len(event.name) - len(step) + _SHOWN]
                    self.doing[target.label] = " ".join(shown.split())
                if self._verbose:
                    self._say(line)

            try:
                context = self._context(log, recorder, no_cache=rebuild)
                output = target.rule.build(target, (), context)
            except ActionError as error:
                shown = os.path.relpath(log_path, workspace.root)
                error.detail = f"{error.detail or ''}\nall of it: {shown}".strip()
                raise
        self._put_parts(ref)
        self.spans.append(recorder.end())
        seconds = time.monotonic() - started
        workspace.records.put(
            workspace.keys.record(ref), output, seconds, label=str(target.label), replace=rebuild
        )

    def _context(
        self, log: Say, recorder: SpanRecorder | None, *, no_cache: bool = False
    ) -> Context:
        workspace = self._workspace

        def output_of(ref: Reference) -> Output:
            return self._output(ref, log, recorder)

        return ActionContext(
            workspace.view,
            root=workspace.root,
            store=workspace.store,
            records=workspace.records,
            state=workspace.state,
            engine=lambda: workspace.engine,
            builder=lambda: workspace.builder,
            grants=workspace.grants,
            fetch=workspace.fetch,
            output_of=output_of,
            log=log,
            waited=recorder.waited if recorder else lambda _: None,
            no_cache=no_cache,
        )

    def _output(self, ref: Reference, log: Say, recorder: SpanRecorder | None) -> Output:
        """What a dependency came out as.

        Whole targets have a record; groups of files and parts of archives are put together here,
        since that takes no engine and next to no time.
        """
        workspace = self._workspace
        target = workspace.graph[ref.label]
        record = workspace.records.get(workspace.keys.key(ref))
        if (
            record is not None
            and not unnamed(target, workspace.graph, record)
            and not workspace.damaged(record, ref)
        ):
            return record.output
        if not target.rule.is_built or ref.parts:
            output = target.rule.build(target, ref.parts, self._context(log, recorder))
            workspace.records.put(workspace.keys.record(ref), output, 0.0, label=str(ref))
            return output
        raise ActionError(f"{ref} is needed and was not built", fix=f"./doitw build {ref.label}")

    def _name_image(self, target: Target, key: str) -> None:
        """Give the image of a key its content tag, then the tag that people use."""
        workspace = self._workspace
        record = workspace.records.get(key)
        name = image_name(target)
        content = names.content_tag(workspace.settings, name, key)
        # The tags of a release are set together, at its end; `dev` is not what it is made of.
        people = (
            names.names_of(workspace.settings, name, target.tags, DEV)
            if workspace.channel == DEV
            else []
        )
        images = record.images if record else ()
        there = workspace.engine.inspect([content, *people, *images])
        image = next((image for image in images if there.get(image) is not None), None)
        if image is None:
            raise ActionError(
                f"the image of {target.label} is gone again", fix=f"./doitw build {target.label}"
            )
        for reference in (content, *people):
            tagged = there.get(reference)
            if tagged is None or tagged.id != image:
                workspace.engine.tag(image, reference)

    def _export(self, target: Target, key: str) -> None:
        """Write the file that a person finds in the workspace, whole or not at all."""
        workspace = self._workspace
        export = workspace.export(target)
        record = workspace.records.get(key)
        if export is None or record is None:
            return
        path, made = export.path, record.files[export.file]
        if workspace.state.is_exported(path, made.sha256):
            return
        stored = workspace.store.require(made.sha256, what=f"{export.file} of {target.label}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = workspace.state.path(f"export-{flat(target.label)}.{os.getpid()}")
        with (
            open(stored, "rb") as kept,
            open(temporary, "wb") as out,
        ):
            if path.endswith(".gz"):
                from buildlib.core.pack.compress import compress

                compress(kept, out)
            else:
                import shutil

                shutil.copyfileobj(kept, out)
        os.utime(temporary, ns=(stamp_ns(made.sha256),) * 2)
        os.replace(temporary, path)
        workspace.state.note_export(path, made.sha256)


@contextlib.contextmanager
def _system_errors(label: Label) -> Iterator[None]:
    """Turn an error of the system, such as a full disk, into one that names target and file."""
    try:
        yield
    except OSError as error:
        raise ActionError(
            f"{label}: {error.strerror or error}: {error.filename or 'an unnamed file'}",
            fix="df -h . ~/.cache  # is there space, and may you write there?",
        ) from error


@contextlib.contextmanager
def _locked(path: str, what: str, say: Say) -> Iterator[None]:
    """Hold a lock that the kernel takes back when the process ends, however it ends."""
    import fcntl

    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "another"
            say(f"{what}: waiting for process {owner}, which builds it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
