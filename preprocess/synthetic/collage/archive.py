"""Writes a collage: H.264 + AAC files, the same for the same seed.

    OUT/collage_000001.mp4 ...
    OUT/collage.json            written last: the collage is complete

Every video depends on (seed, number, seconds) alone.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from preprocess.errors import RenderError
from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.synthetic.collage.audio import SAMPLE_RATE_HZ, render_audio
from preprocess.synthetic.collage.shot import FPS, render_frames
from preprocess.synthetic.rendered_folder import Coding, Report, render_folder

COLLAGE_FILE = "collage.json"
_CODING = Coding(FPS, SAMPLE_RATE_HZ, keyframe_every=25)
"""A key frame every two seconds, as in archives."""
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


def video_arrays(task: VideoTask) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make a video before it is encoded: frames (T, 96, 128, 3) RGB and waveform (N,) within [-1, 1]."""
    children = np.random.SeedSequence([task.seed, task.number]).spawn(2)
    frames_rng, audio_rng = (np.random.default_rng(child) for child in children)
    n_frames = round(task.seconds * FPS)
    return render_frames(frames_rng, n_frames), render_audio(audio_rng, round(n_frames / FPS * SAMPLE_RATE_HZ))


def generate(
    out: Path,
    *,
    seed: int,
    n_videos: int,
    seconds: float,
    workers: int,
    progress: Report = lambda done, total: None,
) -> Path:
    """Write the collage below `out`, or what is missing of it, and return `out`.

    `seed` and `seconds`, the length of each video, decide everything: a larger collage begins with the videos of a smaller
    one. `progress` is called after each video.

    Raises:
        RenderError: a parameter is out of range, `out` holds another collage, ffmpeg failed.
        ShardError: another run writes there, or the system refuses.
        DiskFullError: no space left.
    """
    if seed < 0:
        raise RenderError(f"the seed must not be negative, as {seed} is")
    if not 1 <= n_videos <= MAX_VIDEOS:
        raise RenderError(f"videos must be 1 to {MAX_VIDEOS}, not {n_videos}")
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise RenderError(f"seconds must be 1 to {LONGEST_SECONDS:g}, not {seconds:g}")
    plan = {
        "seed": seed, "n_videos": n_videos, "seconds": float(seconds), "ffmpeg_version": ffmpeg_version(),
        "pillow_version": PIL.__version__, "generator_version": GENERATOR_VERSION,
    }  # fmt: skip
    tasks = {f"collage_{number:06d}.mp4": VideoTask(seed, number, seconds) for number in range(1, n_videos + 1)}
    return render_folder(out, COLLAGE_FILE, plan, tasks, video_arrays, _CODING, workers=workers, progress=progress)
