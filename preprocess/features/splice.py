"""Makes film strips out of frames, and out of some frames of another strip, by copying bytes without decoding.

A strip has a restart marker at every border of two frames (`features/strip.py`), so the coded blocks of a frame refer to no
other frame. A header with another height, the bytes of some frames and new markers are a whole JPEG again. The header
lists the length of every frame, so a reader of a few frames touches the bytes of these frames only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from preprocess.errors import StripError

_MARK = 0xFF
"""First byte of every marker."""
_START, _END = b"\xff\xd8", b"\xff\xd9"
_FRAME, _INTERVAL, _SCAN = 0xC0, 0xDD, 0xDA
"""Second bytes of the markers that are read: baseline frame, restart interval, scan (ITU-T T.81, table B.1)."""
_FIRST_RESTART, _N_RESTARTS = 0xD0, 8
_RESTARTS = [bytes((_MARK, _FIRST_RESTART + number)) for number in range(_N_RESTARTS)]
_LENGTHS, _NAME = 0xE9, b"avtempo\0"
"""Marker and first bytes of the segment that lists the frames' lengths; other programs skip such a segment."""
_LENGTH = np.dtype(">u4")
_BLOCK_PX = 16
"""Side of the blocks that 4:2:0 codes."""

Bytes = bytes | memoryview
"""A strip; of an array pass `.data`."""


@dataclass(frozen=True)
class _Header:
    """The part of a strip before the coded blocks.

    Attributes:
        n_bytes: length of the header.
        height_at: place of the strip's height, two bytes.
        frame_height_px: height of the rows between two restart markers.
        lengths_at: place of the segment of lengths; the scan's segment follows.
        scan_at: place of the scan's segment.
        lengths: (T,) bytes of each frame's coded blocks, without markers.
    """

    n_bytes: int
    height_at: int
    frame_height_px: int
    lengths_at: int
    scan_at: int
    lengths: np.ndarray


def splice(strip: Bytes, frames: Sequence[int]) -> bytes:
    """Make a strip of these frames of another strip, in this order.

    Raises:
        StripError: the strip does not list its frames, is damaged there, or lacks one of the frames.
    """
    data = memoryview(strip)
    header = _read_header(data)
    n_frames = len(header.lengths)
    if not len(frames) or min(frames) < 0 or max(frames) >= n_frames:
        raise StripError(f"a strip of {n_frames} frames cannot give the frames {list(frames)}")
    # The first byte after each frame and its marker.
    borders = (header.n_bytes + np.cumsum(header.lengths + len(_END))).tolist()
    blocks = []
    for frame in frames:
        start, stop = borders[frame - 1] if frame else header.n_bytes, borders[frame] - len(_END)
        behind = _FIRST_RESTART + frame % _N_RESTARTS if frame + 1 < n_frames else _END[1]
        before = _FIRST_RESTART + (frame - 1) % _N_RESTARTS
        is_there = data[stop] == _MARK and data[stop + 1] == behind
        if not is_there or (frame and not (data[start - 2] == _MARK and data[start - 1] == before)):
            raise StripError("damaged JPEG: frames do not lie where its header says")
        blocks.append(data[start:stop])
    head = bytearray(data[: header.lengths_at])
    head[header.height_at : header.height_at + 2] = (header.frame_height_px * len(frames)).to_bytes(2, "big")
    return _assemble(head, data[header.scan_at : header.n_bytes], blocks)


