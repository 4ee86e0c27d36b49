"""Raw pixels: 16 x 16 grey, twice a second, mean and contrast taken off; the floor that any method must pass."""

from pathlib import Path

import numpy as np

from evaluate.fingerprint.benchmark.peers.peer import Aligned, Peer, best_diagonal, standardised
from preprocess.media.decode import decode
from preprocess.media.probe import probe
from preprocess.schema import ShardParams

SIDE_PX = 16
PARAMS = ShardParams(fps=2.0, short_side_px=SIDE_PX, hop_length=1000, win_length=1000)
HOP_SECONDS = 1 / PARAMS.fps


class RawPixels(Peer[np.ndarray]):
    """Descriptions are (n, 256) float32 unit rows, stored as a byte a number."""

    name = "raw-pixels"
    modality = "video"

    def describe(self, path: Path) -> np.ndarray | None:
        """Shrink the pictures; None without any."""
        import torch

        if not probe(path).has_video:
            return None
        frames = decode(path, PARAMS).frames
        grey = torch.from_numpy(np.asarray(frames).mean(axis=-1, dtype=np.float32))  # (T, H, W)
        small = torch.nn.functional.adaptive_avg_pool2d(grey[:, None], SIDE_PX)
        return standardised(small.flatten(1).numpy())

    def n_bytes(self, described: np.ndarray) -> int:
        """One byte a number."""
        return described.size

    def compare(self, query: np.ndarray, reference: np.ndarray) -> Aligned | None:
        """Mean cosine along the best diagonal."""
        return best_diagonal(query @ reference.T, HOP_SECONDS, HOP_SECONDS)
