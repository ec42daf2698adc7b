"""`artifacts`: write the files of the release, and sign them."""

from __future__ import annotations

import os

from buildlib.shipping.releasing import artifacts, sbom_sharing
from buildlib.shipping.releasing.steps.step import Step, Tools


class Artifacts(Step):
    """Writes `dist/VERSION/`."""

    name = "artifacts"

    def will(self) -> list[str]:
        files = "archives, images.json, SHA256SUMS, SBOMs, statements, notes"
        return [f"dist/{self.run.version}/: {files}", self.run.signed]

    def do(self, tools: Tools) -> str:
        run = self.run
        release, signer = run.release(), run.signer
        run.pull(image.label for image in sbom_sharing.pull(run.final, release))
        seal = signer.envelope if signer else None
        written = artifacts.write(run.final, release, run.folder, tools.say, seal)
        if signer is not None:
            signer.sign_file(f"{run.folder}/{artifacts.CHECKSUMS}")
        sbom_sharing.publish(run.final, release)
        shown = os.path.relpath(run.folder, run.final.root)
        return f"{len(written)} files in {shown}; {run.signed}"
