"""Writes the sample world: labelled H.264 + AAC files in the layout of UCF101, the same for the same seed.

    OUT/Class/v_Class_gXX_cYY.mp4
    OUT/ucfTrainTestlist/{classInd,trainlist01..03,testlist01..03}.txt
    OUT/world.json                                                       last: the mark of a complete world

Every clip depends on (seed, class, group, clip) alone, so neither the number of workers nor the choice of classes nor
a run that was killed and started again changes a byte.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.atomic import remove_temporaries
from preprocess.media import ffmpeg_version
from preprocess.sample.classes import CLASS_BY_NAME, CLASSES, KINDS
from preprocess.sample.encode import write_clip
from preprocess.sample.errors import SampleError
from preprocess.sample.events import build_motion
from preprocess.sample.layout import SPLITS_FOLDER, write_splits, write_text
from preprocess.sample.look import N_PLACES, SHAPES, Look, draw_look
from preprocess.sample.plan import ClipTask, Plan
from preprocess.sample.render import render_frames
from preprocess.sample.sound import N_VOICES, Voice, draw_voice, render_sound

WORLD_FILE = "world.json"
PLAN_FILE = ".plan.json"
"""The parameters of a world under way; gives way to WORLD_FILE."""
PARTIAL_FOLDER = ".partial"
LOCK_FILE = ".lock"


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
    target = out / task.name
    if target.exists():
        return
    frames, waveform = clip_arrays(task)
    write_clip(target, frames, None if task.silent else waveform, out / PARTIAL_FOLDER)


def _is_complete(out: Path, plan: Plan) -> bool:
    """Whether `out` holds this very world; refuses a folder that holds or was begun with another one."""
    for path in (out / WORLD_FILE, out / PLAN_FILE):
        if not path.exists():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SampleError(f"{path}: no JSON ({error}); remove {out} and generate it again") from error
        wanted = plan.as_dict()
        differing = [f"{key} {found.get(key)}, not {wanted[key]}" for key in wanted if found.get(key) != wanted[key]]
        if differing:
            raise SampleError(f"{out}: holds another world ({'; '.join(differing)}); remove it or choose another")
        return path.name == WORLD_FILE
    return False


@contextmanager
def _only_writer(out: Path) -> Iterator[None]:
    with (out / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SampleError(f"{out}: another run is writing here; wait for it to end") from error
        yield


def _results(tasks: Sequence[ClipTask], out: Path, workers: int) -> Iterator[None]:
    """Make the clips, in this process or in a pool; yields once for every clip done."""
    if workers == 1:
        for task in tasks:
            _make_clip(task, out)
            yield
        return
    # forkserver: the caller may hold threads (torch, DALI) that a plain fork would copy in mid-step.
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        futures: list[Future[None]] = [pool.submit(_make_clip, task, out) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def generate(
    out: Path,
    *,
    seed: int,
    n_groups: int = 25,
    n_clips: int = 2,
    classes: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the world below `out`, or what is missing of it, and return `out`.

    Args:
        out: folder; made if missing.
        seed: decides everything together with the other parameters.
        n_groups: groups (looks and voices), each with all classes.
        n_clips: clips per class and group.
        classes: names out of CLASSES; None for all.
        workers: processes; None for one per usable core.
        progress: called with (files done, files in all).

    Raises:
        SampleError: a parameter is out of range, `out` holds another world, another run writes there, ffmpeg failed.

    """
    names = tuple(sorted(CLASS_BY_NAME if classes is None else classes))
    plan = Plan(seed, n_groups, n_clips, names, ffmpeg_version())
    if _is_complete(out, plan):
        return out
    tasks = plan.tasks()
    out.mkdir(parents=True, exist_ok=True)
    with _only_writer(out):
        remove_temporaries(out)
        write_text(out / PLAN_FILE, json.dumps(plan.as_dict()))
        for folder in (PARTIAL_FOLDER, *names):
            (out / folder).mkdir(exist_ok=True)
        for done, _ in enumerate(_results(tasks, out, workers or len(os.sched_getaffinity(0))), 1):
            if progress:
                progress(done, len(tasks))
        write_splits(out / SPLITS_FOLDER, names, n_groups=n_groups, n_clips=n_clips)
        shutil.rmtree(out / PARTIAL_FOLDER)
        write_text(out / WORLD_FILE, json.dumps(plan.summary(), indent=2) + "\n")
        (out / PLAN_FILE).unlink()
    return out
