"""Film strips out of frames and of frames of another strip, by copying bytes: nothing is decoded or encoded.

A strip has a restart marker at every border of two frames (`preprocess/strip.py`). So the coded blocks of a frame refer to
no other frame, and a header with another height, some frames' bytes and markers counted anew are a whole JPEG again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from preprocess.errors import StripError

_START, _END = b"\xff\xd8", b"\xff\xd9"
_FRAME, _INTERVAL, _SCAN = 0xC0, 0xDD, 0xDA
"""Second bytes of the markers that are read: baseline frame, restart interval, scan (ITU-T T.81, table B.1)."""
_FIRST_RESTART, _N_RESTARTS = 0xD0, 8
_BLOCK_PX = 16
"""Side of what 4:2:0 codes at once."""

Bytes = bytes | memoryview
"""A strip; of an array take `.data`."""


@dataclass(frozen=True)
class _Header:
    """What stands before the coded blocks.

    Attributes:
        n_bytes: its length.
        height_at: place of the strip's height, two bytes.
        height_px: of the strip.
        frame_height_px: of what stands between two restart markers.
    """

    n_bytes: int
    height_at: int
    height_px: int
    frame_height_px: int


def splice(strip: Bytes, frames: Sequence[int]) -> bytes:
    """A strip of these frames of another strip, in this order.

    Raises:
        StripError: the strip has no restart marker at every border of two frames, is damaged, or lacks one of the frames.
    """
    data = memoryview(strip)
    header = _read_header(data)
    spans = _spans(data, header)
    if not len(frames) or min(frames) < 0 or max(frames) >= len(spans):
        raise StripError(f"a strip of {len(spans)} frames was asked for the frames {list(frames)}")
    head = bytearray(data[: header.n_bytes])
    head[header.height_at : header.height_at + 2] = (header.frame_height_px * len(frames)).to_bytes(2, "big")
    return _strip(head, [data[slice(*spans[frame])] for frame in frames])


def join(frames: Sequence[bytes]) -> bytes:
    """A strip of frames that are baseline JPEGs, of one encoder, size, quality and 4:2:0.

    Raises:
        StripError: there are none, they are no such JPEGs, or their headers differ.
    """
    if not frames:
        raise StripError("a strip needs a frame")
    first = memoryview(frames[0])
    at = dict(_marks(first))
    if _FRAME not in at or _INTERVAL in at:
        raise StripError("a frame of a strip is a baseline JPEG without restart markers")
    end = at[_SCAN] + 2 + _number(first, at[_SCAN] + 2)
    if any(frame[:end] != frames[0][:end] for frame in frames):
        raise StripError("the frames of a strip are JPEGs of one size and quality")
    height, width = _number(first, at[_FRAME] + 5), _number(first, at[_FRAME] + 7)
    interval = -(-height // _BLOCK_PX) * -(-width // _BLOCK_PX)
    head = bytearray(first[: at[_SCAN]])
    head[at[_FRAME] + 5 : at[_FRAME] + 7] = (height * len(frames)).to_bytes(2, "big")
    head += bytes((0xFF, _INTERVAL, 0, 4)) + interval.to_bytes(2, "big") + first[at[_SCAN] : end]
    return _strip(head, [memoryview(frame)[end : -len(_END)] for frame in frames])


def count_frames(strip: Bytes) -> int:
    """Frames that can be spliced out of a strip.

    Raises:
        StripError: as `splice`.
    """
    data = memoryview(strip)
    return len(_spans(data, _read_header(data)))


def _strip(head: bytearray, frames: Sequence[memoryview]) -> bytes:
    """A header, the coded blocks of frames with restart markers between them, and the end."""
    parts: list[bytes | bytearray | memoryview] = [head]
    for number, blocks in enumerate(frames):
        if number:
            parts.append(bytes((0xFF, _FIRST_RESTART + (number - 1) % _N_RESTARTS)))
        parts.append(blocks)
    return b"".join([*parts, _END])


def _marks(data: memoryview) -> Iterator[tuple[int, int]]:
    """The header's markers by their second bytes, and where they stand, up to that of the scan."""
    if data[:2] != _START:
        raise StripError("not a JPEG")
    at = 2
    try:
        while (marker := data[at + 1]) != _SCAN:
            yield marker, at
            at += 2 + _number(data, at + 2)
    except IndexError as error:
        raise StripError("damaged JPEG: its header does not end") from error
    yield _SCAN, at


def _read_header(data: memoryview) -> _Header:
    at = dict(_marks(data))
    height_at = at[_FRAME] + 5 if _FRAME in at else 0
    try:
        interval = _number(data, at[_INTERVAL] + 4) if _INTERVAL in at else 0
        n_bytes = at[_SCAN] + 2 + _number(data, at[_SCAN] + 2)
        height, width, sampling = _number(data, height_at), _number(data, height_at + 2), data[height_at + 6]
    except IndexError as error:
        raise StripError("damaged JPEG: its header does not end") from error
    blocks_a_row = -(-width // max(1, 8 * (sampling >> 4)))
    if not height_at or not interval or not blocks_a_row or interval % blocks_a_row:
        raise StripError("a strip is a baseline JPEG with a restart marker at every border of two frames")
    return _Header(n_bytes, height_at, height, interval // blocks_a_row * 8 * (sampling & 15))


def _number(data: memoryview, at: int) -> int:
    """Two bytes, the higher one first."""
    return data[at] << 8 | data[at + 1]


def _spans(data: memoryview, header: _Header) -> list[tuple[int, int]]:
    """First byte and the byte after the last of each frame.

    In coded blocks a byte 0xFF that is no marker's is followed by 0: looking for the markers takes a few per cent of the
    time that decoding does, so that a shard need not keep their places.
    """
    found = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(found[header.n_bytes : -1] == 0xFF) + header.n_bytes
    at = at[found[at + 1] & 0xF8 == _FIRST_RESTART]
    in_order = np.array_equal(found[at + 1], _FIRST_RESTART + np.arange(len(at)) % _N_RESTARTS)
    if not in_order or (len(at) + 1) * header.frame_height_px != header.height_px or data[-2:] != _END:
        raise StripError("damaged JPEG: restart markers are missing or out of order")
    borders = at.tolist()
    return list(zip([header.n_bytes, *(border + 2 for border in borders)], [*borders, len(data) - 2], strict=True))
