"""The run.sh scripts of kernelspecs: what they start, and what they never run."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.chance import examples

BIN = Path(__file__).parents[2] / "kernelspecs/bin"
ARGUMENTS = ["--RemoteProcessProxy.kernel-id", "k-1", "--RemoteProcessProxy.port-range", "a b;c"]

# Stands in for spark-submit, sudo and the like: says how it was called.
SPY = f"""#!{sys.executable}
import json, os, sys
print(json.dumps({{"argv": sys.argv, "env": dict(os.environ)}}))
"""
# Stands in for launch_kubernetes.py, which has tests of its own.
LAUNCH = """
import json, os, pathlib, sys
after = [word for word in sys.argv if word.startswith("--submitted=")]
if after:
    pathlib.Path(os.environ["EG_POD_TEMPLATE_DIR"], "after").write_text(" ".join(sys.argv[1:]))
    raise SystemExit(int(os.environ.get("WATCHED", "0")))
given = dict(word.split("=", 1) for word in sys.argv if word.startswith(("--pod", "--spark-opts")))
pathlib.Path(given["--spark-opts-out"]).write_text("--conf 'spark.a=b c' --conf d=$E\\n")
pathlib.Path(given["--pod-template"]).write_text(json.dumps(sys.argv[1:-2]))
"""


ME = getpass.getuser()  # somebody whom this machine knows


class Spec(SimpleNamespace):
    """A kernelspec's folder, with programs that stand in for Spark's."""

    folder: Path

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        """Run its run.sh."""
        programs = self.folder.parent / "programs"
        given = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SPARK_HOME": str(self.folder.parent / "spark"),
            "DASK_YARN_EXE": str(programs / "dask-yarn"),
            "KERNEL_ID": "k-1",
            "KERNEL_USERNAME": ME,
            "EG_POD_TEMPLATE_DIR": str(self.folder.parent),
        }
        return subprocess.run(
            [str(self.folder / "bin/run.sh"), *ARGUMENTS], env=given | env, cwd="/",
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def called(self, **env: str) -> list[str]:
        """The program that it started, and its arguments, with the spec's folder as HERE."""
        words: list[str] = self.became(**env)["argv"]
        return words

    def became(self, **env: str) -> dict[str, Any]:
        """The same, and the environment of that program."""
        done = self.run(**env)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.replace(str(self.folder), "HERE"))
        return found


@pytest.fixture
def spec(tmp_path):
    for name in ("programs/sudo", "programs/dask-yarn", "spark/bin/spark-submit"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPY)
        path.chmod(0o755)

    def make(platform: str, *files: str) -> Spec:
        folder = tmp_path / "the spec"
        (folder / "bin").mkdir(parents=True)
        shutil.copy(BIN / f"{platform}.sh", folder / "bin/run.sh")
        shutil.copy(BIN / "options.sh", folder / "bin")
        shutil.copy(BIN / "hosts.sh", folder / "bin")
        for name in files:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(LAUNCH)
        return Spec(folder=folder)

    return make


def without_submit(words: list[str]) -> list[str]:
    """The words behind spark-submit, and behind what run.sh has found out about this machine."""
    assert words[0].endswith("/spark/bin/spark-submit")
    rest = words[1:]
    found = ("spark.yarn.appMasterEnv.", "spark.executorEnv.")
    while rest[0] == "--conf" and rest[1].startswith(found):
        rest = rest[2:]
    return rest


PYTHON = ("scripts/launch_ipykernel.py",)
SHIPPED = (*PYTHON, "scripts/kernel_launcher.zip")
IN_R = ("scripts/launch_IRkernel.R", "scripts/kernel_launcher.zip")
RUNNER = ["--class", "org.apache.spark.deploy.RRunner", "spark-internal"]
CLIENT = "--master yarn --deploy-mode client"
CLUSTER = "--master yarn --deploy-mode cluster"

# -- YARN ------------------------------------------------------------------------------------------


def test_a_client_runs_the_launcher_that_lies_here(spec):
    found = spec("yarn", *PYTHON).called(SPARK_OPTS=CLIENT, LAUNCH_OPTS="--more 'x y'")
    assert without_submit(found) == [
        *CLIENT.split(), "HERE/scripts/launch_ipykernel.py", "--more", "x y", *ARGUMENTS
    ]  # fmt: skip


def test_a_cluster_gets_the_package_too(spec):
    found = spec("yarn", *SHIPPED).called(SPARK_OPTS=CLUSTER)
    assert without_submit(found) == [
        *CLUSTER.split(), "--py-files", "HERE/scripts/kernel_launcher.zip",
        "HERE/scripts/launch_ipykernel.py", *ARGUMENTS,
    ]  # fmt: skip


