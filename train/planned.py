"""What Python does in the DALI graph: plan the clips of a batch, then take the frames that they show out of the strips.

DALI calls these functions in its own threads while the trainer is busy with the batch before. They keep nothing from one
batch to the next: what they draw follows from numbers that DALI's generator gives, whose state is in DALI's checkpoint.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from preprocess.splice import splice
from train.plan import Plan
from train.planners import Planner

SEED_NUMBERS = 2
"""Numbers of 32 bits that a batch's generator is seeded with."""
N_OUTPUTS = 2 + len(fields(Plan))
"""Of a `BatchPlanner`."""

Arrays = list[np.ndarray]
"""One array a segment."""


@dataclass(frozen=True)
class BatchPlanner:
    """Plans a batch, and says which frames its clips show."""

    planner: Planner

    def __call__(self, n_frames: Arrays, noise: Arrays) -> tuple[Arrays, ...]:
        """Plan.

        Args:
            n_frames: () int32, of each segment's window.
            noise: (SEED_NUMBERS,) float32 at random, of which the first segment's seed the generator.

        Returns:
            The frames of the window that a clip shows, each once and rising, (K,) int64; which of these each clip shows,
            (V, T) int64; then the plan's fields.
        """
        lengths = torch.from_numpy(np.stack(n_frames).astype(np.int64))
        generator = torch.Generator().manual_seed(int.from_bytes(noise[0].tobytes(), "little") % (1 << 63))
        plan = self.planner(lengths, generator)
        frames = plan.frames(lengths, self.planner.n_frames)  # (B, V, T)
        shown = torch.zeros(len(lengths), int(lengths.max()), dtype=torch.bool)
        shown.scatter_(1, frames.flatten(1), value=True)
        rows = (shown.cumsum(1) - 1).gather(1, frames.flatten(1)).view_as(frames)
        needed = [np.flatnonzero(row) for row in shown.numpy()]
        return needed, _split(rows), *(_split(getattr(plan, field.name)) for field in fields(plan))


def take_frames(
    strips: Arrays, starts: Arrays, frames: Arrays, heights: Arrays, first_rows: Arrays, n_rows: Arrays
) -> tuple[Arrays, Arrays]:
    """Splice strips of some frames of the windows, and say which rows of their pictures to keep.

    Args:
        strips: (N,) uint8 each, of the whole segments.
        starts: () int32, first frame of the window.
        frames: (K,) int64, counted from there.
        heights: () int32, of a frame.
        first_rows, n_rows: () int32, the rows of a frame that are kept.

    Returns:
        The new strips, (M,) uint8 each; the rows to keep of all that they hold, (K * n_rows,) int32.

    Raises:
        StripError: a strip is damaged or too short.
    """
    spliced = [
        np.frombuffer(splice(strip.data, (wanted + start).tolist()), np.uint8)
        for strip, wanted, start in zip(strips, frames, starts, strict=True)
    ]
    rows = [
        inner_rows(len(wanted), int(height), int(first), int(number))
        for wanted, height, first, number in zip(frames, heights, first_rows, n_rows, strict=True)
    ]
    return spliced, rows


def inner_rows(n_frames: int, height: int, first: int, number: int) -> np.ndarray:
    """Rows first .. first + number of every frame of a strip, (n_frames * number,) int32; of an edge its neighbour's.

    The decoder smooths chroma across the rows of a strip, so a frame's first and last row hold colour of the frames before
    and behind, which a clip at 1x shows and a faster one skips: they would tell the speed and the direction.
    """
    rows = np.arange(first, first + number, dtype=np.int32).clip(1, height - 2)
    return (np.arange(n_frames, dtype=np.int32)[:, None] * height + rows).ravel()


def most_frames(planner: Planner, window_frames: int) -> int:
    """Largest number of frames that a segment's clips show."""
    return min(planner.n_clips * planner.n_frames, window_frames)


def _split(batch: torch.Tensor) -> Arrays:
    """One array a segment, also of scalars."""
    return [np.array(row) for row in batch.numpy()]
