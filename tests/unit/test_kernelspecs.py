"""The family's kernelspecs, built as a build builds them, without an engine."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import shutil
import string
import subprocess
import sys
import tarfile
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.store.content import ContentStore
from tests.support.settings import parse_settings

ROOT = Path(__file__).parents[2]
PREFIX = "usr/local/share/jupyter/kernels"
PROXIES = "enterprise_gateway.services.processproxies."
KERNELS = ("python", "python_tf", "python_tf_gpu", "R", "scala")
SPARK = ("spark_python", "spark_R", "spark_scala")

# Name -> display name, process proxy, image (and that of Spark's executors), as the gateway's own
# kernelspecs have them; those for swarm and for Spark in Docker are ours.
WANTED: dict[str, tuple[str, str, str, str]] = {
    "python_docker": ("Python on Docker", "docker_swarm.DockerProcessProxy", "kernel-py", ""),
    "python_kubernetes": (
        "Python on Kubernetes", "k8s.KubernetesProcessProxy", "kernel-py", ""),
    "python_tf_kubernetes": (
        "Python on Kubernetes with Tensorflow", "k8s.KubernetesProcessProxy", "kernel-tf-py", ""),
    "python_tf_gpu_kubernetes": (
        "Python on Kubernetes with Tensorflow with GPUs", "k8s.KubernetesProcessProxy",
        "kernel-tf-gpu-py", ""),
    "R_kubernetes": ("R on Kubernetes", "k8s.KubernetesProcessProxy", "kernel-r", ""),
    "scala_kubernetes": ("Scala on Kubernetes", "k8s.KubernetesProcessProxy", "kernel-scala", ""),
    "spark_python_kubernetes": (
        "Spark - Python (Kubernetes Mode)", "k8s.KubernetesProcessProxy", "kernel-spark-py",
        "kernel-spark-py"),
    "spark_R_kubernetes": (
        "Spark - R (Kubernetes Mode)", "k8s.KubernetesProcessProxy", "kernel-spark-r",
        "kernel-spark-r"),
    "spark_scala_kubernetes": (
        "Spark - Scala (Kubernetes Mode)", "k8s.KubernetesProcessProxy", "kernel-scala",
        "kernel-scala"),
    "spark_python_operator": (
        "Spark Operator (Python)", "spark_operator.SparkOperatorProcessProxy", "kernel-spark-py",
        "kernel-spark-py"),
    "spark_python_yarn_client": (
        "Spark - Python (YARN Client Mode)", "distributed.DistributedProcessProxy", "", ""),
    "spark_R_yarn_client": (
        "Spark - R (YARN Client Mode)", "distributed.DistributedProcessProxy", "", ""),
    "spark_scala_yarn_client": (
        "Spark - Scala (YARN Client Mode)", "distributed.DistributedProcessProxy", "", ""),
    "spark_python_yarn_cluster": (
        "Spark - Python (YARN Cluster Mode)", "yarn.YarnClusterProcessProxy", "", ""),
    "spark_R_yarn_cluster": (
        "Spark - R (YARN Cluster Mode)", "yarn.YarnClusterProcessProxy", "", ""),
    "spark_scala_yarn_cluster": (
        "Spark - Scala (YARN Cluster Mode)", "yarn.YarnClusterProcessProxy", "", ""),
    "dask_python_yarn_remote": (
        "Dask - Python (YARN Remote Mode)", "yarn.YarnClusterProcessProxy", "", ""),
    "python_distributed": (
        "Python 3 (distributed)", "distributed.DistributedProcessProxy", "", ""),
}  # fmt: skip
NAMES = sorted(
    {*WANTED, *(f"{name}_{how}" for name in (*KERNELS, *SPARK) for how in ("docker", "swarm"))}
)
ON_DOCKER = [name for name in NAMES if name.endswith(("_docker", "_swarm"))]
ON_KUBERNETES = [name for name in NAMES if name.endswith(("_kubernetes", "_operator"))]
ON_YARN = [name for name in NAMES if "_yarn_" in name]
ON_HOSTS = [*ON_YARN, "python_distributed"]
# What follows the options with the placeholders.
MODES = {
    **{f"spark_{name}_{how}": mode for how in ("docker", "swarm", "kubernetes")
       for name, mode in (("python", "lazy"), ("R", "lazy"), ("scala", "eager"))},
    # In a cluster the context takes half a minute, of the minute that the gateway gives a kernel.
    "spark_scala_kubernetes": "lazy",
    "spark_python_yarn_client": "lazy", "spark_R_yarn_client": "lazy",
    "spark_scala_yarn_client": "lazy", "spark_python_yarn_cluster": "lazy",
    "spark_R_yarn_cluster": "eager", "spark_scala_yarn_cluster": "eager",
    "python_distributed": "none",
}  # fmt: skip
DOCKER_SCRIPTS = {"kernel_request.py", "launch_docker.py", "launch_errors.py"}
KUBE = {"kernel_request.py", "launch_errors.py", "kube_client.py", "kube_manifest.py",
        "kube_values.py", "kube_volumes.py", "kube_watch.py"}  # fmt: skip
POD = {*KUBE, "launch_kubernetes.py", "spark_options.py", "kernel-pod.yaml.j2"}
RESOURCE = {*KUBE, "launch_custom_resource.py", "sparkoperator.k8s.io-v1beta2.yaml.j2"}

# jupyter_client's kernelspec format, and what the gateway's process proxies read of it.
TEXT = {"type": "string", "minLength": 1}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["argv", "display_name", "env", "language", "metadata"],
    "additionalProperties": False,
    "properties": {
        "argv": {"type": "array", "items": TEXT, "minItems": 2},
        "display_name": TEXT,
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "language": {"enum": ["python", "R", "scala"]},
        "metadata": {
            "type": "object",
            "required": ["process_proxy"],
            "additionalProperties": False,
            "properties": {
                "debugger": {"const": True},
                "process_proxy": {
                    "type": "object",
                    "required": ["class_name", "config"],
                    "additionalProperties": False,
                    "properties": {
                        "class_name": TEXT,
                        "config": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"image_name": TEXT, "executor_image_name": TEXT},
                        },
                    },
                },
            },
        },
    },
}


def family(folder: Path) -> Path:
    """A copy of what declares the family."""
    for name in ("dodo.py", "VERSION", "pyproject.toml", "images.lock"):
        shutil.copy(ROOT / name, folder)
    for name in ("images", "launchers", "kernelspecs", "deploy", "verify"):
        if (ROOT / name).exists():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


class Archives:
    """The archives of a family's kernelspecs, made without an engine."""

    def __init__(self, root: Path, **overrides: str) -> None:
        self.root = root
        self.store = str(root / "store")
        self.workspace = Workspace(str(root), store_root=self.store, overrides=overrides)

    def key(self, name: str) -> str:
        """The key of a target in kernelspecs/."""
        return self.workspace.keys.key(Reference(parse_label(f"//kernelspecs:{name}")))

    def build(self, name: str) -> dict[str, tuple[int, bytes]]:
        """Path -> mode and content of the files in an archive."""
        session = Session(self.workspace, say=lambda line: None)
        session.start([parse_label(f"//kernelspecs:{name}")])
        build_in_order(session)
        record = self.workspace.records.get(self.key(name))
        assert record is not None
        found = {}
        with tarfile.open(ContentStore(self.store).path(record.files[f"{name}.tar"].sha256)) as tar:
            for entry in tar:
                assert (entry.uid, entry.gid) == (0, 0)
                assert entry.mode & 0o022 == 0
                member = tar.extractfile(entry)
                if member is not None:
                    found[entry.name] = (entry.mode, member.read())
        return found


