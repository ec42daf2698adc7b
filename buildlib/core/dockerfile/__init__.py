"""Dockerfiles and `.dockerignore` files, parsed without an engine.

`parse` parses a Dockerfile; `check`, `bases`, `secrets` and `limits` compare it with a target's
declaration and with what engines can do; `ignore` decides which files of a folder reach the
builder. Nothing here reads a file, starts a process or knows a rule.
"""

IGNORE_FILE = ".dockerignore"


def ignore_files(dockerfile: str) -> tuple[str, str]:
    """The ignore files that a Dockerfile may have: its own before that of its build context.

    The first one that is there counts, and the other one does not.
    """
    return f"{dockerfile}{IGNORE_FILE}", IGNORE_FILE
