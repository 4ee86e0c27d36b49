"""What a loader hands over."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class SegmentBatch:
    """B segments, or their windows.

    Attributes:
        frames: (B, window_frames, frame_px, frame_px, 3) uint8, black after n_frames; None for audio data sets.
        logmel: (B, n_mels, window_frames * columns_per_frame) float32, the silence floor after the segment's end.
        n_frames: (B,) int64, frames that the segment has in the window.
        window_start_frame: (B,) int64, the window's first frame, counted from the segment's start.
        has_audio: (B,) bool.
        label: (B,) int64, -1 where there is none.
        segment_id: (B,) int64.
    """

    frames: Tensor | None
    logmel: Tensor
    n_frames: Tensor
    window_start_frame: Tensor
    has_audio: Tensor
    label: Tensor
    segment_id: Tensor

    def __len__(self) -> int:
        return len(self.segment_id)

    def __repr__(self) -> str:
        """Shapes instead of data."""
        shapes = {name: None if value is None else tuple(value.shape) for name, value in self._tensors().items()}
        return f"SegmentBatch({', '.join(f'{name}={shape}' for name, shape in shapes.items())})"

    def to(self, device: torch.device | str) -> "SegmentBatch":
        """Copy the batch to a device, if it is not there."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def first(self, n: int) -> "SegmentBatch":
        """Take the first n segments."""
        return self._map(lambda tensor: tensor[:n])

    def _tensors(self) -> dict[str, Tensor | None]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _map(self, change: Callable[[Tensor], Tensor]) -> "SegmentBatch":
        changed = {name: None if value is None else change(value) for name, value in self._tensors().items()}
        return SegmentBatch(**changed)  # type: ignore[arg-type]  # only `frames` can be None, and it may
