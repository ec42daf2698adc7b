"""The cases of the real gateway, over REST and websocket, in the order in which they are run."""

from __future__ import annotations

import contextlib
import difflib
import time
from typing import TYPE_CHECKING, Any

from verify.checks import groups_of, is_png
from verify.hostile import hostile_values
from verify.languages import LANGUAGES, Language
from verify.rest import CLOSED
from verify.results import Case, Told
from verify.rules import Broken, Late, NotTried
from verify.server import CULL_INTERVAL
from verify.tasks import task_of
from verify.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from verify.pace import Mark
    from verify.rest import Channels
    from verify.server import Server

OK, CREATED, NO_CONTENT, NOT_FOUND = 200, 201, 204, 404
REFUSE_SECONDS = 15.0  # half of the launch timeout: the gateway has noticed, not waited
INTERRUPT_SECONDS = 5.0
JOB_SECONDS = 30.0  # for a job of Spark to be under way
CONNECT_AGAIN = (0.02, 0.08, 0.14, 0.2)  # JupyterLab: after a few hundredths of a second
ENOUGH = 1.3  # a launch time that is shorter by this only was long enough
SLACK = 15.0  # for what the gateway does at intervals of its own
UID = "2000"
NO_IMAGE = "verify.invalid/no-such-kernel:none"  # a name that is never resolved (RFC 6761)


class Session:
    """One kernel of the gateway, and the websocket to it."""

    def __init__(self, server: Server, kernelspec: str, **env: str) -> None:
        """Start it, and connect.

        Args:
            server: The gateway.
            kernelspec: Its name.
            env: Variables of the client's, `KERNEL_...`.

        Raises:
            Broken: `gateway-start-kernel`.
        """
        self.server = server
        _ = server.rest  # it runs
        started = time.monotonic()
        self.id = start_kernel(server, kernelspec, **env)
        self.channels: Channels = server.rest.connect(self.id)
        self.channels.wait_ready()
        self.seconds = time.monotonic() - started

    def restart(self) -> None:
        """Restart it, and connect anew.

        Raises:
            Broken: `gateway-restart`.
        """
        begun, given = self.server.pace.mark(), self.server.launch_seconds
        reply = self.server.rest.call("POST", f"/kernels/{self.id}/restart")
        if reply.status != OK or reply.body.get("id") != self.id:
            message = f"the restart is answered by {said(reply)}"
            raise _refused(self.server, "gateway-restart", message, begun, given)
        old, self.channels = self.channels, self.server.rest.connect(self.id)
        old.close()  # not before: a kernel that nobody is connected to may be culled
        try:
            self.channels.wait_ready()
        except Broken as broken:
            raise Broken("gateway-restart", broken.message) from broken

    def delete(self) -> float:
        """Delete it; returns the seconds from the request until its container was gone.

        Raises:
            Broken: `gateway-delete`.
        """
        self.channels.close()
        asked = time.monotonic()
        reply = self.server.rest.call("DELETE", f"/kernels/{self.id}")
        if reply.status != NO_CONTENT:
            raise Broken("gateway-delete", f"the deletion is answered by {said(reply)}")
        self.server.kernels.pop(self.id, None)
        begun = self.server.pace.mark()
        reply = self.server.rest.call("GET", f"/kernels/{self.id}")
        if reply.status != NOT_FOUND:
            raise Broken("gateway-delete", "the gateway still knows the kernel")
        pace, limit = self.server.pace, self.server.place.gone_seconds
        if not until(lambda: not self.server.kernel_containers(self.id), limit + SLACK, pace):
            raise Broken("gateway-delete", "the kernel's container is still there")
        seconds, took = begun.seconds(), time.monotonic() - asked
        pace.judge("gateway-delete", "the container is gone", seconds, limit, begun)
        return took

    def expect(self, code: str, rule: str) -> float:
        """Execute code that should print 42; returns the seconds it took.

        Raises:
            Broken: the rule.
        """
        started = time.monotonic()
        outcome = self.channels.run(code)
        if outcome.status != "ok" or outcome.printed.strip() != "42":
            raise Broken(rule, f"{code!r} should print 42: {outcome}")
        return time.monotonic() - started


