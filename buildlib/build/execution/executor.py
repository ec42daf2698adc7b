"""Build one target: wait for other builds of it, act, record, name.

The order makes a build safe to kill at any point: the action's result is complete before the
record is written, and the record before the tag that people use. What a killed build left behind
is found, or made again, by the next run.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from buildlib.build.execution.action_context import ActionContext
from buildlib.core.graph.graph import VERIFY
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Output
from buildlib.core.model.target import Target, image_name
from buildlib.core.plan.plan import BUILD, missing_output
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
"""Characters of the running instruction that the status line shows."""


class Executor:
    """Builds targets of one workspace.

    Args:
        say: Takes lines for the person who waits.
        verbose: Also show the builder's output.
    """

    def __init__(self, workspace: Workspace, *, say: Say, verbose: bool = False) -> None:
        self._workspace = workspace
        self._say = say
        self._verbose = verbose
        self.spans: list[Span] = []
        """The targets that were built, with their times."""
        self._begin = time.monotonic()
        self._noted: set[str] = set()
        """Keys whose parts are recorded, with those of all keys below."""
        self.logs: dict[Label, str] = {}
        """Where the words of each target's builder are, relative to the workspace."""
        self.doing: dict[Label, str] = {}
        """The present step of each running target, in the builder's words."""

    def execute(self, label: Label, *, force: bool = False) -> bool:
        """Bring one target up to date, whose dependencies are; return whether anything was built.

        With `force` a fresh target is built too, and from its sources: no cache is used.

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

        `bring` fetches it and records it.
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
        """Make the next build make targets and their parts again, from their sources."""
        workspace = self._workspace
        references = {label: {Reference(label): None} for label in labels}
        for target in workspace.graph.targets.values():
            for dep in target.deps:
                if dep.ref.label in references:
                    references[dep.ref.label][dep.ref] = None
        keys = {  # all keys before the first is forgotten: a missing one is an error
            label: [workspace.keys.key(ref) for ref in refs] for label, refs in references.items()
        }
        for label, (key, *of_parts) in keys.items():
            with self._exclusive(label, key):  # a running build would record it again
                for each in (key, *of_parts):
                    workspace.records.forget(each)

    def _name(self, target: Target, key: str) -> None:
        """Give the result of a key the names that people use, and remember the key."""
        if target.rule.is_image:
            self._name_image(target, key)
        else:
            self._export(target, key)
        self._workspace.state.set_last_key(target.label, key)

    def note_fresh(self, label: Label) -> None:
        """Remember that a target was up to date here, so that `why` has a past to compare with."""
        key = self._workspace.keys.key(Reference(label))
        if self._workspace.state.last_key(label) != key:
            self._workspace.state.set_last_key(label, key)
            self._put_parts(Reference(label))

    def _put_parts(self, root: Reference) -> None:
        """Record the key parts of a target and of all below it, each once."""
        for record in self._workspace.keys.closure(root, self._noted):
            self._workspace.records.put_parts(record)

    @contextlib.contextmanager
    def _exclusive(self, label: Label, key: str) -> Iterator[None]:
        """Lock out other builds of this target's folder, and of the same key."""
        workspace = self._workspace
        with (
            _locked(workspace.state.path(f"locks/{flat(label)}"), str(label), self._say),
            _locked(f"{workspace.store.root}/locks/{key[:32]}", str(label), self._say),
        ):
            yield

    def _build(self, target: Target, *, rebuild: bool) -> None:
        from buildlib.build.execution.timeline import SpanRecorder
        from buildlib.engine.buildkit_output import Resumed, Started, instruction_of

        workspace = self._workspace
        started = time.monotonic()
        ref = Reference(target.label)
        log_path = workspace.state.path(f"logs/{flat(target.label)}.log")
        os.makedirs(os.path.dirname(log_path), exist_ok=True)
        self.logs[target.label] = os.path.relpath(log_path, workspace.root)
        recorder = SpanRecorder(target.label, self._begin)
        with open(log_path, "w", encoding="utf-8", errors="replace") as log_file:

            def doing(what: str) -> None:
                self.doing[target.label] = what

            def log(line: str) -> None:
                event = recorder.feed(line)
                log_file.write(line + "\n")
                log_file.flush()
                if isinstance(event, (Started, Resumed)) and (step := instruction_of(event.name)):
                    shown = event.name[: len(event.name) - len(step) + _SHOWN]
                    doing(" ".join(shown.split()))
                if self._verbose:
                    self._say(line)

            try:
                context = self._context(log, recorder, no_cache=rebuild, doing=doing)
                output = target.rule.build(target, (), context)
            except ActionError as error:
                log_shown = f"all of it: {self.logs[target.label]}"
                error.detail = f"{error.detail or ''}\n{log_shown}".strip()
                raise
        self._put_parts(ref)
        self.spans.append(recorder.end())
        seconds = time.monotonic() - started
        workspace.records.put(
            workspace.keys.record(ref), output, seconds, label=str(target.label), replace=rebuild
        )

    def _context(
        self,
        log: Say,
        recorder: SpanRecorder | None,
        *,
        no_cache: bool = False,
        doing: Say = lambda _: None,
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
            doing=doing,
        )

    def _output(self, ref: Reference, log: Say, recorder: SpanRecorder | None) -> Output:
        """Return the output of a dependency.

        A target that is built has a record. Groups of files and parts of archives are put together
        here, since that takes no engine and next to no time.
        """
        workspace = self._workspace
        target = workspace.graph[ref.label]
        record = workspace.records.get(workspace.keys.key(ref))
        if (
            record is not None
            and not missing_output(target, workspace.graph, record)
            and not workspace.damaged(record, ref)
        ):
            return record.output
        if not target.rule.is_built or ref.parts:
            output = target.rule.build(target, ref.parts, self._context(log, recorder))
            workspace.records.put(workspace.keys.record(ref), output, 0.0, label=str(ref))
            return output
        raise ActionError(f"{ref} is needed and was not built", fix=f"./doitw build {ref.label}")

    def _name_image(self, target: Target, key: str) -> None:
        """Give the image of a key its content tag, then the tags that people use."""
        workspace = self._workspace
        record = workspace.records.get(key)
        name = image_name(target)
        content = names.content_tag(workspace.settings, name, key)
        # A release sets its tags together, at its end, and its images are not `dev`.
        tags = (
            names.names_of(workspace.settings, name, target.tags, DEV)
            if workspace.channel == DEV
            else []
        )
        images = record.images if record else ()
        inspected = workspace.engine.inspect([content, *tags, *images])
        image = next((image for image in images if inspected.get(image) is not None), None)
        if image is None:
            raise ActionError(
                f"the image of {target.label} is gone again", fix=f"./doitw build {target.label}"
            )
        for reference in (content, *tags):
            tagged = inspected.get(reference)
            if tagged is None or tagged.id != image:
                workspace.engine.tag(image, reference)

    def _export(self, target: Target, key: str) -> None:
        """Write a result into the workspace for people: the whole file or nothing."""
        workspace = self._workspace
        export = workspace.export(target)
        record = workspace.records.get(key)
        if export is None or record is None:
            return
        path, file = export.path, record.files[export.file]
        if workspace.state.is_exported(path, file.sha256):
            return
        stored = workspace.store.require(file.sha256, what=f"{export.file} of {target.label}")
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
        os.utime(temporary, ns=(stamp_ns(file.sha256),) * 2)
        os.replace(temporary, path)
        workspace.state.note_export(path, file.sha256)


@contextlib.contextmanager
def _system_errors(label: Label) -> Iterator[None]:
    """Turn an `OSError`, such as a full disk, into an `ActionError` that names target and file."""
    try:
        yield
    except OSError as error:
        raise ActionError(
            f"{label}: {error.strerror or error}: {error.filename or 'an unnamed file'}",
            fix="df -h . ~/.cache  # is there space, and may you write there?",
        ) from error


@contextlib.contextmanager
def _locked(path: str, what: str, say: Say) -> Iterator[None]:
    """Hold a lock that the kernel releases when the process ends, however it ends."""
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
