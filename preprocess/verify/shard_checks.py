"""What must hold of one shard's files: archive, index and mark, sample by sample."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from preprocess.errors import ShardError, disk_errors
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT, ShardParams
from preprocess.shards.manifest import Part, part_path
from preprocess.shards.manifest_rows import read_rows
from preprocess.shards.shard_files import (
    Sample,
    ShardInfo,
    index_text,
    member_order,
    read_samples,
    sample_key,
    shard_name,
)
from preprocess.verify.sample_checks import check_sample


@dataclass(frozen=True)
class Finding:
    """Something wrong: in which file, where in it ("" for the whole of it), and what."""

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
    rows = read_rows(path).to_pylist()
    segments = [row for row in rows if row["kind"] == "segment"]
    sources = [row for row in rows if row["kind"] == "source"]
    for where, problem in _row_problems(sources, segments, part):
        yield Finding(path, where, problem)
    if part.file is None:
        if segments:
            yield Finding(path, "", "has segments but no archive")
        return
    tar = folder / part.file.name
    if part.file.n_segments != len(segments):
        yield Finding(path, "", f"speaks of {part.file.n_segments} segments but has {len(segments)} rows of them")
    if tar.name != f"{shard_name(part.shard)}.tar":
        yield Finding(path, "", f"speaks of {tar.name!r}, the archive of another shard")
        return
    if not tar.is_file():
        yield Finding(tar, "", "is missing: run the command that made the shards again")
        return
    with disk_errors(tar), tar.open("rb") as file:
        yield from _tar_findings(file, tar, part.file, segments, part.recipe.params)


def _row_problems(
    sources: list[dict[str, Any]], segments: list[dict[str, Any]], part: Part
) -> Iterator[tuple[str, str]]:
    """Whether the rows of a mark are complete and agree with each other."""
    first = part.shard * part.recipe.params.sources_per_shard
    indices = [row["source_index"] for row in sources]
    if len(indices) != part.n_sources or indices != list(range(first, first + part.n_sources)):
        yield "", f"should have a row for each of the sources {first} to {first + part.n_sources - 1}"
    if sum(row["status"] == "failed" for row in sources) != part.n_failed:
        yield "", "counts other failures than it has rows"
    stops: dict[int, float] = {}
    readable = {row["source_index"] for row in sources if row["status"] == "ok"}
    for row in segments:
        index, number = divmod(row["segment_id"], SEGMENTS_PER_SOURCE_LIMIT)
        if index != row["source_index"] or row["key"] != sample_key(index, number):
            yield row["key"], f"has segment_id {row['segment_id']}, which is of another key"
        if row["start_seconds"] != stops.get(index, 0.0):
            yield (
                row["key"],
                f"starts at {row['start_seconds']} s, the segment before ends at {stops.get(index, 0.0)} s",
            )
        seconds = row["end_seconds"] - row["start_seconds"]
        frames = seconds * part.recipe.params.fps
        if not math.isfinite(frames) or round(frames) != row["n_frames"]:
            yield row["key"], f"lasts {seconds} s but has {row['n_frames']} frames"
        stops[index] = row["end_seconds"]
    if stops.keys() != readable:
        yield "", "has segments of failed sources, or none of readable ones"


def _tar_findings(
    file: BufferedReader, tar: Path, expected: ShardInfo, segments: list[dict[str, Any]], params: ShardParams
) -> Iterator[Finding]:
    """Checksum, order of members, index, and every sample of an archive."""
    if hashlib.file_digest(file, "sha256").hexdigest() != expected.sha256:
        yield Finding(tar, "", "has another checksum than when it was written")
    try:
        samples = list(read_samples(file, tar))
    except ShardError as error:
        yield Finding(tar, "", error.reason)
        return
    yield from _index_findings(tar.with_suffix(".idx"), samples)
    for key, count in Counter(sample.key for sample in samples).items():
        if count > 1:
            yield Finding(tar, key, f"stands {count} times in the archive")
    keys, rows = [sample.key for sample in samples], {row["key"]: row for row in segments}
    if keys != list(rows):
        odd = sorted(set(keys) ^ rows.keys())
        yield Finding(
            tar, odd[0] if odd else "", "the archive and the manifest have other samples, or in another order"
        )
    for sample in samples:
        suffixes = tuple(member.suffix for member in sample.members)
        if suffixes != member_order(params.media):
            yield Finding(tar, sample.key, f"has members {suffixes}, should be {member_order(params.media)}")
        if sample.key in rows:
            yield from _sample_findings(file, tar, sample, rows[sample.key], params)


def _sample_findings(
    file: BufferedReader, tar: Path, sample: Sample, row: dict[str, Any], params: ShardParams
) -> Iterator[Finding]:
    members = {}
    for member in sample.members:
        file.seek(member.offset)
        members[member.suffix] = file.read(member.n_bytes)
    for name, problem in check_sample(members, row, params):
        yield Finding(tar, f"{sample.key}.{name}", problem)


def _index_findings(path: Path, samples: list[Sample]) -> Iterator[Finding]:
    """Whether DALI's index says where the members lie."""
    if not path.is_file():
        yield Finding(path, "", "is missing: run the command that made the shards again")
        return
    with disk_errors(path):
        found = path.read_text("utf-8", "replace").splitlines()
    expected = index_text(samples).splitlines()
    for number, (line, right) in enumerate(zip(found, expected, strict=False), 1):
        if line != right:
            yield Finding(path, f"line {number}", f"is {line[:100]!r}, should be {right[:100]!r}")
            return
    if len(found) != len(expected):
        yield Finding(path, "", f"has {len(found)} lines, should have {len(expected)}")
