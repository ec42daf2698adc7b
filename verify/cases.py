"""The cases of a kernel image, in the order in which they are run.

First those that talk to one kernel, then those that start one in some way or end it: what one case
has started another may end, as starting a kernel is what takes longest. Then those that need
containers of their own. A case takes the lab, returns a remark or nothing, and raises `Broken`.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from verify import spark_cases
from verify.checks import (
    ask_to_end,
    expect,
    interrupts,
    leaves_nothing,
    polls,
    runs_as,
    shows,
    shuts_down,
    stops,
)
from verify.kernel import PATIENCE, Kernel, Wish
from verify.results import Case, Told
from verify.rules import Broken, Late

if TYPE_CHECKING:
    from collections.abc import Callable

    from verify.lab import Lab
    from verify.languages import Language

LATE_SECONDS = 5.0  # how long nobody listens at the response address
PORTS = (42000, 43000)  # the gateway asks for 1000 at least
USERS = ("2000:100", "12345:0")  # a user of the gateway's, and OpenShift's way
RAPID = 1000
SHORT_CELLS = 50  # a kernel that is wrong only now and then has to be found
GARBAGE = (
    b"",
    b"{",
    b"\xff\x00\xfe",
    b"null",
    b"[]",
    b'{"signum": "2"}',
    b'{"signum": 99999}',
    b'{"signum": -1}',
    b'{"shutdown": 0}',
    b"[" * 100_000,
    b'{"signum": 0, "filler": "' + b"x" * 1_000_000 + b'"}',
)


def report(lab: Lab) -> Told:
    """The report comes in time, is well-formed, and its ports are open; no secret in the log."""
    with lab.pace.alone(), lab.shared() as kernel:
        reported = time.monotonic() - kernel.started
        kernel.check_ports()
        _ = kernel.talk
        ready = time.monotonic() - kernel.started
        kernel.check_log()
    message = f"reported {reported:.1f} s after the start, idle {ready:.1f} s"
    return Told(message, {"report": reported, "idle": ready})


def execute(lab: Lab) -> Told:
    """Code prints what it should."""
    with lab.shared() as kernel, lab.pace.alone():
        return Told("", {"execute": expect(kernel, lab.language.hello)})


def output_order(lab: Lab) -> str:
    """Whatever a cell prints has come when the kernel becomes idle."""
    with lab.shared() as kernel:
        for _ in range(SHORT_CELLS):
            expect(kernel, lab.language.hello, rule="output-order")
            lab.pace.give_way()
    return f"{SHORT_CELLS} cells"


def cells(lab: Lab) -> None:
    """Empty cells and comments are no errors, and nothing runs after an error."""
    with lab.shared() as kernel:
        for code in ("", " \n", lab.language.comment):
            outcome = kernel.talk.run(code)
            if outcome.status != "ok":
                raise Broken("cells", f"the cell {code!r} ends with an error: {outcome}")
        expect(kernel, lab.language.windows, rule="cells")
        outcome = kernel.talk.run(lab.language.fails)
        if outcome.status != "error" or outcome.printed.strip() != "42":
            raise Broken("cells", f"{lab.language.fails!r} should print 42 and fail: {outcome}")


def versions(lab: Lab) -> None:
    """No package is known to fail under the gateway."""
    with lab.shared() as kernel:
        unfit = kernel.talk.run(lab.language.unfit).text.strip()
    if unfit:
        raise Broken("versions", unfit)


def rich_output(lab: Lab) -> str:
    """HTML is shown, and a plot as PNG where there is something to plot with."""
    with lab.shared() as kernel:
        return shows(kernel, lab.language.rich)


def stdin(lab: Lab) -> None:
    """Code asks for a line, and gets it."""
    with lab.shared() as kernel:
        outcome = kernel.talk.run(lab.language.ask, answer="verify", seconds=PATIENCE)
    if "got verify" not in outcome.text:
        raise Broken("stdin", f"the answer has not arrived: {outcome}")


def poll(lab: Lab) -> str:
    """The comm port takes signum 0 as fast as the gateway demands, and it changes nothing."""
    with lab.shared() as kernel:
        expect(kernel, lab.language.hello)
        median = polls(kernel)
        expect(kernel, lab.language.hello)
    return f"{median * 1000:.1f} ms"


def interrupt(lab: Lab) -> Told:
    """A running cell ends at signum 2; the kernel and what it knows stay."""
    with lab.shared() as kernel, lab.pace.alone():
        seconds = interrupts(kernel, lab.language)
        if lab.language.waits:
            interrupts(kernel, lab.language, lab.language.waits)
    return Told(f"{seconds:.2f} s", {"interrupt": seconds})


def wrong_key(lab: Lab) -> None:
    """Requests with a wrong signature, or none, are not obeyed."""
    with lab.shared() as kernel:
        kernel.talk.run(lab.language.set_state)
        with contextlib.ExitStack() as at_end:
            for key in (secrets.token_hex(32), ""):  # without a key, nothing is signed
                stranger = kernel.new_talk(key)
                at_end.callback(stranger.close)
                stranger.send_and_forget(lab.language.change_state)
            time.sleep(0.5)
        if kernel.exit_code() is not None:
            raise Broken("wrong-key", "a shutdown request with a wrong key has ended it")
        outcome = kernel.talk.run(lab.language.get_state)
        if outcome.printed.strip() != "42":
            raise Broken("wrong-key", f"code with a wrong key was executed: {outcome}")


def garbage(lab: Lab) -> str:
    """Empty, malformed, oversized, unfinished and very many requests disturb nothing."""
    with lab.shared() as kernel, contextlib.ExitStack() as open_ones:
        _ = kernel.talk
        try:
            for _ in range(5):  # begun, and never finished
                sock = socket.create_connection((kernel.address, kernel.ports["comm_port"]), 1)
                open_ones.enter_context(sock)
                sock.sendall(b'{"signum"')
            for data in GARBAGE:
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # its good right
                    kernel.send(data)
            started = time.monotonic()
            for _ in range(RAPID):
                kernel.send(b'{"signum": 0}')
            seconds = time.monotonic() - started
            polls(kernel)
            interrupts(kernel, lab.language)
        except Late:
            raise
        except (OSError, Broken) as error:
            ended = kernel.exit_code() is not None
            what = "the kernel has ended" if ended else "the comm port no longer works"
            raise Broken("garbage", f"{what}: {error}; {kernel.last_line()}") from error
        kernel.check_log()
    return f"{RAPID} requests in {seconds:.1f} s"


def shutdown(lab: Lab) -> Told:
    """What the gateway sends at a shutdown ends the container, which leaves nothing behind."""
    with lab.shared(last=True) as kernel:
        _ = kernel.talk
        with lab.pace.alone():
            seconds = shuts_down(kernel)
    return Told(f"ended after {seconds:.1f} s, exit code 0", {"delete": seconds})


def restart(lab: Lab) -> Told:
    """A new container under the same id answers, and knows nothing of the old one."""
    with lab.shared(last=True) as first:
        first.talk.run(lab.language.set_state)
        old_key = first.key
        ask_to_end(first)
    with lab.pace.alone():
        lab.adopt(lab.launch(Wish(kernel_id=first.id)))
        with lab.shared() as second:
            second.wait_report(lab.timeout)
            if second.key == old_key:
                raise Broken("restart", "two kernels have the same key")
            outcome = second.talk.run(lab.language.get_state)
            seconds = time.monotonic() - second.started
    with lab.shared():
        if outcome.status == "ok":
            raise Broken("restart", f"a variable of the old kernel is still set: {outcome}")
    return Told(f"answers after {seconds:.1f} s", {"restart": seconds})


def terminate(lab: Lab) -> str:
    """Signum 15 ends the container, in the middle of a cell."""
    with lab.shared(last=True) as kernel:
        kernel.talk.wait_for_text(kernel.talk.begin(lab.language.endless))
        with lab.pace.beside():
            asked = lab.pace.mark()
            kernel.request(signum=15)
            end = kernel.wait_end("terminate", asked)
        leaves_nothing(kernel)
    return f"ended after {end.seconds:.1f} s, exit code {end.code}"


def docker_stop(lab: Lab) -> str:
    """`docker stop` need not kill."""
    with lab.shared(last=True) as kernel:
        _ = kernel.talk
        return stops(kernel)


def late_report(lab: Lab) -> str:
    """The gateway listens only a few seconds after the kernel's start, and gets the report."""
    with contextlib.closing(lab.listener_for_later()) as listener:
        lab.adopt(lab.launch(listener=listener))
        with lab.shared() as kernel:
            with lab.pace.resting():
                while time.monotonic() < kernel.started + LATE_SECONDS:
                    if kernel.exit_code() is not None:
                        words = kernel.last_words()
                        raise Broken("report-retry", f"the container has ended {words}")
                    time.sleep(0.1)
            listener.listen()
            try:
                kernel.wait_report(lab.timeout)
            except Broken as broken:
                if broken.rule not in {"start", "report-time"}:
                    raise
                raise type(broken)("report-retry", broken.message) from broken
            after = time.monotonic() - kernel.started - LATE_SECONDS
            expect(kernel, lab.language.hello)
    return f"{after:.1f} s after it could"


