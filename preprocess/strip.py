"""Film strips: the frames of a segment stacked downwards in one JPEG, so that one call decodes them all.

A restart marker stands at every border of two frames: `preprocess/splice.py` takes some of them out without decoding any.
"""

import io

import numpy as np
import simplejpeg
from PIL import Image

from preprocess.errors import StripError
from preprocess.schema import FRAME_HEIGHT_MULTIPLE_PX, MAX_STRIP_HEIGHT_PX

MAX_STRIP_WIDTH_PX = 16_384
MAX_FRAME_BLOCKS = 65_535
"""Blocks of 16x16 px between two restart markers: their number has two bytes."""


def encode_strip(frames: np.ndarray, quality: int) -> bytes:
    """Frames (T, H, W, 3) uint8 RGB -> one baseline JPEG of T * H rows, chroma halved both ways (4:2:0).

    With H a multiple of 16 no coded block holds two frames, and a restart marker stands after each frame but the last.
    Decoders that smooth the chroma while doubling it still mix the chroma of rows on both sides of a frame's edge;
    `decode_strip` does not.

    Raises:
        StripError: the frames are not of that shape, or the strip would be too high.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or frames.size == 0:
        raise StripError(f"frames must be (T, H, W, 3) uint8 and not empty, not {frames.shape} {frames.dtype}")
    n_frames, height, width, _ = frames.shape
    if height % FRAME_HEIGHT_MULTIPLE_PX:
        raise StripError(f"the frame height must be a multiple of {FRAME_HEIGHT_MULTIPLE_PX} px, not {height}")
    if n_frames * height > MAX_STRIP_HEIGHT_PX or width > MAX_STRIP_WIDTH_PX:
        raise StripError(f"{n_frames} frames of {width}x{height} px do not fit into {MAX_STRIP_HEIGHT_PX} px")
    block_rows = height // FRAME_HEIGHT_MULTIPLE_PX
    if block_rows * -(-width // FRAME_HEIGHT_MULTIPLE_PX) > MAX_FRAME_BLOCKS:
        raise StripError(f"a frame of {width}x{height} px has more than {MAX_FRAME_BLOCKS} blocks of 16x16 px")
    rows = np.ascontiguousarray(frames).reshape(n_frames * height, width, 3)  # (T * H, W, 3), no copy if contiguous
    file = io.BytesIO()
    Image.fromarray(rows).save(file, "JPEG", quality=quality, subsampling="4:2:0", restart_marker_rows=block_rows)
    return file.getvalue()


def decode_strip(data: bytes, n_frames: int) -> np.ndarray:
    """One JPEG strip -> frames (T, H, W, 3) uint8 RGB.

    The header is checked before any pixel is decoded.

    Raises:
        StripError: the data is no JPEG, is damaged or too large, or its height does not hold `n_frames` frames.
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
        raise StripError("a strip is in colour, this one is grey")
    try:
        rows = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False, fastupsample=True)
    except ValueError as error:
        raise StripError(f"damaged JPEG: {error}") from error
    return rows.reshape(n_frames, height // n_frames, width, 3)
