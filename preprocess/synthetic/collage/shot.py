"""Frames of the collage: shots with hard cuts, each a camera over a canvas, with things that move in front of it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.synthetic.collage.camera import draw_path, take_frames
from preprocess.synthetic.collage.canvas import draw_canvas, draw_shape, draw_texture

WIDTH_PX = 128
HEIGHT_PX = 96
FPS = 12.5
_SHOT_SECONDS = (1.25, 2.5, 5.0, 10.0)
_SHOT_SHARES = (0.15, 0.25, 0.3, 0.3)


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
    images = take_frames(draw_canvas(rng), draw_path(rng, n_frames, FPS), WIDTH_PX, HEIGHT_PX)
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