def without_engine(root: Path) -> Path:
    """A family whose jars are files: to compile them takes an engine."""
    folder = root / "launchers/scala"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    text = '"""Stands in."""\nfrom buildlib.rules import filegroup\n'
    for name in ("toree_launcher", "toree"):
        text += f'filegroup(name="{name}", srcs=["{name}.jar"])\n'
        (folder / f"{name}.jar").write_text(name)
    (folder / "BUILD.py").write_text(text)
    return root


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """Those of the family as it is."""
    return Archives(without_engine(family(tmp_path_factory.mktemp("family"))))


@pytest.fixture(scope="module")
def files(archives: Archives) -> dict[str, tuple[int, bytes]]:
    """All kernelspecs, by path in a kernels folder."""
    found = archives.build("kernelspecs")
    assert all(path.startswith(f"{PREFIX}/") for path in found)
    return {path.removeprefix(f"{PREFIX}/"): file for path, file in found.items()}


@pytest.fixture(scope="module")
def specs(files: dict[str, tuple[int, bytes]]) -> dict[str, Any]:
    """Name -> kernel.json."""
    return {
        path.partition("/")[0]: json.loads(content)
        for path, (_, content) in files.items()
        if path.endswith("/kernel.json")
    }


def inside(files: dict[str, Any], name: str, folder: str = "") -> set[str]:
    """What a kernelspec has, or a folder of it."""
    prefix = f"{name}/{folder}"
    return {path.removeprefix(prefix) for path in files if path.startswith(prefix)}


