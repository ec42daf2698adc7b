"""The git program: what a release asks of it, and the few things that it changes with it.

All of it is local: nothing is fetched, nothing is pushed. What a person set up for commits counts:
hooks, signatures, identity. It knows nothing of versions.
"""

from __future__ import annotations

import os

from buildlib.core.model.tree import is_junk
from buildlib.core.store.state import FOLDER
from buildlib.core.trees.gitrun import Answer, NoGit, git
from buildlib.errors import ActionError, InputError

_IDENTITY = 'git config user.name "Your Name" && git config user.email you@example.com'


class Repository:
    """The git repository that a workspace is in.

    Args:
        root: The workspace: the top of the repository, or a folder in it.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        found = self._run("rev-parse", "--show-prefix")
        if found.code:
            raise InputError(
                "the workspace is in no git repository, and a release is made of a commit",
                detail=found.err.strip(),
                fix="git init && git add . && git commit",
            )
        self._prefix = found.out.rstrip("\n")
        if not self.commit("HEAD"):
            raise InputError(
                "there is no commit yet, and a release is made of one",
                fix="git add . && git commit",
            )

    # -- questions ---------------------------------------------------------------------------------

    def commit(self, revision: str) -> str:
        """The commit that something names, as a whole hash; empty for none."""
        return self._answer("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")

    def epoch(self, commit: str) -> int:
        """Seconds since 1970 of a commit, by its committer."""
        return int(self._must("show", "--no-patch", "--format=%ct", commit))

    def branch(self) -> str:
        """The branch that commits are added to; empty where there is none."""
        return self._answer("symbolic-ref", "--short", "--quiet", "HEAD")

    def text(self, revision: str, name: str) -> str | None:
        """A file of a commit; None where it has none."""
        found = self._run("show", f"{revision}:./{name}")
        return None if found.code else found.out

    def written(self, name: str) -> str:
        """A file as it is in the workspace now; empty where it is not, or is no text."""
        try:
            with open(f"{self.root}/{name}", encoding="utf-8", newline="") as file:
                return file.read()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""

    def changed(self, revision: str) -> set[str]:
        """The files that a commit changed, against the first before it; none for the very first."""
        listed = self._run("diff", "--name-only", "-z", f"{revision}^", revision).out
        return {path.removeprefix(self._prefix) for path in listed.split("\0") if path}

    def unclean(self) -> list[str]:
        """Files of the workspace that are not as the last commit has them, or that it has not.

        What git ignores is not told, nor what no tree of ours shows.
        """
        listed = self._must("status", "--porcelain", "-z", "--no-renames", "--untracked-files", ".")
        paths = [row[3:].removeprefix(self._prefix) for row in listed.split("\0") if row]
        return [path for path in paths if not any(is_junk(part) for part in path.split("/"))]

    def tags(self, pattern: str) -> dict[str, str]:
        """Tags of a form, each with what it is on."""
        form = "%(objectname) %(*objectname) %(refname:strip=2)"
        found = {}
        for row in self._must("for-each-ref", f"--format={form}", f"refs/tags/{pattern}").split(
            "\n"
        ):
            if row:
                own, peeled, tag = row.split(" ", 2)
                found[tag] = peeled or own
        return found

    def is_shallow(self) -> bool:
        """Whether only the last commits are here."""
        return self._answer("rev-parse", "--is-shallow-repository") == "true"

    def check_identity(self) -> None:
        """Refuse where git knows nobody to make a commit by."""
        for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
            if self._run("var", who).code:
                raise InputError("git knows nobody to make the release's commit by", fix=_IDENTITY)

    # -- effects -----------------------------------------------------------------------------------

    def write(self, name: str, text: str) -> None:
        """Write a file of the workspace, whole or not at all."""
        path, temporary = f"{self.root}/{name}", f"{self.root}/{FOLDER}/{name}.{os.getpid()}"
        os.makedirs(os.path.dirname(temporary), exist_ok=True)
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(temporary, os.stat(path).st_mode & 0o777)
        os.replace(temporary, path)

    def add_commit(self, message: str, names: list[str]) -> str:
        """Commit just these files; returns the commit."""
        self._must("commit", "--quiet", "--only", "--message", message, "--", *names)
        return self.commit("HEAD")

    def add_tag(self, tag: str, commit: str, message: str) -> None:
        """Put an annotated tag."""
        self._must("tag", "--annotate", "--message", message, tag, commit)

    # -- git ---------------------------------------------------------------------------------------

    def _run(self, *words: str) -> Answer:
        try:
            return git(self.root, *words)
        except NoGit:
            raise NoGit("there is no git here, and a release is made of a commit") from None

    def _answer(self, *words: str) -> str:
        """What git says, in one line; empty where it fails."""
        found = self._run(*words)
        return "" if found.code else found.out.strip()

    def _must(self, *words: str) -> str:
        """What git says."""
        done = self._run(*words)
        if not done.code:
            return done.out
        locked = "index.lock" in done.err
        raise ActionError(
            f"git {words[0]} failed",
            detail=(done.err or done.out).strip() or None,
            fix="rm .git/index.lock  # if no other git runs here"
            if locked
            else "mend what git says; the release then goes on from here",
        )
