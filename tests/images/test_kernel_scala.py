"""The Scala kernel: its launchers for any user, and a jar that is the same each time.

What the kernel does under a gateway is proved by `verify` (docs/verify.md).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from own_kernel import lab_of, own_kernel

from buildlib.engine.client import find_client
from verify.kernel import Wish

pytestmark = [pytest.mark.slow, pytest.mark.engine]

NAME = "kernel-scala"
LIB = "/usr/local/bin/kernel-launchers/scala/lib"
MAGICS = ["%adddeps", "%addjar", "%lsmagic", "%showtypes", "%truncation", "%%dataframe", "%%html"]
PATIENCE = 120  # seconds; below 5 on a machine that does nothing else
SOURCES = Path(__file__).parents[2] / "launchers" / "scala"


def test_launchers_are_in_place_under_names_without_versions(run):
    found = run(NAME, "find", "/usr/local/bin", "-type", "f").split()
    assert sorted(found) == [
        "/usr/local/bin/bootstrap-kernel.sh",
        f"{LIB}/toree-assembly.jar",
        f"{LIB}/toree-launcher.jar",
    ]


@pytest.mark.parametrize("user", [None, "2000:100", "12345:0"])
def test_every_user_may_read_the_launchers_and_start_them(run, user):
    script = f"""
        KERNEL_ID=x RESPONSE_ADDRESS= PUBLIC_KEY= PORT_RANGE=1..2 \\
            /opt/entrypoint.sh /usr/local/bin/bootstrap-kernel.sh 2>&1 || echo "exit code $?"
        cat {LIB}/*.jar | wc -c
    """
    said = run(NAME, "sh", "-c", script, user=user).splitlines()
    assert "toree-launcher: error: --port-range 1..2 is no range within 1024..65535" in said
    assert "exit code 2" in said
    assert int(said[-1]) > 20_000_000


def test_two_builds_of_the_jar_give_the_same_bytes_for_java_8(engine, image, tmp_path):
    client = find_client(os.environ)
    jars = []
    for number in range(2):
        out = tmp_path / str(number)
        options = ["--no-cache", "--network=none", f"--build-arg=JDK={image('jdk')}"]
        command = [client.path, *(["buildx"] if client.buildx else []), "build", "--quiet"]
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        subprocess.run(
            [*command, *options, f"--output={out}", str(SOURCES)],
            check=True,
            capture_output=True,
            env=environment,
        )
        jars.append(out / "toree-launcher.jar")
    first, second = (hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars)
    assert first == second
    with zipfile.ZipFile(jars[0]) as archive:
        names = [name for name in archive.namelist() if name.endswith(".class")]
        assert names == sorted(names)
        assert "launcher/ToreeLauncher.class" in names
        versions = {archive.read(name)[6:8] for name in names}
    assert versions == {b"\x00\x34"}  # 52: Java 8


@pytest.fixture(scope="module")
def lab(image):
    """Starts kernels of the image as the gateway does."""
    with lab_of(image(NAME), "scala") as lab:
        yield lab


def test_a_cell_waits_for_the_interpreter_and_magics_are_there(lab):
    with own_kernel(lab) as kernel:
        talk = kernel.talk
        cells = [talk.begin("val a = 6"), talk.begin("%showtypes on"), talk.begin("a * 7")]
        said = [talk.finish(cell, seconds=PATIENCE).text for cell in cells]
        assert "6" in said[0]
        assert "42" in said[2]
        listed = talk.run("%lsmagic").text
        assert [magic for magic in MAGICS if magic not in listed] == []
        assert talk.run("%%sql\nselect 40 + 2 as answer", seconds=PATIENCE).text.count("42") == 1


CELLS = {
    "// one\n\n/* two /* three */ */ // four\n;": "ok",
    "/** of\n * what */": "ok",
    "\t\r\n": "ok",
    "/* without an end": "error",
    "//\nval kept = 42\n// and": "ok",
    "kept / 0; val lost = 1": "error",
    "println(lost)": "error",
    "%%sql\r\nselect 40 + 2 as answer": "ok",
}


def test_cells_without_code_end_well_and_others_as_they_should(lab):
    with own_kernel(lab) as kernel:
        found = {cell: kernel.talk.run(cell, seconds=PATIENCE).status for cell in CELLS}
        assert found == CELLS
        assert kernel.talk.run("println(kept)", seconds=PATIENCE).text == "42\n"


def test_an_interrupt_ends_a_cell_that_waits_for_the_interpreter_alone(lab):
    with own_kernel(lab) as kernel:
        cell = kernel.talk.begin('println("run")')
        kernel.request(signum=2)
        outcome = kernel.talk.finish(cell, seconds=PATIENCE)
        # Where the interpreter is quick, the cell has run: an interrupt of what has ended is none.
        assert outcome.status == "error" or outcome.text == "run\n"
        assert kernel.talk.run("println(spark != null)", seconds=PATIENCE).text == "true\n"


def test_eager_makes_a_context_that_the_first_cell_need_not_ask_for(lab):
    active = "println(org.apache.spark.sql.SparkSession.getDefaultSession.isDefined)"
    with own_kernel(lab, Wish(env={"KERNEL_SPARK_CONTEXT_INIT_MODE": "eager"})) as kernel:
        end = time.monotonic() + PATIENCE
        while kernel.talk.run(active, seconds=PATIENCE).text != "true\n":
            assert time.monotonic() < end
            time.sleep(0.2)
        assert "6.0" in kernel.talk.run("sc.parallelize(1 to 3).sum", seconds=PATIENCE).text