# -- kernel.json -----------------------------------------------------------------------------------


def test_there_are_the_kernelspecs_that_there_should_be_and_no_more(specs):
    assert sorted(specs) == NAMES
    assert len(NAMES) == 33


@pytest.mark.parametrize("name", NAMES)
def test_each_is_what_notebooks_and_the_gateway_read(specs, name):
    jsonschema.validate(specs[name], SCHEMA)


def test_a_schema_finds_what_is_wrong(specs):
    for wrong in ({"argv": ["python"]}, {"env": {"A": 1}}, {"language": "cobol"}, {"more": ""}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**specs["python_docker"], **wrong}, SCHEMA)


@pytest.mark.parametrize("name", sorted(WANTED))
def test_names_proxies_and_images_are_as_the_gateways_own(specs, name):
    display_name, proxy, image, executor = WANTED[name]
    found = specs[name]
    assert found["display_name"] == display_name
    assert found["metadata"]["process_proxy"]["class_name"] == PROXIES + proxy
    config = found["metadata"]["process_proxy"]["config"]
    settings = parse_settings((ROOT / "pyproject.toml").read_text("utf-8"))
    where = f"{settings.registry}/{settings.organization}/".removeprefix("/")
    wanted = {"image_name": image, "executor_image_name": executor}
    assert config == {key: f"{where}{value}:dev" for key, value in wanted.items() if value}


def test_docker_and_swarm_differ_in_name_and_proxy_only(specs):
    for name in (*KERNELS, *SPARK):
        plain, swarm = specs[f"{name}_docker"], specs[f"{name}_swarm"]
        proxies = [spec["metadata"]["process_proxy"].pop("class_name") for spec in (plain, swarm)]
        module = PROXIES + "docker_swarm"
        assert proxies == [f"{module}.DockerProcessProxy", f"{module}.DockerSwarmProcessProxy"]
        assert plain.pop("display_name") == swarm.pop("display_name").replace(" Swarm", "")
        assert plain == swarm


@pytest.mark.parametrize("name", NAMES)
def test_the_language_is_that_of_the_name_and_python_can_be_debugged(specs, name):
    language = next(one for one in ("python", "R", "scala") if one in name.split("_"))
    assert specs[name]["language"] == language
    debugged = language == "python" and name != "spark_python_operator"
    assert specs[name]["metadata"].get("debugger", False) is debugged


