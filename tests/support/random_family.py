"""Random families of targets, and random edits of them: what questions about two trees are held to.

    made = RandomFamily(WorkspaceBuilder(tmp_path), Random(7))
    made.write()
    print(made.edit())     # what was done: "p3: content of a"

A package holds one target: a group of files, an image, an archive with two parts, a download, or a
kernelspec that names an image. Each takes some of those before it.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from buildlib.core.model.lock import Entry, Item
from tests.support.workspace import WorkspaceBuilder, digest

KINDS = ("filegroup", "docker_image", "tarball", "download", "kernelspec")
CONTENTS = ("", "one\n", "two\n", "three\n")
NAMES = ("a", "b", "c", "d/e")


class _Node(NamedTuple):
    """One package as it is to be written."""

    kind: str
    files: dict[str, tuple[str, int]]
    takes: list[str]
    note: list[str]


class RandomFamily:
    """See the module.

    Args:
        made: Where it is written.
        random: Decides all.
        size: How many packages.
    """

    def __init__(self, made: WorkspaceBuilder, random: Random, size: int = 9) -> None:
        self._made = made
        self._random = random
        self._nodes: dict[str, _Node] = {}
        self._next = 0
        self._version = 0
        self._organization = 0
        for _ in range(size):
            self._add()

    # -- edits -----------------------------------------------------------------------------------

    def edit(self) -> str:
        """Change something, and write it; what it was."""
        edits = (
            self._content, self._content, self._content, self._mode, self._new_file, self._rename,
            self._delete, self._take, self._leave, self._add, self._remove, self._comment,
            self._attribute, self._pin, self._set_version, self._set_organization, self._touch,
        )  # fmt: skip
        done = ""
        while not done:
            done = self._random.choice(edits)()
        self.write()
        return done

    def _content(self) -> str:
        name, file = self._file()
        if not file:
            return ""
        files = self._nodes[name].files
        files[file] = (self._random.choice(CONTENTS), files[file][1])
        return f"{name}: content of {file}"

    def _mode(self) -> str:
        name, file = self._file()
        if not file:
            return ""
        files = self._nodes[name].files
        files[file] = (files[file][0], self._random.choice((0o644, 0o755)))
        return f"{name}: mode of {file}"

    def _new_file(self) -> str:
        name, node = self._node()
        file = self._random.choice(NAMES)
        if file in node.files or node.kind == "download":
            return ""
        node.files[file] = (self._random.choice(CONTENTS), 0o644)
        return f"{name}: new file {file}"

    def _rename(self) -> str:
        name, file = self._file()
        other = self._random.choice(NAMES)
        if not file or other in self._nodes[name].files:
            return ""
        self._nodes[name].files[other] = self._nodes[name].files.pop(file)
        return f"{name}: {file} renamed to {other}"

    def _delete(self) -> str:
        name, file = self._file()
        if len(self._nodes[name].files) < 2:
            return ""
        self._nodes[name].files.pop(file)
        return f"{name}: {file} deleted"

    def _take(self) -> str:
        name, node = self._node()
        before = list(self._nodes)[: list(self._nodes).index(name)]
        new = [other for other in before if other not in node.takes]
        if not new:
            return ""
        node.takes.append(self._random.choice(new))
        return f"{name}: takes {node.takes[-1]}"

    def _leave(self) -> str:
        name, node = self._node()
        if not node.takes:
            return ""
        return f"{name}: leaves {node.takes.pop()}"

    def _add(self) -> str:
        name = f"p{self._next}"
        kind = self._random.choice(KINDS)
        count = self._random.randint(0, min(2, len(self._nodes)))
        takes = self._random.sample(sorted(self._nodes), count)
        self._nodes[name] = _Node(kind, {"a": ("", 0o644)}, takes, [""])
        self._next += 1
        return f"{name}: new {kind}"

    def _remove(self) -> str:
        name, _ = self._node()
        if any(name in node.takes for node in self._nodes.values()) or len(self._nodes) < 4:
            return ""
        del self._nodes[name]
        self._made.remove(name)
        return f"{name}: removed"

    def _comment(self) -> str:
        name, node = self._node()
        node.note[0] = f"# note {self._random.randint(0, 9)}"
        return f"{name}: comment in BUILD.py"

    def _attribute(self) -> str:
        name, node = self._node()
        node.note[1:] = [str(self._random.randint(0, 2))]
        return f"{name}: attribute"

    def _pin(self) -> str:
        name, node = self._node()
        if node.kind != "download":
            return ""
        node.files["a"] = (self._random.choice(CONTENTS), 0o644)
        return f"{name}: pin"

    def _set_version(self) -> str:
        self._version = self._random.randint(0, 2)
        return "VERSION"

    def _set_organization(self) -> str:
        self._organization = self._random.randint(0, 1)
        return "organization"

    def _touch(self) -> str:
        return "nothing but times"

    def _node(self) -> tuple[str, _Node]:
        name = self._random.choice(list(self._nodes))
        return name, self._nodes[name]

    def _file(self) -> tuple[str, str]:
        name, node = self._node()
        if node.kind == "download":
            return name, ""
        return name, self._random.choice(list(node.files))

    # -- writing ---------------------------------------------------------------------------------

    def write(self) -> None:
        """Write all of it."""
        made = self._made
        made.file("VERSION", f"2.5.0.dev{self._version}\n")
        made.setting("organization", f"org{self._organization}")
        pins = {}
        for name, node in self._nodes.items():
            if (made.root / name).exists():
                made.remove(name)
            if node.kind == "download":
                text = node.files["a"][0]
                url = f"https://example.org/{name}"
                item = Item("1", digest(text), len(text), url)
                pins[f"//{name}"] = Entry((url,), {"item": item})
            else:
                for file, (content, mode) in node.files.items():
                    made.file(f"{name}/src/{file}", content, mode=mode)
            made.build(name, node.note[0], getattr(self, f"_{node.kind}")(name, node))
        made.lock({"download": pins})

    def _of_kind(self, node: _Node, *kinds: str) -> list[str]:
        """What a target takes of some kinds; an archive by one of its parts."""
        found = []
        for other in node.takes:
            kind = self._nodes[other].kind
            if kind in kinds:
                part = f"[{'xy'[len(node.files) % 2]}]" if kind == "tarball" else ""
                found.append(f"//{other}{part}")
        return found

    def _filegroup(self, name: str, node: _Node) -> str:
        labels = self._of_kind(node, "filegroup")
        doc = f'doc="{node.note[-1]}"' if len(node.note) > 1 else 'doc="some files"'
        return f'filegroup(name="{name}", srcs=glob(["src/**"]) + {labels!r}, {doc})'

    def _docker_image(self, name: str, node: _Node) -> str:
        parents = self._of_kind(node, "docker_image")[:1]
        files = self._of_kind(node, "filegroup", "tarball", "download")
        lines = ["ARG BASE_CONTAINER", "FROM ${BASE_CONTAINER}"] if parents else ["FROM scratch"]
        lines.append("COPY src /src")
        parent = f'parent="{parents[0]}", ' if parents else ""
        args = ""
        if len(node.note) > 1:
            args = f'build_args={{"LEVEL": "{node.note[1]}"}}, '
            lines.append("ARG LEVEL")
        self._made.file(f"{name}/Dockerfile", "\n".join(lines) + "\n")
        return f'docker_image(name="{name}", {parent}{args}srcs=glob(["src/**"]) + {files!r})'

    def _tarball(self, name: str, node: _Node) -> str:
        files = sorted(node.files)
        parts = {
            "x": {file: f"src/{file}" for file in files[::2]},
            "y": {file: f"src/{file}" for file in files[1::2]} or {"also": f"src/{files[0]}"},
        }
        for number, label in enumerate(self._of_kind(node, "filegroup")):
            parts["xy"[number % 2]][f"in{number}/"] = label
        names = f', release_names={{"{files[0]}": "{files[0]}-{{version}}"}}'
        return f'tarball(name="{name}", archive="{name}", parts={parts!r}{names})'

    def _download(self, name: str, node: _Node) -> str:
        del node
        return f'download(name="{name}", urls=["https://example.org/{name}"])'

    def _kernelspec(self, name: str, node: _Node) -> str:
        images = self._of_kind(node, "docker_image")
        image = f'image="{images[0]}", ' if images else ""
        shown = node.note[1] if len(node.note) > 1 else "Spec"
        files = {file: f"src/{file}" for file in sorted(node.files)}
        return (
            f'kernelspec(name="{name}", display_name="{shown}", language="any", {image}'
            'process_proxy="docker_swarm.DockerSwarmProcessProxy", argv=["run"],'
            f" resources={files!r})"
        )