def port_range(lab: Lab) -> None:
    """All six ports lie in the range."""
    low, high = PORTS
    lab.adopt(lab.launch(Wish(env={"PORT_RANGE": f"{low}..{high}"})))
    with lab.shared() as kernel:
        kernel.wait_report(lab.timeout)
        for name, port in kernel.ports.items():
            if not low <= port <= high:
                raise Broken("port-range", f"{name} is {port}, PORT_RANGE was {low}..{high}")
        kernel.check_ports()
        expect(kernel, lab.language.hello)


def any_user(lab: Lab) -> None:
    """Users the image does not know run a kernel."""
    with contextlib.ExitStack() as at_end:
        kernels: dict[str, Kernel] = {}
        for user in USERS:
            kernels[user] = lab.launch(Wish(user=user))
            at_end.callback(kernels[user].remove)
        for user, kernel in kernels.items():
            try:
                kernel.wait_report(lab.timeout)
                expect(kernel, lab.language.hello)
                runs_as(kernel, lab.language.process, user)
                if lab.language.rich:
                    shows(kernel, lab.language.rich)
            except Broken as broken:
                raise Broken("any-user", f"as {user}: {broken.message}") from broken


def unknown_language(lab: Lab) -> str:
    """The image says so when it lacks the language."""
    kernel = lab.launch(Wish(env={"KERNEL_LANGUAGE": "cobol"}), refused=True)
    return _check_refusal(kernel, "unknown-language", "KERNEL_LANGUAGE", "cobol")


