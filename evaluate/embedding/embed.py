"""Shards and encoders to embedding stores: missing shards are embedded one by one, then joined.

A stopped run continues with the missing shards. A store or part from another checkpoint, shard set or choice of clips
counts as missing and is replaced. A few shards are one task (evaluate/embedding/embed_task.py), which an executor may
run on another machine.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from evaluate.embedding.clip_encoders import ModelName, RunEncoders, check_params
from evaluate.embedding.embed_task import (
    EmbedOptions,
    EmbedTask,
    Target,
    TaskProgress,
    embed_shards,
    make_provenance,
    remove_parts,
)
from evaluate.errors import EmbedError
from preprocess.executors.processes import Executor, SerialExecutor
from preprocess.shards.manifest import read_dataset, read_segments
from store.writer import part_is_complete

SHARDS_A_TASK = 8
"""Shards per task of an executor. A task takes much longer than a loader's start; little is lost if a process dies."""


def embed(
    run: RunEncoders,
    shards: Path,
    outputs: Mapping[ModelName, Path],
    dataset: str,
    options: EmbedOptions,
    *,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> tuple[ModelName, ...]:
    """Make the stores that are missing or out of date; return their models.

    Args:
        run: the encoders and the settings of their clips.
        shards: folder of the shard set.
        outputs: model -> its store, for every encoder of the run.
        dataset: name of the data set, kept in the stores.
        options: clips and device.
        executor: where shards are embedded; without one in this process.
        progress: told the segments done, of how many, after every batch.

    Raises:
        EmbedError: the shards do not fit the encoders, or hold nothing.
        train.errors.LoaderError: a shard cannot be read.
        store.errors.StoreError: a store cannot be written.
    """
    info = read_dataset(shards)
    check_params(run.shard_params, info.params, shards)
    segments = read_segments(shards)
    if segments.empty:
        raise EmbedError(f"{shards}: holds no segments; its manifest says why each source failed")
    names = tuple(segments["shard"].unique())
    targets = []
    for encoder in run.encoders:
        provenance = make_provenance(encoder, run, info, dataset, options)
        if part_is_complete(outputs[encoder.name], provenance):
            remove_parts(outputs[encoder.name])  # a kill may have left them
        else:
            targets.append(Target(encoder, outputs[encoder.name], provenance, names))
    made = tuple(target.encoder.name for target in targets)
    wanted = sorted({shard for target in targets for shard in target.missing})
    size = SHARDS_A_TASK if executor else max(len(wanted), 1)
    tasks = (
        EmbedTask(
            run, made, shards, tuple(wanted[start : start + size]), outputs, dataset, options,
            int(segments["n_frames"].max()),
        )
        for start in range(0, len(wanted), size)
    )  # fmt: skip
    total = int(segments["shard"].isin(wanted).sum())
    _run(executor or SerialExecutor(), tasks, total, progress)
    for target in targets:
        target.join()
    return made


def _run(executor: Executor, tasks: Iterator[EmbedTask], total: int, progress: Callable[[int, int], None]) -> None:
    """Do all tasks; a task whose process dies is tried once more."""
    done: dict[str, int] = {}
    deaths = Counter[str]()

    def show(at: TaskProgress) -> None:
        done[at.first_shard] = at.n_segments
        progress(sum(done.values()), total)

    def after_death(task: EmbedTask, last: TaskProgress | None, how: str) -> EmbedTask:
        del last
        deaths[task.only_shards[0]] += 1
        if deaths[task.only_shards[0]] < 2:
            return task
        raise EmbedError(f"{task.shards}: the process that embedded {task.only_shards[0]} ended twice: {how}")

    for finished in executor.run(embed_shards, tasks, show, after_death):
        show(finished)
