"""Pictures as queries: a still from a video, or a photo of one, as footage of a single frame."""

import struct
from pathlib import Path

import numpy as np
import torch

from evaluate.fingerprint.describe.footage import Footage
from preprocess.errors import MediaError, MediaLimitError
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.probe import open_source
from preprocess.schema import MAX_ASPECT_RATIO, ShardParams

FORMATS = {
    "JPEG": ".jpg .jpeg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "BMP": ".bmp", "TIFF": ".tif .tiff"
}  # fmt: skip
"""Pillow's decoders that may read a query, and the extensions of such files."""
PICTURES = frozenset(" ".join(FORMATS.values()).split())
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error)
"""What Pillow raises for files that are no pictures, or damaged ones."""


def read_picture(path: Path, params: ShardParams, limits: Limits = USUAL_LIMITS) -> Footage:
    """Read a picture, upright, its short side reduced or enlarged to `params.short_side_px`.

    Raises:
        MediaError: it cannot be read; the subclasses say more.
    """
    from PIL import Image, ImageOps

    with open_source(path, limits) as file:
        try:
            with Image.open(file, formats=tuple(FORMATS)) as picture:
                width, height = picture.size
                if width * height > limits.max_pixels:
                    raise MediaLimitError(path, f"{width}x{height} px, the limit is {limits.max_pixels} pixels")
                upright = ImageOps.exif_transpose(picture).convert("RGB")
        except _DAMAGED as error:
            raise MediaError(path, f"no picture that can be read ({error})") from error
    aspect = min(max(upright.width / upright.height, 1 / MAX_ASPECT_RATIO), MAX_ASPECT_RATIO)
    size = (round(params.short_side_px * max(1, each)) for each in (aspect, 1 / aspect))
    frame = torch.from_numpy(np.array(upright.resize((next(size), next(size)), Image.Resampling.LANCZOS)))
    return Footage(frame[None], torch.zeros(params.n_mels, params.columns_per_frame), torch.zeros(1, dtype=torch.bool))
