"""The git repository of a workspace: what a release reads from it and writes to it.

It is local: nothing is fetched or pushed. The hooks, signatures and identity that a person set up
apply. This module knows nothing of versions.
"""

from __future__ import annotations

import os

from buildlib.core.model.tree import is_junk
from buildlib.core.store.state import FOLDER
from buildlib.core.trees.gitrun import Answer, NoGit, git
from buildlib.errors import ActionError, InputError

_IDENTITY = 'git config user.name "Your Name" && git config user.email you@example.com'


class GitRepository:
    """The git repository that contains a workspace.

    Args:
        root: The workspace: the top of the repository, or a folder in it.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        prefix = self._run("rev-parse", "--show-prefix")
        if prefix.code:
            raise InputError(
                "the workspace is in no git repository, and a release is made of a commit",
                detail=prefix.err.strip(),
                fix="git init && git add . && git commit",
            )
        self._prefix = prefix.out.rstrip("\n")
        if not self.commit("HEAD"):
            raise InputError(
                "there is no commit yet, and a release is made of one",
                fix="git add . && git commit",
            )

    # -- questions ---------------------------------------------------------------------------------

    def commit(self, revision: str) -> str:
        """The commit of a revision, as a whole hash; empty for none."""
        return self._one_line("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")

    def epoch(self, commit: str) -> int:
        """Committer time, in seconds since 1970."""
        return int(self._output("show", "--no-patch", "--format=%ct", commit))

    def branch(self) -> str:
        """The branch of HEAD; empty for a detached HEAD."""
        return self._one_line("symbolic-ref", "--short", "--quiet", "HEAD")

    def file_at(self, revision: str, name: str) -> str | None:
        """A file of a commit; None if the commit lacks it."""
        answer = self._run("show", f"{revision}:./{name}")
        return None if answer.code else answer.out

    def file_now(self, name: str) -> str:
        """A file of the working tree; empty if it is missing or is no text."""
        try:
            with open(f"{self.root}/{name}", encoding="utf-8", newline="") as file:
                return file.read()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""

    def changed_files(self, revision: str) -> set[str]:
        """The files that a commit changed against its first parent; none for a root commit."""
        listed = self._run("diff", "--name-only", "-z", f"{revision}^", revision).out
        return {path.removeprefix(self._prefix) for path in listed.split("\0") if path}

    def edited_files(self) -> list[str]:
        """Files of the working tree that HEAD lacks or has otherwise.

        Files that git ignores are left out, and so are those that `Tree` leaves out.
        """
        listed = self._output(
            "status", "--porcelain", "-z", "--no-renames", "--untracked-files", "."
        )
        paths = [row[3:].removeprefix(self._prefix) for row in listed.split("\0") if row]
        return [path for path in paths if not any(is_junk(part) for part in path.split("/"))]

    def tags(self, pattern: str) -> dict[str, str]:
        """Tags that match a pattern, each with its commit."""
        form = "%(objectname) %(*objectname) %(refname:strip=2)"
        tags = {}
        for row in self._output("for-each-ref", f"--format={form}", f"refs/tags/{pattern}").split(
            "\n"
        ):
            if row:
                own, peeled, tag = row.split(" ", 2)
                tags[tag] = peeled or own
        return tags

    def is_shallow(self) -> bool:
        """Whether the clone lacks older commits."""
        return self._one_line("rev-parse", "--is-shallow-repository") == "true"

    def check_identity(self) -> None:
        """Refuse if git has no identity to commit with."""
        for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
            if self._run("var", who).code:
                raise InputError("git knows nobody to make the release's commit by", fix=_IDENTITY)

    # -- effects -----------------------------------------------------------------------------------

    def write(self, name: str, text: str) -> None:
        """Write a file of the working tree atomically."""
        path, temporary = f"{self.root}/{name}", f"{self.root}/{FOLDER}/{name}.{os.getpid()}"
        os.makedirs(os.path.dirname(temporary), exist_ok=True)
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(temporary, os.stat(path).st_mode & 0o777)
        os.replace(temporary, path)

    def add_commit(self, message: str, names: list[str]) -> str:
        """Commit only these files; returns the commit."""
        self._output("commit", "--quiet", "--only", "--message", message, "--", *names)
        return self.commit("HEAD")

    def add_tag(self, tag: str, commit: str, message: str) -> None:
        self._output("tag", "--annotate", "--message", message, tag, commit)

    # -- git ---------------------------------------------------------------------------------------

    def _run(self, *words: str) -> Answer:
        try:
            return git(self.root, *words)
        except NoGit:
            raise NoGit("there is no git here, and a release is made of a commit") from None

    def _one_line(self, *words: str) -> str:
        """Output of git, stripped; empty if it fails."""
        answer = self._run(*words)
        return "" if answer.code else answer.out.strip()

    def _output(self, *words: str) -> str:
        """Output of git, which must not fail."""
        answer = self._run(*words)
        if not answer.code:
            return answer.out
        locked = "index.lock" in answer.err
        raise ActionError(
            f"git {words[0]} failed",
            detail=(answer.err or answer.out).strip() or None,
            fix="rm .git/index.lock  # if no other git runs here"
            if locked
            else "mend what git says; the release then goes on from here",
        )
