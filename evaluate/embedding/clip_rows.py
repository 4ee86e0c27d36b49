"""Clips cut from segments, and the rows of a store made from them."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from store.format import Rows
from train.config.clip_config import ClipConfig
from train.data.batch import SegmentBatch
from train.views.views import eval_clips

if TYPE_CHECKING:
    import pandas as pd

_COPIED = ("key", "source", "label", "label_name", "group", "splits")


@dataclass(frozen=True)
class ClipSpans:
    """Where m clips were cut.

    Attributes:
        segment_id: (m,) int64.
        start_frame: (m,) int64, counted from the segment's start.
        end_frame: (m,) int64, exclusive.
        has_video: (m,) bool.
        has_audio: (m,) bool.
    """

    segment_id: np.ndarray
    start_frame: np.ndarray
    end_frame: np.ndarray
    has_video: np.ndarray
    has_audio: np.ndarray

    def take(self, rows: np.ndarray) -> Self:
        """Select clips by number or mask."""
        return type(self)(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    @classmethod
    def concatenate(cls, spans: "list[ClipSpans]") -> "ClipSpans":
        """Put spans one after the other."""
        return cls(**{each.name: np.concatenate([getattr(span, each.name) for span in spans]) for each in fields(cls)})


@dataclass(frozen=True)
class Clips:
    """m clips, ready for encoders.

    Attributes:
        spans: where they were cut.
        video: (m, 3, T, h, w) float32, or None for audio data sets.
        audio: (m, 1, n_mels, C) float32.
    """

    spans: ClipSpans
    video: Tensor | None
    audio: Tensor


def cut_clips(batch: SegmentBatch, clip: ClipConfig, columns_per_frame: int) -> Clips:
    """Cut the planned clips of each segment; of several clips from the same frames of a short segment, keep one."""
    cut = eval_clips(batch, clip, columns_per_frame)
    segment = np.repeat(np.arange(len(batch)), batch.plan.start.shape[1])
    start = cut.start_frame.cpu().numpy() + batch.window_start_frame.cpu().numpy()[segment]
    end = start + cut.span_frames.cpu().numpy()
    _, first = np.unique(np.stack([segment, start, end]), axis=1, return_index=True)
    kept = np.sort(first)
    spans = ClipSpans(
        segment_id=batch.segment_id.cpu().numpy()[segment],
        start_frame=start,
        end_frame=end,
        has_video=np.full(len(segment), batch.frames is not None),
        has_audio=batch.has_audio.cpu().numpy()[segment],
    ).take(kept)
    if len(kept) == len(segment):  # the usual case: avoid a copy of large tensors
        return Clips(spans, cut.video, cut.audio)
    rows = torch.from_numpy(kept).to(batch.logmel.device)
    return Clips(spans, None if cut.video is None else cut.video[rows], cut.audio[rows])


def make_rows(spans: ClipSpans, vectors: dict[str, np.ndarray], segments: "pd.DataFrame", fps: float) -> Rows:
    """Make the rows of a store.

    Args:
        spans: m clips.
        vectors: name -> (m, d) float32.
        segments: the manifest's segments, by segment_id.
        fps: of the shards.
    """
    found = segments.loc[spans.segment_id]
    origin = found["start_seconds"].to_numpy()
    return Rows(
        **{name: found[name].to_numpy() for name in _COPIED},
        start_seconds=origin + spans.start_frame / fps,
        end_seconds=origin + spans.end_frame / fps,
        has_video=spans.has_video,
        has_audio=spans.has_audio,
        vectors=vectors,
    )
