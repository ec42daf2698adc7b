"""A build as a Gantt chart: a row for each target, from start to end, coloured by what it did.

An SVG without scripts or fonts of its own, for a browser or an IDE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from buildlib.build.execution.timeline import (
    EXPORT,
    FETCH,
    KINDS,
    OTHER,
    RUN,
    TRANSFER,
    UNPACK,
    Span,
)
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.core.model.label import Label

_COLOURS = {
    FETCH: "#b07aa1",
    TRANSFER: "#76b7b2",
    UNPACK: "#f28e2b",
    RUN: "#4e79a7",
    EXPORT: "#e15759",
    OTHER: "#bab0ac",
}
_ROW, _BAR, _LEFT, _WIDE, _TOP, _FOOT = 20, 14, 230, 760, 34, 34
_TICKS = 8
_SHOWN = 0.002
"""Part of the whole time below which a target gets no row."""


def draw(spans: Sequence[Span], names: Mapping[Label, str], critical: Sequence[Label]) -> str:
    """Return the text of an SVG file; the names of the critical path are bold."""
    whole = max((span.end for span in spans), default=0.0) or 1.0
    shown = [span for span in spans if span.seconds >= _SHOWN * whole or span.label in critical]
    rows = sorted(shown, key=lambda span: (span.start, span.end))
    scale = _WIDE / whole
    bottom = _TOP + len(rows) * _ROW
    size = f'width="{_LEFT + _WIDE + 90}" height="{bottom + _FOOT}"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for tick in range(_TICKS + 1):
        x = _LEFT + _WIDE * tick / _TICKS
        clock = _clock(whole * tick / _TICKS)
        out.append(
            f'<path d="M{x:.1f} {_TOP - 4}V{bottom}" stroke="#ddd"/><text x="{x:.1f}"'
            f' y="{_TOP - 10}" text-anchor="middle" fill="#555">{clock}</text>'
        )
    for number, span in enumerate(rows):
        bold = span.label in critical
        out += _row(span, names[span.label], _TOP + number * _ROW, scale, bold)
    if len(rows) < len(spans):
        rest = sum(span.seconds for span in spans) - sum(span.seconds for span in rows)
        out.append(
            f'<text x="{_LEFT - 8}" y="{bottom + 21}" text-anchor="end" fill="#555">'
            f"{len(spans) - len(rows)} more, {duration(rest)}</text>"
        )
    x = float(_LEFT)
    for kind in KINDS:
        out.append(
            f'<rect x="{x:.0f}" y="{bottom + 12}" width="10" height="10" fill="{_COLOURS[kind]}"/>'
            f'<text x="{x + 14:.0f}" y="{bottom + 21}">{kind}</text>'
        )
        x += 24 + 6.2 * len(kind)
    return "\n".join([*out, "</svg>\n"])


def _row(span: Span, name: str, top: float, scale: float, bold: bool) -> list[str]:
    """Draw one target: its name, its times in the order of `KINDS`, their sum."""
    weight = ' font-weight="bold"' if bold else ""
    out = [
        f'<text x="{_LEFT - 8}" y="{top + 11}" text-anchor="end"{weight}>{escape(name)}</text>',
    ]
    x = _LEFT + span.start * scale
    for kind in KINDS:
        width = span.kinds.get(kind, 0.0) * scale
        if width > 0:
            out.append(
                f'<rect x="{x:.1f}" y="{top}" width="{max(width, 0.5):.1f}" height="{_BAR}"'
                f' fill="{_COLOURS[kind]}"><title>{escape(name)}: {kind}'
                f" {duration(span.kinds[kind])}</title></rect>"
            )
            x += width
    out.append(f'<text x="{x + 4:.1f}" y="{top + 11}" fill="#555">{duration(span.seconds)}</text>')
    return out


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
