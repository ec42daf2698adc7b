"""Organisation, registry and channel: in every name of an image alike, and in no other key."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from buildlib.build.execution.action_context import ActionContext
from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Label, Reference, parse_label
from buildlib.core.model.target import image_name
from buildlib.core.store import names
from tests.support.workspace import WorkspaceBuilder

ROOT = Path(__file__).resolve().parents[2]
ACME = {"organization": "acme", "registry": "registry.example.com:5000/team"}
HOME = "registry.example.com:5000/team/acme"


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the family."""
    folder = tmp_path_factory.mktemp("family")
    ignored = shutil.ignore_patterns("__pycache__", "compose.yaml", "stack.yaml", ".deployed")
    for name in ("dodo.py", "VERSION", "pyproject.toml", "images.lock"):
        shutil.copy(ROOT / name, folder)
    for name in ("images", "launchers", "kernelspecs", "deploy", "verify"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def opened(family: Path, version: str = "", **overrides: str) -> Workspace:
    """The family as one run sees it."""
    store = f"{family}/store"
    return Workspace(str(family), store_root=store, overrides=overrides, version=version)


def keys(workspace: Workspace) -> dict[Label, str]:
    return {
        label: workspace.keys.key(Reference(label))
        for label in workspace.graph.order
        if label not in workspace.left_out
    }


def kernel_json(workspace: Workspace, label: Label) -> dict[str, object]:
    """What a kernelspec says, made without what else is in its folder."""
    target = workspace.graph[label]
    alone = target._replace(deps=tuple(dep for dep in target.deps if dep.by_name), files=())

    def unasked(*asked: object, **more: object) -> NoReturn:
        pytest.fail(f"asked for {asked or more}")

    context = ActionContext(
        workspace.view,
        root=workspace.root,
        store=workspace.store,
        records=workspace.records,
        state=workspace.state,
        engine=unasked,
        builder=unasked,
        grants=unasked,
        fetch=unasked,
        output_of=unasked,
        log=lambda line: None,
    )
    (made,) = alone.rule.build(alone, (), context).files.values()
    found: dict[str, object] = json.loads(Path(workspace.store.path(made.sha256)).read_text())
    return found


def rendered(workspace: Workspace, name: str) -> str:
    """A file of deploy/."""
    label = parse_label(f"//deploy:{name}")
    session = Session(workspace, say=lambda line: None)
    session.start([label])
    build_in_order(session)
    export = workspace.export(workspace.graph[label])
    assert export is not None
    return Path(export.path).read_text()


CHOICES: dict[str, tuple[str, Mapping[str, str], str, str]] = {
    "as it is": ("", {}, "elyra", "dev"),
    "another organisation": ("", {"organization": "acme"}, "acme", "dev"),
    "a registry with a port": (
        "", {"registry": "localhost:5000"}, "localhost:5000/elyra", "dev",
    ),
    "all of it, in a release": ("2.5.0", ACME, HOME, "2.5.0"),
    "a pre-release": ("2.5.0-rc.1", ACME, HOME, "2.5.0-rc.1"),
}  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES)
def test_images_kernelspecs_and_compose_files_have_the_same_names(
    family: Path, choice: str
) -> None:
    version, overrides, home, channel = CHOICES[choice]
    workspace = opened(family, version, **overrides)
    graph, settings = workspace.graph, workspace.settings
    images = {
        label: names.channel_tag(settings, image_name(graph[label]), workspace.channel)
        for label in graph.order
        if graph[label].rule.kind == "docker_image"
    }
    assert set(images.values()) == {
        f"{home}/{image_name(graph[label])}:{channel}" for label in images
    }
    named = 0
    for label in graph.order:
        target = graph[label]
        if target.rule.kind == "kernelspec":
            proxy = kernel_json(workspace, label)["metadata"]["process_proxy"]  # type: ignore[index]
            wanted = {dep.kind: images[dep.ref.label] for dep in target.deps if dep.by_name}
            found = {key: name for key, name in proxy["config"].items() if "image" in key}
            assert found == wanted
            named += len(wanted)
    assert named > 25
    for name in ("compose", "stack"):
        text = rendered(workspace, name)
        services = yaml.safe_load(text)["services"]
        used = {
            re.sub(r"\$\{\w+:-(.*)\}", r"\1", service["image"])
            for service in services.values()
        }  # fmt: skip
        assert used <= set(images.values())
        assert f"{home}/enterprise-gateway:{channel}" in used


