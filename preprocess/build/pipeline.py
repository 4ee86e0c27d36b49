"""From a catalogue to a finished shard set: plan what is left, build it, and set the marks at the end."""

import dataclasses
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from preprocess.build.resume_plan import Plan, make_plan, sources_of
from preprocess.build.shard_task import ShardProgress, ShardTask, build_shard
from preprocess.errors import ShardError, disk_errors
from preprocess.executors.processes import Executor, ProcessExecutor
from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.media.media_info import Limits
from preprocess.schema import ShardParams
from preprocess.shards.manifest import (
    DATASET_FILE,
    MANIFEST_FILE,
    DatasetInfo,
    fingerprint,
    join_parts,
    part_path,
    read_part,
    write_dataset,
)
from preprocess.shards.manifest_rows import read_rows
from preprocess.shards.recipe import Recipe
from preprocess.shards.shard_files import ShardInfo, shard_name
from preprocess.sources import Catalogue
from store.atomic_files import folder_lock, remove_temporaries

PRELOAD = (
    "av.subtitles.stream",
    "pandas",
    "preprocess.build.warm",
    "pyarrow.pandas_compat",
    "pyarrow.vendored.version",
    "simplejpeg",
    "torch",
    "torchaudio",
)
"""What building a shard imports sooner or later (pyarrow brings in pandas): loaded once, not in every process."""
MAX_REASONS = 10
"""Kinds of failure that a summary distinguishes; the rest is counted together."""
MAX_COUNTED_REASONS = 1000
MAX_SHARD_DEATHS = 3
"""Deaths of processes of one shard, outside its sources, that end the run."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A kind of failure: how many sources it hit, the words for one of them, and its name."""

    n_sources: int
    reason: str
    example: str


@dataclass(frozen=True)
class Summary:
    """What a run leaves behind. All counts are of the whole set but `n_shards_built`, which is of this run."""

    folder: Path
    n_sources: int
    n_failed: int
    n_segments: int
    n_segments_with_audio: int
    n_shards: int
    n_shards_built: int
    media_seconds: float
    failures: tuple[Failure, ...]
    fingerprint: str
    max_failed: int = 0

    @property
    def too_many_failed(self) -> bool:
        """Whether more sources failed than the caller allows."""
        return self.n_failed > self.max_failed


