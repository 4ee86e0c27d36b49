"""What a shard sample holds: member names, the loader's numbers, and the parameters that fix every byte.

The written specification is docs/reference/shard-format.md; this file is its single statement in code.
"""

import math
from dataclasses import asdict, dataclass
from typing import Literal

FORMAT_NAME = "avtempo-shards"
FORMAT_VERSION = 3

FRAMES_MEMBER = "frames.jpg"
LOGMEL_MEMBER = "logmel.npy"
META_MEMBER = "meta.npy"
JSON_MEMBER = "json"

META_FIELDS = ("segment_id", "label", "n_frames", "frame_height_px", "frame_width_px", "n_columns", "has_audio")
"""Order of the int64 numbers in `KEY.meta.npy`, shape (7,). `label` is -1 for a segment without a label."""

SEGMENTS_PER_SOURCE_LIMIT = 1 << 20
"""segment_id = source_index * SEGMENTS_PER_SOURCE_LIMIT + segment number; it needs no global count."""

MAX_STRIP_HEIGHT_PX = 16_384
FRAME_HEIGHT_MULTIPLE_PX = 16
"""A 4:2:0 JPEG codes blocks of 16 px. If the frame height is a multiple of it, no block holds two frames."""
MAX_ASPECT_RATIO = 4.0

MEL_POWER_FLOOR = 1e-8
"""-80 dB below a full-scale sine; a source without audio has the log of it everywhere."""

Media = Literal["video", "audio"]


@dataclass(frozen=True)
class ShardParams:
    """Everything that decides the bytes of a shard, besides the sources and the releases of programs.

    Frames and log-mel columns share one clock: every frame owns `columns_per_frame` columns, a whole number. The windows
    of the presets are one and a half hops long. With two hops, neighbouring columns share half a window, and that alone
    reveals a playback speed of 1.

    Raises:
        ValueError: a value is out of range, or frames and columns do not share a clock.
    """

    media: Media = "video"
    fps: float = 12.5
    short_side_px: int = 128
    segment_seconds: float = 10.0
    jpeg_quality: int = 90
    sample_rate_hz: int = 16_000
    n_fft: int = 1024
    win_length: int = 480
    hop_length: int = 320
    n_mels: int = 80
    sources_per_shard: int = 64

    def __post_init__(self) -> None:
        if self.media not in ("video", "audio"):
            raise ValueError(f"media is 'video' or 'audio', not {self.media!r}")
        for name in ("fps", "segment_seconds", "sources_per_shard", "hop_length", "n_mels", "sample_rate_hz"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0 and finite, not {getattr(self, name)}")
        if self.short_side_px < FRAME_HEIGHT_MULTIPLE_PX or self.short_side_px % FRAME_HEIGHT_MULTIPLE_PX:
            raise ValueError(
                f"short_side_px must be a multiple of {FRAME_HEIGHT_MULTIPLE_PX}, not {self.short_side_px}"
            )
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality is 1 to 100, not {self.jpeg_quality}")
        if not self.hop_length <= self.win_length <= self.n_fft:
            raise ValueError("hop_length <= win_length <= n_fft must hold")
        columns = self.sample_rate_hz / self.hop_length / self.fps
        if abs(columns - round(columns)) > 1e-9 or round(columns) < 1:
            raise ValueError(
                f"sample_rate_hz / hop_length / fps must be a whole number of log-mel columns a frame, not {columns:.3f}"
            )

    @property
    def columns_per_frame(self) -> int:
        """Log-mel columns that one frame owns."""
        return round(self.sample_rate_hz / self.hop_length / self.fps)

    @property
    def samples_per_frame(self) -> int:
        """Audio samples that one frame owns."""
        return self.columns_per_frame * self.hop_length

    @property
    def segment_frames(self) -> int:
        """Frames of a full segment."""
        return max(1, round(self.segment_seconds * self.fps))

    def as_dict(self) -> dict[str, str | int | float]:
        """Plain values, as in dataset.json."""
        return asdict(self)


PRESETS: dict[str, ShardParams] = {
    "default": ShardParams(),
    "sample": ShardParams(
        fps=16.0, short_side_px=48, segment_seconds=4.0, hop_length=250, win_length=375, n_mels=64, sources_per_shard=50
    ),
    "ucf-small": ShardParams(
        fps=16.0, short_side_px=64, hop_length=250, win_length=375, n_mels=64, sources_per_shard=32
    ),
    # A slow clock and few pixels: enough to describe whole archives and to distinguish moments of 1.5 s.
    "fingerprint": ShardParams(fps=8.0, short_side_px=64, hop_length=400, win_length=600, n_mels=64),
    "audio": ShardParams(media="audio"),
    # As CrissCross on ESC-50 (Sarkar and Etemad, AAAI 2023), except the window of two and a half hops: short windows blur
    # pitch. The cost: neighbouring columns share samples, so noise alone reveals the playback speed.
    "esc50": ShardParams(media="audio", fps=20.0, segment_seconds=5.0, hop_length=160, win_length=400),
}
