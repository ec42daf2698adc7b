"""Record what a docker client prints of builds: `python -m tests.fakes.buildkit.record NAME`.

It needs an engine, and BASE: an image with /bin/sh that is there. Three builds fill NAME.txt: one
whose steps run beside one another, the same again from the cache, and one that fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
MARK = "=== "
"""What stands before the name of each build."""
NAME = "registry.test/base:dev"
STEPS = f"""\
FROM {NAME} AS one
ENV SALT=@
RUN echo one; sleep 1; echo two >&2; sleep 2; echo three
FROM {NAME} AS two
ENV SALT=@
RUN for n in 1 2 3; do echo side $n; sleep 0.7; done
FROM {NAME}
COPY a.bin /a
COPY --from=one /etc/passwd /one
COPY --from=two /etc/passwd /two
RUN printf 'half a line'; sleep 1; printf ', its rest\\n#9 DONE 9.9s\\nERROR: of a step\\n'
"""
FAILS = f"""\
FROM {NAME}
ENV SALT=@
RUN echo fine
RUN --mount=type=cache,target=/c \\
    echo to out; echo to err >&2; \\
    exit 3
"""


def record() -> str:
    """The output of all builds, each behind its name."""
    base = os.environ["BASE"]
    subprocess.run(["docker", "tag", base, NAME], check=True)
    salt = os.urandom(4).hex()
    told: list[str] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.bin").write_bytes(os.urandom(30_000_000))
            for what, text in (("steps", STEPS), ("cached", STEPS), ("failed", FAILS)):
                (Path(folder) / "Dockerfile").write_text(text.replace("@", salt))
                argv = ["docker", "build", "--progress=plain", "--network=none", folder]
                done = subprocess.run(
                    argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
                told.append(f"{MARK}{what}\n{done.stdout.rstrip()}\n")
            return "".join(told).replace(folder, "/work")
    finally:
        made = re.findall(r"writing image (\S+)|exporting manifest (\S+)", "".join(told))
        names = {NAME, *("".join(each) for each in made)}
        subprocess.run(["docker", "rmi", *names], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    (FOLDER / f"{sys.argv[1]}.txt").write_text(record())
