"""Programs of Go modules for tests: built once by the Go of this machine, from Go's module proxy.

    go_program("kustomize")  # a path

What is installed is not taken: it may be of any age. A version is pinned here, and Go checks what
it fetches by its checksum database. Without Go the test is told as not run; in CI it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

MODULES = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.19.0",
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1",
}


def go_program(name: str) -> str:
    """The program of a name in `MODULES`."""
    module = MODULES[name]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    version = module.rpartition("@")[2]
    kept = Path(cache, "enterprise-gateway-images", "test-programs", f"{name}-{version}", name)
    if kept.exists():
        return str(kept)
    go = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    if go is None:
        told = f"{name} is built with Go, and there is none: apt-get install golang-go"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        environ = {**os.environ, "GOBIN": scratch, "CGO_ENABLED": "0", "GOFLAGS": ""}
        command = [go, "install", "-ldflags=-s -w", module]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        Path(scratch, name).replace(kept)  # at once: another run may be looking
    return str(kept)