def test_a_user_is_impersonated_with_sudo_here_and_by_yarn_there(spec):
    made = spec("yarn", *SHIPPED)
    found = made.called(SPARK_OPTS=CLIENT, EG_IMPERSONATION_ENABLED="True")
    assert found[0].endswith("/programs/sudo")
    assert found[1:6] == ["-n", "-H", "-E", "-u", ME]
    assert found[6].startswith("PATH=")
    assert found[7].endswith("/spark/bin/spark-submit")
    found = made.called(SPARK_OPTS=CLUSTER, EG_IMPERSONATION_ENABLED="True")
    assert without_submit(found)[4:6] == ["--proxy-user", ME]
    found = made.called(SPARK_OPTS="--deploy-mode=cluster", EG_IMPERSONATION_ENABLED="True")
    assert "--proxy-user" in found
    found = made.called(SPARK_OPTS=CLIENT, EG_IMPERSONATION_ENABLED="False")
    assert found[0].endswith("/spark/bin/spark-submit")


def test_who_is_no_user_of_this_host_is_told_of(spec):
    done = spec("yarn", *PYTHON).run(
        SPARK_OPTS=CLIENT, EG_IMPERSONATION_ENABLED="True", KERNEL_USERNAME="nobody-here"
    )
    assert (done.returncode, done.stdout) == (67, "")
    assert done.stderr.startswith("run.sh: error: there is no user nobody-here on ")


EXTRA = "${KERNEL_EXTRA_SPARK_OPTS:-}"


@pytest.mark.parametrize(
    "refused",
    [
        "--proxy-user bob", "--deploy-mode client", "--files /etc/shadow", "x.jar",
        "--conf spark.yarn.dist.files=/etc/shadow", "--conf spark.driver.memory",
        "--conf spark.driver.extraClassPath=/x", "--conf 'spark.sql.x y=z'", "--conf",
        "--driver-memory 1g;id --queue", "--num-executors --proxy-user bob", "--conf=a",
    ],
)  # fmt: skip
def test_who_submits_for_others_takes_only_sizes_from_them(spec, refused):
    made = spec("yarn", *SHIPPED)
    env = {"SPARK_OPTS": f"{CLUSTER} {EXTRA}", "KERNEL_EXTRA_SPARK_OPTS": refused}
    done = made.run(**env, EG_IMPERSONATION_ENABLED="True")
    if "client" in refused:  # then it is no submission for others any more, and runs as they
        assert json.loads(done.stdout)["argv"][0].endswith("/programs/sudo")
        return
    assert (done.returncode, done.stdout) == (77, "")
    assert "KERNEL_EXTRA_SPARK_OPTS may say how much Spark gets, and not: " in done.stderr
    assert made.run(**env).returncode == 0


def test_sizes_and_a_queue_are_a_clients_choice(spec):
    text = (
        "--driver-memory 1g --num-executors 3 --queue root.x --conf spark.executor.cores=2"
        " --conf spark.sql.shuffle.partitions=4 --conf spark.dynamicAllocation.enabled=true"
    )
    found = spec("yarn", *SHIPPED).called(
        SPARK_OPTS=f"{CLUSTER} {EXTRA}", KERNEL_EXTRA_SPARK_OPTS=text,
        EG_IMPERSONATION_ENABLED="True",
    )  # fmt: skip
    assert without_submit(found)[4:] == [
        *text.split(), "--proxy-user", ME, "--py-files", "HERE/scripts/kernel_launcher.zip",
        "HERE/scripts/launch_ipykernel.py", *ARGUMENTS,
    ]  # fmt: skip


@pytest.mark.parametrize("mode", [CLIENT, CLUSTER])
def test_the_gateways_settings_and_secrets_stay_with_it(spec, mode):
    made = spec("yarn", *SHIPPED)
    env = made.became(
        SPARK_OPTS=mode, EG_AUTH_TOKEN="secret", KG_AUTH_TOKEN="secret", EG_MIN_PORT_RANGE_SIZE="9",
        EG_KERNEL_LAUNCH_TIMEOUT="60",
    )["env"]  # fmt: skip
    found = {name for name in env if name.startswith(("EG_", "KG_"))}
    assert found == {"EG_MIN_PORT_RANGE_SIZE", "EG_KERNEL_LAUNCH_TIMEOUT"}
    assert env["KERNEL_ID"] == "k-1"


# -- What is taken from the installation -----------------------------------------------------------


