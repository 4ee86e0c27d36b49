"""What an output folder holds already, whether a run may go on with it, and which shards are left to build."""

from dataclasses import dataclass, field
from pathlib import Path

from preprocess.errors import ShardError
from preprocess.shards.manifest import Part, part_path, read_part
from preprocess.shards.manifest_rows import read_rows
from preprocess.shards.recipe import Recipe
from preprocess.sources import Catalogue, Source

REMEDY = "Choose another --out, go back to what it was, or delete the folder to build it anew"
MAX_CHANGED = 5
"""Sources that an error names, of those that have changed."""


@dataclass(frozen=True)
class Plan:
    """Shards to build; `retried` holds, by shard, the sources that had failed and are to be tried again."""

    todo: tuple[int, ...]
    retried: dict[int, frozenset[int]] = field(default_factory=dict)
    n_done_before: int = 0
    n_failed_before: int = 0


def sources_of(catalogue: Catalogue, shard: int, recipe: Recipe) -> tuple[Source, ...]:
    """Give the sources [i * S, (i + 1) * S) of shard i."""
    size = recipe.params.sources_per_shard
    return catalogue.sources[shard * size : (shard + 1) * size]


def make_plan(catalogue: Catalogue, out: Path, recipe: Recipe, *, retry_failed: bool) -> Plan:
    """Look at every shard that is there, before anything is touched.

    Raises:
        ShardError: the shards there were made in another way or from other sources.

    """
    _check_recipes(sorted(out.glob("shard-*.parquet")), recipe, catalogue)
    todo, retried = [], {}
    n_done = n_failed = 0
    for shard in range(recipe.n_shards):
        path = part_path(out, shard)
        part = read_part(path) if path.exists() else None
        if part is None or not _has_files(part, out):
            todo.append(shard)
            continue
        failed = _check_sources(path, sources_of(catalogue, shard, recipe))
        if failed and retry_failed:
            todo.append(shard)
            retried[shard] = failed
        else:
            n_done += part.n_sources
            n_failed += len(failed)
    return Plan(tuple(todo), retried, n_done, n_failed)


def _check_recipes(paths: list[Path], recipe: Recipe, catalogue: Catalogue) -> None:
    """Refuse shards that were made in another way, and say what differs."""
    for path in paths:
        there = read_part(path).recipe
        differences = recipe.differences(there)
        if there.sources_sha256 != recipe.sources_sha256:
            differences += _first_other_source(paths, there, catalogue)
        if differences:
            lines = "".join(f"\n  {line}" for line in differences)
            raise ShardError(path.parent, f"holds shards that were made in another way:{lines}\n{REMEDY}")


def _first_other_source(paths: list[Path], there: Recipe, catalogue: Catalogue) -> list[str]:
    """Name the first source of the shards that is not what the catalogue now has at its place."""
    for path in paths:
        now = sources_of(catalogue, read_part(path).shard, there)
        for position, row in enumerate(_source_rows(path)):
            name = now[position].name if position < len(now) else "nothing"
            if name != row["source"]:
                return [f"source {row['source_index']} was {row['source']}, now is {name}"]
    return []


def _check_sources(path: Path, sources: tuple[Source, ...]) -> frozenset[int]:
    """Refuse a shard whose sources have other sizes now; return the indices of those that had failed."""
    failed, changed = set(), []
    for row, source in zip(_source_rows(path), sources, strict=True):
        if row["status"] == "failed":
            failed.add(source.index)
        elif row["source_bytes"] != (n_bytes := source.n_bytes):
            changed.append(f"\n  {source.name} had {row['source_bytes']} bytes, now has {n_bytes}")
    if changed:
        lines = "".join(changed[:MAX_CHANGED]) + (
            f"\n  and {len(changed) - MAX_CHANGED} more" * (len(changed) > MAX_CHANGED)
        )
        raise ShardError(
            path, f"was made from sources that have changed:{lines}\nDelete this file to build the shard anew"
        )
    return frozenset(failed)


def _source_rows(path: Path) -> list[dict[str, object]]:
    rows = read_rows(path).select(["kind", "source_index", "source", "status", "source_bytes"]).to_pylist()
    return [row for row in rows if row["kind"] == "source"]


def _has_files(part: Part, out: Path) -> bool:
    """Whether the files that a mark speaks of are there; `verify` looks into them."""
    if part.file is None:
        return True
    path = out / part.file.name
    return path.is_file() and path.stat().st_size == part.file.n_bytes and path.with_suffix(".idx").is_file()
