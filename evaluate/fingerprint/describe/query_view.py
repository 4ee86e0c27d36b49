"""Views of a query: what edits are undone before it is compared with the references.

People mirror and turn videos, lay them into a corner of another one, between bars or into a grid, and play them faster or
slower. The references are described once, as they are. A query is described in several ways: as it is, and after each of
these edits was undone.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.fingerprint.describe.clip_stream import (
    describe_audio,
    describe_clips,
    laid_out,
    shown_clips,
    spread_levels,
)
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.footage import Footage
from evaluate.fingerprint.describe.regions import found_regions
from evaluate.fingerprint.describe.view import WHOLE, Region, View
from preprocess.schema import ShardParams
from train.views.distort_audio import shift_pitch

_TWELFTHS = (
    *((0, 0, 6, 12), (6, 0, 12, 12), (0, 0, 12, 6), (0, 6, 12, 12)),  # halves
    *((0, 0, 6, 6), (6, 0, 12, 6), (0, 6, 6, 12), (6, 6, 12, 12)),  # quarters
    *((0, 0, 4, 12), (4, 0, 8, 12), (8, 0, 12, 12), (0, 0, 12, 4), (0, 4, 12, 8), (0, 8, 12, 12)),  # thirds
    (3, 3, 9, 9),
)
FIXED_REGIONS = tuple(Region(*(side / 12 for side in sides)) for sides in _TWELFTHS)
SPEEDS = (0.53, 0.7, 1.42, 1.85)
"""Speeds that are undone. Alignment finds 0.82 to 1.18 times each, so with 1 they cover 0.43 to 2.18."""
PITCHES = (0.77, 1.3)
"""Pitches that are undone at unchanged speed. The encoder bears 0.84 to 1.19 times each."""


def views_of(footage: Footage) -> list[View]:
    """Return the views of a query but the plain one."""
    speeds = [View(speed=speed, pitch=pitch) for speed in SPEEDS for pitch in (1.0, speed)]
    speeds += [View(pitch=pitch) for pitch in PITCHES]
    if footage.frames is None:
        return speeds
    found = found_regions(footage.frames)
    turned = [View(region, turned_degrees=angle) for region in (WHOLE, *found[:1]) for angle in (90, 180, 270)]
    upright = [
        View(region, is_mirrored=mirrored) for region in (WHOLE, *found, *FIXED_REGIONS) for mirrored in (False, True)
    ]
    flipped = [View(is_mirrored=True, turned_degrees=angle) for angle in (90, 180, 270)]
    return list(dict.fromkeys([*upright[1:], *turned, *flipped, *speeds]))


CLIPS_HELD = 256
"""Clips of several views that are cut before they are described: 12 MB with the shipped encoder."""


class ViewedFootage:
    """Footage that is described in views; what several views share is described once.

    Args:
        source: name of the query.
        footage: its frames and log-mels.
        encoder: what describes clips.
    """

    def __init__(self, source: str, footage: Footage, encoder: DescriptorEncoder) -> None:
        frames = None if footage.frames is None else footage.frames.to(encoder.device)
        moved = replace(footage, frames=frames, logmel=footage.logmel.to(encoder.device))
        self.source, self.footage, self._encoder = source, moved, encoder
        self._squares: dict[Region, tuple[Tensor, Tensor]] = {}
        self._audio_of: dict[tuple[float, float, int], tuple[np.ndarray, np.ndarray]] = {}

    def describe(self, view: View, hop_seconds: float) -> Descriptors:
        """Describe a view at a hop; its seconds are those of the footage at the reference's speed, so divide by the speed."""
        return self.describe_all([view], hop_seconds)[0]

    def describe_all(self, views: Sequence[View], hop_seconds: float) -> list[Descriptors]:
        """Describe views at a hop, as `describe` does; the clips of several go through the encoder together."""
        fps, clip = self.fps, self._encoder.clip
        hop = max(1, round(hop_seconds * fps))
        lengths = [max(1, round(len(self.footage) * view.speed)) for view in views]
        starts = [torch.arange(0, max(0, n_frames - clip.span_frames) + 1, hop) for n_frames in lengths]
        described = []
        for view, n_frames, at, (has_video, video) in zip(
            views, lengths, starts, self._describe_video(views, lengths, starts), strict=True
        ):
            has_audio, audio = self._describe_audio(view, n_frames, at, hop)
            begin = (self.footage.first_frame * view.speed + at.numpy().astype(np.float64)) / fps
            span = min(clip.span_frames, n_frames) / fps
            described.append(Descriptors(self.source, begin, begin + span, has_video, has_audio, video, audio))
        return described

    @property
    def fps(self) -> float:
        """Of the frames."""
        return self._encoder.shard_params.fps

    @property
    def shard_params(self) -> ShardParams:
        """Of the frames and log-mels."""
        return self._encoder.shard_params

    def logmel(self, view: View) -> Tensor:
        """Return the log-mel in a view's pitch, at the footage's own speed: (n_mels, T * columns_per_frame) float32."""
        logmel = self.footage.logmel
        if view.pitch == 1.0:
            return logmel
        return shift_pitch(logmel[None], logmel.new_tensor([1 / view.pitch]), self.shard_params.sample_rate_hz)[0]

    def brightness(self, view: View) -> Tensor:
        """Return the brightness of all frames in a view, at the footage's own speed: (T, frame_px, frame_px) float32."""
        still = replace(view, speed=1.0)
        return self._frames(still, len(self.footage))[0].float().mean(3).cpu()

    def _describe_video(
        self, views: Sequence[View], lengths: Sequence[int], starts: Sequence[Tensor]
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        if self.footage.frames is None or not views:
            return [(np.zeros(len(at), bool), None) for at in starts]
        shown, vectors, held = list[np.ndarray](), list[np.ndarray](), list[Tensor]()
        for number, (view, n_frames, at) in enumerate(zip(views, lengths, starts, strict=True), 1):
            shows, clips = shown_clips(self._encoder.clip, *self._frames(view, n_frames), at)
            shown.append(shows)
            held.append(clips)
            if number == len(views) or sum(map(len, held)) >= CLIPS_HELD:
                vectors.append(describe_clips(self._encoder, torch.cat(held)))
                held = []
        parts = np.split(np.concatenate(vectors), np.cumsum([each.sum() for each in shown])[:-1])
        return [(shows, laid_out(shows, part)) for shows, part in zip(shown, parts, strict=True)]

    def _describe_audio(self, view: View, n_frames: int, starts: Tensor, hop: int) -> tuple[np.ndarray, np.ndarray]:
        key = (view.speed, view.pitch, hop)
        if key not in self._audio_of:
            logmel, per_frame = self.logmel(view), self.shard_params.columns_per_frame
            logmel = logmel[:, _steps(n_frames * per_frame, logmel.shape[1], view.speed)]
            has_audio = self.footage.has_audio[_steps(n_frames, len(self.footage), view.speed)]
            self._audio_of[key] = describe_audio(self._encoder, logmel, has_audio, starts)
        return self._audio_of[key]

    def _frames(self, view: View, n_frames: int) -> tuple[Tensor, Tensor]:
        """Return the frames of a view, (n_frames, frame_px, frame_px, 3) uint8, and their spread, which turning keeps."""
        squares, spread = self._squares_of(view.region)
        if view.speed != 1.0:
            steps = _steps(n_frames, len(squares), view.speed)
            squares, spread = squares[steps], spread[steps]
        squares = torch.rot90(squares, view.turned_degrees // 90, (1, 2))
        return squares.flip(2) if view.is_mirrored else squares, spread

    def _squares_of(self, region: Region) -> tuple[Tensor, Tensor]:
        if region not in self._squares:
            frames = self.footage.frames
            assert frames is not None  # noqa: S101 - the caller looked
            shown = frames[:, *region.pixels(*frames.shape[1:3])]
            squares = middle_squares(shown, self._encoder.clip.frame_px)
            self._squares[region] = squares, spread_levels(squares)
        return self._squares[region]


def _steps(n: int, limit: int, speed: float) -> Tensor:
    """Return the n indices, int64, that play `limit` frames or columns slower by `speed`."""
    return (torch.arange(n) / speed).round().long().clamp(max=limit - 1)


def middle_squares(frames: Tensor, px: int) -> Tensor:
    """Reduce the middle squares of frames (T, H, W, 3) uint8 to (T, px, px, 3) uint8."""
    side = min(frames.shape[1:3])
    top, left = (frames.shape[1] - side) // 2, (frames.shape[2] - side) // 2
    square = frames[:, top : top + side, left : left + side].permute(0, 3, 1, 2)
    if side != px:
        square = F.interpolate(square, (px, px), mode="bilinear", antialias=True)  # uint8: rounded
    return square.permute(0, 2, 3, 1).contiguous()