def test_spark_is_found_by_its_program(spec):
    made = spec("yarn", *PYTHON)
    spark = made.folder.parent / "spark"
    (spark / "jars").mkdir()
    (made.folder.parent / "programs/spark-submit").symlink_to(spark / "bin/spark-submit")
    found = made.became(SPARK_OPTS=CLIENT, SPARK_HOME="")
    assert found["argv"][0] == f"{spark}/bin/spark-submit"
    assert found["env"]["SPARK_HOME"] == str(spark)


def test_python_is_the_one_on_the_path_or_that_of_the_kernelspec(spec):
    made = spec("yarn", *PYTHON)
    python = made.became(SPARK_OPTS=CLIENT)["env"]["PYSPARK_PYTHON"]
    assert python == shutil.which("python3")
    found = made.became(SPARK_OPTS=CLIENT, PYSPARK_PYTHON="/my/python")["env"]
    assert found["PYSPARK_PYTHON"] == "/my/python"


def test_a_cluster_is_told_where_a_users_own_packages_are(spec):
    made = spec("yarn", *SHIPPED)
    words = made.called(SPARK_OPTS=CLUSTER, EG_IMPERSONATION_ENABLED="True")
    home = pwd.getpwnam(ME).pw_dir
    assert f"spark.yarn.appMasterEnv.PYTHONUSERBASE={home}/.local" in words


def test_r_in_a_cluster_is_told_where_spark_and_python_are(spec):
    made = spec("yarn", *IN_R)
    spark = made.folder.parent / "spark"
    words = made.called(SPARK_OPTS=CLUSTER, PYSPARK_PYTHON="/my/python")
    assert f"spark.yarn.appMasterEnv.SPARK_HOME={spark}" in words
    assert f"spark.executorEnv.SPARK_HOME={spark}" in words
    assert "spark.yarn.appMasterEnv.RETICULATE_PYTHON=/my/python" in words


# -- Ending ----------------------------------------------------------------------------------------

CHILD = """#!/bin/sh
sleep 60 &
echo "$$ $!" >"$0.pids"
wait
"""


def test_a_signal_of_the_gateway_ends_all_that_was_started(spec):
    """Also what spark-submit, which becomes Java, would leave behind."""
    made = spec("yarn", *PYTHON)
    submit = made.folder.parent / "spark/bin/spark-submit"
    submit.write_text(CHILD)
    env = {
        "PATH": os.environ["PATH"], "SPARK_HOME": str(submit.parents[1]), "SPARK_OPTS": CLIENT
    }  # fmt: skip
    with subprocess.Popen([made.folder / "bin/run.sh"], env=env, start_new_session=True) as run:
        pids = Path(f"{submit}.pids")
        wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"))
        run.terminate()
        assert run.wait(10) == 143
        for pid in pids.read_text().split():
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def test_the_exit_code_is_the_programs(spec):
    made = spec("yarn", *PYTHON)
    submit = made.folder.parent / "spark/bin/spark-submit"
    submit.write_text("#!/bin/sh\nexit 7\n")
    assert made.run(SPARK_OPTS=CLIENT).returncode == 7


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError


# -- The gateway's hosts ---------------------------------------------------------------------------


def test_the_launcher_runs_by_the_python_on_the_path(spec):
    made = spec("distributed", *PYTHON)
    python = made.folder.parent / "programs/python3"
    python.write_text(SPY)
    python.chmod(0o755)
    found = made.called()
    assert found == [str(python), "HERE/scripts/launch_ipykernel.py", *ARGUMENTS]
    found = made.called(EG_IMPERSONATION_ENABLED="True")
    assert found[0].endswith("/programs/sudo")
    assert found[1:6] == ["-n", "-H", "-E", "-u", ME]
    assert found[7:] == [str(python), "HERE/scripts/launch_ipykernel.py", *ARGUMENTS]


# -- Languages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [CLIENT, CLUSTER])
@pytest.mark.parametrize("user", ["", "#0", "-u", "a b", "root;id", "$(id)", "a\nb"])
def test_what_is_no_user_is_refused(spec, mode, user):
    done = spec("yarn", *SHIPPED).run(
        SPARK_OPTS=mode, EG_IMPERSONATION_ENABLED="True", KERNEL_USERNAME=user
    )
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == "run.sh: error: KERNEL_USERNAME is not the name of a user\n"


