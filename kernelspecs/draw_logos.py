# ruff: noqa: INP001
"""Draw the kernels' logos: `python kernelspecs/draw_logos.py` writes `logos/*.png` anew.

The drawings are our own: initials of the language on a tile. A letter is a few strokes of one
width; what a pixel shows follows from its distance to the nearest of them. Needs nothing but the
standard library.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

SIZE = 64  # pixels, both ways: what notebooks ask for
MARGIN, CORNER = 2.0, 13.0  # of the tile
PEN = 3.4  # half the width of a stroke
WHITE = (255, 255, 255)
FOLDER = Path(__file__).parent / "logos"


class Line(NamedTuple):
    """A straight stroke; pixels from the upper left corner."""

    x0: float
    y0: float
    x1: float
    y1: float

    def distance(self, x: float, y: float) -> float:
        """From a point to the stroke's middle line."""
        dx, dy = self.x1 - self.x0, self.y1 - self.y0
        along = ((x - self.x0) * dx + (y - self.y0) * dy) / (dx * dx + dy * dy)
        along = min(1.0, max(0.0, along))
        return math.hypot(x - self.x0 - along * dx, y - self.y0 - along * dy)


class Bow(NamedTuple):
    """The right half of a circle."""

    x: float
    y: float
    radius: float

    def distance(self, x: float, y: float) -> float:
        """From a point to the stroke's middle line."""
        if x >= self.x:
            return abs(math.hypot(x - self.x, y - self.y) - self.radius)
        return min(math.hypot(x - self.x, y - self.y + side * self.radius) for side in (-1, 1))


class Logo(NamedTuple):
    """A tile's colour (red, green, blue), and what is written on it."""

    colour: tuple[int, int, int]
    strokes: tuple[Line | Bow, ...]


LOGOS = {
    "python": Logo(
        (38, 98, 155),
        (
            # P
            Line(16, 14, 16, 48),
            Line(16, 14, 22, 14),
            Bow(22, 23, 9),
            Line(22, 32, 16, 32),
            # y
            Line(37, 26, 44, 42),
            Line(51, 26, 41, 52),
        ),
    ),
}


def draw(logo: Logo) -> bytes:
    """The pixels of a logo, row by row: red, green, blue, opacity."""
    pixels = bytearray()
    half = SIZE / 2
    for row in range(SIZE):
        for column in range(SIZE):
            x, y = column + 0.5, row + 0.5
            edge = half - MARGIN - CORNER
            outside = math.hypot(
                max(0.0, abs(x - half) - edge),
                max(0.0, abs(y - half) - edge),
            )
            tile = _coverage(outside - CORNER)
            ink = _coverage(min(stroke.distance(x, y) for stroke in logo.strokes) - PEN)
            pixels += bytes(
                round(white * ink + plain * (1 - ink))
                for white, plain in zip(WHITE, logo.colour, strict=True)
            )
            pixels.append(round(255 * tile))
    return bytes(pixels)


def _coverage(beyond: float) -> float:
    """How much of a pixel is covered whose middle lies so far beyond a shape's edge."""
    return min(1.0, max(0.0, 0.5 - beyond))


def png(pixels: bytes) -> bytes:
    """A PNG file of square pixels with opacity (ISO/IEC 15948)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)
    width = SIZE * 4
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def main() -> None:
    """Write all logos."""
    FOLDER.mkdir(exist_ok=True)
    for name, logo in LOGOS.items():
        (FOLDER / f"{name}.png").write_bytes(png(draw(logo)))


if __name__ == "__main__":
    main()
