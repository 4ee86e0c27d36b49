"""Renders generated videos into a folder, resumably, for one writer at a time.

    OUT/NAME        the videos; one that is there is not rendered again
    OUT/MARK        the plan, written last: the folder is complete
    OUT/.plan.json  the plan until then

A video depends on its task alone, so neither the number of workers nor a run that was killed and started again changes a byte.
"""

import functools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from preprocess.errors import RenderError, disk_errors
from preprocess.executors.processes import local_executor
from preprocess.media.ffmpeg import ffmpeg_executable
from store.atomic_files import folder_lock, remove_temporaries, write_text

_PLAN_FILE = ".plan.json"
_PARTIAL_FOLDER = ".partial"
_ENCODE_SECONDS = 120
_VIDEO_OPTIONS = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p")
_AUDIO_OPTIONS = ("-c:a", "aac", "-b:a", "48k")
_SAME_BYTES = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")

Report = Callable[[int, int], None]
"""Called with (videos there, videos in all): once before the first is rendered, then after each."""
T = TypeVar("T")
Arrays = Callable[[T], tuple[NDArray[np.uint8], NDArray[np.float32] | None]]
"""Computes a task's frames (T, H, W, 3) RGB and waveform (N,), None for a video without audio; importable by name."""


@dataclass(frozen=True)
class Coding:
    """Rates of a video, and frames from one key frame to the next; 1 makes every frame a key frame."""

    fps: float
    sample_rate_hz: int
    keyframe_every: int


def render_folder(
    out: Path,
    mark: str,
    plan: Mapping[str, Any],
    tasks: Mapping[str, T],
    arrays: Arrays[T],
    coding: Coding,
    *,
    workers: int,
    progress: Report,
    write_lists: Callable[[Path], None] = lambda out: None,
) -> Path:
    """Render the videos that are missing in `out`, then its lists, and mark it complete; return `out`.

    The file `mark` holds `plan`, everything that decides the bytes, as JSON gives it back. `tasks` are the videos by their
    paths below `out`; `arrays` computes one. `write_lists` writes further files at the end.

    Raises:
        RenderError: `out` holds other videos, or was begun with another plan; ffmpeg failed.
        ShardError: another run writes there, or the system refuses.
        DiskFullError: no space left.
    """
    if _is_complete(out, mark, plan):
        return out
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with folder_lock(out, disk_errors) as is_locked:
        if _is_complete(out, mark, plan):  # another run may have been at work in between
            return out
        with disk_errors(out):
            (out / _PARTIAL_FOLDER).mkdir(exist_ok=True)
        if is_locked:
            remove_temporaries(out)
        write_text(out / _PLAN_FILE, json.dumps(plan), disk_errors)
        missing = [(name, task) for name, task in tasks.items() if not (out / name).exists()]
        n_before = len(tasks) - len(missing)
        progress(n_before, len(tasks))
        render = functools.partial(_render_video, arrays=arrays, coding=coding, out=out)
        executor = local_executor(workers if workers > 1 else 0, (arrays.__module__,))
        for done, _ in enumerate(executor.run(render, missing, lambda report: None, _give_up), n_before + 1):
            progress(done, len(tasks))
        write_lists(out)
        shutil.rmtree(out / _PARTIAL_FOLDER)
        write_text(out / mark, json.dumps(plan, indent=2) + "\n", disk_errors)
        (out / _PLAN_FILE).unlink()
    return out


def _is_complete(out: Path, mark: str, plan: Mapping[str, Any]) -> bool:
    """Whether `out` holds exactly the planned videos; False where it is empty or unfinished.

    Raises:
        RenderError: it holds, or was begun with, something else.
        ShardError: the system refuses to read it.
    """
    with disk_errors(out):
        path = next((path for path in (out / mark, out / _PLAN_FILE) if path.exists()), None)
        if path is None:
            if out.is_dir() and any(not each.name.startswith(".") for each in out.iterdir()):
                raise RenderError(f"{out}: holds other files; choose another folder")
            return False
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RenderError(f"{path}: not JSON ({error}); remove {out} and render it again") from error
    differing = [f"{key} {found.get(key)}, not {plan[key]}" for key in plan if found.get(key) != plan[key]]
    if differing:
        raise RenderError(f"{out}: holds other videos ({'; '.join(differing)}); remove it or choose another folder")
    return path.name == mark


def _render_video(
    video: tuple[str, T], report: Callable[[None], None], *, arrays: Arrays[T], coding: Coding, out: Path
) -> None:
    """Render one video, named and with its task: the work that is spread over processes.

    Frames go to ffmpeg's standard input, the waveform to a temporary file.

    Raises:
        RenderError: ffmpeg failed; quotes the end of its messages.
        DiskFullError, ShardError: the waveform or the video cannot be written.
    """
    name, task = video
    frames, waveform = arrays(task)
    height, width = frames.shape[1:3]
    target = out / name
    with disk_errors(out), tempfile.TemporaryDirectory(dir=out / _PARTIAL_FOLDER) as folder:
        samples, encoded = Path(folder) / "samples", Path(folder) / "clip.mp4"
        audio_input, audio_output = [], []
        if waveform is not None:
            samples.write_bytes(np.round(waveform * 32767).astype("<i2").tobytes())
            audio_input = ["-f", "s16le", "-ar", str(coding.sample_rate_hz), "-ac", "1", "-i", f"file:{samples}"]
            audio_output = ["-map", "1:a", *_AUDIO_OPTIONS]
        command = [
            ffmpeg_executable(), "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads", "1",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(coding.fps), "-i", "pipe:0",
            *audio_input, "-map", "0:v", *audio_output, "-threads", "1", *_VIDEO_OPTIONS, "-g", str(coding.keyframe_every),
            *_SAME_BYTES, "-y", f"file:{encoded}",
        ]  # fmt: skip
        try:
            subprocess.run(command, input=frames.tobytes(), capture_output=True, check=True, timeout=_ENCODE_SECONDS)
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode("utf-8", "replace").strip()[-500:]
            raise RenderError(f"ffmpeg could not write {target}: {words}") from error
        except subprocess.TimeoutExpired as error:
            raise RenderError(f"ffmpeg took more than {_ENCODE_SECONDS} s for {target}") from error
        target.parent.mkdir(exist_ok=True)
        encoded.replace(target)


def _give_up(video: tuple[str, T], last: None, how: str) -> NoReturn:
    raise RenderError(f"the process that rendered {video[0]} ended: {how}; run the same command again")
