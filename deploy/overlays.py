"""The folder `deploy/kubernetes`: a base and overlays, and the objects that come of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from buildlib.errors import InputError
from deploy import manifests
from deploy.kubectl import Kubectl, Object
from deploy.manifests import USUAL

BASE = "//deploy:kubernetes"
"""The target that renders the base."""


class Overlays:
    """Files of kustomize: one base, and overlays, which are components: any of them go together.

    Args:
        folder: Of `deploy/`.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.base = f"{folder}/kubernetes/base/{USUAL}.yaml"
        self.own = f"{folder}/kubernetes/overlays"

    def chosen(self, given: str) -> tuple[str, ...]:
        """The overlays that `--overlay` names: some of ours, or one folder of the user's.

        Raises:
            InputError: There is no such.
        """
        names = tuple(filter(None, given.split(",")))
        known = sorted(os.listdir(self.own))
        for name in names:
            if len(names) == 1 and os.path.isdir(name) and name not in known:
                if not os.path.exists(f"{name}/kustomization.yaml"):
                    fix = f"{name}/kustomization.yaml  # docs/deploy-kubernetes.md has one"
                    raise InputError(f"{name} has no kustomization.yaml", fix=fix)
                return (os.path.abspath(name),)
            if name not in known:
                raise InputError(
                    f"there is no overlay {name}: there are {', '.join(known)}",
                    fix="--overlay puller  # or a folder of yours",
                )
        return names

    def targets(self, names: Sequence[str]) -> dict[str, list[str]]:
        """What has to be rendered, see `Kind.check`; of a folder, nobody knows what it takes."""
        labels = {
            name: f"//deploy:kubernetes_{name}"
            for name in sorted(os.listdir(self.own))
            if any(file.endswith(".in") for file in os.listdir(f"{self.own}/{name}"))
        }
        own = [label for name, label in labels.items() if name in names]
        folder = any(map(os.path.isabs, names))
        return {
            "targets": [BASE, *own],
            "also": list(labels.values()) if folder else [],
        }

    def objects(self, names: Sequence[str], kubectl: Kubectl) -> list[Object]:
        """The objects of the base with some overlays."""
        if not names:
            with open(self.base, encoding="utf-8") as file:
                return manifests.read(file.read(), os.path.relpath(self.base))
        if os.path.isabs(names[0]):
            return manifests.read(kubectl.kustomize(names[0]), names[0])
        # kustomize takes relative paths only, so the file is beside what it names.
        folder = f"{self._folder}/.deployed/kustomize.{os.getpid()}"
        os.makedirs(folder, mode=0o700)
        try:
            with open(f"{folder}/kustomization.yaml", "w", encoding="utf-8") as file:
                print("resources: [../../kubernetes/base]\ncomponents:", file=file)
                for name in names:
                    print(f"  - ../../kubernetes/overlays/{name}", file=file)
            text = kubectl.kustomize(folder)
        finally:
            os.unlink(f"{folder}/kustomization.yaml")
            os.rmdir(folder)
        return manifests.read(text, f"--overlay {','.join(names)}")