def start_kernel(server: Server, kernelspec: str, **env: str) -> str:
    """Start a kernel and connect to nothing; returns its id.

    Raises:
        Broken: `gateway-start-kernel`.
    """
    begun, given = server.pace.mark(), server.launch_seconds
    reply = post(server, kernelspec, **env)
    if reply.status != CREATED:
        message = f"the start of {kernelspec} is answered by {said(reply)}; {server.last_line()}"
        raise _refused(server, "gateway-start-kernel", message, begun, given)
    kernel_id = str(reply.body["id"])
    server.kernels[kernel_id] = kernelspec
    what = f"the start of {kernelspec} is answered"
    server.pace.judge("gateway-start-kernel", what, begun.seconds(), server.timeout, begun)
    return kernel_id


def _refused(server: Server, rule: str, message: str, begun: Mark, given: int) -> Broken:
    """The error for a kernel that the gateway does not start; late, where it had too little time.

    Args:
        server: The gateway.
        rule: What is broken.
        message: What was seen.
        begun: When the start was asked for.
        given: Seconds that the gateway gave it.
    """
    seconds = begun.seconds()
    if seconds < given:
        return Broken(rule, message)
    server.pace.measure()  # another try gets the time that this machine needs
    message += f"; after {seconds:.0f} s, the machine's pace is {server.pace.factor:.1f}"
    return (Late if server.launch_seconds > given * ENOUGH else Broken)(rule, message)


