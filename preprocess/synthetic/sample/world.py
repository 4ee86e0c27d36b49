"""Writes the sample world: labelled H.264 + AAC files in the layout of UCF101, the same for the same seed.

    OUT/Class/v_Class_gXX_cYY.mp4
    OUT/ucfTrainTestlist/{classInd,trainlist01..03,testlist01..03}.txt
    OUT/world.json                                                       written last: the world is complete

Every clip depends on (seed, class, group, clip) alone, so the choice of classes does not change its bytes either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.errors import RenderError, disk_errors
from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.synthetic.rendered_folder import Coding, Report, render_folder
from preprocess.synthetic.sample.audio import N_VOICES, SAMPLE_RATE_HZ, Voice, draw_voice, render_audio
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES, KINDS
from preprocess.synthetic.sample.events import build_motion
from preprocess.synthetic.sample.look import N_PLACES, SHAPES, Look, draw_look
from preprocess.synthetic.sample.motion import FPS
from preprocess.synthetic.sample.render import render_frames
from store.atomic_files import remove_temporaries, write_text

WORLD_FILE = "world.json"
GENERATOR_VERSION = 4
"""Raised whenever the same seed gives another world."""
_CODING = Coding(FPS, SAMPLE_RATE_HZ, keyframe_every=1)
"""Only key frames: prediction from the past would leave an arrow of time that comes from the codec."""
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


@lru_cache(maxsize=2)
def _draw_group(seed: int, index: int, group: int) -> tuple[Look, Voice]:
    """Draw what the clips of a group share. As in UCF101, groups of two classes share nothing but their number."""
    rng = np.random.default_rng([seed, group, 4 + index, 1])
    place = np.random.default_rng([seed, int(rng.integers(N_PLACES)), 0])
    voice = np.random.default_rng([seed, int(rng.integers(N_VOICES)), 5])
    return draw_look(place, rng, SHAPES[KINDS.index(CLASSES[index].kind)]), draw_voice(voice)


def clip_arrays(task: ClipTask) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Make a clip before it is encoded: frames (100, 96, 128, 3) and waveform (64000,), None for a clip without audio."""
    look, voice = _draw_group(task.seed, task.index, task.group)
    clip_seed = np.random.SeedSequence([task.seed, task.group, 3, task.index, task.clip])
    motion_rng, frames_rng, audio_rng = (np.random.default_rng(child) for child in clip_seed.spawn(3))
    motion = build_motion(CLASSES[task.index], motion_rng)
    frames = render_frames(motion, look, frames_rng)
    return frames, None if task.silent else render_audio(motion.strikes, voice, audio_rng)


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


def generate(
    out: Path,
    *,
    seed: int,
    n_groups: int,
    n_clips: int,
    classes: Sequence[str] | None,
    workers: int,
    progress: Report = lambda done, total: None,
) -> Path:
    """Write the world below `out`, or what is missing of it, and return `out`.

    Every group has `n_clips` clips of each class. `classes` are names out of CLASSES, None for all of them. `progress` is
    called after each video.

    Raises:
        RenderError: a parameter is out of range, `out` holds another world, ffmpeg failed.
        ShardError: another run writes there, or the system refuses.
        DiskFullError: no space left.
    """
    names = sorted(CLASS_BY_NAME if classes is None else classes)
    tasks = clip_tasks(seed, names, n_groups, n_clips)
    plan = {
        "seed": seed, "n_groups": n_groups, "n_clips": n_clips, "classes": names, "ffmpeg_version": ffmpeg_version(),
        "generator_version": GENERATOR_VERSION,
    }  # fmt: skip
    return render_folder(
        out, WORLD_FILE, plan, tasks, clip_arrays, _CODING, workers=workers, progress=progress,
        write_lists=lambda folder: write_lists(folder, tasks.values(), names, n_groups),
    )  # fmt: skip