def build(
    catalogue: Catalogue,
    out: Path,
    params: ShardParams,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    retry_failed: bool = False,
    max_failed: int = 0,
    limits: Limits | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Summary:
    """Build the shards that are not there yet, then the manifest and `dataset.json`.

    Killed at any moment and called again, it goes on where it was and leaves the same bytes as a run in one piece.
    `executor` runs the shards, by default that many `workers`, processes of this machine. `progress` is told the sources
    done, of how many, and a note.

    Raises:
        ShardError: another run is at work in `out`, its shards were made in another way, or no source can be read.
        DiskFullError: there is no space left; what is finished stays.

    """
    if not catalogue.sources:
        raise ShardError(out, f"cannot be made: {catalogue.dataset} has no sources")
    if catalogue.media != params.media:
        raise ShardError(
            out, f"cannot be made: {catalogue.dataset} is {catalogue.media}, the preset for {params.media}"
        )
    recipe = Recipe.of(catalogue, params, ffmpeg_version())
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with folder_lock(out, disk_errors):
        remove_temporaries(out)
        plan = make_plan(catalogue, out, recipe, retry_failed=retry_failed)
        if plan.todo:
            for name in (DATASET_FILE, MANIFEST_FILE):  # they would speak of a set that is being changed
                (out / name).unlink(missing_ok=True)
            tasks = _tasks(plan, catalogue, out, recipe, limits or Limits())
            executor = executor or ProcessExecutor(min(workers, len(plan.todo)), PRELOAD)
            _run(executor, tasks, plan, recipe.n_sources, progress)
            remove_temporaries(out)
        return _finish(catalogue, out, recipe, n_built=len(plan.todo), max_failed=max_failed)


def _tasks(plan: Plan, catalogue: Catalogue, out: Path, recipe: Recipe, limits: Limits) -> Iterator[ShardTask]:
    for shard in plan.todo:
        retried = plan.retried.get(shard, frozenset())
        yield ShardTask(shard, sources_of(catalogue, shard, recipe), out, recipe, limits, retried=retried)


def _run(
    executor: Executor,
    tasks: Iterator[ShardTask],
    plan: Plan,
    n_sources: int,
    progress: Callable[[int, int, str], None],
) -> None:
    """Build shards until none is left, and report the progress."""
    deaths, shard_deaths = Counter[int](), Counter[int]()
    started, open_shards = time.monotonic(), dict[int, ShardProgress]()  # memory does not grow with the run
    n_done, n_failed, media_seconds = plan.n_done_before, plan.n_failed_before, 0.0

    def show(at: ShardProgress) -> None:
        nonlocal n_done, n_failed, media_seconds
        before = open_shards.pop(at.shard, ShardProgress(at.shard))
        if not at.is_finished:
            open_shards[at.shard] = at
        n_done += at.n_done - before.n_done  # falls where a shard is started again
        n_failed += at.n_failed - before.n_failed
        media_seconds += at.media_seconds - before.media_seconds
        speed = media_seconds / max(time.monotonic() - started, 1e-3)
        progress(n_done, n_sources, f"{n_failed} failed, {speed:.0f} h of media per hour")

    def after_death(task: ShardTask, last: ShardProgress | None, how: str) -> ShardTask:
        if last is None or last.at_source < 0:
            return _once_more(task, how, shard_deaths)
        return _without_killer(task, last.at_source, how, deaths)

    for finished in executor.run(build_shard, tasks, show, after_death):
        show(finished)


def _once_more(task: ShardTask, how: str, deaths: Counter[int]) -> ShardTask:
    """Try a shard again whose process died at no source: chance (a machine short of memory), unless it keeps doing so."""
    deaths[task.shard] += 1
    if deaths[task.shard] >= MAX_SHARD_DEATHS:
        reason = f"processes that build {shard_name(task.shard)} end before its first source or after its last ({how})"
        raise ShardError(task.folder, f"{reason}: is there enough memory? Run again with fewer --workers")
    _log.warning("the process that builds %s ended: %s", shard_name(task.shard), how)
    return task


def _without_killer(task: ShardTask, index: int, how: str, deaths: Counter[int]) -> ShardTask:
    """Try a shard again; a source at which its process died twice is left out, for it would end every run."""
    source = next(source for source in task.sources if source.index == index)
    deaths[index] += 1
    _log.warning("the process that read %s ended: %s", source.name, how)
    if deaths[index] < 2:
        return task
    reason = f"the process that read it ended twice: {how}"
    return dataclasses.replace(task, excluded=task.excluded | {index: reason})


def _finish(catalogue: Catalogue, out: Path, recipe: Recipe, *, n_built: int, max_failed: int) -> Summary:
    """Join the tables, say what the set is made of, and mark it as finished."""
    shards, n_failed = _finished_shards(out, recipe)
    failures, media_seconds, n_with_audio = _survey(out, recipe)
    manifest_sha256 = join_parts(out, recipe.n_shards)
    if not shards:
        raise ShardError(
            out,
            f"has no shard: none of the {recipe.n_sources} sources could be read. The first, {failures[0].example}: "
            f"{failures[0].reason}. Once that is mended, run again with --retry-failed",
        )
    info = _dataset(catalogue, recipe, shards, n_failed, manifest_sha256)
    write_dataset(out, info)
    return Summary(
        folder=out,
        n_sources=info.n_sources,
        n_failed=n_failed,
        n_segments=info.n_segments,
        n_segments_with_audio=n_with_audio,
        n_shards=len(shards),
        n_shards_built=n_built,
        media_seconds=media_seconds,
        failures=failures,
        fingerprint=info.fingerprint,
        max_failed=max_failed,
    )


def _finished_shards(out: Path, recipe: Recipe) -> tuple[tuple[ShardInfo, ...], int]:
    """List the archives, and count the sources that failed."""
    shards, n_failed = [], 0
    for shard in range(recipe.n_shards):
        part = read_part(part_path(out, shard))
        n_failed += part.n_failed
        if part.file is not None:
            shards.append(part.file)
    return tuple(shards), n_failed


def _dataset(
    catalogue: Catalogue, recipe: Recipe, shards: tuple[ShardInfo, ...], n_failed: int, manifest_sha256: str
) -> DatasetInfo:
    return DatasetInfo(
        dataset=catalogue.dataset,
        params=recipe.params,
        label_names=catalogue.label_names,
        shards=shards,
        n_sources=recipe.n_sources,
        n_failed=n_failed,
        n_skipped=0,
        n_segments=sum(shard.n_segments for shard in shards),
        n_missing=len(catalogue.missing),
        n_extra=len(catalogue.extra),
        ffmpeg_version=recipe.ffmpeg_version,
        packages=dict(recipe.packages),
        sources_sha256=recipe.sources_sha256,
        manifest_sha256=manifest_sha256,
        fingerprint=fingerprint(recipe.params, shards),
    )


def _survey(out: Path, recipe: Recipe) -> tuple[tuple[Failure, ...], float, int]:
    """Count over all rows, a shard at a time: kinds of failure, seconds of media, segments with audio."""
    counts, examples = Counter[str](), dict[str, tuple[str, str]]()
    seconds, n_with_audio = 0.0, 0
    for shard in range(recipe.n_shards):
        for row in read_rows(part_path(out, shard)).to_pylist():
            if row["kind"] == "segment":
                seconds += row["end_seconds"] - row["start_seconds"]
                n_with_audio += row["has_audio"]
            elif row["status"] == "failed":
                kind = re.sub(r"\d+", "N", row["reason"])  # sizes and times do not make another kind
                if kind not in counts and len(counts) >= MAX_COUNTED_REASONS:
                    kind = "other"
                counts[kind] += 1
                examples.setdefault(kind, (row["reason"], row["source"]))
    shown = counts.most_common(MAX_REASONS)
    failures = [Failure(n, *examples[kind]) for kind, n in shown]
    if n_rest := counts.total() - sum(n for _, n in shown):
        failures.append(Failure(n_rest, "other reasons: see manifest.parquet", ""))
    return tuple(failures), seconds, n_with_audio
