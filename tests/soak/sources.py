"""An archive as strangers leave it: small clips of many kinds, and among them files that are none.

What source i is follows from the seed and i alone. Every file's kind is known, and with it whether it must be read.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.soak.clip import Look, write_clip

Maker = Callable[[np.random.Generator], bytes]
FILES_A_FOLDER = 500
_HUGE_PX = 60_000

_PLAIN = Look()
GOOD: dict[str, tuple[str, Look]] = {
    "plain": ("mp4", _PLAIN),
    "two segments": ("mp4", replace(_PLAIN, seconds=2.7)),
    "no sound track": ("mp4", replace(_PLAIN, sound=None)),
    "silent": ("mp4", replace(_PLAIN, is_silent=True)),
    "sound shorter": ("mp4", replace(_PLAIN, sound_seconds=0.4)),
    "portrait": ("mp4", replace(_PLAIN, size_px=(36, 64))),
    "odd size": ("mkv", replace(_PLAIN, container="matroska", size_px=(51, 37), pixels="yuv444p")),
    "variable rate": ("mkv", replace(_PLAIN, container="matroska", is_variable=True)),
    "transport stream": ("ts", replace(_PLAIN, container="mpegts")),
    "motion JPEG": ("avi", replace(_PLAIN, container="avi", codec="mjpeg", sound="pcm_s16le", pixels="yuvj420p")),
    "MPEG-4 part 2": ("mkv", replace(_PLAIN, container="matroska", codec="mpeg4", sound="libmp3lame")),
    "slow": ("mp4", replace(_PLAIN, fps=5)),
}
"""Kind -> extension and look."""


def _rotated(rng: np.random.Generator) -> bytes:
    """A clip whose header says: a quarter turn clockwise (QuickTime file format, track header's matrix)."""
    data = write_clip(_PLAIN, rng)
    at = data.index(b"tkhd") + 4 + 40  # 84 bytes of payload, the matrix after 40
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    return data[:at] + quarter + data[at + len(quarter) :]


def _truncated(rng: np.random.Generator) -> bytes:
    """The index of an mp4 stands at its end, so nothing can be read."""
    data = write_clip(_PLAIN, rng)
    return data[: data.rindex(b"moov") - 4 - int(rng.integers(0, 2000))]


def _text(rng: np.random.Generator) -> bytes:
    return b"This is no video. " * int(rng.integers(1, 200))


def _noise(rng: np.random.Generator) -> bytes:
    return rng.bytes(int(rng.integers(100, 20_000)))


def _empty(rng: np.random.Generator) -> bytes:
    del rng
    return b""


def _sound_alone(rng: np.random.Generator) -> bytes:
    """A sound file with the extension of a video."""
    return write_clip(replace(_PLAIN, container="wav", codec=None, sound="pcm_s16le"), rng)


def _playlist(rng: np.random.Generator) -> bytes:
    return f"#EXTM3U\n#EXTINF:2,\n/etc/passwd?{rng.integers(99)}\n#EXT-X-ENDLIST\n".encode()


def _script(rng: np.random.Generator) -> bytes:
    return f"ffconcat version 1.0\nfile 'video-{rng.integers(99):06d}.mp4'\n".encode()


def _bomb(rng: np.random.Generator) -> bytes:
    """A few KB that say they are pictures of 3.6 thousand million pixels: a PNG of packed zeros in a QuickTime file."""
    del rng
    data = write_clip(replace(_PLAIN, codec="png", sound=None, seconds=0.1, container="mov", pixels="rgb24"), _fixed())
    small, large = struct.pack(">II", 64, 48), struct.pack(">II", _HUGE_PX, _HUGE_PX)
    at = data.index(b"IHDR")
    header = b"IHDR" + large + data[at + 12 : at + 17]
    data = data[:at] + header + struct.pack(">I", zlib.crc32(header)) + data[at + 21 :]
    return data.replace(small, large)


def _fixed() -> np.random.Generator:
    return np.random.default_rng(0)


BAD: dict[str, tuple[str, Maker]] = {
    "truncated": ("mp4", _truncated),
    "empty": ("mp4", _empty),
    "text": ("avi", _text),
    "noise": ("mkv", _noise),
    "sound alone": ("mp4", _sound_alone),
    "playlist": ("mp4", _playlist),
    "script": ("mp4", _script),
    "huge pictures": ("mov", _bomb),
}
"""Kind -> extension and what makes it; none can be read."""


@dataclass(frozen=True)
class MadeSource:
    """A file of the archive: its path below the root, its kind, and whether it must be read."""

    name: str
    kind: str
    is_good: bool


def plan_sources(n_sources: int, bad_share: float, seed: int) -> list[MadeSource]:
    """Say which files there will be, bad ones spread evenly at random, sorted by name."""
    rng = np.random.default_rng([seed, n_sources])
    n_bad = round(bad_share * n_sources)
    bad = dict.fromkeys(rng.choice(n_sources, n_bad, replace=False).tolist())
    for number, index in enumerate(bad):  # every kind comes, and as often as any other
        bad[index] = list(BAD)[number % len(BAD)]
    good = [*GOOD, "rotated"]
    planned = []
    for index in range(n_sources):
        kind = bad.get(index) or good[index % len(good)]
        suffix = BAD[kind][0] if index in bad else GOOD.get(kind, ("mp4", _PLAIN))[0]
        name = f"{index // FILES_A_FOLDER:03d}/video-{index:06d}.{suffix}"
        planned.append(MadeSource(name, kind, index not in bad))
    return planned


def write_source(root: Path, source: MadeSource, index: int, seed: int) -> None:
    """Write one file, unless it is there."""
    path = root / source.name
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, index])
    if not source.is_good:
        data = BAD[source.kind][1](rng)
    elif source.kind == "rotated":
        data = _rotated(rng)
    else:
        data = write_clip(GOOD[source.kind][1], rng)
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(data)
    partial.rename(path)
