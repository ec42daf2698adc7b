"""The files of `deploy/` as a build renders them, for tests that read them."""

from __future__ import annotations

from pathlib import Path

from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


def render_deploy(store: Path, start: str = "//deploy:") -> Workspace:
    """Build the targets whose labels begin so, with a store of one's own."""
    own = Workspace(str(ROOT), store_root=str(store))
    session = Session(own, say=lambda line: None)
    session.start([label for label in own.graph.order if str(label).startswith(start)])
    build_in_order(session)
    return own
