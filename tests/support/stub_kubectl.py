"""A program that stands in for kubectl: a cluster is one JSON file, and each command is noted.

It knows as much as `deploy/kubectl.py` uses: objects are kept as they are applied, a Deployment is
ready as soon as it is there (or never: `broken`), namespaces take what is in them along.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

FILE = Path(os.environ["STUB_CLUSTER"])


def main(words: list[str]) -> int:
    cluster = json.loads(FILE.read_text())
    cluster["calls"].append(words)
    FILE.write_text(json.dumps(cluster))
    code = run(cluster, [*words])
    FILE.write_text(json.dumps(cluster))
    return code


def run(cluster: dict[str, Any], words: list[str]) -> int:
    context = words.pop(words.index("--context") + 1) if "--context" in words else ""
    words = [word for word in words if word != "--context"]
    verb, rest = words[0], words[1:]
    if verb in ("version", "config"):
        return config(cluster, rest, context)
    if cluster["down"]:
        print("Unable to connect to the server", file=sys.stderr)
        return 1
    namespace = rest[rest.index("--namespace") + 1] if "--namespace" in rest else ""
    label = rest[rest.index("--selector") + 1] if "--selector" in rest else ""
    objects = cluster["objects"]
    if rest[0].startswith("--raw") or verb == "port-forward" or "--dry-run=server" in rest:
        return answer(cluster, verb)
    if verb == "get":
        print(json.dumps({"items": [o for o in objects if wanted(o, rest[0], namespace, label)]}))
    elif verb == "diff":
        changed = changes(objects)
        sys.stdout.writelines(f"+{each['kind']} {each['metadata']['name']}\n" for each in changed)
        return bool(changed)
    elif verb == "apply":
        apply(objects, broken=cluster["broken"])
    elif verb == "delete":
        delete(objects, rest[0].partition(".")[0].lower(), rest[1], namespace)
    elif verb == "scale":
        objects[:] = [o for o in objects if o.get("made_by") != "Deployment"]
    elif verb == "logs":
        print(cluster["log"])
    return 0


def answer(cluster: dict[str, Any], verb: str) -> int:
    """What is asked of a cluster and changes nothing."""
    if verb == "get":
        print(json.dumps({"gitVersion": "v1.34.1"}))
    elif verb == "port-forward":
        print("Forwarding from 127.0.0.1:40123 -> 8888", flush=True)
        time.sleep(60)
    elif "privileged" in sys.stdin.read() and cluster["restricted"]:
        print('violates PodSecurity "restricted:latest"', file=sys.stderr)
        return 1
    return 0


def config(cluster: dict[str, Any], words: list[str], context: str) -> int:
    if words[0] == "--client":
        minor = cluster["minor"]
        version = {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.0"}
        print(json.dumps({"clientVersion": version}))
    elif words[0] == "get-contexts":
        print("\n".join(cluster["contexts"]))
    elif words[0] == "current-context":
        print(cluster["current"])
        return not cluster["current"]
    else:
        print(cluster["contexts"][context or cluster["current"]])
    return 0


def changes(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    there = [clean(each) for each in objects]
    return [each for each in json.loads(sys.stdin.read())["items"] if each not in there]


def apply(objects: list[dict[str, Any]], *, broken: bool) -> None:
    for each in changes(objects):
        objects[:] = [o for o in objects if key(o) != key(each)]
        objects.append(started(each, broken=broken))
    pods = [pod_of(o, broken=broken) for o in objects if o["kind"] == "Deployment"]
    objects[:] = [o for o in objects if o.get("made_by") != "Deployment"] + pods


def delete(objects: list[dict[str, Any]], kind: str, name: str, namespace: str) -> None:
    def goes(found: dict[str, Any]) -> bool:
        inside = found["metadata"].get("namespace", "")
        is_it = key(found) == (found["kind"], namespace, name)
        return (found["kind"].lower() == kind and is_it) or (kind == "namespace" and inside == name)

    objects[:] = [each for each in objects if not goes(each)]


def wanted(found: dict[str, Any], kinds: str, namespace: str, label: str) -> bool:
    names = [each.partition(".")[0] for each in kinds.split(",")]
    labels = found["metadata"].get("labels", {})
    for term in label.replace("component in (kernel,worker)", "component=kernel").split(","):
        name, equals, value = term.partition("=")
        if term and (labels.get(name) != value if equals else name not in labels):
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