@pytest.mark.parametrize(
    ("launcher", "toree"),
    [
        ("lib/toree-launcher.jar", "lib/toree-assembly.jar"),
        ("lib/toree-launcher_2.12-2.5.0.jar", "lib/toree-assembly-0.5.0-incubating.jar"),
    ],
)
def test_scala_has_jars_and_options_of_its_own_that_a_request_replaces(spec, launcher, toree):
    """Under the names that they have in images, and under those of release files."""
    made = spec("yarn", launcher, toree)
    env = {"__TOREE_SPARK_OPTS__": CLUSTER, "__TOREE_OPTS__": "--alternate-sigint USR2"}
    jars = ["--jars", f"HERE/{toree}", "--class", "launcher.ToreeLauncher", f"HERE/{launcher}"]
    wanted = [*CLUSTER.split(), *jars, "--alternate-sigint", "USR2", *ARGUMENTS]
    assert without_submit(made.called(**env)) == wanted
    found = made.called(**env, SPARK_OPTS=CLIENT, TOREE_OPTS="--magic")
    assert without_submit(found) == [*CLIENT.split(), *jars, "--magic", *ARGUMENTS]


def test_r_in_a_cluster_gets_its_modules_in_an_archive(spec):
    made = spec("yarn", *IN_R)
    archive = ["--archives", "HERE/scripts/kernel_launcher.zip#launcher"]
    program = "HERE/scripts/launch_IRkernel.R"
    # The program lies in the working folder there.
    runner = ["--files", program, *RUNNER, "launch_IRkernel.R"]
    found = without_submit(made.called(SPARK_OPTS=CLUSTER))
    assert found == [*CLUSTER.split(), *archive, *runner, *ARGUMENTS]
    with_sparkr(made)
    found = without_submit(made.called(SPARK_OPTS=CLUSTER))
    assert found == [*CLUSTER.split(), *archive, program, *ARGUMENTS]


def test_r_in_client_mode_finds_its_modules_beside_it(spec):
    made = spec("yarn", "scripts/launch_IRkernel.R", "scripts/kernel_launcher/launch.R")
    program = "HERE/scripts/launch_IRkernel.R"
    found = without_submit(made.called(SPARK_OPTS=CLIENT))
    assert found == [*CLIENT.split(), *RUNNER, program, *ARGUMENTS]
    with_sparkr(made)
    found = without_submit(made.called(SPARK_OPTS=CLIENT))
    assert found == [*CLIENT.split(), program, *ARGUMENTS]


def with_sparkr(made: Spec) -> None:
    """Have Spark's distribution carry SparkR, without which spark-submit takes no R for YARN."""
    package = made.folder.parent / "spark/R/lib/sparkr.zip"
    package.parent.mkdir(parents=True)
    package.touch()


def test_dask_is_given_one_file(spec):
    found = spec("dask", "scripts/kernel_launcher.zip").called(
        DASK_OPTS="--name ${KERNEL_ID:-none} --deploy-mode remote", EG_IMPERSONATION_ENABLED="True"
    )
    assert found[0].endswith("/programs/dask-yarn")
    assert found[1:] == [
        "submit", "--name", "k-1", "--deploy-mode", "remote", "--user", ME,
        "HERE/scripts/kernel_launcher.zip", *ARGUMENTS,
    ]  # fmt: skip


@pytest.mark.parametrize("platform", ["yarn", "kubernetes"])
def test_no_spark_is_told_with_what_to_do(spec, platform):
    made = spec(platform, *PYTHON, "scripts/launch_kubernetes.py")
    done = made.run(SPARK_HOME="/nowhere")
    assert done.returncode == 66
    fix = {
        "kubernetes": "; fix: correct it in kernel.json",
        "yarn": f', nor on PATH; fix: set SPARK_HOME in the "env" of {made.folder}/kernel.json',
    }
    assert f"no spark-submit in SPARK_HOME=/nowhere{fix[platform]}" in done.stderr


def test_no_dask_is_told_with_what_to_do(spec):
    made = spec("dask", "scripts/kernel_launcher.zip")
    done = made.run(DASK_YARN_EXE="/nowhere")
    assert done.returncode == 66
    assert "no dask-yarn on PATH, nor at DASK_YARN_EXE=/nowhere; fix: set " in done.stderr


# -- Kubernetes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "program"),
    [
        ("python", ["local:///L/python/scripts/launch_ipykernel.py"]),
        ("r", ["local:///L/R/scripts/launch_IRkernel.R"]),
        (
            "scala",
            ["--jars", "local:///L/scala/lib/toree-assembly.jar", "--class",
             "launcher.ToreeLauncher", "local:///L/scala/lib/toree-launcher.jar"],
        ),
    ],
)  # fmt: skip
def test_the_launcher_in_the_image_runs_by_the_pods_template(spec, language, program):
    made = spec("kubernetes", "scripts/launch_kubernetes.py")
    found = made.called(
        KERNEL_LANGUAGE=language, KERNEL_LAUNCHERS_DIR="/L", E="not this",
        SPARK_OPTS="--deploy-mode cluster --name ${KERNEL_ID:-}",
    )  # fmt: skip
    wanted = ["--deploy-mode", "cluster", "--name", "k-1", "--conf", "spark.a=b c", "--conf"]
    words = without_submit(found)
    assert words[: len(wanted)] == wanted
    assert words[len(wanted) + 1 :] == [*program, *ARGUMENTS]
    folder = made.folder.parent
    assert json.loads((folder / "kpt_k-1").read_text()) == ARGUMENTS
    assert not (folder / "spark_opts_k-1").exists()


