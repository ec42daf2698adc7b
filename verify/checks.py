"""What several cases of a kernel image check: each raises `Broken`, or returns what it has seen."""

from __future__ import annotations

import base64
import contextlib
import statistics
import time
from typing import TYPE_CHECKING

from verify.kernel import END_SECONDS
from verify.rules import Broken, Late

if TYPE_CHECKING:
    from verify.kernel import Kernel
    from verify.languages import Language

INTERRUPT_SECONDS = 5.0
KILLED = (137, 143)  # exit codes of what was ended by SIGKILL, SIGTERM
CONNECT_SECONDS = 0.005  # the gateway's EG_SOCKET_TIMEOUT


def expect(kernel: Kernel, code: str, printed: str = "42", *, rule: str = "execute") -> float:
    """Execute code that should print something; returns the seconds it took."""
    started = time.monotonic()
    outcome = kernel.talk.run(code)
    if outcome.status != "ok" or outcome.printed.strip() != printed:
        raise Broken(rule, f"{code.strip()!r} should print {printed}: {outcome}")
    return time.monotonic() - started


def shows(kernel: Kernel, code: str) -> str:
    """HTML is shown, and a plot where the code says that it has made one."""
    outcome = kernel.talk.run(code)
    shown = {kind: data for display in outcome.shown for kind, data in display.items()}
    if "text/html" not in shown:
        raise Broken("rich-output", f"no HTML has come: {outcome}")
    if "png" not in outcome.text:
        return "html; the image has nothing to plot with"
    if not is_png(shown.get("image/png", "")):
        raise Broken("rich-output", f"no plot has come: {outcome}")
    return "html, png"


def is_png(text: str) -> bool:
    """Whether a message's content is a picture."""
    return base64.b64decode(text).startswith(b"\x89PNG")


def groups_of(status: str) -> tuple[str, str, set[str]]:
    """The effective uid, gid and the groups in the text of /proc/PID/status; empty where none."""
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    uids, gids = fields.get("Uid", "").split(), fields.get("Gid", "").split()
    return "".join(uids[1:2]), "".join(gids[1:2]), set(fields.get("Groups", "").split())


def runs_as(kernel: Kernel, code: str, user: str) -> None:
    """The process that executes code has the user that was asked for, `uid:gid`."""
    uid, gid, _ = groups_of(kernel.talk.run(code).text)
    if f"{uid}:{gid}" != user:
        raise Broken("any-user", f"the kernel runs as {uid}:{gid}")


def polls(kernel: Kernel) -> float:
    """Poll as the gateway does; returns the median in seconds. One slow poll is the machine's."""
    try:
        times = [kernel.send(b'{"signum": 0}') for _ in range(20)]
    except OSError as error:
        raise Broken("comm-port", f"a poll is refused: {error}") from error
    median = statistics.median(times)
    with kernel.pace.beside():
        kernel.pace.judge("comm-port", "a poll is taken", median, CONNECT_SECONDS)
    return median


def interrupts(kernel: Kernel, language: Language, code: str = "") -> float:
    """Signum 2 ends a running cell and keeps the state; returns the seconds until it has ended.

    Args:
        kernel: The kernel.
        language: Its snippets.
        code: What runs, if not `endless`; it may end with any error.
    """
    kernel.talk.run(language.set_state)
    message_id = kernel.talk.begin(code or language.endless)
    kernel.talk.wait_for_text(message_id)
    seconds, error = interrupted(kernel, message_id)
    if not code and language.interrupted and error != language.interrupted:
        raise Broken("interrupt", f"the cell has ended with {error}, not {language.interrupted}")
    expect(kernel, language.get_state, rule="interrupt")
    return seconds


def interrupted(kernel: Kernel, message_id: str, rule: str = "interrupt") -> tuple[float, str]:
    """Interrupt running code; returns the seconds until it has ended, and the error's name."""
    with kernel.pace.beside():
        started = time.monotonic()
        kernel.request(signum=2)
        try:
            outcome = kernel.talk.finish(message_id, seconds=INTERRUPT_SECONDS)
        except Late as late:
            raise Late(rule, late.message) from late
        except Broken as broken:
            raise Broken(rule, f"{broken.message}; {kernel.last_line()}") from broken
        seconds = time.monotonic() - started
    if outcome.status == "ok":
        raise Broken(rule, f"the cell should have ended with an error: {outcome}")
    return seconds, outcome.error


def ask_to_end(kernel: Kernel) -> None:
    """What the gateway sends, in its order."""
    kernel.request(signum=2)
    kernel.talk.shutdown()
    with contextlib.suppress(Broken):  # it may have ended by now
        kernel.request(shutdown=1)


def shuts_down(kernel: Kernel) -> float:
    """What the gateway sends ends the container well; returns the seconds that took."""
    with kernel.pace.beside():
        asked = kernel.pace.mark()
        ask_to_end(kernel)
        end = kernel.wait_end("shutdown", asked)
        if end.code in KILLED:  # a launcher that has lost its patience with a slow kernel
            what = f"after {end.seconds:.1f} s the container was ended {kernel.last_words()}"
            kernel.pace.excuse("shutdown", what, end.seconds, END_SECONDS, asked)
    if end.code not in {0, *KILLED}:
        raise Broken("shutdown", f"the container has ended {kernel.last_words()}")
    leaves_nothing(kernel)
    return end.seconds


def stops(kernel: Kernel) -> str:
    """`docker stop` ends the container, which leaves nothing; returns how, in words."""
    with kernel.pace.beside():
        asked = kernel.pace.mark()
        kernel.stop()
        end = kernel.wait_end("stop", asked)
    leaves_nothing(kernel)
    return f"ended after {end.seconds:.1f} s, exit code {end.code}"


def leaves_nothing(kernel: Kernel) -> None:
    """Neither a secret in the log, nor a connection file."""
    kernel.check_log()
    left = kernel.connection_files()
    if left:
        raise Broken("leftovers", f"{left[0]} is left, with the kernel's key in it")
