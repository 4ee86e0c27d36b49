"""Film strips: the frames of a segment stacked downwards in one JPEG, so that one call decodes them all.

A restart marker stands at every border of two frames: `features/splice.py` takes frames out without decoding.
"""

import numpy as np
import simplejpeg

from preprocess.errors import StripError
from preprocess.features.splice import join
from preprocess.media.planes import frame_height_px, split
from preprocess.schema import FRAME_HEIGHT_MULTIPLE_PX, MAX_STRIP_HEIGHT_PX

MAX_STRIP_WIDTH_PX = 16_384
MAX_FRAME_BLOCKS = 65_535
"""Blocks of 16x16 px between two restart markers: a JPEG stores their number in two bytes."""


def encode_planes(planes: np.ndarray, quality: int) -> bytes:
    """Frames (T, H * 3 / 2, W) uint8, laid out as in preprocess/media/planes.py -> one baseline JPEG of T * H rows; W is even.

    Every frame is coded alone, because H is a multiple of 16. A decoder that smooths the chroma while it doubles it mixes
    the chroma rows on both sides of a frame's border; `decode_strip` does not.

    Raises:
        StripError: the strip would be too high, or H is not a multiple of 16.
    """
    n_frames, height, width = len(planes), frame_height_px(planes), planes.shape[2]
    block = FRAME_HEIGHT_MULTIPLE_PX
    if height % block:
        raise StripError(f"the frame height must be a multiple of {block} px, not {height}")
    if n_frames * height > MAX_STRIP_HEIGHT_PX or width > MAX_STRIP_WIDTH_PX:
        raise StripError(f"{n_frames} frames of {width}x{height} px do not fit into {MAX_STRIP_HEIGHT_PX} px")
    if height // block * -(-width // block) > MAX_FRAME_BLOCKS:
        raise StripError(f"a frame of {width}x{height} px has more than {MAX_FRAME_BLOCKS} blocks of 16x16 px")
    frames = np.ascontiguousarray(planes)
    return join([simplejpeg.encode_jpeg_yuv_planes(*split(frame), quality, fastdct=False) for frame in frames])


def decode_strip(data: bytes, n_frames: int) -> np.ndarray:
    """One JPEG strip -> frames (T, H, W, 3) uint8 RGB; the header is checked before any pixel is decoded.

    Raises:
        StripError: the data is not a JPEG, is damaged or too large, or its height does not hold `n_frames` frames.
    """
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise StripError(f"not a JPEG: {error}") from error
    if height > MAX_STRIP_HEIGHT_PX or width > MAX_STRIP_WIDTH_PX:
        raise StripError(f"a strip of {width}x{height} px is over the limit of {MAX_STRIP_HEIGHT_PX} px")
    if n_frames < 1 or height % n_frames or height // n_frames % FRAME_HEIGHT_MULTIPLE_PX:
        raise StripError(f"a strip of {height} px does not hold {n_frames} frames of whole blocks")
    if colorspace.upper() == "GRAY":
        raise StripError("the strip is grey, it must be in colour")
    try:
        rows = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False, fastupsample=True)
    except ValueError as error:
        raise StripError(f"damaged JPEG: {error}") from error
    return rows.reshape(n_frames, height // n_frames, width, 3)
