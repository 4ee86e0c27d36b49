"""Frames as JPEG codes them: full-range YCbCr of BT.601, chroma halved both ways and sited in the middle of four pixels.

ffmpeg decodes to this format (its yuv420p) and film strips are encoded from it. RGB in between would be twice the bytes.
A frame is H * 3 / 2 rows of W bytes, one plane after another: Y (H, W), then Cb and Cr (H / 2, W / 2).
"""

import numpy as np


def frame_height_px(planes: np.ndarray) -> int:
    """Height of frames (T, H * 3 / 2, W)."""
    return int(planes.shape[1] * 2 // 3)


def split(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One frame (H * 3 / 2, W) uint8 -> Y (H, W), Cb and Cr (H / 2, W / 2), without a copy; H is a multiple of 4."""
    rows, width = frame.shape
    height = rows * 2 // 3
    chroma = height // 2, width // 2
    return frame[:height], frame[height : height * 5 // 4].reshape(chroma), frame[height * 5 // 4 :].reshape(chroma)


def to_rgb(planes: np.ndarray) -> np.ndarray:
    """Frames (T, H * 3 / 2, W) uint8 -> (T, H, W, 3) uint8 RGB; four pixels share their chroma."""
    count, height, width = planes.shape[0], frame_height_px(planes), planes.shape[2]
    rgb = np.empty((count, height, width, 3), np.uint8)
    for number, frame in enumerate(planes):
        y, cb, cr = split(frame)
        blue, red = (plane.repeat(2, 0).repeat(2, 1).astype(np.float32) - 128 for plane in (cb, cr))  # (H, W)
        # The inverse of JFIF 1.02's conversion.
        colours = y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue
        rgb[number] = np.stack(colours, axis=-1).round().clip(0, 255)
    return rgb
