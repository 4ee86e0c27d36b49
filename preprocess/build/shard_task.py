"""One shard, from its sources to its mark. One process does all of it, so the bytes do not depend on their number."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from preprocess.errors import MediaError, StripError
from preprocess.executors.processes import leave_if_stopped
from preprocess.features.sample_members import decoded_row, samples, source_row
from preprocess.media.decode import decode
from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.media.media_info import Limits
from preprocess.remote import local_file
from preprocess.shards.manifest import Part, part_path, write_part
from preprocess.shards.manifest_rows import Row
from preprocess.shards.recipe import Recipe
from preprocess.shards.shard_files import ShardWriter, shard_name
from preprocess.sources import Source


@dataclass(frozen=True)
class ShardTask:
    """Everything that a process needs to build one shard.

    `excluded` maps the index of a source to the reason why it must not be tried: it killed its process before.
    `retried` are sources that failed in an earlier run; if all of them fail again, the shard stays as it is.
    """

    shard: int
    sources: tuple[Source, ...]
    folder: Path
    recipe: Recipe
    limits: Limits
    excluded: dict[int, str] = field(default_factory=dict)
    retried: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ShardProgress:
    """The state of a shard: counts since its beginning, so that a later report replaces an earlier one.

    `at_source` is the index of the source that is being read now, -1 when none is.
    """

    shard: int
    n_done: int = 0
    n_failed: int = 0
    media_seconds: float = 0.0
    at_source: int = -1
    is_finished: bool = False


Report = Callable[[ShardProgress], None]


def build_shard(task: ShardTask, report: Report) -> ShardProgress:
    """Build one shard: archive, index, then the mark that it is finished.

    Raises:
        DiskFullError: there is no space left for the shard or for decoded frames.
        ShardError: the shard cannot be written.
        FfmpegMissingError: ffmpeg cannot be started.
        EnvironmentDiffersError: this machine would make other bytes than the one that started the run.
    """
    task.recipe.check_environment(ffmpeg_version())
    progress = ShardProgress(task.shard)
    if task.retried and not _any_readable(task, report):
        return dataclasses.replace(progress, n_done=len(task.sources), n_failed=len(task.retried), is_finished=True)
    rows: list[Row] = []
    path = task.folder / f"{shard_name(task.shard)}.tar"
    with _single_thread(), ShardWriter(path) as writer:
        for source in task.sources:
            report(dataclasses.replace(progress, at_source=source.index))
            added = _add_source(writer, source, task)
            rows += added
            progress = dataclasses.replace(
                progress,
                n_done=progress.n_done + 1,
                n_failed=progress.n_failed + (added[0].status == "failed"),
                media_seconds=progress.media_seconds + (added[-1].end_seconds or 0.0),
            )
        report(progress)
        part_path(task.folder, task.shard).unlink(missing_ok=True)  # from here on the old shard is not valid
        if writer.n_samples:
            file = writer.commit()
        else:
            file = None
            path.unlink(missing_ok=True)
            path.with_suffix(".idx").unlink(missing_ok=True)
    write_part(task.folder, Part(task.shard, task.recipe, file, len(task.sources), progress.n_failed), rows)
    return dataclasses.replace(progress, is_finished=True)


def _any_readable(task: ShardTask, report: Report) -> bool:
    """Whether at least one of the sources that failed before can be read now."""
    for source in task.sources:
        if source.index in task.retried and source.index not in task.excluded:
            report(ShardProgress(task.shard, at_source=source.index))
            with contextlib.suppress(MediaError), local_file(source, task.limits) as path:
                decode(path, task.recipe.params, task.limits)
                return True
    return False


def _add_source(writer: ShardWriter, source: Source, task: ShardTask) -> list[Row]:
    """Write a source's samples; return its row and theirs. A source that fails leaves one row and nothing else."""
    before = writer.n_samples
    row = source_row(source)
    if source.index in task.excluded:
        return [dataclasses.replace(row, status="failed", reason=task.excluded[source.index])]
    segment_rows = []
    try:
        with local_file(source, task.limits) as path:
            decoded = decode(path, task.recipe.params, task.limits)
        for segment_row, members in samples(row, decoded, task.recipe.params):
            writer.add(segment_row.key or "", members)
            segment_rows.append(dataclasses.replace(segment_row, shard=writer.path.name))
    except (MediaError, StripError) as error:
        leave_if_stopped()
        writer.rollback(before)
        reason = error.reason if isinstance(error, MediaError) else str(error)
        return [dataclasses.replace(row, status="failed", reason=reason)]
    return [decoded_row(row, decoded, segment_rows), *segment_rows]


@contextlib.contextmanager
def _single_thread() -> Iterator[None]:
    """Compute with one thread: sums must not depend on the number of processors."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
