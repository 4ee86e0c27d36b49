"""Which samples a loader reads: the shards of the data set, filtered by a split.

DALI reads from a tar only the samples that its index lists. So a split costs no copy of the shards: an index file that
lists the wanted samples is written for each shard, and shards without any are left out.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from preprocess.errors import PreprocessError
from preprocess.shards.manifest import DatasetInfo, read_dataset
from preprocess.shards.manifest_rows import read_rows
from train.errors import ConfigError, LoaderError, ShardSetError

_INDEX_VERSION = "v1.2"
_FIELDS_PER_MEMBER = 4
"""Suffix, offset, size and name: the fields of a member in version 1.2 of DALI's index."""

_REMEDY = "run `python -m preprocess verify` on the folder, then make the shards again"


@dataclass(frozen=True)
class Subset:
    """Shards and the indexes that list what is read from them, in manifest order.

    Attributes:
        tars: archives that hold at least one wanted segment.
        indexes: DALI's index for each of them.
        n_segments: wanted segments in all of them.
    """

    tars: tuple[Path, ...]
    indexes: tuple[Path, ...]
    n_segments: int


def read_info(shards: Path) -> DatasetInfo:
    """Read what a shard folder holds.

    Raises:
        LoaderError: there is no finished data set.
    """
    try:
        return read_dataset(shards)
    except PreprocessError as error:
        raise LoaderError(str(error)) from error


def parse_split(split: str) -> tuple[str, frozenset[str]]:
    """Take `"1:train"` or `"fold:2,3,4,5"` apart into the split's name and the parts of it.

    Raises:
        ConfigError: it does not read NAME:PART or NAME:PART,PART.
    """
    name, _, rest = split.partition(":")
    parts = rest.split(",")
    if not name or not all(parts):
        raise ConfigError(f"a split reads NAME:PART, such as 1:train or fold:2,3,4,5, not {split!r}")
    return name, frozenset(parts)


def select(shards: Path, info: DatasetInfo, split: str, only: tuple[str, ...], index_folder: Path) -> Subset:
    """Find the shards and indexes that hold a split.

    Args:
        shards: folder of the data set.
        info: what it holds.
        split: `NAME:PART,PART` keeps the segments whose split NAME says one of the parts; empty keeps all.
        only: names of the shards to look at, such as `shard-000002.tar`; empty for all.
        index_folder: where thinned-out indexes are written; must last as long as the loader.

    Raises:
        ShardSetError: a file is missing, cut short, or does not fit the manifest.
        LoaderError: `only` names a shard that the data set does not have.
    """
    unknown = sorted(set(only) - {shard.name for shard in info.shards})
    if unknown:
        raise LoaderError(f"{shards}: the data set has no shard {', '.join(unknown)}")
    wanted = parse_split(split) if split else None
    tars, indexes, n_segments = [], [], 0
    for shard in info.shards:
        if only and shard.name not in only:
            continue
        tar = shards / shard.name
        index = tar.with_suffix(".idx")
        lines = _read_index(index, tar, shard.n_segments)
        if wanted is not None:
            lines = _thin_out(lines, tar.with_suffix(".parquet"), *wanted)
            index = index_folder / index.name
            _write_index(index, lines)
        if lines:
            tars.append(tar)
            indexes.append(index)
            n_segments += len(lines)
    return Subset(tuple(tars), tuple(indexes), n_segments)


def _read_index(index: Path, tar: Path, n_segments: int) -> list[str]:
    """Lines of an index, one a sample, checked against the archive's length and the manifest's count."""
    if not index.is_file():  # a device would be read for ever
        raise ShardSetError(index, f"is missing or no file: {_REMEDY}")
    try:
        header, *lines = index.read_text(encoding="utf-8").splitlines()
        n_bytes = tar.stat().st_size
    except (OSError, ValueError) as error:
        raise ShardSetError(tar, f"the shard or its index cannot be read ({error}): {_REMEDY}") from error
    if header.split() != [_INDEX_VERSION, str(len(lines))] or len(lines) != n_segments:
        raise ShardSetError(index, f"should list {n_segments} segments in version {_INDEX_VERSION}: {_REMEDY}")
    try:
        ends = [int(offset) + int(size) for line in lines for offset, size in _extents(line)]
    except ValueError as error:
        raise ShardSetError(index, f"is damaged ({error}): {_REMEDY}") from error
    if max(ends, default=0) > n_bytes:
        raise ShardSetError(tar, f"is cut short: {n_bytes} bytes, its index reaches to byte {max(ends)}: {_REMEDY}")
    return lines


def _extents(line: str) -> list[tuple[str, str]]:
    """Give (offset, size) of each member of a sample."""
    fields = line.split()
    if not fields or len(fields) % _FIELDS_PER_MEMBER:
        raise ValueError(f"a line of {len(fields)} fields")
    return list(zip(fields[1::_FIELDS_PER_MEMBER], fields[2::_FIELDS_PER_MEMBER], strict=True))


def _key(line: str) -> str:
    """Key of a sample, from the name of its first member."""
    return line.split()[3].partition(".")[0]


def _thin_out(lines: list[str], part: Path, name: str, values: frozenset[str]) -> list[str]:
    """Keep the index lines of segments whose split `name` is one of `values`, as the shard's own manifest part has it."""
    try:
        table = read_rows(part)
    except PreprocessError as error:
        raise ShardSetError(part, f"cannot be read ({error}): {_REMEDY}") from error
    segments = table.filter(pc.equal(table["kind"], "segment"))
    texts = pc.unique(segments["splits"]).to_pylist()  # a few: whole sources share one
    listed = pa.array([text for text in texts if json.loads(text).get(name) in values], pa.string())
    kept = set(segments["key"].filter(pc.is_in(segments["splits"], listed)).to_pylist())
    if {_key(line) for line in lines} != set(segments["key"].to_pylist()):
        raise ShardSetError(part, f"does not name the segments of its shard's index: {_REMEDY}")
    return [line for line in lines if _key(line) in kept]


def _write_index(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join([f"{_INDEX_VERSION} {len(lines)}", *lines]) + "\n", encoding="utf-8")
