# ruff: noqa: INP001
"""Draw the kernels' logos: `python kernelspecs/draw_logos.py` writes `logos/*.png` anew.

The drawings are our own: initials of the language on a tile, and for Spark a star in its corner. A
letter is a few strokes of one width; what a pixel shows follows from its distance to the nearest of
them. Needs nothing but the standard library.
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
WHITE, ORANGE = (255, 255, 255), (226, 100, 28)
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
    """A tile's colour (red, green, blue), what is written on it, and whether it has the star."""

    colour: tuple[int, int, int]
    strokes: tuple[Line | Bow, ...]
    spark: bool = False


PYTHON = Logo(
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
)
R = Logo(
    (74, 105, 150),
    (
        Line(21, 14, 21, 50),
        Line(21, 14, 32, 14),
        Bow(32, 24, 10),
        Line(32, 34, 21, 34),
        Line(31, 34, 43, 50),
    ),
)
SCALA = Logo(
    (168, 36, 48),
    (
        # S, out of straight strokes
        Line(43, 15, 22, 15),
        Line(22, 15, 22, 32),
        Line(22, 32, 43, 32),
        Line(43, 32, 43, 49),
        Line(43, 49, 21, 49),
    ),
)
TENSORFLOW = Logo(
    (190, 92, 12),
    (
        # T
        Line(12, 17, 34, 17),
        Line(23, 17, 23, 48),
        # F
        Line(42, 17, 42, 48),
        Line(42, 17, 54, 17),
        Line(42, 32, 52, 32),
    ),
)
LOGOS = {
    "python": PYTHON,
    "R": R,
    "scala": SCALA,
    "tensorflow": TENSORFLOW,
    "spark_python": PYTHON._replace(spark=True),
    "spark_R": R._replace(spark=True),
    "spark_scala": SCALA._replace(spark=True),
}

# Spark's star: six rays on a disk, in the lower right corner.
STAR, DISK, RAY, THIN = 50.0, 11.5, 6.5, 1.4
RAYS = tuple(
    Line(
        STAR - RAY * math.cos(angle),
        STAR - RAY * math.sin(angle),
        STAR + RAY * math.cos(angle),
        STAR + RAY * math.sin(angle),
    )
    for angle in (math.pi / 6, math.pi / 2, 5 * math.pi / 6)
)


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
            colour: tuple[float, ...] = logo.colour
            ink = _coverage(min(stroke.distance(x, y) for stroke in logo.strokes) - PEN)
            colour = _over(colour, WHITE, ink)
            if logo.spark:
                away = math.hypot(x - STAR, y - STAR)
                colour = _over(colour, WHITE, _coverage(away - DISK - 1.5))
                colour = _over(colour, ORANGE, _coverage(away - DISK))
                ray = _coverage(min(line.distance(x, y) for line in RAYS) - THIN)
                colour = _over(colour, WHITE, ray)
                tile = max(tile, _coverage(away - DISK - 1.5))
            pixels += bytes(round(part) for part in colour)
            pixels.append(round(255 * tile))
    return bytes(pixels)


def _over(below: tuple[float, ...], paint: tuple[int, ...], share: float) -> tuple[float, ...]:
    """A colour with another one painted over it."""
    return tuple(new * share + old * (1 - share) for old, new in zip(below, paint, strict=True))


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
