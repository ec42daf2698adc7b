"""`pull`: images that the registry has at the present keys, or those of a release, come here.

What is here already is not brought again. Nothing is built: what the registry lacks is told, and
is the business of `build`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import open_workspace, print_json, say, short_name, warn
from buildlib.cli.transfers import find, is_image, move, registry_of, shareable
from buildlib.cli.verb import JSON, VARIABLES, Call, Verb
from buildlib.engine.protocol import any_of
from buildlib.errors import ActionError, InputError
from buildlib.execution import signals
from buildlib.model.label import Label
from buildlib.model.version import check_release
from buildlib.plan.plan import BUILD, UNKNOWN

if TYPE_CHECKING:
    from buildlib.engine.protocol import Engine, ImageInfo
    from buildlib.engine.transfer import Observe
    from buildlib.sharing.entry import Entry
    from buildlib.sharing.released import Image
    from buildlib.sharing.shared import SharedStore
    from buildlib.workspace import Workspace


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    signals.install(workspace.save)
    pull = _release if "VERSION" in call.variables else _present
    code = pull(workspace, call)
    workspace.save()
    return code


# -- the present keys --------------------------------------------------------------------------


def _present(workspace: Workspace, call: Call) -> int:
    registry, store = registry_of(workspace, "pull")
    labels = shareable(workspace, workspace.resolve(call.words, folder=call.folder, verb="build"))
    plan = workspace.plan(labels)
    if any(step.action == UNKNOWN for step in plan.steps):
        workspace.engine.ping()  # raises, and says what is wrong
    stale = [label for label in labels if (step := plan.step(label)) and step.action == BUILD]
    found = find(workspace, store, stale)
    brought = _bring(workspace, store, found)
    absent = [
        label
        for label in stale
        # Small files are not shared: that they are not there is as it should be.
        if label not in found and (call.words or is_image(workspace, label))
    ]
    here = [label for label in labels if label not in stale]
    if call.flag("json"):
        print_json(
            {
                "schema": 1,
                "registry": registry.host,
                "pulled": [_plain(label, entry) for label, entry in brought.items()],
                "here": [str(label) for label in here],
                "absent": [str(label) for label in absent],
            }
        )
    else:
        for label, entry in brought.items():
            name = short_name(workspace, label)
            say(f"pulled  {name}  {entry.size / 1e6:.1f} MB  {entry.digest}")
        say(f"{len(brought)} pulled, {len(here)} are up to date here")
    if absent:
        shown = [short_name(workspace, label) for label in absent]
        raise ActionError(
            f"{registry.host} does not have, at the present keys: {', '.join(shown)}",
            fix=f"./doitw build {' '.join(shown)}",
        )
    return 0


def _bring(
    workspace: Workspace, store: SharedStore, found: dict[Label, Entry]
) -> dict[Label, Entry]:
    """Bring entries here, several at a time, and give images and files their names."""
    from buildlib.execution.executor import Executor

    def work(entry: Entry) -> Callable[[Observe], Any]:
        return lambda observe: store.bring(entry, workspace.engine, observe)

    executor = Executor(workspace, say=warn)
    move("pull", {label: work(entry) for label, entry in found.items()})
    for label in found:
        executor.execute(label)
    return found


def _plain(label: Label, entry: Entry) -> dict[str, Any]:
    return {
        "label": str(label),
        "key": entry.key,
        "repository": entry.repository,
        "digest": entry.digest,
        "image_id": entry.image_id,
        "size": entry.size,
    }


# -- a release -----------------------------------------------------------------------------------


def _release(workspace: Workspace, call: Call) -> int:
    """Bring the images of a release by their digests, and call them as it does."""
    from buildlib.sharing.released import images_of

    try:
        version = check_release(call.variables["VERSION"])
    except InputError as error:
        error.fix = error.fix and error.fix.replace("./doitw release", "./doitw pull")
        raise
    if call.words:
        raise InputError(
            f"a release is pulled whole, and {call.words[0]} was given",
            fix=f"./doitw pull VERSION={version}",
        )
    registry, _ = registry_of(workspace, "pull")
    images = images_of(registry, workspace.settings, version)
    engine = workspace.engine
    _refuse_taken({f"{image.repository}:{version}": image for image in images}, engine)
    missing = [image for image in images if _here(engine, image) is None]
    move("pull", {_name(image): _pulling(workspace, image) for image in missing})
    for image in images:
        here = _here(engine, image)
        assert here is not None  # noqa: S101 - it was there, or was pulled
        path = image.repository.removeprefix(f"{registry.host}/")
        for tag in image.tags:
            # `latest` may stand for a later release by now; it is not taken back.
            if tag == version or registry.head(path, tag) == image.digest:
                engine.tag(here.id, f"{image.repository}:{tag}")
    if call.flag("json"):
        rows = [{**image._asdict(), "pulled": image in missing} for image in images]
        print_json({"schema": 1, "registry": registry.host, "version": version, "images": rows})
        return 0
    for image in images:
        what = "pulled" if image in missing else "here  "
        say(f"{what}  {image.repository}:{image.tags[0]}  {image.digest}")
    say(f"{version}: {len(missing)} pulled, {len(images) - len(missing)} were here")
    return 0


def _here(engine: Engine, image: Image) -> ImageInfo | None:
    return any_of(engine, image.image_id, image.digest)


def _refuse_taken(own: Mapping[str, Image], engine: Engine) -> None:
    """Refuse to move a release's tag; nothing was pulled yet.

    Args:
        own: The tags of the release.
        engine: What has them, perhaps.

    Raises:
        ActionError: One is on another image.
    """
    for reference, taken in engine.inspect(list(own)).items():
        image = own[reference]
        if taken is not None and taken.id not in (image.image_id, image.digest):
            raise ActionError(
                f"{reference} is another image here; a release tag is never moved",
                fix=f"docker rmi {reference}  # if it is nothing that you need",
            )


def _name(image: Image) -> str:
    return f"{image.repository}@{image.digest}"


def _pulling(workspace: Workspace, image: Image) -> Callable[[Observe], None]:
    def pull(observe: Observe) -> None:
        from buildlib.engine import transfer

        (workspace.outside.carrier or transfer).pull(_name(image), observe=observe)
        if _here(workspace.engine, image) is None:
            workspace.engine.untag(_name(image))  # nobody else would remove it
            raise ActionError(
                f"{_name(image)} is not the image {image.image_id[:19]} that the release lists",
                fix=f"docker pull {_name(image)}",
            )

    return pull


VERB = Verb(
    "pull",
    "bring what the registry has: the present images, or a release",
    run,
    words="[TARGET…] [VERSION=2.5.0]",
    options=(JSON,),
    variables=VARIABLES,
)