class Life:
    """The cases of one kernelspec; they share a kernel, from its start to its deletion."""

    def __init__(self, server: Server, kernelspec: str) -> None:
        self._server = server
        self._kernelspec = kernelspec
        self._session: Session | None = None
        self._hopeless = False

    def start(self) -> Told:
        """A kernel starts and becomes idle; it is the image it should be."""
        with self._server.pace.alone():
            session = self._shared()
        wanted = self._server.image_of(_image_name(self._server, self._kernelspec))
        runs = self._server.kernel_images(session.id)
        if wanted and runs != {wanted.id}:
            message = f"the kernel's container is of {', '.join(runs) or 'no image'}"
            raise Broken("gateway-image", f"{message}, not {wanted.reference} ({wanted.id})")
        return Told(f"idle after {session.seconds:.1f} s", {"idle": session.seconds})

    def execute(self) -> Told:
        """Code prints what it should."""
        session, language = self._shared(), self._language
        with self._server.pace.alone():
            seconds = session.expect(language.hello, "gateway-execute")
        return Told("", {"execute": seconds})

    def task(self) -> Told:
        """The kernel does what its kernelspec is there for."""
        task, session = task_of(self._kernelspec), self._shared()
        assert task is not None  # noqa: S101 - the case is listed only where there is one
        with self._server.pace.alone():
            started = time.monotonic()
            outcome = session.channels.run(task.code)
            seconds = time.monotonic() - started
        pictures = [shown for shown in outcome.shown if is_png(shown.get("image/png", ""))]
        if task.prints not in outcome.text or (task.picture and not pictures):
            raise Broken("gateway-task", f"{task.about} has not come: {outcome}")
        return Told(task.about, {"task": seconds})

    def spark_where(self) -> str:
        """Spark runs where the kernelspec says: master, deploy mode, and where its tasks ran."""
        session = self._shared()
        outcome = session.channels.run(self._language.spark_where)
        words = outcome.printed.split()
        if len(words) != 4:  # noqa: PLR2004
            raise Broken("gateway-spark-where", f"Spark does not say where it runs: {outcome}")
        master, mode, driver, hosts = words
        ran, seen = set(hosts.split(",")), f"master {master}, mode {mode}, driver {driver}"
        message = f"{seen}, tasks ran on {', '.join(sorted(ran))}"
        if not master.startswith(self._server.place.spark):
            raise Broken("gateway-spark-where", message)
        cluster = self._server.place.cluster
        if cluster is None:
            if ran != {driver}:
                raise Broken("gateway-spark-where", message)
            return message
        # The driver is the kernel's pod (cluster mode), and executors are other pods of its.
        executors = cluster.executors(self._server.engine.run, session.id)
        drivers = self._server.kernel_containers(session.id)
        if not (_is_one_of(driver, drivers) and all(_is_one_of(host, executors) for host in ran)):
            pods = ", ".join(sorted(executors)) or "none"
            raise Broken("gateway-spark-where", f"{message}; pods of executors: {pods}")
        return f"{master}, mode {mode}, tasks ran in {len(ran)} pods of executors"

    def interrupt(self) -> Told:
        """A running cell ends; the state stays."""
        session, language = self._shared(), self._language
        session.channels.run(language.set_state)
        message_id = session.channels.begin(language.endless)
        session.channels.wait_for_text(message_id)
        with self._server.pace.alone():
            seconds = self._interrupts(session, message_id)
        session.expect(language.get_state, "gateway-interrupt")
        return Told(f"{seconds:.2f} s", {"interrupt": seconds})

    def spark_interrupt(self) -> str:
        """A running job of Spark is cancelled; the state stays, and the next job runs."""
        session, language = self._shared(), self._language
        session.channels.run(language.set_state)
        with self._server.pace.alone():
            message_id = session.channels.begin(language.spark_job)
            session.channels.wait_for_text(message_id)
            # Not before: what comes while Spark still plans the job finds nothing to cancel.
            until(lambda: self._computes(session), JOB_SECONDS, self._server.pace, pause=0.2)
            seconds = self._interrupts(session, message_id)

            def gone() -> bool:
                return session.channels.run(language.spark_jobs).printed.strip() == "0"

            if not until(gone, INTERRUPT_SECONDS, self._server.pace, pause=0.2):
                raise Broken("gateway-interrupt", "a job of Spark still runs")
            session.expect(language.get_state, "gateway-interrupt")
            outcome = session.channels.run(language.spark_sum)
        if "55" not in outcome.printed:
            raise Broken("gateway-interrupt", f"the next job fails: {outcome}")
        return f"{seconds:.2f} s"

    def _computes(self, session: Session) -> bool:
        """Whether a job of Spark runs in a kernel."""
        [driver] = self._server.kernel_containers(session.id)
        return self._server.cluster.runs_a_job(self._server.engine.run, driver)

    def _interrupts(self, session: Session, message_id: str) -> float:
        """Interrupt a running cell; returns the seconds until it has ended."""
        started = time.monotonic()
        reply = self._server.rest.call("POST", f"/kernels/{session.id}/interrupt")
        if reply.status != NO_CONTENT:
            raise Broken("gateway-interrupt", f"it is answered by {said(reply)}")
        try:
            outcome = session.channels.finish(message_id, INTERRUPT_SECONDS)
        except Broken as broken:
            self._session = None  # a kernel that hangs is of no use to the cases that follow
            self._server.rest.call("DELETE", f"/kernels/{session.id}")
            self._server.kernels.pop(session.id, None)
            raise type(broken)("gateway-interrupt", broken.message) from broken
        if outcome.status == "ok":
            raise Broken("gateway-interrupt", f"the cell has ended well: {outcome}")
        return time.monotonic() - started

    def restart(self) -> Told:
        """It answers again under the same id; the state is gone."""
        session, language = self._shared(), self._language
        session.channels.run(language.set_state)
        self._session = None  # a kernel whose restart fails is of no use to the cases that follow
        with self._server.pace.alone():
            started = time.monotonic()
            session.restart()
            seconds = time.monotonic() - started
        self._session = session
        outcome = session.channels.run(language.get_state)
        if outcome.status == "ok":
            raise Broken("gateway-restart", f"a variable is still set: {outcome}")
        session.expect(language.hello, "gateway-restart")
        return Told(f"idle after {seconds:.1f} s", {"restart": seconds})

    def delete(self) -> Told:
        """Kernel and container are gone."""
        session, self._session = self._shared(), None
        with self._server.pace.alone():
            seconds = session.delete()
        return Told(f"gone after {seconds:.1f} s", {"delete": seconds})

    def user(self) -> str:
        """With KERNEL_UID=2000 the kernel runs as that, and group root is none of its groups."""
        if self._hopeless:
            raise NotTried("gateway-start-kernel", f"no kernel of {self._kernelspec} starts")
        session = Session(self._server, self._kernelspec, KERNEL_UID=UID)
        with contextlib.closing(session.channels):
            uid, gid, groups = groups_of(session.channels.run(self._language.process).text)
            message = f"it runs as {uid}:{gid}, groups {' '.join(sorted(groups)) or 'none'}"
            if uid != UID or not gid or "0" in {gid, *groups}:
                raise Broken("gateway-user", message)
            session.expect(self._language.hello, "gateway-user")
            session.delete()
        return message

    def steps(self, *, cluster: bool) -> list[Callable[[], Told | str]]:
        """All of the above that this kernelspec has, in the order of a kernel's life.

        Args:
            cluster: Interrupt a job of Spark, too; on one machine the image's own proof does.
        """
        task = [self.task] if task_of(self._kernelspec) else []
        spark = self._kernelspec.startswith("spark_")
        life: list[Callable[[], Told | str]] = [self.start, self.execute, *task]
        life += [self.spark_where] if spark else []
        life.append(self.interrupt)
        life += [self.spark_interrupt] if spark and cluster else []
        return [*life, self.restart, self.delete, self.user]

    def _shared(self) -> Session:
        if self._hopeless:
            raise NotTried("gateway-start-kernel", f"no kernel of {self._kernelspec} starts")
        if self._session is None:
            try:
                self._session = Session(self._server, self._kernelspec)
            except (NotTried, Late):
                raise
            except Broken:
                self._hopeless = True
                raise
        return self._session

    @property
    def _language(self) -> Language:
        return language_of(self._server, self._kernelspec)


