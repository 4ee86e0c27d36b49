"""What an output folder already holds, whether a run may continue with it, and which shards are left to build."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocess.catalogues.scan import first_names
from preprocess.errors import ShardError
from preprocess.shards.manifest import Part, read_part
from preprocess.shards.manifest_rows import read_rows
from preprocess.shards.recipe import Recipe
from preprocess.sources import Catalogue, Source

REMEDY = "Choose another --out, return to the former values, or delete the folder to build it anew"
MAX_CHANGED = 5
"""Changed sources that an error names."""


@dataclass(frozen=True)
class Plan:
    """Shards to build; `retried` holds, by shard, the sources that failed before and are to be tried again."""

    todo: tuple[int, ...]
    retried: dict[int, frozenset[int]]
    n_done_before: int
    n_failed_before: int


def sources_of(catalogue: Catalogue, shard: int, recipe: Recipe) -> tuple[Source, ...]:
    """Sources [i * S, (i + 1) * S) of shard i."""
    size = recipe.params.sources_per_shard
    return catalogue.sources[shard * size : (shard + 1) * size]


def make_plan(catalogue: Catalogue, out: Path, recipe: Recipe, *, retry_failed: bool) -> Plan:
    """Look at every finished shard; nothing is changed yet.

    Raises:
        ShardError: the shards have other parameters, or their sources have changed.
    """
    finished, retried = set[int](), dict[int, frozenset[int]]()
    n_done = n_failed = 0
    paths = sorted(out.glob("shard-*.parquet"))
    for path in paths:
        part = read_part(path)
        _check_recipe(part.recipe, recipe, paths, catalogue)
        if not _has_files(part, out):
            continue
        failed = _check_sources(path, sources_of(catalogue, part.shard, recipe))
        if failed and retry_failed:
            retried[part.shard] = failed
        else:
            finished.add(part.shard)
            n_done += part.n_sources
            n_failed += len(failed)
    todo = tuple(shard for shard in range(recipe.n_shards) if shard not in finished)
    return Plan(todo, retried, n_done, n_failed)


def _check_recipe(there: Recipe, recipe: Recipe, paths: list[Path], catalogue: Catalogue) -> None:
    """Refuse shards of another recipe, and say what differs."""
    differences = recipe.differences(there)
    if there.sources_sha256 != recipe.sources_sha256:
        differences += _first_other_source(paths, there, catalogue)
        differences += [f"{folder} cannot be read now" for folder in catalogue.unreadable]
    if differences:
        lines = "".join(f"\n  {line}" for line in differences)
        raise ShardError(paths[0].parent, f"holds shards that were made in another way:{lines}\n{REMEDY}")


def _first_other_source(paths: list[Path], there: Recipe, catalogue: Catalogue) -> list[str]:
    """Name the first source of the shards that the catalogue does not have at its place."""
    for path in paths:
        now = sources_of(catalogue, read_part(path).shard, there)
        for position, row in enumerate(_source_rows(path)):
            name = now[position].name if position < len(now) else "nothing"
            if name != row["source"]:
                return [f"source {row['source_index']} was {row['source']}, now is {name}"]
    return []


def _check_sources(path: Path, sources: tuple[Source, ...]) -> frozenset[int]:
    """Refuse a shard whose sources now have other sizes or unknown ones; return the indices of those that failed."""
    rows = _source_rows(path)
    if [row["source"] for row in rows] != [source.name for source in sources]:
        raise ShardError(path, "does not list the sources of its shard: delete this file to build the shard anew")
    failed = {row["source_index"] for row in rows if row["status"] == "failed"}
    sizes = [
        (source.name, row["source_bytes"], source.n_bytes)
        for row, source in zip(rows, sources, strict=True)
        if source.index not in failed and row["source_bytes"] is not None  # else its size was never known
    ]
    if unknown := [name for name, _, now in sizes if now is None]:
        reason = f"the sizes of {len(unknown)} of its sources cannot be learned now: {first_names(unknown)}"
        remedy = "Run the same command again when they can be read, or delete this file to build the shard anew"
        raise ShardError(path, f"{reason}. {remedy}")
    changed = [f"\n  {name} had {before} bytes, now has {now}" for name, before, now in sizes if before != now]
    if changed:
        lines = "".join(changed[:MAX_CHANGED])
        reason = f"was made from sources that have changed, {len(changed)} in all:{lines}"
        raise ShardError(path, f"{reason}\nDelete this file to build the shard anew")
    return frozenset(failed)


def _source_rows(path: Path) -> list[dict[str, Any]]:
    rows = read_rows(path).select(["kind", "source_index", "source", "status", "source_bytes"]).to_pylist()
    return [row for row in rows if row["kind"] == "source"]


def _has_files(part: Part, out: Path) -> bool:
    """Whether the files that a mark names are there; `verify` looks into them."""
    if part.file is None:
        return True
    path = out / part.file.name
    return path.is_file() and path.stat().st_size == part.file.n_bytes and path.with_suffix(".idx").is_file()
