"""Mean log-mel: the spectrum of every second, twice a second, level taken off; the floor for sound."""

from pathlib import Path

import numpy as np

from evaluate.fingerprint.benchmark.peers.peer import Aligned, Peer, best_diagonal, standardised
from preprocess.features.logmel import SILENCE_DBFS, log_mel, rms_dbfs
from preprocess.media.decode import decode
from preprocess.media.probe import probe
from preprocess.schema import ShardParams

PARAMS = ShardParams(media="audio", fps=2.0)
HOP_SECONDS, REACH_SECONDS = 0.5, 1.0


class MeanLogMel(Peer[np.ndarray]):
    """Descriptions are (n, n_mels) float32 unit rows, stored as a byte a number."""

    name = "log-mel"
    modality = "audio"

    def describe(self, path: Path) -> np.ndarray | None:
        """Average over each second; None without sound."""
        if not probe(path).has_audio:
            return None
        waveform = decode(path, PARAMS).waveform
        if waveform is None or rms_dbfs(waveform) <= SILENCE_DBFS:
            return None
        columns = log_mel(waveform, PARAMS).astype(np.float32)  # (n_mels, T)
        halves = columns.reshape(PARAMS.n_mels, -1, PARAMS.columns_per_frame).mean(axis=2).T  # (n, n_mels)
        seconds = (halves[:-1] + halves[1:]) / 2 if len(halves) > 1 else halves
        return standardised(seconds)

    def n_bytes(self, described: np.ndarray) -> int:
        """One byte a number."""
        return described.size

    def compare(self, query: np.ndarray, reference: np.ndarray) -> Aligned | None:
        """Mean cosine along the best diagonal."""
        return best_diagonal(query @ reference.T, HOP_SECONDS, REACH_SECONDS)
