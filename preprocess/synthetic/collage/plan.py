"""What a collage consists of: its parameters, its files, and what collage.json says of it."""

from dataclasses import asdict, dataclass

from preprocess.errors import RenderError
from preprocess.synthetic.collage.shot import FPS, HEIGHT_PX, WIDTH_PX
from preprocess.synthetic.collage.voices import SAMPLE_RATE_HZ

GENERATOR_VERSION = 1
"""Raised whenever the same seed gives other videos."""
MAX_VIDEOS = 999_999
LONGEST_SECONDS = 600.0
"""A video is held in memory whole: 37 kB a frame."""


@dataclass(frozen=True)
class VideoTask:
    """One file to write; numbers count from 1."""

    seed: int
    number: int
    seconds: float

    @property
    def name(self) -> str:
        """Path below the folder."""
        return f"collage_{self.number:06d}.mp4"

    @property
    def n_frames(self) -> int:
        """At FPS."""
        return round(self.seconds * FPS)

    @property
    def n_samples(self) -> int:
        """As long as the frames last, at SAMPLE_RATE_HZ."""
        return round(self.n_frames / FPS * SAMPLE_RATE_HZ)


@dataclass(frozen=True)
class Plan:
    """What decides the bytes of a collage.

    Raises:
        RenderError: a parameter is out of range.

    """

    seed: int
    n_videos: int
    seconds: float
    ffmpeg_version: str
    pillow_version: str
    generator_version: int = GENERATOR_VERSION

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise RenderError(f"the seed must not be negative, as {self.seed} is")
        if not 1 <= self.n_videos <= MAX_VIDEOS:
            raise RenderError(f"videos must be 1 to {MAX_VIDEOS}, not {self.n_videos}")
        if not 1 <= self.seconds <= LONGEST_SECONDS:
            raise RenderError(f"seconds must be 1 to {LONGEST_SECONDS:g}, not {self.seconds:g}")

    def tasks(self) -> list[VideoTask]:
        """All videos."""
        return [VideoTask(self.seed, number, self.seconds) for number in range(1, self.n_videos + 1)]

    def summary(self) -> dict[str, object]:
        """Tell all about the finished folder: the plan and the format."""
        return {
            **asdict(self),
            "video": {"width_px": WIDTH_PX, "height_px": HEIGHT_PX, "fps": FPS},
            "audio": {"sample_rate_hz": SAMPLE_RATE_HZ, "channels": 1},
        }
