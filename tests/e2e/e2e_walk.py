"""A family of one package whose sources are edited at random: files in every role they can have.

    base    FROM scratch: files by path
    top     on base: files by path and by label, and what each kind of made file is

A file below `mix/src` is taken by any of the targets, by path or by label, and changes sides.
Each image copies all that was staged for it, so that nothing of its stage stays unseen.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from e2e_process import Family
from e2e_sample import ROOT, pyproject

from tests.unit.fetch_server import Server

PACKAGE = "mix"
IMAGES = ("base", "top")

COLLIDING = (
    ("content 0001546\n", "content 0003695\n"),
    ("content 0004560\n", "content 0057185\n"),
    ("content 0039735\n", "content 0078401\n"),
    ("content 0009542\n", "content 0097520\n"),
    # The third has the nanosecond beside that of the other two.
    ("content 0532620\n", "content 1547650\n", "content 0609858\n"),
    ("content 1240550\n", "content 1587452\n", "content 0207361\n"),
    ("content 0183235\n", "content 0216512\n", "content 1964717\n"),
)
"""Of one size, and of the same modification time where they are staged: see `stamp_ns`."""

CONTENTS = ("", "one\n", "two\n", "six\n", "longer than the others\n", "#!/bin/sh\n",
            *(text for texts in COLLIDING[:2] for text in texts))  # fmt: skip
"""Few, so that sources come back to what they were."""

OUTSIDE = (*COLLIDING[0], "from outside\n")
"""What is downloaded: the lock names one of them."""

MODES = (0o644, 0o755, 0o600, 0o700, 0o664)
LINKS = ("b", "../tool", "nowhere", "/etc/motd")

FIXED = ("tool", "shared.txt")
"""Files that are always there: some target needs them."""
FREE = ("src/a", "src/a/in", "src/b", "src/b/in/deep", "src/c", "src/d", "src/deep/e", "src/deep/f")
"""Files that come and go. Some are folders of others: one gives way to the other."""

ROLES = ("base", "tree", "pack", "zip", "spec")
HOW = ("path", "label", "")
"""How `top` takes a file."""

DECLARED = """\
from buildlib.rules import (
    container_files, docker_image, download, filegroup, kernelspec, rendered, tarball, zip_file,
)

filegroup(name="group", srcs=["shared.txt"] + {label})
download(name="outside", urls=["{url}"])
tarball(
    name="pack",
    parts={{"all": {{path: path for path in ["shared.txt"] + {pack}}}}},
    executables={executables},
    prefix="opt/pack",
    archive="walk_pack",
)
zip_file(name="zipped", members={{path: path for path in ["shared.txt"] + {zip}}})
kernelspec(
    name="spec",
    display_name="Spec",
    language="any",
    process_proxy="docker_swarm.DockerSwarmProcessProxy",
    argv=["run", "{{kernel_id}}"],
    image=":base",
    resources={{**{{"own/" + path: path for path in {spec}}}, "group/": ":group"}},
)
container_files(
    name="made", outputs=["tool", "tree/"], dockerfile="made.Dockerfile", srcs=["tool"] + {tree}
)
rendered(name="text", template="text.in", out="text", values={{"WORD": "{word}"}})
docker_image(name="base", dockerfile="base.Dockerfile", srcs=["shared.txt"] + {base})
docker_image(
    name="top",
    parent=":base",
    dockerfile="top.Dockerfile",
    srcs={path} + [":group", ":outside", ":pack", ":zipped", ":spec", ":made", ":text"],
    build_args={{"GREETING": "{greeting}"}},
)
"""
DOCKERFILES = {
    "base": "FROM scratch\nENV BASE={env} WALK={token}\nCOPY . /base/\n",
    "made": "FROM scratch\nCOPY tool /tool\nCOPY . /tree/\n",
    "top": """\
