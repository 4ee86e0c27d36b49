"""Archives of 10 to 1,000 hours: the time of a query of 10 s, and the memory of the codes.

The archives are simulated: descriptors of made-up videos by the shipped encoder, drawn again with noise for every second
of every source. Times and sizes are those of a real archive; the share of found queries is not.
"""

import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.question import Setting, logger, records
from benchmarks.sources import collage
from evaluate.fingerprint.answer.matcher import DESCRIPTORS_A_HOP, Matcher
from evaluate.fingerprint.api import SHIPPED_ENCODER
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.fingerprint.index.library import MODALITIES, build_library
from evaluate.results.results import Result

TASK = "archive"
HOURS = (10, 100, 1000)
SOURCE_SECONDS, QUERY_SECONDS, HOP_SECONDS = 180.0, 10.0, 0.5
N_VIDEOS, N_QUERIES = 40, 50
SPREAD, DISTORTION = 0.6, 0.3
"""Length of the noise on unit vectors: of a source's second on its descriptor, of a query's on the source's."""
MILLISECONDS, MEGABYTES, FOUND = "ms a query", "MB an hour, codes", "found first, per cent"
ROWS, BUILD = "descriptors", "s to build"

Vectors = dict[str, np.ndarray]
"""(n, d) float32 by modality, row i of all of the same clip."""


def measure(setting: Setting) -> list[Result]:
    """Build and query an index of codes of each size."""
    clips = pool(setting.data, setting.sized(N_VIDEOS, 4))
    values = {(f"{hours} h", name): value for hours in HOURS for name, value in _of_size(clips, hours, setting).items()}
    return records(TASK, values, setting.sized(N_QUERIES, 2))


def pool(folder: Path, n_videos: int) -> Vectors:
    """Descriptors of the clips that have video and audio."""
    files = [MediaFile(path.name, path) for path in collage(folder, n_videos)]
    described = describe_files(files, load_encoder(SHIPPED_ENCODER), ExtractOptions(HOP_SECONDS))
    made = [each for each in described if isinstance(each, Descriptors)]
    return {
        name: np.concatenate([np.asarray(getattr(each, name))[each.has_video & each.has_audio] for each in made])
        for name in MODALITIES
    }


def simulated(clips: Vectors, n_sources: int, rng: np.random.Generator, n_copies: int = 0) -> list[Descriptors]:
    """Sources of clips drawn anew with noise; the last ones are copies of those before them."""
    made: list[Descriptors] = []
    for number in range(n_sources):
        is_copy = number >= n_sources - n_copies
        rows = rng.integers(len(clips[MODALITIES[0]]), size=round(SOURCE_SECONDS / HOP_SECONDS))
        drawn = {
            name: np.asarray(getattr(made[number - n_copies], name)) if is_copy else vectors[rows]
            for name, vectors in clips.items()
        }
        noise = DISTORTION if is_copy else SPREAD
        # float16 as in an index: a thousand hours fit into memory
        made.append(descriptors(f"{number:06d}", drawn, HOP_SECONDS, noise, rng, np.float16))
    return made


def _of_size(clips: Vectors, hours: int, setting: Setting) -> dict[str, float]:
    rng, n_sources = np.random.default_rng(hours), setting.sized(round(hours * 3600 / SOURCE_SECONDS), 2)
    described = simulated(clips, n_sources, rng)
    since = time.perf_counter()
    library = build_library(described, HOP_SECONDS, flat_below_rows=0)
    built = time.perf_counter() - since
    chosen = rng.choice(n_sources, setting.sized(N_QUERIES, 2))
    queries = [(_query(described[number], rng), described[number].source) for number in chosen]
    matcher, took, n_right = Matcher(library), [], 0
    matcher.match(queries[0][0])
    for query, source in queries:
        since = time.perf_counter()
        matches = matcher.match(query)
        took.append(time.perf_counter() - since)
        n_right += bool(matches) and matches[0].reference == source
    searches = library.searches.values()
    codes = sum(search.n_bytes for search in searches)
    logger.info("%s: %d h: %.0f ms a query, %s", TASK, hours, 1e3 * median(took), library.method)
    return {
        ROWS: sum(len(search) for search in searches), BUILD: built, MILLISECONDS: 1e3 * median(took),
        MEGABYTES: codes / 1e6 / (n_sources * SOURCE_SECONDS / 3600), FOUND: 100 * n_right / len(queries),
    }  # fmt: skip


def _query(source: Descriptors, rng: np.random.Generator) -> Descriptors:
    """QUERY_SECONDS of a source with noise, as densely as queries are described."""
    n = round(QUERY_SECONDS / HOP_SECONDS)
    rows = np.repeat(np.arange(n) + int(rng.integers(len(source) - n)), DESCRIPTORS_A_HOP)
    drawn = {name: np.asarray(getattr(source, name))[rows] for name in MODALITIES}
    return descriptors("query", drawn, HOP_SECONDS / DESCRIPTORS_A_HOP, DISTORTION, rng, np.float32)


def descriptors(
    name: str, vectors: Vectors, hop_seconds: float, noise: float, rng: np.random.Generator, kind: type[np.floating]
) -> Descriptors:
    """Unit vectors near the given ones, one a hop, each of two hops of the archive."""
    noisy = {}
    for modality, values in vectors.items():
        added = rng.standard_normal(values.shape, np.float32) * np.float32(noise / values.shape[1] ** 0.5)
        moved = values.astype(np.float32) + added
        noisy[modality] = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(kind)
    n = len(noisy[MODALITIES[0]])
    start, yes = np.arange(n) * hop_seconds, np.ones(n, bool)
    return Descriptors(name, start, start + 2 * HOP_SECONDS, yes, yes, **noisy)
