"""The objects of `deploy/kubernetes` as `deploy` gets them, through kustomize itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.kubectl import Kubectl
from deploy.overlays import Overlays
from tests.support.go_program import go_program

ROOT = Path(__file__).resolve().parents[2]


def kustomize(folder: Path) -> Callable[..., list[dict[str, Any]]]:
    """`make("puller", …)`: the objects of the base with these overlays; files are rendered already.

    Args:
        folder: One that is empty.
    """
    stub = folder / "kubectl"
    stub.write_text(f'#!/bin/sh\nexec {go_program("kustomize")} build "$2"\n')
    stub.chmod(0o755)
    kubectl = Kubectl("", str(stub))
    made: dict[tuple[str, ...], list[dict[str, Any]]] = {}

    def objects(*names: str) -> list[dict[str, Any]]:
        if names not in made:
            made[names] = Overlays(str(ROOT / "deploy")).objects(names, kubectl)
        copied: list[dict[str, Any]] = json.loads(json.dumps(made[names]))
        return copied

    return objects