@pytest.mark.parametrize("name", NAMES)
def test_the_command_is_in_the_folder_and_gets_what_the_gateway_knows(specs, files, name):
    argv = specs[name]["argv"]
    place = "{resource_dir}/"
    if argv[0] == "python":  # the gateway takes its own interpreter
        script, options = argv[1], argv[2:]
    elif argv[0] == "sh":
        script, options = argv[1], argv[2:]
        assert script == place + "bin/run.sh"
    else:
        script, options = argv[0], argv[1:]
        assert files[f"{name}/bin/run.sh"][0] == 0o755
        assert script == place + "bin/run.sh"
    assert script.startswith(place)  # wherever the folder is mounted
    assert f"{name}/{script.removeprefix(place)}" in files
    assert all(word.startswith("--RemoteProcessProxy.") for word in options[::2])
    names = [word.removeprefix("--RemoteProcessProxy.") for word in options[::2]]
    to_containers = ["kernel-id", "port-range", "response-address", "public-key"]
    to_hosts = ["kernel-id", "response-address", "public-key", "port-range"]
    here = name in (*ON_DOCKER, *ON_KUBERNETES)
    assert names[:4] == (to_containers if here else to_hosts)
    assert options[1:8:2] == ["{" + one.replace("-", "_") + "}" for one in names[:4]]
    more = dict(zip(names[4:], options[9::2], strict=True))
    wanted = {"spark-context-initialization-mode": MODES[name]} if name in MODES else {}
    assert more == ({"cluster-type": "dask"} if name.startswith("dask") else wanted)


ENVIRONMENTS = {
    "python": {"SPARK_OPTS", "LAUNCH_OPTS"},
    "R": {"SPARK_OPTS", "LAUNCH_OPTS"},
    "scala": {"__TOREE_SPARK_OPTS__", "__TOREE_OPTS__", "LAUNCH_OPTS", "DEFAULT_INTERPRETER"},
}


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_has_the_variables_of_its_platform(specs, name):
    names = set(specs[name]["env"])
    wanted: set[str] = set()
    if name.startswith("spark") and name.endswith("_kubernetes"):
        wanted = {"SPARK_HOME", "HTTP2_DISABLE", "KERNEL_CPUS"}
        wanted |= ENVIRONMENTS[specs[name]["language"]]
    elif name.endswith("_operator"):
        wanted = {"KERNEL_CPUS"}
    elif name.startswith("spark") and name in ON_YARN:
        wanted = ENVIRONMENTS[specs[name]["language"]]
    elif name.startswith("dask"):
        wanted = {"DASK_OPTS", "LAUNCH_OPTS"}
    assert names == wanted


def spark_options(spec: Any) -> str:
    env = spec["env"]
    return env.get("SPARK_OPTS") or env.get("__TOREE_SPARK_OPTS__", "")


@pytest.mark.parametrize("name", [name for name in ON_KUBERNETES if MODES.get(name)])
def test_spark_on_kubernetes_has_the_kernels_names_and_labels(specs, name):
    text = spark_options(specs[name])
    words = text.split()
    assert words[:4] == ["--master", words[1], "--deploy-mode", "cluster"]
    assert words[1].startswith("k8s://https://${KUBERNETES_SERVICE_HOST")
    assert ("--driver-memory 2G" in text) is ("scala" in name)
    for role, component in (("driver", "kernel"), ("executor", "worker")):
        assert f"spark.kubernetes.{role}.label.app=enterprise-gateway" in words
        assert f"spark.kubernetes.{role}.label.kernel_id=${{KERNEL_ID:-}}" in words
        assert f"spark.kubernetes.{role}.label.component={component}" in words
    for part in (
        "namespace=${KERNEL_NAMESPACE:-}",
        "driver.container.image=${KERNEL_IMAGE:-}",
        "executor.container.image=${KERNEL_EXECUTOR_IMAGE:-}",
        "authenticate.driver.serviceAccountName=${KERNEL_SERVICE_ACCOUNT_NAME:-}",
        "submission.waitAppCompletion=false",
        "driverEnv.HTTP2_DISABLE=true",
    ):
        assert f"spark.kubernetes.{part}" in words
    assert words[-1] == "${KERNEL_EXTRA_SPARK_OPTS:-}"


@pytest.mark.parametrize("name", [name for name in ON_KUBERNETES if name.startswith("spark")])
def test_a_node_of_two_processors_has_room_for_spark(specs, name):
    # A driver and Spark's two executors; the launch script gives each what this says.
    assert 3 * int(specs[name]["env"]["KERNEL_CPUS"].removesuffix("m")) < 2000


