"""Where benchmarks run: a throw-away folder, a store and an organisation of its own.

Commands are started as a person starts them, with the environment of the checkout they belong to.
All that was made is removed at the end: the folder, every image of the organisation, and those
that lost their name to a later build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildlib.engine.client import Client

CHECKOUT = Path(__file__).resolve().parents[1]
_LOCK = "requirements.lock"
_LABEL = "benchmark"
_PLUGINS = ("/usr/libexec/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins")
_SETTINGS = re.compile(r"^\[tool\.buildlib[.\]].*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
"""Every table of settings, to the next table."""


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
        if self.environment.resolve() != (CHECKOUT / ".venv").resolve():
            sys.exit(
                f"error: {sys.prefix} is not the environment of {CHECKOUT}\n"
                f"  fix: cd {CHECKOUT} && ./doitw list && .venv/bin/python benchmarks/run.py"
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
            "BUILDX_BAKE_ENTITLEMENTS_FS": "0",  # contexts lie beside the file that names them
        }

    def workspace(self, name: str) -> Path:
        """A workspace without targets: this checkout's build system, and our organisation."""
        folder = self.root / name
        folder.mkdir()
        for file in ("dodo.py", "doitw", "VERSION"):
            shutil.copy2(CHECKOUT / file, folder / file)
        shutil.copy2(self.environment / f".{_LOCK}", folder / _LOCK)
        # Its settings are ours alone: the family's are for declarations that are not here. doit
        # parses the whole file at each start, so the rest is as large as it is for people.
        text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
        ours = f'[tool.buildlib]\norganization = "{self.organization}"\n'
        (folder / "pyproject.toml").write_text(_SETTINGS.sub("", text) + ours, encoding="utf-8")
        (folder / "buildlib").symlink_to(CHECKOUT / "buildlib")
        (folder / ".venv").symlink_to(self.environment)
        return folder

    def command(self, argv: Sequence[str], cwd: Path) -> Callable[[], None]:
        """A command as something that can be timed.

        It ends the benchmark where it fails, and is not listened to else.
        """

        def run() -> None:
            with open(self.root / "said", "w+", encoding="utf-8") as said:
                code = subprocess.run(
                    argv,
                    cwd=cwd,
                    env=self.environ,
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    close_fds=False,  # lets Python start it in the cheapest way
                ).returncode
                if code:
                    said.seek(0)
                    sys.exit(f"error: {' '.join(argv)} failed\n{said.read()}")

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
        client = self._client()
        verb = ["buildx", "build", "--load"] if client.buildx else ["build"]
        labels = [f"--label={name}={value}" for name, value in self.labels.items()]
        options = ["--quiet", "--network=none", *labels, f"--tag={self.image(tag)}"]
        return [client.path, *verb, *options, str(context)]

    def image(self, tag: str) -> str:
        """The full name of an image that is made without us."""
        return f"{self.organization}/{tag}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all that is made without us, by which it is removed."""
        return {_LABEL: self.organization}

    @cached_property
    def buildx(self) -> str | None:
        """The program `docker-buildx`, which is also a program of its own."""
        plugins = [Path.home() / ".docker/cli-plugins", *map(Path, _PLUGINS)]
        path = os.pathsep.join([self.environ["PATH"], *map(str, plugins)])
        return shutil.which("docker-buildx", path=path)

    def need_buildx(self) -> str:
        """`buildx`, for a case that was asked for by name.

        Raises:
            SystemExit: There is none.
        """
        if self.buildx is None:
            sys.exit(
                "error: there is no docker-buildx, the peer of this case\n"
                "  fix: apt-get install -y docker-buildx  # Debian 13, Ubuntu"
            )
        return self.buildx

    def buildx_version(self) -> str:
        """What buildx calls itself, or nothing where there is none."""
        return self.ask([self.buildx, "version"]).split()[1] if self.buildx else ""

    def _client(self) -> Client:
        """The docker client that the build system picks."""
        # Here, since another Python than the environment's is told of and has no buildlib.
        from buildlib.engine.client import find_client

        return find_client(self.environ)

    def engine_version(self) -> str:
        """What the engine calls itself."""
        docker = self._client().path
        return self.ask([docker, "version", "--format", "{{.Server.Version}}"]).strip()

    def close(self) -> None:
        """Remove the folder and the images."""
        docker = self._client().path
        pattern = f"reference={self.organization}/*"
        listing = [docker, "images", "--filter", pattern, "--format", "{{.Repository}}:{{.Tag}}"]
        tags = [tag for tag in self.ask(listing).split() if not tag.endswith(":<none>")]
        if tags:
            self.ask([docker, "rmi", *tags])
        label = f"label={_LABEL}={self.organization}"
        if nameless := self.ask([docker, "images", "--quiet", "--filter", label]).split():
            self.ask([docker, "rmi", *nameless])
        shutil.rmtree(self.root)
