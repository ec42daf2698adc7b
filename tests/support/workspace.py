"""Small workspaces on disk, written line by line by a test, with a store of their own.

    made = WorkspaceBuilder(tmp_path)
    made.file("images/a/Dockerfile", "FROM scratch").build("images/a", 'docker_image(name="a")')
    made.keys()["//images/a"]

Every question opens the workspace anew, as another run of `./doitw` would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildlib.build.workspace import Workspace
from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import resolved_on
from buildlib.core.model.label import Reference, parse_reference
from buildlib.core.model.lock import Entry, Item, Lock, dump_lock, parse_lock
from buildlib.core.view import View, view_of_commit
from buildlib.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

RULES = (
    "container_files, docker_image, download, external_image, extract, filegroup, glob,"
    " kernelspec, maven_jars, rendered, rootfs, select, setting, tarball, zip_file"
)
IMPORT = f"from buildlib.rules import {RULES}"
SETTINGS = """\
[tool.buildlib]
organization = "elyra"
registry = ""
flavour = "debian"
platform = "linux/amd64"
"""


def digest(text: str) -> str:
    """A sha256 in hex, made of a few words."""
    return sha256(text.encode()).hexdigest()


class WorkspaceBuilder:
    """A workspace that a test writes.

    Args:
        folder: Where it is made; the workspace is `folder/ws`, its store `folder/store`.
        name: Another name for the workspace's folder.
    """

    def __init__(self, folder: Path, name: str = "ws") -> None:
        self.root = folder / name
        self.store = folder / "store"
        self.root.mkdir(parents=True, exist_ok=True)
        self.file("dodo.py", "").file("VERSION", "2.5.0.dev0\n").file("pyproject.toml", SETTINGS)

    # -- writing ---------------------------------------------------------------------------------

    def file(self, path: str, text: str | bytes = "", *, mode: int = 0o644) -> Self:
        """Write a file; indented texts are dedented."""
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        data = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
        full.write_bytes(data)
        full.chmod(mode)
        return self

    def build(self, package: str, *declarations: str) -> Self:
        """Write a `BUILD.py` that imports every rule in its first line."""
        body = "\n".join(textwrap.dedent(text).strip("\n") for text in declarations)
        return self.file(f"{package}/BUILD.py" if package else "BUILD.py", f"{IMPORT}\n{body}\n")

    def image(self, package: str, arguments: str = "", dockerfile: str = "FROM scratch\n") -> Self:
        """An image with a Dockerfile, named as its folder."""
        name = package.rsplit("/", 1)[-1]
        self.file(f"{package}/Dockerfile", dockerfile)
        return self.build(package, f'docker_image(name="{name}", {arguments})')

    def link(self, path: str, target: str) -> Self:
        """Make a symlink."""
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.unlink(missing_ok=True)
        full.symlink_to(target)
        return self

    def remove(self, path: str) -> Self:
        """Remove a file or folder."""
        full = self.root / path
        if full.is_dir() and not full.is_symlink():
            shutil.rmtree(full)
        else:
            full.unlink()
        return self

    def replace(self, path: str, old: str, new: str) -> Self:
        """Replace a piece of a file that must stand there once."""
        full = self.root / path
        text = full.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        full.write_text(text.replace(old, new))
        return self

    def setting(self, name: str, value: str) -> Self:
        """Set a text of `[tool.buildlib]`."""
        path = self.root / "pyproject.toml"
        rows = path.read_text().splitlines()
        rows = [row for row in rows if not row.startswith(f"{name} =")]
        path.write_text("\n".join([*rows, f'{name} = "{value}"']) + "\n")
        return self

    def lock(self, lock: Lock) -> Self:
        """Write images.lock."""
        return self.file("images.lock", dump_lock(lock))

    def read_lock(self) -> dict[str, dict[str, Entry]]:
        """What images.lock says."""
        return parse_lock((self.root / "images.lock").read_text())

    def lock_all(self) -> Self:
        """Pin what the declarations ask for, to made-up digests that follow from the request."""
        lock: dict[str, dict[str, Entry]] = {}
        for target in self.graph().targets.values():
            for pin in target.pins:
                names = pin.asked if pin.section in ("apt", "rootfs") else ("item",)
                items = {
                    name: Item("1", digest(f"{pin.section} {pin.name} {name}"), 1, "somewhere")
                    for name in names
                }
                lock.setdefault(pin.section, {})[pin.name] = Entry(pin.asked, items)
        return self.lock(lock).stand()

    def stand(self) -> Self:
        """Let each entry say that it was resolved on what there is now, as `lock` leaves it."""
        lock, workspace = self.read_lock(), self.open()
        for target in workspace.graph.targets.values():
            for pin in target.pins:
                on = resolved_on(workspace.graph, lock, target, pin.section)
                entry = lock.get(pin.section, {}).get(pin.name)
                if on and entry:
                    stands = entry._replace(on={workspace.settings.flavour: on})
                    lock[pin.section][pin.name] = stands
        return self.lock(lock)

    # -- asking ----------------------------------------------------------------------------------

    def open(self, **how: Any) -> Workspace:
        """The workspace, as a new run sees it; `how` is as `Workspace` takes it."""
        return Workspace(str(self.root), store_root=str(self.store), **how)

    def graph(self) -> Graph:
        """Its graph, checked."""
        return self.open().graph

    def keys(self, references: Iterable[str] = ()) -> dict[str, str]:
        """The key of each target, by its short label; and of some references to parts."""
        return keys_of(self.open().view, references)

    def told(self) -> str:
        """What is wrong with the declarations or the lock: the whole message; empty for nothing."""
        try:
            self.keys()
        except InputError as error:
            return error.render()
        return ""

    def error(self) -> str:
        """What is wrong, where something must be."""
        message = self.told()
        assert message, "nothing is wrong with this workspace"
        return message

    # -- git -------------------------------------------------------------------------------------

    def git(self, *words: str) -> str:
        """Run git in the workspace, the same for whoever runs the tests."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
        }
        done = subprocess.run(
            ["git", *words], cwd=self.root, env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self) -> str:
        """Commit everything that is there; the commit's id."""
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A", "-f", ".")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def keys_of_commit(self, revision: str, references: Iterable[str] = ()) -> dict[str, str]:
        """The keys of a commit, with nothing read from the working tree."""
        with view_of_commit(str(self.root), revision) as view:
            return keys_of(view, references)


def keys_of(view: View, references: Iterable[str]) -> dict[str, str]:
    """Keys by name: of all targets, and of some references."""
    keys = view.keys
    found = {label.short: keys.key(Reference(label)) for label in view.graph.order}
    return found | {text: keys.key(parse_reference(text)) for text in references}
