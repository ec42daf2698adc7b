"""Which registry to ask for an image: its own, or the mirror that the settings name for it.

A name without a registry is Docker Hub's, and one without an owner is of its `library`, as for the
docker client (distribution/reference, "familiar names").
"""

from __future__ import annotations

from collections.abc import Mapping

from buildlib.core.model.settings import HUB


def mirrored(reference: str, mirrors: Mapping[str, str]) -> str:
    """Return the reference of the same image in the mirror; unchanged where its registry has none.

    `mirrors` maps a registry to what is asked instead of it, as in `Network.images`.
    """
    first, slash, rest = reference.partition("/")
    if not slash or not (first == "localhost" or "." in first or ":" in first):
        first, rest = HUB, reference
    if first not in mirrors:
        return reference
    if first == HUB and "/" not in rest:
        rest = f"library/{rest}"
    return f"{mirrors[first]}/{rest}"
