"""Asks how long a query of 10 s takes in archives of 10 to 1,000 hours, and how much memory their codes take.

No such archive travels with a repository, so it is simulated: descriptors of made-up videos by the shipped encoder, drawn
anew with noise for every second of every source. The search cannot tell; only what is found in a real archive would differ.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.race import Effort
from benchmarks.sources import collage
from evaluate.fingerprint.api import SHIPPED_ENCODER
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.fingerprint.index.library import MODALITIES, build_library
from evaluate.fingerprint.match.calibrate import Calibration
from evaluate.fingerprint.match.match import DESCRIPTORS_A_HOP, Matcher
from evaluate.results.results import Result

TASK = "archive"
HOURS = (10, 100, 1000)
SOURCE_SECONDS, QUERY_SECONDS, HOP_SECONDS = 180.0, 10.0, 0.5
N_VIDEOS, N_QUERIES = 40, 50
SPREAD, DISTORTION = 0.6, 0.3
"""Length of the noise on unit vectors: of a source's second on what it is drawn from, of a query's on the source's."""
MILLISECONDS, MEGABYTES, FOUND, ROWS, BUILD = (
    "ms a query",
    "MB an hour, codes",
    "found first",
    "descriptors",
    "s to build",
)
GOAL_MILLISECONDS = 100.0

logger = logging.getLogger("benchmarks")


@dataclass(frozen=True)
class Pool:
    """Descriptors (n, d) float32 of real clips, picture and sound, row by row."""

    picture: np.ndarray
    sound: np.ndarray


def measure(folder: Path, effort: Effort) -> list[Result]:
    """Build a library of each size with codes and ask it."""
    pool = _pool(folder, effort.sized(N_VIDEOS, 4))
    return [result for hours in HOURS for result in _of_size(pool, hours, effort)]


def _pool(folder: Path, n_videos: int) -> Pool:
    files = [MediaFile(path.name, path) for path in collage(folder, n_videos)]
    encoder = load_encoder(SHIPPED_ENCODER)
    described = [
        each for each in describe_files(files, encoder, ExtractOptions(HOP_SECONDS)) if isinstance(each, Descriptors)
    ]
    both = [each.has_picture & each.has_sound for each in described]
    picture, sound = (
        np.concatenate([np.asarray(getattr(each, name))[has] for each, has in zip(described, both, strict=True)])
        for name in MODALITIES
    )
    return Pool(picture.astype(np.float32), sound.astype(np.float32))


def _of_size(pool: Pool, hours: int, effort: Effort) -> list[Result]:
    rng = np.random.default_rng(hours)
    n_sources = effort.sized(round(hours * 3600 / SOURCE_SECONDS), 2)
    described = [_source(pool, f"{number:06d}", rng) for number in range(n_sources)]
    since = time.perf_counter()
    library = build_library(described, HOP_SECONDS, flat_below_rows=0)
    built = time.perf_counter() - since
    matcher = Matcher(library, Calibration({}))
    n_queries = effort.sized(N_QUERIES, 2)
    asked = [(_query(described[number], rng), described[number].source) for number in rng.choice(n_sources, n_queries)]
    took, found = _ask(matcher, asked)
    codes = sum(search.n_bytes for search in library.searches.values())
    values = {
        ROWS: sum(len(search) for search in library.searches.values()), BUILD: built, MILLISECONDS: 1e3 * median(took),
        MEGABYTES: codes / 1e6 / (n_sources * SOURCE_SECONDS / 3600), FOUND: found,
    }  # fmt: skip
    logger.info("%s: %d h: %.0f ms a query, %s", TASK, hours, values[MILLISECONDS], library.method)
    return [
        Result("bench", TASK, None, "joint", f"{hours} h", name, value, n_queries) for name, value in values.items()
    ]


def _ask(matcher: Matcher, asked: Sequence[tuple[Descriptors, str]]) -> tuple[list[float], float]:
    """Seconds of every query, and the share whose source came first."""
    took, right = [], 0
    matcher.match(asked[0][0])
    for query, source in asked:
        since = time.perf_counter()
        matches = matcher.match(query)
        took.append(time.perf_counter() - since)
        right += bool(matches) and matches[0].reference == source
    return took, right / len(asked)


def _source(pool: Pool, name: str, rng: np.random.Generator) -> Descriptors:
    n = round(SOURCE_SECONDS / HOP_SECONDS)
    rows = rng.integers(len(pool.picture), size=n)
    start = np.arange(n) * HOP_SECONDS
    yes = np.ones(n, bool)
    # float16 as an index keeps them: a thousand hours fit into memory
    picture, sound = (_noisy(vectors[rows], SPREAD, rng).astype(np.float16) for vectors in (pool.picture, pool.sound))
    return Descriptors(name, start, start + 2 * HOP_SECONDS, yes, yes, picture, sound)


def _query(source: Descriptors, rng: np.random.Generator) -> Descriptors:
    """QUERY_SECONDS of a source with noise, as densely as queries are described."""
    n = round(QUERY_SECONDS / HOP_SECONDS)
    rows = np.repeat(np.arange(n) + int(rng.integers(len(source) - n)), DESCRIPTORS_A_HOP)
    start = np.arange(len(rows)) * HOP_SECONDS / DESCRIPTORS_A_HOP
    yes = np.ones(len(rows), bool)
    picture, sound = (
        _noisy(np.asarray(getattr(source, name))[rows].astype(np.float32), DISTORTION, rng) for name in MODALITIES
    )
    return Descriptors("query", start, start + 2 * HOP_SECONDS, yes, yes, picture, sound)


def _noisy(vectors: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors (n, d) float32 near the given ones."""
    noise = rng.standard_normal(vectors.shape, np.float32) * np.float32(length / vectors.shape[1] ** 0.5)
    moved = vectors + noise
    unit: np.ndarray = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit
