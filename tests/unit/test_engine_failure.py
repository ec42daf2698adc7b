"""The failing step is found in the output of the old BuildKit and of the new one."""

from __future__ import annotations

import pytest

from buildlib.engine.failure import Failure, FailureFinder, line_of

DOCKERFILE = """\
FROM base:dev AS one
RUN echo fine

# comment
RUN --mount=type=cache,target=/x echo one; \\
    # inside
    echo two; exit 3
COPY missing /
COPY $WHAT /somewhere/far/away/
"""

REFUSALS = """\
curl: (6) Could not resolve host: example.org
W: Failed to fetch http://deb.debian.org/InRelease  Temporary failure resolving 'deb.debian.org'
0x7f: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution
WARNING: Retrying after connection broken by 'NewConnectionError('<pip._vendor...>: Failed')'
wget: bad address 'example.org'
wget: unable to resolve host address 'example.org'
fatal: unable to access 'https://github.com/x/y/': Could not resolve host: github.com
npm error code EAI_AGAIN
Get "https://proxy.golang.org/x": dial tcp: lookup proxy.golang.org: i/o timeout
java.net.UnknownHostException: repo1.maven.org
error: client error (Connect): dns error: failed to lookup address information
WARNING: fetching https://dl-cdn.alpinelinux.org/alpine: DNS: transient error (try again later)
OSError: [Errno 101] Network is unreachable
socket.gaierror: [Errno -2] Name or service not known
""".splitlines()
CLIENT_20 = """\
#1 [internal] load build definition from Dockerfile
#1 sha256:5c7581cc9d21
#1 DONE 0.0s

#4 [one 2/4] RUN echo fine
#4 0.2 fine
#4 DONE 0.2s

#5 [one 3/4] RUN --mount=type=cache,target=/x echo one;     echo two; exit 3
#5 sha256:2c7581cc9d21
#5 0.238 one
#5 0.239 two
#5 ERROR: executor failed running [/bin/sh -c echo one; exit 3]: exit code: 3

#6 [other 2/2] RUN sleep 9
#6 ERROR: context canceled
------
 > [one 3/4] RUN --mount=type=cache,target=/x echo one;     echo two; exit 3:
------
executor failed running [/bin/sh -c echo one; exit 3]: exit code: 3
"""

BUILDX = """\
#0 building with "default" instance using docker driver

#5 [linux/amd64 one 3/4] RUN --mount=type=cache,target=/x echo one; echo two; exit 3
#5 0.238 one
#5 0.239 two
#5 ERROR: process "/bin/sh -c echo one; exit 3" did not complete successfully: exit code: 3
------
 > [one 3/4] RUN --mount=type=cache,target=/x echo one; echo two; exit 3:
0.238 one
------
Dockerfile:5
--------------------
   5 | >>> RUN --mount=type=cache,target=/x echo one; \\
--------------------
ERROR: failed to solve: process "/bin/sh -c echo one" did not complete successfully: exit code: 3
"""


def failure(output: str, dockerfile: str = DOCKERFILE) -> Failure:
    finder = FailureFinder()
    for line in output.splitlines():
        finder.feed(line)
    return finder.failure(dockerfile)


@pytest.mark.parametrize("output", [CLIENT_20, BUILDX])
def test_a_failed_command(output: str) -> None:
    found = failure(output)
    assert found.step == "RUN echo one; echo two; exit 3"
    assert found.reason.endswith("exit code: 3")
    assert found.line == 5
    assert found.tail == ("one", "two")
    assert not found.engine_gone


def test_only_the_end_of_a_long_output_is_shown() -> None:
    output = "#5 [1/1] RUN echo fine\n" + "".join(f"#5 {n}.1 line {n}\n" for n in range(100))
    found = failure(output + "#5 ERROR: no\n")
    assert found.tail == tuple(f"line {n}" for n in range(80, 100))