def test_spark_has_its_version_as_a_tag_beside_the_channels(family: Path) -> None:
    workspace = opened(family, **ACME)
    spark = workspace.graph[parse_label("//images/spark")]
    version = workspace.settings.family["spark.version"]
    assert spark.tags == (version,)
    assert names.names_of(workspace.settings, image_name(spark), spark.tags, "dev") == [
        f"{HOME}/spark:dev",
        f"{HOME}/spark:{version}",
    ]


# -- what is stamped -------------------------------------------------------------------------------

STAMPED = {
    "//deploy:chart_values",
    "//deploy:compose",
    "//deploy:demo",
    "//deploy:demo-cluster",
    "//deploy:kubernetes",
    "//deploy:kubernetes_gpus",
    "//deploy:kubernetes_kernelspecs-image",
    "//deploy:kubernetes_openshift",
    "//deploy:kubernetes_puller",
    "//deploy:kubernetes_release",
    "//deploy:stack",
    "//images/enterprise-gateway",
    "//images/enterprise-gateway:verify",
    "//images/enterprise-gateway-demo",
    "//images/enterprise-gateway-demo:smoke",
    "//images/enterprise-gateway-demo:verify",
    "//images/kernelspecs",
    "//verify:kubernetes",
    "//verify:swarm",
    *(
        f"//images/{name}:gateway"
        for name in (
            "kernel-py", "kernel-r", "kernel-scala", "kernel-spark-py", "kernel-spark-r",
            "kernel-tf-py",
        )
    ),
    *(
        f"//kernelspecs:{name}"
        for name in (
            "docker", "docker_part", "gpu_part", "kernels", "kernelspecs", "kernelspecs_docker",
            "kernelspecs_kubernetes", "kubernetes", "kubernetes_part",
        )
    ),
}  # fmt: skip
"""What names images, or is made of what does, beside the kernelspecs themselves."""
VERSIONED = {
    "//kernelspecs:kernelspecs",
    "//kernelspecs:kernelspecs_yarn",
    "//launchers:kernel_image_files",
}
"""What has members that are called after the version; no image has any of it."""


def stamped_of(workspace: Workspace) -> set[str]:
    """Those expected, by the names of labels."""
    graph = workspace.graph
    specs = {
        str(label)
        for label in graph.order
        if graph[label].rule.kind == "kernelspec"
        and re.search("_(docker|swarm|kubernetes|operator)$", label.name)
    }
    assert len(specs) == 25
    return shorts(map(parse_label, STAMPED)) | specs


def shorts(labels: Iterable[Label]) -> set[str]:
    return {str(label) for label in labels}


def test_the_stamped_targets_are_those_that_name_images_and_those_with_the_version(
    family: Path,
) -> None:
    workspace = opened(family)
    wanted = stamped_of(workspace) | shorts(map(parse_label, VERSIONED))
    assert shorts(workspace.graph.stamped) == wanted


@pytest.mark.parametrize(
    ("version", "overrides"),
    [
        ("", {"organization": "acme"}),
        ("", {"registry": "localhost:5000"}),
        ("2.5.0", {}),
        ("2.6.0rc1", ACME),
    ],
)
def test_names_and_versions_are_in_the_keys_of_the_stamped_and_of_no_other(
    family: Path, version: str, overrides: Mapping[str, str]
) -> None:
    workspace = opened(family)
    before, after = keys(workspace), keys(opened(family, version, **overrides))
    moved = {label for label in before if before[label] != after[label]}
    wanted = shorts(workspace.graph.stamped) if version else stamped_of(workspace)
    assert shorts(moved) == wanted - shorts(workspace.left_out)


def test_a_development_version_is_in_the_keys_of_those_with_the_version_alone(
    family: Path,
) -> None:
    before, after = keys(opened(family)), keys(opened(family, "3.0.0.dev7"))
    moved = {label for label in before if before[label] != after[label]}
    assert shorts(moved) == shorts(map(parse_label, VERSIONED))
    assert keys(opened(family, "3.0.0.dev8")) == after


def test_of_a_part_the_stamp_of_another_part_is_not_taken(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).image("images/a").file("p/x")
    made.build(
        "p",
        """
        kernelspec(
            name="spec", display_name="P", language="python",
            process_proxy="k8s.KubernetesProcessProxy", argv=["python"], image="//images/a",
        )
        """,
        'tarball(name="t", parts={"plain": {"x": "x"}, "specs": {"./": ":spec"}})',
        'filegroup(name="one", srcs=[":t[plain]"])',
        'filegroup(name="other", srcs=[":t[specs]"])',
    )
    stamped = {label.short for label in made.open().graph.stamped}
    assert stamped == {"//p:spec", "//p:t", "//p:other"}
