"""Makes `.venv` equal to the lock file, then executes buildlib in it. Started by `doitw`.

Runs on a bare Python 3.10 or newer: no pip, no ensurepip, no tomllib. The stamp files that `doitw`
compares are removed before anything in `.venv` changes, and written last. So an interrupted set-up
is never taken for a complete one; the next run continues it.
"""

from __future__ import annotations

import compileall
import errno
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":  # run by path under -I: the workspace is not on sys.path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from collections.abc import Iterable, Iterator, Mapping
from types import FrameType

from buildlib.core.store.content import default_root
from buildlib.errors import ActionError, BuildError
from buildlib.outside.package_index import PUBLIC, configured_in, index_url
from buildlib.outside.setup import uv
from buildlib.outside.setup.fetch import OTHER_INDEX
from buildlib.outside.web.address import redacted

ROOT = Path(__file__).resolve().parents[3]
RELEASE_LOCK = "requirements-release.lock"
DEV_LOCK = "requirements-dev.lock"
LOCKS = (uv.LOCK, RELEASE_LOCK, DEV_LOCK)
"""Each is a superset of those before it, with the same versions."""
LOCK_OF = {"test": DEV_LOCK, "release": RELEASE_LOCK}
"""Verbs that need more packages than a build, anywhere on the command line; also in doitw."""
_TELLING_VERBS = (["help"], ["plan"])
_TELLING = frozenset(("-h", "--help"))
"""What only tells, and needs no more packages than a build; also in doitw."""
_DRY_RUN = "--dry-run"
"""The same of a release alone: `test` has none, and hands it to pytest; also in doitw."""
STAMPS = {name: f".{name}" for name in LOCKS}
"""Lock file -> name of its copy in .venv; also in doitw (.lock is uv's)."""

_KEPT_UV_SETTINGS = (
    *("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX_", "UV_KEYRING_", "UV_NETRC"),
    *("UV_CONFIG_FILE", "UV_NO_CONFIG"),
    *("UV_SYSTEM_CERTS", "UV_INSECURE_HOST", "UV_HTTP_", "UV_CONCURRENT_", "UV_REQUEST_"),
    *("UV_CACHE_DIR", "UV_LINK_MODE", "UV_OFFLINE"),
)
"""What a site may configure in uv: where to fetch and cache. We decide the rest."""


def main(arguments: list[str]) -> int:
    """Set up, then execute buildlib with the same arguments. Returns only if set-up fails."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        set_up(ROOT, lock_for(arguments))
    except BuildError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        uv.say("stopped; the next run goes on from here")
        return 130
    python = str(ROOT / ".venv/bin/python")
    return os.execv(python, [python, "-I", str(ROOT / "buildlib/__main__.py"), *arguments])  # noqa: S606


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)  # an exception, so that the child is killed and partial files are removed


def lock_for(arguments: Iterable[str]) -> str:
    """The lock file that a command line needs: the largest that one of its words needs."""
    words = list(arguments)
    ours = words[: words.index("--")] if "--" in words else words
    if words[:1] in _TELLING_VERBS or not _TELLING.isdisjoint(ours):
        return uv.LOCK
    needed = {LOCK_OF[word] for word in words if word in LOCK_OF}
    if _DRY_RUN in ours:
        needed.discard(RELEASE_LOCK)
    return max(needed, key=LOCKS.index, default=uv.LOCK)


def set_up(root: Path, lock: str = uv.LOCK) -> None:
    """Make the `.venv` of a workspace satisfy one of `LOCKS`, unless it does."""
    try:
        with _setup_lock(root / ".buildlib/setup.flock"):
            if not _is_set_up(root, lock):
                _set_up(root, lock)
    except OSError as error:
        raise _explained(error) from None


@contextmanager
def _setup_lock(path: Path) -> Iterator[None]:
    """Lock the workspace: a second set-up waits for the first, and finds it done."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            uv.say("another process is at it; waiting ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fulfilled(lock: str) -> tuple[str, ...]:
    """The lock files that are satisfied when one is installed."""
    return LOCKS[: LOCKS.index(lock) + 1]


