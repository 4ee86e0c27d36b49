"""Checks of one shard's files: archive, index and mark, sample by sample."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from preprocess.errors import ShardError, disk_errors
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT, ShardParams
from preprocess.shards import shard_files
from preprocess.shards.manifest import Part, part_path
from preprocess.shards.manifest_rows import Row, read_rows
from preprocess.shards.shard_files import Sample, ShardInfo
from preprocess.verify.sample_checks import check_sample

MAKE_AGAIN = "run the command that made the shards again"


@dataclass(frozen=True)
class Finding:
    """Something wrong: in which file, where in it ("" for the whole file), and what."""

    path: Path
    where: str
    problem: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.path}: {self.where}{': ' if self.where else ''}{self.problem}"


def shard_findings(folder: Path, part: Part) -> Iterator[Finding]:
    """Check a shard against its mark.

    Raises:
        ShardError: a file cannot be read at all.
    """
    path = part_path(folder, part.shard)
    rows = [Row(**row) for row in read_rows(path).to_pylist()]
    segments = [row for row in rows if row.kind == "segment"]
    for where, problem in _row_problems([row for row in rows if row.kind == "source"], segments, part):
        yield Finding(path, where, problem)
    n_segments = part.file.n_segments if part.file else 0
    if n_segments != len(segments):
        yield Finding(path, "", f"names an archive of {n_segments} segments but has {len(segments)} rows of them")
    if part.file is None:
        return
    tar = folder / part.file.name
    if tar.name != f"{shard_files.shard_name(part.shard)}.tar":
        yield Finding(path, "", f"names {tar.name!r}, the archive of another shard")
    elif not tar.is_file():
        yield Finding(tar, "", f"is missing: {MAKE_AGAIN}")
    else:
        with disk_errors(tar), tar.open("rb") as file:
            yield from _tar_findings(file, tar, part.file, segments, part.recipe.params)


def _row_problems(sources: list[Row], segments: list[Row], part: Part) -> Iterator[tuple[str, str]]:
    """Check that the rows of a mark are complete and agree with each other."""
    first = part.shard * part.recipe.params.sources_per_shard
    if [row.source_index for row in sources] != list(range(first, first + part.n_sources)):
        yield "", f"should have a row for each of the sources {first} to {first + part.n_sources - 1}"
    if sum(row.status == "failed" for row in sources) != part.n_failed:
        yield "", "counts other failures than it has rows"
    ends: dict[int, float] = {}  # source -> end of its segments so far, in seconds
    for row in segments:
        key, start, end = row.key or "", row.start_seconds or 0.0, row.end_seconds or 0.0
        index, number = divmod(row.segment_id or 0, SEGMENTS_PER_SOURCE_LIMIT)
        if index != row.source_index or key != shard_files.sample_key(index, number):
            yield key, f"has segment_id {row.segment_id}, which belongs to another key"
        if start != ends.get(index, 0.0):
            yield key, f"starts at {start} s, the segment before ends at {ends.get(index, 0.0)} s"
        frames = (end - start) * part.recipe.params.fps
        if not math.isfinite(frames) or round(frames) != row.n_frames:
            yield key, f"lasts {end - start} s but has {row.n_frames} frames"
        ends[index] = end
    if ends.keys() != {row.source_index for row in sources if row.status == "ok"}:
        yield "", "has segments of failed sources, or readable sources without segments"


def _tar_findings(
    file: BufferedReader, tar: Path, expected: ShardInfo, segments: list[Row], params: ShardParams
) -> Iterator[Finding]:
    """Check an archive's checksum, order of members, index, and every sample."""
    if hashlib.file_digest(file, "sha256").hexdigest() != expected.sha256:
        yield Finding(tar, "", "has another checksum than when it was written")
    try:
        samples = list(shard_files.read_samples(file, tar))
    except ShardError as error:
        yield Finding(tar, "", error.reason)
        return
    yield from _index_findings(tar.with_suffix(".idx"), samples)
    order = shard_files.member_order(params.media)
    keys, rows = [sample.key for sample in samples], {row.key or "": row for row in segments}
    for key, count in Counter(keys).items():
        if count > 1:
            yield Finding(tar, key, f"is in the archive {count} times")
    if keys != list(rows):
        where = min(set(keys) ^ rows.keys(), default="")
        yield Finding(tar, where, "the archive and the manifest have other samples, or in another order")
    for sample in samples:
        suffixes = tuple(member.suffix for member in sample.members)
        if suffixes != order:
            yield Finding(tar, sample.key, f"has members {suffixes}, should be {order}")
        if sample.key in rows:
            for name, problem in check_sample(_read_members(file, sample), rows[sample.key], params):
                yield Finding(tar, f"{sample.key}.{name}", problem)


def _read_members(file: BufferedReader, sample: Sample) -> dict[str, bytes]:
    members = {}
    for member in sample.members:
        file.seek(member.offset)
        members[member.suffix] = file.read(member.n_bytes)
    return members


def _index_findings(path: Path, samples: list[Sample]) -> Iterator[Finding]:
    """Check that DALI's index gives the places of the members."""
    if not path.is_file():
        yield Finding(path, "", f"is missing: {MAKE_AGAIN}")
        return
    with disk_errors(path):
        if path.read_bytes() != shard_files.index_text(samples).encode():
            yield Finding(path, "", f"lists other members, or members elsewhere, than the archive: {MAKE_AGAIN}")