def kernelspecs(server: Server, names: Sequence[str]) -> str:
    """The kernelspecs are listed, and their images are in the engine."""
    listed = _kernelspecs(server)
    for name in names:
        if name not in listed:
            near = difflib.get_close_matches(name, listed, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(listed)}"
            raise Broken("gateway-kernelspecs", f"{name} is not listed{hint}")
        language_of(server, name)
        image = _image_name(server, name)
        if server.place.yarn:  # its kernels run where the gateway does
            continue
        if server.images and not server.image_of(image):
            wanted = ", ".join(server.images)
            raise Broken("gateway-kernelspecs", f"{name} names {image!r}, to be proved is {wanted}")
        if ":" not in image.rpartition("/")[2] and "@" not in image:
            raise Broken("gateway-kernelspecs", f"{name} names image {image!r}, without a tag")
        if image.endswith(":VERSION"):
            raise Broken("gateway-kernelspecs", f"{name} names {image!r}, which was not stamped")
    return f"{len(listed)} listed"


def two_kernels(server: Server, kernelspec: str) -> str:
    """Two kernels run beside each other, each with its own state."""
    language = language_of(server, kernelspec)
    first = Session(server, kernelspec)
    with contextlib.closing(first.channels):
        server.pace.give_way()
        second = Session(server, kernelspec)
        with contextlib.closing(second.channels):
            first.channels.run(language.set_state)
            outcome = second.channels.run(language.get_state)
            if outcome.status == "ok":
                raise Broken("gateway-two-kernels", f"one sees the other's variable: {outcome}")
            first.expect(language.get_state, "gateway-two-kernels")
            second.delete()
            first.expect(language.get_state, "gateway-two-kernels")
            first.delete()
    return f"idle after {first.seconds:.1f} and {second.seconds:.1f} s"


def connected_twice(server: Server, kernelspec: str) -> str:
    """A client that connects anew while the kernel starts is not left waiting."""
    told = []
    for again in CONNECT_AGAIN:
        try:
            seconds = _connected_twice(server, kernelspec, again)
        except Broken as broken:
            if CLOSED not in broken.message:
                raise
            # What is between, such as kubectl's port, may let the first one through last. That
            # one takes the place of the second then, as it should.
            seconds = _connected_twice(server, kernelspec, again)
        told.append(f"{seconds:.1f}")
        server.pace.give_way()
    return f"answers after {', '.join(told)} s"


