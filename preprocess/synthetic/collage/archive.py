"""Writes a collage: H.264 + AAC files, the same for the same seed.

    OUT/collage_000001.mp4 ...
    OUT/collage.json            last: the mark of a complete collage

Every video depends on (seed, number, seconds) alone.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from preprocess.media.decode import ffmpeg_version
from preprocess.media.encode_mp4 import write_clip
from preprocess.synthetic.collage.audio import render_sound
from preprocess.synthetic.collage.plan import Plan, VideoTask
from preprocess.synthetic.collage.shot import FPS, render_frames
from preprocess.synthetic.collage.voices import SAMPLE_RATE_HZ
from preprocess.synthetic.rendered_folder import PARTIAL_FOLDER, Report, is_complete, render_missing, under_way

COLLAGE_FILE = "collage.json"
_KEYFRAME_EVERY = 25
"""Two seconds, as archives have it."""


def video_arrays(task: VideoTask) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make a video before it is encoded: frames (T, 96, 128, 3) RGB and waveform (N,) within [-1, 1]."""
    children = np.random.SeedSequence([task.seed, task.number]).spawn(2)
    picture_rng, sound_rng = (np.random.default_rng(child) for child in children)
    return render_frames(picture_rng, task.n_frames), render_sound(sound_rng, task.n_samples)


def _make_video(task: VideoTask, out: Path) -> None:
    frames, waveform = video_arrays(task)
    write_clip(
        out / task.name,
        frames,
        waveform,
        out / PARTIAL_FOLDER,
        fps=FPS,
        sample_rate_hz=SAMPLE_RATE_HZ,
        keyframe_every=_KEYFRAME_EVERY,
    )


def generate(
    out: Path,
    *,
    seed: int,
    n_videos: int = 1600,
    seconds: float = 10.0,
    workers: int | None = None,
    progress: Report | None = None,
) -> Path:
    """Write the collage below `out`, or what is missing of it, and return `out`.

    Args:
        out: folder; made if missing.
        seed: decides everything together with `seconds`; the first videos of a larger collage are those of a smaller one.
        n_videos: how many.
        seconds: length of each.
        workers: processes; None for one per usable core.
        progress: told how many videos are there.

    Raises:
        RenderError: a parameter is out of range, `out` holds another collage, ffmpeg failed.
        ShardError: another run writes there, or the system refuses.

    """
    plan = Plan(seed, n_videos, float(seconds), ffmpeg_version(), PIL.__version__)
    if is_complete(out, COLLAGE_FILE, asdict(plan)):
        return out
    with under_way(out, COLLAGE_FILE, asdict(plan), plan.summary()):
        render_missing(plan.tasks(), _make_video, out, workers=workers, progress=progress)
    return out
