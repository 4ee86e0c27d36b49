"""Renders the videos of a plan into a folder, resumably, for one writer at a time.

    OUT/NAME        the videos; one that is there is not rendered again
    OUT/MARK        written last, with the plan and its summary: the folder is complete
    OUT/.plan.json  the plan until then

A video depends on its task alone, so neither the number of workers nor a run that was killed and started again changes a byte.
"""

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from preprocess.errors import RenderError, disk_errors
from preprocess.executors.options import n_processors
from preprocess.media.encode_mp4 import Coding, write_clip
from store.atomic_files import folder_lock, remove_temporaries, write_text

_PLAN_FILE = ".plan.json"
_PARTIAL_FOLDER = ".partial"

Report = Callable[[int, int], None]
"""Called with (videos there, videos in all): once before the first is rendered, then after each."""


class Task(Protocol):
    """One video to render."""

    @property
    def name(self) -> str:
        """Path below the folder."""
        ...


T = TypeVar("T", bound=Task)
T_co = TypeVar("T_co", bound=Task, covariant=True)
Arrays = Callable[[T], tuple[NDArray[np.uint8], NDArray[np.float32] | None]]
"""Computes a task's frames (T, H, W, 3) RGB and waveform (N,), None for a video without audio; importable by name."""


class Plan(Protocol[T_co]):
    """The parameters of a folder of videos."""

    def as_dict(self) -> dict[str, object]:
        """Everything that decides the bytes, as JSON gives it back."""
        ...

    def summary(self) -> dict[str, object]:
        """Content of the mark; includes `as_dict`."""
        ...

    def tasks(self) -> Sequence[T_co]:
        """All videos."""
        ...


def render_folder(
    out: Path,
    mark: str,
    plan: Plan[T],
    arrays: Arrays[T],
    coding: Coding,
    *,
    write_lists: Callable[[Path], None] | None = None,
    workers: int | None = None,
    progress: Report | None = None,
) -> Path:
    """Render the videos that are missing in `out`, then its lists, and mark it complete; return `out`.

    Args:
        out: folder; made if missing.
        mark: name of the file that marks it complete.
        plan: what it should hold.
        arrays: computes one video.
        coding: how the videos are encoded.
        write_lists: writes further files below `out` when all videos are there.
        workers: processes; None for one per usable core.
        progress: called after each video.

    Raises:
        RenderError: `out` holds other videos, or was begun with another plan; ffmpeg failed.
        ShardError: another run writes there, or the system refuses.
        DiskFullError: no space left.
    """
    if _is_complete(out, mark, plan.as_dict()):
        return out
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with folder_lock(out, disk_errors):
        (out / _PARTIAL_FOLDER).mkdir(exist_ok=True)
        remove_temporaries(out)
        write_text(out / _PLAN_FILE, json.dumps(plan.as_dict()), disk_errors)
        tasks = plan.tasks()
        missing = [task for task in tasks if not (out / task.name).exists()]
        n_before = len(tasks) - len(missing)
        report = progress or (lambda done, total: None)
        report(n_before, len(tasks))
        make = functools.partial(_render_video, arrays=arrays, coding=coding, out=out)
        for done, _ in enumerate(_results(missing, make, workers or n_processors()), n_before + 1):
            report(done, len(tasks))
        if write_lists is not None:
            write_lists(out)
        shutil.rmtree(out / _PARTIAL_FOLDER)
        write_text(out / mark, json.dumps(plan.summary(), indent=2) + "\n", disk_errors)
        (out / _PLAN_FILE).unlink()
    return out


def _is_complete(out: Path, mark: str, plan: dict[str, object]) -> bool:
    """Whether `out` holds exactly the planned videos; False where it is empty or unfinished.

    Raises:
        RenderError: it holds, or was begun with, something else.
    """
    for path in (out / mark, out / _PLAN_FILE):
        if not path.exists():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RenderError(f"{path}: not JSON ({error}); remove {out} and render it again") from error
        differing = [f"{key} {found.get(key)}, not {plan[key]}" for key in plan if found.get(key) != plan[key]]
        if differing:
            raise RenderError(f"{out}: holds another world ({'; '.join(differing)}); remove it or choose another")
        return path.name == mark
    return False


def _render_video(task: T, arrays: Arrays[T], coding: Coding, out: Path) -> None:
    frames, waveform = arrays(task)
    target = out / task.name
    target.parent.mkdir(exist_ok=True)
    write_clip(target, frames, waveform, out / _PARTIAL_FOLDER, coding)


def _results(tasks: Sequence[T], make: Callable[[T], None], workers: int) -> Iterator[None]:
    """Render in this process or in a pool; yields once for every video done."""
    if workers == 1:
        yield from map(make, tasks)
        return
    # forkserver: the caller may hold threads (torch, DALI) that a plain fork would copy in mid-step.
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        futures = [pool.submit(make, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