def missing_variable(lab: Lab) -> None:
    """Without one of the variables of the protocol the container ends and names it."""
    names = ("KERNEL_ID", "RESPONSE_ADDRESS", "PUBLIC_KEY")
    kernels = {name: lab.launch(Wish(env={name: None}), refused=True) for name in names}
    for name, kernel in kernels.items():
        _check_refusal(kernel, "missing-variable", name)


def _check_refusal(kernel: Kernel, rule: str, name: str, value: str = "") -> str:
    try:
        code = kernel.wait_end(rule, kernel.pace.mark(), seconds=PATIENCE).code
        log = kernel.log()
        if code == 0:
            case = f"{name} is {value}" if value else f"{name} is not set"
            raise Broken(rule, f"exit code 0, although {case}; {kernel.last_line()}")
        if not (name in log or (value and value in log)) or "Traceback" in log:
            raise Broken(rule, f"no clear message names {name}; {kernel.last_line()}")
        kernel.check_log()
    finally:
        kernel.remove()
    return f"exit code {code}"


class _Entry(NamedTuple):
    run: Callable[[Lab], Told | str | None]
    snippet: str = ""  # of the language, without which there is nothing to run


_ENTRIES = {
    "report": _Entry(report),
    "execute": _Entry(execute),
    "output-order": _Entry(output_order),
    "cells": _Entry(cells),
    "versions": _Entry(versions, "unfit"),
    "rich-output": _Entry(rich_output, "rich"),
    "stdin": _Entry(stdin, "ask"),
    "poll": _Entry(poll),
    "interrupt": _Entry(interrupt),
    "wrong-key": _Entry(wrong_key),
    "garbage": _Entry(garbage),
    "spark-none": _Entry(spark_cases.none, "spark_sum"),
    "restart": _Entry(restart),
    "shutdown": _Entry(shutdown),
    "late-report": _Entry(late_report),
    "docker-stop": _Entry(docker_stop),
    "port-range": _Entry(port_range),
    "terminate": _Entry(terminate),
    "any-user": _Entry(any_user),
    "unknown-language": _Entry(unknown_language),
    "missing-variable": _Entry(missing_variable),
    "spark-lazy": _Entry(spark_cases.lazy, "spark_sum"),
    "spark-interrupt": _Entry(spark_cases.interrupt, "spark_sum"),
    "spark-shutdown": _Entry(spark_cases.shutdown, "spark_sum"),
    "spark-eager": _Entry(spark_cases.eager, "spark_sum"),
    "spark-any-user": _Entry(spark_cases.any_user, "spark_sum"),
    "spark-stop": _Entry(spark_cases.stop, "spark_sum"),
}


NAMES = tuple(_ENTRIES)


def cases(language: Language, lab: Lab | None, *, spark: bool = True) -> list[Case]:
    """The cases of a language; without a lab to be listed only.

    Args:
        language: The snippets.
        lab: Where they are run.
        spark: Whether the image has Spark.
    """

    def bound(entry: _Entry) -> Callable[[], Told | str | None]:
        def run() -> Told | str | None:
            if lab is None:
                raise AssertionError("cases without a lab are for listing")
            return entry.run(lab)

        return run

    return [
        Case(name, (entry.run.__doc__ or "").splitlines()[0], bound(entry))
        for name, entry in _ENTRIES.items()
        if not entry.snippet or getattr(language, entry.snippet)
        if spark or not entry.snippet.startswith("spark")
    ]
