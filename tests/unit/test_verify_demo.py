"""The proof of the demo, as far as that needs none: its gateway and its YARN are fakes.

What it finds on the real one is in docs/verify.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import parse_label
from deploy.composefile import read
from verify import __main__ as command
from verify import demo, neighbour, yarn_cases
from verify.demo import Yarn
from verify.gateway_cases import cases, leftovers
from verify.outcome import Outcome
from verify.pace import Pace
from verify.platforms import Gateway
from verify.rest import Reply
from verify.rules import Broken
from verify.yarn_cases import YarnLife, misplaced

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = "application_1700000000000_0001"
CONTAINER = "container_e02_1700000000000_0001_01_00000"
RUN = "verify-00c0ffee"


# -- YARN, over HTTP -------------------------------------------------------------------------------


class Cluster:
    """As much of a ResourceManager and of WebHDFS as is asked for."""

    def __init__(self) -> None:
        self.free = 1024
        self.apps: list[dict[str, Any]] = []
        self.jobs: list[Any] = []
        self.files: dict[str, str] = {}
        self.asked: list[str] = []
        self.most = 512
        """MB that one container may have."""

    def app(self, name: str, state: str = "RUNNING", user: str = "bob", id: str = "") -> None:  # noqa: A002
        number = f"application_1700000000000_{len(self.apps) + 1:04}"
        self.apps.append({"id": id or number, "name": name, "state": state, "user": user})

    def answer(  # noqa: PLR0911 - an answer for each question
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        words = path.strip("/").split("/")
        if words[0] == "proxy":
            return 200, self.jobs
        if words[0] == "webhdfs":
            owner = self.files.get(path.removeprefix("/webhdfs/v1"))
            return (200, {"FileStatus": {"owner": owner}}) if owner else (404, {})
        if path.endswith("/metrics"):
            return 200, {"clusterMetrics": {"activeNodes": 1, "availableMB": self.free}}
        if path.endswith("/new-application"):
            return 200, {"application-id": f"application_1700000000000_{len(self.apps) + 1:04}"}
        if words[-1] == "state" and method == "PUT":
            [app] = [each for each in self.apps if each["id"] == words[-2]]
            if app["user"] != query["user.name"]:
                return 403, {}
            app["state"] = body["state"]
            return 200, body
        if words[-1] == "state":
            return 200, {"state": next(a["state"] for a in self.apps if a["id"] == words[-2])}
        if method == "POST":
            if body["resource"]["memory"] > self.most:
                return 400, "too much for one container"
            self.free -= body["resource"]["memory"]
            self.app(body["application-name"], user=query["user.name"])
            return 202, ""
        return 200, {"apps": {"app": self.apps} if self.apps else None}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    fake = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            url = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            status, answer = fake.answer(self.command, url.path, query, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do  # noqa: N815

        def log_message(self, *words: Any) -> None:
            del words

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        fake.port = listening.server_address[1]  # type: ignore[attr-defined]
        yield fake
        listening.shutdown()


def yarn_of(cluster: Any) -> Yarn:
    return Yarn("127.0.0.1", (cluster.port, cluster.port))


def test_what_yarn_says_of_a_kernels_applications(cluster):
    yarn = yarn_of(cluster)
    assert yarn.applications("k1") == []
    assert (yarn.nodes(), yarn.memory()) == (1, 1024)
    cluster.app("k2", id="application_1_0002")
    cluster.app("k1", "FINISHED", id="application_1_0001")
    assert [app["name"] for app in yarn.applications()] == ["k1", "k2"]
    assert yarn.unfinished() == ["application_1_0002 (RUNNING)"]
    assert yarn.unfinished("k1") == []
    assert not yarn.runs_a_job("application_1_0002", "bob")
    cluster.jobs = [{"jobId": 1}]
    assert yarn.runs_a_job("application_1_0002", "bob")
    assert cluster.asked[-1].startswith("GET /proxy/application_1_0002/api/v1/applications/")


def test_an_application_is_ended_in_its_users_name_only(cluster):
    cluster.app("k", user="alice")
    yarn = yarn_of(cluster)
    assert yarn.end(cluster.apps[0]["id"], "bob") == 403
    assert yarn.end(cluster.apps[0]["id"], "alice") == 200
    assert yarn.state(cluster.apps[0]["id"]) == "KILLED"


def test_where_nothing_answers_there_is_nothing():
    yarn = Yarn("127.0.0.1", (9, 9))
    assert (yarn.nodes(), yarn.applications(), yarn.answers(9)) == (0, [], False)
    assert yarn.file("/user/bob", "bob") == {}


# -- What is started -------------------------------------------------------------------------------

COMPOSE = """
services:
  demo:
    image: "${EG_IMAGE:-x}"
    command: ["--gateway"]
    networks: [demo]
    ports: ["127.0.0.1:8888:8888"]
    environment:
      EG_AUTH_TOKEN: "${EG_AUTH_TOKEN:?run it}"
      EG_CULL_IDLE_TIMEOUT: 3600
    volumes: [{type: volume, source: data, target: /var/lib/hadoop}]
    cap_drop: [ALL]
    cap_add: [SETUID]
    restart: unless-stopped
