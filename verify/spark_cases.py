"""The cases of a kernel image that has Spark, in each of the modes in which a kernel starts it.

Two kernels do for nearly all: one that is lazy, and one that is eager and runs as a user the image
does not know. A third is another such user's. The start of Spark is what takes longest, and takes
all processors. Spark runs on its local master here, inside the kernel's container, as it does for
plain Docker.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from verify.checks import expect, interrupted, runs_as, shuts_down, stops
from verify.kernel import USER
from verify.lab import spark_wish
from verify.results import Told
from verify.rules import Broken, Late, NotTried
from verify.waiting import until

if TYPE_CHECKING:
    from verify.kernel import Kernel
    from verify.lab import Lab

USERS = ("12345:0", "2000:100")  # neither has a name in the image
QUIET_SECONDS = 1.0  # in which Spark would start, if it did so by itself
UP_SECONDS = 60.0  # for Spark to start by itself
JOB_SECONDS = 2.0  # for a job to be under way once its cell has said that it begins, at most
TASK_THREAD = "Executor task l"  # those of Spark's tasks, as far as Linux keeps their names
CANCEL_SECONDS = 5.0
NEXT_SECONDS = 5.0  # a small job; it waits for as long as the cores are taken


def none(lab: Lab) -> None:
    """In mode none nothing is started, and there is no `sc`."""
    with lab.shared() as kernel:
        _ = kernel.talk
        _stays_off(lab, kernel, "mode none: Spark was started")
        absent = lab.language.spark_absent
        if absent and kernel.talk.run(absent).status == "ok":
            raise Broken("spark-mode", "mode none: there is sc all the same")


def lazy(lab: Lab) -> Told:
    """In mode lazy nothing is started until `sc` is used; `sc` and `spark` work."""
    with lab.shared("lazy") as kernel:
        expect(kernel, lab.language.hello)
        _stays_off(lab, kernel, "mode lazy: Spark was started before it was used")
        with lab.pace.alone():
            first = expect(kernel, lab.language.spark_sum, "55", rule="spark-execute")
        expect(kernel, lab.language.spark_sql, rule="spark-execute")
        again = expect(kernel, lab.language.spark_sum, "55", rule="spark-execute")
    return Told(f"first answer after {first:.1f} s, then {again:.1f} s", {"spark": first})


def interrupt(lab: Lab) -> str:
    """A running job is cancelled; the state is kept, and the next job runs at once."""
    language = lab.language
    with lab.shared("lazy") as kernel:
        expect(kernel, language.spark_sum, "55", rule="spark-execute")
        kernel.talk.run(language.set_state)

        def gone() -> bool:
            return kernel.talk.run(language.spark_jobs).text.strip() == "0"

        with lab.pace.alone():  # from its begin: a job takes all processors while it waits to end
            seconds, _ = interrupted(kernel, _begin(lab, kernel), "spark-interrupt")
            if not until(gone, CANCEL_SECONDS, lab.pace, pause=0.2):
                raise Broken("spark-interrupt", f"the job still runs {CANCEL_SECONDS:.0f} s later")
            expect(kernel, language.get_state, rule="spark-interrupt")
            begun = lab.pace.mark()
            after = expect(kernel, language.spark_sum, "55", rule="spark-interrupt")
            lab.pace.judge("spark-interrupt", "the next job has ended", after, NEXT_SECONDS, begun)
    return f"{seconds:.2f} s, the next job {after:.1f} s"


def shutdown(lab: Lab) -> str:
    """A kernel whose Spark context lives ends as any other."""
    with lab.shared("lazy", last=True) as kernel:
        expect(kernel, lab.language.spark_sum, "55", rule="spark-execute")
        with lab.pace.alone():  # it takes most of what it may
            seconds = shuts_down(kernel)
    return f"ended after {seconds:.1f} s, exit code 0"


def eager(lab: Lab) -> str:
    """In mode eager Spark starts by itself, and the kernel waits for nobody."""
    try:
        return _starts_by_itself(lab, USERS[0])
    except (NotTried, Late):
        raise
    except Broken as broken:
        _starts_by_itself(lab, USER)  # the mode's fault, or only this user's?
        message = f"as {USERS[0]}, in mode eager: {broken.message}"
        raise Broken("any-user", message) from broken


def any_user(lab: Lab) -> None:
    """Users the image does not know have Spark, too."""
    for user in USERS:
        with contextlib.ExitStack() as at_end:
            has_worked = lab.shares_one_of(user, "eager")  # in spark-eager, or it lived no more
            if has_worked:
                kernel = at_end.enter_context(lab.shared("eager"))
            else:
                kernel = lab.launch(spark_wish("lazy", user))
                at_end.callback(kernel.remove)
            try:
                kernel.wait_report(lab.timeout)
                runs_as(kernel, lab.language.process, user)
                if not has_worked:
                    _works(lab, kernel)
            except Broken as broken:
                message = f"as {user}, with Spark: {broken.message}"
                raise Broken("any-user", message) from broken


def stop(lab: Lab) -> str:
    """`docker stop` need not kill, although a job runs."""
    with lab.shared("eager", last=True) as kernel:
        expect(kernel, lab.language.spark_sum, "55", rule="spark-execute")
        with lab.pace.alone():
            _begin(lab, kernel)
            return stops(kernel)


def _starts_by_itself(lab: Lab, user: str) -> str:
    with lab.shared("eager", user=user) as kernel:
        expect(kernel, lab.language.hello)
        idle = time.monotonic() - kernel.started
        if not until(lambda: _runs(lab, kernel), UP_SECONDS, lab.pace, pause=0.3):
            raise Broken("spark-mode", f"mode eager: no Spark after {UP_SECONDS:.0f} s")
        _works(lab, kernel)
        answer = time.monotonic() - kernel.started
    return f"idle {idle:.1f} s after the start, Spark's first answer {answer:.1f} s"


def _works(lab: Lab, kernel: Kernel) -> None:
    """`sc` and `spark` do what they are for."""
    expect(kernel, lab.language.spark_sum, "55", rule="spark-execute")
    lab.pace.give_way()
    expect(kernel, lab.language.spark_sql, rule="spark-execute")


def _begin(lab: Lab, kernel: Kernel) -> str:
    """Begin a job that takes hours; returns the id of its cell's message."""
    message_id = kernel.talk.begin(lab.language.spark_job)
    kernel.talk.wait_for_text(message_id)
    end, seen = time.monotonic() + JOB_SECONDS, 0
    while seen < 2 and time.monotonic() < end:  # twice: a task that runs once may be another's  # noqa: PLR2004
        time.sleep(0.2)
        seen = seen + 1 if _computes(kernel) else 0
    return message_id


def _computes(kernel: Kernel) -> bool:
    """Whether a task of Spark is running right now."""
    threads = (thread.partition(" ")[::2] for thread in kernel.threads())
    return any(state.startswith("R") and name == TASK_THREAD for state, name in threads)


def _stays_off(lab: Lab, kernel: Kernel, message: str) -> None:
    """Spark does not run, and does not start by itself."""
    end = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end:
        if _runs(lab, kernel):
            raise Broken("spark-mode", message)
        time.sleep(0.3)


def _runs(lab: Lab, kernel: Kernel) -> bool:
    """Whether Spark was started."""
    if lab.language.spark_runs:
        return kernel.talk.run(lab.language.spark_runs).text.strip() == "true"
    return any("/bin/java " in program for program in kernel.programs())
