"""The cases of the demo: Spark runs on YARN, kernels are processes of its users, and only theirs.

What a gateway does everywhere is of `gateway_cases`. A kernel in client mode runs beside the
gateway, one in cluster mode in a container of YARN; a container of YARN is a process there.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify import neighbour
from verify.checks import groups_of, is_png
from verify.demo import OVER, USER
from verify.gateway_cases import (
    CREATED,
    NOT_FOUND,
    SLACK,
    Life,
    Session,
    post,
    refused,
    said,
)
from verify.hostile import hostile_values
from verify.languages import LANGUAGES, WHERE
from verify.results import Case, Told
from verify.rules import Broken, NotTried
from verify.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from verify.server import Server

CLIENT, CLUSTER = "_yarn_client", "_yarn_cluster"
OTHER = "alice"
UNKNOWN = "mallory"  # a user whom the image does not have
READY_SECONDS = 30.0
NOTICE_SECONDS = 30.0  # the gateway asks after its kernels every 3 s
QUEUE_SECONDS = 20  # that a kernel is given while the queue is full
CONTAINER = "CONTAINER_ID"
"""The variable by which a process knows its container of YARN."""
PAGES = {"ResourceManager": 8088, "NodeManager": 8042, "history": 18080}


REPORT = """
import json
def report(asked):
    print(json.dumps({**attempts(asked), "environment": str(dict(os.environ))}))
