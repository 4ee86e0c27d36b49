"""Frames of the collage: shots with hard cuts.

In each, a camera pans, zooms, turns and shakes over a canvas, and things move in front of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.synthetic.collage.canvas import draw_canvas, draw_shape, draw_texture

WIDTH_PX = 128
HEIGHT_PX = 96
FPS = 12.5
_SHOT_SECONDS = (1.25, 2.5, 5.0, 10.0)
_SHOT_SHARES = (0.15, 0.25, 0.3, 0.3)
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


def _draw_path(rng: np.random.Generator, n_frames: int) -> CameraPath:
    """Draw a path: 35 of 100 stand still, 30 of 100 shake."""
    unit = np.linspace(0, 1, n_frames)
    pace = 0.0 if rng.random() < 0.35 else 1.0
    zoom = rng.uniform(0.4, 0.95) * np.exp(pace * rng.normal(0, 0.25) * unit)
    zoom = np.clip(zoom, 0.3, 1)
    x, y = (rng.uniform(-0.4, 0.4) + pace * rng.normal(0, 0.35) * unit for _ in range(2))
    if rng.random() < 0.3:
        x, y = (centre + np.cumsum(rng.normal(0, 0.042 / np.sqrt(FPS), n_frames)) for centre in (x, y))
    angle = pace * rng.normal(0, 0.15) * unit + rng.normal(0, 0.05)
    reach = 1 - 0.8 * zoom
    return CameraPath(zoom, np.clip(x, -reach, reach), np.clip(y, -reach, reach), angle)


def take_frames(canvas: Image.Image, path: CameraPath) -> list[Image.Image]:
    """Take a frame at every point of the path, bilinear; beyond its edges the canvas is mirrored."""
    left, top = round(_MARGIN * canvas.width), round(_MARGIN * canvas.height)
    wide = Image.fromarray(np.pad(np.asarray(canvas), ((top, top), (left, left), (0, 0)), mode="symmetric"))
    cos, sin = path.zoom * np.cos(path.angle), path.zoom * np.sin(path.angle)
    width, height = canvas.size
    across = (cos * width / WIDTH_PX, -sin * width / HEIGHT_PX, (path.x - cos + sin + 1) / 2 * width + left)
    down = (sin * height / WIDTH_PX, cos * height / HEIGHT_PX, (path.y - sin - cos + 1) / 2 * height + top)
    # (T, 6): they take pixels of the frame to pixels of the canvas, in the order of Image.transform.
    coefficients = np.stack([*across, *down], axis=1)
    size, affine, bilinear = (WIDTH_PX, HEIGHT_PX), Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return [wide.transform(size, affine, tuple(row), bilinear) for row in coefficients]


def _paste_sprite(images: list[Image.Image], rng: np.random.Generator) -> None:
    """Draw a thing and paste it into all frames of a shot: it drifts and circles over them."""
    height = int(rng.integers(9, 51))
    width = int(height * rng.uniform(0.6, 1.5))
    surface, mask = Image.fromarray(draw_texture(rng, height, width)), draw_shape(rng, width, height)
    start, velocity = rng.uniform((0, 0), (WIDTH_PX, HEIGHT_PX)), rng.normal(0, 7.5, size=2)  # px and px/s
    swing_px, swing_hz, phase = rng.uniform(0, 18), rng.uniform(0.2, 2), rng.uniform(0, 2 * np.pi)
    for number, image in enumerate(images):
        seconds = number / FPS
        turn = 2 * np.pi * swing_hz * seconds + phase
        x, y = start + velocity * seconds + swing_px * np.array([np.sin(turn), np.cos(turn)])
        image.paste(surface, (int(x) - width // 2, int(y) - height // 2), mask)


def _render_shot(rng: np.random.Generator, n_frames: int) -> NDArray[np.uint8]:
    """Render a shot, (n_frames, HEIGHT_PX, WIDTH_PX, 3) RGB; 30 of 100 get darker or lighter from beginning to end."""
    images = take_frames(draw_canvas(rng), _draw_path(rng, n_frames))
    for _ in range(rng.integers(5)):
        _paste_sprite(images, rng)
    frames = np.stack([np.asarray(image) for image in images]).astype(np.float32)
    if rng.random() < 0.3:
        light = 1 + rng.uniform(-0.5, 0.3) * np.linspace(0, 1, n_frames)
        frames *= light.astype(np.float32)[:, None, None, None]
    frames += np.float32(rng.uniform(0, 4)) * rng.standard_normal(frames.shape, dtype=np.float32)
    return np.clip(frames, 0, 255, out=frames).astype(np.uint8)


def render_frames(rng: np.random.Generator, n_frames: int) -> NDArray[np.uint8]:
    """Render a video's frames at FPS, (n_frames, HEIGHT_PX, WIDTH_PX, 3) RGB; the end cuts the last shot short."""
    shots: list[NDArray[np.uint8]] = []
    left = n_frames
    while left > 0:
        length = min(left, round(FPS * rng.choice(_SHOT_SECONDS, p=_SHOT_SHARES)))
        shots.append(_render_shot(rng, length))
        left -= length
    return np.concatenate(shots)
