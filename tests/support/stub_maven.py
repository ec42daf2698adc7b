"""A program that stands in for Maven, as `lock maven` starts it: `dependency:tree` and no more.

It reads the POM and the settings that it is given, and the POMs of the repository that they name as
its mirror. A POM of that repository is a list of dependencies, a line each, as a tree has them:
`group:artifact:type[:classifier]:version:scope`.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path


def main(words: list[str]) -> int:
    given = dict(word[2:].split("=", 1) for word in words if word.startswith("-D"))
    settings = words[words.index("--settings") + 1]
    assert words[words.index("--global-settings") + 1] == settings
    assert given["scope"] == "runtime"
    assert Path(given["maven.repo.local"]).parent == Path.cwd(), "a cache of its own"
    Path(os.environ["STUB_MAVEN_SEEN"]).write_text(
        json.dumps({name: value for name, value in os.environ.items() if "MAVEN" in name})
    )
    mirror = texts(Path(settings).read_text(), "url")[0]
    tree = ["buildlib:lock:pom:1"]
    pom = Path("pom.xml").read_text()
    try:
        for block in texts(pom, "dependency"):
            left_out = texts(block, "exclusion")
            exclusions = [tuple(texts(each, "(?:group|artifact)Id")) for each in left_out]
            own = re.sub("<exclusions>.*", "", block)
            words = [texts(own, name) for name in ("groupId", "artifactId", "classifier")]
            group, artifact, classifier = (found[0] if found else "" for found in words)
            version = texts(own, "version")[0]
            middle = f"jar:{classifier}" if classifier else "jar"
            node = f"{group}:{artifact}:{middle}:{version}:compile"
            walk(mirror, node, exclusions, tree, "")
    except urllib.error.HTTPError as error:
        print(f"\x1b[0m\x1b[0m[ERROR] Could not resolve dependencies: {error.code}")
        print("[ERROR] \n[ERROR] Re-run Maven using the -X switch to enable full debug logging.")
        return 1
    Path(given["outputFile"]).write_text("\n".join(tree) + "\n")
    return 0


def texts(xml: str, name: str) -> list[str]:
    return [found[2] for found in re.finditer(f"<({name})>(.*?)</\\1>", xml)]


def walk(
    mirror: str, node: str, exclusions: list[tuple[str, ...]], tree: list[str], before: str
) -> None:
    """Add a dependency and what it needs to the tree."""
    group, artifact, *_, version, scope = node.split(":")
    if scope not in ("compile", "runtime") or any(
        each in ((group, artifact), (group, "*")) for each in exclusions
    ):
        return
    if any(line.endswith(node) for line in tree):
        return
    tree.append(f"{before}+- {node}")
    path = f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.pom"
    with urllib.request.urlopen(f"{mirror}/{path}") as answer:
        for line in answer.read().decode().splitlines():
            walk(mirror, line, exclusions, tree, f"{before}|  ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