networks:
  demo: {name: "${EG_NETWORK:-x}", driver: bridge}
volumes:
  data: {name: x}
"""


def test_it_is_what_deploy_starts_on_a_network_of_its_own_that_leads_nowhere(tmp_path, monkeypatch):
    (tmp_path / "demo.yaml").write_text(COMPOSE)
    monkeypatch.setattr(demo, "FILE", tmp_path / "demo.yaml")
    made = []
    engine: Any = SimpleNamespace(
        run=RUN, make_network=lambda driver, internal: made.append((driver, internal))
    )
    env = {
        "EG_AUTH_TOKEN": "t0ken",
        "EG_CULL_IDLE_TIMEOUT": "0",
        "EG_IMPERSONATION_ENABLED": "True",
    }
    project = demo._project(engine, Gateway("sha256:1", "", env, "1000", "", 0))
    [service] = project.services
    assert made == [("bridge", True)]
    assert project.volumes == {}
    assert (service.name, service.image) == ("gateway", "sha256:1")
    assert sorted(service.body["Env"]) == [f"{name}={value}" for name, value in sorted(env.items())]
    host = service.body["HostConfig"]
    assert (host["Mounts"], host["PortBindings"], host["NetworkMode"]) == ([], {}, RUN)
    assert host["RestartPolicy"] == {"Name": "no"}
    [as_deployed] = read(str(demo.FILE), env).services
    same = ("CapAdd", "CapDrop", "Memory", "PidsLimit")
    assert {name: host[name] for name in same} == {
        name: as_deployed.body["HostConfig"][name] for name in same
    }


def test_the_proof_has_the_file_and_the_code_that_starts_it_in_its_key():
    graph = Workspace(str(ROOT)).graph
    labels = [
        label for label in graph.of_verb("verify") if "--demo" in graph[label].attrs["arguments"]
    ]
    assert parse_label("//images/enterprise-gateway-demo:verify") in labels
    for label in labels:
        deps = {dep.ref.label for dep in graph[label].deps}
        assert parse_label("//deploy:demo") in deps
        assert parse_label("//deploy:demo-platform") in deps


def test_platforms_exclude_each_other(capsys):
    assert command.main(["--demo", "--swarm", "--gateway", "x"]) == 3
    assert "--swarm and --demo" in capsys.readouterr().err


# -- The cases -------------------------------------------------------------------------------------


class FakeServer:
    """What the cases ask of a gateway; `replies` are its answers to whoever asks for a kernel."""

    def __init__(self, cluster: Any, *replies: tuple[int, str, str]) -> None:
        self.place, self.pace = demo.place(), Pace()
        self.engine = SimpleNamespace(run=RUN)
        self.cluster, self.replies, self.said = cluster, list(replies), ""
        self.kernels: dict[str, str] = {}
        self.kernelspecs = {"k": {"spec": {"language": "python"}}}
        self.rest = self
        self.asked: list[Any] = []
        self.launch_seconds = 60

    @property
    def yarn(self) -> Yarn:
        return yarn_of(self.cluster)

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        if method == "GET":
            return Reply(404 if "/kernels/" in path else 200, [])
        self.asked.append((body or {}).get("env"))
        status, message, log = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        self.said += log
        return Reply(status, {"message": message, "id": "1"})

    def log(self) -> str:
        return self.said

    def image_of(self, name: str) -> None:
        del name

    def left_of_kernels(self) -> list[str]:
        return self.yarn.unfinished()


def printed(text: str, *, status: str = "ok", error: str = "") -> Outcome:
    outcome = Outcome()
    outcome.add("stream", {"name": "stdout", "text": text})
    outcome.add("execute_reply", {"status": status, "ename": error})
    return outcome


def life_of(server: Any, kernelspec: str, said: Outcome) -> YarnLife:
    """A life whose kernel is there and answers everything alike."""
    server.kernelspecs[kernelspec] = server.kernelspecs["k"]
    life = YarnLife(server, kernelspec)
    channels = SimpleNamespace(run=lambda code: said)
    life._session = SimpleNamespace(id="kid", channels=channels)  # type: ignore[assignment]
    return life


ONE = [{"id": APPLICATION, "user": "bob"}]


@pytest.mark.parametrize(
    ("kernelspec", "words", "told"),
    [
        ("spark_r_yarn_client", f"yarn client - {CONTAINER}2,{CONTAINER}3", ""),
        ("spark_r_yarn_cluster", f"yarn cluster {CONTAINER}1 {CONTAINER}2", ""),
        ("spark_r_yarn_client", f"local[*] client - {CONTAINER}2", "the master is local"),
        ("spark_r_yarn_cluster", f"yarn client - {CONTAINER}2", "the mode is client"),
        ("spark_r_yarn_cluster", f"yarn cluster - {CONTAINER}2", "the driver is in container -"),
        ("spark_r_yarn_client", f"yarn client {CONTAINER}1 {CONTAINER}2", "the driver is in"),
        ("spark_r_yarn_client", "yarn client - -", "tasks ran in -"),
        ("spark_r_yarn_cluster", f"yarn cluster {CONTAINER}1 {CONTAINER}1", "tasks ran in"),
        ("spark_r_yarn_client", "yarn client - container_e02_1_0001_01_000002", "tasks ran in"),
    ],
)
def test_spark_is_on_yarn_only_if_its_own_containers_did_the_work(kernelspec, words, told):
    found = "; ".join(misplaced(kernelspec, words.split(), ONE))
    assert (told in found) if told else found == ""


def test_spark_on_yarn_is_the_users_and_one_application():
    words = f"yarn client - {CONTAINER}2".split()
    elses = [{"id": APPLICATION, "user": "jovyan"}]
    assert "for jovyan's" in misplaced("x_yarn_client", words, elses)[0]
    assert "2 applications" in misplaced("x_yarn_client", words, ONE * 2)[0]
    assert "0 applications" in misplaced("x_yarn_client", words, [])[0]


def test_spark_that_does_not_say_where_it_is_is_told(cluster):
    life = life_of(FakeServer(cluster), "spark_python_yarn_client", printed("an error"))
    with pytest.raises(Broken, match="does not say where") as caught:
        life.spark_where()
    assert caught.value.rule == "gateway-spark-where"
    cluster.app("kid", id=APPLICATION)
    life = life_of(
        FakeServer(cluster), "spark_python_yarn_client", printed(f"yarn client - {CONTAINER}2")
    )
    assert life.spark_where() == "yarn, mode client, bob's, tasks ran in 1 executors"


@pytest.mark.parametrize(("on_disk", "in_hdfs"), [("bob", "bob"), ("jovyan", "bob"), ("bob", "")])
def test_files_have_to_be_the_users(cluster, monkeypatch, on_disk, in_hdfs):
    cluster.files["/user/bob/verify-kid"] = in_hdfs
    monkeypatch.setattr(yarn_cases, "inside", lambda server, *command: f"{on_disk}\n")
    life = life_of(FakeServer(cluster), "spark_python_yarn_client", printed(""))
    if on_disk == in_hdfs == "bob":
        assert life.files() == "on disk and in HDFS bob's"
        return
    with pytest.raises(Broken, match=r"is (jovyan|nobody)'s"):
        life.files()


@pytest.mark.parametrize(("uid", "groups", "well"), [
    ("1112", "100", True), ("1000", "100", False), ("1112", "100 0", False),
])  # fmt: skip
def test_the_process_has_to_be_the_users(cluster, monkeypatch, uid, groups, well):
    monkeypatch.setattr(yarn_cases, "inside", lambda server, *command: "1112\n")
    status = f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t100\t100\t100\t100\nGroups:\t{groups}\n"
    life = life_of(FakeServer(cluster), "python_distributed", printed(status))
    if well:
        assert life.runs_as().startswith("it runs as 1112:100")
        return
    with pytest.raises(Broken, match="it runs as") as caught:
        life.runs_as()
    assert caught.value.rule == "yarn-user"


def test_users_who_are_not_allowed_are_refused_by_name(cluster):
    server: Any = FakeServer(cluster, (403, "root mallory '-u root' 'bob;id' may not", ""))
    assert yarn_cases.not_allowed(server, "k") == "403, by name"
    assert [env["KERNEL_USERNAME"] for env in server.asked][:2] == ["root", "mallory"]
    for reply in ((500, "mallory root", ""), (403, "no", ""), (201, "", "")):
        with pytest.raises(Broken) as caught:
            yarn_cases.not_allowed(FakeServer(cluster, reply), "k")  # type: ignore[arg-type]
        assert caught.value.rule == "yarn-not-allowed"


def test_a_driver_that_is_too_large_has_to_be_told(cluster):
    said = (500, "see the log", "IllegalArgumentException: Required AM memory (921600+…)\n")
    assert yarn_cases.too_large(FakeServer(cluster, said), "k").startswith("500 after")  # type: ignore[arg-type]
    with pytest.raises(Broken, match="nobody says"):
        yarn_cases.too_large(FakeServer(cluster, (500, "see the log", "")), "k")  # type: ignore[arg-type]


FULL = "KernelID: '1' launch timeout due to: YARN resources unavailable after 20 seconds"


def test_a_full_queue_has_to_be_told_and_is_emptied(cluster):
    server: Any = FakeServer(cluster, (503, FULL, ""))
    assert yarn_cases.full_queue(server, "k").startswith("503 after")
    assert server.asked[0]["KERNEL_LAUNCH_TIMEOUT"] == "20"
    assert cluster.free == 0
    assert [app["user"] for app in cluster.apps] == ["alice"] * 2  # of 512 MB, as it may have
    assert server.yarn.unfinished() == []
    cluster.free = 1024
    with pytest.raises(Broken, match="with a full queue: 500"):
        yarn_cases.full_queue(FakeServer(cluster, (500, "odd", "")), "k")  # type: ignore[arg-type]
    assert server.yarn.unfinished() == []


def test_what_is_left_of_a_kernel_in_yarn_is_told(cluster, monkeypatch):
    monkeypatch.setattr(yarn_cases, "SLACK", 0.2)
    monkeypatch.setattr("verify.gateway_cases.SLACK", -demo.GONE_SECONDS)
    cluster.app("kid")
    server: Any = FakeServer(cluster)
    with pytest.raises(Broken, match="there is still application"):
        yarn_cases.over(server, "kid", "yarn-killed")
    with pytest.raises(Broken, match="still there: application"):
        leftovers(server)
    cluster.apps[0]["state"] = "KILLED"
    assert yarn_cases.over(server, "kid", "yarn-killed") == ["KILLED"]
    leftovers(server)


# -- Neighbours ------------------------------------------------------------------------------------


class Talk:
    """Channels of a kernel that answers in turn."""

    def __init__(self, *said: Outcome) -> None:
        self.said, self.closed = list(said), False

    def run(self, code: str) -> Outcome:
        del code
        return self.said.pop(0)

    def close(self) -> None:
        self.closed = True


def two(server: Any, own: Outcome) -> yarn_cases.Neighbours:
    pair = yarn_cases.Neighbours(server, ("k", "k"))

    def session(name: str, *said: Outcome) -> Any:
        return SimpleNamespace(
            id=name, channels=Talk(*said), expect=lambda code, rule: 0.0, delete=lambda: 0.0
        )

    pair._sessions = (session("theirs", printed(""), printed("")), session("mine", own))
    return pair


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"read a file": "refused"}, ""),
        ({"read a file": "read", "list a home": "refused"}, "bob may: read a file: read"),
        ({"read a file": "refused", "environment": "{'EG_AUTH_TOKEN': 't0ken'}"}, "token is in"),
        (None, "does not end well"),
    ],
)
def test_only_what_is_refused_is_refused(cluster, monkeypatch, found, told):
    monkeypatch.setattr(yarn_cases, "inside", lambda server, *command: "1113\n")
    cluster.app("theirs")
    server: Any = FakeServer(cluster)
    server.env = lambda: {"EG_AUTH_TOKEN": "t0ken"}
    said = json.dumps({"environment": "{}", **found}) if found else "Traceback"
    pair = two(server, printed(said))
    if not told:
        assert pair.neighbours() == "1 attempts, all refused"
        return
    with pytest.raises(Broken, match=told) as caught:
        pair.neighbours()
    assert caught.value.rule == "yarn-neighbours"


def test_a_killed_kernel_has_to_be_noticed(cluster):
    cluster.app("theirs", user="alice")
    server: Any = FakeServer(cluster)
    pair = two(server, printed("", status="error", error="Py4JJavaError"))
    assert pair.killed().startswith("noticed after")
    assert pair._sessions is not None
    assert pair._sessions[0].channels.closed  # type: ignore[attr-defined]
    cluster.app("mine")
    assert pair.spark_killed().startswith("Py4JJavaError")
    assert [app["state"] for app in cluster.apps] == ["KILLED", "KILLED"]


def test_a_job_of_a_killed_application_that_ends_well_is_odd(cluster):
    cluster.app("mine")
    with pytest.raises(Broken, match="has ended well"):
        two(FakeServer(cluster), printed("55")).spark_killed()


def test_what_a_neighbour_tries_is_run_by_python_and_told(tmp_path):
    """The code itself, run here by the very user who is looked at: most is not refused."""
    mine = tmp_path / "home/secret"
    mine.parent.mkdir()
    mine.write_text("s3cret")
    lines = [f"FOLDERS = ({str(tmp_path)!r},)", f"OURS = ({str(tmp_path)!r},)", "PROGRAMS = ()"]
    lines += [f"{name} = 'http://127.0.0.1:9'" for name in ("HDFS", "YARN", "GATEWAY")]
    lines.append("_processes = lambda: [(os.getpid(), -1), (1 << 30, -1)]")
    asked = {
        "user": "me", "other": "other", "uid": os.getuid(), "file": str(mine),
        "application": "a", "kernel": "k",
    }  # fmt: skip
    code = "\n".join([Path(neighbour.__file__).read_text(), *lines])
    code += f"{yarn_cases.REPORT}{asked!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "VERIFY_MARK": "m4rk"},
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert "m4rk" in found.pop("environment")
    assert found.pop("read a file") == "read"
    assert found.pop("list a home") == "['secret']"
    assert found.pop(f"read files below {tmp_path}").startswith(f"1: {mine}")
    assert found.pop(f"write to {tmp_path}") == "written"
    alive = [answer for what, answer in found.items() if "process " in what]
    assert alive.count(neighbour.REFUSED) == 2  # of the one that is not there
    assert len(alive) == 4
    assert "URLError" in found["list kernels"]


def test_the_cases_of_the_demo():
    names = ["python_distributed", "spark_python_yarn_client", "spark_python_yarn_cluster"]
    found = [case.name for case in cases(None, names, yarn=True)]
    assert found[:3] == ["kernelspecs", "ready", "python_distributed/start"]
    assert found[-1] == "leftovers"
    for name in names[1:]:
        own = [each.partition("/")[2] for each in found if each.startswith(f"{name}/")]
        assert {"task", "plot", "spark-where", "files", "runs-as", "spark-interrupt"} < {*own}
        assert own[-2:] == ["restart", "delete"]
    some = [case.name for case in cases(None, names, yarn=True, kernels_only=True)]
    assert {*found} - {*some} == {
        "two-kernels", "neighbours", "killed", "spark-killed", "not-allowed", "too-large",
        "full-queue", "hostile-values",
    }  # fmt: skip
