"""Writes the sample world: labelled H.264 + AAC files in the layout of UCF101, the same for the same seed.

    OUT/Class/v_Class_gXX_cYY.mp4
    OUT/ucfTrainTestlist/{classInd,trainlist01..03,testlist01..03}.txt
    OUT/world.json                                                       written last: the world is complete

Every clip depends on (seed, class, group, clip) alone, so the choice of classes does not change its bytes either.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.synthetic.encode_mp4 import Coding
from preprocess.synthetic.rendered_folder import Report, render_folder
from preprocess.synthetic.sample.audio import N_VOICES, SAMPLE_RATE_HZ, Voice, draw_voice, render_audio
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES, KINDS
from preprocess.synthetic.sample.events import build_motion
from preprocess.synthetic.sample.look import HEIGHT_PX, N_PLACES, SHAPES, WIDTH_PX, Look, draw_look
from preprocess.synthetic.sample.motion import CLIP_SECONDS, FPS
from preprocess.synthetic.sample.plan import ClipTask, clip_tasks, write_lists
from preprocess.synthetic.sample.render import render_frames

WORLD_FILE = "world.json"
GENERATOR_VERSION = 4
"""Raised whenever the same seed gives another world."""
_CODING = Coding(FPS, SAMPLE_RATE_HZ, keyframe_every=1)
"""Only key frames: prediction from the past would leave an arrow of time that comes from the codec."""


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
    facts = {
        "n_files": len(tasks),
        "n_without_audio": sum(task.silent for task in tasks.values()),
        "video": {"width_px": WIDTH_PX, "height_px": HEIGHT_PX, "fps": FPS, "seconds": CLIP_SECONDS},
        "audio": {"sample_rate_hz": SAMPLE_RATE_HZ, "channels": 1},
        "descriptions": {
            entry.name: {"description": entry.description, "twin": entry.twin, "differs_in": entry.difference}
            for entry in (CLASS_BY_NAME[name] for name in names)
        },
    }
    return render_folder(
        out, WORLD_FILE, plan, facts, tasks, clip_arrays, _CODING, workers=workers, progress=progress,
        write_lists=lambda folder: write_lists(folder, tasks.values(), names, n_groups),
    )  # fmt: skip
