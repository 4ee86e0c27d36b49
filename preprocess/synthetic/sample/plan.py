"""What a world consists of: its parameters, its files, and what world.json says of it."""

from dataclasses import asdict, dataclass

from preprocess.errors import RenderError
from preprocess.synthetic.sample.audio import SAMPLE_RATE_HZ
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.synthetic.sample.layout import N_SPLITS, clip_name
from preprocess.synthetic.sample.look import HEIGHT_PX, WIDTH_PX
from preprocess.synthetic.sample.motion import CLIP_SECONDS, FPS

GENERATOR_VERSION = 4
"""Raised whenever the same seed gives another world."""
SILENT_EVERY = 8
"""One clip in eight has no audio track; half of UCF101 has none."""


@dataclass(frozen=True)
class Plan:
    """What decides the bytes of a world; `classes` in the order of their numbers.

    Raises:
        RenderError: a parameter is out of range.

    """

    seed: int
    n_groups: int
    n_clips: int
    classes: tuple[str, ...]
    ffmpeg_version: str
    generator_version: int = GENERATOR_VERSION

    def __post_init__(self) -> None:
        unknown = [name for name in self.classes if name not in CLASS_BY_NAME]
        if unknown:
            raise RenderError(f"unknown classes {', '.join(unknown)}; there are {', '.join(CLASS_BY_NAME)}")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise RenderError("classes must be one or more, each named once")
        if not N_SPLITS <= self.n_groups <= 99:
            raise RenderError(f"groups must be {N_SPLITS} (one to test on in every split) to 99, not {self.n_groups}")
        if not 1 <= self.n_clips <= 99:
            raise RenderError(f"clips per group must be 1 to 99, not {self.n_clips}")
        if self.seed < 0:
            raise RenderError(f"the seed must not be negative, as {self.seed} is")

    def tasks(self) -> list["ClipTask"]:
        """All files of the world, group by group."""
        entries = [CLASS_BY_NAME[name] for name in self.classes]
        return [
            ClipTask(self.seed, CLASSES.index(entry), group, clip, is_silent(CLASSES.index(entry), group, clip))
            for group in range(1, self.n_groups + 1)
            for clip in range(1, self.n_clips + 1)
            for entry in entries
        ]

    def as_dict(self) -> dict[str, object]:
        """Plain values, as JSON gives them back."""
        return {**asdict(self), "classes": list(self.classes)}

    def summary(self) -> dict[str, object]:
        """Tell all about the finished world: the plan, the counts, the format, and the classes in words."""
        tasks = self.tasks()
        entries = [CLASS_BY_NAME[name] for name in self.classes]
        return {
            **self.as_dict(),
            "n_files": len(tasks),
            "n_without_audio": sum(task.silent for task in tasks),
            "video": {"width_px": WIDTH_PX, "height_px": HEIGHT_PX, "fps": FPS, "seconds": CLIP_SECONDS},
            "audio": {"sample_rate_hz": SAMPLE_RATE_HZ, "channels": 1},
            "descriptions": {
                entry.name: {"description": entry.description, "twin": entry.twin, "differs_in": entry.difference}
                for entry in entries
            },
        }


@dataclass(frozen=True)
class ClipTask:
    """One file to write: `index` is the class's place in CLASSES; groups and clips count from 1."""

    seed: int
    index: int
    group: int
    clip: int
    silent: bool

    @property
    def name(self) -> str:
        """Path below the world's folder."""
        return clip_name(CLASSES[self.index].name, self.group, self.clip)


def is_silent(index: int, group: int, clip: int) -> bool:
    """Whether a clip lacks its audio track: one in SILENT_EVERY, evenly over classes, groups and splits."""
    return (2 * group + clip + 3 * index) % SILENT_EVERY == 0
