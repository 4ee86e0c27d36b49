"""The content of a file as a short text, which stays when the file is renamed or moved, or its folder is indexed anew.

An index records names, sizes and times, which a rename or a copy changes. A checksum of descriptors changes with the
encoder. A checksum of all bytes would read hours of video for one decision. So a content is the size of the file and a
checksum of evenly spaced blocks. Any edit or re-encoding of a video changes bytes everywhere in its streams.
"""

import errno
import hashlib
import os
from pathlib import Path

BLOCKS, BLOCK_BYTES = 64, 1 << 16
"""A file of up to 4 MiB is read whole."""


def content_of(path: Path, *, follows_links: bool = True) -> str:
    """Return the content of a file; OSError if it cannot be read, or a link leads there although none may be followed."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a FIFO would wait for a writer
        if not follows_links and Path(f"/proc/self/fd/{file.fileno()}").readlink() != path:
            raise OSError(errno.ELOOP, "a link, or replaced while it was opened")
        size = os.fstat(file.fileno()).st_size
        if size <= BLOCKS * BLOCK_BYTES:
            digest = hashlib.file_digest(file, "sha256")
        else:
            digest = hashlib.sha256()
            for number in range(BLOCKS):
                file.seek(number * (size - BLOCK_BYTES) // (BLOCKS - 1))
                digest.update(file.read(BLOCK_BYTES))
    return f"{size}-{digest.hexdigest()[:32]}"


def size_of(content: str) -> int:
    """Return the size in bytes that a content names."""
    return int(content.partition("-")[0])
