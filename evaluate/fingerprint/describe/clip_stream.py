"""Segments of one source to descriptors: clips are cut across the borders of segments, then described."""

import math

import numpy as np
import torch
from torch import Tensor

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import ClipShape, DescriptorEncoder
from preprocess.schema import ShardParams

CLIPS_AT_ONCE, FRAMES_AT_ONCE = 32, 256
FLAT_LEVELS = 4.0
"""A clip counts as black or of one colour if its pixels' standard deviation over space is less than this, of 255."""
QUIET_DB = -60.0
"""A clip counts as silent if its loudest mel band is on average below this, relative to a full-scale sine."""


class Track:
    """Collects the segments of one source in order and describes each clip once its last frame is there.

    Args:
        source: name of the source.
        encoder: what describes the clips.
        params: of the shards.
        hop_frames: frames from one clip's start to the next one's.
    """

    def __init__(self, source: str, encoder: DescriptorEncoder, params: ShardParams, hop_frames: int) -> None:
        self.source = source
        self._encoder, self._params, self._hop = encoder, params, hop_frames
        # Frames that later clips need; a source without a clip so far keeps all.
        self._frames: Tensor | None = None  # (T, H, W, 3) uint8
        self._logmel = torch.zeros(params.n_mels, 0)  # (n_mels, T * columns_per_frame)
        self._frame_has_audio = torch.zeros(0, dtype=torch.bool)  # (T,)
        self._first, self._next = 0, 0  # frame numbers: where the buffer and the next clip start
        self._starts: list[int] = []
        self._has_video: list[np.ndarray] = []
        self._has_audio: list[np.ndarray] = []
        self._video: list[np.ndarray] = []
        self._audio: list[np.ndarray] = []

    def add(self, frames: Tensor | None, logmel: Tensor, *, has_audio: bool) -> None:
        """Add a segment: frames (T, H, W, 3) uint8 or None, log-mel (n_mels, T * columns_per_frame)."""
        per_frame = self._params.columns_per_frame
        self._frames = frames if self._frames is None or frames is None else torch.cat([self._frames, frames])
        self._logmel = torch.cat([self._logmel.to(logmel), logmel], 1)
        self._frame_has_audio = torch.cat(
            [self._frame_has_audio, torch.full((logmel.shape[1] // per_frame,), has_audio)]
        )
        end = self._first + len(self._frame_has_audio)
        starts = list(range(self._next, end - self._encoder.clip.span_frames + 1, self._hop))
        self._describe(starts)
        if starts:
            self._next = starts[-1] + self._hop
        gone = min(self._next, end) - self._first if self._starts else 0
        self._first += gone
        self._frame_has_audio = self._frame_has_audio[gone:]
        self._frames = None if self._frames is None else self._frames[gone:]
        self._logmel = self._logmel[:, gone * per_frame :]

    def finish(self) -> Descriptors:
        """Return all descriptors; a source shorter than a clip is looped until it fills one."""
        if not self._starts:
            self._describe([0])
        fps = self._params.fps
        starts = np.array(self._starts, np.float64) / fps
        span = min(self._encoder.clip.span_frames, self._first + len(self._frame_has_audio)) / fps
        return Descriptors(
            self.source, starts, starts + span,
            has_video=np.concatenate(self._has_video), has_audio=np.concatenate(self._has_audio),
            video=np.concatenate(self._video) if self._video else None, audio=np.concatenate(self._audio),
        )  # fmt: skip

    def _describe(self, starts: list[int]) -> None:
        if not starts:
            return
        at = torch.tensor(starts) - self._first
        if self._frames is None:
            self._has_video.append(np.zeros(len(starts), bool))
        else:
            has, vectors = describe_video(self._encoder, self._frames, at)
            self._has_video.append(has)
            self._video.append(vectors)
        has, vectors = describe_audio(self._encoder, self._logmel, self._frame_has_audio, at)
        self._has_audio.append(has)
        self._audio.append(vectors)
        self._starts += starts


def describe_video(encoder: DescriptorEncoder, frames: Tensor, starts: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Describe the video of clips.

    Args:
        encoder: what describes them.
        frames: (T, frame_px, frame_px, 3) uint8; looped if shorter than a clip.
        starts: (n,) int64, first frame of each clip.

    Returns:
        which clips show anything, bool (n,), and their vectors (n, d) float32, zeros where nothing is shown.
    """
    shows, clips = shown_clips(encoder.clip, frames, spread_levels(frames), starts)
    return shows, laid_out(shows, describe_clips(encoder, clips))


def spread_levels(frames: Tensor) -> Tensor:
    """Standard deviation of brightness over the pixels of each frame: (T, H, W, 3) uint8 to (T,) float32 in 0..255."""
    return torch.cat([_spread(some) for some in frames.split(FRAMES_AT_ONCE)])


def _spread(frames: Tensor) -> Tensor:
    grey = ((frames[..., 0].float() + frames[..., 1] + frames[..., 2]) / 3).flatten(1)
    apart = torch.linalg.vector_norm(grey - grey.mean(1, keepdim=True), dim=1)  # a fifth of the time of `std`
    return apart / grey.shape[1] ** 0.5


def shown_clips(clip: ClipShape, frames: Tensor, spread: Tensor, starts: Tensor) -> tuple[np.ndarray, Tensor]:
    """Cut the clips that show anything.

    Args:
        clip: their shape.
        frames: (T, frame_px, frame_px, 3) uint8; looped if shorter than a clip.
        spread: (T,) the frames' `spread_levels`.
        starts: (n,) int64, first frame of each clip.

    Returns:
        which clips show anything, bool (n,), and these clips (k, n_frames, frame_px, frame_px, 3) uint8.
    """
    at = (starts[:, None] + clip.stride * torch.arange(clip.n_frames)) % len(frames)
    shows = (spread[at].mean(1) >= FLAT_LEVELS).cpu()
    return shows.numpy(), frames[at[shows]]


def describe_clips(encoder: DescriptorEncoder, clips: Tensor) -> np.ndarray:
    """Describe clips (k, n_frames, frame_px, frame_px, 3) uint8, some at a time: (k, d) float32."""
    described = torch.zeros(len(clips), encoder.video_dims)
    for first in range(0, len(clips), CLIPS_AT_ONCE):
        some = slice(first, first + CLIPS_AT_ONCE)
        described[some] = encoder.describe_video(clips[some]).float().cpu()
    return described.numpy()


def laid_out(shows: np.ndarray, described: np.ndarray) -> np.ndarray:
    """Lay the vectors (k, d) of the clips that show anything into rows for all, (n, d) float32, zeros elsewhere."""
    vectors = np.zeros((len(shows), described.shape[1]), np.float32)
    vectors[shows] = described
    return vectors


def describe_audio(
    encoder: DescriptorEncoder, logmel: Tensor, has_audio: Tensor, starts: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Describe the audio of clips.

    Args:
        encoder: what describes them.
        logmel: (n_mels, T * columns_per_frame) float32; looped if shorter than a clip.
        has_audio: (T,) bool.
        starts: (n,) int64, first frame of each clip.

    Returns:
        which clips are audible, bool (n,), and their vectors (n, e) float32, zeros where there is silence.
    """
    clip, vectors = encoder.clip, torch.zeros(len(starts), encoder.audio_dims)
    if encoder.variant == "still":
        return np.zeros(len(starts), bool), vectors.numpy()
    per_frame = encoder.shard_params.columns_per_frame
    ramp = torch.arange(0, (clip.span_frames - 1) * per_frame + 1, clip.column_stride)
    columns = (starts[:, None] * per_frame + ramp) % logmel.shape[1]
    loudest = logmel.amax(0).exp()[columns].mean(1).cpu()
    middle = (starts + clip.span_frames // 2).clamp(max=len(has_audio) - 1)
    audible = has_audio[middle] & (loudest > math.exp(QUIET_DB / 10 * math.log(10)))
    for some in audible.nonzero()[:, 0].split(CLIPS_AT_ONCE):
        heard = logmel[:, columns[some]].transpose(0, 1)  # (B, n_mels, columns)
        vectors[some] = encoder.describe_audio(heard).float().cpu()
    return audible.numpy(), vectors.numpy()
