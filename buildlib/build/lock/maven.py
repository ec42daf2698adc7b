"""Pins of jars: Maven says which ones, and we fetch and pin each.

Maven reads a POM of ours and the POMs of the repository, and no jar. It has no settings, files or
cache but those of its temporary folder, so everyone gets the same list, and asks the outside
through us: with the certificates, proxies and logins of all else that is fetched.
"""

from __future__ import annotations

import operator
import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import dropwhile, takewhile
from xml.sax.saxutils import escape

from buildlib.build.lock.downloads import locked_file
from buildlib.build.workspace import Workspace
from buildlib.core.model.lock import Entry, Item
from buildlib.core.model.maven import MAVEN, jar_name
from buildlib.core.model.target import Pin, Target
from buildlib.core.rules.maven_jars import EXCLUDE
from buildlib.engine.process import on_stop, stream
from buildlib.errors import ActionError, Location
from buildlib.outside.fetch.locate import Locator
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.http import HttpClient
from buildlib.outside.web.relay import relay
from buildlib.outside.web.retry import Retry
from buildlib.parallel import map_threads

_TREE = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:tree"
_SETTINGS = (
    "<settings><mirrors><mirror><id>buildlib</id><mirrorOf>*</mirrorOf><url>{}</url></mirror>"
    "</mirrors></settings>"
)
_POM = (
    "<project><modelVersion>4.0.0</modelVersion><groupId>buildlib</groupId>"
    "<artifactId>lock</artifactId><version>1</version><packaging>pom</packaging>"
    "<dependencies>{}</dependencies></project>"
)
_PARTS = ("groupId", "artifactId", "version", "classifier")
_FIX = "check maven in [tool.buildlib.network] of pyproject.toml"
_JOBS = 8


def maven_entry(workspace: Workspace, target: Target, pin: Pin) -> Entry:
    """Resolve the artifacts of a target, and pin each jar with what the repository serves now.

    Raises:
        ActionError: Maven is missing or finds no solution, or the repository lacks a jar.
    """
    client = HttpClient(Retry(), keep=_JOBS)
    network = workspace.settings.network
    locator = Locator(network, client)

    def item(coordinates: str) -> Item:
        address = MAVEN + coordinates
        try:
            sha256, size = locked_file(client, workspace.store, *locator.find([address]))
        except HttpError as error:
            fix = f'exclude = ["{":".join(coordinates.split(":")[:2])}"]  # or {_FIX}'
            if coordinates in pin.asked:  # to Maven, an artifact without a POM needs nothing
                fix = f"correct {coordinates} in artifacts there, or {_FIX}"
            raise ActionError(str(error), where=target.where, fix=fix) from None
        return Item(coordinates.split(":")[2], sha256, size, address)

    found = _resolve(network.maven, client, pin.asked, target.where)
    return Entry(pin.asked, _by_name(found, map_threads(item, found, threads=_JOBS), target.where))


def _by_name(found: Sequence[str], items: Sequence[Item], where: Location) -> dict[str, Item]:
    named: dict[str, Item] = {}
    for coordinates, item in zip(found, items, strict=True):
        other = named.setdefault(jar_name(coordinates), item)
        if other is not item:
            raise ActionError(
                f"{other.where} and {item.where} are jars of one name",
                where=where,
                fix=f'exclude = ["{":".join(coordinates.split(":")[:2])}"]',
            )
    return named


def _resolve(
    repository: str, client: HttpClient, asked: Sequence[str], where: Location
) -> list[str]:
    """Let Maven resolve what a target asks for; return the coordinates of all jars, sorted."""
    program = shutil.which("mvn")
    if program is None:
        raise ActionError(
            "jars are resolved by Maven, and there is no mvn on this machine (builds need none)",
            where=where,
            fix="sudo apt-get install -y maven  # elsewhere: https://maven.apache.org/install.html",
        )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAVEN_")}
    with (
        tempfile.TemporaryDirectory(prefix="buildlib-maven-") as folder,
        on_stop(partial(shutil.rmtree, folder, ignore_errors=True)),
        relay(repository, client) as server,
    ):
        os.mkdir(f"{folder}/.mvn")  # else Maven looks for options in the folders above
        settings = _SETTINGS.format(escape(server.url))
        for name, text in {"pom.xml": _pom(asked), "settings.xml": settings}.items():
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        command = [
            program, "--batch-mode", "--quiet",
            "--settings", "settings.xml", "--global-settings", "settings.xml",
            f"-Dmaven.repo.local={folder}/repository",
            _TREE, "-Dscope=runtime", f"-DoutputFile={folder}/tree.txt",
        ]  # fmt: skip
        said: list[str] = []
        failed = stream(command, said.append, environ={**environ, "MAVEN_SKIP_RC": "1"}, cwd=folder)
        if failed and server.failures:
            raise ActionError(str(server.failures[0]), where=where, fix=_FIX)
        if failed:
            raise ActionError(
                "Maven finds no solution",
                where=where,
                detail=_complaint(said),
                fix=f"correct artifacts there, or {_FIX}",
            )
        with open(f"{folder}/tree.txt", encoding="utf-8") as tree:
            return jars_of(tree.read())


def _complaint(said: Sequence[str]) -> str:
    """What went wrong, of all that Maven says: its first errors; what follows is advice."""
    errors = [line.partition("[ERROR] ")[2].strip() for line in said]
    return "\n".join([*takewhile(bool, dropwhile(operator.not_, errors))] or said)


def jars_of(tree: str) -> list[str]:
    """The coordinates of the jars in the text of a `dependency:tree`, sorted; a POM is no jar."""
    found = []
    for line in tree.splitlines()[1:]:  # the first is our own POM
        node = line.lstrip("|+\\- ").split(" ")[0]
        group, artifact, kind, *classifier, version, _scope = node.split(":")
        if kind != "pom":
            found.append(":".join((group, artifact, version, *classifier)))
    return sorted(found)


def _pom(asked: Sequence[str]) -> str:
    """A POM that depends on the artifacts, each without what is excluded."""
    excluded = [word.removeprefix(EXCLUDE) for word in asked if word.startswith(EXCLUDE)]
    exclusions = "".join(_element("exclusion", word) for word in excluded)
    return _POM.format(
        "".join(
            _element("dependency", word, f"<exclusions>{exclusions}</exclusions>")
            for word in asked
            if not word.startswith(EXCLUDE)
        )
    )


def _element(name: str, coordinates: str, rest: str = "") -> str:
    parts = zip(_PARTS, coordinates.split(":"), strict=False)
    return f"<{name}>{''.join(f'<{p}>{word}</{p}>' for p, word in parts)}{rest}</{name}>"