@pytest.mark.parametrize("name", [name for name in ON_YARN if name.startswith("spark")])
def test_spark_on_yarn_is_found_by_the_kernels_id(specs, name):
    words = spark_options(specs[name]).split()
    cluster = name.endswith("cluster")
    mode = "cluster" if cluster else "client"
    assert words[:6] == ["--master", "yarn", "--deploy-mode", mode, "--name",
                         "${KERNEL_ID:-ERROR__NO__KERNEL_ID}"]  # fmt: skip
    assert ("spark.yarn.submit.waitAppCompletion=false" in words) is cluster
    assert ("spark.yarn.maxAppAttempts=1" in words) is cluster
    assert ("spark.yarn.am.waitTime=1d" in words) is (cluster and "python" not in name)
    assert words[-1] == "${KERNEL_EXTRA_SPARK_OPTS:-}"


@pytest.mark.parametrize("name", [*ON_KUBERNETES, *ON_YARN])
def test_toree_may_look_into_jars_whatever_java_a_node_has(specs, name):
    words = shlex.split(spark_options(specs[name]))
    found = [word for word in words if word.startswith("spark.driver.defaultJavaOptions=")]
    if not (name.startswith("spark") and "scala" in name):
        assert not found
        return
    # Java 8 refuses an option that it does not know, unless told to pass it over: before it.
    ignore, opens = found[0].partition("=")[2].split()
    assert ignore == "-XX:+IgnoreUnrecognizedVMOptions"
    assert opens == "--add-opens=java.base/java.util.jar=ALL-UNNAMED"
    assert words[words.index(found[0]) - 1] == "--conf"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_client_sends_never_becomes_text_of_a_command(specs, name):
    # The gateway does this with what came with the request, before run.sh gets to see it.
    text = " ".join(specs[name]["env"].values())
    names = set(re.findall(r"\$\{?(\w+)", text)) | {"HOME", "PATH", "KERNEL_ID"}
    sent = dict.fromkeys(names, "a;b c")
    for value in specs[name]["env"].values():
        assert string.Template(value).safe_substitute(sent) == value


def test_nothing_names_versions_and_places_of_an_installation(specs):
    text = json.dumps(specs)
    assert not re.search(r"python3[.]|py4j|/conda", text)
    on_hosts = json.dumps({name: specs[name] for name in (*ON_YARN, "python_distributed")})
    assert not re.search(r"/(opt|usr|home)/", on_hosts)
    settings = (ROOT / "pyproject.toml").read_text().partition("[tool.buildlib.spark]")[2]
    version = re.search(r'^version = "(.+)"', settings, re.MULTILINE)
    assert version is not None
    template = ROOT / "launchers/kubernetes/sparkoperator.k8s.io-v1beta2.yaml.j2"
    assert f'sparkVersion: "{version[1]}"' in template.read_text()


def test_images_are_named_as_this_build_names_them(archives, tmp_path):
    other = Archives(
        without_engine(family(tmp_path)), organization="acme", registry="registry.example.com:5000"
    )
    found = other.build("kernelspecs_kubernetes")
    spec = json.loads(found["spark_python_kubernetes/kernel.json"][1])
    image = "registry.example.com:5000/acme/kernel-spark-py:dev"
    wanted = {"image_name": image, "executor_image_name": image}
    assert spec["metadata"]["process_proxy"]["config"] == wanted
    # The launchers have nothing of it in them: no image is made again for another organisation.
    assert other.key("kernel_launcher") == archives.key("kernel_launcher")
    assert other.key("python_docker") != archives.key("python_docker")


# -- Resources -------------------------------------------------------------------------------------


def programs(name: str) -> set[str]:
    """What is to be in the folder `bin`."""
    if name in ON_HOSTS:
        return {"bin/run.sh", "bin/options.sh", "bin/hosts.sh"}
    submits = name.startswith("spark") and name.endswith("_kubernetes")
    return {"bin/run.sh", "bin/options.sh"} if submits else set()


