"""Images that break a rule are found out, and the rule is named; what was started is removed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import docker
import docker.errors
import pytest

import verify.__main__
import verify.cases
import verify.kernel
import verify.owner
import verify.spark_cases
from buildlib.errors import ActionError
from tests.engine.fake_spark import command as spark_command
from verify import stopping
from verify.engine import Engine
from verify.pace import Pace

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[2]
FROM_ROOT = ("verify", "deploy", "buildlib", "pyproject.toml")
"""What `python -m verify` takes of the checkout: tests/support/kept."""
IMAGE = os.environ.get("TEST_IMAGES", "elyra/{name}:dev").format(name="kernel-py")
GATEWAY = IMAGE.replace("kernel-py", "enterprise-gateway")
BOOTSTRAP = "/usr/local/bin/bootstrap-kernel.sh"
LEAK = "until cat /tmp/kernel-*.json 2>/dev/null; do sleep 0.02; done"
REPORT_IN_CLEAR = """
import os, socket, time
host, port = os.environ["RESPONSE_ADDRESS"].split(":")
with socket.create_connection((host, int(port))) as sock:
    sock.sendall(b'{"shell_port": 1}')
time.sleep(60)
"""
STARTUP = "/tmp/ipython/profile_default/startup"
LATE = """
import sys
sys.stdout.flush_interval = 0.3
type(sys.stdout).flush = lambda self: None
"""
NO_COMMENTS = """
code = lambda lines: any(line[:1] != '#' for line in lines)
refuse = lambda lines: lines if code(lines) else exec('raise SyntaxError')
get_ipython().input_transformers_cleanup.append(refuse)
"""
ONE_TRY = """
import os, socket
host, port = os.environ["RESPONSE_ADDRESS"].split(":")
socket.create_connection((host, int(port))).close()
"""

# What the image runs, the cases to run, and the rule that each of them finds broken.
BROKEN = {
    "no bootstrap": (["/usr/local/bin/none.sh"], {"report": "start", "execute": "start"}),
    "ends at once": (["true"], {"report": "start", "missing-variable": "missing-variable"}),
    "never reports": (["sleep", "60"], {"report": "report-time"}),
    "reports in clear": (["python", "-c", REPORT_IN_CLEAR], {"report": "report-form"}),
    "logs the key": (["sh", "-c", f"({LEAK}) & exec {BOOTSTRAP}"], {"report": "secret-in-log"}),
    "logs the environment": (["sh", "-c", f"env; exec {BOOTSTRAP}"], {"report": "secret-in-log"}),
    "ignores the end": (
        ["sh", "-c", f"trap '' TERM; {BOOTSTRAP}; sleep 60"],
        {"shutdown": "shutdown"},
    ),
    "hides the exit code": (["sh", "-c", f"{BOOTSTRAP}; exit 7"], {"shutdown": "shutdown"}),
    "leaves its file": (
        ["sh", "-c", f"echo > /tmp/kernel-$KERNEL_ID.json; exec {BOOTSTRAP}"],
        {"shutdown": "leftovers"},
    ),
    "prints too late": (
        ["sh", "-c", f'mkdir -p {STARTUP}; echo "$LATE" > {STARTUP}/late.py; exec {BOOTSTRAP}'],
        {"output-order": "output-order"},
    ),
    "stops at comments": (
        [
            "sh",
            "-c",
            f'mkdir -p {STARTUP}; echo "$NO_COMMENTS" > {STARTUP}/no.py; exec {BOOTSTRAP}',
        ],
        {"cells": "cells"},
    ),
    "tries once": (
        ["sh", "-c", f'python -c "$ONE_TRY" && exec {BOOTSTRAP}'],
        {"late-report": "report-retry"},
    ),
    "one user only": (
        ["sh", "-c", f"test $(id -u) = 1000 && exec {BOOTSTRAP}"],
        {"any-user": "any-user"},
    ),
    "one language only": (
        ["sh", "-c", f"KERNEL_LANGUAGE=python PORT_RANGE=0..0 exec {BOOTSTRAP}"],
        {"unknown-language": "unknown-language", "port-range": "port-range"},
    ),
}

# What a Spark does wrong, and the rule that each case finds broken.
BROKEN_SPARK = {
    "": {name: "" for name in verify.cases.NAMES if name.startswith("spark-")},
    "always eager": {"spark-none": "spark-mode", "spark-lazy": "spark-mode"},
    "never eager": {"spark-eager": "spark-mode"},
    "cannot add": {"spark-lazy": "spark-execute"},
    "goes on": {"spark-interrupt": "spark-interrupt"},
    "keeps the cores": {"spark-interrupt": "spark-interrupt"},
    "ends badly": {"spark-shutdown": "shutdown"},
    "one user only": {"spark-eager": "any-user", "spark-any-user": "any-user", "spark-stop": ""},
}
LAUNCH = "/usr/local/share/jupyter/kernels/python_docker/scripts"


@pytest.fixture(scope="module")
def engine():
    client = docker.from_env()
    try:
        client.images.get(IMAGE)
    except docker.errors.ImageNotFound:
        pytest.fail(f"{IMAGE} is not in the engine; fix: ./doitw build:kernel-py")
    yield client
    client.close()


@pytest.fixture(autouse=True)
def signals_as_before():
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def derived(engine):
    """`derived(line, …)` is the tag of an image with further lines in its Dockerfile."""
    tags = []

    def make(*lines, image=IMAGE):
        text = "\n".join([f"FROM {image}", *lines, ""])
        tags.append(f"{image.rpartition(':')[0]}:verify-test-{uuid.uuid4().hex[:12]}")
        engine.images.build(fileobj=io.BytesIO(text.encode()), tag=tags[-1], rm=True)
        return tags[-1]

    yield make
    for tag in tags:
        engine.images.remove(tag)


def quoted(code):
    return '"' + "; ".join(code.strip().splitlines()).replace('"', "'") + '"'


def left(engine, name):
    """Containers and networks of one run; others may be running beside it."""
    containers = engine.containers.list(all=True, ignore_removed=True)
    networks = engine.networks.list()
    return [found.name for found in (*containers, *networks) if found.name.startswith(name)]


@pytest.fixture
def nothing_left(engine, monkeypatch):
    runs = []
    init = Engine.__init__

    def noted(self):
        init(self)
        runs.append(self.run)

    monkeypatch.setattr(Engine, "__init__", noted)
    yield
    assert runs
    assert [left(engine, name) for name in runs] == [[]] * len(runs)


def run(tmp_path, *words):
    """Run the command; returns its exit code and its JSON."""
    target = tmp_path / "out.json"
    code = verify.__main__.main([*words, "--json", str(target)])
    return code, json.loads(target.read_text())


def test_the_image_of_the_family_works(engine, nothing_left, tmp_path, capsys):
    names = ["report", "execute", "rich-output", "stdin", "interrupt", "wrong-key", "garbage"]
    code, found = run(tmp_path, IMAGE, "--case", *names, "shutdown")
    assert code == 0, capsys.readouterr().out
    assert found["verdict"] == "works"
    assert found["language"] == "python"
    assert found["image_id"] == engine.images.get(IMAGE).id
    assert [case["name"] for case in found["cases"]] == [*names, "shutdown"]
    assert not has_a_key(capsys.readouterr().out)


def has_a_key(text):
    """Whether something that looks like a key was printed; our launcher's are hexadecimal."""
    return bool(re.search(r"[0-9a-f]{32}", text))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name, derived, nothing_left, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(verify.kernel, "PATIENCE", 1.0)
    monkeypatch.setattr(verify.cases, "PATIENCE", 3.0)
    monkeypatch.setattr(verify.cases, "LATE_SECONDS", 1.5)
    command, expected = BROKEN[name]
    timeout = "3" if name == "never reports" else "30"
    texts = {"ONE_TRY": ONE_TRY, "LATE": LATE, "NO_COMMENTS": NO_COMMENTS}
    set_texts = " ".join(f"{name}={quoted(text)}" for name, text in texts.items())
    image = derived(f"ENV {set_texts} IPYTHONDIR=/tmp/ipython", f"CMD {json.dumps(command)}")
    code, found = run(tmp_path, image, "--timeout", timeout, "--case", *expected)
    assert {case["name"]: case["rule"] for case in found["cases"]} == expected
    assert code == 1
    text = capsys.readouterr().out
    for rule in expected.values():
        assert f"docs/verify.md#{rule}" in text
    assert not has_a_key(text.replace(found["image_id"], ""))


