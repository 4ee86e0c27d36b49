"""Write an archive like those that users have: small videos of many kinds, and among them files that cannot be read."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.preprocess.made_media import run_ffmpeg

FILES_A_FOLDER = 500
_HUGE_PX = 60_000
_UNEVEN = ",settb=1/1000,setpts='(N+0.4*random(1))/15/TB'"
_H264, _AAC = "-c:v libx264 -preset ultrafast -crf 30 -pix_fmt yuv420p", "-c:a aac"

GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("mp4", {}),
    "two segments": ("mp4", {"seconds": 2.7}),
    "no audio track": ("mp4", {"audio": "-an"}),
    "silent": ("mp4", {"audio_filter": ",volume=0"}),
    "audio shorter": ("mp4", {"audio_filter": ",atrim=end=0.4"}),
    "portrait": ("mp4", {"size": "36x64"}),
    "odd size": ("mkv", {"size": "51x37", "video": "-c:v libx264 -preset ultrafast -pix_fmt yuv444p"}),
    "variable rate": ("mkv", {"video_filter": _UNEVEN, "video": f"{_H264} -fps_mode vfr -enc_time_base 1:1000"}),
    "transport stream": ("ts", {}),
    "motion JPEG": ("avi", {"video": "-c:v mjpeg -pix_fmt yuvj420p", "audio": "-c:a pcm_s16le"}),
    "MPEG-4 part 2": ("mkv", {"video": "-c:v mpeg4", "audio": "-c:a libmp3lame"}),
    "slow": ("mp4", {"fps": 5}),
    "rotated": ("mp4", {"before": "-display_rotation 90 -noautorotate"}),
}
"""Kind -> extension and arguments of `write_card`."""
AUDIO_ALONE = {"video": "-vn -f wav", "audio": "-c:a pcm_s16le"}


def write_card(
    path: Path, seed: int, *, size: str = "64x48", fps: int = 15, seconds: float = 1.0, before: str = "",
    video: str = _H264, video_filter: str = "", audio: str = _AAC, audio_filter: str = "",
) -> None:  # fmt: skip
    """Write a moving test card with a beeping tone, by ffmpeg's options; the same arguments give the same bytes."""
    card = f"testsrc2=size={size}:rate={fps}:duration={seconds},format=yuv444p,hue=h={seed * 47 % 360}{video_filter}"
    tone = f"sine={200 + seed * 61 % 3800}:beep_factor=3:sample_rate=16000:duration={seconds}{audio_filter}"
    inputs = [*before.split(), "-f", "lavfi", "-i", card, "-f", "lavfi", "-i", tone]
    run_ffmpeg(*inputs, *video.split(), *audio.split(), "-threads", 1, "-bitexact", path)


def _truncated(path: Path, rng: np.random.Generator) -> None:
    """Write an mp4 without its index, which stands at the end, so that nothing can be read."""
    write_card(path, int(rng.integers(1000)))
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"moov") - 4 - int(rng.integers(0, 2000))])


def _bomb(path: Path, _: np.random.Generator) -> None:
    """Write a few KB that claim images of 3.6 thousand million pixels: a PNG of packed zeros in a QuickTime file."""
    write_card(path, 0, seconds=0.1, video="-c:v png -pix_fmt rgb24", audio="-an")
    data, small, large = path.read_bytes(), struct.pack(">II", 64, 48), struct.pack(">II", _HUGE_PX, _HUGE_PX)
    at = data.index(b"IHDR")
    header = b"IHDR" + large + data[at + 12 : at + 17]
    data = data[:at] + header + struct.pack(">I", zlib.crc32(header)) + data[at + 21 :]
    path.write_bytes(data.replace(small, large))


BAD: dict[str, tuple[str, Callable[[Path, np.random.Generator], object]]] = {
    "truncated": ("mp4", _truncated),
    "empty": ("mp4", lambda path, _: path.touch()),
    "text": ("avi", lambda path, rng: path.write_text("This is no video. " * int(rng.integers(1, 200)))),
    "noise": ("mkv", lambda path, rng: path.write_bytes(rng.bytes(int(rng.integers(100, 20_000))))),
    "audio alone": ("mp4", lambda path, rng: write_card(path, int(rng.integers(1000)), **AUDIO_ALONE)),
    "playlist": ("mp4", lambda path, _: path.write_text("#EXTM3U\n#EXTINF:2,\n/etc/passwd\n#EXT-X-ENDLIST\n")),
    "script": ("mp4", lambda path, _: path.write_text("ffconcat version 1.0\nfile 'video-000000.mp4'\n")),
    "huge images": ("mov", _bomb),
}
"""Kind -> extension and the function that writes it; none can be read."""


def write_archive(root: Path, n_sources: int, bad_share: float, seed: int) -> dict[str, bool]:
    """Write the files; bad ones lie at random places. Returns path below the root -> whether ingest must read it."""
    rng = np.random.default_rng(seed)
    bad = {
        int(index): number for number, index in enumerate(rng.permutation(n_sources)[: round(bad_share * n_sources)])
    }
    written = {}
    for index in range(n_sources):
        kinds, turn = (BAD, bad[index]) if index in bad else (GOOD, index)
        suffix, made = list(kinds.values())[turn % len(kinds)]
        path = root / f"{index // FILES_A_FOLDER:03d}" / f"video-{index:06d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(made):
            made(path, rng)
        else:
            write_card(path, int(rng.integers(1000)), **made)
        written[path.relative_to(root).as_posix()] = index not in bad
    return written
