"""The parameters of a sample world, its files, its split lists, and the content of world.json.

Names and lists are those of UCF101, with .mp4 for .avi.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from preprocess.errors import RenderError, disk_errors
from preprocess.synthetic.sample.audio import SAMPLE_RATE_HZ
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.synthetic.sample.look import HEIGHT_PX, WIDTH_PX
from preprocess.synthetic.sample.motion import CLIP_SECONDS, FPS
from store.atomic_files import remove_temporaries, write_text

GENERATOR_VERSION = 4
"""Raised whenever the same seed gives another world."""
SILENT_EVERY = 8
"""One clip in eight has no audio track; half of UCF101 has none."""
N_SPLITS = 3
SPLITS_FOLDER = "ucfTrainTestlist"


@dataclass(frozen=True)
class ClipTask:
    """One file to write: `index` is the class's place in CLASSES; groups and clips count from 1."""

    seed: int
    index: int
    group: int
    clip: int

    @property
    def class_name(self) -> str:
        """Name of the class, also of the clip's folder."""
        return CLASSES[self.index].name

    @property
    def name(self) -> str:
        """Path below the world's folder."""
        return f"{self.class_name}/v_{self.class_name}_g{self.group:02d}_c{self.clip:02d}.mp4"

    @property
    def silent(self) -> bool:
        """Whether it lacks an audio track: one in SILENT_EVERY, evenly over classes, groups and splits."""
        return (2 * self.group + self.clip + 3 * self.index) % SILENT_EVERY == 0


@dataclass(frozen=True)
class Plan:
    """Everything that decides the bytes of a world; `classes` in the order of their numbers.

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

    def tasks(self) -> list[ClipTask]:
        """All files of the world, group by group."""
        indices = [CLASSES.index(CLASS_BY_NAME[name]) for name in self.classes]
        return [
            ClipTask(self.seed, index, group, clip)
            for group in range(1, self.n_groups + 1)
            for clip in range(1, self.n_clips + 1)
            for index in indices
        ]

    def as_dict(self) -> dict[str, object]:
        """Plain values, as JSON gives them back."""
        return {**asdict(self), "classes": list(self.classes)}

    def summary(self) -> dict[str, object]:
        """Describe the finished world: the plan, the counts, the format, and the classes in words."""
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

    def write_lists(self, out: Path) -> None:
        """Write classInd.txt, trainlist01..03.txt and testlist01..03.txt below `out` in the official syntax."""
        folder = out / SPLITS_FOLDER
        folder.mkdir(exist_ok=True)
        remove_temporaries(folder)
        numbers = {name: number for number, name in enumerate(self.classes, 1)}
        tasks = sorted(self.tasks(), key=lambda task: (numbers[task.class_name], task.group, task.clip))
        files = {"classInd": [f"{number} {name}" for name, number in numbers.items()]}
        for split in range(1, N_SPLITS + 1):
            held_out = held_out_groups(self.n_groups, split)
            train = [f"{task.name} {numbers[task.class_name]}" for task in tasks if task.group not in held_out]
            files[f"trainlist{split:02d}"] = train
            files[f"testlist{split:02d}"] = [task.name for task in tasks if task.group in held_out]
        for name, lines in files.items():
            write_text(folder / f"{name}.txt", "".join(f"{line}\n" for line in lines), disk_errors)


def held_out_groups(n_groups: int, split: int) -> range:
    """Test groups of a split (1 to 3): 1-7, 8-14, 15-21 of 25 as in UCF101, in proportion for other numbers."""
    size = max(1, round(n_groups * 7 / 25))
    return range((split - 1) * size + 1, split * size + 1)
