"""Which registry is asked for an image: its own, or the mirror that the settings name for it.

A name without a registry is Docker Hub's, and one without an owner is of its `library`, as for the
docker client (distribution/reference, "familiar names").
"""

from __future__ import annotations

from collections.abc import Mapping

_HUB = "docker.io"


def mirrored(reference: str, mirrors: Mapping[str, str]) -> str:
    """The reference to pull or to ask for, instead of another.

    Args:
        reference: As declared, with a tag or a digest.
        mirrors: Registry -> what is asked instead of it, as in `Network.images`.

    Returns:
        The same image of the mirror; the reference itself where its registry has none.
    """
    first, slash, rest = reference.partition("/")
    if not slash or not (first == "localhost" or "." in first or ":" in first):
        first, rest = _HUB, reference
    if first not in mirrors:
        return reference
    if first == _HUB and "/" not in rest:
        rest = f"library/{rest}"
    return f"{mirrors[first]}/{rest}"
