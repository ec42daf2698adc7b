"""`check kernelspec`: each mistake of a kernelspec of one's own is named, with its line and a fix.

The kernelspecs are copies of the family's, as whoever follows docs/own-kernelspec.md makes them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildlib.cli.main import main as doitw
from buildlib.errors import EngineUnavailable, InputError
from buildlib.outside.registry.protocol import digest_of
from check.__main__ import main
from check.allowed import read_allowed
from check.images import Images
from check.known import CLASSES, OPTIONS
from check.run import check_kernelspecs
from tests.fakes.registry import FakeRegistry
from tests.support.golden import check_golden
from tests.unit.test_kernelspecs import PREFIX, Archives, family, without_engine

ROOT = Path(__file__).parents[2]
IMAGES = {
    "elyra/kernel-py:dev": "python",
    "elyra/kernel-r:dev": "R",
    "elyra/kernel-spark-py:dev": "python",
    "elyra/kernel-spark-r:dev": "R",
    "elyra/kernel-scala:dev": "scala",
    "elyra/kernel-tf-py:dev": "python",
    "elyra/kernel-tf-gpu-py:dev": "python",
}
Edit = Callable[[Path], object]


class Engine:
    """An engine that has some images, each for a language."""

    def __init__(self, images: dict[str, str] | None = None, *, down: bool = False) -> None:
        self.images = IMAGES if images is None else images
        self.down = down

    def describe(self, image: str) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        if self.down:
            raise EngineUnavailable("no Docker Engine answers")
        if image not in self.images:
            return None
        env = ["PATH=/usr/bin"]
        env += [f"KERNEL_LANGUAGE={self.images[image]}"] if self.images[image] else []
        return {"Config": {"Env": env}}, []

    def tags(self, pattern: str) -> dict[str, str]:
        del pattern
        return dict.fromkeys(self.images, "sha256:0")


class Nothing(FakeRegistry):
    """A registry that has nothing."""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All kernelspecs of the family, unpacked."""
    archives = Archives(without_engine(family(tmp_path_factory.mktemp("family"))))
    folder = tmp_path_factory.mktemp("kernels")
    for path, (mode, content) in archives.build("kernelspecs").items():
        file = folder / path.removeprefix(f"{PREFIX}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
    return folder


@pytest.fixture
def copy(kernels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`copy("python_mine", "python_kubernetes")`: a copy in the current folder."""
    monkeypatch.chdir(tmp_path)

    def made(name: str, of: str = "python_kubernetes", display: str = "Mine") -> Path:
        shutil.copytree(kernels / of, tmp_path / name)
        spec = json.loads((tmp_path / name / "kernel.json").read_text())
        replace(f'"{spec["display_name"]}"', f'"{display}"')(tmp_path / name)
        return tmp_path / name

    return made


def replace(old: str, new: str) -> Edit:
    """Edit kernel.json."""

    def edit(folder: Path) -> None:
        file = folder / "kernel.json"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return edit


def checked(
    *folders: str, allowed: str = "", engine: Engine | None = None, registry: Any = None
) -> tuple[str, dict[str, Any]]:
    """What is said, and the answer."""
    lines: list[str] = []
    images = Images(engine or Engine(), lambda _: registry or Nothing())
    lists = read_allowed(allowed) if allowed else None
    answer = check_kernelspecs(folders, lists, images, lines.append)
    return "\n".join(lines), answer


def only(answer: dict[str, Any]) -> dict[str, Any]:
    """The one finding."""
    [finding] = [each for spec in answer["kernelspecs"] for each in spec["findings"]]
    return finding


# -- Well ------------------------------------------------------------------------------------------


def test_all_kernelspecs_of_the_family_are_well(kernels, monkeypatch):
    monkeypatch.chdir(kernels)
    names = sorted(os.listdir("."))
    said, answer = checked(*names)
    assert said.splitlines() == [
        *(f"{name}: well" for name in names),
        "not checked: the allow list: name it, or its file, with --allowed",
    ]
    assert len(names) == 33
    assert answer["errors"] == 0


def test_the_kernelspec_of_the_source_document_is_well_but_for_its_image(copy):
    """Paths are those of the installed folder, and there is no port-range."""
    folder = copy("python_myCustomKernel")
    (folder / "kernel.json").write_text(
        json.dumps(
            {
                "language": "python",
                "display_name": "My Custom Kernel",
                "metadata": {
                    "process_proxy": {
                        "class_name": "enterprise_gateway.services.processproxies.k8s."
                        "KubernetesProcessProxy",
                        "config": {"image_name": "myDockerHub/myCustomKernelImage:myTag"},
                    }
                },
                "env": {},
                "argv": [
                    "python",
                    f"/{PREFIX}/python_myCustomKernel/scripts/launch_kubernetes.py",
                    "--RemoteProcessProxy.kernel-id",
                    "{kernel_id}",
                    "--RemoteProcessProxy.response-address",
                    "{response_address}",
                    "--RemoteProcessProxy.public-key",
                    "{public_key}",
                ],
            },
            indent="\t",
        )
    )
    finding = only(checked("python_myCustomKernel")[1])
    assert "written in lower case" in finding["what"]
    assert finding["fix"] == '"image_name": "mydockerhub/mycustomkernelimage:myTag"'
    replace("myDockerHub/myCustomKernelImage:myTag", "elyra/kernel-py:dev")(folder)
    assert checked("python_myCustomKernel")[0].startswith("python_myCustomKernel: well\n")


# -- Whole messages --------------------------------------------------------------------------------


def several(*edits: Edit) -> Edit:
    return lambda folder: [edit(folder) for edit in edits]


PROXY = "enterprise_gateway.services.processproxies"
GOLDEN: dict[str, tuple[str, Edit]] = {
    "command": (
        "python_kubernetes",
        several(
            replace("{resource_dir}/", "/usr/local/share/jupyter/kernels/python_kubernetes/"),
            replace('"{kernel_id}"', '"{kernelid}"'),
            replace("Proxy.response-address", "Proxy.response-adress"),
            replace('"{public_key}"', '"{kernel_id}"'),
        ),
    ),
    "keys": (
        "python_docker",
        several(
            replace('"display_name"', '"dislpay_name"'),
            replace('"class_name"', '"classname"'),
            replace('"env": {}', '"env": {"A": 1}, "colour": "red", "language": "R"'),
        ),
    ),
    "proxy": (
        "R_docker",
        several(
            replace("docker_swarm.DockerProcessProxy", "k8s.DockerProcessProxy"),
            replace('"image_name"', '"image"'),
        ),
    ),
    "images": (
        "spark_python_kubernetes",
        several(
            replace('"image_name": "elyra/kernel-spark-py:', '"image_name": "elyra/kernel-r:'),
            replace('"elyra/kernel-spark-py:dev"', '"elyra/kernel-spark-py:2.5"'),
        ),
    ),
    "spark": (
        "spark_R_kubernetes",
        several(
            replace('"SPARK_HOME"', '"SPARKHOME"'),
            replace("--master k8s://", "--masters k8s://"),
            lambda folder: (folder / "bin/run.sh").chmod(0o644),
            lambda folder: (folder / "bin/options.sh").unlink(),
        ),
    ),
    "scripts": (
        "python_docker",
        several(
            lambda folder: (folder / "scripts/kernel_request.py").unlink(),
            replace("docker_swarm.DockerProcessProxy", "yarn.YarnClusterProcessProxy"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDEN)
def test_all_mistakes_are_told_at_once(case, copy):
    of, edit = GOLDEN[case]
    edit(copy("mine", of))
    said, answer = checked("mine")
    said = said.replace(os.path.relpath(ROOT), "CHECKOUT")
    check_golden(f"check/{case}", said.replace(os.path.relpath(ROOT / "launchers"), "launchers"))
    assert answer["errors"] > 1


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        ("comma_before", '"--RemoteProcessProxy.public-key",\n    "{public_key}"\n',
         '"--RemoteProcessProxy.public-key",\n    "{public_key}",\n'),
        ("comma_missing", '"language": "python",', '"language": "python"'),
        ("single_quotes", '"language": "python"', "'language': 'python'"),
        ("comment", '  "env": {', '  // none\n  "env": {'),
        ("name_unquoted", '"language":', "language:"),
        ("ends_early", '"{public_key}"\n  ]\n}', '"{public_key}"\n'),
        ("text_unclosed", '"language": "python",', '"language": "python,'),
        ("no_object", None, "[]"),
        ("empty", None, "\n"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_read_is_told_with_line_and_column(case, old, new, copy):
    folder = copy("mine")
    file = folder / "kernel.json"
    text = file.read_text()
    assert old is None or old in text
    file.write_text(new if old is None else text.replace(old, new))
    said, answer = checked("mine")
    assert answer["errors"] == 1
    check_golden(f"check/json_{case}", said.splitlines()[0] + "\n" + said.splitlines()[1])


def test_folders_that_are_no_kernelspecs_are_told_too(copy):
    copy("kernels_here")
    os.makedirs("outer/inner")
    shutil.copy("kernels_here/kernel.json", "outer/inner")
    os.makedirs("misspelt")
    shutil.copy("kernels_here/kernel.json", "misspelt/kernel.jsn")
    os.makedirs("nothing")
    said, answer = checked(
        "kernels_her", "kernels_here/kernel.json", "outer", "misspelt", "nothing/"
    )
    check_golden("check/folders", said)
    assert answer["errors"] == 5


# -- Single mistakes -------------------------------------------------------------------------------


def write(path: str, text: str) -> Edit:
    return lambda folder: (folder / path).write_text(text)


MISTAKES: list[tuple[str, str, Edit, str, str]] = [
    # id, copied from, edit, what is said, what stands on the line that is named
    ("relative path", "python_kubernetes", replace("{resource_dir}/", ""),
     "looked for in the folder that the gateway runs in", "scripts/launch_kubernetes.py"),
    ("file that is not there", "python_kubernetes", replace("kubernetes.py", "k8s.py"),
     "mine has no file scripts/launch_k8s.py", "launch_k8s.py"),
    ("path out of the folder", "python_kubernetes",
     replace("{resource_dir}/", "{resource_dir}/../python_kubernetes/"), "leads out of", "../"),
    ("script elsewhere", "python_kubernetes", replace("{resource_dir}/", "/opt/"),
     "not to be seen from here", "/opt/scripts"),
    ("no program", "python_kubernetes",
     replace('"python",\n    "{resource_dir}/scripts/launch_kubernetes.py",\n', ""),
     "argv names no program", '"argv"'),
    ("option missing", "R_docker",
     replace('"--RemoteProcessProxy.kernel-id",\n    "{kernel_id}",\n', ""),
     "does not hand over {kernel_id}", '"argv"'),
    ("option's prefix", "R_docker", replace("ProcessProxy.kernel-id", "Proxy.kernel-id"),
     "is spelt --RemoteProcessProxy.kernel-id", "RemoteProxy.kernel-id"),
    ("option of another program", "R_docker",
     replace('"--RemoteProcessProxy.kernel-id"', '"--cluster-type", "dask", "--kernel-id"'),
     "launch_docker.py has no option --cluster-type", "cluster-type"),
    ("stray word", "R_docker", replace('"{kernel_id}",', '"{kernel_id}",\n"{connection_file}",'),
     "takes no word like {connection_file}", "connection_file"),
    ("placeholder with a dash", "R_docker", replace("{port_range}", "{port-range}"),
     "does not replace {port-range}; did you mean {port_range}?", "{port-range}"),
    ("placeholder in two braces", "R_docker", replace("{kernel_id}", "{{kernel_id}}"),
     "did you mean {kernel_id}?", "{{kernel_id}}"),
    ("mode of Spark", "spark_python_docker", replace('"lazy"', '"layz"'),
     "not one of none, lazy, eager; did you mean lazy?", "initialization-mode"),
    ("class of another package", "R_docker", replace(f"{PROXY}.docker_swarm.", "my.proxies."),
     "none of Enterprise Gateway's own", "my.proxies"),
    ("class without its package", "R_docker", replace(f"{PROXY}.docker_swarm.", ""),
     f"did you mean {PROXY}.docker_swarm.DockerProcessProxy?", "class_name"),
    ("process_proxy outside of metadata", "R_docker",
     replace('"metadata": {\n    "process_proxy"', '"metadata": {},\n"process_proxy": {\n    "y"'),
     "process_proxy is looked for in metadata", "process_proxy"),
    ("no process_proxy", "R_docker", replace('"process_proxy"', '"x"'),
     "metadata has no process_proxy", '"metadata"'),
    ("image of no container", "python_distributed",
     replace('"config": {}', '"config": {"image_name": "a/b"}'), "runs no images", "image_name"),
    ("no image", "R_docker", replace('"image_name": "elyra/kernel-r:dev"', ""),
     "config has no image_name", '"config"'),
    ("image with a blank", "R_docker", replace("kernel-r:dev", "kernel r:dev"),
     "is no name of an image", "image_name"),
    ("image of another language", "R_docker", replace("elyra/kernel-r:dev", "elyra/kernel-py:dev"),
     "runs kernels of python (its KERNEL_LANGUAGE), and language is R", '"language"'),
    ("image that is not there", "R_docker", replace("elyra/kernel-r:dev", "elyra/kernel-r:dve"),
     "did you mean elyra/kernel-r:dev?", "image_name"),
    ("variable that is no text", "R_docker", replace('"env": {}', '"env": {"CPUS": 2}'),
     "env.CPUS is not a text", "CPUS"),
    ("key that stands twice", "R_docker", replace('"env": {}', '"env": {},\n"env": {}'),
     "env stands twice", '"env"'),
    ("run.sh of Windows", "spark_R_kubernetes",
     lambda folder: (folder / "bin/run.sh").write_bytes(
         (folder / "bin/run.sh").read_bytes().replace(b"\n", b"\r\n")),
     "has the line ends of Windows", "#!/bin/sh"),
    ("run.sh that nobody runs", "spark_R_kubernetes", write("bin/run.sh", "echo\n"),
     "does not say what runs it", "echo"),
    ("driver on YARN", "spark_python_yarn_cluster", replace("--master yarn", "--master local[*]"),
     "--master local[*], and YarnClusterProcessProxy looks for a driver on yarn", "SPARK_OPTS"),
    ("Dask without options", "dask_python_yarn_remote", replace('"DASK_OPTS"', '"X"'),
     "env has no DASK_OPTS", '"env"'),
    ("no template", "python_kubernetes",
     lambda folder: (folder / "scripts/kernel-pod.yaml.j2").unlink(),
     "needs scripts/kernel-pod.yaml.j2", "launch_kubernetes.py"),
    ("display name of another", "python_kubernetes",
     lambda folder: shutil.copytree(folder, folder.parent / "other"),
     "other is shown under the same display_name", "display_name"),
    ("name of another, but for case", "python_kubernetes",
     several(lambda folder: shutil.copytree(folder, folder.parent / "MINE")),
     "MINE and mine are one name to the gateway", ""),
    ("no kernel with a process proxy", "python_kubernetes",
     write("kernel.json", '{"argv": ["python", "-m", "ipykernel"],\n "display_name": "M",'
           '\n "language": "python", "metadata": {"process_proxy": {"class_name": '
           f'"{PROXY}.processproxy.LocalProcessProxy"}}}}}}'),
     "does not hand over {connection_file}", "argv"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_with_the_line_where_it_stands(mistake, copy):
    _, of, edit, said, on_line = mistake
    edit(copy("mine", of))
    _, answer = checked("mine")
    findings = answer["kernelspecs"][0]["findings"]
    [finding] = [each for each in findings if said in each["what"]]
    lines = [""]
    if finding["line"]:
        lines = ["", *Path(finding["file"]).read_bytes().decode().splitlines()]
    assert on_line in lines[finding["line"] or 0]
    assert finding["fix"]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[row[0] for row in MISTAKES])
def test_it_is_told_alone_unless_it_causes_another(mistake, copy):
    """Whoever has one mistake shall not read of three."""
    _, of, edit, said, _ = mistake
    edit(copy("mine", of))
    findings = checked("mine")[1]["kernelspecs"][0]["findings"]
    assert len(findings) == 1, findings
    assert said in str(findings)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "bin/run.sh").chmod(0o644),
        lambda folder: (folder / "bin/options.sh").unlink(),
        lambda folder: (folder / "scripts/launch_errors.py").unlink(),
        lambda folder: (folder / "scripts/kernel-pod.yaml.j2").unlink(),
        lambda folder: (folder / "kernel.json").rename(folder / "kernel.jsom"),
        lambda folder: (folder / "kernel.json").write_bytes(
            b"\xef\xbb\xbf" + (folder / "kernel.json").read_bytes()
        ),
    ],
)
def test_fixes_that_are_commands_work_as_they_stand(spoil, copy):
    spoil(copy("my kernel", "spark_R_kubernetes"))
    os.rename("my kernel", "my_kernel")
    finding = only(checked("my_kernel")[1])
    subprocess.run(["sh", "-c", finding["fix"]], check=True)
    assert checked("my_kernel")[0].startswith("my_kernel: well\n")


def test_a_name_that_jupyter_does_not_list(copy):
    copy("my kernel")
    finding = only(checked("my kernel")[1])
    assert finding["fix"] == "mv 'my kernel' my_kernel"
    subprocess.run(["sh", "-c", finding["fix"]], check=True)
    assert checked("my_kernel")[0].startswith("my_kernel: well\n")


def test_tabs_and_escapes_keep_lines(copy):
    folder = copy("mine")
    spec = json.loads((folder / "kernel.json").read_text())
    spec["display_name"] = 'M\tin\u00e9 \U0001f600 "x" a/b'
    spec["env"] = {"N": 1}
    (folder / "kernel.json").write_text(json.dumps(spec, indent="\t").replace("a/b", "a\\/b"))
    finding = only(checked("mine")[1])
    assert '"N"' in (folder / "kernel.json").read_text().splitlines()[finding["line"] - 1]


# -- Images ----------------------------------------------------------------------------------------


def image_in(registry: FakeRegistry, language: str) -> None:
    """elyra/kernel-r:dev."""
    config = json.dumps({"config": {"Env": [f"KERNEL_LANGUAGE={language}"]}}).encode()
    registry.add_image("elyra/kernel-r", "dev", digest_of(config))
    registry.add_blob("elyra/kernel-r", config)


def test_an_image_of_the_registry_alone_will_do(copy):
    copy("mine", "R_docker")
    registry = FakeRegistry()
    image_in(registry, "R")
    said, _ = checked("mine", engine=Engine({}), registry=registry)
    assert said.startswith("mine: well\n")


def test_the_language_of_an_image_is_read_from_the_registry(copy):
    copy("mine", "R_docker")
    registry = FakeRegistry()
    image_in(registry, "scala")
    finding = only(checked("mine", engine=Engine({}), registry=registry)[1])
    assert "runs kernels of scala" in finding["what"]


def test_an_image_that_nobody_could_be_asked_for_is_no_mistake_but_said(copy):
    copy("mine", "spark_R_kubernetes")
    registry = FakeRegistry()
    registry.down = True
    said, answer = checked("mine", engine=Engine(down=True), registry=registry)
    assert said.splitlines()[0] == "mine: well"
    assert answer["not_checked"][0] == "images in the engine: no Docker Engine answers"
    assert answer["not_checked"][1].startswith("images in registry docker.io: ")
    assert len(answer["not_checked"]) == 3  # each once, and the allow list


@pytest.mark.parametrize("which", ["engine", "registry"])
def test_an_image_that_only_one_could_be_asked_for_is_a_warning(which, copy):
    copy("mine", "R_docker")
    registry = FakeRegistry()
    registry.down = which == "registry"
    _, answer = checked("mine", engine=Engine({}, down=which == "engine"), registry=registry)
    finding = only(answer)
    assert finding["severity"] == "warning"
    assert "was not asked" in finding["what"] or "no engine was asked" in finding["what"]


def test_a_registry_that_refuses_is_quoted(copy):
    """As Docker Hub does for what it does not have."""
    copy("mine", "R_docker")
    registry = FakeRegistry()
    registry.refuse("manifest", "answers 401 Unauthorized")
    finding = only(checked("mine", engine=Engine({}), registry=registry)[1])
    assert finding["severity"] == "error"
    assert "401 Unauthorized" in finding["what"]


# -- The allow list --------------------------------------------------------------------------------


FILES = {
    "compose.yaml": 'services:\n  g:\n    environment:\n      EG_ALLOWED_KERNELS: "{}"\n',
    "list.yaml": "services:\n  g:\n    environment:\n      - A=b\n      - EG_ALLOWED_KERNELS={}\n",
    "pod.yaml": 'a: 1\n---\nspec:\n  env:\n    - {{name: EG_ALLOWED_KERNELS, value: "{}"}}\n',
    "old.yaml": 'env:\n  - name: EG_KERNEL_WHITELIST\n    value: "{}"\n',
    "kustomization.yaml": "patches:\n  - patch: |\n      kind: Deployment\n      env:\n"
    '        - {{name: EG_ALLOWED_KERNELS, value: "{}"}}\n',
    "values.yaml": "kernel:\n  allowedKernels: [{}]\n",
    ".env": "# EG_ALLOWED_KERNELS=x\nA=b\nEG_ALLOWED_KERNELS={}\n",
    "start.sh": 'docker run -e EG_ALLOWED_KERNELS="{}" image\n',
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_allow_list_is_read_from_the_file_that_sets_it(name, copy, tmp_path):
    copy("python_Mine")
    file = tmp_path / name

    def allow(names: str) -> dict[str, Any]:
        file.write_text(FILES[name].format(names))
        return checked("python_Mine", allowed=name)[1]

    assert allow("r_docker,python_mine")["kernelspecs"][0]["findings"] == []
    wrong_case = only(allow("r_docker,python_Mine"))
    assert wrong_case["severity"] == "warning"
    assert "in lower case only" in wrong_case["what"]
    absent = only(allow("r_docker,python_other"))
    assert absent["severity"] == "error"
    assert "python_mine is not in the allow list" in absent["what"]
    assert "r_docker,python_other,python_mine" in absent["fix"]
    for finding in (wrong_case, absent):
        assert finding["file"] == name
    assert "r_docker" in file.read_text().splitlines()[absent["line"] - 1]


@pytest.mark.parametrize("given", ["a,python_mine", "'a','python_mine'", '["a", "python_mine"]'])
def test_the_allow_list_may_be_typed(given, copy):
    copy("python_Mine")
    assert checked("python_Mine", allowed=given)[1]["errors"] == 0
    assert only(checked("python_Mine", allowed="a,b")[1])["fix"] == "--allowed a,b,python_mine"


@pytest.mark.parametrize("given", ["null", "[]"])
def test_an_empty_allow_list_allows_all(given, copy):
    copy("python_Mine")
    assert checked("python_Mine", allowed=given)[1]["errors"] == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [("there/is/none.yaml", "neither a file nor a list"), ("empty.yaml", "sets no EG_ALLOWED")],
)
def test_an_allow_list_that_cannot_be_read_is_refused(given, said, copy):
    copy("python_Mine")
    Path("empty.yaml").write_text("a: 1\n")
    with pytest.raises(InputError, match=said) as error:
        read_allowed(given)
    assert error.value.fix


# -- The command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "check takes the word kernelspec and folders"),
        (["kernelspecs", "d"], "did you mean kernelspec?"),
        (["kernelspec"], "takes folders"),
    ],
)
def test_wrong_words_are_told(words, said, capsys):
    assert main(words) == 3
    assert said in capsys.readouterr().err


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch):
    """`verb(folder, "--offline")`: the verb, typed in a folder of the checkout."""

    def run(folder: Path, *options: str) -> int:
        monkeypatch.chdir(ROOT / "docs")
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
        return doitw(["check", "kernelspec", os.path.relpath(folder), *options])

    return run


def test_the_verb_tells_mistakes_from_the_folder_where_it_is_typed(copy, verb, capsys):
    """Its child runs in the checkout, and paths are as they were typed."""
    folder = copy("mine")
    replace('"{kernel_id}"', '"{kernelid}"')(folder)
    assert verb(folder, "--offline") == 3
    lines = (folder / "kernel.json").read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if "{kernelid}" in line)
    said = capsys.readouterr().out
    place = f"{os.path.relpath(folder)}/kernel.json:{line}"
    assert said.startswith(f"{place}: error: the gateway does not replace {{kernelid}}")
    assert "not checked: images in the engine: " in said


def test_as_json_the_answer_is_all_of_standard_output(copy, verb, capsys):
    folder = copy("mine")
    assert verb(folder, "--offline", "--json") == 0
    captured = capsys.readouterr()
    shown = os.path.relpath(folder)
    assert json.loads(captured.out)["kernelspecs"] == [
        {"folder": shown, "name": "mine", "errors": 0, "warnings": 0, "findings": []}
    ]
    assert f"{shown}: well" in captured.err


def test_what_stops_the_check_is_an_error_of_the_verb(copy, verb, capsys):
    assert verb(copy("mine"), "--allowed", "no/such.yaml") == 3
    assert "no/such.yaml is neither a file nor a list" in capsys.readouterr().err


# -- What is known ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("launch_docker.py", "python_docker"),
        ("launch_kubernetes.py", "python_kubernetes"),
        ("launch_custom_resource.py", "spark_python_operator"),
    ],
)
def test_options_are_those_that_the_script_takes(name, of, kernels):
    """The program itself is asked: it complains of one that it does not know, and of no other."""
    words = [word for option in (*OPTIONS[name], "of-nobody") for word in (f"--{option}", "x")]
    run = subprocess.run(
        [sys.executable, kernels / of / "scripts" / name, *words],
        capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert "unrecognized arguments: --of-nobody x" in run.stderr


def test_all_classes_of_the_family_are_known(kernels):
    used = {
        json.loads(file.read_text())["metadata"]["process_proxy"]["class_name"]
        for file in kernels.glob("*/kernel.json")
    }
    assert {name.removeprefix(f"{PROXY}.") for name in used} <= {*CLASSES}