ARG BASE_CONTAINER
FROM ${{BASE_CONTAINER}}
ARG GREETING
LABEL greeting=${{GREETING}}
CMD ["{cmd}"]
COPY . /top/
ADD pack.tar /
""",
}
BREAKS = 'RUN ["/there-is-no-such-program"]\n'

CHOICES = {
    "env": ("1", "2"),
    "cmd": ("run", "start"),
    "greeting": ("hello", "good day"),
    "word": [text.split()[1] for text in COLLIDING[0]],
    "template": ("content @WORD@\n", "word @WORD@\n"),
    "outside": range(len(OUTSIDE)),
    "executable": (False, True),
}
"""What is written into the declarations and Dockerfiles."""


class Sources:
    """The sources of a family, and what may happen to them.

    Args:
        family: Its folder is new.
        server: Serves what is fetched from outside.
        chance: Where all that is random comes from.
    """

    def __init__(self, family: Family, server: Server, chance: random.Random) -> None:
        self.family = family
        self.chance = chance
        self._server = server
        self._choice = {name: states[0] for name, states in CHOICES.items()}
        # No image of another walk has the same ID: it would be gone with that one's names.
        self._choice["token"] = secrets.token_hex(4)
        self._roles = {name: self._some_roles() for name in FREE}
        self._how = {name: chance.choice(HOW) for name in FREE}
        self._next: list[Callable[[], str]] = []
        self.broken = ""
        """The Dockerfile that does not build, for one round."""
        for number, text in enumerate(OUTSIDE):
            server.add(f"/{number}/outside.txt", text.encode())
        for name in (*FIXED, "src/a", "src/c", "src/deep/e"):
            self._put(name, chance.choice(CONTENTS))
        family.write("VERSION", "1.0.0.dev0\n")
        family.write("pyproject.toml", pyproject(family.organization))
        shutil.copy(ROOT / "dodo.py", family.root / "dodo.py")
        self._declare()

    @property
    def outside(self) -> str:
        """The sha256 of what is downloaded."""
        return hashlib.sha256(OUTSIDE[self._choice["outside"]].encode()).hexdigest()

    def edit(self, edits: Sequence[Edit] = ()) -> str:
        """Do what is random to some of the sources, or to what is remembered of them; told.

        Args:
            edits: What may be done; anything if empty.
        """
        self.broken = ""
        later, self._next = self._next, []
        done = [do() for do in later]
        chosen = self.chance.choices(edits or EDITS, k=self.chance.randint(1, 2))
        done += [edit(self) for edit in chosen]
        self._declare()
        return ", ".join(done)

    def move(self, places: int = 3) -> str:
        """Move the workspace to one of some places, new or old: folders are others there; told."""
        new = self.family.folder / f"workspace-{self.chance.randrange(places)}"
        self.family.root = self.family.root.rename(new)
        return f"mv {new.name}"

    def make_stale(self) -> str:
        """Change the Dockerfile of `top`: all that it takes is read anew; told."""
        self._choice["cmd"] = "start" if self._choice["cmd"] == "run" else "run"
        self._declare()
        return f"cmd is {self._choice['cmd']}"

    # -- what happens to sources

    def _write(self) -> str:
        return self._put(self._any_file(), self.chance.choice(CONTENTS))

    def _add(self) -> str:
        return self._put(self.chance.choice(FREE), self.chance.choice(CONTENTS))

    def _collide(self) -> str:
        """A content now, and what can be taken for it the next time."""
        name = self._any_file()
        contents = list(self.chance.choice(COLLIDING))
        if self.chance.random() < 0.5:
            contents.reverse()
        mode = self._path(name).stat().st_mode

        def follow() -> str:
            told = self._put(name, contents.pop())
            self._path(name).chmod(mode)
            if contents:
                self._next.append(follow)
            return f"{told}, {self._forget()}" if self.chance.random() < 0.3 else told

        return follow()

    def _chmod(self) -> str:
        name, mode = self._any_file(), self.chance.choice(MODES)
        self._path(name).chmod(mode)
        return f"chmod {mode:o} {name}"

    def _rename(self) -> str:
        name, other = self._any_free(), self.chance.choice(FREE)
        self._bring(self._path(name).replace(self._path("aside")), other)
        return f"mv {name} {other}"

    def _swap(self) -> str:
        one, other = self._any_file(), self._any_file()
        aside = self._path("aside")
        self._path(one).replace(aside)
        if one != other:
            self._path(other).replace(self._path(one))
        aside.replace(self._path(other))
        return f"swap {one} and {other}"

    def _copy(self) -> str:
        """The same content, mode and time under another name."""
        name, other = self._any_file(), self.chance.choice(FREE)
        self._bring(shutil.copy2(self._path(name), self._path("aside")), other)
        return f"cp -p {name} {other}"

    def _link(self) -> str:
        name, target = self.chance.choice(FREE), self.chance.choice(LINKS)
        self._make_room(name)
        self._path(name).symlink_to(target)
        return f"ln -s {target} {name}"

    def _delete(self) -> str:
        name = self._any_free()
        self._path(name).unlink()
        return f"rm {name}"

    def _change_sides(self) -> str:
        name = self._any_free()
        self._how[name] = self.chance.choice(HOW)
        return f"{name} by {self._how[name] or 'nothing'}"

    def _change_roles(self) -> str:
        name = self._any_free()
        self._roles[name] = self._some_roles()
        return f"{name} for {', '.join(self._roles[name]) or 'nobody'}"

    def _choose(self) -> str:
        name = self.chance.choice(list(CHOICES))
        self._choice[name] = self.chance.choice(CHOICES[name])
        return f"{name} is {self._choice[name]}"

    def _touch(self) -> str:
        for path in self.family.root.rglob("*"):
            if path.is_file() and not path.is_symlink() and ".buildlib" not in path.parts:
                path.touch()
        return "touch all"

    # -- what happens to what is remembered

    def _forget(self) -> str:
        """Less is remembered than the engine does, of folders of the same path."""
        root, name = self.family.root, self.chance.choice((".buildlib/stage", ".buildlib", ""))
        if name:
            shutil.rmtree(root / name, ignore_errors=True)
            return f"rm -r {name}"
        clone = self.family.clone("clone")
        shutil.rmtree(root)
        clone.root.rename(root)
        shutil.rmtree(clone.folder)
        return "a new clone at the same path"

    def _spoil_export(self) -> str:
        exports = [*self.family.path("dist").glob("*"), self.family.path(f"{PACKAGE}/text")]
        path = self.chance.choice(exports)
        if not path.exists():
            return "no export to spoil"
        before = path.stat()
        if self.chance.random() < 0.5:
            path.unlink()
            return f"rm {path.name}"
        path.write_bytes(path.read_bytes()[: before.st_size // 2])
        os.utime(path, ns=(before.st_mtime_ns,) * 2)
        return f"cut {path.name}, of the same time"

    def _break(self) -> str:
        self.broken = self.chance.choice(list(DOCKERFILES))
        return f"break {self.broken}.Dockerfile"

    # -- how

    def _path(self, name: str) -> Path:
        return self.family.path(f"{PACKAGE}/{name}")

    def _there(self) -> list[str]:
        return [name for name in FREE if self._path(name).is_symlink() or self._is_file(name)]

    def _is_file(self, name: str) -> bool:
        return self._path(name).is_file() and not self._path(name).is_symlink()

    def _any_file(self) -> str:
        return self.chance.choice([name for name in (*FIXED, *FREE) if self._is_file(name)])

    def _any_free(self) -> str:
        """A file that may go; there is one when this returns."""
        there = [name for name in FREE if self._is_file(name)]
        if not there:
            self._put("src/c", "one\n")
        return self.chance.choice(there or ["src/c"])

    def _bring(self, file: Path, name: str) -> None:
        self._make_room(name)
        file.replace(self._path(name))

    def _make_room(self, name: str) -> None:
        """Let nothing be at a path, and folders above it."""
        for above in list(PurePath(name).parents)[:-1]:
            if self._path(str(above)).is_symlink() or self._is_file(str(above)):
                self._path(str(above)).unlink()
        path = self._path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)

    def _put(self, name: str, text: str) -> str:
        """Write a file: into the one that is there or beside it, with the old time or a new one."""
        path = self._path(name)
        before = path.stat() if self._is_file(name) else None
        if before is None or self.chance.random() < 0.3:
            self._make_room(name)
        path.write_text(text)
        told = f"{name} = {text!r}"
        if before and self.chance.random() < 0.5:
            path.chmod(before.st_mode)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            told += " of the same time"
        return told

    def _some_roles(self) -> list[str]:
        return [role for role in ROLES if self.chance.random() < 0.4]

    def _accepted(self, wanted: list[str], staged: list[str]) -> list[str]:
        """Without links to what is there and not taken along: a build refuses these."""
        left = wanted
        while refused := [name for name in left if not self._leads(name, [*left, *staged])]:
            left = [name for name in left if name not in refused]
        return left

    def _leads(self, name: str, taken: list[str]) -> bool:
        """Whether a path is no link, or leads to what is taken, or to what is not there."""
        passed: list[str] = []
        while self._path(name).is_symlink():
            if name in passed or name not in taken:
                return False
            passed.append(name)
            target = os.readlink(self._path(name))
            if target.startswith("/"):
                return True
            name = os.path.normpath(PurePath(name).parent / target)
        below = any(each.startswith(f"{name}/") for each in taken)
        return name in taken or below or not self._path(name).exists()

    def _declare(self) -> None:
        """Write what says who takes which file."""
        family, choice = self.family, self._choice
        files = [name for name in FREE if self._is_file(name)]
        lists = {
            role: [name for name in files if role in self._roles[name]]
            for role in ("pack", "zip", "spec")
        }
        for role, always in (("base", "shared.txt"), ("tree", "tool")):
            wanted = [name for name in self._there() if role in self._roles[name]]
            lists[role] = self._accepted(wanted, [always])
        lists["label"] = [name for name in files if self._how[name] == "label"]
        by_path = [name for name in self._there() if self._how[name]]
        by_path = [name for name in by_path if name not in lists["label"]]
        lists["path"] = self._accepted(by_path, ["shared.txt", *lists["label"]])
        lists["executables"] = lists["pack"] if choice["executable"] else []
        url = f"{self._server.url}/{choice['outside']}/outside.txt"
        declared = DECLARED.format(**lists, **choice, url=url)
        self._path("text.in").parent.mkdir(exist_ok=True)
        self._path("text.in").write_text(choice["template"])
        self._path("BUILD.py").write_text(declared)
        for name, text in DOCKERFILES.items():
            broken = BREAKS if name == self.broken else ""
            self._path(f"{name}.Dockerfile").write_text(text.format(**choice) + broken)
        size = len(OUTSIDE[choice["outside"]])
        family.write(
            "images.lock",
            f'schema = 1\n\n[download."//{PACKAGE}:outside"]\nasked = ["{url}"]\n\n'
            f'[download."//{PACKAGE}:outside".items]\n'
            f'"outside.txt" = "- {self.outside} {size} {url}"\n',
        )


Edit = Callable[[Sources], str]
PLAIN: list[Edit] = [Sources._write, Sources._add, Sources._chmod, Sources._copy, Sources._delete,
                     Sources._change_sides, Sources._change_roles, Sources._choose,
                     Sources._spoil_export]  # fmt: skip
EDITS: list[Edit] = [
    *[Sources._collide, Sources._write, Sources._add, Sources._chmod] * 3,
    *[Sources._rename, Sources._swap, Sources._copy, Sources._link, Sources._delete] * 2,
    *[Sources._change_sides, Sources._change_roles, Sources._choose] * 2,
    Sources._touch, Sources._forget, Sources.move, Sources._spoil_export, Sources._break,
]  # fmt: skip
"""What happens, each as often as it is likely."""
