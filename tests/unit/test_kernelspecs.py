"""The family's kernelspecs, built as a build builds them, without an engine."""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from buildlib.execution.session import Session, build_in_order
from buildlib.model.label import Reference, parse_label
from buildlib.model.settings import parse_settings
from buildlib.store.content import ContentStore
from buildlib.workspace import Workspace

ROOT = Path(__file__).parents[2]
NAMES = ("python_docker", "python_swarm")
PREFIX = "usr/local/share/jupyter/kernels"
SCRIPTS = ("kernel_request.py", "launch_docker.py", "launch_errors.py")
# What a kernel.json of a container kernel may say (jupyter_client's kernelspec format, and what
# the gateway's process proxies read of it): JSON Schema, in the few words that `check` knows.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["argv", "display_name", "env", "language", "metadata"],
    "additionalProperties": False,
    "properties": {
        "argv": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "display_name": {"type": "string", "minLength": 1},
        "env": {"type": "object"},
        "language": {"enum": ["python", "R", "scala"]},
        "metadata": {
            "type": "object",
            "required": ["process_proxy"],
            "additionalProperties": False,
            "properties": {
                "debugger": {"enum": [True]},
                "process_proxy": {
                    "type": "object",
                    "required": ["class_name", "config"],
                    "additionalProperties": False,
                    "properties": {
                        "class_name": {"type": "string", "minLength": 1},
                        "config": {
                            "type": "object",
                            "required": ["image_name"],
                            "additionalProperties": False,
                            "properties": {"image_name": {"type": "string", "minLength": 1}},
                        },
                    },
                },
            },
        },
    },
}
TYPES: dict[str, type] = {"object": dict, "array": list, "string": str}


def check(value: Any, schema: dict[str, Any], where: str = "kernel.json") -> None:
    """Fail where a value is not as a schema says."""
    assert "enum" not in schema or value in schema["enum"], f"{where}: {value!r}"
    if "type" in schema:
        assert isinstance(value, TYPES[schema["type"]]), f"{where}: {value!r}"
    if isinstance(value, (str, list)):
        assert len(value) >= schema.get("minLength", schema.get("minItems", 0)), where
    if isinstance(value, list):
        for number, item in enumerate(value):
            check(item, schema["items"], f"{where}[{number}]")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        assert set(schema.get("required", ())) <= value.keys(), where
        assert schema.get("additionalProperties", True) or value.keys() <= known.keys(), where
        for name, part in known.items():
            if name in value:
                check(value[name], part, f"{where}.{name}")


