"""Outlines: ellipses, rectangles, jagged and rounded forms, turned at random."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_OVERSAMPLING = 2
"""Outlines are drawn this much larger, since ImageDraw does not smooth edges."""


def draw_shape(rng: np.random.Generator, width_px: int, height_px: int) -> Image.Image:
    """Draw a mask of mode L: 255 inside, 0 outside."""
    width, height = _OVERSAMPLING * width_px, _OVERSAMPLING * height_px
    mask = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(mask)
    kind = rng.integers(4)
    if kind == 0:
        pen.ellipse((0, 0, width - 1, height - 1), fill=255)
    elif kind == 1:
        pen.rectangle((0, 0, width - 1, height - 1), fill=255)
    else:
        angle, radius = _jagged(rng) if kind == 2 else _rounded(rng)
        across, down = width / 2 * (1 + radius * np.cos(angle)), height / 2 * (1 + radius * np.sin(angle))
        pen.polygon(list(zip(across.tolist(), down.tolist(), strict=True)), fill=255)
    return mask.resize((width_px, height_px)).rotate(rng.uniform(0, 360))


def _jagged(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angles and radii of 3 to 7 corners."""
    n_corners = int(rng.integers(3, 8))
    return np.sort(rng.uniform(0, 2 * np.pi, n_corners)), rng.uniform(0.4, 1, n_corners)


def _rounded(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angles and radii of a circle with a few waves on it."""
    angle = np.linspace(0, 2 * np.pi, 40)
    radius = np.full_like(angle, 0.6)
    for lobes in range(2, 6):
        radius += rng.uniform(0, 0.2) * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi))
    return angle, radius
