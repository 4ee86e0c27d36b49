"""Known fingerprints for comparison, on the same queries and references, and two simple lower bounds."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ffmpeg
import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.method import Aligned, Method, MethodMissingError, Peer, best_diagonal
from evaluate.fingerprint.benchmark.ours import OURS
from evaluate.fingerprint.benchmark.render import open_media, run_graph
from preprocess.features.logmel import SILENCE_DBFS, log_mel, rms_dbfs
from preprocess.media.decode import decode
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.schema import ShardParams


class Chromaprint(Peer):
    """The acoustic fingerprint of AcoustID, through ffmpeg's own muxer: numbers (n,) uint32, eight per second.

    The bundled ffmpeg is built with the chromaprint library; another one ($AVTEMPO_FFMPEG) may lack it.
    """

    name, modality, bytes_per_row = "chromaprint", "audio", 4
    hop_seconds = 1365 / 11_025  # a third of a frame of 4096 samples at its working rate
    reach_seconds = 2.6  # the frames of its longest filter

    def __init__(self) -> None:
        super().__init__()
        listed = subprocess.run(
            [ffmpeg_executable(), "-muxers"], capture_output=True, text=True, timeout=60, check=False
        )
        if " chromaprint " not in listed.stdout:
            raise MethodMissingError(
                f"{ffmpeg_executable()} is built without chromaprint; unset AVTEMPO_FFMPEG to use the bundled one"
            )

    def describe(self, path: Path) -> np.ndarray:
        """Fingerprint the audio; there are no rows if it is too short for one."""
        with open_media(path) as source, tempfile.NamedTemporaryFile() as target:
            audio = source.stream(source.info.audio_stream)
            run_graph(ffmpeg.output(audio, target.name, format="chromaprint", fp_format="raw"), (source,), path)
            return np.fromfile(target.name, "<u4")

    def compare(self, query: np.ndarray, reference: np.ndarray) -> Aligned:
        """Find the offset with the highest share of equal bits."""
        equal_bits = 1 - np.bitwise_count(query[:, None] ^ reference[None, :]) / 32
        return best_diagonal(equal_bits, self.hop_seconds, self.reach_seconds)


class Vpdq(Peer):
    """vPDQ: PDQ hashes of one frame per second: rows (n, 257) float32 of 256 times -1 or 1, and the second.

    PDQ comes from the package pdqhash, which wraps the reference code. As in vPDQ (ThreatExchange), frames of quality
    below 50 are skipped, and two frames match if at most 31 bits differ.
    """

    name, modality, bytes_per_row = "vpdq", "video", 32
    params = ShardParams(fps=1.0, hop_length=1000, win_length=1000)
    min_quality, max_distance_bits, hash_bits = 50, 31, 256

    def describe(self, path: Path) -> np.ndarray:
        """Hash one frame per second; there may be none of enough quality."""
        import pdqhash

        frames = np.asarray(decode(path, self.params).frames)
        hashed = [pdqhash.compute(np.ascontiguousarray(frame)) for frame in frames]
        rows = [[*(2.0 * bits - 1), i] for i, (bits, quality) in enumerate(hashed) if quality >= self.min_quality]
        return np.array(rows, np.float32)

    def compare(self, query: np.ndarray, reference: np.ndarray) -> Aligned | None:
        """Score the share of the query's frames that match; equal shares are ordered by the number of equal bits."""
        distances = (self.hash_bits - query[:, :-1] @ reference[:, :-1].T) / 2  # (n_query, n_reference)
        matching = np.flatnonzero(distances.min(axis=1) <= self.max_distance_bits)
        if not len(matching):
            return None
        partners = distances[matching].argmin(axis=1)
        mean_bits = distances[matching, partners].mean()
        score = float(len(matching) / len(query) - 1e-3 * mean_bits / self.hash_bits)
        seconds, others = query[matching, -1].tolist(), reference[partners, -1].tolist()
        return Aligned(min(seconds), max(seconds) + 1, min(others), max(others) + 1, score)


