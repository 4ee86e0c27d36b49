"""Clips cut from segments, and the rows of a store made from them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from store.format import Rows
from train.config.clip_config import ClipConfig
from train.data.batch import SegmentBatch
from train.views.views import eval_clips

_COPIED = ("key", "source", "label", "label_name", "group", "splits")


@dataclass(frozen=True)
class Clips:
    """m clips, ready for encoders.

    Attributes:
        spans: where they were cut, a row a clip: segment_id, start_frame (counted from the segment's start), end_frame
            (exclusive), all int64, has_video and has_audio, bool.
        video: (m, 3, T, h, w) float32, or None for audio data sets.
        audio: (m, 1, n_mels, C) float32.
    """

    spans: pd.DataFrame
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
    columns = {
        "segment_id": batch.segment_id.cpu().numpy()[segment], "start_frame": start, "end_frame": end,
        "has_video": batch.frames is not None, "has_audio": batch.has_audio.cpu().numpy()[segment],
    }  # fmt: skip
    spans = pd.DataFrame(columns).iloc[kept]
    if len(kept) == len(segment):  # the usual case: avoid a copy of large tensors
        return Clips(spans, cut.video, cut.audio)
    rows = torch.from_numpy(kept).to(batch.logmel.device)
    return Clips(spans, None if cut.video is None else cut.video[rows], cut.audio[rows])


def make_rows(spans: pd.DataFrame, vectors: dict[str, np.ndarray], segments: pd.DataFrame, fps: float) -> Rows:
    """Make the rows of a store.

    Args:
        spans: of m clips, as in `Clips`.
        vectors: name -> (m, d) float32.
        segments: the manifest's segments, by segment_id.
        fps: of the shards.
    """
    found = segments.loc[spans["segment_id"]]
    origin = found["start_seconds"].to_numpy()
    return Rows(
        **{name: found[name].to_numpy() for name in _COPIED},
        start_seconds=origin + spans["start_frame"].to_numpy() / fps,
        end_seconds=origin + spans["end_frame"].to_numpy() / fps,
        has_video=spans["has_video"].to_numpy(),
        has_audio=spans["has_audio"].to_numpy(),
        vectors=vectors,
    )
