"""From a catalogue to a finished shard set: plan the shards that are left, build them, and mark the set as finished."""

import dataclasses
import functools
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from preprocess.build.resume_plan import Plan, make_plan, sources_of
from preprocess.build.shard_task import ShardProgress, ShardTask, build_shard
from preprocess.errors import ShardError, disk_errors
from preprocess.executors.processes import Executor, local_executor
from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.schema import ShardParams
from preprocess.shards import manifest
from preprocess.shards.manifest import DATASET_FILE, MANIFEST_FILE
from preprocess.shards.manifest_rows import read_rows
from preprocess.shards.recipe import Recipe
from preprocess.shards.shard_files import shard_name
from preprocess.sources import Catalogue, escaped_name
from store.atomic_files import folder_lock, remove_temporaries

_PYARROW = ("pyarrow.pandas_compat", "pyarrow.vendored.version")
PRELOAD = ("av.subtitles.stream", "pandas", *_PYARROW, "simplejpeg", "torch", "torchaudio")
"""Modules that building a shard imports sooner or later: loaded once, not in every process."""
MAX_REASONS = 10
"""Kinds of failure that a summary distinguishes; the others are counted together."""
MAX_SHARD_DEATHS = 3
"""A run ends when so many processes of one shard die outside its sources."""
Progress = Callable[[int, int, str], None]
"""Receives the sources done, of how many, and a note."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A kind of failure: the number of its sources, and the reason and the name of one of them."""

    n_sources: int
    reason: str
    example: str


@dataclass(frozen=True)
class Summary:
    """The outcome of a run. Counts are those of the whole set, except those of the shards that this run built and kept.

    `n_shards_built` counts shards without an archive too, the others do not.
    """

    folder: Path
    n_sources: int
    n_failed: int
    n_segments: int
    n_segments_with_audio: int
    n_shards: int
    n_shards_built: int
    n_shards_kept: int
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
    workers: int = 0,
    executor: Executor | None = None,
    retry_failed: bool = False,
    max_failed: int = 0,
    limits: Limits = USUAL_LIMITS,
    progress: Progress = lambda *_: None,
) -> Summary:
    """Build the missing shards, then the manifest and `dataset.json`.

    After a kill at any moment, a second call continues and leaves the same bytes as one call without a kill.
    `executor` runs the shards; by default that many `workers`, processes of this machine, or for 0 this process.

    Raises:
        ShardError: another run is at work in `out`, its shards were made in another way, it is a URL, or no source can
            be read.
        DiskFullError: there is no space left; finished shards stay.
    """
    if not catalogue.sources:
        raise ShardError(out, f"cannot be made: {catalogue.dataset} has no sources")
    if catalogue.media != params.media:
        reason = f"{catalogue.dataset} is {catalogue.media}, the preset for {params.media}"
        raise ShardError(out, f"cannot be made: {reason}")
    if ":/" in str(out):  # a URL as a path, "s3:/bucket": pyarrow would not find the tables there
        remedy = "shards are built in a folder of this machine, `push` copies them to a URL"
        raise ShardError(out, f"cannot be made: {remedy}")
    if escaped_name(str(out)) != str(out):
        raise ShardError(out, "has a path that is not UTF-8, which readers of shards cannot open: choose another")
    recipe = Recipe.of(catalogue, params, ffmpeg_version())
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with folder_lock(out, disk_errors) as is_locked:
        if is_locked:
            remove_temporaries(out)
        plan = make_plan(catalogue, out, recipe, retry_failed=retry_failed)
        if plan.todo:
            for name in (DATASET_FILE, MANIFEST_FILE):  # they describe the set before this change
                (out / name).unlink(missing_ok=True)
            tasks = (
                ShardTask(
                    shard, sources_of(catalogue, shard, recipe), out, recipe, limits,
                    retried=plan.retried.get(shard, frozenset()),
                )
                for shard in plan.todo
            )  # fmt: skip
            _run(executor or local_executor(workers, PRELOAD), tasks, plan, recipe.n_sources, progress)
            if is_locked:
                remove_temporaries(out)
        return _finish(catalogue, out, recipe, built=frozenset(plan.todo), max_failed=max_failed)


def _run(executor: Executor, tasks: Iterable[ShardTask], plan: Plan, n_sources: int, progress: Progress) -> None:
    """Build shards until none is left, and report the progress."""
    started, open_shards = time.monotonic(), dict[int, ShardProgress]()  # memory does not grow with the run
    n_done, n_failed, media_seconds = plan.n_done_before, plan.n_failed_before, 0.0

    def show(at: ShardProgress) -> None:
        nonlocal n_done, n_failed, media_seconds
        before = open_shards.pop(at.shard, ShardProgress(at.shard))
        if not at.is_finished:
            open_shards[at.shard] = at
        n_done += at.n_done - before.n_done  # falls when a shard is started again
        n_failed += at.n_failed - before.n_failed
        media_seconds += at.media_seconds - before.media_seconds
        speed = media_seconds / max(time.monotonic() - started, 1e-3)
        progress(n_done, n_sources, f"{n_failed} failed, {speed:.0f} h of media per hour")

    for finished in executor.run(build_shard, tasks, show, functools.partial(_after_death, Counter())):
        show(finished)


