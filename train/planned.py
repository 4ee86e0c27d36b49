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


def take_frames(strip: np.ndarray, start: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Splice a strip of some frames of a window.

    Args:
        strip: (N,) uint8, of the whole segment.
        start: () int32, first frame of the window.
        frames: (K,) int64, counted from there.

    Returns:
        The new strip, (M,) uint8.

    Raises:
        StripError: the strip is damaged or too short.
    """
    return np.frombuffer(splice(strip.data, (frames + start).tolist()), np.uint8)


def most_frames(planner: Planner, window_frames: int) -> int:
    """Largest number of frames that a segment's clips show."""
    return min(planner.n_clips * planner.n_frames, window_frames)


def _split(batch: torch.Tensor) -> Arrays:
    """One array a segment, also of scalars."""
    return [np.array(row) for row in batch.numpy()]