report("""


class YarnLife(Life):
    """The cases of one kernelspec of the demo; see `Life`."""

    def plot(self) -> str:
        """A plot reaches the client."""
        outcome = self._shared().channels.run(self._language.rich)
        if not any(is_png(shown.get("image/png", "")) for shown in outcome.shown):
            raise Broken("gateway-task", f"no plot has come: {outcome}")
        return "png"

    def spark_where(self) -> str:
        """Spark runs on YARN, in the kernelspec's mode; tasks run in executors of the user's."""
        session = self._shared()
        outcome = session.channels.run(self._language.spark_where.replace(WHERE, CONTAINER))
        words = outcome.printed.split()
        if len(words) != 4:  # noqa: PLR2004
            raise Broken("gateway-spark-where", f"Spark does not say where it runs: {outcome}")
        wrong = misplaced(self._kernelspec, words, self._server.yarn.applications(session.id))
        if wrong:
            raise Broken("gateway-spark-where", "; ".join(wrong))
        master, mode, _, executors = words
        return (
            f"{master}, mode {mode}, {USER}'s, tasks ran in {len(executors.split(','))} executors"
        )

    def files(self) -> str:
        """What the kernel writes to the disk and to HDFS is the user's."""
        session, server = self._shared(), self._server
        file, folder = f"/home/{USER}/verify-{session.id}", f"/user/{USER}/verify-{session.id}"
        code = self._language.spark_write.replace("FILE", file).replace("FOLDER", folder)
        outcome = session.channels.run(code)
        if outcome.status != "ok":
            raise Broken("yarn-user", f"it cannot write {file} and {folder}: {outcome}")
        parts = server.yarn.file(folder, USER)
        owners = {
            file: inside(server, "stat", "--format=%U", file).strip(),
            folder: str(parts.get("owner", "")),
        }
        wrong = [
            f"{path} is {owner or 'nobody'}'s" for path, owner in owners.items() if owner != USER
        ]
        if wrong:
            raise Broken("yarn-user", "; ".join(wrong))
        return f"on disk and in HDFS {USER}'s"

    def runs_as(self) -> str:
        """The process that executes code is the user's, and not of group root."""
        session = self._shared()
        uid, gid, groups = groups_of(session.channels.run(self._language.process).text)
        message = f"it runs as {uid}:{gid}, groups {' '.join(sorted(groups)) or 'none'}"
        if uid != uid_of(self._server, USER) or not gid or "0" in {gid, *groups}:
            raise Broken("yarn-user", message)
        return message

    def delete(self) -> Told:
        """Kernel, processes and application are gone."""
        kernel = self._shared().id
        told = super().delete()
        states = over(self._server, kernel, "gateway-delete")
        return told._replace(message=", ".join([told.message, *states]))

    def steps(self, *, cluster: bool = False) -> list[Callable[[], Told | str]]:
        """See `Life`."""
        del cluster
        if not self._kernelspec.startswith("spark_"):
            life = [self.start, self.execute, self.task, self.interrupt]
            return [*life, self.runs_as, self.restart, self.delete]
        python = [self.plot] if "_python_" in self._kernelspec else []
        return [
            self.start,
            self.execute,
            self.task,
            *python,
            self.spark_where,
            self.runs_as,
            self.files,
            self.interrupt,
            self.spark_interrupt,
            self.restart,
            self.delete,
        ]

    def _computes(self, session: Session) -> bool:
        yarn = self._server.yarn
        return any(yarn.runs_a_job(app["id"], USER) for app in yarn.applications(session.id))


def misplaced(
    kernelspec: str, words: Sequence[str], applications: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What of a kernel's Spark is not where the kernelspec says.

    Args:
        kernelspec: Its name.
        words: What Spark says: master, mode, the containers of the driver and of its tasks.
        applications: Those that YARN has of the kernel.
    """
    master, mode, driver, executors = words
    ran = executors.split(",")
    if len(applications) != 1:
        return [f"YARN has {len(applications)} applications of the kernel"]
    [application] = applications
    own = f"_{application['id'].partition('_')[2]}_"  # the middle of its containers' names
    client = kernelspec.endswith(CLIENT)
    wrong = [f"the master is {master}"] if master != "yarn" else []
    wrong += [] if kernelspec.endswith(f"_{mode}") else [f"the mode is {mode}"]
    if (driver == "-") != client or (not client and own not in driver):
        wrong.append(f"the driver is in container {driver}")
    if driver in ran or not all(own in each for each in ran):
        wrong.append(f"tasks ran in {executors}")
    if application["user"] != USER:
        wrong.append(f"YARN takes it for {application['user']}'s")
    return [f"{each} (application {application['id']})" for each in wrong]


class Neighbours:
    """Two kernels at once, of two users: what one may see of the other, and the end of both.

    Args:
        server: The gateway.
        kernelspecs: That of the other user's, who is looked at; that of the user who looks.
    """

    def __init__(self, server: Server, kernelspecs: tuple[str, str]) -> None:
        self._server = server
        self._kernelspecs = kernelspecs
        self._sessions: tuple[Session, Session] | None = None
        self._hopeless = False

    def two_kernels(self) -> str:
        """Two kernels of two users use Spark at once, and share nothing."""
        other, own = self._both()
        asked = [each.channels.begin(LANGUAGES["python"].spark_sum) for each in (other, own)]
        for session, message_id in zip((other, own), asked, strict=True):
            outcome = session.channels.finish(message_id)
            if "55" not in outcome.printed:
                raise Broken("gateway-two-kernels", f"Spark's sum has not come: {outcome}")
        python = LANGUAGES["python"]
        other.channels.run(python.set_state)
        outcome = own.channels.run(python.get_state)
        if outcome.status == "ok":
            raise Broken("gateway-two-kernels", f"one sees the other's variable: {outcome}")
        other.expect(python.get_state, "gateway-two-kernels")
        return f"idle after {other.seconds:.1f} and {own.seconds:.1f} s"

    def neighbours(self) -> str:
        """A user's code can neither read what is another's, nor signal it, nor become somebody."""
        other, own = self._both()
        server = self._server
        application = application_of(server, other.id, "yarn-neighbours")
        secret = f"/home/{OTHER}/verify-secret"
        outcome = other.channels.run(f'open("{secret}", "w").write("s3cret")')
        # With a mask that lets others read: the folder has to keep them out.
        outcome = other.channels.run(f'import os; os.chmod("{secret}", 0o644)')
        if outcome.status != "ok":
            raise Broken("yarn-neighbours", f"{OTHER} cannot write {secret}: {outcome}")
        asked = {
            "user": USER,
            "other": OTHER,
            "uid": int(uid_of(server, OTHER)),
            "file": secret,
            "application": application,
            "kernel": other.id,
        }
        code = Path(neighbour.__file__).read_text(encoding="utf-8")
        outcome = own.channels.run(f"{code}{REPORT}{asked!r})")
        try:
            found: dict[str, Any] = json.loads(outcome.printed.splitlines()[-1])
        except (ValueError, IndexError):
            raise Broken("yarn-neighbours", f"its code does not end well: {outcome}") from None
        token = server.env()["EG_AUTH_TOKEN"]
        if token in outcome.text:
            raise Broken("yarn-neighbours", "the gateway's token is in a kernel's environment")
        found.pop("environment")
        wrong = [f"{what}: {told}" for what, told in found.items() if told != neighbour.REFUSED]
        if wrong:
            raise Broken("yarn-neighbours", f"{USER} may: {'; '.join(wrong)}")
        other.expect(LANGUAGES["python"].hello, "yarn-neighbours")
        return f"{len(found)} attempts, all refused"

    def killed(self) -> str:
        """A kernel whose application YARN has killed is gone for the gateway, too."""
        other, _ = self._both()
        server = self._server
        application = application_of(server, other.id, "yarn-killed")
        other.channels.close()  # with a client, the gateway would start it again
        status = server.yarn.end(application, OTHER)
        begun = server.pace.mark()

        def gone() -> bool:
            return server.rest.call("GET", f"/kernels/{other.id}").status == NOT_FOUND

        if not until(gone, NOTICE_SECONDS + SLACK, server.pace, pause=0.3):
            message = f"{application} was killed ({status}), and the gateway still has its kernel"
            raise Broken("yarn-killed", message)
        seconds = begun.seconds()
        server.pace.judge("yarn-killed", "it is noticed", seconds, NOTICE_SECONDS, begun)
        server.kernels.pop(other.id, None)
        over(server, other.id, "yarn-killed")
        return f"noticed after {seconds:.1f} s"

    def spark_killed(self) -> str:
        """In client mode the kernel outlives its application; its next job is told, and it ends."""
        _, own = self._both()
        server, python = self._server, LANGUAGES["python"]
        application = application_of(server, own.id, "yarn-killed")
        server.yarn.end(application, USER)
        over(server, own.id, "yarn-killed")
        outcome = own.channels.run(python.spark_sum)
        if outcome.status == "ok":
            raise Broken("yarn-killed", f"a job of a killed application has ended well: {outcome}")
        own.expect(python.hello, "yarn-killed")
        own.delete()
        return f"{outcome.error}: {' '.join(outcome.reason.split())[:80]}"

    def _both(self) -> tuple[Session, Session]:
        if self._hopeless:
            raise NotTried("gateway-start-kernel", "no two kernels start")
        if self._sessions is None:
            self._hopeless = True
            with contextlib.ExitStack() as undo:
                started = []
                for kernelspec, user in zip(self._kernelspecs, (OTHER, USER), strict=True):
                    self._server.pace.give_way()
                    started.append(Session(self._server, kernelspec, KERNEL_USERNAME=user))
                    undo.callback(started[-1].channels.close)
                undo.pop_all()
            other, own = started
            self._sessions, self._hopeless = (other, own), False
        return self._sessions


def ready(server: Server) -> str:
    """YARN has a node, HDFS a home for the user, and Hadoop's pages answer."""
    yarn = server.yarn
    if not until(yarn.nodes, READY_SECONDS, server.pace, pause=0.3):
        raise Broken("yarn-ready", "the gateway is up, and YARN has no active node")
    owner = yarn.file(f"/user/{USER}", USER).get("owner")
    if owner != USER:
        raise Broken("yarn-ready", f"/user/{USER} of HDFS is {owner or 'nobody'}'s")
    silent = [f"{name} ({port})" for name, port in PAGES.items() if not yarn.answers(port)]
    if silent:
        raise Broken("yarn-ready", f"no page of {', '.join(silent)}")
    return f"{yarn.nodes()} node, {yarn.memory()} MB free; pages of {', '.join(PAGES)}"


def not_allowed(server: Server, kernelspec: str) -> str:
    """Users who are not allowed, or not there, get 403."""
    for user in ("root", UNKNOWN, "-u root", "bob;id"):
        reply, told = refused(
            server, kernelspec, "yarn-not-allowed", user, {"KERNEL_USERNAME": user}
        )
        if reply.status != 403 or user not in told:  # noqa: PLR2004
            raise Broken("yarn-not-allowed", f"KERNEL_USERNAME={user!r}: {said(reply)}")
    return "403, by name"


def too_large(server: Server, kernelspec: str) -> str:
    """A driver that no node has the memory for is an error at once, which says so."""
    begun = server.pace.mark()
    env = {"KERNEL_EXTRA_SPARK_OPTS": "--driver-memory 900g"}
    reply, told = refused(server, kernelspec, "yarn-told", "a driver of 900 GB", env)
    if "memory" not in told.lower():
        raise Broken("yarn-told", f"nobody says that it is too large: {said(reply)}")
    return f"{reply.status} after {begun.seconds():.1f} s"


def full_queue(server: Server, kernelspec: str) -> str:
    """Where YARN has no room, the error comes when the kernel's time is up, and says so."""
    fillers = _fill(server)
    try:
        begun = server.pace.mark()
        reply = post(server, kernelspec, KERNEL_LAUNCH_TIMEOUT=str(QUEUE_SECONDS))
        seconds = begun.seconds()
        if reply.status == CREATED:
            server.kernels[str(reply.body["id"])] = kernelspec
            raise Broken("yarn-told", "a kernel has started where YARN has no room")
        if reply.status != 503 or "resources unavailable" not in said(reply):  # noqa: PLR2004
            raise Broken("yarn-told", f"with a full queue: {said(reply)}")
        limit = QUEUE_SECONDS + SLACK
        server.pace.judge("yarn-told", "the error has come", seconds, limit, begun)
    finally:
        for application in fillers:
            server.yarn.end(application, OTHER)
    if not until(lambda: not server.yarn.unfinished(), SLACK, server.pace, pause=0.3):
        left = ", ".join(server.yarn.unfinished())
        raise Broken("yarn-told", f"of a kernel that did not start is left: {left}")
    return f"{reply.status} after {seconds:.1f} s"


def _fill(server: Server) -> list[str]:
    """Take YARN's memory by applications that sleep; returns their IDs."""
    yarn, taken = server.yarn, list[str]()
    size = yarn.memory()
    while size >= 128 and len(taken) < 8:  # noqa: PLR2004
        try:
            name = yarn.submit("sleep 600", size, OTHER)
        except OSError:
            size //= 2  # more than one container may have
            continue
        taken.append(name)

        def runs(name: str = name) -> bool:
            return yarn.state(name) == "RUNNING"

        if not until(runs, 10, server.pace, pause=0.2):
            break  # it waits itself: there is no room
        size = min(size, yarn.memory())
    return taken


def unfinished(server: Server, kernel: str) -> list[str]:
    """IDs of a kernel's applications that are not over."""
    found = server.yarn.applications(kernel)
    return [str(app["id"]) for app in found if app["state"] not in OVER]


def application_of(server: Server, kernel: str, rule: str) -> str:
    """The ID of the one application of a kernel that is not over.

    Raises:
        Broken: It has none, or several.
    """
    found = unfinished(server, kernel)
    if len(found) != 1:
        raise Broken(rule, f"the kernel has {len(found)} applications that run, and not one")
    return found[0]


def over(server: Server, kernel: str, rule: str) -> list[str]:
    """Wait until no application of a kernel goes on; returns how they have ended.

    Raises:
        Broken: One goes on.
    """
    yarn = server.yarn
    if not until(lambda: not yarn.unfinished(kernel), SLACK, server.pace, pause=0.3):
        raise Broken(rule, f"there is still {', '.join(yarn.unfinished(kernel))}")
    return [str(app["state"]) for app in yarn.applications(kernel)]


def uid_of(server: Server, user: str) -> str:
    """A user's number in the demo."""
    return inside(server, "id", "-u", user).strip()


def inside(server: Server, *command: str) -> str:
    """What a command prints in the demo, as root: the proof looks at what is others'."""
    output: Any = server.container.exec_run(list(command), stderr=False, user="0").output
    return str(output.decode(errors="replace"))


def cases(
    case: Callable[..., Case],
    server: Server | None,
    names: Sequence[str],
    *,
    kernels_only: bool,
) -> list[Case]:
    """All of them.

    Args:
        case: Makes one, of its name, what it runs, and with what.
        server: The gateway.
        names: The kernelspecs that are proved.
        kernels_only: Only their lives.
    """
    found = [case("ready", ready, server)]
    for name in names:
        life = YarnLife(server, name)  # type: ignore[arg-type]  # not called without a server
        found += [case(f"{name}/{step.__name__.replace('_', '-')}", step) for step in life.steps()]
    client, cluster = f"spark_python{CLIENT}", f"spark_python{CLUSTER}"
    if kernels_only or not {client, cluster} <= {*names}:
        return found
    two = Neighbours(server, (cluster, client))  # type: ignore[arg-type]
    return [
        *found,
        case("two-kernels", two.two_kernels),
        case("neighbours", two.neighbours),
        case("killed", two.killed),
        case("spark-killed", two.spark_killed),
        case("not-allowed", not_allowed, server, client),
        case("too-large", too_large, server, cluster),
        case("full-queue", full_queue, server, cluster),
        case("hostile-values", hostile_values, server),
    ]
