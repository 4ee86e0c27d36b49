"""Writes the sample world: labelled H.264 + AAC files in the layout of UCF101, the same for the same seed.

    OUT/Class/v_Class_gXX_cYY.mp4
    OUT/ucfTrainTestlist/{classInd,trainlist01..03,testlist01..03}.txt
    OUT/world.json                                                       last: the mark of a complete world

Every clip depends on (seed, class, group, clip) alone, so neither the number of workers nor the choice of classes nor
a run that was killed and started again changes a byte.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.media.decode import ffmpeg_version
from preprocess.media.encode_mp4 import write_clip
from preprocess.synthetic.rendered_folder import PARTIAL_FOLDER, Report, is_complete, render_missing, under_way
from preprocess.synthetic.sample.audio import N_VOICES, SAMPLE_RATE_HZ, Voice, draw_voice, render_sound
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES, KINDS
from preprocess.synthetic.sample.events import build_motion
from preprocess.synthetic.sample.layout import SPLITS_FOLDER, write_splits
from preprocess.synthetic.sample.look import N_PLACES, SHAPES, Look, draw_look
from preprocess.synthetic.sample.motion import FPS
from preprocess.synthetic.sample.plan import ClipTask, Plan
from preprocess.synthetic.sample.render import render_frames

WORLD_FILE = "world.json"
_KEYFRAME_EVERY = 1
"""Every picture is an intra picture: prediction from the past would leave an arrow of time that is the codec's own."""


@lru_cache(maxsize=2)
def _draw_group(seed: int, index: int, group: int) -> tuple[Look, Voice]:
    """What the clips of a group share. As in UCF101, groups of two classes have nothing but their number in common."""
    rng = np.random.default_rng([seed, group, 4 + index, 1])
    place = np.random.default_rng([seed, int(rng.integers(N_PLACES)), 0])
    voice = np.random.default_rng([seed, int(rng.integers(N_VOICES)), 5])
    return draw_look(place, rng, SHAPES[KINDS.index(CLASSES[index].kind)]), draw_voice(voice)


def clip_arrays(task: ClipTask) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make a clip before it is encoded: frames (100, 96, 128, 3) and waveform (64000,)."""
    look, voice = _draw_group(task.seed, task.index, task.group)
    clip_seed = np.random.SeedSequence([task.seed, task.group, 3, task.index, task.clip])
    motion_rng, picture_rng, sound_rng = (np.random.default_rng(child) for child in clip_seed.spawn(3))
    motion = build_motion(CLASSES[task.index], motion_rng)
    return render_frames(motion, look, picture_rng), render_sound(motion.strikes, voice, sound_rng)


def _make_clip(task: ClipTask, out: Path) -> None:
    frames, waveform = clip_arrays(task)
    write_clip(
        out / task.name,
        frames,
        None if task.silent else waveform,
        out / PARTIAL_FOLDER,
        fps=FPS,
        sample_rate_hz=SAMPLE_RATE_HZ,
        keyframe_every=_KEYFRAME_EVERY,
    )


def generate(
    out: Path,
    *,
    seed: int,
    n_groups: int = 25,
    n_clips: int = 2,
    classes: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Report | None = None,
) -> Path:
    """Write the world below `out`, or what is missing of it, and return `out`.

    Args:
        out: folder; made if missing.
        seed: decides everything together with the other parameters.
        n_groups: groups (looks and voices), each with all classes.
        n_clips: clips per class and group.
        classes: names out of CLASSES; None for all.
        workers: processes; None for one per usable core.
        progress: told how many videos are there.

    Raises:
        RenderError: a parameter is out of range, `out` holds another world, ffmpeg failed.
        ShardError: another run writes there, or the system refuses.

    """
    names = tuple(sorted(CLASS_BY_NAME if classes is None else classes))
    plan = Plan(seed, n_groups, n_clips, names, ffmpeg_version())
    if is_complete(out, WORLD_FILE, plan.as_dict()):
        return out
    with under_way(out, WORLD_FILE, plan.as_dict(), plan.summary()):
        for folder in names:
            (out / folder).mkdir(exist_ok=True)
        render_missing(plan.tasks(), _make_clip, out, workers=workers, progress=progress)
        write_splits(out / SPLITS_FOLDER, names, n_groups=n_groups, n_clips=n_clips)
    return out
