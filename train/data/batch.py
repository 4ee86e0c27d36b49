"""The batch that a loader yields."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from train.plans.plan import Plan


@dataclass(frozen=True)
class SegmentBatch:
    """B segments or windows of segments: the frames that their V clips show, and all of their audio.

    Attributes:
        frames: (B, K, frame_px, frame_px, 3) uint8, the frames that clips show, each once and in order of time. The last
            frame is repeated where a segment's clips show fewer than K. None for audio data sets.
        clip_frames: (B, V, T) int64, for each clip the positions of its frames in `frames`, in the order of playback.
            None if `frames` is None.
        plan: the planned clips.
        logmel: (B, n_mels, window_frames * columns_per_frame) float32, filled with silence after the end of the segment.
        n_frames: (B,) int64, frames that the segment has in the window.
        window_start_frame: (B,) int64, the window's first frame, counted from the segment's start.
        has_audio: (B,) bool.
        n_heard: segments with audio, counted on the host: counting them on a GPU would make the host wait for it.
        label: (B,) int64, -1 where there is none.
        segment_id: (B,) int64.
    """

    frames: Tensor | None
    clip_frames: Tensor | None
    plan: Plan
    logmel: Tensor
    n_frames: Tensor
    window_start_frame: Tensor
    has_audio: Tensor
    n_heard: int
    label: Tensor
    segment_id: Tensor

    def __len__(self) -> int:
        return len(self.segment_id)

    def __repr__(self) -> str:
        """Shapes instead of data."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        shapes = {name: tuple(value.shape) for name, value in values.items() if isinstance(value, Tensor)}
        return f"SegmentBatch({', '.join(f'{name}={shape}' for name, shape in shapes.items())})"

    def to(self, device: torch.device | str) -> "SegmentBatch":
        """Copy the batch to a device, unless it is there; from pinned memory to a GPU, so that the host does not wait."""
        kind = torch.device(device).type

        def send(tensor: Tensor) -> Tensor:
            is_far = kind == "cuda" and tensor.device.type == "cpu"
            return tensor.pin_memory().to(device, non_blocking=True) if is_far else tensor.to(device)

        return self._map(send)

    def by_moment(self, moments: int) -> "SegmentBatch":
        """Make a segment of two clips of each moment of a segment of 2 * moments clips: (B, ...) to (B * moments, ...)."""
        if moments == 1:
            return self
        spread = self._map(lambda tensor: tensor.repeat_interleave(moments, 0))
        number = torch.arange(len(spread), device=self.segment_id.device) % moments
        return replace(
            spread, n_heard=moments * self.n_heard, segment_id=spread.segment_id * moments + number,
            clip_frames=None if self.clip_frames is None else self.clip_frames.unflatten(1, (moments, 2)).flatten(0, 1),
            plan=replace(
                spread.plan, **{name: getattr(self.plan, name).reshape(-1, 2) for name in ("start", "speed", "stride", "reverse")}
            ),
        )  # fmt: skip

    def first(self, n: int) -> "SegmentBatch":
        """Take the first n segments."""
        return replace(self._map(lambda tensor: tensor[:n]), n_heard=int(self.has_audio[:n].sum()))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "SegmentBatch":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {n: change(value) for n, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **changed, plan=self.plan.map(change))
