"""Checks every file of a shard set and lists what is wrong, with its place."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pyarrow.parquet as pq

from preprocess.errors import ShardError, disk_errors
from preprocess.executors.processes import Executor, local_executor
from preprocess.remote import SUMS_FILE
from preprocess.shards import manifest
from preprocess.shards.manifest import DATASET_FILE, MANIFEST_FILE, DatasetInfo, Part, part_path
from preprocess.shards.shard_files import file_sha256, shard_name
from preprocess.verify.shard_checks import MAKE_AGAIN, Finding, shard_findings
from store.atomic_files import LOCK_NAME, TEMPORARY_SUFFIX

MAX_FINDINGS_PER_SHARD = 20

Checked = tuple[int, list[Finding]]
"""A shard and its findings."""


def verify(folder: Path, *, workers: int = 0, executor: Executor | None = None) -> list[Finding]:
    """Check a shard set; an empty list means that it is whole. An unfinished set is checked as far as it goes.

    `workers` and `executor` are those of `preprocess.build.pipeline.build`.

    Raises:
        ShardError: the folder does not exist.
    """
    if not folder.is_dir():
        raise ShardError(folder, "is not a folder")
    findings, info = list[Finding](), None
    try:
        info = manifest.read_dataset(folder)
    except ShardError as error:
        findings.append(Finding(error.path, "", error.reason))
    parts: dict[int, Part] = {}
    for path in sorted(folder.glob("shard-*.parquet")):
        try:
            part = manifest.read_part(path)
        except ShardError as error:
            findings.append(Finding(error.path, "", error.reason))
            continue
        if path == part_path(folder, part.shard):
            parts[part.shard] = part
        else:
            findings.append(Finding(path, "", f"holds the mark of shard {part.shard}: delete it"))
    if info is not None:
        findings += _set_findings(folder, info, parts)
    findings += _leftovers(folder, parts)
    executor = executor or local_executor(workers, ("pandas", "simplejpeg"))
    tasks = [(folder, shard) for shard in parts]
    checked = dict(executor.run(check_shard, tasks, lambda report: None, _give_up))
    return findings + [finding for shard in sorted(checked) for finding in checked[shard]]


def check_shard(task: tuple[Path, int], _report: Callable[[Checked], None]) -> Checked:
    """Check one shard: the work that is spread over processes."""
    folder, shard = task
    path = part_path(folder, shard)
    try:
        found = list(itertools.islice(shard_findings(folder, manifest.read_part(path)), MAX_FINDINGS_PER_SHARD))
    except ShardError as error:
        found = [Finding(error.path, "", error.reason)]
    if len(found) == MAX_FINDINGS_PER_SHARD:
        found.append(Finding(path, "", "there may be more: only the first findings are shown"))
    return shard, found


def _give_up(task: tuple[Path, int], _last: Checked | None, how: str) -> NoReturn:
    raise ShardError(part_path(*task), f"the process that checked this shard ended: {how}")


def _set_findings(folder: Path, info: DatasetInfo, parts: dict[int, Part]) -> Iterator[Finding]:
    """Check that the tables over the whole set agree with the marks of its shards."""
    path = folder / DATASET_FILE
    missing = (shard for shard in range(info.n_shards) if shard not in parts)
    for shard in itertools.islice(missing, MAX_FINDINGS_PER_SHARD):  # a damaged count may claim any number
        yield Finding(part_path(folder, shard), "", f"is missing: {MAKE_AGAIN}")
    for shard, part in parts.items():
        theirs = (part.recipe.params, part.recipe.sources_sha256)
        if shard >= info.n_shards or theirs != (info.params, info.sources_sha256):
            yield Finding(part_path(folder, shard), "", f"does not belong to the set that {DATASET_FILE} describes")
    files = tuple(part.file for _, part in sorted(parts.items()) if part.file is not None)  # names sort otherwise
    of_marks = {
        "shards": files,
        "fingerprint": manifest.fingerprint(info.params, files),
        "n_sources": sum(part.n_sources for part in parts.values()),
        "n_failed": sum(part.n_failed for part in parts.values()),
        "n_segments": sum(file.n_segments for file in files),
    }
    for name, value in of_marks.items():
        if getattr(info, name) != value:
            yield Finding(path, name, f"is {getattr(info, name)!r:.100}, the shards' own marks say {value!r:.100}")
    if parts.keys() == set(range(min(info.n_shards, len(parts) + 1))):
        yield from _manifest_findings(folder, info)


def _manifest_findings(folder: Path, info: DatasetInfo) -> Iterator[Finding]:
    """Check that the manifest is the shards' tables joined; compares a row group at a time."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        yield Finding(path, "", f"is missing: {MAKE_AGAIN}")
        return
    with disk_errors(path):
        found = file_sha256(path)
    if found != info.manifest_sha256:
        yield Finding(path, "", f"has another checksum than {DATASET_FILE} gives: {MAKE_AGAIN}")
        return
    with pq.ParquetFile(path) as joined:
        groups = manifest.grouped_rows(folder, info.n_shards)
        for number in range(joined.num_row_groups):
            expected = next(groups, None)
            if expected is None or not joined.read_row_group(number).equals(expected):
                yield Finding(path, f"row group {number}", "holds other rows than the shards' own tables")
                return


def _leftovers(folder: Path, parts: dict[int, Part]) -> Iterator[Finding]:
    """Find files that belong to no finished shard."""
    expected = {DATASET_FILE, MANIFEST_FILE, SUMS_FILE}  # the last in what `push` wrote
    for shard, part in parts.items():
        suffixes = (".parquet", ".tar", ".idx") if part.file else (".parquet",)
        expected |= {shard_name(shard) + suffix for suffix in suffixes}
    for path in sorted(folder.iterdir()):
        if path.name == LOCK_NAME:
            yield Finding(path, "", "a run is at work here, or was killed: wait for it, or start it again")
        elif path.name.endswith(TEMPORARY_SUFFIX):
            yield Finding(path, "", "is left from a run that was killed: run the same command again")
        elif path.name not in expected and not (path.suffix == ".parquet" and path.name.startswith("shard-")):
            yield Finding(path, "", "belongs to no finished shard")
