"""A store whose files are damaged at random between builds: nothing damaged is ever built in.

BUILDLIB_DAMAGE says how many rounds; BUILDLIB_DAMAGE_SEED repeats those that a failure has shown.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e_engine import Images
from e2e_fresh import Fresh
from e2e_process import Done, Family
from e2e_walk import IMAGES, PACKAGE, PLAIN, Sources

from tests.support.engine_names import forget
from tests.support.registry import Registry
from tests.unit.fetch_server import Server

if TYPE_CHECKING:
    import docker

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROUNDS = int(os.environ.get("BUILDLIB_DAMAGE", "8"))
SEED = os.environ.get("BUILDLIB_DAMAGE_SEED") or secrets.token_hex(4)

DAMAGED = "was damaged"
"""What is said of each file of the store that is not what its name says."""

MADE = [f"//{PACKAGE}:{name}" for name in ("pack", "zipped", "spec", "made", "text", *IMAGES)]
DIRT = b"\xff"
"""A byte that no file of the family has."""

KINDS = ("flip", "grow", "cut", "empty", "replace", "swap", "write through a link", "remove")


@pytest.fixture
def registry(tmp_path: Path, client: docker.DockerClient) -> Iterator[Registry]:
    """An empty registry, of which nothing stays in the engine."""
    folder = tmp_path / "registry"
    folder.mkdir()
    with Registry(folder) as found:
        yield found
        forget(client, f"{found.host}/")


@pytest.mark.parametrize(("seed", "rounds"), [("0", 8), (SEED, ROUNDS)], ids=["known", "random"])
def test_nothing_damaged_is_built_in_or_published_and_each_damage_is_told_once(
    tmp_path: Path, images: Images, registry: Registry, seed: str, rounds: int
) -> None:
    print(f"BUILDLIB_DAMAGE_SEED={seed}")
    chance = random.Random(seed)
    family = Family(tmp_path / secrets.token_hex(8), images.organization, "")
    wrong: list[str] = []
    known: list[str] = []
    with Server() as server:
        sources = Sources(family, server, chance)
        settings = f'registry = "{registry}"\nshare = {{default = "off", ci = "off"}}\n'
        family.replace("pyproject.toml", "[tool.buildlib]\n", f"[tool.buildlib]\n{settings}")
        images.organization = f"{registry}/{images.organization}"
        fresh = Fresh(family, images, IMAGES)
        family.build()
        store = Damaged(family, chance)
        for number in range(1, rounds + 1):
            done = [store.damage() for _ in range(chance.randint(1, 3))]
            found: list[str] = []
            said = ""
            if chance.random() < 0.3:
                done.append("fetch")
                said = family.run("fetch").text
                found += store.lacking([sources.outside])
            words = ["-a"] if chance.random() < 0.2 else []
            done += words or [
                sources.edit(PLAIN) if chance.random() < 0.5 else sources.make_stale()
            ]
            if chance.random() < 0.5:  # else what is equal by size and time is not sent again
                done.append(sources.move(places=10**6))
            before = store.when_taken()
            built = family.run("build", *words)
            if built.code:
                found.append(f"the build failed: {built.text}")
            else:
                different = fresh.differences()
                found += [line for line in different if line not in known]
                known = different
            if store.when_taken() != before:
                found += store.lacking(store.taken())
            found += store.accounted(said + built.text)
            if chance.random() < 0.3:
                done += [store.damage(), "push"]
                pushed = push(family)
                found += [f"not pushed: {pushed[-1].text}"] if pushed[-1].code else []
                found += store.accounted("".join(each.text for each in pushed))
                found += store.published(registry)
            if found:
                shown = "\n    ".join(found)
                wrong.append(f"round {number} ({', '.join(done)}):\n    {shown}")
            known = found
    assert not wrong, "\n".join(
        [f"{len(wrong)} of {rounds} rounds are wrong, BUILDLIB_DAMAGE_SEED={seed}", *wrong]
    )


def push(family: Family) -> list[Done]:
    """Publish all; what turns out to be damaged may have to be built first, and `push` says so."""
    done = [family.run("push", *MADE)]
    if done[0].code and "fix: ./doitw build" in done[0].text:
        done += [family.run("build"), family.run("push", *MADE)]
    return done


class Damaged:
    """A store, and what is damaged in it.

    Args:
        family: Whose store it is.
        chance: Where all that is random comes from.
    """

    def __init__(self, family: Family, chance: random.Random) -> None:
        self._family = family
        self._root = family.store
        self._chance = chance
        self._open: dict[str, bytes] = {}
        """By digest: what is there instead, and has not been met by a command."""
        self._dirty: set[str] = set()
        """Digests of what was never anything but damage."""

    # -- damage

    def damage(self) -> str:
        """Do something to a file or two; told."""
        kind = self._chance.choice(KINDS)
        path, other = self._any(), self._any()
        if kind == "write through a link":
            path = self._chance.choice(self._linked() or [path])
        data, before = path.read_bytes(), path.stat()
        at = self._chance.randrange(len(data) or 1)
        if kind == "remove":
            path.unlink()
        elif kind == "swap":
            aside = self._root / "aside"
            path.rename(aside)
            if path != other:
                other.rename(path)
            aside.rename(other)
        else:
            by_kind = {
                "grow": data + DIRT,
                "cut": data[:at],
                "empty": b"",
                "replace": other.read_bytes(),
            }
            path.chmod(0o644)
            path.write_bytes(by_kind.get(kind, data[:at] + DIRT + data[at + 1 :]))
            path.chmod(before.st_mode)
            if self._chance.random() < 0.8:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        for each in {path, other}:
            self._note(each)
        second = f" and {_digest(other)[:12]}" if kind == "swap" else ""
        return f"{kind} {_digest(path)[:12]}{second}"

    def _note(self, path: Path) -> None:
        self._open.pop(_digest(path), None)
        if path.exists() and not _is_right(path):
            data = self._open[_digest(path)] = path.read_bytes()
            if DIRT in data:
                self._dirty.add(hashlib.sha256(data).hexdigest())

    def _any(self) -> Path:
        """A file of the store; mostly one that `top` takes."""
        files, wanted = self._files(), self.taken()
        taken = [path for path in files if _digest(path) in wanted]
        return self._chance.choice(taken if taken and self._chance.random() < 0.8 else files)

    def _linked(self) -> list[Path]:
        """The files of the store that are written to with what is staged."""
        staged = [path.stat().st_ino for path in self._staged()]
        return [path for path in self._files() if path.stat().st_ino in staged]

    def _files(self) -> list[Path]:
        """All, in an order that names of images, which are in some, make no difference to."""
        files = (self._root / "sha256").glob("*/*")
        return sorted(files, key=lambda path: (path.stat().st_size, path))

    def _staged(self) -> list[Path]:
        """The files that `top` has taken from the store; those that are no sources."""
        there = self._family.path(f".buildlib/stage/{PACKAGE}+top").rglob("*")
        files = [path for path in there if path.is_file() and not path.is_symlink()]
        return [path for path in files if path.stat().st_mode & 0o777 in (0o444, 0o555)]

    def _path(self, digest: str) -> Path:
        return self._root / "sha256" / digest[:2] / digest[2:]

    # -- what must hold

    def taken(self) -> set[str]:
        """The digests of what `top` has taken."""
        return {hashlib.sha256(path.read_bytes()).hexdigest() for path in self._staged()}

    def when_taken(self) -> int:
        """When `top` took it: its log is of the last build that was more than a new name."""
        return self._family.path(f".buildlib/logs/{PACKAGE}+top.log").stat().st_mtime_ns

    def lacking(self, digests: Iterable[str]) -> list[str]:
        """Of some files those that the store does not have, or not as they should be."""
        return [
            f"{digest[:12]} is not right in the store"
            for digest in sorted(digests)
            if not _is_right(self._path(digest))
        ]

    def accounted(self, said: str) -> list[str]:
        """What of the damage that was met was not kept aside, or not told once."""
        met = {
            digest: data
            for digest, data in self._open.items()
            if not self._path(digest).exists() or self._path(digest).read_bytes() != data
        }
        self._open = {digest: data for digest, data in self._open.items() if digest not in met}
        aside = {path.name[:64]: path.read_bytes() for path in (self._root / "corrupt").glob("*")}
        shutil.rmtree(self._root / "corrupt", ignore_errors=True)
        found = [
            f"{digest[:12]} should be kept aside as it was found"
            for digest in sorted({*met, *aside})
            if met.get(digest) != aside.get(digest)
        ]
        told = said.count(DAMAGED)
        if told != len(met):
            found.append(f"{len(met)} damaged files were met, and {told} told")
        return found

    def published(self, registry: Registry) -> list[str]:
        """What of the damage is in the registry."""
        blobs = {path.name for path in (registry.folder / "data").glob("**/blobs/sha256/*/*")}
        assert blobs
        return [f"{digest[:12]} was published" for digest in sorted(self._dirty & blobs)]


def _digest(path: Path) -> str:
    """What a file of the store should be."""
    return path.parent.name + path.name


def _is_right(path: Path) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == _digest(path)
