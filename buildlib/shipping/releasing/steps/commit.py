"""`commit`: commit and tag the release in the local git repository."""

from __future__ import annotations

import time

from buildlib.errors import ActionError
from buildlib.shipping.releasing.model import Release
from buildlib.shipping.releasing.release_commits import commit_release
from buildlib.shipping.releasing.steps.step import Step, Tools
from buildlib.shipping.releasing.steps.tag import missing_engine_tags


class Commit(Step):
    """Commits and tags the version, then commits the next development version."""

    name = "commit"

    def will(self) -> list[str]:
        run = self.run
        return [
            f"commit VERSION and CHANGELOG as {run.version}, tag v{run.version}",
            f"commit VERSION as {run.following}; nothing is pushed",
        ]

    def do(self, tools: Tools) -> str:
        run = self.run
        if not self._is_visible(run.release()):
            raise ActionError(
                f"{run.version} has no tags yet, and git is told last",
                fix=f"./doitw release tag commit VERSION={run.version}",
            )
        today = time.strftime("%Y-%m-%d", time.gmtime())
        commits = commit_release(run.final.root, run.version, run.following, date=today)
        return (
            f"{commits.tag} is on {commits.release[:12]}, VERSION is {commits.following};"
            f" to push: git push origin HEAD {commits.tag}"
        )

    def _is_visible(self, release: Release) -> bool:
        run = self.run
        if run.registry is not None:
            return run.registry.head(run.releases, run.version) is not None
        release_tags = {f"{image.repository}:{run.version}" for image in release.images}
        missing = missing_engine_tags(run, release)
        return not any(reference in release_tags for _, reference in missing)
