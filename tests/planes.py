"""Frames that a test makes up, as the decoder hands them over."""

import numpy as np

from preprocess.features.strip import encode_planes

_FROM_RGB = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
"""RGB to YCbCr, JFIF 1.02."""


def from_rgb(frames: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB -> (T, H * 3 / 2, W) uint8, see preprocess/media/planes.py; H and W are even."""
    t, h, w, _ = frames.shape
    y, cb, cr = np.moveaxis(frames.astype(np.float32) @ _FROM_RGB.T, 3, 0)
    chroma = (plane.reshape(t, h // 2, 2, w // 2, 2).mean((2, 4)) + 128 for plane in (cb, cr))
    flat = np.concatenate([plane.reshape(t, -1) for plane in (y, *chroma)], 1)
    return flat.round().clip(0, 255).astype(np.uint8).reshape(t, h * 3 // 2, w)


def encode_strip(frames: np.ndarray, quality: int) -> bytes:
    """Frames (T, H, W, 3) uint8 RGB -> a film strip; W is even."""
    return encode_planes(from_rgb(frames), quality)
