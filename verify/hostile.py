"""The case of the variables that a client sends in order to have them run.

A kernel on another host is started over ssh, where a shell reads the gateway's command, and the
client's variables are part of it. So the gateway gets a kernelspec of that kind and a host
(`ssh_host.py`) whose kernel does nothing but to print its environment.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from verify.rules import Broken, Late
from verify.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from docker.models.containers import Container

    from verify.server import Server

RULE = "gateway-hostile-values"
KERNELSPEC = "verify_host"
PROXY = "enterprise_gateway.services.processproxies.distributed.DistributedProcessProxy"
LOGS = "/var/log/enterprise-gateway"
"""Where the demo's gateway has the logs of kernels, and not in `FOLDER`."""
FOLDER, MARK = "/tmp", "verify-was-run-"  # noqa: S108 - of containers
LAUNCH_SECONDS = 1  # no kernel is going to report
HOST_SECONDS = 20.0
# Run by the gateway's user: a folder of somebody else's would be in the server's way.
WRITE = """
import json, os, sys
for name, text in json.loads(sys.argv[1]).items():
    path = os.path.expanduser(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
"""


class Hostile(NamedTuple):
    """What is sent.

    Attributes:
        values: Variables whose values a shell could run, or change.
        names: Names that a shell could run.
    """

    values: dict[str, str]
    names: list[str]


def hostile(folder: str) -> Hostile:
    """Variables that each leave a file in a folder when something of them is run."""

    def touch(name: str) -> str:
        return f"touch {folder}/{MARK}{name}"

    values = {
        "KERNEL_SUBSTITUTION": f"$({touch('substitution')})",
        "KERNEL_BACKQUOTES": f"`{touch('backquotes')}`",
        "KERNEL_DOUBLE": f'"; {touch("double")}; "',
        "KERNEL_SINGLE": f"'; {touch('single')}; '",
        "KERNEL_BOTH": f"'\"'\"'; {touch('both')}; $({touch('both')})",
        "KERNEL_LINES": f"a\n{touch('lines')}\nb\r\n",
        "KERNEL_BACKSLASHES": f"\\\\\\'; {touch('backslashes')} \\\"; `{touch('backslashes')}` \\",
        "KERNEL_BLANKS": f"x;touch${{IFS}}{folder}/{MARK}blanks",
        "KERNEL_REFERENCES": "$HOME ${PATH} $$ $((1+1)) ~ * !!",
        "KERNEL_LETTERS": "é €",
        "KERNEL_EMPTY": "",
    }
    blanks = touch("name").replace(" ", "${IFS}")
    names = [
        f"KERNEL_X;{blanks};Y",
        f"KERNEL_X$({blanks})",
        f"KERNEL_X`{blanks}`",
        f"KERNEL_X\n{blanks}\nY",
        f"KERNEL_X=1;{blanks};Y",
        "KERNEL-X",
        "KERNEL_É",
    ]
    return Hostile(values, names)


def faults(sent: Mapping[str, str], seen: Mapping[str, str], files: Iterable[str]) -> list[str]:
    """What has gone wrong.

    Args:
        sent: The variables.
        seen: Those of the kernel.
        files: All names in folders where what is run leaves its mark.
    """
    run = sorted({name.removeprefix(MARK) for name in files if name.startswith(MARK)})
    changed = sorted(name for name in sent if seen.get(name) != sent[name])
    told = {"what was run": run, "what does not arrive as it was sent": changed}
    return [f"{what}: {', '.join(names)}" for what, names in told.items() if names]


def hostile_values(server: Server) -> str:
    """What a client sends as variables is not run where a kernel starts on another host."""
    sent = hostile(FOLDER)
    host = _host(server)
    try:
        return _sent(server, host, sent)
    finally:
        server.engine.remove(host)  # its name is free for another try


def _sent(server: Server, host: Container, sent: Hostile) -> str:
    gateway = server.container
    wait = str(math.ceil(LAUNCH_SECONDS * server.pace.scale))
    env = {**sent.values, **dict.fromkeys(sent.names, "1"), "KERNEL_LAUNCH_TIMEOUT": wait}
    if server.place.user:
        env["KERNEL_USERNAME"] = server.place.user
    _printed(gateway, "python", "-c", WRITE, json.dumps(_files(server, host)))
    reply = server.rest.call("POST", "/kernels", {"name": KERNELSPEC, "env": env})
    said = f"the start is answered by {reply.status}: {str(reply.body)[:300]}"
    refused = reply.status >= 500  # noqa: PLR2004
    seen = until(lambda: _environment(host), 5.0 if refused else 0.0, server.pace)
    files = [*_printed(gateway, "ls", FOLDER).split(), *_printed(host, "ls", FOLDER).split()]
    found = faults(sent.values, seen, files)
    if found:
        # That nothing at all has come may be the short time; it is tried once more.
        late = refused and not seen and len(found) == 1
        message = "; ".join([*found, *([] if seen else [said, server.last_line()])])
        raise (Late if late else Broken)(RULE, message)
    return f"{len(sent.values)} values arrive as sent, {len(sent.names)} names do no harm"


def _host(server: Server) -> Container:
    program = Path(__file__).with_name("ssh_host.py").read_text(encoding="utf-8")
    engine = server.engine
    name = f"{engine.run}-host"
    command = [server.place.python, "-c", program]
    return engine.start(server.image_id, name, env={}, command=command)


def _files(server: Server, host: Container) -> dict[str, str]:
    """What makes the gateway start kernels on the host: a kernelspec, and what ssh wants."""
    line = until(
        lambda: host.logs(stderr=False).decode().partition("\n")[0], HOST_SECONDS, server.pace
    )
    if not line:
        raise Broken(RULE, f"the host does not start: {host.logs().decode()[-300:]}")
    told = json.loads(line)
    [network] = host.attrs["NetworkSettings"]["Networks"].values()
    address = network["IPAddress"]
    kernelspec = {
        "display_name": "a host of verify",
        "language": "python",
        "argv": ["env", "-0"],
        # The gateway replaces the former, the host's shell the latter.
        "env": {"OF_KERNELSPEC": "${KERNEL_SUBSTITUTION} ${KERNEL_BACKQUOTES:-}"},
        "metadata": {"process_proxy": {"class_name": PROXY, "config": {"remote_hosts": address}}},
    }
    return {
        f"~/.local/share/jupyter/kernels/{KERNELSPEC}/kernel.json": json.dumps(kernelspec),
        "~/.ssh/known_hosts": f"[{address}]:{told['port']} {told['public']}\n",
        "~/.ssh/id_ecdsa": told["private"],
    }


def _environment(host: Container) -> dict[str, str]:
    """What the kernel has printed, once it has run."""
    log = _printed(host, "sh", "-c", f"cat {FOLDER}/kernel-*.log {LOGS}/kernel-*.log")
    return dict(entry.partition("=")[::2] for entry in log.split("\0") if "=" in entry)


def _printed(container: Container, *command: str) -> str:
    output: Any = container.exec_run(list(command), stderr=False).output
    return str(output.decode(errors="replace"))
