"""A folder of rendered videos: what it is to hold, which videos are missing, and who may write there.

    OUT/NAME       the videos; one that is there is not rendered again
    OUT/MARK       last: what the folder holds, the mark that it is complete
    OUT/.plan.json the parameters while it is under way; gives way to MARK

A video depends on its task alone, so neither the number of workers nor a run that was killed and started again changes a byte.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar

from preprocess.errors import RenderError, disk_errors
from preprocess.executors.options import n_processors
from store.atomic_files import folder_lock, remove_temporaries, write_text

PLAN_FILE = ".plan.json"
PARTIAL_FOLDER = ".partial"

Report = Callable[[int, int], None]
"""Called with (videos there, videos in all): once before the first is rendered, then after each."""


class Task(Protocol):
    """One video to render."""

    @property
    def name(self) -> str:
        """Path below the folder."""
        ...


T = TypeVar("T", bound=Task)
Make = Callable[[T, Path], None]
"""Render a task into the folder; must be importable by name."""


def is_complete(out: Path, mark: str, plan: dict[str, object]) -> bool:
    """Whether `out` holds exactly what is planned; False where it is empty or under way.

    Raises:
        RenderError: it holds, or was begun with, something else.

    """
    for path in (out / mark, out / PLAN_FILE):
        if not path.exists():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RenderError(f"{path}: no JSON ({error}); remove {out} and render it again") from error
        differing = [f"{key} {found.get(key)}, not {plan[key]}" for key in plan if found.get(key) != plan[key]]
        if differing:
            raise RenderError(f"{out}: holds another world ({'; '.join(differing)}); remove it or choose another")
        return path.name == mark
    return False


@contextmanager
def under_way(out: Path, mark: str, plan: dict[str, object], summary: dict[str, object]) -> Iterator[None]:
    """Hold the folder and its plan while it is filled; mark it complete, with `summary`, if nothing went wrong.

    Raises:
        ShardError: another run writes there, or the system refuses.
        DiskFullError: no space left.

    """
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with folder_lock(out, disk_errors):
        (out / PARTIAL_FOLDER).mkdir(exist_ok=True)
        remove_temporaries(out)
        write_text(out / PLAN_FILE, json.dumps(plan), disk_errors)
        yield
        shutil.rmtree(out / PARTIAL_FOLDER)
        write_text(out / mark, json.dumps(summary, indent=2) + "\n", disk_errors)
        (out / PLAN_FILE).unlink()


def render_missing(
    tasks: Sequence[T], make: Make[T], out: Path, *, workers: int | None = None, progress: Report | None = None
) -> None:
    """Render the videos that are not there yet, in this process or in a pool.

    Args:
        tasks: all videos of the folder.
        make: renders one.
        out: the folder, held by `under_way`.
        workers: processes; None for one per usable core.
        progress: told how far it is.

    """
    missing = [task for task in tasks if not (out / task.name).exists()]
    n_before = len(tasks) - len(missing)
    report = progress or (lambda done, total: None)
    report(n_before, len(tasks))
    for done, _ in enumerate(_results(missing, make, out, workers or n_processors()), n_before + 1):
        report(done, len(tasks))


def _results(tasks: Sequence[T], make: Make[T], out: Path, workers: int) -> Iterator[None]:
    """Render; yields once for every video done."""
    if workers == 1:
        for task in tasks:
            make(task, out)
            yield
        return
    # forkserver: the caller may hold threads (torch, DALI) that a plain fork would copy in mid-step.
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        futures: list[Future[None]] = [pool.submit(make, task, out) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
