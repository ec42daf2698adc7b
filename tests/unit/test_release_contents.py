"""What the archives of a release hold, beside upstream's lists of files for the same archives."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.output import EXPORT
from tests.unit.test_kernelspecs import family, without_engine

ROOT = Path(__file__).resolve().parents[2]
VERSION = "2.5.0"
LAUNCHER, TOREE = "toree-launcher_2.12-2.5.0.jar", "toree-assembly-0.5.0-incubating.jar"
PYTHON = {"launch_ipykernel.py"}
R = {"launch_IRkernel.R", "server_listener.py"}
POD = {"launch_kubernetes.py", "kernel-pod.yaml.j2"}
LOGO = {"kernel.json", "logo-64x64.png"}
R_LOGO = {*LOGO, "kernel.js"}


def scripts(*names: str) -> set[str]:
    return {f"scripts/{name}" for name in names}


JARS = {f"lib/{LAUNCHER}", f"lib/{TOREE}"}
RUN = {"bin/run.sh"}
UPSTREAM = {
    "docker": {
        **dict.fromkeys(
            ("python_docker", "python_tf_docker", "python_tf_gpu_docker", "scala_docker"),
            LOGO | scripts("launch_docker.py"),
        ),
        "R_docker": R_LOGO | scripts("launch_docker.py"),
    },
    "kubernetes": {
        **dict.fromkeys(
            ("python_kubernetes", "python_tf_kubernetes", "python_tf_gpu_kubernetes",
             "scala_kubernetes"),
            LOGO | scripts(*POD),
        ),
        "R_kubernetes": R_LOGO | scripts(*POD),
        **dict.fromkeys(
            ("spark_python_kubernetes", "spark_scala_kubernetes"), LOGO | RUN | scripts(*POD)
        ),
        "spark_R_kubernetes": R_LOGO | RUN | scripts(*POD),
        "spark_python_operator": LOGO
        | scripts("launch_custom_resource.py", "sparkoperator.k8s.io-v1beta2.yaml.j2"),
    },
    "yarn": {
        **dict.fromkeys(
            ("spark_python_yarn_client", "spark_python_yarn_cluster", "dask_python_yarn_remote"),
            LOGO | RUN | scripts(*PYTHON),
        ),
        **dict.fromkeys(
            ("spark_R_yarn_client", "spark_R_yarn_cluster"), R_LOGO | RUN | scripts(*R)
        ),
        **dict.fromkeys(
            ("spark_scala_yarn_client", "spark_scala_yarn_cluster"), LOGO | RUN | JARS
        ),
    },
}  # fmt: skip
"""Set -> kernelspec -> its files, as upstream assembles them."""
KERNEL_IMAGE_FILES = {
    "bootstrap-kernel.sh",
    *(f"kernel-launchers/python/scripts/{name}" for name in PYTHON),
    *(f"kernel-launchers/R/scripts/{name}" for name in R),
    *(f"kernel-launchers/scala/lib/{name}" for name in (LAUNCHER, TOREE)),
}

GONE = {"server_listener.py"}
"""Ours listens in R itself, so there is no Python in an R kernel."""
MODULES = ("kernel_launcher/", "kernel_launcher.zip")
"""Our launchers are programs of several modules."""
STARTERS = {
    "kernel_request.py", "launch_errors.py", "kube_client.py", "kube_manifest.py",
    "kube_values.py", "kube_volumes.py", "kube_watch.py", "spark_options.py",
}  # fmt: skip
"""So are our scripts that start containers and pods, and run.sh."""
OPTIONS = {"bin/options.sh", "bin/hosts.sh"}
MORE = {
    "docker": {
        *(f"{name}_swarm" for name in (
            "python", "python_tf", "python_tf_gpu", "R", "scala", "spark_python", "spark_R",
            "spark_scala",
        )),
        *(f"spark_{name}_docker" for name in ("python", "R", "scala")),
    },
    "kubernetes": set(),
    "yarn": set(),
}  # fmt: skip
"""Kernelspecs that upstream has not: Swarm has its own, and Spark runs on Docker, too."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The family, in the channel of a release, with stand-ins for the jars."""
    root = without_engine(family(tmp_path_factory.mktemp("family")))
    return Workspace(str(root), store_root=f"{root}/store", version=VERSION)


