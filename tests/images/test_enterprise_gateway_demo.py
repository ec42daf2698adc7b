"""The demo's image: the server in it, who may do what, and that it starts and says what is wrong.

Kernels in it are proved by `./doitw verify:enterprise-gateway-demo`.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "enterprise-gateway-demo"
LIMIT = 2_200_000_000  # bytes
SERVER = "/opt/enterprise-gateway"
TOKEN = secrets.token_hex()
KERNELSPECS = {"python_distributed"} | {
    f"spark_{language}_yarn_{mode}"
    for language in ("python", "r", "scala")
    for mode in ("client", "cluster")
}
PATCHED = "enterprise_gateway/services/processproxies/distributed.py"


def test_it_is_small_enough(engine, image):
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT


def test_the_server_is_that_of_the_server_image_with_its_fixes(run):
    places = {"enterprise-gateway": "/opt/conda", NAME: SERVER}
    sums = [
        run(name, "sha256sum", f"{place}/lib/python3.11/site-packages/{PATCHED}").split()[0]
        for name, place in places.items()
    ]
    assert sums[0] == sums[1]
    found = run(NAME, "grep", "shlex.quote", f"{SERVER}/lib/python3.11/site-packages/{PATCHED}")
    assert "export {key}=" in found


def test_nobody_but_root_may_change_what_the_server_runs(run):
    """bob is in no group of it, and jovyan's own kernels must not, either."""
    places = [SERVER, "/usr/local/bin", "/usr/local/etc/jupyter", "/usr/local/share/jupyter",
              "/tmp/byok"]  # fmt: skip
    found = run(NAME, "find", *places, "!", "-type", "l", "(", "!", "-user", "root", "-o",
                "-perm", "-o=w", ")", "-print")  # fmt: skip
    assert found == ""


def test_the_gateways_user_may_be_the_demos_users_and_never_root(run):
    assert run(NAME, "visudo", "-cf", "/etc/sudoers.d/enterprise-gateway", user="root")
    may = run(NAME, "sudo", "-n", "-l").partition("may run the following")[2]
    lines = [line.split() for line in re.sub(r"\\?\n\s{8,}", " ", may).splitlines() if "(" in line]
    of_kernels = [line for line in lines if line[0] != "(root)"]
    assert of_kernels
    assert all("elyra, bob, alice)" in " ".join(line) for line in of_kernels)
    as_root = [" ".join(line[1:]) for line in lines if line[0] == "(root)"]
    assert as_root == ["NOPASSWD: /opt/hadoop/libexec/container-executor"]


# How the configuration tells reasons: in the server's own Python, without a server.
REASONS = f"""
import json, sys
sys.path.insert(0, "{SERVER}/etc/jupyter")
import jupyter_enterprise_gateway_config as config
print(json.dumps([
    config._reason(["a", "run.sh: error: x", "last"]),
    config._reason(["Exception in thread \\"main\\" y", "\\tat z"]),
    config._reason(["only", "last"]), config._reason([]), config._fit("a\\nb\\u2028" + "c" * 999),
]))
"""


# -- One that runs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(engine: Any, image: Callable[[str], str]) -> Iterator[Any]:
    """A container with impersonation, up."""
    container = engine.containers.run(
        image(NAME), ["--gateway"], detach=True, hostname="demo", mem_limit="6g",
        environment={"EG_IMPERSONATION_ENABLED": "True", "EG_AUTH_TOKEN": TOKEN,
                     "EG_AUTHORIZED_USERS": "bob,mallory"},
    )  # fmt: skip
    try:
        until(lambda: "is available at" in container.logs().decode(), container)
        container.reload()
        yield container
    finally:
        container.remove(force=True)


def until(true: Callable[[], bool], container: Any) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.3)
    pytest.fail(container.logs().decode()[-2000:])


def call(demo: Any, path: str, body: Any = None, method: str = "") -> tuple[int, Any]:
    networks = demo.attrs["NetworkSettings"]["Networks"].values()
    address = next(network["IPAddress"] for network in networks)
    request = urllib.request.Request(
        f"http://{address}:8888/api/{path}", headers={"Authorization": f"token {TOKEN}"},
        data=None if body is None else json.dumps(body).encode(),
        method=method or ("GET" if body is None else "POST"),
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def start(demo: Any, kernelspec: str, **env: str) -> tuple[int, Any]:
    return call(demo, "kernels", {"name": kernelspec, "env": env})


def test_it_has_the_kernels_that_work_in_it(demo):
    code, found = call(demo, "kernelspecs")
    assert code == 200
    assert {name.lower() for name in found["kernelspecs"]} == KERNELSPECS


def test_a_reason_is_one_line(demo):
    done = demo.exec_run([f"{SERVER}/bin/python", "-c", REASONS])
    found = json.loads(done.output.splitlines()[-1])
    assert found[:4] == ["run.sh: error: x", 'Exception in thread "main" y', "last", ""]
    assert re.fullmatch(r"a b c+", found[4])
    assert len(found[4]) <= 500


def test_it_is_healthy(demo):
    assert demo.exec_run("/usr/local/bin/check-demo.sh").exit_code == 0


def test_who_may_not_is_told_at_once(demo):
    for user in ("alice", "root", "jovyan"):
        code, answer = start(demo, "python_distributed", KERNEL_USERNAME=user)
        assert code == 403
        assert f"User '{user}' is not " in answer["reason"]
    assert start(demo, "spark_python_yarn_cluster")[0] == 403  # it would be jovyan


@pytest.mark.parametrize(
    ("kernelspec", "env", "reason"),
    [
        ("python_distributed", {"KERNEL_USERNAME": "mallory"}, "there is no user mallory on demo"),
        ("spark_python_yarn_cluster",
         {"KERNEL_EXTRA_SPARK_OPTS": "--proxy-user alice"}, "and not: --proxy-user"),
        ("spark_python_yarn_client", {"KERNEL_EXTRA_SPARK_OPTS": "--nonsense"}, "--nonsense"),
    ],
)  # fmt: skip
def test_what_cannot_start_is_told_with_its_reason_and_soon(demo, kernelspec, env, reason):
    began = time.monotonic()
    code, answer = start(demo, kernelspec, **{"KERNEL_USERNAME": "bob", **env})
    assert code == 500
    assert reason in answer["reason"]
    assert time.monotonic() - began < 40  # the launch timeout is 60


def test_a_kernel_runs_as_its_user_and_ends_with_all_it_has_started(demo):
    code, kernel = start(demo, "python_distributed", KERNEL_USERNAME="bob", KERNEL_SECRET="x")
    assert code == 201

    def processes() -> list[list[str]]:
        found = demo.top(ps_args="-eo pid,uid,args")["Processes"]
        return [line[1:] for line in found if kernel["id"] in line[2]]

    launchers = [line for line in processes() if "bin/python" in line[1].split()[0]]
    assert launchers
    assert {line[0] for line in launchers} == {"1112"}  # bob
    secret = f"tr '\\0' '\\n' </proc/$(pgrep -o -u bob python)/environ | grep -e {TOKEN} -e ^EG_A"
    assert demo.exec_run(["sh", "-c", secret], user="bob").output == b""
    # What it prints is nobody else's.
    log = f"/var/log/enterprise-gateway/kernel-{kernel['id']}.log"
    assert demo.exec_run(["cat", log]).exit_code == 0
    assert b"Permission denied" in demo.exec_run(["cat", log], user="alice").output
    assert call(demo, f"kernels/{kernel['id']}", method="DELETE")[0] == 204
    until(lambda: not processes(), demo)