@pytest.mark.parametrize("name", NAMES)
def test_each_has_the_files_it_needs_and_no_more(files, name):
    scripts, libraries = inside(files, name, "scripts/"), inside(files, name, "lib/")
    others = {"kernel.json", "logo-64x64.png", *programs(name)}
    if "_R_" in f"_{name}":
        others.add("kernel.js")
    jars, wanted = set(), set()
    if name in ON_DOCKER:
        wanted = DOCKER_SCRIPTS
    elif name in ON_KUBERNETES:
        wanted = RESOURCE if name.endswith("operator") else POD
    elif "scala" in name:
        jars = {"toree-launcher.jar", "toree-assembly.jar"}
    elif "_R_" in name and name.endswith("cluster"):
        wanted = {"kernel_launcher.zip", "launch_IRkernel.R"}
    elif "_R_" in name:
        modules = {path.name for path in (ROOT / "launchers/R/kernel_launcher").glob("*.R")}
        wanted = {"launch_IRkernel.R", *(f"kernel_launcher/{module}" for module in modules)}
    elif name.startswith("dask"):
        wanted = {"kernel_launcher.zip"}
    elif name.endswith("cluster"):
        wanted = {"kernel_launcher.zip", "launch_ipykernel.py"}
    else:
        package = {path.name for path in (ROOT / "launchers/python/kernel_launcher").glob("*.py")}
        wanted = {"launch_ipykernel.py", *(f"kernel_launcher/{module}" for module in package)}
    assert (scripts, libraries) == (wanted, jars)
    assert inside(files, name) == others | {f"scripts/{path}" for path in scripts} | {
        f"lib/{path}" for path in libraries
    }


def test_only_programs_are_executable(files):
    executable = {path for path, (mode, _) in files.items() if mode & 0o111}
    # That of python_distributed is run by sh.
    programs = {path for path in files if path.endswith("/bin/run.sh")}
    assert executable == programs - {"python_distributed/bin/run.sh"}


def test_the_archives_are_those_of_the_platforms(archives, files):
    everything: set[str] = set()
    for platform, names in (
        ("docker", ON_DOCKER),
        ("kubernetes", ON_KUBERNETES),
        ("yarn", ON_YARN),
    ):
        found = archives.build(f"kernelspecs_{platform}")
        assert {path.partition("/")[0] for path in found} == set(names)
        assert all(files[path] == file for path, file in found.items())
        everything |= set(found)
    rest = {path for path in files if path.startswith("python_distributed/")}
    assert everything | rest == set(files)
    data = archives.build("kernels")
    of_images = (*ON_DOCKER, *ON_KUBERNETES)
    assert data == {
        f"kernels/{path}": file
        for path, file in files.items()
        if path.partition("/")[0] in of_images
    }


@pytest.mark.parametrize(
    ("edited", "touched"),
    [
        ("launchers/docker/launch_docker.py", ON_DOCKER),
        ("launchers/docker/kernel_request.py", [*ON_DOCKER, *ON_KUBERNETES]),
        ("launchers/kubernetes/kernel-pod.yaml.j2",
         [name for name in ON_KUBERNETES if not name.endswith("operator")]),
        ("launchers/kubernetes/launch_custom_resource.py", ["spark_python_operator"]),
        ("launchers/kubernetes/kube_client.py", ON_KUBERNETES),
        ("launchers/python/kernel_launcher/comm.py",
         ["python_distributed", "dask_python_yarn_remote", "spark_python_yarn_client",
          "spark_python_yarn_cluster"]),
        ("launchers/R/kernel_launcher/comm.R", ["spark_R_yarn_client", "spark_R_yarn_cluster"]),
        ("kernelspecs/bin/yarn.sh", [n for n in ON_YARN if n.startswith("spark")]),
        ("kernelspecs/bin/hosts.sh", ON_HOSTS),
        ("kernelspecs/bin/kubernetes.sh", [f"{name}_kubernetes" for name in SPARK]),
        ("kernelspecs/logos/spark_R.png", [name for name in NAMES if name.startswith("spark_R")]),
    ],
)  # fmt: skip
def test_an_edit_touches_the_kernelspecs_that_carry_it(archives, tmp_path, edited, touched):
    root = without_engine(family(tmp_path))
    with (root / edited).open("ab") as file:
        file.write(b"\n")
    after = Archives(root)
    changed = [name for name in NAMES if after.key(name) != archives.key(name)]
    assert changed == sorted(touched)