@pytest.mark.parametrize("fault", BROKEN_SPARK)
def test_a_fault_of_spark_is_found(fault, derived, nothing_left, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(verify.kernel, "PATIENCE", 1.0)
    monkeypatch.setattr(verify.spark_cases, "UP_SECONDS", 3.0)
    monkeypatch.setattr(verify.spark_cases, "JOB_SECONDS", 0.3)
    if fault == "keeps the cores":  # some seconds, which a busy machine would explain
        monkeypatch.setattr(Pace, "busy", False)
    expected = BROKEN_SPARK[fault]
    command = spark_command(fault, BOOTSTRAP)
    image = derived("ENV SPARK_HOME=/opt/spark", f"CMD {json.dumps(command)}")
    code, found = run(tmp_path, image, "--case", *expected)
    assert {case["name"]: case["rule"] for case in found["cases"]} == expected, found["cases"]
    assert code == (1 if fault else 0)


def test_under_the_gateway_it_is_the_image_that_was_named(derived, nothing_left, tmp_path, capsys):
    image = derived("LABEL another=image")
    names = [f"python_docker/{step}" for step in ("start", "execute", "task", "user")]
    words = ["--gateway", GATEWAY, "--kernels-only", "--case", *names, "kernelspecs"]
    code, found = run(tmp_path, image, *words)
    assert code == 0, capsys.readouterr().out
    assert found["kernel_images"] == [image]
    assert list(found["kernel_image_ids"]) == [image]
    assert found["kernel_image_ids"][image] != found["image_id"]
    assert [row["name"] for row in found["rows"]] == ["", "python_docker"]
    assert set(found["rows"][1]["times"]) == {"idle", "execute", "task"}


NOT_THERE = ("ENTRYPOINT []", 'CMD ["/not/there"]')


def test_a_gateway_that_cannot_be_started_is_tried_once(derived, nothing_left, tmp_path, capsys):
    gateway = derived(*NOT_THERE, image=GATEWAY)
    words = ["--gateway", gateway, "--case", "kernelspecs", "two-kernels", "wrong-image"]
    code, found = run(tmp_path, *words)
    first, *others = found["cases"]
    assert f"{gateway} cannot be started" in first["message"]
    assert "/not/there" in first["message"]
    assert {case["message"] for case in others} == {"the gateway does not start"}
    assert code == 2


def test_a_container_that_cannot_be_started_leaves_its_name_free(derived, nothing_left):
    engine = Engine()
    image = derived(*NOT_THERE)
    try:
        for _ in range(2):
            with pytest.raises(ActionError, match="/not/there"):
                engine.start(image, f"{engine.run}-one", env={})
        assert engine.containers() == []
    finally:
        engine.clear()


@pytest.mark.parametrize(
    ("edit", "case", "rule"),
    [
        ('s/groups=.*/groups=["100", "0"],/', "user", "gateway-user"),
        ("s/user=f.*/user='1000:100',/", "user", "gateway-user"),
        (
            f"s/image=value.*/image='{IMAGE.replace('/', chr(92) + '/')}',/",
            "start",
            "gateway-image",
        ),
    ],
)
def test_a_launch_script_that_takes_liberties_is_found(
    edit, case, rule, derived, nothing_left, tmp_path, capsys
):
    gateway = derived(f'USER 0\nRUN sed -i "{edit}" {LAUNCH}/*.py\nUSER 1000', image=GATEWAY)
    image = derived("LABEL another=image")
    words = ["--gateway", gateway, "--case", f"python_docker/{case}"]
    code, found = run(tmp_path, image, *words)
    assert [each["rule"] for each in found["cases"]] == [rule], found["cases"]
    assert code == 1


def test_a_server_that_runs_what_a_client_sends_is_found(derived, nothing_left, tmp_path, capsys):
    code, found = run(tmp_path, "--gateway", GATEWAY, "--case", "hostile-values")
    assert code == 0, capsys.readouterr().out
    module = "enterprise_gateway/services/processproxies/distributed.py"
    place = f"/opt/conda/lib/python3.*/site-packages/{module}"
    edit = "s/shlex.quote(str(value))/json.dumps(value)/"  # as it was released
    gateway = derived(f"RUN sed -i '{edit}' {place}", image=GATEWAY)
    code, found = run(tmp_path, "--gateway", gateway, "--case", "hostile-values")
    [case] = found["cases"]
    assert case["rule"] == "gateway-hostile-values", case
    assert "what was run: backquotes, backslashes, both, substitution" in case["message"]
    assert code == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_leaves_nothing(number, code, engine, derived):
    image = derived("LABEL another=image")
    process = subprocess.Popen(
        [sys.executable, "-m", "verify", image],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip
    assert process.stdout
    process.stdout.readline()
    process.stdout.readline()  # the first case has ended: a kernel runs
    # A bare container, by which the pace is measured, may be there too.
    kernels = {"ancestor": image, "label": "verify"}
    container = engine.containers.list(filters=kernels)[0]
    name = container.labels["verify"]
    assert container.name in left(engine, name)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert "has been removed" in error
    assert "Traceback" not in error
    assert left(engine, name) == []


def test_the_next_run_removes_what_a_killed_one_has_left(engine, derived, monkeypatch):
    # Tests beside this one look for what is dead, too, and leave that of other machines alone.
    monkeypatch.setattr(verify.owner, "_machine", lambda: "of this test alone")
    image = derived("LABEL another=image")
    runs = [Engine(), Engine()]
    dead, alive = runs
    child = subprocess.Popen([sys.executable, "-c", ""])
    dead.labels["verify.owner.pid"] = str(child.pid)
    child.wait()
    try:
        for run_ in runs:
            run_.start(image, f"{run_.run}-one", env={})
        # As a gateway makes kernels: without a label of ours, on the run's network.
        engine.containers.run(image, name=f"{dead.run}-kernel", network=dead.run, detach=True)
        assert len(left(engine, dead.run)) == 3
        assert dead.run in Engine().remove_dead()
        assert left(engine, dead.run) == []
        assert left(engine, alive.run) != []
    finally:
        for run_ in runs:
            run_.clear()


def test_an_image_that_is_not_there(engine, capsys):
    assert verify.__main__.main([IMAGE.replace("kernel", "kernle")]) == 3
    assert f"did you mean {IMAGE}?" in capsys.readouterr().err