class Mpeg7(Peer):
    """The frame signature of the MPEG-7 video signature (ISO/IEC 15938-3), through ffmpeg's filter, four times a second.

    Rows (n, 760) float32 of unit length: each of 380 values 0, 1, 2 as two signs, so that a row's cosine falls with the
    L1 distance of signatures. Segments' bags of words, with which the standard chooses what to compare, are not used.
    """

    name, modality, bytes_per_row = "mpeg-7", "video", 76  # five values a byte
    hop_seconds = reach_seconds = 0.25

    def describe(self, path: Path) -> np.ndarray:
        """Let ffmpeg write signatures as XML, and read them."""
        with open_media(path) as source, tempfile.NamedTemporaryFile(suffix=".xml") as target:
            frames = source.stream(source.info.video_stream).filter("fps", round(1 / self.hop_seconds))
            signed = frames.filter("signature", filename=target.name, format="xml")
            run_graph(ffmpeg.output(signed, "-", format="null"), (source,), path)
            found = re.findall(rb"<FrameSignature>([^<]*)<", target.read())
        values = np.array([each.split() for each in found], np.float32).reshape(-1, 380)
        signs = np.concatenate([values > 0.5, values > 1.5], axis=1) * 2.0 - 1
        return (signs / np.sqrt(signs.shape[1])).astype(np.float32)


class RawPixels(Peer):
    """16 x 16 grey pixels, twice per second, without mean and contrast: rows (n, 256) float32 of unit length."""

    name, modality, bytes_per_row = "raw-pixels", "video", 16 * 16
    params = ShardParams(fps=2.0, short_side_px=16, hop_length=1000, win_length=1000)
    hop_seconds = reach_seconds = 0.5

    def describe(self, path: Path) -> np.ndarray:
        """Shrink the frames."""
        import torch

        frames = decode(path, self.params).frames
        grey = torch.from_numpy(np.asarray(frames).mean(axis=-1, dtype=np.float32))  # (T, H, W)
        small = torch.nn.functional.adaptive_avg_pool2d(grey[:, None], self.params.short_side_px)
        return _standardised(small.flatten(1).numpy())


class MeanLogMel(Peer):
    """The spectrum of each second, twice per second, without level: rows (n, n_mels) float32 of unit length."""

    name, modality = "log-mel", "audio"
    params = ShardParams(media="audio", fps=2.0)
    bytes_per_row = params.n_mels
    hop_seconds, reach_seconds = 0.5, 1.0

    def describe(self, path: Path) -> np.ndarray:
        """Average over each second; silence has no rows."""
        waveform = decode(path, self.params).waveform
        if waveform is None or rms_dbfs(waveform) <= SILENCE_DBFS:
            return np.empty(0)
        columns = log_mel(waveform, self.params).astype(np.float32)  # (n_mels, T)
        halves = columns.reshape(self.params.n_mels, -1, self.params.columns_per_frame).mean(axis=2).T  # (n, n_mels)
        seconds = (halves[:-1] + halves[1:]) / 2 if len(halves) > 1 else halves
        return _standardised(seconds)


def _standardised(rows: np.ndarray) -> np.ndarray:
    """Subtract the mean of each row (n, d) and scale it to unit length, float32; constant rows become zeros."""
    centred = rows.astype(np.float64) - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(lengths > 1e-6 * rows.shape[1], centred / np.maximum(lengths, 1e-12), 0).astype(np.float32)


PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Chromaprint, Vpdq, Mpeg7, RawPixels, MeanLogMel)}


def make_peers(names: Sequence[str]) -> tuple[list[Method], dict[str, str]]:
    """Make peers by name.

    Returns:
        The peers that can run, and the reason for each of the others.

    Raises:
        FingerprintError: there is no peer of that name.
    """
    if unknown := [name for name in names if name not in PEERS]:
        raise FingerprintError(f"no such method: {', '.join(unknown)}; there are {', '.join([*OURS, *PEERS])}")
    made: list[Method] = []
    missing = {}
    for name in names:
        try:
            made.append(PEERS[name]())
        except MethodMissingError as error:
            missing[name] = str(error)
    return made, missing
