"""The data that travels between the catalogue, the decoder and the shard writer."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from preprocess.planes import to_rgb
from preprocess.schema import Media


@dataclass(frozen=True)
class RemoteFile:
    """A file behind a URL, and its size when it was listed."""

    url: str
    n_bytes: int


@dataclass(frozen=True)
class Source:
    r"""One file of a data set.

    `name` is the posix path relative to the data root, always valid UTF-8 (other bytes are escaped as `\xNN`);
    `path` opens the file, unless it is `remote`: then a copy is fetched while it is decoded.
    `label` is -1 and the strings are "" where the data set says nothing. `splits` maps a
    split's name to this source's part of it: {"1": "train", "2": "test"} or {"fold": "3"}.
    """

    index: int
    path: Path
    name: str
    label: int = -1
    label_name: str = ""
    group: str = ""
    splits: dict[str, str] = field(default_factory=dict)
    remote: RemoteFile | None = None

    @property
    def n_bytes(self) -> int | None:
        """Size of the file, None where it cannot be had: decoding will say why."""
        if self.remote is not None:
            return self.remote.n_bytes
        try:
            return self.path.stat().st_size
        except OSError:
            return None

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f"index of a source is 0 or more, not {self.index}")
        if self.label < -1:
            raise ValueError(f"label of a source is -1 (none) or more, not {self.label}")


@dataclass(frozen=True)
class Catalogue:
    """The sources of a data set, sorted by name: `sources[i].index == i`.

    `missing` are names that the lists give and the disk has not; `extra` are files on disk that no list gives (they
    are sources all the same, without split); both are counted and reported, neither stops a run.
    """

    dataset: str
    media: Media
    sources: tuple[Source, ...]
    label_names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(source.index != position for position, source in enumerate(self.sources)):
            raise ValueError("sources[i].index must be i")


@dataclass(frozen=True)
class Segment:
    """Frames [start_frame, start_frame + n_frames) of a source, counted on its constant-rate clock from t = 0."""

    number: int
    start_frame: int
    n_frames: int

    def __post_init__(self) -> None:
        if self.number < 0 or self.start_frame < 0 or self.n_frames < 1:
            raise ValueError(f"no such segment: {self.number}, {self.start_frame}, {self.n_frames}")

    @property
    def stop_frame(self) -> int:
        """First frame after the segment."""
        return self.start_frame + self.n_frames


@dataclass(frozen=True)
class MediaInfo:
    """What the container says about a source. `fps` is 0.0 and the sizes are 0 where there is no video.

    `width_px` and `height_px` are as coded; the picture to show is `sample_aspect_ratio` times as wide, then turned
    clockwise by `rotation_degrees` (0, 90, 180 or 270). `duration_seconds` is None where the container has none.
    """

    duration_seconds: float | None
    width_px: int = 0
    height_px: int = 0
    fps: float = 0.0
    rotation_degrees: int = 0
    has_video: bool = False
    has_audio: bool = False
    video_codec: str = ""
    audio_codec: str = ""
    format_name: str = ""
    sample_aspect_ratio: float = 1.0
    video_stream: int = -1
    audio_stream: int = -1


@dataclass(frozen=True)
class Limits:
    """How much of machine and time one source may take; over it the source fails and the run goes on."""

    timeout_seconds: float = 60.0
    timeout_factor: float = 2.0
    """Seconds added to the timeout for every second of media, so that long sources are not cut off."""
    max_duration_seconds: float = 6 * 3600.0
    max_pixels: int = 8192 * 4320
    max_file_bytes: int = 64 << 30

    def __post_init__(self) -> None:
        if min(self.timeout_seconds, self.max_duration_seconds, self.max_pixels, self.max_file_bytes) <= 0:
            raise ValueError("limits must be above 0")


@dataclass(frozen=True, eq=False, repr=False)
class Decoded:
    """A source on its constant-rate clock: frame i shows the time [i / fps, (i + 1) / fps) after the container's t = 0.

    `planes` is (T, H * 3 / 2, W) uint8 as in preprocess/planes.py, read-only, a memory map of an unlinked temporary file
    (slice it, do not copy it whole), or None for audio-only data sets. `waveform` is (T * samples_per_frame,) float32 mono, a
    memory map too, or None where the source has no sound that can be decoded. `info.has_audio` says the same. `warnings` is
    what ffmpeg wrote on stderr, without repetitions and addresses, sorted: the same in every run.
    """

    n_frames: int
    planes: np.ndarray | None
    waveform: np.ndarray | None
    info: MediaInfo
    warnings: str = ""

    @functools.cached_property
    def frames(self) -> np.ndarray | None:
        """The same as (T, H, W, 3) uint8 RGB, all of them in memory: for short clips whose pixels are looked at."""
        return None if self.planes is None else to_rgb(self.planes)

    def __repr__(self) -> str:
        """Shapes instead of data."""
        planes = None if self.planes is None else self.planes.shape
        waveform = None if self.waveform is None else self.waveform.shape
        return f"Decoded(n_frames={self.n_frames}, planes={planes}, waveform={waveform}, info={self.info})"
