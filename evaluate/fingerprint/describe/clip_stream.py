"""One source on its way to descriptors: segments come in, clips are cut across their borders and described."""

import math

import numpy as np
import torch
from torch import Tensor

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from preprocess.schema import ShardParams

CLIPS_AT_ONCE = 32
FLAT_LEVELS = 4.0
"""A clip whose frames spread less than this over space, of 255, shows nothing: black, or one colour."""
QUIET_DB = -60.0
"""A clip whose loudest mel band is below this on average, against a full-scale sine, has no audio to go by."""


class Track:
    """Collects the segments of one source in order; a clip is described once its last frame is there.

    Args:
        source: name of the source.
        encoder: what describes the clips.
        params: of the shards.
        hop_frames: frames from one clip's start to the next one's.
    """

    def __init__(self, source: str, encoder: DescriptorEncoder, params: ShardParams, hop_frames: int) -> None:
        self.source = source
        self._encoder, self._params, self._hop = encoder, params, hop_frames
        self._frames: Tensor | None = None  # (T, H, W, 3) uint8, of the frames not yet done with
        self._logmel: Tensor | None = None  # (n_mels, T * columns_per_frame)
        self._heard = torch.zeros(0, dtype=torch.bool)  # (T,)
        self._first, self._next = 0, 0  # of the buffer; where the next clip starts
        self._starts: list[int] = []
        self._found: list[tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]] = []

    def add(self, frames: Tensor | None, logmel: Tensor, *, has_audio: bool) -> None:
        """Add a segment: frames (T, H, W, 3) uint8 or None, log-mel (n_mels, T * columns_per_frame)."""
        n_frames = logmel.shape[1] // self._params.columns_per_frame
        self._frames = frames if self._frames is None or frames is None else torch.cat([self._frames, frames])
        self._logmel = logmel if self._logmel is None else torch.cat([self._logmel, logmel], 1)
        self._heard = torch.cat([self._heard, torch.full((n_frames,), has_audio)])
        last = self._first + len(self._heard) - self._encoder.clip.span_frames
        starts = list(range(self._next, last + 1, self._hop))
        self._describe(starts)
        if starts:
            self._next = starts[-1] + self._hop
        self._forget(min(self._next, self._first + len(self._heard)))

    def finish(self) -> Descriptors:
        """Return all descriptors; a source shorter than a clip is looped until it fills one."""
        if not self._starts:
            self._describe([0])
        fps = self._params.fps
        starts = np.array(self._starts, np.float64) / fps
        pictures = [each[2] for each in self._found if each[2] is not None]
        span = min(self._encoder.clip.span_frames, self._first + len(self._heard)) / fps
        return Descriptors(
            self.source, starts, starts + span,
            has_picture=np.concatenate([each[0] for each in self._found]),
            has_sound=np.concatenate([each[1] for each in self._found]),
            picture=np.concatenate(pictures) if pictures else None,
            sound=np.concatenate([each[3] for each in self._found]),
        )  # fmt: skip

    def _forget(self, frame: int) -> None:
        """Let go of the frames before this one; those of a source without a clip so far are kept."""
        gone = frame - self._first if self._starts else 0
        self._first += gone
        self._heard = self._heard[gone:]
        if self._frames is not None:
            self._frames = self._frames[gone:]
        if self._logmel is not None:
            self._logmel = self._logmel[:, gone * self._params.columns_per_frame :]

    def _describe(self, starts: list[int]) -> None:
        for at in range(0, len(starts), CLIPS_AT_ONCE):
            some = torch.tensor(starts[at : at + CLIPS_AT_ONCE]) - self._first
            has_picture, picture = self._pictures(some)
            has_sound, sound = self._sounds(some)
            self._found.append((has_picture, has_sound, picture, sound))
        self._starts += starts

    def _pictures(self, starts: Tensor) -> tuple[np.ndarray, np.ndarray | None]:
        if self._frames is None:
            return np.zeros(len(starts), bool), None
        clip = self._encoder.clip
        index = starts[:, None] + clip.stride * torch.arange(clip.n_frames)
        frames = self._frames[index % len(self._frames)]  # (B, n_frames, H, W, 3)
        spread = frames.float().mean(4).std(dim=(2, 3)).mean(1)
        there = (spread >= FLAT_LEVELS).cpu().numpy()
        return there, _masked(self._encoder.describe_picture(frames), there)

    def _sounds(self, starts: Tensor) -> tuple[np.ndarray, np.ndarray]:
        logmel = self._logmel
        assert logmel is not None  # noqa: S101 - a source has at least one segment
        clip, per_frame = self._encoder.clip, self._params.columns_per_frame
        ramp = torch.arange(0, (clip.span_frames - 1) * per_frame + 1, clip.column_stride)
        index = (starts[:, None] * per_frame + ramp) % logmel.shape[1]
        columns = logmel[:, index].transpose(0, 1)  # (B, n_mels, columns)
        loudest = columns.exp().amax(1).mean(1)
        heard = self._heard[torch.minimum(starts + clip.span_frames // 2, torch.tensor(len(self._heard) - 1))]
        there = (heard & (loudest.cpu() > math.exp(QUIET_DB / 10 * math.log(10)))).numpy()
        return there, _masked(self._encoder.describe_sound(columns), there)


def _masked(vectors: Tensor, there: np.ndarray) -> np.ndarray:
    """Vectors (B, d) as float32, zeros where there is nothing to describe."""
    return vectors.float().cpu().numpy() * there[:, None].astype(np.float32)