def roots(script: bytes) -> set[str]:
    """The modules that a script imports, without what they are parts of."""
    modules = set()
    for node in ast.walk(ast.parse(script, feature_version=(3, 9))):
        if isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("python_docker", {"docker", "requests", "yaml"}),
        ("python_kubernetes", {"docker", "jinja2", "kubernetes", "urllib3", "yaml"}),
        ("spark_python_operator", {"docker", "jinja2", "kubernetes", "urllib3", "yaml"}),
    ],
)
def test_the_launch_scripts_need_only_what_the_gateway_has(files, name, needs):
    scripts = {path for path in inside(files, name, "scripts/") if path.endswith(".py")}
    found: set[str] = set()
    for path in scripts:
        found |= roots(files[f"{name}/scripts/{path}"][1])
    beside = {path.removesuffix(".py") for path in scripts}
    assert found - set(sys.stdlib_module_names) - {"__future__"} - beside == needs
    locked = (ROOT / "images/enterprise-gateway/requirements.lock").read_text()
    for module in needs:
        assert f"\n{module.replace('yaml', 'pyyaml')}==" in f"\n{locked}"


def test_the_launch_script_finds_its_modules_in_the_kernelspec(files, tmp_path):
    """Each folder of scripts is run once, however many kernelspecs have the very same."""
    folders: dict[tuple[tuple[str, bytes], ...], list[str]] = {}
    for name in [*ON_DOCKER, *ON_KUBERNETES]:
        paths = sorted(inside(files, name, "scripts/"))
        scripts = tuple((path, files[f"{name}/scripts/{path}"][1]) for path in paths)
        folders.setdefault(scripts, []).append(name)
    assert len(folders) == 3  # Docker's, Kubernetes', the operator's
    for scripts, names in folders.items():
        folder = tmp_path / names[0]
        folder.mkdir()
        for path, content in scripts:
            (folder / path).write_bytes(content)
        [script] = [path for path in folder.iterdir() if path.name.startswith("launch_")
                    and path.name != "launch_errors.py"]  # fmt: skip
        command = [sys.executable, str(script)]
        done = subprocess.run(command, env={}, cwd="/", capture_output=True, text=True, check=False)
        assert done.stderr == f"{script.stem}: error: --kernel-id is missing\n", names
        assert done.returncode == 64


def test_the_zip_of_the_launcher_runs_and_is_the_same_everywhere(files, tmp_path):
    data = files["dask_python_yarn_remote/scripts/kernel_launcher.zip"][1]
    assert data == files["spark_python_yarn_cluster/scripts/kernel_launcher.zip"][1]
    with zipfile.ZipFile(BytesIO(data)) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {"__main__.py", "launch_ipykernel.py", "kernel_launcher/launch.py"} <= set(names)
    (tmp_path / "kernel_launcher.zip").write_bytes(data)
    command = [sys.executable, "kernel_launcher.zip", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--response-address" in done.stdout


# -- Logos -----------------------------------------------------------------------------------------


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


def test_the_logos_are_what_the_script_draws():
    module = drawing()
    folder = ROOT / "kernelspecs/logos"
    assert {path.stem for path in folder.iterdir()} == module.LOGOS.keys()
    for name, logo in module.LOGOS.items():
        png = (folder / f"{name}.png").read_bytes()
        assert pixels(png) == module.draw(logo)  # zlib's own bytes differ between versions
        assert png[16:24] == (64).to_bytes(4, "big") * 2


@pytest.mark.parametrize("name", NAMES)
def test_each_has_the_logo_of_its_language_or_library(files, specs, name):
    language = specs[name]["language"]
    logo = f"spark_{language}" if name.startswith("spark") else language
    logo = "tensorflow" if "_tf_" in name else logo
    wanted = (ROOT / f"kernelspecs/logos/{logo}.png").read_bytes()
    assert files[f"{name}/logo-64x64.png"][1] == wanted
