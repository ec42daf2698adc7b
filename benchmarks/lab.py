"""Where benchmarks run: a throw-away folder, a store and an organisation of its own.

Commands are started as a person starts them, with the environment of the checkout they belong to.
All that was made is removed at the end: the folder, and every image of the organisation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from buildlib.engine.client import find_client

CHECKOUT = Path(__file__).resolve().parents[1]
_LOCK = "requirements.lock"


class Lab:
    """A place for one run of benchmarks.

    Attributes:
        root: Folder for workspaces.
        token: Different in each run, so that no builder has seen our files before.
        organization: First part of the names of all images made here.
        store: What `BUILDLIB_STORE` is set to.
    """

    def __init__(self) -> None:
        self.environment = Path(sys.prefix)
        if not (self.environment / f".{_LOCK}").exists():
            sys.exit(
                f"error: {sys.prefix} is not the project's environment\n"
                "  fix: ./doitw list && .venv/bin/python benchmarks/run.py"
            )
        self.root = Path(tempfile.mkdtemp(prefix="buildlib-bench-")).resolve()
        self.token = uuid.uuid4().hex[:8]
        self.organization = f"bench-{self.token}"
        self.store = self.root / "store"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BUILDLIB_"))}
        self.environ = {
            **kept,
            "PATH": f"{self.environment}/bin{os.pathsep}{kept.get('PATH', os.defpath)}",
            "BUILDLIB_STORE": str(self.store),
            "DOCKER_BUILDKIT": "1",
        }

    def workspace(self, name: str) -> Path:
        """A workspace without targets: this checkout's build system, and our organisation."""
        folder = self.root / name
        folder.mkdir()
        for file in ("dodo.py", "doitw", "VERSION"):
            shutil.copy2(CHECKOUT / file, folder / file)
        shutil.copy2(self.environment / f".{_LOCK}", folder / _LOCK)
        settings = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
        (folder / "pyproject.toml").write_text(
            settings.replace('organization = "elyra"', f'organization = "{self.organization}"'),
            encoding="utf-8",
        )
        (folder / "buildlib").symlink_to(CHECKOUT / "buildlib")
        (folder / ".venv").symlink_to(self.environment)
        return folder

    def command(self, argv: Sequence[str], cwd: Path) -> Callable[[], None]:
        """A command as something that can be timed; it has to end well, and is not listened to."""

        def run() -> None:
            subprocess.run(
                argv,
                cwd=cwd,
                env=self.environ,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=False,  # lets Python start it in the cheapest way
            )

        return run

    def ask(self, argv: Sequence[str], cwd: Path | None = None) -> str:
        """What a command prints.

        Raises:
            SystemExit: It fails; with what it said.
        """
        done = subprocess.run(
            argv, cwd=cwd, env=self.environ, check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"error: {' '.join(argv)} failed\n{done.stdout}{done.stderr}")
        return done.stdout

    def expect(self, argv: Sequence[str], cwd: Path, text: str) -> None:
        """Check that a command says something: a benchmark of the wrong thing is worse than none.

        Raises:
            SystemExit: It does not.
        """
        said = self.ask(argv, cwd)
        if text not in said:
            sys.exit(f"error: {' '.join(argv)} did not say {text!r} but\n{said}")

    def docker_build(self, context: Path, tag: str) -> list[str]:
        """The bare command for an image, with the docker client that the build system picks."""
        client = find_client(self.environ)
        verb = ["buildx", "build", "--load"] if client.buildx else ["build"]
        name = f"{self.organization}/{tag}"
        return [client.path, *verb, "--quiet", "--network=none", "--tag", name, str(context)]

    def engine_version(self) -> str:
        """What the engine calls itself."""
        docker = find_client(self.environ).path
        return self.ask([docker, "version", "--format", "{{.Server.Version}}"]).strip()

    def close(self) -> None:
        """Remove the folder and the images."""
        docker = find_client(self.environ).path
        pattern = f"reference={self.organization}/*"
        listing = [docker, "images", "--filter", pattern, "--format", "{{.Repository}}:{{.Tag}}"]
        tags = [tag for tag in self.ask(listing).split() if not tag.endswith(":<none>")]
        if tags:
            self.ask([docker, "rmi", *tags])
        shutil.rmtree(self.root)
