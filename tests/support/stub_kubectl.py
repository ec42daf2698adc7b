"""A program that stands in for kubectl: a cluster is one JSON file, and each command is noted.

It knows as much as `deploy/kubectl.py` uses: objects are kept as they are applied, a Deployment is
ready as soon as it is there (or never: `broken`), namespaces take what is in them along.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

FILE = Path(os.environ["STUB_CLUSTER"])


def main(words: list[str]) -> int:
    cluster = json.loads(FILE.read_text())
    cluster["calls"].append(words)
    code = 0
    try:
        options = [word for word in words if word.startswith("--")]
        code = run(cluster, words, dict(option.partition("=")[::2] for option in options))
    finally:
        FILE.write_text(json.dumps(cluster))
    return code


def run(cluster: dict[str, Any], words: list[str], options: dict[str, str]) -> int:
    objects = cluster["objects"]
    context = words[words.index("--context") + 1] if "--context" in words else ""
    words = [w for w in words if w != "--context" and w != context]
    namespace = words[words.index("--namespace") + 1] if "--namespace" in words else ""
    if words[:2] == ["version", "--client"]:
        version = {
            "major": "1",
            "minor": cluster["minor"],
            "gitVersion": f"v1.{cluster['minor']}.0",
        }
        print(json.dumps({"clientVersion": version}))
    elif words[:2] == ["config", "get-contexts"]:
        print("\n".join(cluster["contexts"]))
    elif words[:2] == ["config", "current-context"]:
        if not cluster["current"]:
            return 1
        print(cluster["current"])
    elif words[:2] == ["config", "view"]:
        print(cluster["contexts"][context or cluster["current"]])
    elif words[:2] == ["get", "--raw=/version"]:
        if cluster["down"]:
            print("Unable to connect to the server", file=sys.stderr)
            return 1
    elif words[0] == "get":
        label = words[words.index("--selector") + 1] if "--selector" in words else ""
        found = [o for o in objects if wanted(o, words[1], namespace, label)]
        print(json.dumps({"items": found}))
    elif words[0] in ("apply", "diff"):
        new = json.loads(sys.stdin.read())["items"]
        changed = [o for o in new if o not in [clean(each) for each in objects]]
        if words[0] == "diff":
            for each in changed:
                print(f"+{each['kind']} {each['metadata']['name']}")
            return bool(changed)
        for each in changed:
            objects[:] = [o for o in objects if key(o) != key(each)]
            objects.append(started(each, broken=cluster["broken"]))
        pods = [pod_of(o, broken=cluster["broken"]) for o in objects if o["kind"] == "Deployment"]
        objects[:] = [o for o in objects if o.get("made_by") != "Deployment"] + pods
    elif words[0] == "delete":
        kind, name = words[1].partition(".")[0].lower(), words[2]
        objects[:] = [
            o for o in objects
            if not ((o["kind"].lower() == kind and o["metadata"]["name"] == name
                     and o["metadata"].get("namespace", "") == namespace)
                    or (kind == "namespace" and o["metadata"].get("namespace") == name))
        ]  # fmt: skip
    elif words[0] == "scale":
        objects[:] = [o for o in objects if o.get("made_by") != "Deployment"]
    elif words[0] == "logs":
        print(cluster["log"])
    else:
        print(f"unknown: {words}", file=sys.stderr)
        return 2
    return 0


def wanted(found: dict[str, Any], kinds: str, namespace: str, label: str) -> bool:
    names = [each.partition(".")[0] for each in kinds.split(",")]
    labels = found["metadata"].get("labels", {})
    for term in label.replace("component in (kernel,worker)", "component=kernel").split(","):
        name, _, value = term.partition("=")
        if term and labels.get(name) != value:
            return False
    inside = found["metadata"].get("namespace", "")
    return found["kind"].lower() in names and (not namespace or inside == namespace)


def key(found: dict[str, Any]) -> tuple[str, ...]:
    meta = found["metadata"]
    return found["kind"], meta.get("namespace", ""), meta["name"]


def clean(found: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in found.items() if name != "status"}
    meta = {k: v for k, v in found["metadata"].items() if k != "generation"}
    return {**kept, "metadata": meta}


def started(found: dict[str, Any], *, broken: bool) -> dict[str, Any]:
    if found["kind"] != "Deployment":
        return found
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 0 if broken else 1}
    meta = {**found["metadata"], "generation": 1}
    return {**found, "metadata": meta, "status": {"observedGeneration": 1, **counts}}


def pod_of(deployment: dict[str, Any], *, broken: bool) -> dict[str, Any]:
    reason = {"reason": "ImagePullBackOff", "message": "no such image"}
    meta = deployment["metadata"]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{meta['name']}-1",
            "namespace": meta["namespace"],
            "labels": deployment["spec"]["template"]["metadata"]["labels"],
        },
        "made_by": "Deployment",
        "status": {"containerStatuses": [{"state": {"waiting": reason}}] if broken else []},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
