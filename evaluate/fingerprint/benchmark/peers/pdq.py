"""vPDQ: a PDQ hash of 256 bits for one picture a second, with the defaults of its authors.

PDQ comes from the package pdqhash, which wraps the reference code. Of vPDQ (ThreatExchange) the rules are kept: frames
of quality below 50 are passed over, two frames match at 31 different bits or fewer, and a pair of videos is worth the
share of the query's frames that match.
"""

from pathlib import Path

import numpy as np

from evaluate.fingerprint.benchmark.method import MethodMissingError
from evaluate.fingerprint.benchmark.peers.peer import Aligned, Peer
from preprocess.media.decode import decode
from preprocess.media.probe import probe
from preprocess.schema import ShardParams

PARAMS = ShardParams(fps=1.0, hop_length=1000, win_length=1000)
MIN_QUALITY = 50
MAX_DISTANCE_BITS = 31
HASH_BITS = 256


class Vpdq(Peer[tuple[np.ndarray, np.ndarray]]):
    """Descriptions are hashes (n, 256) of -1 and 1 in float32, and the second that each stands for, (n,)."""

    name = "vpdq"
    modality = "video"

    def __init__(self) -> None:
        super().__init__()
        try:
            import pdqhash
        except ImportError as error:
            raise MethodMissingError(f"vpdq needs the package pdqhash ({error}): pip install pdqhash") from error
        self._hash = pdqhash.compute

    def describe(self, path: Path) -> tuple[np.ndarray, np.ndarray] | None:
        """Hash a picture a second; None without any of enough quality."""
        if not probe(path).has_video:
            return None
        frames = decode(path, PARAMS).frames
        hashed = [self._hash(np.ascontiguousarray(frame)) for frame in np.asarray(frames)]
        good = [i for i, (_, quality) in enumerate(hashed) if quality >= MIN_QUALITY]
        if not good:
            return None
        return 2 * np.stack([hashed[i][0] for i in good]).astype(np.float32) - 1, np.array(good, np.float64)

    def n_bytes(self, described: tuple[np.ndarray, np.ndarray]) -> int:
        """32 bytes a frame."""
        return len(described[0]) * HASH_BITS // 8

    def compare(self, query: tuple[np.ndarray, np.ndarray], reference: tuple[np.ndarray, np.ndarray]) -> Aligned | None:
        """Share of the query's frames that match; equal shares are ordered by how few bits differ."""
        distances = (HASH_BITS - query[0] @ reference[0].T) / 2  # (n_query, n_reference)
        matching = np.flatnonzero(distances.min(axis=1) <= MAX_DISTANCE_BITS)
        if not len(matching):
            return None
        partners = distances[matching].argmin(axis=1)
        mean_bits = distances[matching, partners].mean()
        seconds, others = query[1][matching], reference[1][partners]
        score = len(matching) / len(query[0]) - 1e-3 * mean_bits / HASH_BITS
        return Aligned(seconds.min(), seconds.max() + 1, others.min(), others.max() + 1, float(score))
