"""Properties of one media file, the limits on reading it, and its decoded frames and audio."""

import functools
from dataclasses import dataclass

import numpy as np

from preprocess.media.planes import to_rgb


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a source, as its container states them. `fps` is 0.0 and the sizes are 0 without video.

    `width_px` and `height_px` are those of the first image, less the container's cropping. The image to show is
    `sample_aspect_ratio` times as wide, then turned clockwise by `rotation_degrees` (0, 90, 180 or 270).
    `duration_seconds` is None where the container has none. `is_hdr`: brightness is coded as PQ or HLG.
    `pixel_format` is ffmpeg's name of how the images are coded, such as "yuv420p"; "" without video.
    `audio_layout` is ffmpeg's name of the channels' places, such as "stereo" or "9 channels".
    """

    duration_seconds: float | None
    width_px: int = 0
    height_px: int = 0
    fps: float = 0.0
    rotation_degrees: int = 0
    has_video: bool = False
    has_audio: bool = False
    video_codec: str = ""
    pixel_format: str = ""
    audio_codec: str = ""
    format_name: str = ""
    sample_aspect_ratio: float = 1.0
    video_stream: int = -1
    audio_stream: int = -1
    audio_channels: int = 0
    audio_layout: str = ""
    is_interlaced: bool = False
    is_hdr: bool = False

    @property
    def aspect_ratio(self) -> float:
        """Width by height of the image to show."""
        ratio = self.width_px * self.sample_aspect_ratio / self.height_px
        return 1 / ratio if self.rotation_degrees in (90, 270) else ratio


@dataclass(frozen=True)
class Limits:
    """Limits on one source and on the effort. A source over a limit fails, and the run continues."""

    timeout_seconds: float = 60.0
    timeout_factor: float = 2.0
    """Seconds added to the timeout for every second of media, so that long sources are not cut off."""
    max_duration_seconds: float = 6 * 3600.0
    max_pixels: int = 8192 * 4320
    max_file_bytes: int = 64 << 30
    follows_links: bool = True
    """Otherwise the path itself must be what is opened: a link that was put there, or above it, is refused."""
    is_coarse: bool = False
    """Leave out frames that no other frame needs, where there are several per frame of the clock, and the smoothing of
    block edges: frames are then up to two frames of the source off, and decoding H.264 takes about half the time."""


USUAL_LIMITS = Limits()


@dataclass(frozen=True, eq=False, repr=False)
class Decoded:
    """A source on its constant-rate clock: frame i shows the time [i / fps, (i + 1) / fps) after the container's t = 0.

    `planes` is (T, H * 3 / 2, W) uint8, laid out as in preprocess/media/planes.py, or None for audio-only data sets. It is
    a read-only memory map of an unlinked temporary file: slice it, do not copy it whole. `waveform` is
    (T * samples_per_frame,) float32 mono, a memory map too, or None if no audio can be decoded, as `info.has_audio` says.
    `warnings` holds ffmpeg's lines on stderr, sorted, without repetitions and addresses: the same in every run.
    """

    n_frames: int
    planes: np.ndarray | None
    waveform: np.ndarray | None
    info: MediaInfo
    warnings: str = ""

    @functools.cached_property
    def frames(self) -> np.ndarray | None:
        """All frames in memory as (T, H, W, 3) uint8 RGB: for short clips."""
        return None if self.planes is None else to_rgb(self.planes)

    def __repr__(self) -> str:
        """Shapes instead of data."""
        planes = None if self.planes is None else self.planes.shape
        waveform = None if self.waveform is None else self.waveform.shape
        return f"Decoded(n_frames={self.n_frames}, planes={planes}, waveform={waveform}, info={self.info})"
