"""Our verbs as commands of plain `doit`: `doit plan`, `doit why kernel-py --json`.

doit stops reading options at the first positional word, so it is told of none: all words are
taken apart by our own parser, and `doit X` and `./doitw X` mean the same.
"""

from __future__ import annotations

import sys
from typing import Any

from doit.cmd_base import Command

from buildlib import cli
from buildlib.doit_plugin.variables import doit_variables


class _Passing(Command):  # type: ignore[misc]
    """A doit command that hands all its words to one of our verbs."""

    doc_usage = "[TARGET…] [OPTION…]"
    doc_description = None

    def parse_execute(self, in_args: list[str]) -> Any:
        """Run the verb (doit's own way in, before it would parse options)."""
        sys.stdout.flush()
        return cli.main([self.name, *in_args, *doit_variables()])


def _command(verb: str) -> type[Command]:
    found = cli.verb(verb)
    attributes = {"name": verb, "doc_purpose": found.doc, "__doc__": found.doc}
    return type(verb.capitalize(), (_Passing,), attributes)


Plan = _command("plan")
Why = _command("why")
Lock = _command("lock")
Fetch = _command("fetch")
Test = _command("test")
Release = _command("release")
Prune = _command("prune")
Push = _command("push")
Pull = _command("pull")
Deploy = _command("deploy")
Undeploy = _command("undeploy")
Forget = _command("forget")