def _after_death(
    n_deaths: Counter[tuple[int, int]], task: ShardTask, last: ShardProgress | None, how: str
) -> ShardTask:
    """Try a shard again whose process died.

    A source at which two processes die is left out, because it would end every run. Outside of sources a process may die
    for other reasons, for example because memory was short.

    Raises:
        ShardError: processes of this shard keep dying outside of its sources.
    """
    index = last.at_source if last else -1
    name = next((source.name for source in task.sources if source.index == index), shard_name(task.shard))
    _log.warning("the process that read %s ended: %s", name, how)
    n_deaths[task.shard, index] += 1
    if index < 0 and n_deaths[task.shard, index] >= MAX_SHARD_DEATHS:
        reason = f"processes that build {name} end before its first source or after its last ({how})"
        raise ShardError(task.folder, f"{reason}: is there enough memory? Run again with fewer --workers")
    if index < 0 or n_deaths[task.shard, index] < 2:
        return task
    reason = f"the process that read it ended twice: {how}"
    return dataclasses.replace(task, excluded=task.excluded | {index: reason})


def _finish(catalogue: Catalogue, out: Path, recipe: Recipe, *, built: Collection[int], max_failed: int) -> Summary:
    """Join the tables, describe the set, and mark it as finished."""
    files = {shard: manifest.read_part(manifest.part_path(out, shard)).file for shard in range(recipe.n_shards)}
    shards = tuple(file for file in files.values() if file is not None)
    failures, media_seconds, n_with_audio = _survey(out, recipe)
    n_failed = sum(failure.n_sources for failure in failures)
    manifest_sha256 = manifest.join_parts(out, recipe.n_shards)
    if not shards:
        raise ShardError(
            out,
            f"has no shard: none of the {recipe.n_sources} sources could be read. The first, {failures[0].example}: "
            f"{failures[0].reason}. Once that is mended, run again with --retry-failed",
        )
    info = manifest.DatasetInfo(
        **vars(recipe), label_names=catalogue.label_names, shards=shards, n_failed=n_failed, n_skipped=0,
        n_segments=sum(s.n_segments for s in shards), n_missing=len(catalogue.missing), n_extra=len(catalogue.extra),
        manifest_sha256=manifest_sha256, fingerprint=manifest.fingerprint(recipe.params, shards),
    )  # fmt: skip
    if not _is_described(out, info):
        manifest.write_dataset(out, info)
    return Summary(
        folder=out, n_sources=info.n_sources, n_failed=n_failed, n_segments=info.n_segments,
        n_segments_with_audio=n_with_audio, n_shards=len(shards), n_shards_built=len(built),
        n_shards_kept=sum(file is not None and shard not in built for shard, file in files.items()),
        media_seconds=media_seconds, failures=failures, fingerprint=info.fingerprint, max_failed=max_failed,
    )  # fmt: skip


def _is_described(out: Path, info: manifest.DatasetInfo) -> bool:
    """Whether the set is marked as finished as it is: a newer mark would make `make` train on it again."""
    try:
        return manifest.read_dataset(out) == info
    except ShardError:  # it is missing or damaged
        return False


def _survey(out: Path, recipe: Recipe) -> tuple[tuple[Failure, ...], float, int]:
    """Count over all rows, a shard at a time: kinds of failure, seconds of media, segments with audio."""
    counts, examples = Counter[str](), dict[str, tuple[str, str]]()
    seconds, n_with_audio = 0.0, 0
    for shard in range(recipe.n_shards):
        for row in read_rows(manifest.part_path(out, shard)).to_pylist():
            if row["kind"] == "segment":
                seconds += row["end_seconds"] - row["start_seconds"]
                n_with_audio += row["has_audio"]
            elif row["status"] == "failed":
                kind = re.sub(r"\d+", "N", row["reason"])  # other sizes and times are the same kind of failure
                counts[kind] += 1
                examples.setdefault(kind, (row["reason"], row["source"]))
    shown = counts.most_common(MAX_REASONS)
    failures = [Failure(n, *examples[kind]) for kind, n in shown]
    if n_rest := counts.total() - sum(n for _, n in shown):
        failures.append(Failure(n_rest, "other reasons: see manifest.parquet", ""))
    return tuple(failures), seconds, n_with_audio