def _is_set_up(root: Path, lock: str) -> bool:
    """The check of doitw, repeated when the lock is held."""
    venv = root / ".venv"
    requested = os.environ.get("BUILDLIB_PYTHON")
    return (
        os.access(venv / "bin/python", os.X_OK)
        and all(
            (root / name).read_bytes() == _content(venv / STAMPS[name]) for name in _fulfilled(lock)
        )
        and (not requested or _content(venv / ".python").split(b"\n")[0] == os.fsencode(requested))
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _set_up(root: Path, lock: str) -> None:
    start = time.monotonic()
    venv = root / ".venv"
    locked = {name: (root / name).read_bytes() for name in _fulfilled(lock)}
    address = index_of(root, os.environ)
    tool = uv.provide(root, address, os.environ)
    environment = environment_for_uv(os.environ, address)

    for name in STAMPS.values():
        (venv / name).unlink(missing_ok=True)
    _make_venv(venv, tool, environment)
    _install(root, lock, tool, environment, address)
    _compile(root)
    for name, content in locked.items():
        _write(venv / STAMPS[name], content)
    uv.say(f"done in {time.monotonic() - start:.1f} s")


def index_of(root: Path, environ: Mapping[str, str]) -> str:
    """URL of the package index to install from; a build uses the same."""
    try:
        pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pyproject = ""  # errors are reported when the settings are loaded
    return index_url(configured_in(pyproject), environ)


def environment_for_uv(environ: Mapping[str, str], address: str) -> dict[str, str]:
    """The environment for uv: the host's CA certificates, the chosen index, no other settings."""
    result = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX"))
        or name.startswith(_KEPT_UV_SETTINGS)
    }
    if not (environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR")):
        result.setdefault("UV_SYSTEM_CERTS", "1")
    if address != PUBLIC:  # else uv may have one configured that is not read here
        result["UV_DEFAULT_INDEX"] = address
        result.pop("UV_INDEX_URL", None)
    if environ.get("BUILDLIB_STORE"):  # to move the store means to move all caches
        result.setdefault("UV_CACHE_DIR", f"{default_root(environ)}/uv/cache")
    return result


def _make_venv(venv: Path, tool: uv.Uv, environment: Mapping[str, str]) -> None:
    """Make an empty venv of the Python that runs this, unless it exists.

    It is relocatable and finds the workspace by a relative path, so the workspace can be copied or
    moved with it.
    """
    # Not the link `python3`, which may later point to another Python, without these packages.
    base = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    requested = os.environ.get("BUILDLIB_PYTHON", "")
    made_with = f"{requested}\n{base}\n{sys.version}\n".encode(errors="surrogateescape")
    if os.access(venv / "bin/python", os.X_OK) and _content(venv / ".python") == made_with:
        return
    uv.say(f"making .venv with Python {sys.version.split()[0]} ({base})")
    command = ["venv", "--clear", "--relocatable", "--no-project", "--no-python-downloads"]
    _run(tool, [*command, "--python", base, str(venv)], environment, "cannot make .venv")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    _write(venv / "lib" / version / "site-packages/workspace.pth", b"../../../..\n")
    _write(venv / ".python", made_with)


def _install(
    root: Path, lock: str, tool: uv.Uv, environment: Mapping[str, str], address: str
) -> None:
    """Install exactly what the lock file pins, checked by hash, and compile it."""
    start = time.monotonic()
    uv.say(f"installing the packages of {lock} ...")
    python = ["--python", str(root / ".venv/bin/python"), "--no-python-downloads"]
    # The wheel of uv is in the store: do not fetch it again.
    itself = ["--no-index", "--no-deps", "--offline", "--find-links", str(tool.wheel.parent)]
    seed = ["pip", "install", *python, *itself, f"uv=={tool.version}"]
    _run(tool, seed, environment, f"cannot install uv from {tool.wheel}")
    sync = ["pip", "sync", *python, "--require-hashes", "--only-binary", ":all:"]
    sync += ["--compile-bytecode", str(root / lock)]
    # First from the cache alone: if it has everything, no network is needed.
    if _uv(tool, [*sync, "--offline"], environment).returncode:
        what = f"the packages of {lock} could not be installed from {redacted(address)}"
        _run(tool, sync, environment, what, fix=OTHER_INDEX)
    uv.say(f"packages installed in {time.monotonic() - start:.1f} s")


def _compile(root: Path) -> None:
    """Compile buildlib for start-up time, as the user may have set PYTHONDONTWRITEBYTECODE."""
    compileall.compile_dir(root / "buildlib", quiet=2, workers=1)


def _run(
    tool: uv.Uv,
    arguments: list[str],
    environment: Mapping[str, str],
    what: str,
    fix: str = "rm -rf .venv && ./doitw build",
) -> None:
    """Run uv; its output is shown only if it fails."""
    result = _uv(tool, arguments, environment)
    if result.returncode:
        output = result.stdout.decode(errors="replace").strip()
        if "No space left on device" in output:
            raise _explained(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        raise ActionError(what, detail=output, fix=fix)


def _uv(
    tool: uv.Uv, arguments: list[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(tool.binary), "--quiet", "--color", "never", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _explained(error: OSError) -> ActionError:
    name = str(error.filename or "")
    place = f": {name}" if name else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ActionError(
            f"no space left on the device{place}",
            fix="df -h . ~/.cache  # then free some, or BUILDLIB_STORE=/elsewhere ./doitw build",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        mine = f"sudo chown -R {os.getuid()}:{os.getgid()} {shlex.quote(str(ROOT))}"
        return ActionError(
            f"no permission to write or run{place}",
            fix=mine if name.startswith(str(ROOT)) else "BUILDLIB_STORE=/some/folder ./doitw build",
        )
    return ActionError(
        f"set-up failed: {error.strerror or error}{place}",
        fix="git status  # is the checkout whole? else: rm -rf .venv ~/.cache/buildlib/uv",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