def _connected_twice(server: Server, kernelspec: str, again: float) -> float:
    """Connect twice to a new kernel; returns the seconds until the second connection works."""
    hello = language_of(server, kernelspec).hello
    kernel_id = start_kernel(server, kernelspec)
    started = time.monotonic()
    try:
        channels = server.rest.connect(kernel_id, again=again)
        with contextlib.closing(channels):
            channels.wait_ready()
            outcome = channels.run(hello)
    except Broken as broken:
        message = f"again after {again:.2f} s: {broken.message}"
        raise Broken("gateway-connected-twice", message) from broken
    if outcome.text.strip() != "42":
        raise Broken("gateway-connected-twice", f"{hello!r} should print 42: {outcome}")
    seconds = time.monotonic() - started
    server.rest.call("DELETE", f"/kernels/{kernel_id}")
    server.kernels.pop(kernel_id, None)
    return seconds


def culling(server: Server, kernelspec: str) -> str:
    """A kernel that nobody is connected to is culled, with its container."""
    kernel_id = start_kernel(server, kernelspec)
    started = time.monotonic()

    def gone() -> bool:
        known = server.rest.call("GET", f"/kernels/{kernel_id}").status != NOT_FOUND
        return not known and not server.kernel_containers(kernel_id)

    limit = server.cull_seconds + CULL_INTERVAL + SLACK
    with server.pace.resting():
        culled = until(gone, limit, server.pace, pause=0.3)
    if not culled:
        message = f"a kernel idle for {limit:.0f} s is still there (limit {server.cull_seconds} s)"
        raise Broken("gateway-culling", message)
    server.kernels.pop(kernel_id, None)
    return f"after {time.monotonic() - started:.1f} s, the limit was {server.cull_seconds} s"


def wrong_image(server: Server, kernelspec: str) -> str:
    """An image that does not exist is refused soon, and named."""
    begun = server.pace.mark()
    reply = post(server, kernelspec, KERNEL_IMAGE=NO_IMAGE)
    seconds = begun.seconds()
    if reply.status == CREATED:
        server.kernels[str(reply.body["id"])] = kernelspec
        raise Broken("gateway-wrong-image", f"a kernel of {NO_IMAGE} has started")
    server.pace.judge("gateway-wrong-image", "the error has come", seconds, REFUSE_SECONDS, begun)
    told = said(reply) + server.log()
    words = ("no such image", "not found", "not in the engine", "does not exist", "cannot", "pull")
    lines = [line.lower() for line in told.splitlines() if NO_IMAGE in line]
    if not any(word in line for line in lines for word in words):
        message = f"neither the answer nor the log says what is wrong: {said(reply)}"
        raise Broken("gateway-wrong-image", message)
    return f"{reply.status} after {seconds:.1f} s"


def leftovers(server: Server) -> None:
    """When all kernels are deleted, no container is left."""
    for kernel_id in list(server.kernels):  # of cases that have failed
        server.rest.call("DELETE", f"/kernels/{kernel_id}")
        del server.kernels[kernel_id]
    if server.rest.call("GET", "/kernels").body:
        raise Broken("gateway-leftovers", "the gateway still lists kernels")
    limit = SLACK + server.place.gone_seconds
    if not until(lambda: not server.left_of_kernels(), limit, server.pace):
        names = ", ".join(server.left_of_kernels())
        raise Broken("gateway-leftovers", f"of kernels are still there: {names}")


def cases(
    server: Server | None,
    names: Sequence[str],
    *,
    kernels_only: bool = False,
    swarm: bool = False,
    cluster: bool = False,
    yarn: bool = False,
) -> list[Case]:
    """The cases of these kernelspecs; without a server to be listed only.

    Args:
        server: The gateway.
        names: The kernelspecs' names.
        kernels_only: Leave out what a gateway does alike for each kernelspec.
        swarm: Leave out what needs a container beside the gateway's.
        cluster: Add those of a Kubernetes cluster, on which there is no such, either.
        yarn: Those of the demo: kernels are processes of its users, and Spark runs on YARN.
    """

    def bound(
        run: Callable[..., Told | str | None], *arguments: Any
    ) -> Callable[[], Told | str | None]:
        def call() -> Told | str | None:
            if server is None:
                raise AssertionError("cases without a server are for listing")
            return run(*arguments)

        return call

    def case(name: str, run: Callable[..., Told | str | None], *arguments: Any) -> Case:
        return Case(name, (run.__doc__ or "").splitlines()[0], bound(run, *arguments))

    found = [case("kernelspecs", kernelspecs, server, names)]
    if yarn:
        from verify import yarn_cases  # it is made of what is here

        found += yarn_cases.cases(case, server, names, kernels_only=kernels_only)
        return [*found, case("leftovers", leftovers, server)]
    for name in names:
        life = Life(server, name)  # type: ignore[arg-type]  # not called without a server
        steps = life.steps(cluster=cluster)
        found += [case(f"{name}/{step.__name__.replace('_', '-')}", step) for step in steps]
    if not kernels_only:
        first = names[0]
        found += [
            case("two-kernels", two_kernels, server, first),
            case("connected-twice", connected_twice, server, first),
            case("culling", culling, server, first),
            case("wrong-image", wrong_image, server, first),
        ]
        if cluster:
            from verify import cluster_cases  # it is made of what is here

            found += cluster_cases.cases(case, server, names)
        elif not swarm:
            found.append(case("hostile-values", hostile_values, server))
    return [*found, case("leftovers", leftovers, server)]