def test_if_there_is_no_template_nothing_is_submitted(spec):
    made = spec("kubernetes", "scripts/launch_kubernetes.py")
    script = made.folder / "scripts/launch_kubernetes.py"
    script.write_text(
        script.read_text().replace("given = dict", "raise SystemExit(65)\ngiven = dict")
    )
    done = made.run(KERNEL_LANGUAGE="python")
    assert (done.returncode, done.stdout) == (65, "")
    assert (made.folder.parent / "after").read_text() == "--kernel-id=k-1 --submitted=65"


@pytest.mark.parametrize(
    ("env", "code", "after"),
    [
        ({}, 0, "0"),
        ({"WATCHED": "70"}, 70, "0"),  # the driver cannot run
        ({"SPARK_HOME": "/nowhere"}, 66, "66"),
        ({"SPARK_OPTS": "'"}, 65, "65"),
        ({"KERNEL_LANGUAGE": "cobol"}, 64, "64"),
        ({"FAILS": "3"}, 3, "3"),
        ({"FAILS": "3", "WATCHED": "70"}, 3, "3"),
    ],
)
def test_the_driver_is_watched_and_of_a_failed_submission_nothing_stays(spec, env, code, after):
    made = spec("kubernetes", "scripts/launch_kubernetes.py")
    submit = made.folder.parent / "spark/bin/spark-submit"
    submit.write_text(f"#!/bin/sh\nexit {env.get('FAILS', 0)}\n")
    assert made.run(**{"KERNEL_LANGUAGE": "python", **env}).returncode == code
    assert (made.folder.parent / "after").read_text() == f"--kernel-id=k-1 --submitted={after}"


@pytest.mark.parametrize("kernel_id", ["", "../k", "a b", "$(id)"])
def test_an_id_that_is_none_is_refused(spec, kernel_id):
    done = spec("kubernetes", "scripts/launch_kubernetes.py").run(KERNEL_ID=kernel_id)
    assert (done.returncode, done.stdout) == (64, "")


# -- Words -----------------------------------------------------------------------------------------


def words(text: str, **env: str) -> list[str]:
    """How options.sh splits a text."""
    script = f'. "{BIN}/options.sh"; words "$TEXT"'
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": os.environ["PATH"], "TEXT": text, **env},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (" a  b\tc\n", ["a", "b", "c"]),
        ("--conf 'a=b c' \"d e\" f\\ g", ["--conf", "a=b c", "d e", "f g"]),
        ("'$A' \"$A\" x$A-${A}y", ["$A", "1 2", "x1 2-1 2y"]),
        ("$A ${A}", ["1", "2", "1", "2"]),
        ("${NONE:-d} ${NONE} $NONE- ${A:-d}", ["d", "-", "1", "2"]),
        ("${Q}", ["--conf", "a=b c", "$A", "`id`", "$(id)", ";"]),
        ("$ 5$ ${ $(id) `id` ; | a>b", ["$", "5$", "${", "$(id)", "`id`", ";", "|", "a>b"]),
    ],
)
def test_a_text_becomes_words_and_references_values(text, wanted):
    assert words(text, A="1 2", Q="--conf 'a=b c' $A `id` $(id) ;") == wanted


def test_a_quote_without_an_end_is_an_error():
    done = subprocess.run(
        ["/bin/sh", "-c", f'. "{BIN}/options.sh"; words "a \'b"'],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 65
    assert "a quote without an end" in done.stderr


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@settings(max_examples=examples(60))
@given(PRINTABLE)
def test_a_value_is_one_piece_of_its_word_whatever_it_is(value):
    assert words("--name x${V}", V=value) == ["--name", f"x{value}"]


@settings(max_examples=examples(60))
@given(PRINTABLE)
def test_what_a_client_adds_is_split_and_never_run_or_replaced(value):
    try:
        wanted = [word for word in shlex.split(value) if word]
    except ValueError:
        return  # a quote without an end; has a test of its own
    if "\\" not in value:  # in quotes, the two treat it differently
        assert [word for word in words("${V:-}", V=value) if word] == wanted