def join(frames: Sequence[bytes]) -> bytes:
    """Make a strip of frames that are baseline JPEGs of one encoder, size, quality and 4:2:0.

    Raises:
        StripError: there are no frames, they are not such JPEGs, or their headers differ.
    """
    if not frames:
        raise StripError("a strip needs a frame")
    first = memoryview(frames[0])
    at = dict(_markers(first))
    if _FRAME not in at or _INTERVAL in at:
        raise StripError("a frame of a strip is a baseline JPEG without restart markers")
    end = at[_SCAN] + 2 + _number(first, at[_SCAN] + 2)
    if any(frame[:end] != frames[0][:end] for frame in frames):
        raise StripError("the frames of a strip are JPEGs of one size and quality")
    height, width = _number(first, at[_FRAME] + 5), _number(first, at[_FRAME] + 7)
    interval = -(-height // _BLOCK_PX) * -(-width // _BLOCK_PX)
    head = bytearray(first[: at[_SCAN]])
    head[at[_FRAME] + 5 : at[_FRAME] + 7] = (height * len(frames)).to_bytes(2, "big")
    head += bytes((_MARK, _INTERVAL, 0, 4)) + interval.to_bytes(2, "big")
    return _assemble(head, first[at[_SCAN] : end], [memoryview(frame)[end : -len(_END)] for frame in frames])


def count_frames(strip: Bytes) -> int:
    """Count the frames that `splice` can take; reads the whole strip and checks that no other restart markers are in it.

    Raises:
        StripError: as `splice`, for any frame.
    """
    data = memoryview(strip)
    header = _read_header(data)
    found = np.frombuffer(data, np.uint8)
    # In coded blocks, a 0 follows every byte 0xFF that does not begin a marker.
    at = np.flatnonzero(found[header.n_bytes : -1] == _MARK) + header.n_bytes
    at = at[found[at + 1] & 0xF8 == _FIRST_RESTART]
    n_frames = len(header.lengths)
    borders = header.n_bytes + np.cumsum(header.lengths + 2)[:-1] - 2
    in_order = np.array_equal(found[at + 1], _FIRST_RESTART + np.arange(n_frames - 1) % _N_RESTARTS)
    if not in_order or not np.array_equal(at, borders) or data[-2:] != _END:
        raise StripError("damaged JPEG: restart markers are missing or out of order")
    return n_frames


def _assemble(head: bytearray, scan: memoryview, frames: Sequence[memoryview]) -> bytes:
    """Join a header, the frames' lengths, the scan's segment, and the coded blocks with restart markers between them."""
    lengths = _NAME + np.array([len(blocks) for blocks in frames], _LENGTH).tobytes()
    parts: list[bytes | bytearray | memoryview] = [
        head, bytes((_MARK, _LENGTHS)), (2 + len(lengths)).to_bytes(2, "big"), lengths, scan, frames[0],
    ]  # fmt: skip
    for number, blocks in enumerate(frames[1:], 1):
        parts += (_RESTARTS[(number - 1) % _N_RESTARTS], blocks)
    return b"".join([*parts, _END])


def _markers(data: memoryview) -> Iterator[tuple[int, int]]:
    """Yield the second byte and the place of each marker of the header, the scan's last."""
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
    at = dict(_markers(data))
    height_at = at[_FRAME] + 5 if _FRAME in at else 0
    lengths_at, scan_at = at.get(_LENGTHS, 0), at[_SCAN]
    try:
        interval = _number(data, at[_INTERVAL] + 4) if _INTERVAL in at else 0
        n_bytes = scan_at + 2 + _number(data, scan_at + 2)
        height, width, sampling = _number(data, height_at), _number(data, height_at + 2), data[height_at + 6]
    except IndexError as error:
        raise StripError("damaged JPEG: its header does not end") from error
    blocks_a_row = -(-width // max(1, 8 * (sampling >> 4)))
    named = lengths_at > height_at and data[lengths_at + 4 : lengths_at + 4 + len(_NAME)] == _NAME
    if not height_at or not interval or not blocks_a_row or interval % blocks_a_row or not named:
        raise StripError("a strip is a baseline JPEG that lists its frames, with a restart marker at every border")
    frame_height = interval // blocks_a_row * 8 * (sampling & 15)
    listed = data[lengths_at + 4 + len(_NAME) : scan_at]
    lengths = np.frombuffer(listed[: len(listed) // _LENGTH.itemsize * _LENGTH.itemsize], _LENGTH).astype(np.int64)
    n_bytes_in_all = n_bytes + int(lengths.sum()) + len(_END) * len(lengths)
    if not len(lengths) or len(lengths) * frame_height != height or n_bytes_in_all != len(data):
        raise StripError("damaged JPEG: the lengths in its header do not add up to its size")
    return _Header(n_bytes, height_at, frame_height, lengths_at, scan_at, lengths)


def _number(data: memoryview, at: int) -> int:
    """Two bytes, the higher one first."""
    return data[at] << 8 | data[at + 1]