def test_a_text_that_is_wrong_itself() -> None:
    found = failure(
        "#2 DONE 0.0s\nERROR: failed to solve: rpc error: code = Unknown desc = failed to solve "
        "with frontend dockerfile.v0: failed to create LLB definition: "
        "dockerfile parse error line 2: unknown instruction: RUUN\n"
    )
    assert found.reason == "dockerfile parse error line 2: unknown instruction: RUUN"
    assert (found.step, found.line, found.tail) == ("", 2, ())


def test_a_parent_that_is_not_found() -> None:
    found = failure(
        "#3 [internal] load metadata for docker.io/library/base:dev\n"
        "#3 ERROR: pull access denied\n------\n"
        " > [internal] load metadata for docker.io/library/base:dev:\n------\n"
    )
    assert (found.step, found.reason, found.line) == ("FROM base:dev", "pull access denied", 1)


@pytest.mark.parametrize(
    "words",
    [
        "Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?",
        "rpc error: code = Unavailable desc = transport is closing",
    ],
)
def test_an_engine_that_went_away(words: str) -> None:
    assert failure(f"#1 [internal] load build definition\n{words}\n").engine_gone
    quoted = f"#5 [1/1] RUN echo fine\n#5 0.1 {words}\n#5 ERROR: exit code: 1\n"
    assert not failure(quoted).engine_gone  # it is the step that says so


def test_a_line_is_found_for_what_is_filled_in_and_not_guessed() -> None:
    assert line_of("COPY missing /", DOCKERFILE) == 8
    assert line_of("RUN echo one; echo tw…", DOCKERFILE) == 5
    assert line_of("COPY value /somewhere", DOCKERFILE) == 0
    assert line_of("", DOCKERFILE) == 0
    assert line_of("RUN <<EOF (echo one)", "FROM a\nRUN <<EOF\necho one\nEOF\n") == 2
    assert line_of("RUN a", "FROM a\nRUN a\nRUUN b\n") == 0


# -- A network that is not there -------------------------------------------------------------------


def step_that_says(*lines: str) -> Failure:
    """A step that wrote some lines, and failed."""
    finder = FailureFinder()
    finder.feed("#5 [1/1] RUN fetch")
    for line in lines:
        finder.feed(f"#5 0.1 {line}")
    finder.feed('#5 ERROR: process "/bin/sh -c fetch" did not complete successfully: exit code: 1')
    return finder.failure("RUN fetch\n")


@pytest.mark.parametrize("line", REFUSALS)
def test_a_refused_network_is_found(line: str) -> None:
    assert step_that_says(line, "gave up").refused


def test_it_is_found_however_much_was_said_since() -> None:
    assert step_that_says(REFUSALS[0], *(["tried again"] * 100)).refused


@pytest.mark.parametrize(
    "line",
    [
        "resolving dependencies",
        "sudo: unable to resolve host buildkitsandbox: Name or service not known",
        "ERROR: No matching distribution found for six",
        "make: *** [all] Error 2",
    ],
)
def test_another_failure_is_not_taken_for_one(line: str) -> None:
    assert not step_that_says(line).refused


def test_another_step_that_had_no_network_does_not_count() -> None:
    finder = FailureFinder()
    for line in ("#4 [1/2] RUN one", f"#4 0.1 {REFUSALS[0]}", "#4 DONE 0.1s", "#5 [2/2] RUN two"):
        finder.feed(line)
    finder.feed("#5 ERROR: exit code: 1")
    assert not finder.failure("RUN one\nRUN two\n").refused


def test_options_of_a_command_are_part_of_what_failed() -> None:
    """Those of the instruction are not: they are long, and BuildKit shows them otherwise."""
    step = "RUN --mount=type=tmpfs,target=/t pip install --index-url=b x"
    dockerfile = f"RUN pip install --index-url=a x\n{step}\n"
    finder = FailureFinder()
    finder.feed(f"#5 [2/2] {step}")
    finder.feed("#5 ERROR: exit code: 1")
    failure = finder.failure(dockerfile)
    assert (failure.step, failure.line) == ("RUN pip install --index-url=b x", 2)
