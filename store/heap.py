"""Looking into HDF5's global heap, where all texts of a store lie, before HDF5 does.

The heap is the only part of the file that HDF5 guards by no checksum, and it believes the lengths that it finds there: an
object of no length makes it read the same place for ever (seen with HDF5 2.0). So whoever checks a file of unknown state
looks here first. The layout is that of the HDF5 File Format Specification 3.0, III.E "Level 1E - Global Heap".
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"GCOL\x01\0\0\0"
"""Name, version 1, three reserved bytes."""
_COLLECTION = struct.Struct("<8sQ")
"""Signature; bytes of the collection, these included."""
_OBJECT = struct.Struct("<HHIQ")
"""Number, references, reserved, bytes of the data, which are padded to a multiple of 8."""
_BLOCK_BYTES = 8 * 1024 * 1024


def broken_collections(path: Path) -> Iterator[int]:
    """Yield the byte offsets of heap collections whose lengths lead nowhere; reads the whole file, with flat memory.

    Raises:
        OSError: the file cannot be read.
    """
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        for offset in _collections(file):
            file.seek(offset)
            _, size = _COLLECTION.unpack(file.read(_COLLECTION.size).ljust(_COLLECTION.size, b"\0"))
            fits = _COLLECTION.size <= size <= n_bytes - offset
            if not fits or not _is_sound(file.read(size - _COLLECTION.size)):
                yield offset


def _collections(file: BinaryIO) -> Iterator[int]:
    """Find signatures, wherever they stand."""
    start, overlap = 0, len(_SIGNATURE) - 1
    while True:
        file.seek(start)
        block = file.read(_BLOCK_BYTES + overlap)
        at = block.find(_SIGNATURE)
        while at >= 0:
            yield start + at
            at = block.find(_SIGNATURE, at + 1)
        if len(block) < _BLOCK_BYTES + overlap:
            return
        start += _BLOCK_BYTES


def _is_sound(objects: bytes) -> bool:
    """Whether one object follows another until the collection is full, or what is left is free."""
    at = 0
    while len(objects) - at >= _OBJECT.size:
        number, _, _, size = _OBJECT.unpack_from(objects, at)
        if number == 0:
            return size == len(objects) - at  # free space counts its own head
        at += _OBJECT.size + size + -size % 8
    return at <= len(objects)
