"""The canvas before the camera: textured shapes that cover one another ("dead leaves"), some text, some blur.

Occlusion at all sizes gives the edges and statistics of natural images without using one: Lee, Mumford, Huang,
"Occlusion models for natural images", IJCV 2001.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

CANVAS_WIDTH_PX = 320
CANVAS_HEIGHT_PX = 240
_N_SHAPES = (2, 6, 15, 40, 90)
"""From a plain surface with something on it to clutter."""
_CLUTTERED = 20
"""From this number on, shapes are half as large."""
_CAPITALS = np.array([chr(code) for code in range(ord("A"), ord("Z") + 1)])
_OVERSAMPLING = 2
"""Outlines are drawn this much larger, since ImageDraw does not smooth edges."""

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""


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


def draw_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw a colour; extremes are as frequent as in overexposed and dark images."""
    red, green, blue = np.clip(rng.normal(128, 70, size=3), 0, 255).astype(int).tolist()
    return red, green, blue


def draw_texture(rng: np.random.Generator, height_px: int, width_px: int) -> Pixels:
    """Draw a surface, (height_px, width_px, 3): half of them are noise."""
    kind = rng.integers(6)
    if kind < 3:
        return _noise(rng, height_px, width_px)
    if kind == 3:
        return _gradient(rng, height_px, width_px)
    if kind == 4:
        return _stripes(rng, height_px, width_px)
    return np.full((height_px, width_px, 3), draw_colour(rng), np.uint8)


def _noise(rng: np.random.Generator, height_px: int, width_px: int) -> Pixels:
    """Noise whose amplitude falls with a power of frequency (near 1 in natural images), coarser along one direction."""
    slope, angle, stretch = rng.uniform(0.5, 2), rng.uniform(0, np.pi), np.exp(rng.normal(0, 0.5))
    down = np.fft.fftfreq(height_px).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(width_px).astype(np.float32)[None]
    along = np.float32(np.cos(angle)) * down + np.float32(np.sin(angle)) * across
    aside = np.float32(np.cos(angle)) * across - np.float32(np.sin(angle)) * down
    power = np.float32(stretch) * along**2 + aside**2 / np.float32(stretch)
    power[0, 0] = 1
    white = rng.standard_normal((3, height_px, width_px), dtype=np.float32)
    planes = np.fft.irfft2(np.fft.rfft2(white) * power ** np.float32(-slope / 2), (height_px, width_px))
    planes -= planes.mean(axis=(1, 2), keepdims=True)
    planes /= planes.std(axis=(1, 2), keepdims=True) + 1e-6
    mix = 0.35 * rng.normal(size=(3, 3)) + 0.3 * np.eye(3) + rng.uniform(0, 0.5)
    base, contrast = rng.uniform(40, 215, size=3), rng.uniform(20, 55)
    coloured = np.tensordot(planes, (contrast * mix).astype(np.float32), axes=(0, 1))  # (H, W, 3)
    return np.clip(coloured + base.astype(np.float32), 0, 255).astype(np.uint8)


def _between(rng: np.random.Generator, share: NDArray[np.float64]) -> Pixels:
    """Two drawn colours mixed by a share (H, W) in 0..1 of the second."""
    first, second = np.array(draw_colour(rng)), np.array(draw_colour(rng))
    return (first + (second - first) * share[..., None]).astype(np.uint8)


def _gradient(rng: np.random.Generator, height_px: int, width_px: int) -> Pixels:
    angle = rng.uniform(0, 2 * np.pi)
    down, across = np.mgrid[0:height_px, 0:width_px]
    ramp = np.cos(angle) * across / width_px + np.sin(angle) * down / height_px
    return _between(rng, (ramp - ramp.min()) / (np.ptp(ramp) + 1e-6))


def _stripes(rng: np.random.Generator, height_px: int, width_px: int) -> Pixels:
    """Waves of one direction and period; half of them with hard edges."""
    angle, period_px, phase = rng.uniform(0, 2 * np.pi), rng.uniform(6, 60), rng.uniform(0, 2 * np.pi)
    down, across = np.mgrid[0:height_px, 0:width_px]
    wave = np.sin(2 * np.pi / period_px * (np.cos(angle) * across + np.sin(angle) * down) + phase)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    return _between(rng, (wave + 1) / 2)