def post(server: Server, kernelspec: str, **env: str) -> Any:
    """Ask for a kernel; whatever the answer is."""
    # The user's name begins the container's: by it, all that is left is found.
    env = {"KERNEL_USERNAME": server.place.user or server.engine.run, **env}
    if server.pace.busy:
        env.setdefault("KERNEL_LAUNCH_TIMEOUT", str(server.launch_seconds))
    wanted = server.image_of(_image_name(server, kernelspec))
    if wanted and not wanted.goes_by_its_name:
        env.setdefault("KERNEL_IMAGE", wanted.reference)
        env.setdefault("KERNEL_EXECUTOR_IMAGE", wanted.reference)
    body = {"name": kernelspec, "env": env}
    return server.rest.call("POST", "/kernels", body)


def refused(
    server: Server, kernelspec: str, rule: str, asked: str, env: Mapping[str, str]
) -> tuple[Any, str]:
    """Ask for a kernel that has to be refused soon.

    Args:
        server: The gateway.
        kernelspec: The kernel's.
        rule: What is broken where it starts, or the answer is late.
        asked: What is asked for, in words.
        env: The variables that do.

    Returns:
        The answer; and all that was told of it, there and in the log.
    """
    _ = server.rest
    before, begun = len(server.log()), server.pace.mark()
    reply = post(server, kernelspec, **env)
    if reply.status == CREATED:
        server.kernels[str(reply.body["id"])] = kernelspec
        raise Broken(rule, f"{asked}: a kernel has started")
    what = f"{asked}: the error has come"
    server.pace.judge(rule, what, begun.seconds(), REFUSE_SECONDS, begun)
    return reply, said(reply) + server.log()[before:]


def _kernelspecs(server: Server) -> dict[str, Any]:
    """As the gateway lists them; asked once, since it reads all their files for each answer."""
    if not server.kernelspecs:
        reply = server.rest.call("GET", "/kernelspecs")
        if reply.status != OK:
            raise Broken("gateway-kernelspecs", f"/api/kernelspecs is answered by {said(reply)}")
        server.kernelspecs.update(reply.body["kernelspecs"])
    return server.kernelspecs


def _image_name(server: Server, kernelspec: str) -> str:
    """The image that a kernelspec names; empty where it names none."""
    spec = _kernelspecs(server).get(kernelspec, {}).get("spec", {})
    proxy = spec.get("metadata", {}).get("process_proxy", {})
    return str(proxy.get("config", {}).get("image_name", ""))


def _is_one_of(host: str, pods: Iterable[str]) -> bool:
    """Whether a host is one of these pods: its name has 63 characters at most, of either end."""
    return any(host in (pod, pod[:63].rstrip("-."), pod[-63:].lstrip("-.")) for pod in pods)


def language_of(server: Server, kernelspec: str) -> Language:
    """The snippets of a kernelspec's language."""
    name = str(_kernelspecs(server)[kernelspec]["spec"]["language"]).lower()
    if name not in LANGUAGES:
        raise Broken("gateway-kernelspecs", f"verify knows no language {name!r} of {kernelspec}")
    return LANGUAGES[name]


def said(reply: Any) -> str:
    """An answer in words, for a message."""
    body = reply.body
    message = body.get("message") or body.get("reason") if isinstance(body, dict) else body
    return f"{reply.status or 'nothing'}: {str(message)[:300]}"
