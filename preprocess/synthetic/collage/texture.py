"""Surfaces: noise of a drawn roughness, gradients, stripes, plain colours."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""


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
