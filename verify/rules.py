"""The rules a kernel image is held to, by name. docs/verify.md has a section for each.

Knows nothing of how a rule is tried. A rule is `required` when a kernel that breaks it is of no use
under the gateway; the others are what users, operators and security ask of a good one.
"""

from __future__ import annotations

from typing import NamedTuple

DOCUMENT = "docs/verify.md"


class Rule(NamedTuple):
    """What must hold.

    Attributes:
        text: The rule, as a sentence without its full stop.
        required: Whether the gateway cannot work with what breaks it.
    """

    text: str
    required: bool = False


RULES = {
    "start": Rule("the image's own command starts the kernel and stays as long as it", True),
    "report-time": Rule("the report reaches RESPONSE_ADDRESS within the launch timeout", True),
    "report-form": Rule("the report is one encrypted message, and its connection is closed", True),
    "report-fields": Rule("the report names the kernel, its five ports and its key", True),
    "ports-open": Rule("all ports accept connections at the container's address", True),
    "execute": Rule("the kernel answers over ZMQ, becomes idle and executes code", True),
    "output-order": Rule("what a cell prints comes before its idle", True),
    "cells": Rule("a cell without code is no error, and a cell ends at its first error"),
    "versions": Rule("its packages are none that are known to fail under the gateway", True),
    "rich-output": Rule("HTML and plots reach the client"),
    "stdin": Rule("code can ask the user for input"),
    "comm-port": Rule(
        "the comm port accepts a request within 5 ms, and a poll changes nothing", True
    ),
    "interrupt": Rule("signum 2 on the comm port ends the running cell and keeps the state", True),
    "wrong-key": Rule("messages that are not signed with the kernel's key have no effect"),
    "garbage": Rule("no request on the comm port stops it, whatever it holds"),
    "shutdown": Rule("after a shutdown the container ends by itself within 2 s, exit code 0"),
    "leftovers": Rule("a kernel leaves no connection file behind"),
    "terminate": Rule("signum 15 ends the container within 2 s, also while a cell runs"),
    "stop": Rule("docker stop ends the container within 2 s, not killed"),
    "restart": Rule("a new container takes over the kernel's id, with a new key, no state", True),
    "report-retry": Rule("the launcher tries again while nobody listens at RESPONSE_ADDRESS"),
    "port-range": Rule("all ports lie in PORT_RANGE"),
    "any-user": Rule("the kernel runs as whatever uid and gid it is given"),
    "secret-in-log": Rule("neither the kernel's key nor the environment is in the container's log"),
    "spark-mode": Rule("Spark starts when its mode says: not at all, at its first use, at once"),
    "spark-execute": Rule("sc and spark are there and do Spark's work", True),
    "spark-interrupt": Rule("an interrupt cancels the running Spark jobs, and keeps the state"),
    "unknown-language": Rule("a KERNEL_LANGUAGE it lacks ends it at once, with a message"),
    "missing-variable": Rule("a missing variable ends it at once, with a message that names it"),
    # Of the real gateway, its start script, launch script and kernelspecs.
    "gateway-start": Rule(
        "the gateway answers at /api within a minute, as a user that is not root", True
    ),
    "gateway-kernelspecs": Rule("the kernelspecs are listed, and name images that have a tag"),
    "gateway-start-kernel": Rule("a kernel starts and becomes idle", True),
    "gateway-execute": Rule("code is executed through the websocket", True),
    "gateway-image": Rule("the kernel's container runs the image that is to be proved", True),
    "gateway-task": Rule("the kernelspec's kernel does what it is there for", True),
    "gateway-spark-where": Rule(
        "Spark's master, driver and executors are those that the kernelspec promises", True
    ),
    "gateway-user": Rule("KERNEL_UID is the kernel's user, and group root is none of its groups"),
    "gateway-interrupt": Rule("an interrupt ends the running cell and keeps the state", True),
    "gateway-restart": Rule(
        "a restarted kernel answers, under the same id, without the state", True
    ),
    "gateway-delete": Rule(
        "a deleted kernel and its container are gone within 2 s (30 s on a cluster)", True
    ),
    "gateway-two-kernels": Rule("kernels run beside each other and share nothing"),
    "gateway-connected-twice": Rule("a client that connects twice at once is served", True),
    "gateway-culling": Rule("an idle kernel nobody is connected to is culled"),
    "gateway-wrong-image": Rule("an image that does not exist is an error at once, which names it"),
    "gateway-hostile-values": Rule(
        "a client's variables reach a kernel on another host as they are, and none of them is run"
    ),
    "gateway-leftovers": Rule("no container of a kernel outlives it"),
    # On a Kubernetes cluster.
    "cluster-restricted": Rule(
        "Pod Security `restricted` is enforced where gateway and kernels are"
    ),
    "cluster-refusals": Rule(
        "what a request may not ask for is refused at once, with the reason, and leaves nothing"
    ),
    "cluster-told": Rule("a pod that cannot run is an error at once, with the pod's own reason"),
    "cluster-notebook": Rule(
        "a notebook's code can make no pod, read no secret, and do nothing to another's kernel"
    ),
    # Of the demo.
    "yarn-ready": Rule("YARN, HDFS and their pages answer once the gateway does", True),
    "yarn-user": Rule("a kernel runs and writes as the user who has asked for it", True),
    "yarn-not-allowed": Rule("a user who is not allowed, or not there, gets 403 and no kernel"),
    "yarn-neighbours": Rule(
        "a user's code can neither read what is another's, nor signal it, nor become somebody else"
    ),
    "yarn-killed": Rule("a kernel whose application YARN has killed is not taken for alive"),
    "yarn-told": Rule("a kernel that YARN has no room for is an error in time, which says so"),
}


class Broken(Exception):
    """A rule does not hold.

    Args:
        rule: Its name in `RULES`.
        message: What was seen instead, in one sentence; no secrets.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


class Late(Broken):
    """A rule does not hold by the clock, and the machine does not explain it; tried once more."""


class NotTried(Broken):
    """A rule cannot be tried: something that comes before it has failed, and was told."""


def document(rule: str) -> str:
    """Where a rule is explained."""
    return f"{DOCUMENT}#{rule}"
