"""bootstrap-kernel.sh with stubs in place of the interpreters: what it runs, and how it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "launchers" / "bootstrap" / "bootstrap-kernel.sh"
GATEWAY = {"KERNEL_ID": "id 1; touch x", "RESPONSE_ADDRESS": "1.2.3.4:8877", "PUBLIC_KEY": "MII=="}
STUB = """#!/bin/sh
printf '%s\\n' "$0" "$@"
printf '%s=%s\\n' JPY "${JPY_PARENT_PID-unset}" HOME "$HOME" IPYTHONDIR "${IPYTHONDIR-unset}"
echo "PID=$$"
exit 7
"""


class Image:
    """A folder that stands for a kernel image: stub interpreters, launchers, a home."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.launchers = root / "my launchers"
        for stub in ("bin/python", "bin/Rscript", "bin/java", "spark/bin/spark-submit"):
            path = root / stub
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(STUB)
            path.chmod(0o755)
        for file in (
            "python/scripts/launch_ipykernel.py",
            "R/scripts/launch_IRkernel.R",
            "scala/lib/toree-assembly-0.5.0-incubating.jar",
            "scala/lib/toree-launcher_2.12-1.jar",
        ):
            path = self.launchers / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (root / "spark/jars").mkdir()
        self.home.mkdir()

    def run(self, language: str | None, prefix: tuple[str, ...] = (), **env: str | None):
        """Run the script; variables set to None are left out."""
        wanted = {
            "PATH": f"{self.root}/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.root),
            "KERNEL_LAUNCHERS_DIR": str(self.launchers),
            "SPARK_HOME": f"{self.root}/spark",
            "JAVA_HOME": str(self.root),
            "JPY_PARENT_PID": "4242",
            "KERNEL_LANGUAGE": language,
            "A_SECRET": "hush-hush",
            **GATEWAY,
            **env,
        }
        return subprocess.run(
            [*prefix, str(SCRIPT)],
            env={name: value for name, value in wanted.items() if value is not None},
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def image(tmp_path):
    return Image(tmp_path)


COMMON = [
    *("--kernel-id", GATEWAY["KERNEL_ID"]),
    *("--response-address", GATEWAY["RESPONSE_ADDRESS"]),
    *("--public-key", GATEWAY["PUBLIC_KEY"]),
    *("--port-range", "0..0", "--spark-context-initialization-mode", "none"),
]


def test_python(image):
    done = image.run("PyThOn")
    script = f"{image.launchers}/python/scripts/launch_ipykernel.py"
    said = done.stdout.splitlines()
    assert said[: 2 + len(COMMON)] == [f"{image.root}/bin/python", script, *COMMON]
    assert "JPY=unset" in said
    assert f"HOME={image.home}" in said
    assert "IPYTHONDIR=unset" in said  # nothing is set that works as it is
    assert done.returncode == 7  # the launcher's own
    assert done.stderr == ""
    assert not (image.root / "x").exists()


def test_python_with_all_that_can_be_said(image):
    done = image.run(
        "python",
        PORT_RANGE="40000..41000",
        EG_PORT_RANGE="1..2",
        KERNEL_SPARK_CONTEXT_INIT_MODE="lazy",
        KERNEL_CLASS_NAME="my.Kernel $(touch x)",
        RESPONSE_ADDRESS="",
        EG_RESPONSE_ADDRESS="5.6.7.8:1",
    )
    said = done.stdout.splitlines()[2:14]
    assert (
        said
        == [
            *COMMON[:2],
            *("--response-address", ""),  # set to nothing is set: no report
            *COMMON[4:6],
            *("--port-range", "40000..41000", "--spark-context-initialization-mode", "lazy"),
            *("--kernel-class-name", "my.Kernel $(touch x)"),
        ]
    )
    assert not (image.root / "x").exists()


def test_older_names_of_variables(image):
    done = image.run(
        "python",
        RESPONSE_ADDRESS=None,
        PUBLIC_KEY=None,
        EG_RESPONSE_ADDRESS="5.6.7.8:1",
        EG_PUBLIC_KEY="older",
        EG_PORT_RANGE="50000..60000",
    )
    said = done.stdout.splitlines()
    assert said[4:10] == [
        *("--response-address", "5.6.7.8:1", "--public-key", "older"),
        *("--port-range", "50000..60000"),
    ]


def test_python3_where_there_is_no_python(image):
    (image.root / "bin/python").rename(image.root / "bin/python3")
    done = image.run("python", PATH=f"{image.root}/bin:{without_python(image.root)}")
    assert done.stdout.splitlines()[0] == f"{image.root}/bin/python3"


def test_r(image):
    done = image.run("R", KERNEL_CLASS_NAME="for.python.Only")
    script = f"{image.launchers}/R/scripts/launch_IRkernel.R"
    said = done.stdout.splitlines()
    options = ["--vanilla", "--default-packages=NULL", "--min-nsize=700k"]
    command = [f"{image.root}/bin/Rscript", *options, script, *COMMON]
    assert said[: len(command)] == command
    assert "JPY=unset" in said
    assert done.returncode == 7


def test_scala_starts_java_with_sparks_classes_and_a_local_master(image):
    done = image.run("scala", KERNEL_USERNAME="ann o'neil", SPARK_LOCAL_IP=None)
    said = done.stdout.splitlines()
    command = said[: said.index("JPY=unset")]
    main = command.index("launcher.ToreeLauncher")
    assert command[0] == f"{image.root}/bin/java"
    assert command[main + 1 :] == ["--alternate-sigint", "USR2", *COMMON]
    assert command[command.index("-cp") + 1].split(":") == [
        f"{image.root}/spark/conf",
        f"{image.root}/spark/jars/*",
        f"{image.launchers}/scala/lib/toree-launcher_2.12-1.jar",
    ]
    assert f"-Dspark.app.name=ann o'neil-{GATEWAY['KERNEL_ID']}" in command[:main]
    assert "-Dspark.master=local[*]" in command[:main]
    assert f"-Dlauncher.sparkDefaults={image.root}/spark/conf/spark-defaults.conf" in command
    assert "--add-opens=java.base/java.util.jar=ALL-UNNAMED" in command  # Toree finds its magics
    assert "-XX:TieredStopAtLevel=1" in command
    assert done.returncode == 7
    assert done.stderr == ""
    assert not (image.root / "x").exists()


def test_scala_with_spark_gets_the_whole_compiler_and_the_memory_asked_for(image):
    done = image.run(
        "scala",
        KERNEL_SPARK_CONTEXT_INIT_MODE="lazy",
        SPARK_DRIVER_MEMORY="3g",
        SPARK_SUBMIT_OPTS="-Da=* -Db=c",
    )
    command = done.stdout.splitlines()
    assert not [word for word in command if "TieredStop" in word]
    assert {"-Xmx3g", "-Da=*", "-Db=c"} <= set(command)


@pytest.mark.parametrize(
    ("text", "submit"),
    [
        ("", False),
        ("# spark.master yarn\n\nspark.sql.warehouse.dir /tmp/x\n", False),
        ("spark.sql.a b\nspark.master yarn\n", True),
        (" spark.driver.memory 2g\n", True),
        ("spark.jars.packages=a:b:1\n", True),
        ("spark.driver.defaultJavaOptions -Da=b\n", False),
        ("spark.driver.defaultJavaOptions -Da='b c'\n", True),  # more than plain words
        ("spark.driver.defaultJavaOptionsToo -Da=b\n", True),
    ],
)
def test_scala_defaults_that_concern_the_start_are_spark_submits(image, text, submit):
    (image.root / "spark/conf").mkdir()
    (image.root / "spark/conf/spark-defaults.conf").write_text(text)
    done = image.run("scala")
    assert done.stdout.splitlines()[0].endswith("spark-submit" if submit else "/bin/java")


def test_the_defaults_of_our_images_need_no_spark_submit(image):
    shutil.copytree(SCRIPT.parents[2] / "images/spark/conf", image.root / "spark/conf")
    (image.root / "spark/conf/spark-env.sh").unlink()
    command = image.run("scala").stdout.splitlines()
    assert command[0] == f"{image.root}/bin/java"
    assert "-Dderby.system.home=/tmp" in command[: command.index("launcher.ToreeLauncher")]


def test_javas_default_options_are_words_and_the_last_line_counts(image):
    (image.root / "spark/conf").mkdir()
    (image.root / "spark/conf/spark-defaults.conf").write_text(
        "spark.driver.defaultJavaOptions -Dfirst=1\n"
        "  spark.driver.defaultJavaOptions = -Da=*   -Db=$(touch${IFS}x)\n"
    )
    command = image.run("scala").stdout.splitlines()
    assert {"-Da=*", "-Db=$(touch${IFS}x)"} <= set(command)
    assert "-Dfirst=1" not in command
    assert not (image.root / "x").exists()


def test_scala_options_of_spark_submit_are_words_and_never_code(image):
    (image.root / "many").touch()
    done = image.run(
        "scala",
        KERNEL_USERNAME="ann o'neil",
        SPARK_OPTS="--master  local[2] --conf a=$(touch${IFS}x) *",
        KERNEL_EXTRA_SPARK_OPTS="--conf 'b;touch x'",
    )
    lib = f"{image.launchers}/scala/lib"
    said = done.stdout.splitlines()
    assert said[: said.index("JPY=unset")] == [
        f"{image.root}/spark/bin/spark-submit",
        *("--name", f"ann o'neil-{GATEWAY['KERNEL_ID']}"),
        *("--jars", f"{lib}/toree-assembly-0.5.0-incubating.jar"),
        *("--master", "local[2]", "--conf", "a=$(touch${IFS}x)", "*", "--conf", "'b;touch", "x'"),
        *("--class", "launcher.ToreeLauncher"),
        f"{lib}/toree-launcher_2.12-1.jar",
        *("--alternate-sigint", "USR2"),
        *COMMON,
    ]
    assert done.returncode == 7
    assert not (image.root / "x").exists()


def test_scala_reads_sparks_environment(image):
    (image.root / "spark/conf").mkdir()
    (image.root / "spark/conf/spark-env.sh").write_text("[[ a == a ]] && HOME=/from/spark-env\n")
    done = image.run("scala")
    said = done.stdout.splitlines()
    assert said[0] == f"{image.root}/bin/java"
    assert "HOME=/from/spark-env" in said


@pytest.mark.parametrize(
    ("language", "env", "code", "message"),
    [
        (None, {}, 64, "KERNEL_LANGUAGE is not set"),
        ("julia", {}, 65, "KERNEL_LANGUAGE is 'julia', not python, r or scala"),
        ("$(id)\nx", {}, 65, "KERNEL_LANGUAGE is 'idx', not python, r or scala"),
        ("python", {"KERNEL_ID": None}, 64, "KERNEL_ID is not set"),
        ("python", {"RESPONSE_ADDRESS": None}, 64, "neither RESPONSE_ADDRESS nor EG_RESPONSE_"),
        ("python", {"PUBLIC_KEY": None}, 64, "neither PUBLIC_KEY nor EG_PUBLIC_KEY is set"),
        ("python", {"KERNEL_LAUNCHERS_DIR": "/no"}, 69, "no launcher for python: /no/python/"),
        ("r", {"PATH": "/usr/bin:/bin"}, 69, "cannot run r: no Rscript"),
        ("scala", {"KERNEL_LAUNCHERS_DIR": "/no"}, 69, "/no/scala/lib/toree-assembly*.jar is mis"),
        ("scala", {"SPARK_HOME": "/no"}, 69, "cannot run scala: no /no/jars"),
        ("scala", {"JAVA_HOME": "/no"}, 69, "cannot run scala: no /no/bin/java"),
        ("scala", {"SPARK_HOME": "/no", "SPARK_OPTS": "x"}, 69, "no /no/bin/spark-submit"),
    ],
)
def test_each_refusal_is_one_line_with_its_exit_code(image, language, env, code, message):
    if language == "r":
        env = {"PATH": without_python(image.root)}
    done = image.run(language, **env)
    assert done.returncode == code
    [line] = done.stderr.splitlines()
    assert line.startswith("bootstrap-kernel: error: ")
    assert message in line
    assert done.stdout == ""
    assert "hush-hush" not in line


def test_it_becomes_the_launcher(image):
    process = subprocess.Popen(
        [str(SCRIPT)],
        env={
            "PATH": f"{image.root}/bin:/usr/bin:/bin",
            "HOME": str(image.home),
            "KERNEL_LAUNCHERS_DIR": str(image.launchers),
            "KERNEL_LANGUAGE": "python",
            **GATEWAY,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    said, _ = process.communicate(timeout=120)
    assert f"PID={process.pid}" in said.splitlines()


@pytest.mark.parametrize("home", ["/does/not/exist", None])
def test_without_a_home_it_makes_one(image, home):
    done = image.run("python", HOME=home)
    [made] = image.root.glob("home.*")
    assert f"HOME={made}" in done.stdout.splitlines()
    assert made.stat().st_mode & 0o777 == 0o700
    assert done.returncode == 7
    [line] = done.stderr.splitlines()
    assert "HOME cannot be written" in line


def test_a_user_the_image_does_not_know_gets_places_to_write():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        image = Image(Path(folder))
        image.root.chmod(0o1777)
        stranger: tuple[str, ...] = ()
        if os.geteuid() == 0:
            stranger = ("setpriv", "--reuid=54321", "--regid=0", "--clear-groups")

        image.home.chmod(0o555)
        done = image.run("python", prefix=stranger)
        [made] = image.root.glob("home.*")
        assert f"HOME={made}" in done.stdout.splitlines()
        assert made.stat().st_uid == (54321 if stranger else os.geteuid())

        # a home that may be written, with a folder in it that may not
        image.home.chmod(0o777)
        (image.home / ".ipython").mkdir(mode=0o555)
        done = image.run("python", prefix=stranger)
        said = done.stdout.splitlines()
        assert f"HOME={image.home}" in said
        [line] = [line for line in said if line.startswith("IPYTHONDIR=")]
        assert Path(line.partition("=")[2]).parent in image.root.glob("home.*")
        assert done.stderr == ""


def without_python(root: Path) -> str:
    """A PATH with what the script needs, but no interpreter."""
    folder = root / "few"
    folder.mkdir(exist_ok=True)
    for name in ("sh", "tr", "cut", "id", "mktemp"):
        if not (folder / name).exists():
            (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)
