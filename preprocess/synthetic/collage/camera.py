"""A camera that pans, zooms, turns and shakes over a canvas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MARGIN = 0.31
"""Reach of the furthest view beyond the canvas, as a share of its size: a turned view at zoom 1 has its corner at
0.2 + sqrt(2), that is 0.307 canvases outside."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CameraPath:
    """Where the camera is at every frame; each (T,)."""

    zoom: Floats  # size of the view relative to the canvas
    x: Floats  # of its centre; the canvas reaches from -1 to 1
    y: Floats
    angle: Floats  # radians


def draw_path(rng: np.random.Generator, n_frames: int, fps: float) -> CameraPath:
    """Draw a path: 35 of 100 stand still, 30 of 100 shake."""
    unit = np.linspace(0, 1, n_frames)
    pace = 0.0 if rng.random() < 0.35 else 1.0
    zoom = rng.uniform(0.4, 0.95) * np.exp(pace * rng.normal(0, 0.25) * unit)
    zoom = np.clip(zoom, 0.3, 1)
    x, y = (rng.uniform(-0.4, 0.4) + pace * rng.normal(0, 0.35) * unit for _ in range(2))
    if rng.random() < 0.3:
        x, y = (centre + np.cumsum(rng.normal(0, 0.042 / np.sqrt(fps), n_frames)) for centre in (x, y))
    angle = pace * rng.normal(0, 0.15) * unit + rng.normal(0, 0.05)
    reach = 1 - 0.8 * zoom
    return CameraPath(zoom, np.clip(x, -reach, reach), np.clip(y, -reach, reach), angle)


def take_frames(canvas: Image.Image, path: CameraPath, width_px: int, height_px: int) -> list[Image.Image]:
    """Take a frame at every point of the path, bilinear; beyond its edges the canvas is mirrored."""
    left, top = round(_MARGIN * canvas.width), round(_MARGIN * canvas.height)
    wide = Image.fromarray(np.pad(np.asarray(canvas), ((top, top), (left, left), (0, 0)), mode="symmetric"))
    return [
        wide.transform((width_px, height_px), Image.Transform.AFFINE, tuple(row), Image.Resampling.BILINEAR)
        for row in _affine(path, canvas.size, (width_px, height_px)) + np.array([0, 0, left, 0, 0, top])
    ]


def _affine(path: CameraPath, canvas: tuple[int, int], frame: tuple[int, int]) -> Floats:
    """Coefficients (T, 6) that take pixels of the frame to pixels of the canvas, in the order of Image.transform."""
    cos, sin = path.zoom * np.cos(path.angle), path.zoom * np.sin(path.angle)
    (width, height), (columns, rows) = canvas, frame
    across = (cos * width / columns, -sin * width / rows, (path.x - cos + sin + 1) / 2 * width)
    down = (sin * height / columns, cos * height / rows, (path.y - sin - cos + 1) / 2 * height)
    return np.stack([*across, *down], axis=1)