def family(folder: Path) -> Path:
    """A copy of what declares the family."""
    for name in ("dodo.py", "VERSION", "pyproject.toml", "images.lock"):
        shutil.copy(ROOT / name, folder)
    for name in ("images", "launchers", "kernelspecs", "verify"):
        if (ROOT / name).exists():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def build(root: Path, **overrides: str) -> dict[str, bytes]:
    """The archive of a family's kernelspecs: path -> content; no engine is asked."""
    workspace = Workspace(str(root), store_root=str(root / "store"), overrides=overrides)
    session = Session(workspace, say=lambda line: None)
    label = parse_label("//kernelspecs")
    session.start([label])
    build_in_order(session)
    record = workspace.records.get(workspace.keys.key(Reference(label)))
    assert record is not None
    tar = ContentStore(str(root / "store")).path(record.files["kernelspecs.tar"].sha256)
    found = {}
    with tarfile.open(tar) as archive:
        for entry in archive:
            assert (entry.uid, entry.gid) == (0, 0)
            assert entry.mode & 0o022 == 0
            member = archive.extractfile(entry)
            if member is not None:
                found[entry.name] = member.read()
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The archive of the family as it is."""
    return build(family(tmp_path_factory.mktemp("family")))


def spec(archive: dict[str, bytes], name: str) -> Any:
    return json.loads(archive[f"{PREFIX}/{name}/kernel.json"])


def test_the_archive_holds_the_folders_and_nothing_else(archive):
    files = ["kernel.json", "logo-64x64.png", *(f"scripts/{script}" for script in SCRIPTS)]
    assert archive.keys() == {f"{PREFIX}/{name}/{file}" for name in NAMES for file in files}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_what_notebooks_and_the_gateway_read(archive, name):
    found = spec(archive, name)
    check(found, SCHEMA)
    assert name == name.lower()  # the gateway lists them so
    script = found["argv"][1].replace("{resource_dir}", f"{PREFIX}/{name}")
    assert script in archive  # wherever the folder is mounted
    assert found["argv"][0] == "python"  # the gateway puts its own interpreter there
    given = dict(zip(found["argv"][2::2], found["argv"][3::2], strict=True))
    assert given == {
        "--RemoteProcessProxy.kernel-id": "{kernel_id}",
        "--RemoteProcessProxy.port-range": "{port_range}",
        "--RemoteProcessProxy.response-address": "{response_address}",
        "--RemoteProcessProxy.public-key": "{public_key}",
    }


def test_docker_and_swarm_have_their_own_proxies(archive):
    proxies = {name: spec(archive, name)["metadata"]["process_proxy"] for name in NAMES}
    module = "enterprise_gateway.services.processproxies.docker_swarm"
    assert proxies["python_docker"]["class_name"] == f"{module}.DockerProcessProxy"
    assert proxies["python_swarm"]["class_name"] == f"{module}.DockerSwarmProcessProxy"


def test_python_kernels_can_be_debugged(archive):
    assert all(spec(archive, name)["metadata"]["debugger"] for name in NAMES)


def test_images_are_named_as_this_build_names_them(archive, tmp_path):
    other = build(family(tmp_path), organization="acme", registry="registry.example.com:5000")
    settings = parse_settings((ROOT / "pyproject.toml").read_text("utf-8"))
    ours = f"{settings.registry}/{settings.organization}/kernel-py:dev".removeprefix("/")
    wanted = {id(archive): ours}
    wanted[id(other)] = "registry.example.com:5000/acme/kernel-py:dev"
    for built in (archive, other):
        for name in NAMES:
            config = spec(built, name)["metadata"]["process_proxy"]["config"]
            assert config == {"image_name": wanted[id(built)]}


def test_the_launch_script_needs_only_what_the_gateway_has(archive):
    modules = set()
    for name in SCRIPTS:
        script = archive[f"{PREFIX}/python_docker/scripts/{name}"]
        assert script == (ROOT / "launchers/docker" / name).read_bytes()
        modules |= {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(ast.parse(script, feature_version=(3, 9)))
            if isinstance(node, (ast.Import, ast.ImportFrom))
        }
    roots = {module.partition(".")[0] for module in modules}
    beside = {name.removesuffix(".py") for name in SCRIPTS}
    known = set(sys.stdlib_module_names) | {"__future__"} | beside
    assert roots - known == {"docker", "requests"}


@pytest.mark.parametrize("name", NAMES)
def test_the_launch_script_finds_its_modules_in_the_kernelspec(archive, tmp_path, name):
    for script in SCRIPTS:
        (tmp_path / script).write_bytes(archive[f"{PREFIX}/{name}/scripts/{script}"])
    command = [sys.executable, str(tmp_path / "launch_docker.py")]
    done = subprocess.run(command, env={}, cwd="/", capture_output=True, text=True, check=False)
    assert done.stderr == "launch_docker: error: --kernel-id is missing\n"
    assert done.returncode == 64


def drawing() -> Any:
    path = ROOT / "kernelspecs/draw_logos.py"
    found = importlib.util.spec_from_file_location("draw_logos", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def pixels(png: bytes) -> bytes:
    """What our own PNG files hold: one IDAT chunk, 64 rows without a filter."""
    at = png.index(b"IDAT") + 4
    rows = zlib.decompress(png[at : at + int.from_bytes(png[at - 8 : at - 4], "big")])
    return b"".join(rows[start + 1 : start + 257] for start in range(0, len(rows), 257))


def test_the_logos_are_what_the_script_draws(archive):
    module = drawing()
    for name, logo in module.LOGOS.items():
        png = (ROOT / f"kernelspecs/logos/{name}.png").read_bytes()
        assert pixels(png) == module.draw(logo)  # zlib's own bytes differ between versions
        assert png[16:24] == (64).to_bytes(4, "big") * 2
    assert archive[f"{PREFIX}/python_docker/logo-64x64.png"] == png
