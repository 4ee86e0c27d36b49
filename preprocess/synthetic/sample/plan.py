"""The files of a sample world, and its split lists.

Names and lists are those of UCF101, with .mp4 for .avi.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from preprocess.errors import RenderError, disk_errors
from preprocess.synthetic.sample.classes import CLASSES
from store.atomic_files import remove_temporaries, write_text

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


def clip_tasks(seed: int, classes: Sequence[str], n_groups: int, n_clips: int) -> dict[str, ClipTask]:
    """All files of a world by name, group by group; `classes` in the order of their numbers.

    Raises:
        RenderError: a parameter is out of range.
    """
    names = [entry.name for entry in CLASSES]
    if unknown := [name for name in classes if name not in names]:
        raise RenderError(f"unknown classes {', '.join(unknown)}; there are {', '.join(names)}")
    if not classes or len(set(classes)) != len(classes):
        raise RenderError("classes must be one or more, each named once")
    if not N_SPLITS <= n_groups <= 99:
        raise RenderError(f"groups must be {N_SPLITS} (one to test on in every split) to 99, not {n_groups}")
    if not 1 <= n_clips <= 99:
        raise RenderError(f"clips per group must be 1 to 99, not {n_clips}")
    if seed < 0:
        raise RenderError(f"the seed must not be negative, as {seed} is")
    tasks = [
        ClipTask(seed, names.index(name), group, clip)
        for group in range(1, n_groups + 1)
        for clip in range(1, n_clips + 1)
        for name in classes
    ]
    return {task.name: task for task in tasks}


def write_lists(out: Path, clips: Iterable[ClipTask], classes: Sequence[str], n_groups: int) -> None:
    """Write classInd.txt, trainlist01..03.txt and testlist01..03.txt below `out` in the official syntax."""
    folder = out / SPLITS_FOLDER
    folder.mkdir(exist_ok=True)
    remove_temporaries(folder)
    numbers = {name: number for number, name in enumerate(classes, 1)}
    tasks = sorted(clips, key=lambda task: (numbers[task.class_name], task.group, task.clip))
    files = {"classInd": [f"{number} {name}" for name, number in numbers.items()]}
    for split in range(1, N_SPLITS + 1):
        held_out = held_out_groups(n_groups, split)
        train = [f"{task.name} {numbers[task.class_name]}" for task in tasks if task.group not in held_out]
        files[f"trainlist{split:02d}"] = train
        files[f"testlist{split:02d}"] = [task.name for task in tasks if task.group in held_out]
    for name, lines in files.items():
        write_text(folder / f"{name}.txt", "".join(f"{line}\n" for line in lines), disk_errors)


def held_out_groups(n_groups: int, split: int) -> range:
    """Test groups of a split (1 to 3): 1-7, 8-14, 15-21 of 25 as in UCF101, in proportion for other numbers."""
    size = max(1, round(n_groups * 7 / 25))
    return range((split - 1) * size + 1, split * size + 1)
