"""The rendered queries of a plan: kept in one folder, made only where missing, several at a time.

A file's name carries a digest of all that its bytes follow from, so a changed plan, source or ffmpeg never meets an old
file. Files of other plans are removed: the folder holds one plan's queries at most.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort.render import rendered
from evaluate.fingerprint.benchmark.protocol import Query
from preprocess.media.ffmpeg import ffmpeg_version

logger = logging.getLogger(__name__)

RECIPE_VERSION = 1
"""Goes up when a distortion is changed: what was rendered before is then rendered anew."""


def query_path(query: Query, folder: Path, cache: Path) -> Path:
    """Name the file of a query.

    Raises:
        FingerprintError: a source is not there.
    """
    digest = hashlib.sha256(f"{RECIPE_VERSION} {ffmpeg_version()} {query}".encode())
    for piece in (query.wanted, query.host):
        try:
            status = (folder / piece.source).stat()
        except OSError as error:
            raise FingerprintError(f"{folder / piece.source}: {error.strerror}; the plan needs it") from error
        digest.update(f" {status.st_size} {status.st_mtime_ns}".encode())
    return cache / f"{query.name}-{digest.hexdigest()[:12]}.mp4"


def render_queries(
    queries: Sequence[Query], folder: Path, cache: Path, jobs: int, progress: Callable[[int, int], None]
) -> dict[str, Path]:
    """Render what is missing; what was stopped goes on where it was.

    Args:
        queries: of the plan.
        folder: of the sources.
        cache: folder of the rendered files, made if need be.
        jobs: ffmpeg processes at a time.
        progress: called with (done, total).

    Returns:
        File of every query, by its name.

    Raises:
        MediaError, FingerprintError, StoreError: the first failure, once those that run have ended.
    """
    cache.mkdir(parents=True, exist_ok=True)
    paths = {query.name: query_path(query, folder, cache) for query in queries}
    wanted = set(paths.values())
    for path in cache.glob("*.mp4"):
        if path not in wanted:
            path.unlink()
    missing = [query for query in queries if not paths[query.name].exists()]
    done = len(queries) - len(missing)
    progress(done, len(queries))
    with ThreadPoolExecutor(jobs) as executor:
        futures = [executor.submit(rendered, query.order, folder, paths[query.name]) for query in missing]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                progress(done, len(queries))
        except BaseException:  # Ctrl-C too: what waits is dropped, what is written stays
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return paths
