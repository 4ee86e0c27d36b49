"""Images as queries: a still from a video, or a photo of one. A crash of a decoder ends a process of its own."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Never

import numpy as np

from preprocess.errors import MediaError, MediaLimitError
from preprocess.executors.processes import Executor
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.probe import open_source
from preprocess.schema import MAX_ASPECT_RATIO

FORMATS = {
    "JPEG": ".jpg .jpeg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "BMP": ".bmp", "TIFF": ".tif .tiff"
}  # fmt: skip
"""Pillow's decoders that may read a query, and the extensions of such files."""
IMAGE_SUFFIXES = frozenset(" ".join(FORMATS.values()).split())
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error)
"""What Pillow raises for files that are no images, or damaged ones."""


_Asked = tuple[Path, int, Limits]


def read_image(path: Path, short_side_px: int, limits: Limits = USUAL_LIMITS) -> np.ndarray:
    """Read an image, upright, its short side reduced or enlarged to `short_side_px`: (H, W, 3) uint8.

    Raises:
        MediaError: it cannot be read; the subclasses say more.
    """
    from PIL import Image, ImageOps

    with open_source(path, limits) as file:
        try:
            with Image.open(file, formats=tuple(FORMATS)) as image:
                width, height = image.size
                if width * height > limits.max_pixels:
                    raise MediaLimitError(path, f"{width}x{height} px, the limit is {limits.max_pixels} pixels")
                upright = ImageOps.exif_transpose(image)
                if upright.mode.startswith("I;16"):  # Pillow would cut off all above 255
                    upright = Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
                elif upright.mode in ("I", "F"):
                    raise MediaError(
                        path, "has pixels of 32 bits, of which white is not known; save it with 8 or 16 bits"
                    )
                upright = upright.convert("RGB")
        except (*_DAMAGED, Image.DecompressionBombError) as error:
            raise MediaError(path, f"no image that can be read ({error})") from error
    aspect = min(max(upright.width / upright.height, 1 / MAX_ASPECT_RATIO), MAX_ASPECT_RATIO)
    width, height = (round(short_side_px * max(1, each)) for each in (aspect, 1 / aspect))
    return np.array(upright.resize((width, height), Image.Resampling.LANCZOS))


def read_image_apart(path: Path, short_side_px: int, limits: Limits, executor: Executor) -> np.ndarray:
    """As `read_image`, where an executor runs tasks.

    Raises:
        MediaError: it cannot be read, or its decoder crashed.
    """
    (frame,) = executor.run(_read, [(path, short_side_px, limits)], lambda _: None, _crashed)
    return frame


def _read(asked: _Asked, report: Callable[[np.ndarray], None]) -> np.ndarray:
    del report
    return read_image(*asked)


def _crashed(asked: _Asked, last: np.ndarray | None, how: str) -> Never:
    del last
    raise MediaError(asked[0], f"the process that read it ended: {how}")
