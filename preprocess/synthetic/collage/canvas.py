"""The canvas before the camera: textured shapes that cover one another ("dead leaves"), some text, some blur.

Occlusion at all sizes gives the edges and statistics of natural images without using one: Lee, Mumford, Huang,
"Occlusion models for natural images", IJCV 2001.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from preprocess.synthetic.collage.shapes import draw_shape
from preprocess.synthetic.collage.texture import Pixels, draw_colour, draw_texture

CANVAS_WIDTH_PX = 320
CANVAS_HEIGHT_PX = 240
_N_SHAPES = (2, 6, 15, 40, 90)
"""From a plain surface with something on it to clutter."""
_CLUTTERED = 20
"""From this number on, shapes are half as large."""
_CAPITALS = np.array([chr(code) for code in range(ord("A"), ord("Z") + 1)])


def draw_canvas(rng: np.random.Generator) -> Image.Image:
    """Draw a canvas, CANVAS_WIDTH_PX x CANVAS_HEIGHT_PX, RGB."""
    canvas = Image.fromarray(draw_texture(rng, CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX))
    n_shapes = int(rng.choice(_N_SHAPES))
    median_px = 37.0 if n_shapes < _CLUTTERED else 18.0
    for _ in range(n_shapes):
        _paste_shape(canvas, rng, median_px)
    if rng.random() < 0.3:
        _write_words(canvas, rng)
    if rng.random() < 0.4:
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.45, 2.25)))
    return canvas


def _paste_shape(canvas: Image.Image, rng: np.random.Generator, median_px: float) -> None:
    size = np.clip(median_px * rng.lognormal(0, 0.6), 8, 135)
    width, height = max(6, int(size * rng.uniform(0.5, 1.6))), int(size)
    surface = draw_texture(rng, height, width)
    if rng.random() < 0.4:
        surface = _shaded(rng, surface)
    place = int(rng.integers(-width // 2, CANVAS_WIDTH_PX)), int(rng.integers(-height // 2, CANVAS_HEIGHT_PX))
    canvas.paste(Image.fromarray(surface), place, draw_shape(rng, width, height))


def _shaded(rng: np.random.Generator, surface: Pixels) -> Pixels:
    """Light a surface from above or from the right."""
    height, width = surface.shape[:2]
    light = np.linspace(1, 0, height)[:, None, None] if rng.random() < 0.5 else np.linspace(0, 1, width)[None, :, None]
    return np.clip(surface * (0.4 + 0.9 * light), 0, 255).astype(np.uint8)


def _write_words(canvas: Image.Image, rng: np.random.Generator) -> None:
    """Write one to four words of two to eight capitals."""
    pen = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(CANVAS_WIDTH_PX - 48)), int(rng.integers(CANVAS_HEIGHT_PX - 15))
        word = "".join(rng.choice(_CAPITALS, size=rng.integers(2, 9)))
        font = ImageFont.load_default(size=int(rng.integers(12, 40)))
        pen.text(place, word, fill=draw_colour(rng), font=font)