def archive(workspace: Workspace, label: str) -> set[str]:
    """The files in the archive of a target."""
    target = parse_label(label)
    session = Session(workspace, say=lambda line: None)
    session.start([target])
    build_in_order(session)
    record = workspace.records.get(workspace.keys.key(Reference(target)))
    assert record is not None
    with tarfile.open(workspace.store.path(record.files[EXPORT].sha256)) as tar:
        return {entry.name for entry in tar if entry.isfile()}


def by_folder(paths: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in paths:
        folder, _, rest = path.partition("/")
        found.setdefault(folder, set()).add(rest)
    return found


def is_ours(path: str) -> bool:
    """Whether a file is one that we have for a reason that is told above, and upstream has not."""
    name = path.rpartition("scripts/")[2]
    return path in OPTIONS or name in STARTERS or name.startswith(MODULES)


@pytest.mark.parametrize("platform", UPSTREAM)
def test_a_set_has_upstreams_kernelspecs_with_upstreams_files(
    released: Workspace, platform: str
) -> None:
    found = by_folder(archive(released, f"//kernelspecs:kernelspecs_{platform}"))
    assert set(found) == set(UPSTREAM[platform]) | MORE[platform]
    for name, wanted in UPSTREAM[platform].items():
        missing = {path.rpartition("/")[2] for path in wanted - found[name]}
        allowed = set(GONE)
        if name == "dask_python_yarn_remote":  # one file is shipped, and it is the launcher
            allowed |= PYTHON
        assert missing <= allowed, name
        assert {path for path in found[name] - wanted if not is_ours(path)} == set(), name


def test_the_set_of_all_has_all(released: Workspace) -> None:
    found = by_folder(archive(released, "//kernelspecs"))
    sets = [
        by_folder(archive(released, f"//kernelspecs:kernelspecs_{platform}"))
        for platform in UPSTREAM
    ]
    wanted = {name: files for each in sets for name, files in each.items()}
    assert set(found) == {*wanted, "python_distributed"}
    assert {name: found[name] for name in wanted} == wanted
    ours = {path for path in found["python_distributed"] if not is_ours(path)}
    assert ours == LOGO | {"bin/run.sh"} | scripts(*PYTHON)
    assert not any("conductor" in name for name in found), "left out: nobody has one to test with"


def test_the_launchers_have_upstreams_names(released: Workspace) -> None:
    found = archive(released, "//launchers:kernel_image_files")
    missing = {path.rpartition("/")[2] for path in KERNEL_IMAGE_FILES - found}
    assert missing == GONE
    assert {path for path in found - KERNEL_IMAGE_FILES if not is_ours(path)} == set()


def test_archives_are_called_as_upstream_calls_them(released: Workspace) -> None:
    exports = [released.export(released.graph[label]) for label in released.graph.order]
    names = {Path(each.path).name for each in exports if each and "/dist/" in each.path}
    prefix = "jupyter_enterprise_gateway"
    sets = ("kernelspecs", *(f"kernelspecs_{each}" for each in UPSTREAM), "kernel_image_files")
    archives = {f"{prefix}_{name}-{VERSION}.tar.gz" for name in sets}
    assert names == {*archives, "enterprise-gateway.yaml"}


def test_upstreams_lists_are_as_long_as_its_own_count() -> None:
    """Files and folders of each archive, as counted in upstream's."""
    counted = {
        platform: (len(specs), sum(map(len, specs.values())))
        for platform, specs in UPSTREAM.items()
    }
    assert counted == {"docker": (5, 16), "kubernetes": (9, 41), "yarn": (7, 34)}
    assert len(KERNEL_IMAGE_FILES) == 6
