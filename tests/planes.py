"""Frames that a test makes up, as the decoder hands them over."""

import numpy as np
from av import VideoFrame


def from_rgb(frames: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB -> (T, H * 3 / 2, W) uint8, see preprocess/media/planes.py; H and W are even."""
    pictures = (VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24") for frame in frames)
    return np.stack([picture.reformat(format="yuvj420p", interpolation="AREA").to_ndarray() for picture in pictures])
